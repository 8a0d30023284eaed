"""A desk for tests of the target: rows go singly unless a test says otherwise."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow.desk import Desk, a_desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk whose rows go one by one."""
    async with a_desk(tmp_path) as desk:
        desk.bulk = False
        yield desk
