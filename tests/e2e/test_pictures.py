"""The README's pictures of the page are there, small, and can be taken again."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.office import STORY, office
from tests.e2e.pictures import FOLDER, NAMES, SLOWLY, taken
from tests.harness.bench import sandbox

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

MOST = 120_000


def shown(path: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


@pytest.mark.nightly
async def test_pictures_can_be_taken_again(browser: "Browser", tmp_path: Path) -> None:
    """Upload, preview, plan and run of the sample workbook are taken as they are; what is kept has their size, and is small."""
    with sandbox(tmp_path, STORY) as world, office(tmp_path, world, SLOWLY) as place:
        await taken(browser, place, tmp_path)
    for name in NAMES:
        assert shown(tmp_path / name) == shown(FOLDER / name)
        assert max((tmp_path / name).stat().st_size, (FOLDER / name).stat().st_size) < MOST, name
