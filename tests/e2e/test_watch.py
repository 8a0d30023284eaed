"""The watch sees what it is there for: without that, tests of the page would prove nothing."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from aiohttp import web

from tests.e2e.browser import PLAIN, Look, Watch, flaws, person, sideways

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src * data:; connect-src 'self'"
PAGE = (
    "<!doctype html><html lang=en><title>A page</title><link rel=icon href=data:,><main><h1>A page</h1>{}</main></html>"
)
SCRIPTS = {
    "error.js": "console.error('a complaint')",
    "thrown.js": "nothing.at.all()",
    "cut.js": "fetch('/cut').catch(() => 0)",
}


CUT = "<script src=/js/cut.js></script>"
WRONG = {
    "<script src=/js/error.js></script>": "console: a complaint",
    "<script src=/js/thrown.js></script>": "page error: nothing is not defined",
    CUT: "request failed: GET",
    "<img alt=x src=/missing.png>": "404",
    "<img alt=x src=http://localhost:9/x.png>": "request to another host: http://localhost:9/x.png",
    "<p style=color:red>red</p>": "Content Security Policy",
    "<script>1</script>": "CSP: script-src-elem inline",
}
"""Bodies of pages, and what must be told of each."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site() -> AsyncIterator[str]:
    """A site that serves whatever body it is asked for, under a strict policy."""

    async def page(request: web.Request) -> web.Response:
        text = PAGE.format(request.query.get("body", ""))
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": POLICY})

    async def script(request: web.Request) -> web.Response:
        return web.Response(text=SCRIPTS[request.match_info["name"]], content_type="text/javascript")

    async def cut(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/cut", cut)
    app.router.add_get("/js/{name}", script)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def watched(browser: "Browser", site: str, *bodies: str, look: Look = PLAIN) -> list[str]:
    """What the watch says of pages with these bodies, each in a sentence for itself."""
    told: list[str] = []
    watch = Watch()
    async with person(browser, look, watch) as page:
        for body in bodies:
            await page.goto(f"{site}?body={body}")
            if body == CUT:
                await page.wait_for_load_state("networkidle")
            await page.evaluate("1")  # what was complained of before was told before
            told.append("; ".join(watch.wrong))
            watch.wrong.clear()
    return told


async def test_watch_is_content_with_a_sound_page(browser: "Browser", site: str) -> None:
    """A page with nothing wrong has nothing told of it."""
    assert await watched(browser, site, "fine") == [""]


async def test_watch_tells_what_goes_wrong(browser: "Browser", site: str) -> None:
    """Complaints, exceptions, lost and foreign requests and breaches of the policy are told."""
    for told, (body, words) in zip(await watched(browser, site, *WRONG), WRONG.items(), strict=True):
        assert words in told, body


async def test_watch_tells_a_breach_of_the_policy_without_script_too(browser: "Browser", site: str) -> None:
    """Where script is off, the browser itself complains of a style in the page."""
    (told,) = await watched(browser, site, "<p style=color:red>red</p>", look=Look(script=False))
    assert "Content Security Policy" in told


async def test_watch_leaves_out_what_is_expected_only_as_long_as_it_is(browser: "Browser", site: str) -> None:
    """A complaint that a test means to provoke is not told within its block, and is told after it."""
    watch = Watch()
    async with person(browser, PLAIN, watch) as page:
        with watch.expects("a complaint"):
            await page.goto(f"{site}?body=<script src=/js/error.js></script>")
        assert watch.wrong == []
        await page.reload()
    assert len(watch.wrong) == 1


async def test_flaws_are_what_axe_objects_to(browser: "Browser", site: str) -> None:
    """axe runs under the strict policy, by its WCAG rules and its best practices."""
    bodies = {"<img src=data:,>": "image-alt", "<p>5</p><h4>A level too many</h4>": "heading-order"}
    async with person(browser, PLAIN, Watch()) as page:
        for body, rule in bodies.items():
            await page.goto(f"{site}?body={body}")
            assert [each.partition(":")[0] for each in await flaws(page)] == [f"axe {rule}"]
        await page.goto(f"{site}?body=fine")
        assert await flaws(page) == []


@pytest.mark.parametrize("script", [True, False])
async def test_sideways_is_told_with_what_is_too_wide(browser: "Browser", site: str, script: bool) -> None:
    """A page that is wider than its window is told, also where script is off."""
    async with person(browser, Look(width=360, script=script), Watch()) as page:
        await page.goto(f"{site}?body={'W' * 100}")
        (found,) = await sideways(page)
        assert "the window 360 px" in found
        assert "h1" not in found
        await page.goto(f"{site}?body=fine")
        assert await sideways(page) == []
