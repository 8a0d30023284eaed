"""A plan on the page: what is shown, who may decide, what a decision is bound to, and the start of its run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from importer.core.approval import Person
from importer.core.health import Sign
from importer.desk.verifying import checks
from importer.sandbox.scenario import Limit, Scenario
from importer.sandbox.server import Sandbox
from importer.web.route import Role
from tests.hostile import hostile
from tests.web.house import Page, Reply, opened
from tests.web.walk import RUN_PAPERS

ANNA = Person("anna", "token")
HEAD = "External ID,Queue,Priority,Description"
ROWS = ("E-1,Billing,5,one", "E-2,Billing,150,two", "E-3,Night Desk,7,three", "E-4,Billing,5,four")
APPROVE = {"decision": "approve", "comment": "fine", "seen": "yes"}


@asynccontextmanager
async def house(folder: Path, **settings: Any) -> AsyncIterator[Page]:
    """A page of several people, before a sandbox."""
    scenario = Scenario(limit=Limit(calls=0), index_lag_s=0)
    given = {"identity": "token", "out": str(folder / "reports"), "rate": "1000/s", "track": "none", **settings}
    async with Sandbox(scenario) as sandbox, opened(folder / "state", sandbox=sandbox, **given) as page:
        yield page


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    """One for a test."""
    async with house(tmp_path) as found:
        yield found


async def planned(page: Page, *rows: str, name: str = "tasks.csv") -> str:
    """A plan that anna made of a file on the page; its ID."""
    drafting = page.room.drafting
    upload = await drafting.new(name, ANNA)
    await upload.write("\n".join((HEAD, *rows)).encode("utf-8", "replace"))
    head = await upload.finish()
    head = await drafting.preview(head.id)
    return (await drafting.plan(head.id, head.revision, ANNA)).about.plan


async def decides(page: Page, plan: str, cookie: str, **form: str) -> Reply:
    """A decision on the plan as it is."""
    digest = (await page.room.reviewing.view(plan)).about.digest
    return await page.post(f"/plans/{plan}/decision", {"digest": digest, **form}, cookie)


async def starts(page: Page, plan: str, cookie: str) -> Reply:
    """An operator presses the button."""
    digest = (await page.room.reviewing.view(plan)).about.digest
    return await page.post(f"/plans/{plan}/run", {"digest": digest, "on_drift": "stop"}, cookie)


async def test_plan_shows_what_an_approver_decides_by(page: Page) -> None:
    """File, preparer, digest, counts that balance, queues, findings and every row are on the page."""
    plan, ben = await planned(page, *ROWS), await page.comes(Role.APPROVER)
    shown = await page.ask("GET", f"/plans/{plan}", ben)
    assert shown.status == 200
    for text in (
        "tasks.csv",
        "anna",
        "4 rows read = 3 ready + 1 invalid",
        "Night Desk",
        "V304",
        "E-1",
        "E-2",
        "E-3",
        "E-4",
    ):
        assert text in shown.text, text


async def test_plan_rows_are_paged_by_verdict(page: Page) -> None:
    """100 rows a page; the second page has the rest; a verdict's rows alone can be asked for."""
    rows = [f"E-{number},{'Billing' if number % 5 else 'Nowhere'},5,text {number}" for number in range(150)]
    plan, ben = await planned(page, *rows), await page.comes(Role.APPROVER)
    first, second = [(await page.ask("GET", f"/plans/{plan}?page={number}", ben)).text for number in (1, 2)]
    assert ("text 1<" in first, "text 149<" in first) == (True, False)
    assert ("text 1<" in second, "text 149<" in second) == (False, True)
    invalid = (await page.ask("GET", f"/plans/{plan}?verdict=invalid", ben)).text
    assert "E-145" in invalid
    assert "E-144<" not in invalid


