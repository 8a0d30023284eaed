"""A server's insides without its page: a sandbox in this process, a state folder, and a keeper of runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from importer.clock import SystemClock
from importer.core.approval import Person
from importer.core.outcomes import Answer
from importer.core.plan import Environment
from importer.desk.desk import Desk
from importer.desk.keeper import RunKeeper
from importer.desk.making import previewed
from importer.desk.picture import Picture
from importer.flow.read import Choices
from importer.ledgers.lock import SubmissionLock
from importer.ledgers.sqlite import SqliteLedger
from importer.sandbox.scenario import Life, Limit, Scenario
from importer.sandbox.server import Sandbox
from importer.settings import Settings, load
from importer.targets.exchange import Credentials, Endpoints, Exchange
from importer.targets.pace import CallLog, Rate, SharedPace
from importer.targets.tasks import TasksTarget
from importer.targets.transport import HttpTransport
from importer.wiring import Connection

ANN = Person("ann", "token")
BOB = Person("bob", "token")
MANY = 10_000
AT_ONCE = (0.0, 0.0)
SWIFT = Life(
    queued=AT_ONCE, assigned=AT_ONCE, accepted=AT_ONCE, working=AT_ONCE, wrapup=AT_ONCE, closed=AT_ONCE,
    cancelled=AT_ONCE, skip=0, back=0, cancel=0,
)  # fmt: skip
"""Tasks that are at their end as soon as they are looked at."""


def sandboxed(**rules: Any) -> Sandbox:
    """A sandbox without limits, faults and lag, but for what is said."""
    return Sandbox(Scenario(**{"limit": Limit(calls=0), "index_lag_s": 0, "life": SWIFT, **rules}))


def settings_for(sandbox: Sandbox, folder: Path, **flags: Any) -> Settings:
    """Settings that lead to a sandbox and to a folder."""
    given = {"api_url": sandbox.api_url, "login_url": sandbox.login_url, "rate": "1000/s", "index_lag": "1s"}
    given |= {"state_dir": str(folder / "state"), "out": str(folder / "out"), "track": "closed"}
    return load({**given, **flags}, folder=folder)


class Door:
    """So many tasks may be created until it is opened; the next ones wait: before their claim, or `after_claim`, on their way."""

    def __init__(self, first: int | None) -> None:
        self.after_claim = False
        self._places = asyncio.Semaphore(MANY if first is None else first)

    async def passed(self) -> None:
        await self._places.acquire()

    def open(self) -> None:
        for _ in range(MANY):
            self._places.release()


class BehindADoor(TasksTarget):
    """The target, with a door before each creation, or between its claim and its POST."""

    def __init__(self, exchange: Exchange, door: Door) -> None:
        super().__init__(exchange)
        self._door = door

    async def create(self, payload: str, external_id: str, claim: Callable[[], Awaitable[bool]]) -> Answer | None:
        if not self._door.after_claim:
            await self._door.passed()
            return await super().create(payload, external_id, claim)

        async def claimed() -> bool:
            taken = await claim()
            await self._door.passed()
            return taken

        return await super().create(payload, external_id, claimed)


class House:
    """What a test works with."""

    def __init__(self, sandbox: Sandbox, folder: Path, settings: Settings, first: int | None = None) -> None:
        self.door = Door(first)
        self.sandbox = sandbox
        self.folder = folder
        self.settings = settings
        rate = Rate(*settings.rate)
        self.book = SqliteLedger(settings.state_dir / "ledger.sqlite")
        self.calls = CallLog(settings.state_dir / "pace.sqlite", "me", rate)
        pace = SharedPace(self.calls, rate, SystemClock())
        self.transport = HttpTransport()
        credentials = Credentials(sandbox.client_id, sandbox.client_secret)
        endpoints = Endpoints(sandbox.api_url, sandbox.login_url)

        def another() -> TasksTarget:
            exchange = Exchange(endpoints, credentials, pace, SystemClock(), self.transport)
            return BehindADoor(exchange, self.door)

        environment = Environment("tasks", sandbox.api_url, sandbox.client_id)
        self.connection = Connection(another(), environment, lambda _: None, another, pace)
        self.lock = SubmissionLock(settings.state_dir / "locks", "key")
        self.desk = Desk(settings, self.book, self.lock, attended=True)
        self.keeper = RunKeeper(self.desk, self.connection)

    async def plan(self, rows: int, name: str = "rows") -> str:
        """The plan of a file of so many fine rows."""
        file = self.folder / f"{name}.csv"
        lines = [f"{name}-{n},Billing,5,email,row {n}" for n in range(rows)]
        file.write_text("\n".join(["External ID,Queue,Priority,Type,Description", *lines]) + "\n", "utf-8")
        made = await previewed(file, None, Choices(), self.settings, self.connection, self.book, lambda *_: None)
        return made.about.plan

    async def started(self, rows: int, name: str = "rows") -> str:
        """A run that goes on."""
        return await self.keeper.start(await self.plan(rows, name), ANN)

    async def until(self, run: str, fits: Callable[[Picture], bool]) -> Picture:
        """The first picture of a run that fits, looked at whenever something may have happened; fails after 20 s."""
        async with asyncio.timeout(20):
            while not fits(picture := self.keeper.picture(run)):  # noqa: ASYNC110 - a person, too, looks again and again
                await asyncio.sleep(0.01)
        return picture

    async def ended(self, run: str) -> Picture:
        """Once nobody carries it on any more."""
        return await self.until(run, lambda picture: not picture.standing.is_going_on)

    @property
    def tasks(self) -> list[str | None]:
        """The external ID of every task in the sandbox."""
        return [task.external_id for task in self.sandbox.world.tasks.values()]

    async def again(self, *, closing: bool = True) -> None:
        """The server ends, unless it has ended already, and another one begins with the same folder."""
        if closing:
            await self.keeper.close()
        self.keeper = RunKeeper(self.desk, self.connection)
        await self.keeper.begin()

    async def close(self) -> None:
        """Everything ends."""
        await self.keeper.close()
        await self.transport.close()
        self.book.close()
        self.calls.close()


@asynccontextmanager
async def house(
    folder: Path, rules: dict[str, Any] | None = None, first: int | None = None, **flags: Any
) -> AsyncIterator[House]:
    """A house that is closed at the end."""
    async with sandboxed(**(rules or {})) as sandbox:
        made = House(sandbox, folder, settings_for(sandbox, folder, **flags), first)
        await made.keeper.begin()
        try:
            yield made
        finally:
            await made.close()
