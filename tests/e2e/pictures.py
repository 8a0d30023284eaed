"""Pictures of the page for the README: `python -m tests.e2e.pictures` takes them anew, of the sample workbook."""

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.browser import Look, Watch, chromium, person
from tests.e2e.office import STORY, Office, office
from tests.e2e.walk import mouse
from tests.harness.bench import sandbox
from tests.test_samples import SAMPLES

if TYPE_CHECKING:
    from playwright.async_api import Browser

FOLDER = Path(__file__).parents[2] / "reports" / "sample"
NAMES = ("page-upload.png", "page-preview.png", "page-plan.png", "page-run.png")
SLOWLY = {"IMPORTER_RATE": "15/s", "IMPORTER_CONCURRENCY": "4"}
"""So that a run can be caught in its middle."""
SIZE = Look(width=1000, height=640)
HALF = 50
"""Rows that are settled when the run is taken."""


async def taken(browser: "Browser", place: Office, folder: Path) -> None:
    """Takes the four pictures."""
    watch = Watch()
    async with person(browser, SIZE, watch) as page:
        anna = mouse(page, place)
        await anna.enters("anna")
        await anna.goes("/imports/new")
        await page.screenshot(path=folder / NAMES[0])
        await anna.uploads(SAMPLES / "tasks-mixed.xlsx")
        await anna.takes_the_sheet()
        await anna.matches({})
        if page.url.endswith("/values"):
            await anna.says_what_values_mean()
        await page.screenshot(path=folder / NAMES[1])
        plan = await anna.makes_the_plan()
    async with person(browser, SIZE, watch) as page:
        boris = mouse(page, place)
        await boris.enters("boris")
        await boris.goes(f"/plans/{plan}")
        await page.screenshot(path=folder / NAMES[2])
        await boris.approves(plan, "as agreed with the team leads")
    async with person(browser, SIZE, watch) as page:
        clara = mouse(page, place)
        await clara.enters("clara")
        await clara.starts(plan)
        created = page.locator(".tile", has_text="created").locator("strong")
        while int(await created.inner_text()) < HALF:  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # the run goes on in another process
        await page.screenshot(path=folder / NAMES[3])
    assert watch.wrong == []


async def main() -> None:
    """Takes them into `reports/sample/`."""
    with tempfile.TemporaryDirectory() as scratch, sandbox(Path(scratch), STORY) as world:
        with office(Path(scratch), world, SLOWLY) as place:
            async with chromium() as browser:
                await taken(browser, place, FOLDER)


if __name__ == "__main__":
    asyncio.run(main())
