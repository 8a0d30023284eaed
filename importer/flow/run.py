"""run: the path of a run, from an open one to its report.

    open ──► submit ──► track ──► audit ──► report
              │  ▲
              ▼  │ (a lost answer is looked up before anything is repeated)
             doubt

`open` puts every row with its frozen payload into the ledger before the first POST. From there on every step reads the
ledger and never the file, so carrying on after any death is the same call as going on: `carry_on(run)`. Submission runs
under the ledger's lock, several calls at a time; tracking and audits do not need it.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from importer.core.approval import Approval
from importer.core.budget import RetryBudget
from importer.core.errors import (
    AlreadyRunning,
    ImporterError,
    Interrupted,
    LeaseLost,
    NotAuthorised,
    TargetDown,
    TooManyFailures,
)
from importer.core.findings import Finding
from importer.core.lease import Held
from importer.core.moments import written
from importer.core.plan import PlanRow, Preview
from importer.core.policy import FREQUENT, RECORDED, Resend
from importer.core.stages import Stage, advance
from importer.core.verdicts import Verdict
from importer.flow.audit import Auditing
from importer.flow.lease import Leasing, Who
from importer.flow.rules import Rules
from importer.flow.submit import Submission
from importer.flow.track import Tracking
from importer.ports import Clock, Ledger, Progress, RunRecord, RunRow, Target

Track = Literal["none", "created", "closed"]

SUSPECTS = 500
"""Rows that are read at a time."""
SUBMIT_SCOPES = ("task:create", "task:view")
PREVIEW_SCOPES = ("queue:view", "task:view")
TRACK_SCOPES = ("task:view",)


@dataclass(frozen=True, slots=True)
class How:
    """How a run is carried out; none of it changes what is sent."""

    rules: Rules
    track: Track
    track_for_s: float | None  # None: to the end
    audit: bool


@dataclass(slots=True)
class Ending:
    """How a run came to rest. `problem` is what stopped it, if anything did."""

    run: str
    problem: ImporterError | None = None
    audits_denied: str = ""


@dataclass(slots=True)
class Running:
    """Carries runs out. `stop` may be called at any time, also from a signal handler."""

    ledger: Ledger
    target: Target
    clock: Clock
    lock: Callable[[str], AbstractContextManager[None]]
    progress: Progress
    how: How
    who: Who
    _stopped: Interrupted | None = None
    _submission: Submission | None = None
    _tracking: Tracking | None = None
    _auditing: Auditing | None = None

    def stop(self, reason: Interrupted) -> None:
        """Ends cleanly: no new call; those in flight may land."""
        self._stopped = reason
        if self._submission is not None:
            self._submission.halt(reason)
        for phase in (self._tracking, self._auditing):
            if phase is not None:
                phase.stopped = True

    def open(
        self,
        run: str,
        preview: Preview,
        rows: Iterable[PlanRow],
        approval: Approval | None,
        out: str,
        settings: dict[str, object],
        *,
        chain: str = "",
        left_out: Mapping[int, Finding] = MappingProxyType({}),
    ) -> None:
        """Records the run with every row, frozen. Raises PlanRefused if the plan ran already.

        `chain`: the head of the log of approvals; `left_out`: rows that become skipped, by line, and what is said of them.
        """
        now = self.clock.now()
        record = RunRecord(
            run=run,
            preview=preview,
            opened_at=written(now),
            state="open",
            note="",
            settings=settings,
            approval=approval,
            out=out,
            chain=chain,
        )

        def opened() -> Iterator[RunRow]:
            for planned in rows:
                row = planned.skipped(left_out[planned.line]) if planned.line in left_out else planned
                sent = row.verdict is Verdict.READY and row.payload is not None
                yield RunRow(row, self.target.opened(row.payload or {}, run, now) if sent else None)

        self.ledger.open_run(record, opened())

    async def carry_on(self, run: str) -> Ending:
        """Submits what is unsettled, then tracks and audits. Never raises ImporterError but AlreadyRunning: see `problem`."""
        ending = Ending(run)
        await self._settle(run, self.how.rules, ending)
        if ending.problem is None:
            await self.follow(run, ending)
        await self._note(run, ending)
        return ending

    async def reconcile(self, run: str, *, resend: bool) -> Ending:
        """Looks up every row whose outcome is not known and sends none; `resend`: sends those that are surely absent.

        In an older copy of the ledger the ready rows are looked up too: they may have been sent since.
        """
        ending = Ending(run)
        older = self.ledger.is_older_copy()
        how = Resend.CONFIRMED if resend else Resend.NEVER
        await self._settle(run, replace(self.how.rules, sends=False, resend=how, suspects=older, canary=0), ending)
        await self._note(run, ending)
        return ending

    async def suspect(self, run: str) -> None:
        """Every ready row of the run may have been sent, as far as this older copy of the ledger knows: it is in doubt from now on."""
        after = -1
        while entries := await self.ledger.entries(run, [Stage.READY], after, SUSPECTS):
            after = entries[-1].position
            reason = "the ledger was put back from an older copy"
            for entry in entries:
                await self.ledger.put(advance(entry, Stage.DOUBT, doubted=True, reason=reason))

    async def _settle(self, run: str, rules: Rules, ending: Ending) -> None:
        try:
            if self.ledger.unsettled(run):
                with self._locked(run):
                    await self._submit(run, rules)
        except LeaseLost as problem:
            ending.problem = problem
        except (NotAuthorised, TargetDown, Interrupted, TooManyFailures) as problem:
            ending.problem = problem

    async def _note(self, run: str, ending: Ending) -> None:
        """Records how the run rests, unless it is another importer's now."""
        if not isinstance(ending.problem, LeaseLost):
            unsettled = self.ledger.unsettled(run)
            await self.ledger.set_state(run, "open" if unsettled else "done", str(ending.problem or ""))

    def _locked(self, run: str) -> ExitStack:
        """The lock; without it where its holder is held up so long that the run's lease is running out or has run out."""
        stack = ExitStack()
        try:
            stack.enter_context(self.lock(run))
        except AlreadyRunning:
            lease = self.ledger.lease(run)
            # Of a holder that is gone, or of another start of the system, the kernel has let the lock go: another one has it.
            if lease is None or lease.holder.boot != self.who.me.boot or self.who.is_gone(lease.holder):
                raise
            if isinstance(self._leasing(run, self.how.rules).standing(lease), Held):
                raise
        return stack

    def _leasing(self, run: str, rules: Rules) -> Leasing:
        return Leasing(run, self.ledger, self.clock, self.who, rules.flight_s, rules.lease_s, self.progress)

    async def _submit(self, run: str, rules: Rules) -> None:
        leasing = self._leasing(run, rules)
        if not await leasing.take(lambda: self._stopped is not None):
            assert self._stopped is not None
            raise self._stopped
        try:
            await self._sent(run, rules, leasing)
        finally:
            await leasing.give_back()

    async def _sent(self, run: str, rules: Rules, leasing: Leasing) -> None:
        counts = self.ledger.counts(run)
        self.target.budget = RetryBudget(counts["not_sent"] + counts["unknown"])
        self._submission = Submission(run, self.ledger, self.target, self.clock, rules, self.progress, leasing.holds)
        keeping = asyncio.create_task(leasing.keep(self._submission.halt))  # ended below, however it goes
        try:
            await self.target.log_in(SUBMIT_SCOPES)
            if self._stopped is not None:
                raise self._stopped
            self.progress("submitting", counts)
            await self._submission.submit()
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping

    async def follow(self, run: str, ending: Ending) -> None:
        """Tracks and audits, as far as `how` asks for it."""
        if self.how.track == "none":
            return
        try:
            await self.target.log_in(TRACK_SCOPES)
            await self._track(run)
            if self._stopped is None and self.how.audit and self.how.track == "closed":
                ending.audits_denied = await self._audit(run)
        except (NotAuthorised, TargetDown, Interrupted) as problem:
            ending.problem = problem
        ending.problem = ending.problem or self._stopped

    async def _track(self, run: str) -> None:
        polling = RECORDED if self.target.recorded and self.how.audit else FREQUENT
        self._tracking = Tracking(run, self.ledger, self.target, self.clock, self.progress, polling)
        self._tracking.stopped = self._stopped is not None  # asked to stop while it logged in
        await self._tracking.look_once()
        if self.how.track == "closed":
            await self._tracking.follow(self.how.track_for_s)

    async def _audit(self, run: str) -> str:
        record = self.ledger.run(run)
        assert record is not None
        since = datetime.fromisoformat(record.opened_at)
        many = self.how.rules.concurrency
        self._auditing = Auditing(run, self.ledger, self.target, self.clock, many, self.progress, since)
        await self._auditing.fetch()
        return self._auditing.denied
