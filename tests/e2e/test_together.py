"""Several people at once, and a server that is killed under them: each sees the truth, and nobody overwrites what they have not seen."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.e2e.browser import Look, Watch, flaws
from tests.e2e.conftest import Opens
from tests.e2e.office import STORY, Office, office
from tests.e2e.walk import Walk, mouse, renumbered
from tests.harness.bench import sandbox
from tests.harness.scene import write_rows
from tests.test_samples import SAMPLES

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

SMALL = SAMPLES / "tasks-small.csv"
ROWS = 60
SOME = 5
"""So many tasks there are at least when the server is killed."""
SLOWLY = {"IMPORTER_RATE": "30/s", "IMPORTER_CONCURRENCY": "4"}
NEWS_MS = 16_000
"""A page asks for news every quarter of a minute."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    """One office for all tests of this file."""
    folder = tmp_path_factory.mktemp("together")
    with sandbox(folder, STORY) as world, office(folder, world, SLOWLY) as opened:
        yield opened


async def at_the_rows(page: "Page", place: Office, file: Path) -> Walk:
    """Anna has uploaded a file and sees its rows."""
    anna = mouse(page, place)
    await anna.enters("anna")
    await anna.uploads(file)
    await anna.takes_the_sheet()
    await anna.matches({})
    return anna


async def test_two_preparers_see_each_others_changes(opens: Opens, place: Office, tmp_path: Path) -> None:
    """Who has a page open is told within a quarter of a minute who changed what; looked at anew, it is there with the name."""
    async with opens() as hers, opens() as theirs:
        anna = await at_the_rows(hers, place, renumbered(SMALL, tmp_path, "S"))
        dora = mouse(theirs, place)
        await theirs.clock.install()
        await dora.enters("dora")
        await theirs.goto(hers.url)
        await anna.fixes(3, "Description", "Changed by Anna")
        await theirs.clock.fast_forward(NEWS_MS)
        await theirs.get_by_text("anna changed this upload since you opened it").wait_for()
        await dora.hands.presses(dora.link("See it as it is now"))
        await theirs.locator("#r-3", has_text="Changed by Anna").wait_for()
        assert "anna" in await theirs.locator("#r-3").inner_text()


@pytest.mark.parametrize("look", [Look(), Look(script=False)], ids=str)
async def test_stale_form_is_refused_with_both_values(
    opens: Opens, place: Office, tmp_path: Path, watch: Watch, look: Look
) -> None:
    """Two people change one cell: the second is told 409 with what it says now and what they typed, and decides again."""
    async with opens(look) as hers, opens(look) as theirs:
        anna = await at_the_rows(hers, place, renumbered(SMALL, tmp_path, "T" if look.script else "U"))
        dora = mouse(theirs, place)
        await dora.enters("dora")
        await theirs.goto(hers.url)
        await dora.hands.presses(dora.cell(3, "Description"))
        await dora.hands.fills(theirs.locator("#cell-value"), "as Dora has it")
        await anna.fixes(3, "Description", "as Anna has it")
        with watch.expects("409"):
            async with theirs.expect_response(lambda answer: answer.request.method == "POST") as answered:
                await dora.hands.presses(dora.button("Save"))
            assert (await answered.value).status == 409
            told = theirs.locator("#cell-told")
            await told.wait_for()
        assert "as Anna has it" in await told.inner_text()
        assert "as Dora has it" in await told.inner_text()
        if look.script:
            assert await flaws(theirs) == []
        await dora.hands.presses(dora.button("Save"))
        await theirs.locator("#r-3", has_text="as Dora has it").wait_for()


async def test_session_that_ends_is_told_where_somebody_is(
    opens: Opens, place: Office, tmp_path: Path, watch: Watch
) -> None:
    """Whoever saves after the session's end reads so on the page that is open, and what they typed is still there."""
    async with opens() as window:
        anna = await at_the_rows(window, place, renumbered(SMALL, tmp_path, "X"))
        await anna.hands.presses(anna.cell(15, "Description"))
        await anna.hands.fills(window.locator("#cell-value"), "typed before")
        await window.context.clear_cookies()
        with watch.expects("401"):
            await anna.hands.presses(anna.button("Save"))
            await window.get_by_text("You are not logged in.").wait_for()
        assert await window.locator("main").count() == 1
        assert await window.locator("#cell-value").input_value() == "typed before"
        assert await flaws(window) == []


async def test_kill_of_the_server_loses_no_change(opens: Opens, place: Office, tmp_path: Path) -> None:
    """The server is killed right after it had answered: started again, people are still logged in and every change is there."""
    async with opens() as window:
        anna = await at_the_rows(window, place, renumbered(SMALL, tmp_path, "V"))
        await anna.fixes(5, "Description", "kept over a kill")
        place.dies()
        place.opens()
        await window.reload()
        await window.locator("#r-5", has_text="kept over a kill").wait_for()
        await anna.makes_the_plan()


async def test_kill_in_the_middle_of_a_run_is_overcome_before_ones_eyes(
    opens: Opens, place: Office, tmp_path: Path, watch: Watch
) -> None:
    """Who watches a run while its server is killed and started again is told so, and sees it go on, in the page that was open, to its end."""
    names = [f"W-{number:03}" for number in range(ROWS)]
    write_rows(tmp_path / "rows.csv", names)
    plan = place.previews(tmp_path / "rows.csv")
    async with opens() as window:
        boris = mouse(window, place)
        await boris.enters("boris")
        await boris.approves(plan, "as agreed")
    async with opens() as window:
        clara = mouse(window, place)
        await clara.enters("clara")
        await clara.starts(plan)
        while place.world.tasks("W-").total() < SOME:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # another process is watched, which no clock of ours turns
        with watch.expects("net::ERR_"):
            place.dies()
            made = place.world.tasks("W-").total()
            await window.get_by_text("The server does not answer").wait_for()
            place.opens()
            await clara.sees_the_end()
            await window.get_by_text("The server does not answer").wait_for(state="hidden")
        assert await window.get_by_text(f"{ROWS} rows read = {ROWS} created.").count() == 1
    assert SOME <= made < ROWS
    assert place.world.tasks("W-") == dict.fromkeys(names, 1)