async def test_approval_needs_a_comment_and_a_look_at_warnings(page: Page) -> None:
    """Without them nothing is decided, each is told at its field, and what was typed stays."""
    plan, ben = await planned(page, *ROWS), await page.comes(Role.APPROVER)
    refused = await decides(page, plan, ben, decision="approve", comment=" ", expires="3 weeks", lines="4", reason="")
    assert refused.status == 422
    for text in ("needs a comment", "seen the warnings", "is not a duration", "needs a reason", 'value="3 weeks"'):
        assert text in refused.text, text
    refused = await decides(page, plan, ben, **APPROVE, lines=" ", reason="the rows of May")
    assert (refused.status, "Say which lines to leave out" in refused.text) == (422, True)
    assert (await page.room.reviewing.standing(plan, page.room.desk)).decisions == []


async def test_approval_is_of_the_plan_that_was_seen(page: Page) -> None:
    """A form that was made for another digest is refused with 409."""
    plan, ben = await planned(page, *ROWS), await page.comes(Role.APPROVER)
    refused = await page.post(f"/plans/{plan}/decision", {"digest": "0" * 64, **APPROVE}, ben)
    assert refused.status == 409
    assert "not the one that you saw" in refused.text


async def test_approval_is_never_the_preparer_s_under_four_eyes(page: Page) -> None:
    """Who prepared a plan is offered no decision and refused one; another person's counts, with name and comment."""
    plan = await planned(page, *ROWS)
    anna = await page.comes(Role.PREPARER, Role.APPROVER, name="anna")
    assert "another person decides" in (await page.ask("GET", f"/plans/{plan}", anna)).text
    assert (await decides(page, plan, anna, **APPROVE)).status == 409
    ben = await page.comes(Role.APPROVER, name="ben")
    assert (await decides(page, plan, ben, **APPROVE)).status == 303
    shown = (await page.ask("GET", f"/plans/{plan}", anna)).text
    assert "Approved" in shown
    assert "ben (token)" in shown
    assert "fine" in shown
    assert "another person decides" not in shown


async def test_plan_without_an_approval_is_not_started(page: Page) -> None:
    """Under four eyes the button is not there, and the request is refused with the reason."""
    plan, olga = await planned(page, *ROWS), await page.comes(Role.OPERATOR)
    assert "tasks now" not in (await page.ask("GET", f"/plans/{plan}", olga)).text
    refused = await starts(page, plan, olga)
    assert refused.status == 409
    assert "is not approved" in refused.text
    assert page.room.desk.book.runs() == []


async def test_rejection_reaches_the_preparer_and_bars_the_run(page: Page) -> None:
    """A rejected plan is not started; whoever opens it reads who rejected it and why."""
    plan = await planned(page, *ROWS)
    both = await page.comes(Role.APPROVER, Role.OPERATOR)
    assert (await decides(page, plan, both, decision="reject", comment="wrong month")).status == 303
    refused = await starts(page, plan, both)
    assert refused.status == 409
    assert "wrong month" in refused.text
    anna = await page.comes(Role.PREPARER, name="anna")
    assert "wrong month" in (await page.ask("GET", f"/plans/{plan}", anna)).text


async def test_approved_plan_runs_without_the_rows_left_out(page: Page) -> None:
    """The run creates what was approved; a row that the approver left out is skipped with the reason; the papers can be had, and verify."""
    plan = await planned(page, *ROWS)
    both = await page.comes(Role.APPROVER, Role.OPERATOR)
    assert (await decides(page, plan, both, **APPROVE, lines="4", reason="called already")).status == 303
    started = await starts(page, plan, both)
    assert started.status == 303, started.text
    run = started.headers["Location"].rpartition("/")[2]
    async with asyncio.timeout(30), aclosing(page.room.keeper.watch(run)) as events:
        async for event in events:
            if event.name == "end":
                break
    counts = page.room.desk.book.counts(run)
    assert (counts["created"], counts["skipped"], counts["invalid"]) == (2, 1, 1)
    assert (
        "called already" in {row.outcome.value: row for row in page.room.desk.book.result_rows(run)}["skipped"].reason
    )
    for kind in RUN_PAPERS:
        async with page.session.get(f"{page.base}/downloads/{kind}/{run}", headers={"Cookie": both}) as answer:
            body = await answer.read()
        assert answer.status == 200, kind
        assert answer.headers["Content-Disposition"].startswith("attachment"), kind
        assert answer.headers["X-Content-Type-Options"] == "nosniff", kind
        assert bool(body) or kind == "audit.jsonl", kind
    folder = page.room.keeper.reports_of(run)["manifest"].parent
    assert {line.check: line.sign for line in checks(folder)}["input"] is Sign.FINE, (
        "the upload is sealed with the rest"
    )
    assert "It ran." in (await page.ask("GET", f"/plans/{plan}", both)).text
    again = await starts(page, plan, both)
    assert again.status == 409
    assert run in again.text


