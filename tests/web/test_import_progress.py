"""Errands and the page that shows them: what takes long goes on without its caller, and is never begun twice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from importer.core.errors import TargetDown
from importer.web.errands import Errands
from tests.web.house import Page, opened
from tests.web.preparer import draft_of, preparer


@pytest.fixture
async def errands() -> AsyncIterator[Errands]:
    """Errands that end with the test."""
    made = Errands()
    yield made
    await made.close()


async def waited(event: asyncio.Event, log: list[str]) -> None:
    """An errand that takes until somebody says so."""
    log.append("begun")
    await event.wait()
    log.append("done")


async def fails() -> None:
    """An errand that does not end well."""
    raise TargetDown("Nobody answers.", "Wait.")


async def breaks() -> None:
    """An errand with a bug."""
    raise RuntimeError("a cell's secret text")


async def test_errand_goes_on_after_the_answer(errands: Errands) -> None:
    """The caller waits no longer than its patience; the errand ends by itself."""
    event, log = asyncio.Event(), list[str]()
    await errands.begin("d", waited(event, log), patience_s=0)
    assert errands.under_way("d")
    event.set()
    await errands.begin("d", waited(event, log), patience_s=30)
    assert (log, errands.under_way("d")) == (["begun", "done"], False)


async def test_errand_is_not_begun_twice(errands: Errands) -> None:
    """While one is under way for a draft, a second is not begun; another draft's is."""
    event, log = asyncio.Event(), list[str]()
    for draft in ("d", "d", "e"):
        await errands.begin(draft, waited(event, log), patience_s=0)
    assert log == ["begun", "begun"]


async def test_problem_is_kept_until_the_next_errand(errands: Errands) -> None:
    """Why an errand ended badly can be read until the next one; a bug is told without what it held."""
    await errands.begin("d", fails(), patience_s=30)
    assert str(errands.problem("d")) == "Nobody answers."
    await errands.begin("d", breaks(), patience_s=30)
    assert "secret" not in str(errands.problem("d"))
    event = asyncio.Event()
    event.set()
    await errands.begin("d", waited(event, []), patience_s=30)
    assert errands.problem("d") is None


async def test_closing_ends_errands(errands: Errands) -> None:
    """When the server ends, nothing is left running."""
    log = list[str]()
    await errands.begin("d", waited(asyncio.Event(), log), patience_s=0)
    await errands.close()
    assert not errands.under_way("d")
    assert "done" not in log


async def test_progress_is_shown_and_looked_at_again_without_script(tmp_path: Path) -> None:
    """While rows are previewed the page says so and asks the browser to look again; then it leads on."""
    async with opened(tmp_path) as page:
        bea = await preparer(page)
        seen = await bea.uploads(b"External ID,Queue,Description\nP-1,Billing,one\n", "p.csv")
        event = asyncio.Event()
        await page.room.errands.begin(draft_of(seen), waited(event, []), patience_s=0)
        told = await look(page, bea.cookie, draft_of(seen))
        assert '<noscript><meta http-equiv="refresh"' in told
        assert 'hx-trigger="every 1s"' in told
        event.set()
        await page.room.errands.begin(draft_of(seen), waited(event, []), patience_s=30)
        assert (await bea.opens(f"/imports/{draft_of(seen)}/progress")).path.endswith("/columns")


async def look(page: Page, cookie: str, draft: str) -> str:
    """The page of a draft's progress."""
    return (await page.ask("GET", f"/imports/{draft}/progress", cookie)).text
