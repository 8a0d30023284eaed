"""What is shown of a draft costs what is shown, not what the draft has: counted in the database's own steps."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from importer.drafts import shown
from importer.drafts.book import Book
from importer.drafts.draft import Filter
from importer.drafts.stage import WHOLE_ROW, Stage

MANY = 3_000
FEW_STEPS = 60
"""Hundreds of steps of the database that suffice for a few cells."""


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """Rows of which the first and the last say something that no other says."""
    head = ("x.csv", "", 1, "csv", "anna", "token", "2026-11-25T08:00:00Z", "{}", "anna")
    with Book.made(tmp_path / "draft.sqlite", head) as made:
        with made.writing():
            for number in range(1, MANY + 1):
                text = "rare" if number in (1, MANY) else "usual"
                cells, name = f'["E-{number}", "{text}"]', f"E-{number}"
                row = number, number + 1, None, cells, "", "ready", name, "Q", "Q", None, 0, "[]"
                made.ask(f"INSERT INTO rows VALUES ({','.join('?' * len(row))})", row)
                made.ask("INSERT INTO texts VALUES (?, ?)", (number, text))
        yield made


def changed(book: Book, kind: str, changes: list[tuple[int, int, str | None, str | None]]) -> int:
    """A batch of these changes; its ID."""
    stage = Stage(book)
    stage.change(changes)
    with book.writing():
        batch = stage.record(kind, "words", "anna", "2026-11-25T08:00:00Z")
    for table in ("rows", "texts", "found", "unknown", "changes"):
        book.ask(f"DROP TABLE temp.staged_{table}")
    for table in ("affected", "affected_ids"):
        book.ask(f"DROP TABLE temp.{table}")
    return batch


@contextmanager
def steps(book: Book) -> Iterator[Callable[[], int]]:
    """How many hundreds of steps the database made."""
    count = 0

    def one() -> int:
        nonlocal count
        count += 1
        return 0

    book.connection.set_progress_handler(one, 100)
    yield lambda: count
    book.connection.set_progress_handler(None, 100)


def test_rows_that_stand_apart_are_read_without_what_is_between(book: Book) -> None:
    """A page of two rows reads the fixes and reasons of these two, however many lines between them have some."""
    changed(book, "many", [(line, 1, "usual", "other") for line in range(3, MANY + 1)])
    changed(book, "skip", [(line, WHOLE_ROW, None, "why") for line in range(3, MANY + 1)])
    with steps(book) as count:
        rows = shown.draft_rows(book, [1, MANY])
        assert [row.cells[1] for row in rows] == ["rare", "rare"]
        assert count() < FEW_STEPS
    assert [row.line for row in shown.page(book, Filter(text="rare"), ("A", "B")).rows] == [2, MANY + 1]


def test_list_of_changes_goes_through_the_smaller_ones(book: Book) -> None:
    """Whether a change of many cells can be undone is known from the few cells that were changed since."""
    many = changed(book, "many", [(line, 1, "usual", "other") for line in range(3, MANY + 1)])
    apart = changed(book, "fix", [(2, 1, "rare", "x")])
    with steps(book) as count:
        assert [(each.id, each.can_undo) for each in shown.batches(book)] == [(apart, True), (many, True)]
        assert count() < FEW_STEPS
    same = changed(book, "fix", [(7, 1, "other", "x")])
    assert [(each.id, each.can_undo) for each in shown.batches(book)] == [(same, True), (apart, True), (many, False)]
    with book.writing():
        book.run("set_undone", same)
    assert [each.can_undo for each in shown.batches(book)] == [False, True, True]
