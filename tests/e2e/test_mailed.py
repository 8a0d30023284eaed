"""The preview that is mailed: readable by everybody, on every window and on paper, and asking nobody for anything."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from importer.writers.preview_html import write_preview_html
from tests.e2e.browser import LOOKS, RULES, Look, flaws_in_every_look
from tests.e2e.conftest import Opens
from tests.writers.made import RATE, a_plan, again, preview

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

NARROWEST = Look(width=320, height=256)
"""What is left of 1280 px at a zoom of 400 %."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mailed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of a file with every kind of row, as a plain web server gives it out."""
    path: Path = write_preview_html(tmp_path_factory.mktemp("mailed"), preview(a_plan()), again(a_plan()), RATE)

    async def file(_: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    app = web.Application()
    app.router.add_get("/preview.html", file)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/preview.html"
    await runner.cleanup()


async def test_mailed_preview_is_accessible_in_every_look(opens: Opens, mailed: str) -> None:
    """No violation, nothing to be moved sideways, in light and dark, narrow and zoomed, in forced colours, folded out; no request but for the file itself."""
    async with opens() as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(mailed)
        for summary in await page.locator("summary").all():
            await summary.click()
        assert await flaws_in_every_look(page, {**LOOKS, NARROWEST: RULES}) == []
        assert asked == [mailed]


async def test_mailed_preview_on_paper_has_what_is_folded(opens: Opens, mailed: str) -> None:
    """On the screen the fix of a cause is folded away; printed, it is there."""
    async with opens() as page:
        await page.goto(mailed)
        fix = page.get_by_text("Type a whole number from 0 to 99")
        assert not await fix.is_visible()
        await page.emulate_media(media="print")
        assert await fix.is_visible()


async def test_mailed_preview_applies_its_style_under_its_policy(opens: Opens, mailed: str) -> None:
    """The style sheet inside is the one that the policy lets pass: the page has our colours, and dark ones in the dark."""
    async with opens() as page:
        await page.goto(mailed)
        light = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        await page.emulate_media(color_scheme="dark")
        dark = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (light, dark) == ("rgb(244, 245, 248)", "rgb(18, 20, 26)")
