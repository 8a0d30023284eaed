"""Keeper: runs that a server carries on, over its end and its death, as people want it. What is sent, and when, the flow decides."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from importer.core.approval import Person
from importer.core.errors import ImporterError, Interrupted, PlanRefused, UsageError
from importer.desk.audience import Audience
from importer.desk.carrying import Carrying
from importer.desk.desk import Desk, ledger_beside, proven
from importer.desk.opening import started
from importer.desk.picture import Brief, Picture, Problem
from importer.desk.results import may_report
from importer.desk.sight import Sight
from importer.desk.watching import Event
from importer.desk.wishes import Kind, Wish, Wishes
from importer.logs import places
from importer.settings import Settings, Value
from importer.wiring import clock as machine_clock
from importer.wiring import plans
from importer.wiring import who as myself

if TYPE_CHECKING:
    from importer.ports import Clock, RunRecord
    from importer.wiring import Connection

log = logging.getLogger(__name__)

TICK_S = 1.0
SYSTEM = Person("the server", "")
HELD_BACK: dict[Kind, tuple[str, ...]] = {"paused": ("running",), "stopped": ("running", "paused", "halted")}
"""What may be held back where it does not go on: what is to go on and may not be sent from here; for good, also what rests for now."""


class RunKeeper:
    """Made once per server, on its event loop; `begin` picks up what was going on, `close` lets it rest.

    The mutable state: the wishes, which are kept on disk and written before they take effect; and what its parts hold.
    """

    def __init__(self, desk: Desk, connection: "Connection", clock: "Clock | None" = None) -> None:
        self._desk = desk
        self._connection = connection
        self._clock = clock or machine_clock()
        self._wishes = Wishes(desk.settings.state_dir / "page.sqlite")
        self._sight = Sight(desk, connection, self._wishes, self._clock, myself())
        self._carrying = Carrying(desk, connection, self._sight, self._rested)
        self._audience = Audience(self.picture, self._carrying.told)
        self._starting = asyncio.Lock()
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
                self._carrying.begin(run)
        self._ticking = asyncio.create_task(self._tick_on())  # ended by `close`

    async def close(self) -> None:
        """Ends cleanly: calls in flight may land. What was going on goes on with the next server."""
        self._closing = True
        reason = "The server was ended; it goes on when it is started again."
        await self._carrying.close(Interrupted(143, reason))
        if self._ticking is not None:
            self._ticking.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticking
        self._audience.close()
        self._wishes.close()

    def _trust(self) -> None:
        with ledger_beside(self._desk) as book:
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
        async with self._starting:  # of two who press at once the second is refused, and takes nothing from the first
            run = await self._opened(plan_id, settings, who)
        self._carrying.begin(run)
        return run

    async def _opened(self, plan: str, settings: Settings, who: Person) -> str:
        """Opens the run, so that a server that ends anywhere in this knows it again."""
        connection = replace(self._connection, target=self._carrying.target())
        self._wishes.begin(plan, who, self._sight.stamp())
        try:
            with ledger_beside(self._desk) as book:
                desk = replace(self._desk, settings=settings, book=book, early=ExitStack())
                run = await started(desk, plan, connection, who=who)
        except ImporterError:
            self._wishes.begun(plan)  # whoever is called off does not know: the thread that opens it goes on
            raise
        self._wishes.put(run, Wish("running", who, self._sight.stamp()), "started")
        self._wishes.begun(plan)
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
        course = self._carrying.course(run)
        if course is not None and not course.is_stopping:
            return
        self._wishes.put(run, Wish("running", who, self._sight.stamp()), "resumed")
        if course is None:
            self._carrying.begin(run)  # else it goes on once the calls in flight have landed

    def _rest(self, run: str, who: Person, kind: Kind, reason: str) -> None:
        here, elsewhere = self.carries(run), self.picture(run).elsewhere
        wish = self._wishes.of(run)
        was = wish.kind if wish is not None else ""
        if not elsewhere and (was == kind or (was, kind) == ("stopped", "paused")):
            return
        if not here and (elsewhere or was not in HELD_BACK[kind]):
            raise UsageError(
                f"The run {run} is not going on here.",
                "It may have ended meanwhile. What the command line carries on is stopped there, by Ctrl-C.",
            )
        self._wishes.put(run, Wish(kind, who, self._sight.stamp()), kind)
        self._carrying.stop(run, Interrupted(130, reason))

    def _trusted(self) -> None:
        if self._sight.blocked is not None:
            raise self._sight.blocked

    def _rested(self, run: str, problem: ImporterError | None) -> None:
        """Notes how a run rests, or goes on with one that somebody resumed while it came to rest. Raises LedgerError."""
        self._sight.forget(run)
        self._noted(run, problem)
        if isinstance(problem, Interrupted) and not self._closing and run in self._wishes.wanted():
            self._carrying.begin(run)
        self._audience.show(run)

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

    def reports_of(self, run: str) -> dict[str, Path]:
        """The reports of a run that are there, by name: `results_xlsx`, `results_json`, `manifest`. Raises UsageError."""
        return self._sight.reports_of(run)

    # What there is to see

    def picture(self, run: str) -> Picture:
        """A run as it is now, whoever carries it on. Raises UsageError for an unknown one."""
        return self._sight.picture(run, self._carrying.course(run), self._carrying.past(run))

    def brief(self, record: "RunRecord") -> Brief:
        """A run in one line."""
        return self._sight.brief(record, self._carrying.course(record.run), self._carrying.past(record.run))

    async def problems(self, run: str) -> tuple[Problem, ...]:
        """The first rows of a run that did not become tasks, in file order."""
        return await self._sight.problems(run)

    def carries(self, run: str) -> bool:
        """Whether a run goes on here."""
        return run in self._carrying.runs

    # Watching

    def watch(self, run: str, after: str = "") -> AsyncGenerator[Event, None]:
        """Events of a run: `picture` at first, or what followed the event `after`; then `tick`, `state`, `log`; at last `end`.

        `tick` comes once a second at most, when something changed. Raises UsageError for an unknown run.
        """
        self._sight.record(run)
        return self._audience.watch(run, after)

    @property
    def watchers(self) -> int:
        """How many watch at the moment, all runs together."""
        return self._audience.watchers

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
        self._carrying.tick()
        for run in self._carrying.runs | self._audience.runs:
            self._audience.show(run)


def _with(settings: Settings, name: str, value: str) -> Settings:
    """The settings with one of them as it was chosen on the page. Raises SettingsError for a value that is none."""
    made = Settings({**settings.values, name: Value(value, "the page")}, settings.mapping, settings.mapping_file)
    proven(made)
    return made
