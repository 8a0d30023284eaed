"""submit: sends the ready rows of a run and settles those in doubt. Decides nothing: core.policy and core.breaker do."""

import asyncio
import json
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any

from importer.core.breaker import Circuit, OutageBreaker
from importer.core.errors import ImporterError, LeaseLost, NotAuthorised, TargetDown, Unavailable
from importer.core.facts import TaskFact
from importer.core.outcomes import Answer, Hits, in_short
from importer.core.policy import Again, LookUp, Resend, Settled, Step, after_look_up, after_suspicion, next_step
from importer.core.report import StateChange
from importer.core.stages import Entry, Stage, advance
from importer.flow.brakes import Brakes
from importer.flow.bulk import KIND, Jobs
from importer.flow.doubts import Doubt, Doubts
from importer.flow.rules import Rules
from importer.ports import CallEnd, Clock, Ledger, OpenCall, Progress, TakenBy, Target

log = logging.getLogger(__name__)

PAGE = 200
LOOK_UP_BATCH = 50
LANDING_S = 10.0
"""How long calls in flight may take to land once the run is asked to stop."""


@dataclass(slots=True)
class Submission:
    """One run being sent. The whole mutable state is declared below; it changes between awaits only.

    Workers take entries: those whose pause is over first, then the ledger's ready rows in file order. One settler
    looks up what is in doubt, and probes the service while the circuit is open. Everything ends when nothing is left, or
    when `halt` is called and the calls in flight have landed.
    """

    run: str
    ledger: Ledger
    target: Target
    clock: Clock
    rules: Rules
    progress: Progress
    holds: Callable[[], bool] = lambda: True  # whether this process still has the run's lease

    _ready: deque[Entry] = field(default_factory=deque)
    _after: int = -1  # the position up to which ready rows were taken from the ledger
    _exhausted: bool = False
    _taken_up: set[int] = field(
        default_factory=set
    )  # positions that were in doubt, or in a job, at the start: never loaded again
    _pausing: list[tuple[float, int, Entry, int | None]] = field(
        default_factory=list
    )  # a heap: due, order, entry, over_doubt
    _order: Any = field(default_factory=count)
    _doubts: Doubts = field(default_factory=Doubts)
    _flying: int = 0
    _jobs: Jobs | None = None  # where the target has jobs, and they are wanted
    _left: list[OpenCall] = field(default_factory=list)  # jobs that the last process began
    _brakes: Brakes = field(init=False)
    _halted: ImporterError | None = None
    _halting: asyncio.Event = field(default_factory=asyncio.Event)
    _waiters: dict[asyncio.Future[None], None] = field(default_factory=dict)  # woken in the order in which they came
    _tally: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._brakes = Brakes.set_for(self.rules, self.ledger.counts(self.run), self.target.budget)
        self._exhausted = not self.rules.sends
        if self.target.bulk is not None:
            self._jobs = Jobs(self, self.target.bulk, self.rules.lag_s, self.rules.concurrency)

    async def submit(self) -> None:
        """Returns when every row is settled or rests as unknown. Raises what `halt` was given, LedgerError otherwise."""
        await self._take_up_doubts()
        try:
            async with asyncio.TaskGroup() as group:
                if self._jobs is not None:
                    self._jobs.spawn = group.create_task
                others = [group.create_task(self._settle()), group.create_task(self._take_up_jobs())]
                workers = [group.create_task(self._work()) for _ in range(self.rules.concurrency)]
                group.create_task(self._land([*others, *workers]))
        except* ImporterError as problems:
            self.halt(_first(problems))
        if self._halted is not None:
            raise self._halted

    def halt(self, reason: ImporterError) -> None:
        """Stops taking rows; the first reason counts. May be called from a signal handler."""
        self._halted = self._halted or reason
        self._halting.set()
        self.wake()

    async def _take_up_doubts(self) -> None:
        """Every row that was being sent when the last process ended is in doubt from now on, call by call."""
        stages = [Stage.SENDING, Stage.DOUBT, Stage.UNKNOWN]
        calls = self.ledger.open_calls(self.run)
        if self._jobs is not None:  # what a job can tell is in no doubt
            self._left = [call for call in calls if call.kind.startswith(KIND)]
        of_jobs = {position for call in self._left for position in call.positions}
        await self._doubt(stages + ([Stage.READY] if self.rules.suspects else []), of_jobs)
        for call in calls:
            if call not in self._left:
                end = CallEnd(call.call, "lost: the importer ended during the call", self.stamp())
                await self.ledger.end_call(self.run, end)

    async def _take_up_jobs(self) -> None:
        """Jobs that the last process began are read before anything else is made of their rows."""
        while self._left and self._jobs is not None and not self.halted:
            call = self._left[0]
            rows = await self._rows(call)
            if any(entry.stage is Stage.SENDING for entry in rows):
                self._jobs.carry_on(call, rows)
            else:
                await self.ledger.end_call(self.run, CallEnd(call.call, "its rows are settled", self.stamp()))
            self._left.pop(0)
            self.wake()

    async def _rows(self, call: OpenCall) -> list[Entry]:
        """The rows of a call in whatever stage, in file order; rows of other calls may lie between them."""
        wanted, found, after = set(call.positions), list[Entry](), min(call.positions) - 1
        while len(found) < len(wanted):
            entries = await self.ledger.entries(self.run, list(Stage), after, PAGE)
            if not entries:
                break
            after = entries[-1].position
            found += [entry for entry in entries if entry.position in wanted]
        return found

    async def _doubt(self, stages: list[Stage], of_jobs: set[int]) -> None:
        now = self.clock.monotonic()
        after = -1
        while entries := await self.ledger.entries(self.run, stages, after, PAGE):
            after = entries[-1].position
            for entry in entries:
                taken = entry
                if entry.stage is Stage.SENDING and entry.position in of_jobs:
                    self._taken_up.add(entry.position)
                    continue
                if entry.stage is Stage.SENDING:
                    taken = advance(entry, Stage.DOUBT, doubted=True, reason="the importer ended during the call")
                    await self.ledger.put(taken)
                self._doubts.add(Doubt(taken, since=now, look_at=now, suspect=entry.stage is Stage.READY))
                self._taken_up.add(taken.position)

    # Workers

    async def _work(self) -> None:
        while (taken := await self._next()) is not None:
            entry, over_doubt = taken
            batch = await self._batch(entry) if over_doubt is None else [entry]
            try:
                if len(batch) > 1 and self._jobs is not None:
                    await self._jobs.send(batch)
                else:
                    await self._send(entry, over_doubt=over_doubt)
            except Unavailable as reason:  # nothing of it was sent
                self.opens(reason)
                for each in batch:
                    self.pause(each, 0.0, over_doubt=over_doubt)
            except ImporterError as reason:  # the other calls in flight may land
                self.halt(reason)
            finally:
                self._flying -= 1
                self.wake()

    async def _batch(self, first: Entry) -> list[Entry]:
        """A row with others that are ready and can go with it in one job of the target; alone where there are none."""
        jobs, batch = self._jobs, [first]
        if jobs is None or not (self.rules.bulk and self._brakes.is_calm and jobs.takes(first)):
            return batch
        while len(batch) < jobs.bulk.size and (again := self._due_again(jobs)) is not None:
            batch.append(again)
        while len(batch) < jobs.bulk.size and self._halted is None:
            if not self._ready and not self._exhausted:
                await self._load()
            if not self._ready or not jobs.takes(self._ready[0]):
                break
            batch.append(self._ready.popleft())
        return sorted(batch, key=lambda entry: entry.position)

    def _due_again(self, jobs: Jobs) -> Entry | None:
        """A row whose pause is over and that a job takes, if the first in turn is one."""
        if not self._pausing:
            return None
        due, _, entry, over_doubt = self._pausing[0]
        if due > self.clock.monotonic() or over_doubt is not None or not jobs.takes(entry):
            return None
        heappop(self._pausing)
        return entry

    async def _next(self) -> tuple[Entry, int | None] | None:
        """The next entry to send, counted as flying; None when there will be none."""
        while self._halted is None:
            now = self.clock.monotonic()
            if not (self._brakes.lets_send(self._flying) or self._finished()):
                await self._wait(None)
            elif self._pausing and self._pausing[0][0] <= now:
                _, _, entry, over_doubt = heappop(self._pausing)
                self._flying += 1
                return entry, over_doubt
            elif not self._ready and not self._exhausted:
                await self._load()
            elif self._ready and self._brakes.lets_begin(self._flying + len(self._pausing) + len(self._doubts)):
                self._flying += 1
                return self._ready.popleft(), None
            elif self._finished():
                self.wake()
                return None
            else:
                await self._wait(self._pausing[0][0] - now if self._pausing else None)
        return None

    def _finished(self) -> bool:
        under_way = self._flying or self._left or self._under_way()
        return self._exhausted and not (self._ready or self._pausing or len(self._doubts) or under_way)

    async def _load(self) -> None:
        """More ready rows from the ledger; what was taken before has a lower position."""
        self._exhausted = True  # nobody else loads meanwhile, and nobody takes the end for reached
        self._flying += 1
        entries = await self.ledger.entries(self.run, [Stage.READY], self._after, PAGE)
        self._flying -= 1
        self._ready.extend(entry for entry in entries if entry.position not in self._taken_up)
        self._after = entries[-1].position if entries else self._after
        self._exhausted = len(entries) < PAGE
        self.wake()

    async def _send(self, entry: Entry, *, over_doubt: int | None) -> None:
        """One POST, from the claim to the recorded answer."""
        taken: list[TakenBy] = []
        calls: list[int] = []
        sending = advance(entry, Stage.SENDING, attempts=entry.attempts + 1)

        async def claim() -> bool:
            if calls:  # a 401 proved that nothing was done; the claim stands, and the lease may have been lost since
                if not self.holds():
                    raise LeaseLost(self.run, taken=False)
                return True
            if self._halted is not None:
                return False
            claimed = await self.ledger.claim([entry], self.stamp(), over_doubt=over_doubt)
            taken.extend(claimed.taken.values())
            if claimed.call is None:
                return False
            calls.append(claimed.call)
            if not self.holds():  # held up for longer than the lease lasts, perhaps by the claim's own fsync
                raise LeaseLost(self.run, taken=False)
            return True

        try:
            answer = await self.target.create(entry.payload, entry.external_id, claim)
        except ImporterError as problem:
            if calls:  # whatever stops a run (401, 403, a long wait, an untrusted server) proves that nothing was done
                end = CallEnd(calls[0], f"not done: {type(problem).__name__}", self.stamp())
                await self.ledger.put(advance(sending, Stage.READY), end=end)
            raise
        if taken:
            await self.held(entry, taken[0])
        elif answer is not None:
            end = CallEnd(calls[0], in_short(answer), self.stamp(), getattr(answer, "correlation_id", None))
            await self.answered(sending, answer, end)

    async def answered(self, sending: Entry, answer: Answer, end: CallEnd | None) -> None:
        """What became of a row, whichever way it was sent."""
        step = next_step(sending, answer)
        self._brakes.answered(sending.position, answer, self.clock.monotonic())
        await self._follow(step, self.clock.monotonic(), end)

    async def held(self, entry: Entry, holder: TakenBy) -> None:
        """Another run's row has this external ID."""
        if holder.task_id is not None:
            reason = f"the run {holder.run} created this task"
            await self._settled(advance(entry, Stage.EXISTING, task_id=holder.task_id, reason=reason))
            return
        now = self.clock.monotonic()
        self._doubts.add(Doubt(entry, since=now, look_at=now, foreign=True, run=holder.run, calls=holder.calls))
        self.wake()

    # Doubts

    async def _settle(self) -> None:
        """Looks up what is in doubt, up to 50 rows a call, until nothing can come any more; probes an open circuit."""
        while self._halted is None and not self._finished():
            now = self.clock.monotonic()
            if self._brakes.circuit.circuit is Circuit.OPEN:
                await self._probe(self._brakes.circuit, now)
                continue
            due = self._doubts.due(now, LOOK_UP_BATCH)
            if due:
                try:
                    await self._look_up(due)
                except Unavailable as reason:
                    self.opens(reason)
                except ImporterError as reason:
                    self.halt(reason)
            else:
                earliest = self._doubts.earliest()
                await self._wait(None if earliest is None else earliest - now)

    @property
    def halted(self) -> bool:
        """Whether the run is to stop."""
        return self._halted is not None

    @property
    def calm(self) -> bool:
        """Whether the service is at work, as far as is known."""
        return self._brakes.circuit.circuit is not Circuit.OPEN

    def opens(self, reason: Unavailable) -> None:
        """The service has trouble: nothing more is begun until it answers again."""
        circuit = self._brakes.circuit
        if circuit.circuit is not Circuit.OPEN:
            circuit.open(str(reason), self.clock.monotonic())
        self.wake()

    async def _probe(self, circuit: OutageBreaker, now: float) -> None:
        """While the circuit is open: one read every 30 s; a good one lets one row try. An outage that lasts ends the run."""
        if circuit.is_over(now, self.rules.outage_s):
            self.halt(self._brakes.outage())
        elif now < circuit.probe_at:
            self.progress("outage", {"problem": circuit.last, "seconds": round(now - circuit.opened_at)})
            await self._wait(circuit.probe_at - now)
        else:
            try:
                good = await self.target.probe()
            except (NotAuthorised, TargetDown) as reason:
                self.halt(reason)
                return
            log.info("probed", extra={"run": self.run, "good": good})
            circuit.probed(self.clock.monotonic(), good=good)
            self.wake()

    async def _look_up(self, due: list[Doubt]) -> None:
        began = self.clock.monotonic()  # what is not found was not there when the call began
        hits = await self._found(due)
        for doubt in due:
            found = Hits(tuple(hits.get(doubt.entry.external_id, ())))
            if doubt.foreign:
                await self._follow_foreign(doubt, found, began)
                continue
            ours = self.target.content(json.loads(doubt.entry.payload))
            since_s, lag_s = began - doubt.since, self.rules.lag_s
            if doubt.suspect:
                step = after_suspicion(doubt.entry, found, ours, since_s, lag_s)
            else:
                step = after_look_up(doubt.entry, found, ours, since_s, lag_s, self.rules.resend)
            await self._follow(step, doubt.since, suspect=doubt.suspect)

    async def _found(self, due: Sequence[Doubt]) -> dict[str, tuple[TaskFact, ...]]:
        """The tasks with their external IDs, each looked for where its payload says."""
        scopes: dict[str, list[str]] = {}
        for doubt in due:
            scope = self.target.scope(json.loads(doubt.entry.payload))
            scopes.setdefault(scope, []).append(doubt.entry.external_id)
        hits: dict[str, tuple[TaskFact, ...]] = {}
        for scope, ids in scopes.items():
            hits |= await self.target.find(ids, scope)
        return hits

    async def _follow_foreign(self, doubt: Doubt, found: Hits, began: float) -> None:
        """What another run may have created: found, it exists; not found after the lag, this row may be sent."""
        certain_s = self.rules.lag_s + self.rules.flight_s
        if found.tasks:
            self._doubts.drop(doubt.entry.position)
            ours = self.target.content(json.loads(doubt.entry.payload))
            await self._settled(after_look_up(doubt.entry, found, ours, 0.0, self.rules.lag_s).entry)
        elif began - doubt.since > certain_s:
            self._doubts.drop(doubt.entry.position)
            if any(call.kind.startswith(KIND) for call in self.ledger.open_calls(doubt.run)):
                self.halt(_job_of(doubt))  # a job takes its time: no lag says that it will not create the row yet
                return
            self.pause(doubt.entry, 0.0, over_doubt=doubt.calls)
        else:
            doubt.look_at = began + max(certain_s / 4, 0.05)

    # What follows

    async def _follow(self, step: Step, answered: float, end: CallEnd | None = None, *, suspect: bool = False) -> None:
        """Records a step, then does what it asks for."""
        entry = step.entry
        match step:
            case Settled():
                self._doubts.drop(entry.position)
                await self._settled(entry, end)
            case Again(wait_s=wait_s):
                await self.ledger.put(entry, end=end)
                self._doubts.drop(entry.position)
                self._repeat(entry, wait_s)
            case LookUp(wait_s=wait_s):
                if not suspect and (end is not None or not self._doubts.known(entry)):
                    await self.ledger.put(entry, end=end)
                now = self.clock.monotonic()
                self._doubts.add(Doubt(entry, since=answered, look_at=now + wait_s, suspect=suspect))
                self.wake()
        self._halt_for(self._brakes.failing())

    def _repeat(self, entry: Entry, wait_s: float) -> None:
        """Once more, if nothing stands against it."""
        if not self.rules.sends and self.rules.resend is not Resend.CONFIRMED:
            self.wake()
        elif stop := self._brakes.repeated(entry):
            self.halt(stop)
        else:
            self.pause(entry, wait_s)

    def again(self, entry: Entry) -> None:
        """A row of which surely nothing was sent is ready as before; where nothing may be sent now, resume sends it."""
        if self.rules.sends or self.rules.resend is Resend.CONFIRMED:
            self.pause(entry, 0.0)
        else:
            self.wake()

    def _halt_for(self, stop: ImporterError | None) -> None:
        if stop is not None:
            self.halt(stop)

    async def _settled(self, entry: Entry, end: CallEnd | None = None) -> None:
        begun = entry.stage is Stage.CREATED and entry.state
        await self.ledger.put(
            entry, [StateChange(entry.state or "", self.stamp(), "created")] if begun else (), end=end
        )
        log.info(
            "row settled",
            extra={
                "run": self.run,
                "line": entry.line,
                "outcome": entry.outcome,
                "correlation_id": entry.correlation_id,
            },
        )
        self._halt_for(self._brakes.settled(entry, earlier=entry.position in self._taken_up))
        self._tally[entry.outcome.value] += 1
        if entry.stage in (Stage.FAILED, Stage.UNKNOWN):
            self.progress("not created", {"line": entry.line, "outcome": entry.outcome.value, "reason": entry.reason})
        self.progress("settled", {**self._tally, "doubt": len(self._doubts)})
        self.wake()

    def pause(self, entry: Entry, wait_s: float, *, over_doubt: int | None = None) -> None:
        """The row is sent again, not before so many seconds from now; it stays ready where nothing is to be sent."""
        if not self.rules.sends and self.rules.resend is not Resend.CONFIRMED:
            return
        heappush(self._pausing, (self.clock.monotonic() + wait_s, next(self._order), entry, over_doubt))
        self.wake()

    def stamp(self) -> str:
        """The wall clock, RFC 3339, UTC."""
        return self.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    # Waiting

    def wake(self) -> None:
        """Something changed: whoever waits looks again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def _wait(self, seconds: float | None) -> None:
        """Until something changed, or `seconds` have passed. Registered at once, so that no change is missed."""
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[changed] = None
        waits: set[asyncio.Future[None]] = {changed}
        if seconds is not None:
            waits.add(asyncio.ensure_future(self.clock.sleep(max(seconds, 0.0))))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiters.pop(changed, None)
            for wait in waits:
                wait.cancel()

    async def _land(self, tasks: list[asyncio.Task[None]]) -> None:
        """Once halted, calls in flight get some seconds to land; those that do not are in doubt."""
        landed = asyncio.ensure_future(asyncio.wait(tasks))
        halting = asyncio.ensure_future(self._halting.wait())
        try:
            await asyncio.wait({landed, halting}, return_when=asyncio.FIRST_COMPLETED)
            if not landed.done():
                await asyncio.wait([*tasks, *self._under_way()], timeout=LANDING_S)
        finally:
            halting.cancel()
            landed.cancel()
            for task in [*tasks, *self._under_way()]:
                task.cancel()

    def _under_way(self) -> list[asyncio.Task[None]]:
        return list(self._jobs.tasks) if self._jobs is not None else []


def _job_of(doubt: Doubt) -> TargetDown:
    """Another run's job may still create this row."""
    return TargetDown(
        f"The run {doubt.run} has sent line {doubt.entry.line} by a bulk job whose results are not recorded yet. "
        "The rest is not sent.",
        f"Run importer resume {doubt.run} first, then importer resume for this run.",
    )


def _first(problems: BaseExceptionGroup[ImporterError]) -> ImporterError:
    """The first exception of a group, however deep."""
    found = problems.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
