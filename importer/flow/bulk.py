"""bulk: sends rows by jobs of the target, many a job, and carries jobs on that an earlier process began.

    prepare ──► claim ──► start ──► read … ──► over ──► (the index lag) ──► answers
                  │
                  ▼ (from here on the ledger knows the job's ID: whoever comes later reads the job first)

A job that was prepared does nothing until it is started, and runs once. So nothing is in doubt whose job can be read: not
started, it is deleted and its rows are ready again; at work or over, its results tell.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from importer.core.errors import BudgetSpent, ImporterError, LeaseLost, Unavailable
from importer.core.outcomes import Answer, Created, Lost, NotDone, Refused
from importer.core.stages import Entry, Stage, advance
from importer.ports import Bulk, CallEnd, Claim, Clock, Ledger, OpenCall, TakenBy

log = logging.getLogger(__name__)

T = TypeVar("T")

KIND = "bulk "
"""A call of this kind names its job: `bulk 8f3c…`."""
READ_FIRST_S, READ_FACTOR, READ_MOST_S = 2.0, 1.5, 15.0
TRY_AGAIN_S = 5.0


class Sender(Protocol):
    """What a submission does for the rows of its jobs."""

    run: str
    ledger: Ledger
    clock: Clock

    @property
    def holds(self) -> Callable[[], bool]:
        """Whether this process still has the run's lease."""
        ...

    @property
    def halted(self) -> bool:
        """Whether the run is to stop."""
        ...

    @property
    def calm(self) -> bool:
        """Whether the service is at work, as far as is known."""
        ...

    def halt(self, reason: ImporterError) -> None:
        """Stops the run."""
        ...

    def opens(self, reason: Unavailable) -> None:
        """The service has trouble."""
        ...

    def again(self, entry: Entry) -> None:
        """The row is ready as before: nothing of it was sent."""
        ...

    async def held(self, entry: Entry, holder: TakenBy) -> None:
        """Another run's row has this external ID."""
        ...

    async def answered(self, sending: Entry, answer: Answer, end: CallEnd | None) -> None:
        """What became of a row."""
        ...

    def wake(self) -> None:
        """Whoever waits for something looks again."""
        ...

    def stamp(self) -> str:
        """The wall clock, RFC 3339, UTC."""
        ...


