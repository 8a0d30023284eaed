"""Carrying: runs that go on in this process, one sent at a time, each to where it rests. Whether one is to go on, the keeper knows."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from importer.core.errors import AlreadyRunning, ImporterError, Interrupted
from importer.desk.desk import Desk, ledger_beside, rows_to_send, running
from importer.desk.picture import Live, Standing
from importer.desk.results import as_before, may_report, results_folder, results_reports
from importer.desk.sight import Course, Sight
from importer.logs import places

if TYPE_CHECKING:
    from importer.flow.run import Ending, Running
    from importer.ports import Target
    from importer.wiring import Connection

log = logging.getLogger(__name__)

ASK_AGAIN_S = 2.0
"""So often it is asked whether another program has ended."""
PAST_MOST = 50


@dataclass(slots=True, eq=False)
class _Carried:
    """One run that goes on here."""

    run: str
    live: Live
    throttles: int  # that the pace knew of before
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: Interrupted | None = None
    carrier: "Running | None" = None
    task: "asyncio.Task[None] | None" = None
    settled: int = 0  # at the last tick

    def stop(self, reason: Interrupted) -> None:
        self.stopped = reason
        self.woken.set()
        if self.carrier is not None:
            self.carrier.stop(reason)


Rested = Callable[[str, ImporterError | None], None]
"""Takes a run that goes on no more, and what stopped it, if anything did. May raise ImporterError."""


class Carrying:
    """The mutable state: the runs that go on here, the order in which they are sent, and what the last ones told."""

    def __init__(self, desk: Desk, connection: "Connection", sight: Sight, rested: Rested) -> None:
        self._desk = desk
        self._connection = connection
        self._sight = sight
        self._rested = rested
        self._carried: dict[str, _Carried] = {}
        self._past: dict[str, Live] = {}  # what the last runs that went on here told
        self._order: list[str] = []  # runs that have rows to send: the first is being sent
        self._reporting: set[asyncio.Task[None]] = set()

    def begin(self, run: str) -> None:
        """Carries a run on. Raises LedgerError, and then it does not go on."""
        live = self._past.get(run) or Live(self._sight.stamp)
        if self._desk.book.unsettled(run):
            self._order.append(run)
        self._past.pop(run, None)
        live.standing, live.doing, live.wait, live.settled = Standing.WAITING, "", "", 0
        gauge = self._connection.gauge
        each = self._carried[run] = _Carried(run, live, gauge.throttles if gauge is not None else 0)
        each.task = asyncio.create_task(self._carried_on(each))  # awaited by `close`

    def stop(self, run: str, reason: Interrupted) -> None:
        """Lets its calls in flight land, if it goes on here, and sends nothing more of it."""
        if run in self._carried:
            self._carried[run].stop(reason)

    async def close(self, reason: Interrupted) -> None:
        """Lets all come to rest, and their reports be written."""
        for each in list(self._carried.values()):
            each.stop(reason)
        tasks = [each.task for each in self._carried.values() if each.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*self._reporting, return_exceptions=True)

    def target(self) -> "Target":
        """A target of a run's own: log-in and retry budget are no other run's."""
        return self._connection.another() if self._connection.another is not None else self._connection.target

    # What there is to see

    @property
    def runs(self) -> set[str]:
        """Those that go on here."""
        return set(self._carried)

    def course(self, run: str) -> Course | None:
        """How a run that goes on here does."""
        each = self._carried.get(run)
        return Course(each.live, each.stopped is not None) if each is not None else None

    def past(self, run: str) -> Live | None:
        """What a run that went on here told."""
        return self._past.get(run)

    def told(self, run: str) -> int:
        """How many problems it told, ever."""
        live = self._carried[run].live if run in self._carried else self._past.get(run)
        return live.told if live is not None else 0

    def tick(self) -> None:
        """A second has passed."""
        gauge = self._connection.gauge
        for each in self._carried.values():
            if each.live.standing is Standing.IMPORTING:
                each.live.course.add(each.live.settled - each.settled, gauge.counted() if gauge is not None else 0)
            each.settled = each.live.settled
            if gauge is not None:
                each.live.throttles = gauge.throttles - each.throttles
                each.live.held_s += gauge.held_s() > 0

    # To its rest

    async def _carried_on(self, each: _Carried) -> None:
        """A run, to where it rests. The door of its task: whatever goes wrong becomes the picture's problem."""
        problem: ImporterError | None = None
        try:
            problem = await self._to_its_end(each)
            each.live.doing = "writing its reports"
            await self._report(each.run, each.live)
        except ImporterError as reason:
            problem = reason
        except Exception as reason:  # noqa: BLE001 - the door of the task: nobody waits for it
            log.error("run given up", extra={"run": each.run, "trace": places(reason)})
            fix = "Resume tries again. Whoever runs this server finds more in its log."
            problem = ImporterError(f"Something went wrong here: {type(reason).__name__}.", fix)
        finally:
            self._leave_order(each.run)
        self._put_down(each)
        try:
            self._rested(each.run, problem)
        except ImporterError as reason:  # what is not noted is carried on by the next server, as after a kill
            each.live.tell(f"{reason} {reason.fix}")

    def _put_down(self, each: _Carried) -> None:
        del self._carried[each.run]
        self._past[each.run] = each.live
        while len(self._past) > PAST_MOST:
            del self._past[next(iter(self._past))]

    async def _to_its_end(self, each: _Carried) -> ImporterError | None:
        """What stopped it, if anything did."""
        record = self._sight.record(each.run)
        settings = as_before(self._desk.settings, record)
        await asyncio.to_thread(may_report, results_folder(settings, record))
        target = self.target()
        while True:
            if not await self._in_turn(each):
                return each.stopped
            desk = replace(self._desk, settings=settings, attended=True, early=ExitStack())
            desk.early.callback(self._sent, each)
            try:
                ending = await self._once(each, desk, target)
            except AlreadyRunning as reason:
                each.live.wait = f"{reason} This run goes on when that one ends."
                await self._asleep(each, ASK_AGAIN_S)
                continue
            if ending.audits_denied:
                each.live.tell(f"Audit entries were not given: {ending.audits_denied}")
            return ending.problem

    async def _once(self, each: _Carried, desk: Desk, target: "Target") -> "Ending":
        connection = replace(self._connection, target=target)
        carrier = running(desk, connection, each.live, rows_to_send(desk.book, each.run))
        each.carrier = carrier
        if each.stopped is not None:
            carrier.stop(each.stopped)
        else:
            each.live.standing = Standing.IMPORTING if each.run in self._order else Standing.TRACKING
            each.live.doing, each.live.wait = "logging in", ""
        try:
            return await carrier.carry_on(each.run)
        finally:
            each.live.is_sending = False

    async def _in_turn(self, each: _Carried) -> bool:
        """Waits until the runs before it are sent. False where it was stopped meanwhile."""
        while each.stopped is None:
            ahead = self._order[: self._order.index(each.run)] if each.run in self._order else []
            if not ahead:
                return True
            others = f", and {len(ahead) - 1} more before it" if len(ahead) > 1 else ""
            each.live.wait = f"Waits until the run {ahead[0]} is sent{others}: one run is sent at a time."
            await self._asleep(each, None)
        return False

    async def _asleep(self, each: _Carried, seconds: float | None) -> None:
        """Until it is woken, or so many seconds have passed."""
        each.woken.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(each.woken.wait(), seconds)

    def _sent(self, each: _Carried) -> None:
        """Everything is sent: the next run may be, and there is something to read already."""
        self._leave_order(each.run)
        each.live.standing = Standing.TRACKING
        task = asyncio.create_task(self._report(each.run, each.live))
        self._reporting.add(task)  # awaited by `close`
        task.add_done_callback(self._reporting.discard)

    def _leave_order(self, run: str) -> None:
        if run in self._order:
            self._order.remove(run)
        for each in self._carried.values():
            each.woken.set()

    # Reports

    async def _report(self, run: str, live: Live) -> None:
        """Writes the reports beside the loop, from a ledger of their own: a long read would hold the other's eyes to one moment."""
        try:
            unwritten = await asyncio.to_thread(self._write_reports, run)
        except ImporterError as problem:
            unwritten = f"The reports are not written: {problem} {problem.fix}"
        except Exception as problem:  # noqa: BLE001 - the door of the thread: what was sent is sent, reports or not
            log.error("reports given up", extra={"run": run, "trace": places(problem)})
            unwritten = f"The reports are not written: something went wrong. Try importer report {run}"
        if unwritten:
            live.tell(unwritten)

    def _write_reports(self, run: str) -> str:
        with ledger_beside(self._desk) as book:
            record = book.run(run)
            assert record is not None
            reports = results_reports(as_before(self._desk.settings, record), book, run)
        return f"{reports.unwritten} {reports.unwritten.fix}" if reports.unwritten is not None else ""
