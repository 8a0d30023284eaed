"""A desk: an office whose target is the platform's workitems."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from importer.core.approval import Person
from importer.core.plan import About, Environment, PlanHead, PlanRow, Preview
from importer.core.verdicts import Verdict
from importer.flow.preview import Origin, Previewing
from importer.flow.read import Choices
from importer.flow.run import Running
from importer.ports import ReadOptions, Target
from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import Fault, Limit, Scenario
from importer.sandbox.server import Sandbox
from importer.sandbox.service import Visit
from importer.sandbox.workitems.settings import WorkitemSettings
from importer.sandbox.workitems.worktypes import worktype_id
from importer.sources import csv
from importer.targets.exchange import Exchange
from importer.targets.workitems.target import WorkitemsTarget
from tests.flow.conftest import INDEX_LAG_S, Office
from tests.harness.plans import one_column_plan, one_column_row

WORKITEMS = "/api/v2/taskmanagement/workitems"
CASE = worktype_id("Case")


class Desk(Office):
    """Verbs for what happens to workitems, beside those of an office."""

    bulk = True
    downloads_from: tuple[str, ...] = ()  # beginnings of addresses that may be called
    items: WorkitemsTarget

    def running(self, **how: Any) -> Running:
        """See there; by jobs unless told."""
        return super().running(**{"bulk": self.bulk, **how})

    def _target(self, exchange: Exchange) -> Target:
        self.items = WorkitemsTarget(
            exchange, self.clock, self.sandbox.client_id, may_fetch=lambda url: url.startswith(self.downloads_from)
        )
        return self.items

    def goes_wrong(self, operation: str, kind: str, **options: Any) -> None:
        """A fault of one operation, beside those that were set before."""
        rules = self.sandbox.service.faults.rules
        self.sandbox.service.set_faults(
            (*rules, Fault.model_validate({"operation": operation, "kind": kind, **options}))
        )

    def is_set(self, **settings: Any) -> None:
        """Settings of the platform's workitems."""
        self.sandbox.change(workitems=settings)

    def plans(
        self, external_ids: Sequence[str], bodies: Sequence[dict[str, Any]] = (), *, existing: Sequence[str] = ()
    ) -> str:
        """A run with a row for each external ID, as creates of the worktype Case with what `bodies` add to each.

        `existing` are workitems' IDs of rows that were found to be there; these come first.
        """
        number = next(self._runs)
        run = f"run-{number}"
        environment = Environment("workitems", self.sandbox.api_url, self.sandbox.client_id)
        counts = {Verdict.READY: len(external_ids), Verdict.EXISTING: len(existing)}
        preview = one_column_plan(environment, counts, f"plan-{number}", str(number))
        rows = [
            one_column_row(n, f"was-{n}", None, verdict=Verdict.EXISTING, task_id=task)
            for n, task in enumerate(existing, start=2)
        ]
        for n, external_id in enumerate(external_ids):
            more = bodies[n] if bodies else {}
            body = {"externalTag": external_id, "name": f"Case {external_id}", "typeId": CASE, **more}
            rows.append(one_column_row(len(rows) + 2, external_id, body))
        self.running().open(run, preview, rows, None, "reports", {})
        return run

    async def previews(self, text: str) -> list[PlanRow]:
        """The rows of a plan made of a CSV text."""
        draft = Draft([])
        environment = Environment("workitems", self.sandbox.api_url, self.sandbox.client_id)
        previewing = Previewing(self.items, self.ledger, environment, self.clock, lambda _event, _numbers: None)
        reading = csv.read(BytesIO(text.encode()), ReadOptions())
        origin = Origin("workitems.csv", "0" * 64, 1, Person("tester", "a test"))
        await self.driven(previewing.preview(reading, Choices(), origin, draft))
        return draft.rows

    def made(self) -> dict[str, int]:
        """How many workitems the sandbox has for each tag."""
        return dict(self.tasks())

    def jobs(self) -> list[str]:
        """The states in which the bulk jobs of the sandbox are now, oldest first."""
        now = self.sandbox.clock.now()
        return [job.state(now) for job in self.sandbox.world.workitems.bulk_jobs.values()]

    def said(self, *operations: str) -> list[tuple[str, int]]:
        """The calls of these operations, with the statuses of their answers."""
        return [(visit.operation, visit.status) for visit in self.visits(*operations)]

    async def dies_at(self, run: str, is_reached: Callable[[], bool], **how: Any) -> None:
        """The process is gone as soon as a point is reached: nothing of it runs any more, and another takes over."""
        await self._cut_off(run, is_reached, **how)
        await self.starts_again()

    async def _cut_off(self, run: str, is_reached: Callable[[], bool], **how: Any) -> None:
        """Raises AssertionError where the run ends before."""
        carrying = asyncio.ensure_future(self.driven(self.running(**how).carry_on(run)))
        while not is_reached():
            assert not carrying.done(), "the run ended before"
            await asyncio.sleep(0)
        carrying.cancel()
        await asyncio.wait([carrying])
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if getattr(task.get_coro(), "__qualname__", "").startswith(("Running.", "Submission.", "Jobs.")):
                task.cancel()
                await asyncio.wait([task])

    def has_seen(self, operation: str, number: int = 1) -> Callable[[], bool]:
        """Whether so many calls of an operation were answered."""
        return lambda: sum(visit.status > 0 for visit in self.visits(operation)) >= number

    def visit(self, operation: str) -> Visit:
        """The last call of an operation."""
        return self.visits(operation)[-1]


@dataclass
class Draft:
    """See ports.PlanDraft: kept in memory."""

    rows: list[PlanRow]
    head: PlanHead | None = None

    def add(self, row: PlanRow) -> None:
        self.rows.append(row)

    def finish(self, head: PlanHead, *, source: str, made_at: datetime, preparer: Person) -> Preview:
        self.head = head
        return Preview(head, About("plan", "0" * 64, source, made_at.isoformat(), preparer.name, "0"))

    def discard(self) -> None:
        """Nothing is left of it."""
        self.rows.clear()


def codes(row: PlanRow) -> set[str]:
    """The codes of a row's findings."""
    return {each.code for each in row.findings}


@asynccontextmanager
async def a_desk(folder: Path, **settings: Any) -> AsyncIterator[Desk]:
    """A desk beside a sandbox of seed 7, without a limit of calls."""
    hand = HandClock()
    workitems = WorkitemSettings.model_validate(settings.pop("workitems", {}))
    world = {"unique": False, "index_lag_s": INDEX_LAG_S, "limit": Limit(calls=0), "platform_tokens": True, **settings}
    async with Sandbox(Scenario(**world, workitems=workitems), seed=7, clock=hand) as sandbox:
        desk = Desk(sandbox, hand, folder)
        try:
            await desk.starts_again()
            yield desk
        finally:
            await desk.closes()
