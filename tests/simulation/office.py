"""Office: people with a sheet, plans and runs on one machine or two, in a world that a test can spoil. See test_model."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from importer.core.approval import Person
from importer.core.errors import AlreadyRunning, ImporterError
from importer.core.plan import Environment
from importer.core.verdicts import Verdict
from importer.desk.permission import unchanged
from importer.flow.preview import Origin, Previewing
from importer.flow.read import Choices
from importer.flow.run import PREVIEW_SCOPES
from importer.ledgers.plans import PlanFolder
from importer.ports import ReadOptions
from importer.sandbox.scenario import Fault, Limit, Scenario
from importer.sources.csv import read
from importer.sources.reader import fingerprint
from tests.simulation.process import ORIGIN, QUEUE, WORKTYPE, Machine, Process
from tests.simulation.site import CLIENT, Site
from tests.simulation.timeline import Died, Sitting, Timeline
from tests.simulation.weather import WORKITEM_CREATES, Network, weather

LAG_S = 5.0
"""What the importer is told."""
INDEX_LAG_S = 3.0
FLIGHT_S = 2.0
LEASE_S = 30.0
LONG_S = 60.0
"""Longer than any lag and any lease."""
NETWORK = Network(up_s=(0.001, 0.05), served_s=(0.001, 0.05), down_s=(0.001, 0.05), troubles={})


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan as the person sees it: its file, and the external IDs by verdict."""

    path: Path
    ready: frozenset[str]
    others: frozenset[str]


