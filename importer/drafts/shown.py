"""Shown: what is seen of a draft's preview: pages, counts, causes. Reads; never holds all rows."""

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from importer.core.findings import Finding
from importer.core.fixes import FixMany, cell
from importer.core.plan import findings_read
from importer.core.report import CAUSE_LINES, Cause, cause_of, made_cause, preview_counts
from importer.core.verdicts import Verdict
from importer.drafts.book import Book, text_of
from importer.drafts.draft import PAGE_ROWS, Batch, DraftRow, Filter, FixedCell, Offer, Page
from importer.drafts.stage import Stage

CAUSES_MOST = 200
BATCHES_MOST = 200
OFFERED = ("V330", "V311", "V211", "V231")
"""Causes that one change of many cells could mend."""


def page(book: Book, which: Filter, headings: Sequence[str]) -> Page:
    """The rows of one page."""
    total, positions, number = _positions(book, which)
    rows = tuple(draft_rows(book, positions))
    first = (number - 1) * PAGE_ROWS + 1 if rows else 0
    pages = max(1, -(-total // PAGE_ROWS))
    return Page(rows, total, number, pages, first, tuple(headings))


def _positions(book: Book, which: Filter) -> tuple[int, Sequence[int], int]:
    """How many rows the filter lets through, the positions on the page, and the page's number."""
    wanted = book.one("position_from", which.line) if which.line is not None else None
    sets = _sets(which)
    if not sets:  # positions have no gaps
        total = int(book.one("last_position"))
        number = _number(which, total, (wanted or total) - 1)
        return total, range((number - 1) * PAGE_ROWS + 1, min(number * PAGE_ROWS, total) + 1), number
    (first, *others), values = [part for part, _ in sets], [value for _, several in sets for value in several]
    sought = " AND ".join((first, *(f"position IN ({each})" for each in others)))
    statement = f"SELECT json_group_array(position) FROM ({sought} ORDER BY position)"  # noqa: S608 - constants alone
    found = json.loads(book.ask(statement, values).fetchone()[0])  # faster than 100,000 rows of one number
    index = bisect_left(found, wanted) if wanted is not None else len(found)
    number = _number(which, len(found), min(index, len(found) - 1))
    return len(found), found[(number - 1) * PAGE_ROWS : number * PAGE_ROWS], number


def _number(which: Filter, total: int, index: int) -> int:
    if which.line is not None:
        return max(index, 0) // PAGE_ROWS + 1
    return min(max(which.number, 1), max(1, -(-total // PAGE_ROWS)))


def _sets(which: Filter) -> list[tuple[str, list[Any]]]:
    """The positions that each part of the filter lets through: constant queries that end in a condition, and their values."""
    sets: list[tuple[str, list[Any]]] = []
    if which.text:  # the one that reads all texts comes first: it gives its positions in order
        sets.append(("SELECT position FROM texts WHERE instr(text, ?)", [which.text.casefold()]))
    if which.verdict:
        sets.append(("SELECT position FROM rows WHERE verdict = ?", [which.verdict]))
    if which.code and which.heading:
        both = "SELECT DISTINCT position FROM found WHERE code = ? AND heading = ?"
        sets.append((both, [which.code, which.heading]))
    elif which.code:
        sets.append(("SELECT DISTINCT position FROM found WHERE code = ?", [which.code]))
    elif which.heading:
        sets.append(("SELECT DISTINCT position FROM found WHERE heading = ?", [which.heading]))
    if which.fixed:
        sets.append(("SELECT position FROM rows WHERE line IN (SELECT line FROM fixes)", []))
    return sets


def draft_rows(book: Book, positions: Sequence[int]) -> list[DraftRow]:
    """The rows at these positions, with their fixes."""
    found = book.run("rows_at", text_of(list(positions))).fetchall()
    if not found:
        return []
    lines = text_of([each[1] for each in found])  # these alone: rows of a filter stand far apart
    fixes: dict[int, dict[int, tuple[str, FixedCell]]] = {}
    for line, column, new, old, who, at in book.run("fixes_of_lines", lines):
        fixes.setdefault(line, {})[column] = new, FixedCell(column, old, who, at)
    skipped = dict(book.run("skipped_of_lines", lines).fetchall())
    return [_row(each, fixes.get(each[1], {}), skipped) for each in found]


def _row(row: Any, fixes: Mapping[int, tuple[str, FixedCell]], skipped: Mapping[int, str]) -> DraftRow:
    _, line, file_line, cells, verdict, external_id, queue, task_id, findings = row
    texts = json.loads(cells)
    texts += [""] * (max(fixes, default=-1) + 1 - len(texts))
    for column, (new, _) in fixes.items():
        texts[column] = new
    told = tuple(each for _, each in fixes.values())
    found = findings_read(json.loads(findings))
    return DraftRow(line, file_line, tuple(texts), verdict, external_id, queue, task_id, found, told, skipped.get(line))


def counts(book: Book) -> dict[str, int]:
    """The books, and `warnings`: ready rows with a warning."""
    found = book.run("verdicts").fetchall()
    verdicts = {Verdict(verdict): number for verdict, number in found}
    return {**preview_counts(verdicts), "warnings": book.one("warnings")}


def by_queue(book: Book) -> dict[str, Counter[str]]:
    """Rows by the queue as written and by verdict, in the order of the file."""
    found: dict[str, Counter[str]] = {}
    for asked, verdict, number, _ in book.run("asked"):
        found.setdefault(asked, Counter())[verdict] += number
    return found


def causes(book: Book) -> list[Cause]:
    """Findings by cause, ranked as core.report.Causes ranks them."""
    ranked = []
    for code, heading, value, rows, freed, position, _ in book.run("causes", CAUSES_MOST).fetchall():
        lines = [line for (line,) in book.run("cause_lines", code, heading, value, CAUSE_LINES)]
        first = _finding(book, position, (code, heading, value))
        ranked.append(made_cause(first, rows, freed, lines))
    return ranked


def _finding(book: Book, position: int, key: tuple[str, str, str]) -> Finding:
    findings = findings_read(json.loads(book.one("findings_at", position)))
    return [each for each in findings if cause_of(each) == key][-1]


def batches(book: Book, most: int = BATCHES_MOST) -> list[Batch]:
    """What people changed, newest first."""
    found = book.run("batches", most).fetchall()
    return [
        Batch(
            id=number, kind=kind, words=words, who=who, at=at, cells=cells, undone=bool(undone),
            can_undo=not undone and kind != "undo" and not overlapped(book, number, cells),
        )
        for number, kind, words, who, at, cells, undone in found
    ]  # fmt: skip


def overlapped(book: Book, batch: int, cells: int) -> bool:
    """Whether a later change that stands concerns the same cells as a batch, which has so many. Goes through the fewer of both."""
    later = book.one("cells_later", batch)
    if not later:
        return False
    return book.one("overlapped" if cells <= later else "overlapped_by_few", batch) is not None


def many_changes(stage: Stage, many: FixMany) -> Iterator[tuple[int, int, str | None, str | None]]:
    """Line, column, before and after of each cell that a fix of many changes; one at a time."""
    for _, _, row in stage.changed_rows("all_rows"):
        before = cell(row.cells, many.column)
        after = many.change(before)
        if after != before:
            yield row.line, many.column, before, after


def offers(book: Book, headings: Sequence[str]) -> list[Offer]:
    """Fixes of many cells that findings ask for: white space that is no harm is not among them."""
    found = []
    for code in OFFERED:
        for heading, number in book.run("code_by_heading", code, 3).fetchall():
            if number > 1 and headings.count(heading) == 1:
                kind = FixMany("trim" if code == "V330" else "blank", headings.index(heading))
                found.append(Offer(kind, kind.words(heading), number))
    return found
