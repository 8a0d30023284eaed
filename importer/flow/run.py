"""run: the path of a run, from an open one to its report.

    open ──► submit ──► track ──► audit ──► report
              │  ▲
              ▼  │ (a lost answer is looked up before anything is repeated)
             doubt

`open` puts every row with its frozen payload into the ledger before the first POST. From there on every step reads the
ledger and never the file, so carrying on after any death is the same call as going on: `carry_on(run)`. Submission runs
under the ledger's lock, several calls at a time; tracking and audits do not need it.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

from importer.core.errors import ImporterError, Interrupted, NotAuthorised, TargetDown
from importer.core.plan import Approval, PlanRow, Preview
from importer.core.verdicts import Verdict
from importer.flow.audit import Auditing
from importer.flow.submit import Submission
from importer.flow.track import Tracking
from importer.ports import Clock, Ledger, Progress, RunRecord, RunRow, Target

Track = Literal["none", "created", "closed"]

SUBMIT_SCOPES = ("task:create", "task:view")
PREVIEW_SCOPES = ("queue:view", "task:view")
TRACK_SCOPES = ("task:view",)


@dataclass(frozen=True, slots=True)
class How:
    """How a run is carried out; none of it changes what is sent."""

    lag_s: float  # how long the target's index may lag
    concurrency: int
    track: Track
    track_for_s: float | None  # None: to the end
    audit: bool
    flight_s: float = 0.0  # how long one call may take at most


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
    ) -> None:
        """Records the run with every row, frozen. Raises PlanRefused if the plan ran already."""
        now = self.clock.now()
        record = RunRecord(
            run=run,
            preview=preview,
            opened_at=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
            state="open",
            note="",
            settings=settings,
            approval=approval,
            out=out,
        )

        def opened() -> Iterator[RunRow]:
            for row in rows:
                sent = row.verdict is Verdict.READY and row.payload is not None
                yield RunRow(row, self.target.opened(row.payload or {}, run, now) if sent else None)

        self.ledger.open_run(record, opened())

    async def carry_on(self, run: str) -> Ending:
        """Submits what is unsettled, then tracks and audits. Never raises ImporterError but AlreadyRunning: see `problem`."""
        ending = Ending(run)
        try:
            if self.ledger.unsettled(run):
                with self.lock(run):
                    await self._submit(run)
        except (NotAuthorised, TargetDown, Interrupted) as problem:
            ending.problem = problem
        if ending.problem is None:
            await self.follow(run, ending)
        unsettled = self.ledger.unsettled(run)
        note = f"{ending.problem}" if ending.problem else ""
        await self.ledger.set_state(run, "open" if unsettled else "done", note)
        return ending

    async def _submit(self, run: str) -> None:
        await self.target.log_in(SUBMIT_SCOPES)
        how = self.how
        self._submission = Submission(
            run, self.ledger, self.target, self.clock, how.lag_s, how.concurrency, self.progress, how.flight_s
        )
        if self._stopped is not None:
            raise self._stopped
        self.progress("submitting", self.ledger.counts(run))
        await self._submission.submit()

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
        self._tracking = Tracking(run, self.ledger, self.target, self.clock, self.progress)
        self._tracking.stopped = self._stopped is not None  # asked to stop while it logged in
        await self._tracking.look_once()
        if self.how.track == "closed":
            await self._tracking.follow(self.how.track_for_s)

    async def _audit(self, run: str) -> str:
        self._auditing = Auditing(run, self.ledger, self.target, self.clock, self.how.concurrency, self.progress)
        await self._auditing.fetch()
        return self._auditing.denied
