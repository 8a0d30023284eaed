"""An office of any target, which holds all of them to the same promises: tasks; workitems row by row; workitems by jobs."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from importer.core.approval import Person
from importer.core.plan import Environment, PlanRow, Preview
from importer.core.states import state_of
from importer.flow.preview import Origin, Previewing
from importer.flow.read import Choices
from importer.flow.run import PREVIEW_SCOPES, Running
from importer.ledgers.plans import PlanFolder
from importer.ports import ReadOptions, Target
from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import Fault, Limit, Scenario
from importer.sandbox.server import Sandbox
from importer.sandbox.workitems.organization import Organization
from importer.sandbox.workitems.settings import WorkitemLife, WorkitemSettings
from importer.sandbox.workitems.worktypes import worktype_id
from importer.sources.csv import read
from importer.sources.reader import fingerprint
from importer.targets.exchange import Exchange
from importer.targets.tasks import TasksTarget
from importer.targets.workitems.target import WorkitemsTarget
from tests.flow.conftest import INDEX_LAG_S, Office

WORKTYPE = "Case"
HEADINGS = {
    "tasks": "External ID,Queue,Priority,Description",
    "workitems": "External ID,Queue,Priority,Description,Name,Worktype",
}
LIFE = WorkitemLife(
    started=(1, 9), alerting=(5, 40), connected=(5, 30), working=(10, 90), disconnected=(5, 20), closed=(2, 20),
    timeout=0.4, declined=0.2, parked=0.4,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Way:
    """A target, and how rows are created there."""

    name: str
    target: str
    creates: str  # the sandbox's operation by which they come into being
    looks: str  # that by which they are looked up
    job: int | None = None  # rows a job

    @property
    def calls(self) -> int:
        """How many rows one creating call stands for."""
        return self.job or 1


TASKS = Way("tasks", "tasks", "create", "find")
SINGLY = Way("workitems, row by row", "workitems", "workitem_create", "workitem_query")
IN_JOBS = Way("workitems, by jobs", "workitems", "bulk_add_patch", "workitem_query", job=5)
WAYS = (TASKS, SINGLY, IN_JOBS)


class AnyOffice(Office):
    """An office of one of the ways."""

    impatience_s = Office.patience_s

    def __init__(self, sandbox: Sandbox, hand: HandClock, folder: Path, way: Way) -> None:
        self.way = way
        self.target_name = way.target
        super().__init__(sandbox, hand, folder)

    def _target(self, exchange: Exchange) -> Target:
        if self.way.target == "tasks":
            return TasksTarget(exchange)
        target = WorkitemsTarget(exchange, self.clock, self.sandbox.client_id)
        if target.bulk is not None and self.way.job is not None:
            target.bulk.size = self.way.job
        return target

    def running(self, **how: Any) -> Running:
        return super().running(**{"bulk": self.way.job is not None, **how})

    @property
    def scope(self) -> str:
        """Where its target looks for what it created."""
        return worktype_id(WORKTYPE) if self.way.target == "workitems" else ""

    def payload(self, external_id: str, description: str, queue: str) -> dict[str, Any]:
        if self.way.target == "tasks":
            return super().payload(external_id, description, queue)
        return {
            "externalTag": external_id,
            "name": f"Case {external_id}",
            "description": description,
            "typeId": worktype_id(WORKTYPE),
            "queueId": self.queue_id(queue),
            "priority": 50,
        }

    def breaks(self, kind: str, **options: Any) -> None:
        """A fault, of what creates unless told."""
        self.sandbox.breaks(Fault.model_validate({"operation": self.way.creates, "kind": kind, **options}))

    def queue_is_deleted(self, name: str) -> None:
        """No API knows it any more."""
        world = self.sandbox.world
        organization = world.workitems.directory
        assert isinstance(organization, Organization)
        for queue_id in [each.id for each in world.queues.values() if each.name == name]:
            del world.queues[queue_id]
        for queue_id in [each.id for each in organization.queues.values() if each.name == name]:
            del organization.queues[queue_id]

    # Sheets

    def sheet(self, *rows: tuple[str, str], queue: str = "General Inquiry", priority: str = "50") -> Path:
        """A file with these external IDs and descriptions."""
        lines = [HEADINGS[self.way.target]]
        for external_id, description in rows:
            more = f",Case {external_id},{WORKTYPE}" if self.way.target == "workitems" else ""
            lines.append(f"{external_id},{queue},{priority},{description}{more}")
        path = self.folder / "rows.csv"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path

    async def previews(self, path: Path) -> tuple[Preview, list[PlanRow]]:
        """A plan of the file."""
        return await self.driven(self._previewed(path))

    async def _previewed(self, path: Path) -> tuple[Preview, list[PlanRow]]:
        plans = PlanFolder(self.folder / "plans")
        environment = Environment(self.target_name, self.sandbox.api_url, self.sandbox.client_id)
        previewing = Previewing(self.target, self.ledger, environment, self.clock, lambda *_: None)
        sha256, size = fingerprint(path)
        await self.target.log_in(PREVIEW_SCOPES)
        with path.open("rb") as file:
            reading = read(file, ReadOptions())
            origin = Origin(str(path), sha256, size, Person("someone", "a test"))
            preview = await previewing.preview(reading, Choices(), origin, plans.draft())
        return preview, list(plans.find(preview.about.plan).rows())

    async def runs(self, path: Path, **how: Any) -> str:
        """A run of the plan of a file, to its rest."""
        preview, rows = await self.previews(path)
        run = f"run-of-{preview.about.plan}"
        self.running().open(run, preview, rows, None, "reports", {})
        await self.carries_on(run, **how)
        return run

    # What is true

    def histories(self) -> dict[str, list[str]]:
        """All states of each task or workitem in turn, by external ID, as the sandbox knows them."""
        told: dict[str, list[str]] = {}
        for task in self.sandbox.journal()["tasks"]:
            states = [
                state_of(each["statusCategory"], each["state"]) if "statusCategory" in each else each["state"]
                for each in task["states"]
            ]
            told[task["externalId"]] = [
                each for number, each in enumerate(states) if number == 0 or states[number - 1] != each
            ]
        return told

    def audit_counts(self) -> dict[str, int]:
        """How many audit entries, or versions, each has."""
        return {task["externalId"]: task["audits"] for task in self.sandbox.journal()["tasks"]}


@pytest.fixture(params=WAYS, ids=lambda way: way.name)
async def any_target(request: pytest.FixtureRequest, scenario: Scenario, tmp_path: Path) -> AsyncIterator[AnyOffice]:
    """An office of each way in turn, beside a sandbox of seed 7 without uniqueness."""
    hand = HandClock()
    async with Sandbox(scenario, seed=7, clock=hand) as sandbox:
        office = AnyOffice(sandbox, hand, tmp_path, request.param)
        try:
            yield office
        finally:
            await office.closes()


@pytest.fixture
def scenario() -> Scenario:
    """A world without uniqueness and limit, with a lagging index; workitems live for minutes, as tasks do."""
    workitems = WorkitemSettings(life=LIFE, bulk_queued=(0.1, 2.0), bulk_running=(0.1, 2.0))
    return Scenario(unique=False, index_lag_s=INDEX_LAG_S, limit=Limit(calls=0), workitems=workitems)
