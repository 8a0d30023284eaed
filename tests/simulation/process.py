"""Process: one life of the importer on a machine, with everything real but time, sockets and threads."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from importer.core.errors import AlreadyRunning
from importer.core.lease import Holder
from importer.core.outcomes import Lost, NotDone
from importer.core.plan import Environment, PlanRow, Preview
from importer.core.verdicts import Verdict
from importer.flow.lease import Who
from importer.flow.rules import Rules
from importer.flow.run import How, Running
from importer.ledgers.sqlite import SqliteLedger
from importer.ports import Target
from importer.sandbox.workitems.worktypes import worktype_id
from importer.targets.exchange import Credentials, Endpoints, Exchange
from importer.targets.pace import CallLog, Processes, Rate, SharedPace
from importer.targets.tasks import TasksTarget
from importer.targets.transport import Reply, Request
from importer.targets.workitems.target import WorkitemsTarget
from tests.harness.plans import one_column_plan, one_column_row
from tests.simulation.site import CLIENT, Site
from tests.simulation.timeline import Died
from tests.simulation.weather import Death

ORIGIN = "https://simulated.invalid"
QUEUE = "General Inquiry"
WORKTYPE = "Case"


@dataclass(slots=True)
class Machine:
    """What stays when a process dies: the disk, the numbers of processes, and the system's start."""

    site: Site
    folder: Path
    name: str = "ledger"
    boot: int = 1
    living: set[int] = field(default_factory=set)
    hidden: set[int] = field(default_factory=set)  # gone, but nobody can tell
    locked: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def is_gone(self, holder: Holder) -> bool:
        """See flow.lease.Who."""
        alike = holder.boot == f"boot {self.boot}"
        return alike and holder.process not in self.living and holder.process not in self.hidden

    def dies(self, *, known: bool, power: bool) -> None:
        """All processes end."""
        self.hidden |= set() if known else self.living
        self.living.clear()
        self.locked.clear()
        self.boot += power

    @contextmanager
    def lock(self, client: str) -> Iterator[None]:
        """One submission at a time of one OAuth client, for all processes of this machine."""
        if client in self.locked:
            raise AlreadyRunning("Another submission is at work.")
        self.locked.add(client)
        try:
            yield
        finally:
            self.locked.discard(client)


class MachineProcesses(Processes):
    """See pace.Processes."""

    def __init__(self, machine: Machine, own: int) -> None:
        self._machine = machine
        self.own = own

    def alive(self, process: int) -> bool:
        return process in self._machine.living


class SimulatedTransport:
    """See transport.Transport."""

    def __init__(self, site: Site, process: "Process") -> None:
        self._site = site
        self._process = process

    async def send(self, request: Request) -> Reply | Lost | NotDone:
        if self._process.dead:
            raise Died
        future: asyncio.Future[Reply | Lost | NotDone] = asyncio.get_running_loop().create_future()
        self._site.takes(request, future.set_result, lambda: not (future.done() or self._process.dead))
        return await future

    async def close(self) -> None:
        """Nothing is open."""


class MortalLedger(SqliteLedger):
    """The real ledger, in whose writes the process may die."""

    def __init__(self, path: Path, process: "Process") -> None:
        super().__init__(path, threaded=False)
        self._process = process

    async def _write(self, job: Any, *, answer: bool = False) -> Any:
        self._process.writes("before a write")
        future = self._database.write(job, answer=answer)
        self._process.writes("after a write")
        return await asyncio.wrap_future(future)


class Process:
    """One process. Its state: whether it is dead, and how many writes it has left where it is to die in one."""

    def __init__(
        self, machine: Machine, *, dies_in: tuple[Death, int] | None = None, client: str = CLIENT.client_id
    ) -> None:
        site, weather = machine.site, machine.site.weather
        self.machine = machine
        self.dead = False
        self.number = next(machine.numbers)
        machine.living.add(self.number)
        self._dies_in = dies_in
        self._client = client
        self.ledger = MortalLedger(machine.folder / f"{machine.name}.sqlite", self)
        rate = Rate(*weather.rate)
        processes = MachineProcesses(machine, self.number)
        self._log = CallLog(machine.folder / "pace.sqlite", client, rate, f"boot {machine.boot}", processes)
        chance = random.Random(f"pace {weather.seed} {self.number}")
        pace = SharedPace(self._log, rate, site.timeline, chance=chance)
        credentials = Credentials(CLIENT.client_id, CLIENT.client_secret)
        transport = SimulatedTransport(site, self)
        exchange = Exchange(Endpoints(ORIGIN, ORIGIN), credentials, pace, site.timeline, transport)
        self.target: Target = TasksTarget(exchange)
        if weather.target == "workitems":
            self.target = WorkitemsTarget(exchange, site.timeline, CLIENT.client_id)
            assert self.target.bulk is not None
            self.target.bulk.size = weather.bulk or 1

    def running(self, **how: Any) -> Running:
        """What carries runs out; `how` replaces parts of the rules."""
        weather = self.machine.site.weather
        rules: dict[str, Any] = {
            "lag_s": weather.lag_s,
            "concurrency": weather.concurrency,
            "flight_s": weather.patience_s,
            "canary": weather.canary,
            "bulk": weather.bulk is not None and self.number not in weather.singly,
        }
        return Running(
            ledger=self.ledger,
            target=self.target,
            clock=self.machine.site.timeline,
            lock=lambda run: self.machine.lock(self._client),
            progress=lambda event, numbers: None,
            how=How(rules=Rules(**{**rules, **how}), track=weather.track, track_for_s=60.0, audit=True),
            who=Who(Holder(f"boot {self.machine.boot}", "here", self.number, "0"), self.machine.is_gone),
        )

    def writes(self, when: Death) -> None:
        """The ledger is about to be written, or was: the process may be meant to die here."""
        if self._dies_in is None or self._dies_in[0] != when:
            return
        left = self._dies_in[1] - 1
        self._dies_in = (when, left)
        if left <= 0:
            self.machine.site.timeline.doom()
            self.ends()
            raise Died

    def ends(self) -> None:
        """Nothing of it reaches the outside any more: its files are closed as they are."""
        if not self.dead:
            self.dead = True
            self.ledger.close()
            self._log.close()


def planned(
    rows: Sequence[tuple[str, str]], plan: str, queue_id: str, target: str = "tasks"
) -> tuple[Preview, list[PlanRow]]:
    """A plan of ready rows, each an external ID and a description."""
    environment = Environment(target, ORIGIN, CLIENT.client_id)
    preview = one_column_plan(environment, {Verdict.READY: len(rows)}, plan, plan, "2026-11-23T21:00:00Z")
    return preview, [_row(line, *row, queue_id, target) for line, row in enumerate(rows, start=2)]


def _row(line: int, external_id: str, description: str, queue_id: str, target: str) -> PlanRow:
    payload: dict[str, Any] = {
        "type": "email",
        "description": description,
        "state": "new",
        "routingData": {"queueId": queue_id, "priority": 50},
        "customAttributes": {"externalId": external_id, "source": "api-integration"},
    }
    if target == "workitems":
        payload = {
            "externalTag": external_id,
            "name": f"Case {external_id}",
            "description": description,
            "typeId": worktype_id(WORKTYPE),
            "queueId": queue_id,
        }
    return one_column_row(line, external_id, payload, queue=QUEUE)