@dataclass(slots=True)
class Jobs:
    """The jobs of one submission. The mutable state is which rows go singly, and how many jobs are not settled yet."""

    sender: Sender
    bulk: Bulk
    lag_s: float
    at_once: int  # jobs that are made or at work at most
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]] = asyncio.create_task
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _single: set[int] = field(default_factory=set)  # positions
    _places: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.at_once)

    def takes(self, entry: Entry) -> bool:
        """Whether a row can be part of a job."""
        return entry.position not in self._single and self.bulk.fits(entry.payload)

    async def send(self, entries: Sequence[Entry]) -> None:
        """Makes a job and starts it; what becomes of it is seen beside the jobs that follow.

        Raises Unavailable where nothing of it was begun: the rows are the caller's then.
        """
        await self._places.acquire()
        followed = False
        try:
            begun = None if self.sender.halted else await self._begun(entries)
            if begun is not None:
                self._follow(*begun)
                followed = True
        finally:
            if not followed:
                self._places.release()

    def carry_on(self, call: OpenCall, entries: Sequence[Entry]) -> None:
        """Takes a job up that an earlier process left; `entries` are all its rows, those in stage SENDING not settled.

        It needs no place: how many may be at work at once is asked where jobs are made.
        """
        self._follow(call.kind.removeprefix(KIND), call.call, entries, ours=False)

    # To the start of a job

    async def _begun(self, entries: Sequence[Entry]) -> tuple[str, int, list[Entry]] | None:
        """The job, its call and its rows if it may have begun; None where it surely has not."""
        job = await self._asked(self.bulk.prepare([entry.payload for entry in entries]))
        if isinstance(job, Refused):  # a row is not as it should be; alone, each gets its own answer
            log.info("a bulk job was refused", extra={"run": self.sender.run, "problem": job.problem})
            self._go_singly(entries)
            return None
        claim = await self.sender.ledger.claim(entries, self.sender.stamp(), kind=KIND + job)
        sending = [
            advance(entry, Stage.SENDING, attempts=entry.attempts + 1)
            for entry in entries
            if entry.position not in claim.taken
        ]
        if claim.call is None or claim.taken:
            await self._leave(job, claim, entries, sending)
            return None
        return (job, claim.call, sending) if await self._may_have_begun(job, claim.call, sending) else None

    async def _leave(self, job: str, claim: Claim, entries: Sequence[Entry], sending: Sequence[Entry]) -> None:
        """Other runs hold some of the rows: this job is of no use; the others go into a new one."""
        if claim.call is not None:
            await self._ready_again(claim.call, sending, "not done: another run holds some of its rows")
        for entry in entries:
            if entry.position in claim.taken:
                await self.sender.held(entry, claim.taken[entry.position])
        with suppress(Unavailable):  # an idle job does nothing, also where it stays
            await self.bulk.discard(job)

    async def _may_have_begun(self, job: str, call: int, sending: Sequence[Entry]) -> bool:
        async def claim() -> bool:
            if not self.sender.holds():
                raise LeaseLost(self.sender.run, taken=False)
            return not self.sender.halted

        try:
            while (refused := await self._asked(self.bulk.start(job, claim))) is not None:
                if not isinstance(refused, NotDone):
                    self._single.update(entry.position for entry in sending)
                    break
                await self.sender.clock.sleep(refused.wait_s)
        except Unavailable as reason:
            self.sender.opens(reason)
            return True
        except LeaseLost:
            raise  # another importer carries on by the ledger, where the job stands
        except ImporterError as reason:  # 403, a limit of the day: it has not begun
            if await self._is_undone(job):
                await self._ready_again(call, sending, f"not done: {type(reason).__name__}")
            raise
        if (refused is not None or self.sender.halted) and await self._is_undone(job):
            await self._ready_again(call, sending, "not done: the job was not started")
            return False
        return True

    async def _is_undone(self, job: str) -> bool:
        """Whether the job had not begun, and is gone now. Where that cannot be told, the job is read again later."""
        try:
            state = (await self.bulk.read(job)).state
            return state == "void" or (state == "idle" and await self.bulk.discard(job))
        except ImporterError:
            return False

    async def _ready_again(self, call: int, sending: Sequence[Entry], why: str) -> None:
        ready = [advance(entry, Stage.READY, reason="") for entry in sending if entry.stage is Stage.SENDING]
        await asyncio.gather(*map(self.sender.ledger.put, ready))
        await self.sender.ledger.end_call(self.sender.run, CallEnd(call, why, self.sender.stamp()))
        for entry in ready:
            self.sender.again(entry)

    def _go_singly(self, entries: Sequence[Entry]) -> None:
        self._single.update(entry.position for entry in entries)
        for entry in entries:
            self.sender.again(entry)

    async def _asked(self, call: Awaitable[T]) -> T:
        """What a call gives. In an outage it is the circuit that says how long to wait, not a budget that the outage spent."""
        try:
            return await call
        except BudgetSpent as reason:
            if self.sender.calm:
                raise
            raise Unavailable(str(reason), reason.fix) from reason

    # A job that may be at work

    def _follow(self, job: str, call: int, sending: Sequence[Entry], *, ours: bool = True) -> None:
        task = self.spawn(self._followed(job, call, sending, ours=ours))
        self.tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.sender.wake()

    async def _followed(self, job: str, call: int, sending: Sequence[Entry], *, ours: bool) -> None:
        """To the end of the job, then until the index has had its time, then each row is settled."""
        try:
            try:
                state = await self._ended(job)
            finally:
                if ours:
                    self._places.release()
            if state in ("idle", "void"):
                if ours:  # it was asked to begin and did not: perhaps none does
                    self._single.update(entry.position for entry in sending)
                await self._ready_again(call, sending, "not done: the job had not begun")
                return
            if state == "over" and not self.sender.halted:
                await self.sender.clock.sleep(self.lag_s)
            await self._settle(job, call, sending, gone=state == "gone")
        except ImporterError as reason:  # the job stands in the ledger: whoever carries the run on reads it
            self.sender.halt(reason)

    async def _ended(self, job: str) -> str:
        """Waits for the job's end: over, or gone; or idle, when it is deleted before it began."""
        wait_s = READ_FIRST_S
        gone_at: float | None = None  # a job may not be seen for a moment after it was made
        while True:
            await self.sender.clock.sleep(wait_s)
            wait_s = min(wait_s * READ_FACTOR, READ_MOST_S)
            if not self.sender.calm:
                continue
            try:
                state = (await self._asked(self.bulk.read(job))).state
                now = self.sender.clock.monotonic()
                gone_at = None if state != "gone" else now if gone_at is None else gone_at
                gone = gone_at is not None and now - gone_at > self.lag_s
                if state in ("over", "void") or gone or (state == "idle" and await self.bulk.discard(job)):
                    return state
            except Unavailable as reason:
                self.sender.opens(reason)

    async def _settle(self, job: str, call: int, sending: Sequence[Entry], *, gone: bool) -> None:
        lost = Lost(
            "the job of this row is not there any more" if gone else "the job does not tell what became of this row"
        )
        told = [None] * len(sending) if gone else await self._answers(job, sending)
        stop: ImporterError | None = None
        for entry, answer in zip(sending, told, strict=True):
            if entry.stage is not Stage.SENDING:  # settled before the last process ended
                continue
            if isinstance(answer, NotDone) and answer.stop is not None:
                stop = answer.stop
                await self.sender.ledger.put(advance(entry, Stage.READY, reason=""))
                continue
            await self.sender.answered(entry, answer or lost, None)
        if stop is not None:
            self.sender.halt(stop)
        created = sum(isinstance(answer, Created) for answer in told)
        end = CallEnd(call, f"{created} of {len(sending)} created", self.sender.stamp())
        await self.sender.ledger.end_call(self.sender.run, end)

    async def _answers(self, job: str, sending: Sequence[Entry]) -> Sequence[Answer | None]:
        while True:
            if self.sender.calm:
                try:
                    return await self._asked(self.bulk.answers(job, [entry.payload for entry in sending]))
                except Unavailable as reason:
                    self.sender.opens(reason)
            await self.sender.clock.sleep(TRY_AGAIN_S)