class Office:
    """The state: a world, two machines of which each has a ledger and plans, and the sheet on their shared drive."""

    def __init__(
        self, folder: Path, *, unique: bool, seed: int = 0, target: str = "tasks", bulk: int | None = None
    ) -> None:
        scenario = Scenario(unique=unique, index_lag_s=INDEX_LAG_S, limit=Limit(calls=0), token_lifetime_s=86399)
        chosen = replace(
            weather(seed),
            scenario=scenario,
            network=NETWORK,
            rate=(1000, 1.0),
            lag_s=LAG_S,
            patience_s=FLIGHT_S,
            concurrency=3,
            canary=0,
            skew_s=0.0,
            track="none",
            target=target,
            bulk=bulk,
        )
        self.target = target
        self.timeline = Timeline()
        self.site = Site(self.timeline, chosen)
        self.machines = [Machine(self.site, folder / name) for name in ("here", "there")]
        self.sheet = folder / "tasks.csv"
        self._runs = count(1)

    # The sheet and its plans

    def writes(self, rows: Iterable[tuple[str, str]]) -> None:
        """The sheet has these rows, external IDs with their descriptions."""
        headings, more = "External ID,Queue,Description", ""
        if self.target == "workitems":
            headings, more = headings + ",Name,Worktype", f",A case,{WORKTYPE}"
        lines = [f"{external_id},{QUEUE},{description}{more}" for external_id, description in rows]
        self.sheet.write_text("\n".join([headings, *lines]) + "\n", "utf-8")

    def previews(self, machine: Machine) -> Planned:
        """A plan of the sheet as it is now."""
        process = Process(machine)
        try:
            return self.timeline.runs(self._previewed(process, PlanFolder(machine.folder / "plans")), process.ends)
        finally:
            self._ends(process)

    async def _previewed(self, process: Process, plans: PlanFolder) -> Planned:
        environment = Environment(self.target, ORIGIN, CLIENT.client_id)
        previewing = Previewing(process.target, process.ledger, environment, self.timeline, lambda *_: None)
        sha256, size = fingerprint(self.sheet)
        await process.target.log_in(PREVIEW_SCOPES)
        with self.sheet.open("rb") as file:
            reading = read(file, ReadOptions())
            origin = Origin(str(self.sheet), sha256, size, Person("someone", "a test"))
            preview = await previewing.preview(reading, Choices(), origin, plans.draft())
        found = plans.find(preview.about.plan)
        ready = frozenset(row.external_id for row in found.rows() if row.verdict is Verdict.READY)
        others = frozenset(row.external_id for row in found.rows() if row.verdict is not Verdict.READY)
        return Planned(found.path, ready, others)

    # Runs

    def opens(self, machine: Machine, plan: Planned) -> str:
        """The run of a plan, recorded and not begun. Raises PlanRefused."""
        run = f"run-{next(self._runs)}"
        process = Process(machine)
        try:
            file = PlanFolder(machine.folder / "plans").find(str(plan.path))
            process.running().open(run, unchanged(file), file.rows(), None, "reports", {})
        finally:
            self._ends(process)
        return run

    def carries_on(self, machine: Machine, run: str, dies_at: int | None = None) -> bool:
        """One life of a run; whether the process lived to its end."""
        process = Process(machine)
        try:
            self.timeline.runs(self._carried_on(process, run), process.ends, dies_at=dies_at)
        except Died:
            return False
        finally:
            self._ends(process)
        return True

    def carry_on_together(self, machine: Machine, runs: Iterable[str], dies_at: int | None = None) -> bool:
        """Runs on one ledger at the same time, each of an OAuth client of its own; whether the machine stayed up."""
        processes = [Process(machine, client=f"client {n}") for n, _ in enumerate(runs)]

        async def together() -> None:
            async with asyncio.TaskGroup() as group:
                for process, run in zip(processes, runs, strict=True):
                    group.create_task(self._carried_on(process, run))

        def end() -> None:
            for process in processes:
                process.ends()

        try:
            self.timeline.runs(together(), end, dies_at=dies_at)
        except Died:
            return False
        finally:
            for process in processes:
                self._ends(process)
        return True

    def is_taken_over(self, machine: Machine, run: str, frozen_at: int) -> ImporterError | None:
        """A process is frozen in a turn; another one takes its run over; then the first wakes up. How it ends."""
        frozen = Process(machine)
        sitting = Sitting(self.timeline, self._carried_on(frozen, run))
        try:
            ending = sitting.goes_on(frozen_at)
        except Died:
            self.timeline.passes(LEASE_S + FLIGHT_S + 1)
            self._helps(machine, run)
            ending = sitting.goes_on()
        finally:
            self._ends(frozen)
            sitting.ends()
        return ending

    def _helps(self, machine: Machine, run: str) -> None:
        other = Process(machine)
        try:
            self.timeline.runs(self._carried_on(other, run), other.ends)
        finally:
            other.ends()
            machine.living.discard(other.number)

    async def _carried_on(self, process: Process, run: str) -> ImporterError | None:
        process.ledger.trusted()
        try:
            return (await process.running(lease_s=LEASE_S).carry_on(run)).problem
        except AlreadyRunning as problem:
            return problem

    @staticmethod
    def _ends(process: Process) -> None:
        process.ends()
        process.machine.living.discard(process.number)
        process.machine.locked.clear()

    # What is known

    def outcomes(self, machine: Machine, run: str) -> dict[str, tuple[str, str | None]]:
        """Outcome and task ID by external ID; of the rows that the plan called ready."""
        process = Process(machine)
        try:
            rows = list(process.ledger.result_rows(run))
            counts = process.ledger.counts(run)
            assert counts.pop("read") == sum(counts.values()) == len(rows)
            return {row.external_id: (str(row.outcome), row.task_id) for row in rows}
        finally:
            self._ends(process)

    def tasks(self) -> Counter[str]:
        """How many tasks there are for each external ID."""
        self.site.service.journal()  # what was postponed is carried out
        return Counter(external_id for external_id, _ in self.site.made())

    # Verbs for the world

    def breaks(self, kind: str, at: int) -> None:
        """A fault of the next creates but so many."""
        operations = ("create",) if self.target == "tasks" else WORKITEM_CREATES
        self.site.service.set_faults(
            tuple(
                Fault.model_validate({"operation": each, "kind": kind, "at": (at, at + 2), "seconds": 1.0})
                for each in operations
            )
        )

    def tokens_expire(self, seconds: float) -> None:
        """All tokens given out by then are void."""
        self.timeline.after(seconds, lambda: (self.site.service.api.expire_tokens(), None)[1])

    def index_lags(self, seconds: float) -> None:
        """From now on."""
        self.site.service.change({"index_lag_s": seconds})

    def queue_is_in_transition(self, seconds: float) -> None:
        """For so long some creates are answered with 409."""
        self.site.world.turn_queue(QUEUE, "transitional")
        self.timeline.after(seconds, lambda: (self.site.world.turn_queue(QUEUE, "open"), None)[1])
