"""Killed in the middle of anything, an upload shows what was done to it, and goes on."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.desk.room import ANNA, opened

ROOT = Path(__file__).parents[2]


DOING = {"preview": "previewing", "plan": "planning", "fix": ""}


@pytest.mark.parametrize("when", list(DOING))
async def test_draft_survives_a_kill(tmp_path: Path, when: str) -> None:
    """What was committed is there; a preview or plan that was cut off is told, and can be made again; a change is whole or not made."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.desk.dying", str(tmp_path), when],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert ended.returncode == -9, ended.stderr
    draft = ended.stdout.strip()
    async with opened(tmp_path) as room:
        await room.drafting.begin()
        head = await room.drafting.head(draft)
        assert head.busy == ""
        told = f"The importer stopped while this was {DOING[when]}; nothing of it is lost but the time."
        assert head.problem == (told if DOING[when] else "")
        assert (head.plan, list((tmp_path / "plans").glob("*.plan"))) == (None, [])
        assert (await room.drafting.row(draft, 4)).cells[2] == "9"
        assert len(await room.rows(draft)) == 400
        head = await room.drafting.preview(draft)
        assert (head.problem, head.fixes) == ("", 1) or (when == "fix" and head.fixes == 134)
        changed = await room.drafting.fix(draft, head.revision, 2, 4, "some text", "another", ANNA)
        assert [row.line for row in changed] == [2]
        head = await room.drafting.head(draft)
        made = await room.drafting.plan(draft, head.revision, ANNA)
        assert (made.head.counts["read"], (await room.drafting.head(draft)).plan) == (400, made.about.plan)
