"""Walk: three people with hostile names take a hostile file from upload to results; every answer that they get is kept."""

import asyncio
import io
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl

from importer.sandbox.scenario import Limit, Scenario
from importer.sandbox.server import Sandbox
from importer.web.route import Role
from tests.hostile import CONTROLS, MARKUP, UNSEEN, hostile
from tests.web.house import Page, Reply, opened
from tests.web.preparer import Preparer, draft_of

SECRET = "canary-s3cret-of-the-client"
IMAGE = '"><img src=x onerror=alert(1)>'
SCRIPT = "</textarea></title><script>alert(1)</script>"
TEXTS = tuple(
    text
    for text in hostile(500)
    if text.strip()
    and not any((ord(c) < 32 and c not in "\t\n") or 0xD800 <= ord(c) < 0xE000 or c in "\ufffe\uffff" for c in text)
)
"""Those that a workbook can hold."""
FOURS = tuple((*TEXTS[n : n + 4], *TEXTS[:4])[:4] for n in range(0, len(TEXTS), 4))
"""The same, four to a row."""
NAME = "=1+1 <img src=x onerror=alert(1)> \u202e{{7*7}}.xlsx"
SHEET = "<b>&'{{7}}=1"
HEADINGS = (
    "External ID",
    "Queue",
    "Priority",
    "Description",
    IMAGE,
    "{{7*7}}${7*7}",
    '=HYPERLINK("http://evil.example")',
)
PLAN_PAPERS = ("preview.xlsx", "preview.html", "preview.json", "checked.xlsx", "plan")
RUN_PAPERS = (
    "results.xlsx",
    "results.json",
    "results.csv",
    "rejects.xlsx",
    "annotated.xlsx",
    "audit.jsonl",
    "manifest.json",
)


@dataclass(slots=True)
class Heard(Page):
    """A page of which every answer is kept, with what was asked."""

    heard: list[tuple[str, Reply]] = field(default_factory=list)

    async def ask(self, method: str, path: str, cookie: str = "", headers: Any = None, **options: Any) -> Reply:
        reply = await Page.ask(self, method, path, cookie, headers, **options)
        self.heard.append((f"{method} {path}", reply))
        return reply


@dataclass(slots=True)
class Walk:
    """What came of it."""

    page: Heard
    folder: Path
    secrets: dict[str, str]  # what each is, and the secret itself
    logged: list[str]
    draft: str = ""
    plan: str = ""
    run: str = ""
    people: dict[str, Preparer] = field(default_factory=dict)

    @property
    def pages(self) -> list[tuple[str, Reply]]:
        """The answers that are HTML."""
        return [each for each in self.page.heard if each[1].headers.get("Content-Type", "").startswith("text/html")]


def book() -> bytes:
    """A workbook with hostile texts wherever one can stand."""
    made = openpyxl.Workbook()
    sheet = made.active
    assert sheet is not None
    sheet.title = SHEET
    rows: list[tuple[str, ...]] = [HEADINGS]
    for number, four in enumerate(FOURS):
        task = four[0] if number % 7 == 0 else f"W-{number}"
        queue = four[1] if number % 5 == 0 else "Billing"
        rows.append((task, queue, four[2] if number % 11 == 0 else "5", *four))
    for line, row in enumerate(rows, 1):
        for column, text in enumerate(row, 1):
            cell = sheet.cell(line, column)
            cell.value, cell.data_type = text, "s"
    target = io.BytesIO()
    made.save(target)
    return target.getvalue()


@asynccontextmanager
async def walked(folder: Path) -> AsyncIterator[Walk]:
    """The whole way, under an umask that protects nothing, with logs at their most talkative."""
    given: dict[str, Any] = {"identity": "token", "out": str(folder / "out"), "rate": "1000/s", "track": "none"}
    scenario = Scenario(limit=Limit(calls=0), index_lag_s=0)
    with _umask(0), _listening() as logged:
        async with (
            Sandbox(scenario, client_secret=SECRET) as sandbox,
            opened(folder / "state", sandbox=sandbox, **given) as page,
        ):
            heard = Heard(page.room, page.app, page.listener, page.session)
            walk = Walk(heard, folder, {"client secret": SECRET}, logged)
            await _arrive(walk)
            await _prepare(walk)
            await _approve(walk)
            await _operate(walk)
            await _err(walk)
            walk.secrets |= {f"access token {n}": t for n, t in enumerate(sandbox.service.api._tokens)}
            yield walk


