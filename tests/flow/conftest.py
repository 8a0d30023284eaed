"""An office: a sandbox, a real target and a real ledger, in a time that only moves when nothing is under way."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest

from importer.core.lease import Holder
from importer.core.plan import Environment
from importer.core.report import ResultRow
from importer.core.stages import Entry, Stage
from importer.core.verdicts import Verdict
from importer.flow.lease import Who
from importer.flow.rules import Rules
from importer.flow.run import Ending, How, Running
from importer.ledgers.lock import SubmissionLock
from importer.ledgers.sqlite import SqliteLedger
from importer.ports import Target
from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import Fault, Life, Limit, Scenario
from importer.sandbox.server import Sandbox
from importer.sandbox.service import Visit
from importer.targets.exchange import Credentials, Endpoints, Exchange
from importer.targets.tasks import TasksTarget
from importer.targets.transport import HttpTransport, Timeouts
from tests.harness.plans import one_column_plan, one_column_row

T = TypeVar("T")

INDEX_LAG_S = 3.0
LAG_S = 5.0
"""What the importer is told: more than the sandbox's index needs."""
RULES = {each.name for each in fields(Rules)}
QUIET_TURNS = 12
CALLS_MOST = 3_000
PATIENCE_TURNS = 2_000_000
STUCK_TURNS = 20_000


class TurnedClock:
    """See ports.Clock: the sandbox's hand clock, with sleepers that are woken in order."""

    def __init__(self, hand: HandClock) -> None:
        self.hand = hand
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.hand.now(), UTC)

    def monotonic(self) -> float:
        return self.hand.monotonic()

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._sleepers, (self.monotonic() + seconds, next(self._order), future))
        await future

    def turn(self) -> bool:
        """Moves time on to the earliest sleeper and wakes it; False where nobody sleeps."""
        while self._sleepers:
            at, _, future = heappop(self._sleepers)
            if not future.done():
                self.hand.advance(max(at - self.monotonic(), 0.0))
                future.set_result(None)
                return True
        return False


class FreeSlot:
    """See ports.Slot."""

    def unused(self) -> None:
        """Nothing is counted here."""


class FreePace:
    """See ports.Pace: no cap, a gate, and a count of the calls in flight."""

    def __init__(self, clock: TurnedClock) -> None:
        self._clock = clock
        self._gate = 0.0
        self.in_flight = 0
        self.most_in_flight = 0
        self.calls = 0
        self.calls_most = CALLS_MOST
        self.waits: list[float] = []

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[FreeSlot]:
        while self._clock.monotonic() < self._gate:
            await self._clock.sleep(self._gate - self._clock.monotonic())
        self.calls += 1
        assert self.calls < self.calls_most, "calls without end"
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            yield FreeSlot()
        finally:
            self.in_flight -= 1

    def throttled(self, wait_s: float) -> None:
        self.waits.append(wait_s)
        self._gate = max(self._gate, self._clock.monotonic() + wait_s)

    def told(self, allowed: int, count: int, reset_s: float) -> None:
        """The header is the pace's own matter."""


class CountingLedger(SqliteLedger):
    """The real ledger; `writing` is how many writes are not on disk yet."""

    writing = 0

    async def _write(self, job: Any, *, answer: bool = False) -> Any:
        future: Future[Any] = self._database.write(job, answer=answer)
        self.writing += 1
        try:
            return await asyncio.wrap_future(future)
        finally:
            self.writing -= 1


