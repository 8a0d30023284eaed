"""Browser: Debian's Chromium, how a person looks at the page with it, and all that may not happen while they do."""

import importlib.util
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request

CHROMIUM = os.environ.get("IMPORTER_CHROMIUM", "/usr/bin/chromium")
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-lcd-text",  # so pictures have few colours, and are small
)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OURS = "127.0.0.1"
PATIENCE_MS = 60_000
REPORTER = """
addEventListener("securitypolicyviolation", event =>
    console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} at ${event.sourceFile}:${event.lineNumber}`));
"""


def missing() -> str:
    """What this machine lacks for tests in a browser, in words; nothing, where they can run."""
    if importlib.util.find_spec("playwright") is None:
        return "no playwright: python -m pip install -e '.[e2e]'"
    if importlib.util.find_spec("axe_playwright_python") is None:
        return "no axe: python -m pip install -e '.[e2e]'"
    if shutil.which(CHROMIUM) is None:
        return f"no browser at {CHROMIUM}: apt-get install chromium, or name another in IMPORTER_CHROMIUM"
    return ""


def axe() -> Path:
    """The script of axe that comes with its package."""
    spec = importlib.util.find_spec("axe_playwright_python")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("axe.min.js")


@dataclass(frozen=True, slots=True)
class Look:
    """How somebody looks at the page."""

    width: int = 1280
    height: int = 900
    scheme: Literal["light", "dark"] = "light"
    forced: bool = False  # a contrast theme of the system: its colours replace all of the page's
    script: bool = True

    def __str__(self) -> str:
        forced = ", forced colours" if self.forced else ""
        return f"{self.width} px, {self.scheme}{forced}{'' if self.script else ', no script'}"

    async def worn(self, page: "Page") -> None:
        """The page, once it is open, is seen so from here on."""
        await page.set_viewport_size({"width": self.width, "height": self.height})
        await page.emulate_media(color_scheme=self.scheme, forced_colors="active" if self.forced else "none")


PLAIN = Look()
LOOKS: dict[Look, Sequence[str]] = {
    PLAIN: RULES,
    Look(scheme="dark"): ["color-contrast"],
    Look(width=360, height=740): ["color-contrast", "target-size"],
    Look(width=360, height=740, scheme="dark"): RULES,
    Look(forced=True): ["color-contrast"],
}
"""Every page is looked at so, at either width by all rules once: in other colours the same things stand there."""


@dataclass
class Watch:  # no slots: playwright leaves a note on the object whose methods it calls
    """What went wrong in a browser, seen from outside: each is a sentence."""

    wrong: list[str] = field(default_factory=list)
    _expected: tuple[str, ...] = ()

    def over(self, context: "BrowserContext") -> None:
        """Watches all pages of a context."""
        context.on("console", self._console)
        context.on("weberror", lambda error: self._notes(f"page error: {error.error}"))
        context.on("request", self._request)
        context.on("requestfailed", self._failed)

    @contextmanager
    def expects(self, *words: str) -> Iterator[None]:
        """Within the block complaints with any of these words are meant: an answer 409 that a test provokes is one."""
        before, self._expected = self._expected, (*self._expected, *words)
        try:
            yield
        finally:
            self._expected = before

    def _notes(self, sentence: str) -> None:
        if not any(word in sentence for word in self._expected):
            self.wrong.append(sentence)

    def _console(self, message: "ConsoleMessage") -> None:
        if message.type == "error":
            self._notes(f"console: {message.text} ({message.location.get('url', '')})")

    def _request(self, request: "Request") -> None:
        url = urlsplit(request.url)
        if url.scheme not in ("data", "blob") and url.hostname != OURS:
            self._notes(f"request to another host: {request.url}")

    def _failed(self, request: "Request") -> None:
        """Leaving a page ends what it still asked for, and a download ends the navigation that began it: both are as meant."""
        if request.failure == "net::ERR_ABORTED":  # by the browser itself; a connection that is lost has another name
            return
        self._notes(f"request failed: {request.method} {request.url}: {request.failure}")


@asynccontextmanager
async def chromium() -> "AsyncIterator[Browser]":
    """A browser process; it ends with the block."""
    from playwright.async_api import async_playwright

    as_root = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=[*as_root, *FLAGS])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def person(browser: "Browser", look: Look, watch: Watch) -> "AsyncIterator[Page]":
    """Somebody with a browser window of their own: no cookie is shared with others. Watched all the time."""
    context = await browser.new_context(
        viewport={"width": look.width, "height": look.height},
        color_scheme=look.scheme,
        forced_colors="active" if look.forced else "none",
        java_script_enabled=look.script,
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="UTC",
    )
    context.set_default_timeout(PATIENCE_MS)
    await context.add_init_script(REPORTER)
    await context.add_init_script(path=axe())
    watch.over(context)
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def flaws(page: "Page", rules: Sequence[str] = RULES) -> list[str]:
    """What axe objects to, by all its rules or some kinds of them, and whether the page must be moved sideways to be read."""
    found: dict[str, Any] = await page.evaluate(AXE, list(rules))
    objections = [
        f"axe {each['id']}: {each['help']}: {node['html'][:160]}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
    return [*objections, *await sideways(page)]


async def sideways(page: "Page") -> list[str]:
    """How much wider the page is than its window; nothing, where it fits."""
    wide, room = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    if wide <= room:
        return []
    culprits = await page.evaluate(WIDEST)
    return [f"the page is {wide} px wide, the window {room} px: {', '.join(culprits)}"]


AXE = "async rules => axe.run(document, {runOnly: rules, resultTypes: ['violations'], preload: false})"
WIDEST = """
[...document.querySelectorAll("body *")].filter(each => each.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 5).map(each => `${each.tagName.toLowerCase()}.${each.className} to ${Math.round(each.getBoundingClientRect().right)}`)
"""


async def flaws_in_every_look(page: "Page", looks: Mapping[Look, Sequence[str]] = LOOKS) -> list[str]:
    """The flaws of the open page, however it is looked at; each with the page's address and the look."""
    found: list[str] = []
    for look, rules in looks.items():
        await look.worn(page)
        found += [f"{urlsplit(page.url).path} at {look}: {each}" for each in await flaws(page, rules)]
    await PLAIN.worn(page)
    return found
