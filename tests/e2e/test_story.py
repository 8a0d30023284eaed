"""The whole story at the page: three people, one spreadsheet, from the upload to the results, in every look that a person may have."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import openpyxl
import pytest
import pytest_asyncio

from tests.e2e.browser import Look, flaws_in_every_look, sideways
from tests.e2e.conftest import Opens
from tests.e2e.hands import Hands, Keys, Mouse
from tests.e2e.office import STORY, Office, office
from tests.e2e.walk import Walk, renumbered
from tests.harness.bench import sandbox
from tests.test_samples import HELPDESK, SAMPLES

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

SMALL = SAMPLES / "tasks-small.csv"
HELPDESK_ROWS = 600
HELPDESK_COLUMNS = {
    "id": "External ID",
    "subject": "Description",
    "type": "Not used",
    "language": "Attribute language",
    "business_type": "Attribute business_type",
}
PRIORITIES = {"high": "90", "medium": "50", "low": "10"}
BLANK = {8: "A ticket without a subject", 32: "Another ticket without a subject"}
"""The lines whose subject is blank, and what is written there."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    """One office for all stories of this file."""
    folder = tmp_path_factory.mktemp("office")
    with sandbox(folder, STORY) as world, office(folder, world, {"IMPORTER_RATE": "200/s"}) as opened:
        yield opened


class Eye:
    """Looks at each page in every way, once for each title, and remembers what was wrong."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.seen: Counter[str] = Counter()

    async def __call__(self, page: "Page") -> None:
        title = (await page.title()).partition(" · ")[0]
        self.seen[title] += 1
        self.found += await flaws_in_every_look(page) if self.seen[title] == 1 else await sideways(page)


async def unmoved(page: "Page") -> None:
    """Looks whether the page fits its window; axe needs script in the page."""
    assert await sideways(page) == [], page.url


Prepares = Callable[[Walk], Awaitable[None]]


async def story(
    opens: Opens,
    place: Office,
    look: Look,
    prepares: Prepares,
    hands: type[Hands] = Mouse,
    looks: Callable[["Page"], Awaitable[None]] = unmoved,
) -> Path:
    """One person prepares the plan, a second one approves it, a third one runs it, watches and downloads the results."""
    async with opens(look) as window:
        anna = Walk(window, place, hands(), looks)
        await anna.enters("anna")
        await prepares(anna)
        plan = await anna.makes_the_plan()
    async with opens(look) as window:
        boris = Walk(window, place, hands(), looks)
        await boris.enters("boris")
        await boris.approves(plan, "as agreed")
    async with opens(look) as window:
        clara = Walk(window, place, hands(), looks)
        await clara.enters("clara")
        await clara.starts(plan)
        await clara.sees_the_end()
        return await clara.downloads("results.xlsx", place.folder)


def small(folder: Path, prefix: str) -> Prepares:
    """Anna's part with twenty rows, of which she changes one."""

    async def prepared(anna: Walk) -> None:
        await anna.uploads(renumbered(SMALL, folder, prefix))
        await anna.takes_the_sheet()
        await anna.matches({})
        await anna.fixes(3, "Description", "A corrected text")

    return prepared


async def helpdesk(anna: Walk) -> None:
    """Anna's part with a real helpdesk's export: she says what its columns are, what its priorities mean, and fills two blanks."""
    await anna.uploads(HELPDESK)
    await anna.takes_the_sheet()
    await anna.matches(HELPDESK_COLUMNS)
    for word, number in PRIORITIES.items():
        await anna.replaces("priority", word, number)
    for line, text in BLANK.items():
        await anna.fixes(line, "subject", text)


def results(path: Path) -> list[dict[str, str]]:
    """The rows of the results, by heading, as an office program shows them."""
    book = openpyxl.load_workbook(path, read_only=True)
    rows = book["Results"].iter_rows(values_only=True)
    heads = [str(each) for each in next(rows)]
    found = [dict(zip(heads, map(str, row), strict=False)) for row in rows if any(each is not None for each in row)]
    book.close()
    return found


def outcomes(rows: list[dict[str, str]]) -> Counter[str]:
    """How many rows came to what."""
    return Counter(row["Outcome"].lstrip("✔•✖?…≡– ") for row in rows)


async def test_story_of_three_people_has_no_flaw_in_any_look(opens: Opens, place: Office, tmp_path: Path) -> None:
    """Each page of the walk, light and dark, 1280 and 360 px wide, with forced colours: axe objects to nothing, nothing is too wide."""
    eye = Eye()
    got = await story(opens, place, Look(), small(tmp_path, "L"), looks=eye)
    rows = results(got)
    assert outcomes(rows) == {"created": 20}
    assert any("A corrected text" in row.values() for row in rows)
    assert eye.found == []
    assert len(eye.seen) >= 6, eye.seen


async def test_story_goes_without_script(opens: Opens, place: Office, tmp_path: Path) -> None:
    """Where JavaScript is off, upload, fixing, approval, run and download are all there."""
    got = await story(opens, place, Look(script=False), small(tmp_path, "N"))
    assert outcomes(results(got)) == {"created": 20}


async def test_story_goes_by_keyboard_alone(opens: Opens, place: Office, tmp_path: Path) -> None:
    """Whoever has no mouse reaches all that the story needs by Tab, and uses it by Enter, Space, arrows and letters."""
    got = await story(opens, place, Look(width=360, height=740, scheme="dark"), small(tmp_path, "K"), Keys)
    assert outcomes(results(got)) == {"created": 20}


@pytest.mark.skipif(not HELPDESK.is_file(), reason="the helpdesk's export is not beside the checkout")
async def test_story_of_a_real_helpdesk(opens: Opens, place: Office) -> None:
    """600 real tickets in five languages: mapped, two blank descriptions filled, approved, run; each is in the results as created."""
    rows = results(await story(opens, place, Look(), helpdesk))
    assert outcomes(rows) == {"created": HELPDESK_ROWS}
    assert {text for row in rows for text in row.values()} >= set(BLANK.values())
    assert len({row["Task ID"] for row in rows}) == HELPDESK_ROWS
