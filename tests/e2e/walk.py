"""Walk: the way from a spreadsheet to its results, step by step, as people go it; each step ends on the page that follows."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.hands import Hands, Mouse
from tests.e2e.office import Office

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

SETTLED = re.compile(r"/imports/[^/]+/(sheet|columns|values|rows)$")
AFTER_PREVIEW = re.compile(r"/imports/[^/]+/(values|rows)(\?.*)?$")
ROWS = re.compile(r"/imports/[^/]+/rows(\?.*)?(#.*)?$")
PLAN = re.compile(r"/plans/[^/?#]+")
RUN = re.compile(r"/runs/[^/?#]+")
FOLLOWED_MS = 300_000


async def _unlooked(page: "Page") -> None:
    """Nobody looks closer."""


@dataclass
class Walk:
    """One person at the page: their window, their hands, and how closely each page is looked at."""

    page: "Page"
    office: Office
    hands: Hands
    looks: Callable[["Page"], Awaitable[None]] = _unlooked

    def button(self, name: str) -> "Locator":
        """A button by its words; the first, where several do the same."""
        return self.page.get_by_role("button", name=name).first

    def link(self, name: str) -> "Locator":
        """A link by its words."""
        return self.page.get_by_role("link", name=name).first

    async def enters(self, name: str) -> None:
        """By the link that somebody was given; the token is in no address afterwards."""
        await self.page.goto(self.office.link(name))
        await self.page.wait_for_url(f"{self.office.url}/")
        await self.looks(self.page)

    async def goes(self, path: str) -> None:
        """To a page by its address, as if by a link in a mail."""
        await self.page.goto(self.office.url + path)

    # The preparer

    async def uploads(self, file: Path) -> None:
        """New import, a file, and the first page about it."""
        await self.hands.presses(self.link("New import"))
        await self.page.wait_for_url("**/imports/new")
        await self.looks(self.page)
        await self.hands.gives(self.page.get_by_label("Spreadsheet"), file)
        await self.hands.presses(self.page.get_by_role("button", name="Upload", exact=True))
        await self.page.wait_for_url(SETTLED)
        await self.looks(self.page)

    async def takes_the_sheet(self) -> None:
        """The sheet and the row of headings that were guessed, where that is asked at all."""
        if not self.page.url.endswith("/sheet"):
            return
        await self.hands.presses(self.button("Go on to the columns"))
        await self.page.wait_for_url("**/columns")
        await self.looks(self.page)

    async def matches(self, meant: Mapping[str, str]) -> None:
        """Says what some columns become, and has all rows previewed."""
        for heading, field in meant.items():
            chosen = self.page.get_by_role("combobox", name=re.compile(f"^{re.escape(heading)}\\b"))
            await self.hands.chooses(chosen, field)
        await self.hands.presses(self.button("Preview all rows"))
        await self.page.wait_for_url(AFTER_PREVIEW)
        await self.looks(self.page)

    async def says_what_values_mean(self) -> None:
        """The first suggestion for each unknown value, where there is one."""
        for group in await self.page.get_by_role("group").all():
            suggested = group.locator('input[value="suggestion-0"]')
            if await suggested.count():
                await self.hands.picks(suggested)
        await self.hands.presses(self.button("Apply and preview again"))
        await self.page.wait_for_url(ROWS)
        await self.looks(self.page)

    async def replaces(self, heading: str, old: str, new: str) -> None:
        """One value of a column by another, in all rows that say it."""
        if not await self.button("See what would change").is_visible():
            await self.hands.presses(self.page.get_by_text("Another change", exact=True))
        await self.hands.chooses(self.page.get_by_label("In the column"), heading)
        await self.hands.fills(self.page.get_by_label("What the cells say"), old)
        await self.hands.fills(self.page.get_by_label("What they shall say"), new)
        await self.hands.presses(self.button("See what would change"))
        await self.hands.presses(self.page.get_by_role("button", name=re.compile(r"^Change [\d,]+ cells?$")))
        await self.page.locator("#done", has_text=old).wait_for()

    def cell(self, line: int, heading: str) -> "Locator":
        """The button that a cell is."""
        return self.page.get_by_role("button", name=re.compile(f"^{re.escape(heading)}.*, row {line}, edit$"))

    async def fixes(self, line: int, heading: str, text: str) -> None:
        """One cell, in place; the focus comes back to it."""
        await self.hands.presses(self.cell(line, heading))
        field = self.page.locator("#cell-value")
        await self.hands.fills(field, text)
        await self.hands.presses(self.page.get_by_role("button", name="Save", exact=True))
        await field.wait_for(state="detached")
        await self.page.locator(f"#r-{line}", has_text=text).wait_for()

    async def makes_the_plan(self) -> str:
        """Freezes what would be sent; the plan's ID."""
        await self.hands.presses(self.button("Make the plan"))
        await self.page.wait_for_url(PLAN)
        await self.looks(self.page)
        return self.page.url.rpartition("/")[2].partition("?")[0].partition("#")[0]

    # The approver

    async def approves(self, plan: str, comment: str) -> None:
        """Opens a plan and approves exactly it."""
        await self.goes(f"/plans/{plan}")
        await self.looks(self.page)
        await self.hands.fills(self.page.get_by_label("Comment"), comment)
        seen = self.page.get_by_label("I have seen the")
        if await seen.count():
            await self.hands.presses(seen)
        await self.hands.presses(self.button("Approve exactly this plan"))
        await self.page.get_by_text("Approved by").first.wait_for()
        await self.looks(self.page)

    # The operator

    async def starts(self, plan: str) -> str:
        """Starts the run of a plan; the run's ID."""
        await self.goes(f"/plans/{plan}")
        await self.hands.presses(self.page.get_by_role("button", name=re.compile("^Create .* now$")))
        await self.page.wait_for_url(RUN)
        await self.looks(self.page)
        return self.page.url.rpartition("/")[2].partition("?")[0]

    async def sees_the_end(self) -> None:
        """Waits before the run's page until it says that the run has ended."""
        await self.page.get_by_role("link", name=re.compile("^results.xlsx", re.IGNORECASE)).wait_for(
            timeout=FOLLOWED_MS
        )
        await self.looks(self.page)

    async def downloads(self, name: str, folder: Path) -> Path:
        """A file by the words of its link."""
        async with self.page.expect_download() as started:
            await self.hands.presses(self.page.get_by_role("link", name=re.compile(name)).first)
        got = await started.value
        path = folder / got.suggested_filename
        await got.save_as(path)
        return path


def mouse(page: "Page", office: Office) -> Walk:
    """Somebody with a mouse."""
    return Walk(page, office, Mouse())


def renumbered(file: Path, folder: Path, prefix: str) -> Path:
    """The same rows under other external IDs: the sandbox of this file knows the first ones already."""
    head, *lines = file.read_text("utf-8").splitlines()
    path = folder / file.name
    path.write_text("\n".join([head, *(prefix + line for line in lines)]) + "\n", "utf-8")
    return path