@contextmanager
def _umask(mode: int) -> Iterator[None]:
    before = os.umask(mode)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Whatever any library logs, in full."""
    told: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(f"{record.getMessage()} {record.__dict__}")

    ear, loggers = Ear(logging.DEBUG), [logging.getLogger(name) for name in ("", "importer")]
    before = [(each, each.level) for each in loggers]
    for each in loggers:
        each.addHandler(ear)
        each.setLevel(logging.DEBUG)
    try:
        yield told
    finally:
        for each, level in before:
            each.removeHandler(ear)
            each.setLevel(level)


async def _arrive(walk: Walk) -> None:
    """Everybody comes by a link of their own."""
    for name, role in (("anna", Role.PREPARER), ("ben", Role.APPROVER), ("olga", Role.OPERATOR)):
        token = walk.page.room.people.book.add(f"{name} {IMAGE}"[:100], [role], link=True)
        answer = await walk.page.ask("GET", f"/login?token={token}")
        assert answer.status == 303
        walk.people[name] = Preparer(walk.page, answer.cookie)
        walk.secrets |= {
            f"link of {name}": token.partition(".")[2],
            f"cookie of {name}": answer.cookie.partition("=")[2],
        }


async def _prepare(walk: Walk) -> None:
    anna = walk.people["anna"]
    await anna.opens("/imports/new")
    seen = await anna.uploads(book(), NAME)
    walk.draft = draft_of(seen)
    base = f"/imports/{walk.draft}"
    await anna.opens(f"{base}/sheet")
    await anna.sends(seen, "/columns", **{"column-4": 'no such field"><script>alert(1)</script>'})
    chosen = {"column-4": f"attribute:{IMAGE}", "column-5": "attribute:{{7*7}}", "column-6": f"attribute:{SCRIPT}"}
    await anna.sends(seen, "/columns", **chosen)
    for path in ("values", "rows?all=yes", "rows/3/3", "rows/2/4", "news?revision=0", "progress", "columns", "sheet"):
        await anna.opens(f"{base}/{path}")
    for page in range(1, len(FOURS) // 100 + 2):
        await anna.opens(f"{base}/rows?page={page}")
    seen = await anna.opens(f"{base}/rows")
    for number, text in enumerate((IMAGE, SCRIPT, *CONTROLS[::6], *UNSEEN[::8])):
        seen = await anna.fixes(seen, number + 3, 3, text)
    revision = dict(seen.form("/skip").fields)["revision"]
    skipped = await anna.sends(seen, "/skip", line=["40", "41"], reason=f"{IMAGE}{SCRIPT}")
    await anna.sends(seen, "/skip", line=["42"], reason=SCRIPT)  # the old revision: the stale page
    await anna.opens(
        f"{base}/many?kind=replace&column=3&old=%3Cscript%3Ealert(1)%3C/script%3E&new=%22%3E%3Cimg%20src=x%3E"
    )
    await anna.posts(
        f"{base}/rows/4/3",
        [("csrf", walk.page.csrf(anna.cookie)), ("revision", revision), ("value", SCRIPT), ("seen", "x")],
    )
    await anna.sends(skipped, "/plan")
    walk.plan = str((await walk.page.room.drafting.head(walk.draft)).plan)
    assert len(walk.plan) > 8


async def _approve(walk: Walk) -> None:
    ben, path = walk.people["ben"], f"/plans/{walk.plan}"
    seen = await ben.opens(path)
    for page in range(1, len(FOURS) // 100 + 2):
        await ben.opens(f"{path}?page={page}")
    await ben.opens(f"{path}?verdict=invalid")
    wrong = {"decision": "approve", "comment": SCRIPT, "lines": IMAGE, "reason": SCRIPT, "expires": IMAGE, "seen": None}
    await ben.sends(seen, "/decision", **wrong)
    await ben.sends(seen, "/decision", decision="reject", comment=f"{IMAGE}\n{SCRIPT}")
    await walk.people["anna"].opens(path)
    fine = {
        "decision": "approve",
        "comment": f"{IMAGE}\r\n{SCRIPT}\x1b[31m",
        "lines": "50-60",
        "reason": f"{SCRIPT}{IMAGE}",
        "seen": "yes",
    }
    done = await ben.sends(await ben.opens(path), "/decision", **fine)
    assert "Approved" in done.text
    for name in PLAN_PAPERS:
        await walk.page.ask("GET", f"/downloads/{name}/{walk.plan}", ben.cookie)


async def _operate(walk: Walk) -> None:
    olga, keeper = walk.people["olga"], walk.page.room.keeper
    seen = await olga.opens(f"/plans/{walk.plan}")
    await olga.sends(seen, "/run", on_drift="stop")
    walk.run = str(walk.page.room.desk.book.run_of_plan(walk.plan))
    async with asyncio.timeout(60):
        while keeper.picture(walk.run).standing.is_going_on:  # noqa: ASYNC110 - a person, too, looks again and again
            await asyncio.sleep(0.01)
    for path in (f"/runs/{walk.run}", f"/runs/{walk.run}/state", f"/plans/{walk.plan}", "/", "/metrics"):
        await olga.page.ask("GET", path, olga.cookie)
    for name in RUN_PAPERS:
        await walk.page.ask("GET", f"/downloads/{name}/{walk.run}", olga.cookie)


async def _err(walk: Walk) -> None:
    """Everything that can be sent wrongly, with hostile texts in it."""
    from urllib.parse import quote

    page, anna, ben, olga = walk.page, *(walk.people[name].cookie for name in ("anna", "ben", "olga"))
    for text in (IMAGE, SCRIPT, *MARKUP[::4]):
        coded = quote(text, safe="")
        for path in (
            f"/?text={coded}&state={coded}&page={coded}",
            f"/plans/{coded}",
            f"/runs/{coded}",
            f"/downloads/{coded}/{coded}",
        ):
            await page.ask("GET", path, olga)
        await page.ask("GET", f"/imports/{walk.draft}/rows?text={coded}&column={coded}&code={coded}&line={coded}", anna)
        await page.ask("GET", f"/imports/{coded}/rows?done={coded}&of={coded}", anna)
        await page.ask("GET", f"/{coded}", "")
    hostile_ = {"revision": IMAGE, "csrf": page.csrf(anna)}
    await page.post(f"/imports/{walk.draft}/discard", hostile_, anna)
    await page.post(f"/imports/{walk.draft}/undo", {**hostile_, "revision": "1", "batch": SCRIPT}, anna)
    await page.post(f"/imports/{walk.draft}/sheet", {**hostile_, "revision": "0", "sheet": SCRIPT}, anna)
    await page.post(f"/imports/{walk.draft}/skip", {"csrf": IMAGE, "reason": SCRIPT}, anna)
    await page.post(f"/plans/{walk.plan}/decision", {"csrf": page.csrf(ben), "digest": SCRIPT, "comment": IMAGE}, ben)
    await page.post(f"/plans/{walk.plan}/run", {"csrf": page.csrf(olga), "on_drift": SCRIPT, "digest": IMAGE}, olga)
    digest = (await page.room.reviewing.view(walk.plan)).about.digest
    await page.post(f"/plans/{walk.plan}/run", {"on_drift": SCRIPT, "digest": digest}, olga)
    await page.post("/login", {"token": f"x.{SCRIPT}", "onward": f"//evil.example/{SCRIPT}"})
    await page.ask("GET", "/", "", {"Host": "evil<script>alert(1)</script>"})
    await page.ask(
        "GET", f"/plans/{walk.plan}?{quote(SCRIPT)}", "", {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site"}
    )
    await page.ask("GET", f"/runs/x?{quote(IMAGE)}", "")
    await page.ask("POST", "/uploads", anna, {"Content-Encoding": "<script>alert(1)</script>", "Origin": page.base})
    for cookie in (anna, ben, olga):
        await page.ask("GET", f"/runs/{walk.run}/pause", cookie)
        await page.post(f"/runs/{walk.run}/pause", {}, cookie)