class Office:
    """Everything that a run needs, and verbs for what happens in the world around it."""

    target_name = "tasks"

    patience_s = 20.0  # real time, like the next: no answer is taken for lost because the machine is busy
    impatience_s = 0.3

    def __init__(self, sandbox: Sandbox, hand: HandClock, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.clock = TurnedClock(hand)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._runs = count(1)
        self._processes = count(1)
        self.me = Holder("boot", "space", next(self._processes), "0")
        self.gone: set[Holder] = set()
        self.ledger, self.pace, self.exchange, self.target = self._furnished(self.patience_s)

    def _furnished(self, patience_s: float) -> tuple[CountingLedger, FreePace, Exchange, Target]:
        pace = FreePace(self.clock)
        endpoints = Endpoints(self.sandbox.api_url, self.sandbox.login_url)
        credentials = Credentials(self.sandbox.client_id, self.sandbox.client_secret)
        self.transport = HttpTransport(Timeouts(total_s=patience_s, connect_s=patience_s))
        exchange = Exchange(endpoints, credentials, pace, self.clock, self.transport)
        return CountingLedger(self.folder / "ledger.sqlite"), pace, exchange, self._target(exchange)

    def _target(self, exchange: Exchange) -> Target:
        return TasksTarget(exchange)

    async def closes(self) -> None:
        """The day ends."""
        await self.target.close()
        self.ledger.close()

    async def starts_again(self, patience_s: float | None = None) -> None:
        """Another process takes over: nothing is kept but the ledger's file. `patience_s` is real time."""
        await self.closes()
        self.gone.add(self.me)
        self.me = Holder("boot", "space", next(self._processes), "0")
        self.ledger, self.pace, self.exchange, self.target = self._furnished(patience_s or self.patience_s)

    # Verbs for the world

    def breaks(self, kind: str, **options: Any) -> None:
        """A fault, of creates unless told. Whoever waits for a call that hangs gives it up soon."""
        if kind.startswith("hang"):
            self.transport.timeouts = Timeouts(self.impatience_s, self.impatience_s)
        self.sandbox.breaks(Fault.model_validate({"operation": "create", "kind": kind, **options}))

    def post_is_lost(self, *at: int) -> None:
        """The answers to these creates are lost, the tasks committed."""
        self.breaks("reset_after", at=at or (1,))

    def ledger_is_lost(self) -> None:
        """Someone takes the ledger away, with all that belongs to it."""
        for each in self.folder.glob("ledger.*"):
            each.unlink()

    def token_expires(self) -> None:
        """Tokens given out so far are void."""
        self.sandbox.tokens_expire()

    def queue_closes(self, name: str = "General Inquiry") -> None:
        """No task may enter it."""
        self.sandbox.queue_turns(name, "closed")

    def recovers(self) -> None:
        """No more faults."""
        self.sandbox.breaks()

    # Runs

    def queue_id(self, name: str = "General Inquiry") -> str:
        """The ID of the queue of that name."""
        return next(queue.id for queue in self.sandbox.world.queues.values() if queue.name == name)

    def payload(self, external_id: str, description: str, queue: str) -> dict[str, Any]:
        """What is sent for a row."""
        return {
            "type": "email",
            "description": description,
            "state": "new",
            "routingData": {"queueId": self.queue_id(queue), "priority": 50},
            "customAttributes": {"externalId": external_id, "source": "api-integration"},
        }

    def opens(
        self,
        external_ids: Sequence[str],
        *,
        description: str = "An invoice",
        queue: str = "",
        verdicts: Sequence[Verdict] = (),
    ) -> str:
        """A run with a row for each external ID, ready unless `verdicts` say otherwise, recorded."""
        number = next(self._runs)
        run, total = f"run-{number}", len(external_ids)
        environment = Environment(self.target_name, self.sandbox.api_url, self.sandbox.client_id)
        preview = one_column_plan(environment, {Verdict.READY: total}, f"plan-{number}", str(number))
        rows = [
            one_column_row(
                line,
                external_id,
                self.payload(external_id, description, queue or "General Inquiry"),
                queue=queue or "General Inquiry",
            )
            for line, external_id in enumerate(external_ids, start=2)
        ]
        rows = [
            row if verdict is Verdict.READY else replace(row, verdict=verdict, payload=None)
            for row, verdict in zip(rows, verdicts or [Verdict.READY] * total, strict=True)
        ]
        self.running().open(run, preview, rows, None, "reports", {})
        return run

    def running(self, **how: Any) -> Running:
        """What carries runs out; `how` replaces parts of it."""
        rules = Rules(**{"lag_s": LAG_S, "concurrency": 8, **{name: how.pop(name) for name in RULES & how.keys()}})
        settings: dict[str, Any] = {"rules": rules, "track": "none", "track_for_s": None, "audit": True}
        lock = SubmissionLock(self.folder / "locks", "tests")
        return Running(
            ledger=self.ledger,
            target=self.target,
            clock=self.clock,
            lock=lock.held,
            progress=lambda event, numbers: self.events.append((event, dict(numbers))),
            how=How(**{**settings, **how}),
            who=Who(self.me, lambda holder: holder in self.gone),
        )

    async def carries_on(self, run: str, **how: Any) -> Ending:
        """The run, carried on until it rests."""
        return await self.driven(self.running(**how).carry_on(run))

    async def driven(self, work: Awaitable[T]) -> T:
        """What `work` gives; time moves on whenever nothing is in flight. Fails where nothing can happen any more."""
        task = asyncio.ensure_future(work)
        quiet = 0
        try:
            for _ in range(PATIENCE_TURNS):
                await asyncio.sleep(0)
                if task.done():
                    return await task
                quiet = 0 if self.pace.in_flight or self.ledger.writing else quiet + 1
                if quiet >= QUIET_TURNS and self.clock.turn():
                    quiet = 0
                assert quiet < STUCK_TURNS, "nothing is in flight, nobody sleeps, and the work is not done"
            raise AssertionError("the work does not end")
        finally:
            task.cancel()

    async def until(self, kind: str, number: int) -> None:
        """Returns when the sandbox has seen so many calls of this kind."""
        while len(self.visits(kind)) < number:  # noqa: ASYNC110 - the loop's turns are what is waited for
            await asyncio.sleep(0)

    # What is known afterwards

    def rows(self, run: str) -> list[ResultRow]:
        """The rows of a run as its reports show them."""
        return list(self.ledger.result_rows(run))

    def outcomes(self, run: str) -> dict[str, int]:
        """How many rows came to which outcome; what is zero is left out."""
        return {name: number for name, number in self.ledger.counts(run).items() if number and name != "read"}

    async def entries(self, run: str) -> list[Entry]:
        """All entries of a run."""
        return await self.ledger.entries(run, list(Stage), -1, 10_000)

    def tasks(self) -> Counter[str]:
        """How many tasks the sandbox has for each external ID."""
        return Counter(str(task["externalId"]) for task in self.sandbox.journal()["tasks"])

    def visits(self, *kinds: str) -> list[Visit]:
        """The calls that the sandbox saw, of these kinds or all."""
        return [visit for visit in self.sandbox.service.visits if not kinds or visit.operation in kinds]


def ids(number: int, prefix: str = "E") -> list[str]:
    """So many external IDs."""
    return [f"{prefix}-{n}" for n in range(1, number + 1)]


def payload_of(entry: Entry) -> dict[str, Any]:
    """An entry's frozen payload."""
    payload: dict[str, Any] = json.loads(entry.payload)
    return payload


@contextmanager
def watched(office: Office) -> Iterator[Counter[str]]:
    """The calls that were made inside the block, by kind."""
    before = Counter(visit.operation for visit in office.visits())
    made: Counter[str] = Counter()
    yield made
    made.update(Counter(visit.operation for visit in office.visits()))
    made.subtract(before)


@pytest.fixture
def scenario() -> Scenario:
    """A world without uniqueness and limit, with a lagging index; tasks live for minutes."""
    life = Life(
        queued=(1, 9), assigned=(5, 40), accepted=(5, 30), working=(10, 90), wrapup=(5, 20), closed=(2, 20), skip=0.3,
        back=0.3, cancel=0.2,
    )  # fmt: skip
    return Scenario(unique=False, index_lag_s=INDEX_LAG_S, limit=Limit(calls=0), life=life)


@pytest.fixture
async def office(scenario: Scenario, tmp_path: Path) -> AsyncIterator[Office]:
    """An office beside a sandbox of seed 7."""
    hand = HandClock()
    async with Sandbox(scenario, seed=7, clock=hand) as sandbox:
        office = Office(sandbox, hand, tmp_path)
        try:
            yield office
        finally:
            await office.closes()
