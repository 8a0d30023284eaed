"""Workitems are drafted like tasks: names beside the queue are looked up once, and plan and command line agree."""

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from importer.core.fixes import Fix, FixMany
from tests.desk.room import ANNA, Room, opened
from tests.desk.test_drafting import told

HEADINGS = "External ID,Name,Worktype,Queue,Priority,Description,Skills,Due"


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    """A room with workitems."""
    async with opened(tmp_path, "workitems") as found:
        yield found


async def test_unknown_worktype_is_chosen_once(room: Room) -> None:
    """A worktype that nobody knows is told with what it resembles, and one choice mends its rows."""
    head = await room.previewed(f"{HEADINGS}\nW-1,First one,Casee,Billing,,one,,\nW-2,Second,Casee,Billing,,two,,\n")
    [unknown] = await room.drafting.unknown_values(head.id)
    assert (unknown.field, unknown.value, unknown.rows, unknown.suggestions) == ("worktype", "Casee", 2, ("Case",))
    head = await room.drafting.choose_values(head.id, head.revision, {("worktype", "Casee"): "Case"}, ANNA)
    head = await room.drafting.preview(head.id)
    assert (await room.drafting.counts(head.id))["ready"] == 2


@pytest.mark.parametrize("seed", range(2))
async def test_rows_equal_a_fresh_preview_after_any_changes(room: Room, seed: int) -> None:
    """After any fixes and undos, rows and digest are those of a fresh pass over the file; the plan asks the target nothing."""
    chance = random.Random(seed)
    pools = [
        ["W-1", "W-2", "W-3", ""], ["First one", "x", "Another"], ["Case", "Caze", "", "case "], ["Billing", "Biling", ""],
        ["", "5", "x"], ["one", ""], ["", "French", "None such; French"], ["", "2019-01-01", "soon"],
    ]  # fmt: skip
    lines = [",".join(f'"{chance.choice(pool)}"' for pool in pools) for _ in range(16)]
    head = await room.previewed("\n".join([HEADINGS, *lines]))
    drafting = room.drafting
    for _ in range(12):
        head = await drafting.head(head.id)
        line, column = chance.randint(2, 17), chance.randrange(len(pools))
        new, able = chance.choice(pools[column]), [batch for batch in await drafting.fixes(head.id) if batch.can_undo]
        if able and chance.random() < 0.2:
            await drafting.undo(head.id, head.revision, chance.choice(able).id, ANNA)
        elif chance.random() < 0.3:
            many = FixMany("replace", column, new, chance.choice(pools[column]))
            await drafting.fix_many(head.id, head.revision, many, ANNA)
        else:
            old = (await drafting.row(head.id, line)).cells[column]
            await drafting.fix(head.id, head.revision, line, column, old, new, ANNA)
    fixes = [Fix(**each) for each in json.loads(await drafting.fixes_file(head.id))["fixes"]]
    theirs, rows = await room.planned(head.id, fixes)
    assert [told(row) for row in await room.rows(head.id)] == [told(row) for row in rows]
    head, calls = await drafting.head(head.id), len(room.sandbox.service.visits)
    made = await drafting.plan(head.id, head.revision, ANNA)
    assert (made.about.digest, len(room.sandbox.service.visits)) == (theirs.about.digest, calls)
    assert await drafting.queues(head.id) == list(theirs.head.queues)
