"""Keeper: runs that are carried on inside a server, over its end and its death. What is sent, and when, the flow decides."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.core.approval import Person
from importer.core.errors import AlreadyRunning, ImporterError, Interrupted, PlanRefused, UsageError
from importer.desk.desk import Desk, proven, rows_to_send, running
from importer.desk.opening import started
from importer.desk.picture import Brief, Live, Picture, Problem, Standing
from importer.desk.results import as_before, may_report, results_folder, results_reports
from importer.desk.sight import Course, Sight
from importer.desk.watching import Channel, Event
from importer.desk.wishes import Kind, Wish, Wishes
from importer.logs import places
from importer.settings import Settings, Value
from importer.wiring import clock as machine_clock
from importer.wiring import ledger, plans
from importer.wiring import who as myself

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.flow.run import Ending, Running
    from importer.ports import Clock, Ledger, RunRecord, Target
    from importer.wiring import Connection

log = logging.getLogger(__name__)

TICK_S = 1.0
ASK_AGAIN_S = 2.0
"""So often it is asked whether another program has ended."""
LOGS_MOST = 5
"""Problems that are told at once; the picture has more."""
PAST_MOST = 50
SYSTEM = Person("the server", "")


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
    told: int = 0  # problems, likewise

    def stop(self, reason: Interrupted) -> None:
        self.stopped = reason
        self.woken.set()
        if self.carrier is not None:
            self.carrier.stop(reason)


class RunKeeper:
    """Made once per server, on its event loop; `begin` picks up what was going on, `close` lets it rest.

    The mutable state: the runs that go on here, the order in which they are sent, the channels of those that are
    watched, and the wishes, which are kept on disk and written before they take effect.
    """

    def __init__(self, desk: Desk, connection: "Connection", clock: "Clock | None" = None) -> None:
        self._desk = desk
        self._connection = connection
        self._clock = clock or machine_clock()
        self._wishes = Wishes(desk.settings.state_dir / "page.sqlite")
        self._sight = Sight(desk, connection, self._wishes, self._clock, myself())
        self._carried: dict[str, _Carried] = {}
        self._past: dict[str, Live] = {}  # what the last runs that went on here told
        self._order: list[str] = []  # runs that have rows to send: the first is being sent
        self._channels: dict[str, Channel] = {}
        self._shown: dict[str, tuple[dict[str, Any], Standing]] = {}  # what watchers were told last
        self._writing: dict[str, asyncio.Lock] = {}
        self._others: set[asyncio.Task[None]] = set()
        self._ticking: asyncio.Task[None] | None = None
        self._closing = False

    # A server's life

    async def begin(self) -> None:
        """Goes on with what was going on when the last server ended, and with runs that were opened and no more."""
        try:
            await asyncio.to_thread(self._trust)
        except ImporterError as problem:  # nothing is sent then; the page tells it
            self._sight.blocked = problem
        for plan, (person, at) in self._wishes.beginnings().items():
            run = self._desk.book.run_of_plan(plan)
            if run is not None and self._wishes.of(run) is None:
                self._wishes.put(run, Wish("running", person, at), "started")
            self._wishes.begun(plan)
        for run in self._wishes.wanted():
            if self._desk.book.run(run) is None:
                self._wishes.put(run, Wish("halted", SYSTEM, self._sight.stamp(), f"The ledger has no run {run}."))
            elif self._sight.blocked is None:
                self._carry(run)
        self._ticking = asyncio.create_task(self._tick_on())  # ended by `close`

    async def close(self) -> None:
        """Ends cleanly: calls in flight may land. What was going on goes on with the next server."""
        self._closing = True
        for each in list(self._carried.values()):
            each.stop(Interrupted(143, "The server was ended; it goes on when it is started again."))
        tasks = [each.task for each in self._carried.values() if each.task is not None]
        await asyncio.gather(*tasks, *self._others, return_exceptions=True)
        if self._ticking is not None:
            self._ticking.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticking
        for channel in self._channels.values():
            channel.close()
        self._wishes.close()

    def _trust(self) -> None:
        with _ledger_beside(self._desk) as book:
            book.trusted()

    # What people want

    async def start(self, plan: str, who: Person, on_drift: str = "") -> str:
        """Opens the run of a plan (its ID) that may run now, and carries it on; the run's ID. `on_drift`: stop or skip; a blank: as is set.

        Raises PlanRefused, UsageError, NotAuthorised, TargetDown, LedgerError.
        """
        self._trusted()
        settings = _with(self._desk.settings, "on_drift", on_drift) if on_drift else self._desk.settings
        plan_id = plans(settings).named(plan).preview().about.plan
        out = Path(settings.text("out")).absolute() / "run-new"
        await asyncio.to_thread(may_report, out)
        connection = replace(self._connection, target=self._target())
        self._wishes.begin(plan_id, who, self._sight.stamp())
        try:
            with _ledger_beside(self._desk) as book:
                desk = replace(self._desk, settings=settings, book=book, early=ExitStack())
                run = await started(desk, plan_id, connection, who=who)
            self._wishes.put(run, Wish("running", who, self._sight.stamp()), "started")
        finally:
            self._wishes.begun(plan_id)
        self._carry(run)
        return run

    async def pause(self, run: str, who: Person) -> None:
        """Lets calls in flight land, and sends nothing more until somebody resumes. Raises UsageError.

        Whoever comes second, also after a stop, has what they want already: nothing changes.
        """
        self._rest(run, who, "paused", f"Paused by {who}.")

    async def stop(self, run: str, who: Person) -> None:
        """As `pause`, for good: what was not sent stays so, unless somebody resumes the run all the same. Raises UsageError."""
        self._rest(run, who, "stopped", f"Stopped by {who}.")

    async def resume(self, run: str, who: Person) -> None:
        """Goes on with a run. Raises UsageError, PlanRefused for one of another environment, LedgerError."""
        self._trusted()
        record = self._sight.record(run)
        made_for, here = record.preview.head.environment, self._connection.environment
        if made_for != here:
            raise PlanRefused(
                f"The run {run} belongs to {made_for}, this is {here}.", "Start a server with the run's own settings."
            )
        each = self._carried.get(run)
        if each is not None and each.stopped is None:
            return
        self._wishes.put(run, Wish("running", who, self._sight.stamp()), "resumed")
        if each is None:
            self._carry(run)  # else it goes on once the calls in flight have landed

    def _rest(self, run: str, who: Person, kind: Kind, reason: str) -> None:
        self._sight.record(run)
        wish, each = self._wishes.of(run), self._carried.get(run)
        was = wish.kind if wish is not None else ""
        if was == kind or (was, kind) == ("stopped", "paused"):
            return
        # What is to go on and does not, because nothing may be sent from here, is held back all the same.
        if each is None and was not in (("running", "paused", "halted") if kind == "stopped" else ("running",)):
            raise UsageError(
                f"The run {run} is not going on here.",
                "It may have ended meanwhile. What the command line carries on is stopped there, by Ctrl-C.",
            )
        self._wishes.put(run, Wish(kind, who, self._sight.stamp()), kind)
        if each is not None:
            each.stop(Interrupted(130, reason))

    def _target(self) -> "Target":
        """A target of a run's own: log-in and retry budget are no other run's."""
        return self._connection.another() if self._connection.another is not None else self._connection.target

    def _trusted(self) -> None:
        if self._sight.blocked is not None:
            raise self._sight.blocked

    # Carrying on

    def _carry(self, run: str) -> None:
        live = self._past.pop(run, None) or Live(self._sight.stamp)
        live.standing, live.doing, live.wait, live.settled = Standing.WAITING, "", "", 0
        gauge = self._connection.gauge
        each = _Carried(run, live, gauge.throttles if gauge is not None else 0)
        if self._desk.book.unsettled(run):  # before it counts as carried: the ledger may not be readable just now
            self._order.append(run)
        self._carried[run] = each
        each.task = asyncio.create_task(self._carried_on(each))  # awaited by `close`

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
        self._rested(each, problem)

    def _rested(self, each: _Carried, problem: ImporterError | None) -> None:
        """It goes on here no more, unless somebody resumed it while it came to rest; that is told, also where it cannot be noted."""
        run = each.run
        del self._carried[run]
        self._sight.forget(run)
        self._past[run] = each.live
        while len(self._past) > PAST_MOST:
            del self._past[next(iter(self._past))]
        try:
            self._noted(run, problem)
            if isinstance(problem, Interrupted) and not self._closing and run in self._wishes.wanted():
                self._carry(run)
            self._show(run)
        except ImporterError as reason:  # what is not noted is carried on by the next server, as after a kill
            each.live.tell(f"{reason} {reason.fix}")

    async def _to_its_end(self, each: _Carried) -> ImporterError | None:
        """What stopped it, if anything did."""
        record = self._sight.record(each.run)
        settings = as_before(self._desk.settings, record)
        await asyncio.to_thread(may_report, results_folder(settings, record))
        target = self._target()
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
        self._beside(self._report(each.run, each.live))

    def _leave_order(self, run: str) -> None:
        if run in self._order:
            self._order.remove(run)
        for each in self._carried.values():
            each.woken.set()

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._others.add(task)
        task.add_done_callback(self._others.discard)

    def _noted(self, run: str, problem: ImporterError | None) -> None:
        """How the run rests, unless a person or the server's end made it rest."""
        if isinstance(problem, Interrupted):
            return
        wish = self._wishes.of(run)
        who = wish.who if wish is not None else SYSTEM
        if problem is None:
            self._wishes.put(run, Wish("over", who, self._sight.stamp()))
        else:
            self._wishes.put(run, Wish("halted", who, self._sight.stamp(), str(problem), problem.fix))

    # Reports

    async def _report(self, run: str, live: Live) -> None:
        """Writes the reports beside the loop, from a ledger of their own: a long read would hold the other's eyes to one moment."""
        async with self._writing.setdefault(run, asyncio.Lock()):
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
        with _ledger_beside(self._desk) as book:
            record = book.run(run)
            assert record is not None
            reports = results_reports(as_before(self._desk.settings, record), book, run)
        return f"{reports.unwritten} {reports.unwritten.fix}" if reports.unwritten is not None else ""

    def reports_of(self, run: str) -> dict[str, Path]:
        """The reports of a run that are there, by name: `results_xlsx`, `results_json`, `manifest`. Raises UsageError."""
        return self._sight.reports_of(run)

    # What there is to see

    def picture(self, run: str) -> Picture:
        """A run as it is now, whoever carries it on. Raises UsageError for an unknown one."""
        return self._sight.picture(run, self._course(run), self._past.get(run))

    def brief(self, record: "RunRecord") -> Brief:
        """A run in one line."""
        return self._sight.brief(record, self._course(record.run), self._past.get(record.run))

    async def problems(self, run: str) -> tuple[Problem, ...]:
        """The first rows of a run that did not become tasks, in file order."""
        return await self._sight.problems(run)

    def carries(self, run: str) -> bool:
        """Whether a run goes on here."""
        return run in self._carried

    def _course(self, run: str) -> Course | None:
        each = self._carried.get(run)
        return Course(each.live, each.stopped is not None) if each is not None else None

    # Watching

    def watch(self, run: str, after: str = "") -> AsyncGenerator[Event, None]:
        """Events of a run: `picture` at first, or what followed the event `after`; then `tick`, `state`, `log`; at last `end`.

        `tick` comes once a second at most, when something changed. Raises UsageError for an unknown run.
        """
        self._sight.record(run)
        channel = self._channels.setdefault(run, Channel())

        def whole() -> dict[str, Any]:
            picture = self.picture(run)
            self._shown.setdefault(run, (picture.tick(), picture.standing))  # what the next event is compared with
            return picture.record()

        return channel.watch(after, whole)

    @property
    def watchers(self) -> int:
        """How many watch at the moment, all runs together."""
        return sum(len(channel.watchers) for channel in self._channels.values())

    async def _tick_on(self) -> None:
        while True:
            await self._clock.sleep(TICK_S)
            try:
                self.tick()
            except ImporterError as problem:  # the ledger cannot be read at the moment
                log.warning("not shown", extra={"problem": str(problem)})
            except Exception as problem:  # noqa: BLE001 - the door of the task: those who watch would wait for ever
                log.error("not shown", extra={"trace": places(problem)})

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
        for run in {*self._carried, *self._channels}:
            self._show(run)

    def _show(self, run: str) -> None:
        """Tells the watchers of a run what is new."""
        channel = self._channels.get(run)
        if channel is None:
            return
        picture = self.picture(run)
        tick, (before, was) = picture.tick(), self._shown.get(run, ({}, None))
        self._shown[run] = tick, picture.standing
        each = self._carried.get(run)
        if each is not None and each.live.told > each.told:
            news = list(picture.problems)[-min(each.live.told - each.told, LOGS_MOST) :]
            each.told = each.live.told
            for problem in news:
                channel.tell("log", problem.record())
        if picture.standing is not was and was is not None:
            channel.tell("state", tick)
        elif tick != before:
            channel.tell("tick", tick)
        if was is not None and was.is_going_on and not picture.standing.is_going_on:
            channel.tell("end", tick)
        if not channel.watchers and not picture.standing.is_going_on:
            del self._channels[run], self._shown[run]


def _with(settings: Settings, name: str, value: str) -> Settings:
    """The settings with one of them as it was chosen on the page. Raises SettingsError for a value that is none."""
    made = Settings({**settings.values, name: Value(value, "the page")}, settings.mapping, settings.mapping_file)
    proven(made)
    return made


@contextmanager
def _ledger_beside(desk: Desk) -> "Iterator[Ledger]":
    """The same ledger for another thread: a connection of SQLite shows one moment as long as anybody reads from it."""
    book = ledger(desk.settings)
    try:
        yield book
    finally:
        book.close()
