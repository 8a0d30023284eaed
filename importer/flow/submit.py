"""submit: sends the ready rows of a run and settles those in doubt. Decides nothing: core.policy does."""

import asyncio
import json
import logging
from collections import Counter, deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any

from importer.core.errors import ImporterError, NotAuthorised, TargetDown
from importer.core.outcomes import Hits
from importer.core.policy import Again, LookUp, Settled, Step, after_look_up, next_step
from importer.core.report import StateChange
from importer.core.stages import Entry, Stage, advance
from importer.ports import Claimed, Clock, Ledger, Progress, TakenBy, Target

log = logging.getLogger(__name__)

PAGE = 200
LOOK_UP_BATCH = 50
LANDING_S = 10.0
"""How long calls in flight may take to land once the run is asked to stop."""


@dataclass(slots=True)
class Doubt:
    """A row whose external ID is being looked up."""

    entry: Entry
    since: float  # monotonic seconds: when the doubtful call ended, or this process began
    look_at: float
    foreign: bool = False  # the doubtful call was another run's; nothing of this row was sent


@dataclass(slots=True)
class Submission:
    """One run being sent. The whole mutable state is declared below; it changes between awaits only.

    Workers take entries: those whose pause is over first, then the ledger's ready rows in file order. One settler
    looks up what is in doubt. Everything ends when nothing is left, or when `halt` is called and the calls in flight
    have landed.
    """

    run: str
    ledger: Ledger
    target: Target
    clock: Clock
    lag_s: float
    concurrency: int
    progress: Progress
    flight_s: float = 0.0  # how long another process's call may be under way: two OAuth clients may share a ledger

    _ready: deque[Entry] = field(default_factory=deque)
    _after: int = -1  # the position up to which ready rows were taken from the ledger
    _exhausted: bool = False
    _taken_up: set[int] = field(default_factory=set)  # positions that were in doubt at the start: never loaded again
    _pausing: list[tuple[float, int, Entry, bool]] = field(
        default_factory=list
    )  # a heap: due, order, entry, over_doubt
    _order: Any = field(default_factory=count)
    _doubts: dict[int, Doubt] = field(default_factory=dict)  # by position
    _flying: int = 0
    _halted: ImporterError | None = None
    _halting: asyncio.Event = field(default_factory=asyncio.Event)
    _waiters: set[asyncio.Future[None]] = field(default_factory=set)
    _tally: Counter[str] = field(default_factory=Counter)

    async def submit(self) -> None:
        """Returns when every row is settled or rests as unknown. Raises what `halt` was given, LedgerError otherwise."""
        await self._take_up_doubts()
        try:
            async with asyncio.TaskGroup() as group:
                settler = group.create_task(self._settle())
                workers = [group.create_task(self._work()) for _ in range(self.concurrency)]
                group.create_task(self._land([settler, *workers]))
        except* ImporterError as problems:
            self.halt(_first(problems))
        if self._halted is not None:
            raise self._halted

    def halt(self, reason: ImporterError) -> None:
        """Stops taking rows; the first reason counts. May be called from a signal handler."""
        self._halted = self._halted or reason
        self._halting.set()
        self._wake()

    async def _take_up_doubts(self) -> None:
        """Every row that was being sent when the last process ended is in doubt from now on."""
        now = self.clock.monotonic()
        after = -1
        stages = [Stage.SENDING, Stage.DOUBT, Stage.UNKNOWN]
        while entries := await self.ledger.entries(self.run, stages, after, PAGE):
            after = entries[-1].position
            for entry in entries:
                taken = entry
                if entry.stage is Stage.SENDING:
                    taken = advance(entry, Stage.DOUBT, doubted=True, reason="the importer ended during the call")
                    await self.ledger.put(taken)
                self._doubts[taken.position] = Doubt(taken, since=now, look_at=now)
                self._taken_up.add(taken.position)

    # Workers

    async def _work(self) -> None:
        while (taken := await self._next()) is not None:
            try:
                await self._send(taken[0], over_doubt=taken[1])
            except (NotAuthorised, TargetDown) as reason:
                self.halt(reason)
            finally:
                self._flying -= 1
                self._wake()

    async def _next(self) -> tuple[Entry, bool] | None:
        """The next entry to send, counted as flying; None when there will be none."""
        while self._halted is None:
            now = self.clock.monotonic()
            if self._pausing and self._pausing[0][0] <= now:
                _, _, entry, over_doubt = heappop(self._pausing)
                self._flying += 1
                return entry, over_doubt
            if not self._ready and not self._exhausted:
                await self._load()
            elif self._ready:
                self._flying += 1
                return self._ready.popleft(), False
            elif not (self._pausing or self._doubts or self._flying):
                self._wake()
                return None
            else:
                await self._wait(self._pausing[0][0] - now if self._pausing else None)
        return None

    async def _load(self) -> None:
        """More ready rows from the ledger; what was taken before has a lower position."""
        self._exhausted = True  # nobody else loads meanwhile, and nobody takes the end for reached
        self._flying += 1
        entries = await self.ledger.entries(self.run, [Stage.READY], self._after, PAGE)
        self._flying -= 1
        self._ready.extend(entry for entry in entries if entry.position not in self._taken_up)
        self._after = entries[-1].position if entries else self._after
        self._exhausted = len(entries) < PAGE
        self._wake()

    async def _send(self, entry: Entry, *, over_doubt: bool) -> None:
        """One POST, from the claim to the recorded answer."""
        taken: list[TakenBy] = []
        sending = advance(entry, Stage.SENDING, attempts=entry.attempts + 1)
        claimed = False

        async def claim() -> bool:
            nonlocal claimed
            if self._halted is not None:
                return False
            answer = await self.ledger.claim(entry, over_doubt=over_doubt)
            claimed = isinstance(answer, Claimed)
            if isinstance(answer, TakenBy):
                taken.append(answer)
            return claimed

        try:
            answer = await self.target.create(entry.payload, entry.external_id, claim)
        except ImporterError:
            if claimed:  # whatever stops a run (401, 403, a long 429, an untrusted server) proves that nothing was done
                await self.ledger.put(advance(sending, Stage.READY))
            raise
        if taken:
            await self._held(entry, taken[0])
        elif answer is not None:
            await self._follow(next_step(sending, answer), answered=self.clock.monotonic())
            if self.target.posts.is_on:
                self.halt(_outage(self.target.posts.last))

    async def _held(self, entry: Entry, holder: TakenBy) -> None:
        """Another run's row has this external ID."""
        if holder.task_id is not None:
            reason = f"the run {holder.run} created this task"
            await self._settled(advance(entry, Stage.EXISTING, task_id=holder.task_id, reason=reason))
            return
        now = self.clock.monotonic()
        self._doubts[entry.position] = Doubt(entry, since=now, look_at=now, foreign=True)
        self._wake()

    # Doubts

    async def _settle(self) -> None:
        """Looks up what is in doubt, up to 50 rows a call, until nothing can come any more."""
        while self._halted is None and not self._finished():
            now = self.clock.monotonic()
            due = [doubt for doubt in self._doubts.values() if doubt.look_at <= now][:LOOK_UP_BATCH]
            if due:
                try:
                    await self._look_up(due)
                except (NotAuthorised, TargetDown) as reason:
                    self.halt(reason)
            else:
                earliest = min((doubt.look_at for doubt in self._doubts.values()), default=None)
                await self._wait(None if earliest is None else earliest - now)

    def _finished(self) -> bool:
        return self._exhausted and not (self._ready or self._pausing or self._doubts or self._flying)

    async def _look_up(self, due: list[Doubt]) -> None:
        began = self.clock.monotonic()  # what is not found was not there when the call began
        hits = await self.target.find([doubt.entry.external_id for doubt in due])
        for doubt in due:
            found = Hits(tuple(hits.get(doubt.entry.external_id, ())))
            if doubt.foreign:
                await self._follow_foreign(doubt, found, began)
            else:
                ours = self.target.content(json.loads(doubt.entry.payload))
                step = after_look_up(doubt.entry, found, ours, began - doubt.since, self.lag_s)
                await self._follow(step, answered=doubt.since)

    async def _follow_foreign(self, doubt: Doubt, found: Hits, began: float) -> None:
        """What another run may have created: found, it exists; not found after the lag, this row may be sent."""
        if found.tasks:
            del self._doubts[doubt.entry.position]
            reason = "a task with this external ID exists"
            await self._settled(advance(doubt.entry, Stage.EXISTING, task_id=found.tasks[0].task_id, reason=reason))
        elif began - doubt.since > self.lag_s + self.flight_s:
            del self._doubts[doubt.entry.position]
            self._pause(doubt.entry, 0.0, over_doubt=True)
        else:
            doubt.look_at = began + max((self.lag_s + self.flight_s) / 4, 0.05)

    # What follows

    async def _follow(self, step: Step, answered: float) -> None:
        """Records a step, then does what it asks for."""
        entry = step.entry
        match step:
            case Settled():
                self._doubts.pop(entry.position, None)
                await self._settled(entry)
            case Again(wait_s=wait_s):
                await self.ledger.put(entry)
                self._doubts.pop(entry.position, None)
                self._pause(entry, wait_s)
            case LookUp(wait_s=wait_s):
                known = self._doubts.get(entry.position)
                if known is None or known.entry != entry:
                    await self.ledger.put(entry)
                now = self.clock.monotonic()
                self._doubts[entry.position] = Doubt(entry, since=answered, look_at=now + wait_s)
                self._wake()

    async def _settled(self, entry: Entry) -> None:
        at = self.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        begun = entry.stage is Stage.CREATED and entry.state
        await self.ledger.put(entry, [StateChange(entry.state or "", at, "created")] if begun else ())
        log.info(
            "row settled",
            extra={
                "run": self.run,
                "line": entry.line,
                "outcome": entry.outcome,
                "correlation_id": entry.correlation_id,
            },
        )
        self._tally[entry.outcome.value] += 1
        self.progress("settled", {**self._tally, "doubt": len(self._doubts)})
        self._wake()

    def _pause(self, entry: Entry, wait_s: float, *, over_doubt: bool = False) -> None:
        heappush(self._pausing, (self.clock.monotonic() + wait_s, next(self._order), entry, over_doubt))
        self._wake()

    # Waiting

    def _wake(self) -> None:
        """Something changed: whoever waits looks again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def _wait(self, seconds: float | None) -> None:
        """Until something changed, or `seconds` have passed. Registered at once, so that no change is missed."""
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(changed)
        waits: set[asyncio.Future[None]] = {changed}
        if seconds is not None:
            waits.add(asyncio.ensure_future(self.clock.sleep(max(seconds, 0.0))))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiters.discard(changed)
            for wait in waits:
                wait.cancel()

    async def _land(self, tasks: list[asyncio.Task[None]]) -> None:
        """Once halted, calls in flight get some seconds to land; those that do not are in doubt."""
        landed = asyncio.ensure_future(asyncio.wait(tasks))
        halting = asyncio.ensure_future(self._halting.wait())
        try:
            await asyncio.wait({landed, halting}, return_when=asyncio.FIRST_COMPLETED)
            if not landed.done():
                await asyncio.wait(tasks, timeout=LANDING_S)
        finally:
            halting.cancel()
            landed.cancel()
            for task in tasks:
                task.cancel()


def _outage(last: str) -> TargetDown:
    return TargetDown(
        f"The service failed ten times in a row ({last}); the rest is not sent.", "Run importer resume later."
    )


def _first(problems: BaseExceptionGroup[ImporterError]) -> ImporterError:
    """The first exception of a group, however deep."""
    found = problems.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
