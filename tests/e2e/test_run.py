"""The page of a run in a real browser: it keeps itself fresh, in every look, and two people see each other's doing."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from importer.web.route import Role
from tests.desk.house import BOB
from tests.e2e.browser import PLAIN, Watch, flaws_in_every_look, person
from tests.e2e.conftest import Opens
from tests.web.test_runs import five_are_created, served

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_run_keeps_itself_fresh(opens: Opens, tmp_path: Path) -> None:
    """Whoever looks at a run sees it paused and resumed by others, and its end with the results, without loading it again."""
    async with served(tmp_path, first=5) as (it, page), opens() as window:
        run = await it.started(20)
        await it.until(run, five_are_created)
        token = page.room.people.book.add("clara", [Role.OPERATOR], link=True)
        await window.goto(f"{page.base}/login?token={token}", wait_until="networkidle")
        await window.goto(f"{page.base}/runs/{run}")
        assert await flaws_in_every_look(window) == []
        await it.keeper.pause(run, BOB)
        it.door.open()
        await window.get_by_text("Paused by bob").wait_for()
        await window.get_by_role("button", name="Resume").click()
        await window.get_by_role("link", name="results.xlsx").wait_for()
        assert await window.title() == "Completed · rows.csv · Task importer for Genesys Cloud"
        assert await flaws_in_every_look(window) == []
        await window.goto(f"{page.base}/", wait_until="networkidle")
        assert await flaws_in_every_look(window) == []


async def test_run_is_asked_for_where_its_stream_is_refused(browser: "Browser", tmp_path: Path) -> None:
    """A browser that gets no stream asks every few seconds instead, and shows the end all the same."""
    async with served(tmp_path, first=5, streams_each=0) as (it, page), person(browser, PLAIN, Watch()) as window:
        run = await it.started(20)
        await it.until(run, five_are_created)
        token = page.room.people.book.add("clara", [Role.OPERATOR], link=True)
        await window.goto(f"{page.base}/login?token={token}", wait_until="networkidle")
        await window.goto(f"{page.base}/runs/{run}")
        it.door.open()
        await window.get_by_role("link", name="results.xlsx").wait_for()
