"""Stage: judged rows on their way into a draft; and the rows that a change concerns, a few at a time."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from importer.core.facts import Facts
from importer.core.findings import Finding, Severity
from importer.core.fixes import cell, fixed
from importer.core.plan import canonical, findings_record
from importer.core.report import cause_of
from importer.core.rows import Line, Mark, Row
from importer.core.verdicts import Judged, Verdict, has_warning
from importer.core.workitem_checks import named
from importer.drafts.book import Book, statements, text_of

AT_ONCE = 500
BETWEEN = "\x1f"
"""Between two cells of a row in `texts`."""
WHOLE_ROW = -1
SEVERITIES = {severity: number for number, severity in enumerate(Severity)}


def folded(cells: Sequence[str]) -> str:
    """What is searched: all cells, without regard to case."""
    return BETWEEN.join(cells).casefold()


class Stage:
    """Rows that were judged, in temporary tables of one connection, until `replace` or `apply` lets everybody see them."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._rows: list[tuple[Any, ...]] = []
        self._texts: list[tuple[Any, ...]] = []
        self._found: list[tuple[Any, ...]] = []
        self._unknown: list[tuple[Any, ...]] = []
        self._originals: deque[tuple[int, Row]] = deque()  # with their positions; 0: the next one
        self._count = 0
        for statement in statements("stage.sql"):
            book.connection.execute(statement)

    # Rows as the file has them

    def teed(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The rows of a file, each kept as it was read until it is judged."""
        for row in rows:
            self._originals.append((0, row))
            yield row

    def affected(self, shape: Callable[[Row], str]) -> None:
        """Marks the rows that the staged changes concern: those changed, and all that share an external ID they have or had.

        `shape` gives a row's external ID.
        """
        self.book.run("changed_lines")
        for _, _, row in self.changed_rows("affected_rows"):
            self.book.run("add_affected_id", shape(row))
        self.book.run("affected_by_id")

    def again(self) -> Iterator[Row]:
        """The rows concerned, with all fixes and the staged changes, in the order of lines."""
        for position, original, row in self.changed_rows("affected_rows"):
            self._originals.append((position, original))
            yield row

    def changed_rows(self, which: str) -> Iterator[tuple[int, Row, Row]]:
        """Position, row as read, and row as it is to be, staged changes among it."""
        after = 0
        while several := self.book.run(which, after, AT_ONCE).fetchall():
            after = several[-1][0]
            texts = self._texts_between(several[0][1], several[-1][1])
            for position, line, file_line, cells, marks in several:
                told = tuple(Mark(*each) for each in json.loads(marks)) if marks else ()
                original = Row(Line(line), json.loads(cells), file_line, told)
                yield position, original, fixed(original, texts.get(line, {}))

    def _texts_between(self, first: int, last: int) -> dict[int, dict[int, str]]:
        texts: dict[int, dict[int, str]] = {}
        for line, column, new, *_ in self.book.run("fixes_between", first, last):
            texts.setdefault(line, {})[column] = new
        for line, column, after in self.book.run("staged_changes_between", first, last):
            if column != WHOLE_ROW:
                texts.setdefault(line, {})[column] = after
        return texts

    def skipped(self) -> dict[int, str]:
        """The lines left out, and why, with the staged changes."""
        skipped = self.book.skipped()
        for line, column, after in self.book.run("staged_changes"):
            if column == WHOLE_ROW:
                skipped.pop(line, None)
                if after is not None:
                    skipped[line] = after
        return skipped

    # Judged rows

    def take(self, judged: Judged, facts: Facts) -> None:
        """One row with its final verdict. See flow.preview.Take."""
        position, original = self._originals.popleft()
        while original.line != judged.row.line:  # what stands above the header
            position, original = self._originals.popleft()
        self._count += 1
        position = position or self._count
        row, request = judged.row, judged.request
        self._rows.append(
            (
                position, row.line, row.file_line, text_of(list(original.cells)),
                text_of(original.marks) if original.marks else "", judged.verdict.value, judged.external_id,
                request["queue"] if request else None,
                judged.queue.name if judged.queue else request["queue"] if request else "", judged.task_id,
                int(has_warning(judged)), canonical(findings_record(judged.findings)) if judged.findings else "[]",
            )
        )  # fmt: skip
        self._texts.append((position, folded(row.cells)))
        self._found += _causes(position, judged.findings)
        self._unknown += [(position, field, value) for field, value in dict.fromkeys(_unknown(judged, facts))]
        if len(self._rows) >= AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Into the temporary tables."""
        with self.book.staging():
            for name, values in (
                ("stage_row", self._rows), ("stage_text", self._texts), ("stage_found", self._found),
                ("stage_unknown", self._unknown),
            ):  # fmt: skip
                self.book.many(name, values)
                values.clear()

    def replace(self) -> None:
        """The staged rows become all rows of the draft. Inside of a transaction."""
        for name in ("empty_rows", "empty_texts", "empty_found", "empty_unknown"):
            self.book.run(name)
        self._move()

    def apply(self) -> None:
        """The staged rows take the place of the same rows. Inside of a transaction."""
        self.book.run("drop_found")
        self.book.run("drop_unknown")
        self._move()

    def _move(self) -> None:
        for name in ("take_rows", "take_texts", "take_found", "take_unknown"):
            self.book.run(name)

    # Changes

    def change(self, changes: Iterable[tuple[int, int, str | None, str | None]]) -> int:
        """Stages changes of cells (line, column, before, after); how many."""
        with self.book.staging():
            self.book.many("stage_change", changes)
        return int(self.book.one("staged_count"))

    def record(self, kind: str, words: str, who: str, at: str) -> int:
        """Makes the staged changes fixes and left-out lines of the draft; the batch's ID. Inside of a transaction."""
        count = self.book.one("staged_count")
        batch = self.book.run("add_batch", kind, words, who, at, count).lastrowid
        self.book.run("add_changes", batch)
        line, cells = 0, []
        for at_line, column, after in self.book.run("staged_changes").fetchall():
            if column == WHOLE_ROW:
                self.book.run(*(("put_skip", at_line, after) if after is not None else ("drop_skip", at_line)))
                continue
            if at_line != line:
                line, cells = at_line, json.loads(self.book.one("original", at_line))
            old = cell(cells, column)
            if after == old:
                self.book.run("drop_fix", line, column)
            else:
                self.book.run("put_fix", line, column, old, after, who, at)
        assert batch is not None
        return batch


def _causes(position: int, findings: Sequence[Finding]) -> Iterator[tuple[Any, ...]]:
    """The causes of a row, each once."""
    errors = {cause_of(each) for each in findings if each.severity is Severity.ERROR}
    for key, each in {cause_of(each): each for each in findings}.items():
        yield (position, *key, SEVERITIES[each.severity], int(errors == {key}))


def _unknown(judged: Judged, facts: Facts) -> Iterator[tuple[str, str]]:
    """Field and value of what a row names and the target does not know."""
    request = judged.request
    for each in judged.findings:
        if each.code == "V305" and each.value and not each.value.endswith("…"):
            yield "type", each.value
    if request is None or judged.verdict is not Verdict.INVALID or not facts.online:
        return
    if request["queue"] and not facts.queues.get(request["queue"], ()):
        yield "queue", request["queue"]
    for field, text in named(request):
        several = field == "skills" and len(request.get("skills", [])) > 1
        if not several and not facts.references.get((field, text), ()):
            yield field, text
