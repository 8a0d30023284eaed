"""A room in which uploads are worked on: a sandbox, a ledger, and what the page has of both."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, encode_basic_auth
from openpyxl import Workbook

from importer.clock import SystemClock
from importer.core.approval import Person
from importer.core.fixes import Fix
from importer.core.plan import Environment, PlanRow, Preview
from importer.desk.desk import Desk
from importer.desk.drafting import Drafting
from importer.desk.making import previewed
from importer.drafts.draft import DraftHead, DraftRow, Filter
from importer.flow.read import Choices
from importer.ledgers.lock import SubmissionLock
from importer.ledgers.plans import PlanFolder
from importer.ledgers.sqlite import SqliteLedger
from importer.ports import Clock, Target
from importer.sandbox.scenario import Limit, Scenario
from importer.sandbox.server import Sandbox
from importer.settings import load
from importer.targets.exchange import Credentials, Endpoints, Exchange
from importer.targets.pace import CallLog, Rate, SharedPace
from importer.targets.tasks import TasksTarget
from importer.targets.transport import HttpTransport
from importer.targets.workitems.target import WorkitemsTarget
from importer.wiring import Connection

ANNA = Person("anna", "token")
BERT = Person("bert", "token")
HEADINGS = "External ID,Queue,Priority,Type,Description"


class Room:
    """A drafting desk and all that stands around it."""

    def __init__(self, folder: Path, sandbox: Sandbox, connection: Connection, ledger: SqliteLedger) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.connection = connection
        self.ledger = ledger
        self.settings = load({"state_dir": str(folder), "target": connection.environment.target}, folder=folder)
        self.desk = Desk(self.settings, ledger, SubmissionLock(folder / "locks", "room"))
        self.drafting = self.another()

    def another(self, clock: Clock | None = None, **flags: Any) -> Drafting:
        """Another server's drafting in the same state folder."""
        settings = load(
            {"state_dir": str(self.folder), "target": self.connection.environment.target, **flags}, folder=self.folder
        )
        return Drafting(settings, self.desk, self.connection, clock)

    async def uploaded(self, content: bytes | str, name: str = "tasks.csv", person: Person = ANNA) -> DraftHead:
        """A draft of these bytes."""
        upload = await self.drafting.new(name, person)
        await upload.write(content.encode() if isinstance(content, str) else content)
        return await upload.finish()

    async def previewed(self, content: bytes | str, name: str = "tasks.csv") -> DraftHead:
        """A draft of these bytes whose rows are judged."""
        return await self.drafting.preview((await self.uploaded(content, name)).id)

    async def rows(self, draft: str, **which: Any) -> list[DraftRow]:
        """All rows that a filter lets through."""
        page = await self.drafting.page(draft, Filter(**which))
        rows = list(page.rows)
        for number in range(2, page.pages + 1):
            rows += (await self.drafting.page(draft, Filter(**which | {"number": number}))).rows
        return rows

    async def planned(
        self, draft: str, fixes: Sequence[Fix] = (), skipped: Mapping[int, str] | None = None
    ) -> tuple[Preview, list[PlanRow]]:
        """What the command line makes of the same file, afresh."""
        choices = Choices(self.settings.mapping, None, skipped or {}, tuple(fixes))
        path = self.drafting.upload(draft)
        preview = await previewed(
            path, None, choices, self.settings, self.connection, self.ledger, lambda _event, _numbers: None
        )
        return preview, list(PlanFolder(self.folder / "plans").find(preview.about.plan).rows())

    async def creates(self, external_id: str, queue: str = "Billing") -> str:
        """A task that somebody else created; its ID."""
        found = next(each for each in self.sandbox.world.queues.values() if each.name == queue)
        body = {
            "type": "email", "description": "theirs", "state": "new", "routingData": {"queueId": found.id, "priority": 7},
            "customAttributes": {"externalId": external_id, "source": "api-integration"},
        }  # fmt: skip
        basic = {"Authorization": encode_basic_auth(self.sandbox.client_id, self.sandbox.client_secret)}
        async with ClientSession() as session:
            form = {"grant_type": "client_credentials"}
            async with session.post(f"{self.sandbox.login_url}/oauth/token", data=form, headers=basic) as answer:
                token = (await answer.json())["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            async with session.post(f"{self.sandbox.api_url}/api/v2/tasks", json=body, headers=headers) as created:
                return str((await created.json())["id"])


def workbook(*sheets: tuple[str | list[str], ...]) -> bytes:
    """A workbook: of each sheet its name and its rows."""
    made, file = Workbook(), BytesIO()
    made.remove(made.worksheets[0])
    for name, *rows in sheets:
        sheet = made.create_sheet(str(name))
        for row in rows:
            sheet.append(list(row))
    made.save(file)
    return file.getvalue()


@asynccontextmanager
async def opened(folder: Path, target_name: str = "tasks") -> AsyncIterator[Room]:
    """A room for one target."""
    rate = Rate(100_000, 1.0)
    async with Sandbox(Scenario(limit=Limit(calls=0), index_lag_s=0)) as sandbox:
        calls = CallLog(folder / "pace.sqlite", "me", rate)
        pace = SharedPace(calls, rate, SystemClock())
        credentials = Credentials(sandbox.client_id, sandbox.client_secret)
        endpoints = Endpoints(sandbox.api_url, sandbox.login_url)
        exchange = Exchange(endpoints, credentials, pace, SystemClock(), HttpTransport())
        target: Target
        if target_name == "tasks":
            target = TasksTarget(exchange)
        else:
            target = WorkitemsTarget(exchange, SystemClock(), sandbox.client_id)
        ledger = SqliteLedger(folder / "ledger.sqlite")
        environment = Environment(target_name, sandbox.api_url, sandbox.client_id)
        try:
            yield Room(folder, sandbox, Connection(target, environment, lambda _: None), ledger)
        finally:
            await target.close()
            ledger.close()
            calls.close()