@pytest.mark.parametrize("kind", ["preview.xlsx", "preview.html", "preview.json", "checked.xlsx", "plan"])
async def test_papers_of_a_plan_are_attachments(page: Page, kind: str) -> None:
    """Every paper of a plan is written when it is asked for, and sent as an attachment that no browser guesses about."""
    plan, ben = await planned(page, *ROWS), await page.comes(Role.APPROVER)
    async with page.session.get(f"{page.base}/downloads/{kind}/{plan}", headers={"Cookie": ben}) as answer:
        assert answer.status == 200
        assert await answer.read()
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_mailed_preview_tells_the_difference_to_the_last_plan(page: Page) -> None:
    """The file that the page gives to be mailed says what is unusual against the last plan of this kind, as the page does."""
    first = await planned(page, *ROWS, name="first.csv")
    second, ben = await planned(page, ROWS[0], name="second.csv"), await page.comes(Role.APPROVER)
    async with page.session.get(f"{page.base}/downloads/preview.html/{second}", headers={"Cookie": ben}) as answer:
        told = await answer.text()
    assert f"({first})" in told
    assert "There is no earlier plan" not in told


@pytest.mark.parametrize(
    "path",
    ["preview.xlsx/../../etc/passwd", "plan/..%2F..%2Fetc%2Fpasswd", "plan/%2Fetc%2Fpasswd", "plan/x%00", "..%2Fplan/x",
     "secrets.txt/x", "results.xlsx/..%2Fledger.sqlite", "plan/" + "a" * 300],
)  # fmt: skip
async def test_downloads_reach_nothing_else_on_the_disk(page: Page, path: str) -> None:
    """Whatever an address names, only papers of plans and runs are answered: 404 for all else."""
    ben = await page.comes(Role.APPROVER)
    async with page.session.get(f"{page.base}/downloads/{path}", headers={"Cookie": ben}) as answer:
        assert answer.status == 404
        assert "root:" not in await answer.text()


async def test_plan_shows_hostile_cells_as_text(page: Page) -> None:
    """No cell, file name or queue of a hostile file becomes markup: what stands in the page is the text."""
    cells = [text.replace('"', '""').replace("\n", " ").replace("\r", " ") for text in hostile(120) if "\0" not in text]
    rows = [f'E-{number},"{cell}",5,"{cell}"' for number, cell in enumerate(cells)]
    plan = await planned(page, *rows, name='"><img src=x onerror=alert(1)>.csv')
    ben = await page.comes(Role.APPROVER)
    for number in (1, 2):
        shown = (await page.ask("GET", f"/plans/{plan}?page={number}", ben)).text
        assert "<img" not in shown
        assert shown.count("<script") == shown.count("<script src=/static/") + shown.count('<script src="/static/')
        assert "onerror=alert(1)>" not in shown


async def test_plan_that_is_not_there_is_404(page: Page) -> None:
    """An unknown plan is not found, in words."""
    ben = await page.comes(Role.APPROVER)
    assert (await page.ask("GET", "/plans/nothing", ben)).status == 404
