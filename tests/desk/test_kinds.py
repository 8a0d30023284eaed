"""The last plan of a kind, and what is unusual against it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from importer.core.approval import Person
from importer.core.plan import Preview
from importer.desk.kinds import above_rows, last_of_kind, unusual
from importer.ledgers.plans import PlanFolder
from tests.ledgers.conftest import plan_head, plan_row


def made(folder: PlanFolder, hour: int, rows: int = 2, **head: Any) -> Preview:
    """A plan of that hour."""
    draft = folder.draft()
    for number in range(rows):
        draft.add(plan_row(number))
    at = datetime(2026, 11, 23, hour, tzinfo=UTC)
    return draft.finish(
        plan_head(**{"queues": (), **head}), source="/data/tasks.csv", made_at=at, preparer=Person("ada", "a test")
    )


def test_last_of_kind_is_the_newest_before_with_equal_headings(tmp_path: Path) -> None:
    """Of the plans made before, the newest with the same headings counts; a later one and one of another kind do not."""
    folder = PlanFolder(tmp_path)
    made(folder, 1, source_bytes=1)
    wanted = made(folder, 2, source_bytes=2)
    made(folder, 3, headings=("Other",))
    this = made(folder, 4, source_bytes=4)
    made(folder, 5, source_bytes=5)
    found = last_of_kind(folder, this)
    assert found is not None
    assert found.preview().about.plan == wanted.about.plan


def test_last_of_kind_passes_over_a_damaged_plan(tmp_path: Path) -> None:
    """A plan that cannot be read is none to compare with, and no trouble."""
    folder = PlanFolder(tmp_path)
    damaged = made(folder, 1, source_bytes=1)
    (tmp_path / f"{damaged.about.plan}.plan").write_bytes(b"no zip")
    assert last_of_kind(folder, made(folder, 2)) is None


def test_unusual_tells_that_the_file_differs_and_how_many_rows(tmp_path: Path) -> None:
    """An approver reads that the file is another one and how many rows came, not hashes."""
    folder = PlanFolder(tmp_path)
    before, after = made(folder, 1, source_sha256="a" * 64), made(folder, 2, rows=5)
    told = {each.name: each.after for each in unusual(*(folder.find(each.about.plan) for each in (before, after)))}
    assert told == {"file": "another one", "rows added": "3"}


def test_above_rows_reads_no_rows(tmp_path: Path) -> None:
    """What differs above the rows is told without what the rows say."""
    folder = PlanFolder(tmp_path)
    before, after = made(folder, 1, source_sha256="a" * 64), made(folder, 2, rows=5)
    assert [each.name for each in above_rows(before, after)] == ["file"]
