"""SheetRows: the rows of a sheet as a stream of texts, and what is known of them only at the end."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from importer.core.file_limits import FileLimits, check
from importer.core.findings import Finding, finding, listed
from importer.core.rows import Line, Mark, Row, column_letter
from importer.sources.xlsx_patches import Patch
from importer.sources.xlsx_scan import Detail
from importer.sources.xlsx_text import MOST_EXACT, Value, is_long, is_whole, shaped, text_of

LINES_MARKED = 1000
"""Whole numbers are marked V206 in so many lines with values: enough to tell what an ID column holds, at no cost."""


LAST_OF_FEBRUARY, LEAP_DAY = "1900-02-28", "1900-02-29"

LeapDays = Callable[[], set[tuple[int, int]]]
"""Line and column of the cells that hold 29 February 1900. It takes a pass over the sheet, so it is asked only where one may be."""


class Values(Protocol):
    """A sheet of the fast reader: `start` is the first cell with a value; rows come from line 1, columns from `start`."""

    @property
    def start(self) -> tuple[int, int] | None: ...

    def iter_rows(self) -> Iterable[list[Value]]: ...


class SheetRows:
    """Iterated once; then `findings` tells of blank and hidden lines, and of hidden columns with values.

    Mutable: what was seen so far of blank lines, hidden lines and hidden columns, and the number of lines with values.
    """

    def __init__(self, values: Values, detail: Detail, name: str, limits: FileLimits, leap_days: LeapDays) -> None:
        self._values = values
        self._detail = detail
        self._name = name
        self._blank = 0
        self._hidden_lines: list[int] = []
        self._hidden_columns: set[int] = set()
        self._hiding = bool(detail.hidden_lines or detail.hidden_columns)
        self._lines = 0
        self._long = False
        self._leap_days = leap_days
        self._late_february = False
        self._columns = sys.maxsize if limits.columns is None else limits.columns
        self._cell = sys.maxsize if limits.cell is None else limits.cell

    def __iter__(self) -> Iterator[Row]:
        patches = self._detail.patches
        offset = self._values.start[1] if self._values.start else 0
        waiting = line = 0
        for line, values in enumerate(self._values.iter_rows(), 1):
            texts = [value if type(value) is str else self._text(value) for value in values]
            found = patches.of(line) if patches else []
            if self._late_february:
                self._mend_february(line, offset, texts)
            whole = "".join(texts)
            if not found and not whole.strip():
                waiting += 1
                continue
            if len(whole) > self._cell or len(texts) + offset > self._columns:
                self._check(line, offset, texts)
            self._blank, waiting = self._blank + waiting, 0
            if found or offset or self._hiding or self._long or self._lines < LINES_MARKED:
                yield self._row(line, offset, values, texts, found)
            else:
                yield Row(Line(line), texts)
        yield from self._only_patched(line, waiting)

    def findings(self) -> list[Finding]:
        """Complete when the rows have been iterated to their end."""
        found = []
        if self._blank:
            found.append(finding("F202", sheet=self._name, count=self._blank))
        if self._hidden_lines:
            lines = listed(map(str, self._hidden_lines))
            found.append(finding("F205", sheet=self._name, count=len(self._hidden_lines), lines=lines))
        if self._hidden_columns:
            columns = listed(column_letter(column) for column in sorted(self._hidden_columns))
            found.append(finding("F211", sheet=self._name, count=len(self._hidden_columns), columns=columns))
        return found

    def _check(self, line: int, offset: int, texts: list[str]) -> None:
        """Raises FileRefused where the row has too many columns, or one of its cells too many characters."""
        used = max((column for column, text in enumerate(texts, offset + 1) if text.strip()), default=0)
        check(used, self._columns, "columns", f"line {line} has {{found}} columns")
        check(max(map(len, texts)), self._cell, "cell", f"a cell in line {line} has {{found}} characters")

    def _text(self, value: Value) -> str:
        if type(value) is float:
            if value >= MOST_EXACT or value <= -MOST_EXACT:
                self._long = True
            elif value.is_integer():
                return str(int(value))
        text = text_of(value)
        if text.startswith(LAST_OF_FEBRUARY):
            self._late_february = True
        return text

    def _mend_february(self, line: int, offset: int, texts: list[str]) -> None:
        """The fast reader gives the same date for 28 and 29 February 1900; spreadsheets have both."""
        self._late_february = False
        days = self._leap_days()
        for column, text in enumerate(texts):
            if text.startswith(LAST_OF_FEBRUARY) and (line, column + offset) in days:
                texts[column] = LEAP_DAY + text[len(LEAP_DAY) :]

    def _row(
        self, line: int, offset: int, values: list[Value], texts: list[str], found: list[tuple[int, Patch]]
    ) -> Row:
        marks = self._number_marks(values, offset) if self._long or self._lines < LINES_MARKED else []
        self._lines += 1
        self._long = False
        if offset:
            texts = [""] * offset + texts
        if found:
            marks = _patched(found, offset, values, texts, marks)
        if self._hiding:
            self._note_hidden(line, texts)
        return Row(Line(line), texts, None, tuple(marks))

    def _number_marks(self, values: list[Value], offset: int) -> list[Mark]:
        marks = []
        for column, value in enumerate(values, offset):
            if is_long(value):
                marks.append(Mark(column, "V205"))
            elif self._lines < LINES_MARKED and is_whole(value):
                marks.append(Mark(column, "V206"))
        return marks

    def _note_hidden(self, line: int, texts: list[str]) -> None:
        if line in self._detail.hidden_lines:
            self._hidden_lines.append(line)
        for column in self._detail.hidden_columns - self._hidden_columns if self._detail.hidden_columns else ():
            if column < len(texts) and texts[column].strip():
                self._hidden_columns.add(column)

    def _only_patched(self, last: int, waiting: int) -> Iterator[Row]:
        """Lines below the last value that hold only formulas without a value: the fast reader does not see them."""
        for line in range(last + 1, self._detail.last_line + 1 if self._detail.patches else 0):
            found = self._detail.patches.of(line)
            if not found:
                waiting += 1
                continue
            self._blank, waiting = self._blank + waiting, 0
            yield self._row(line, 0, [], [], found)


def _patched(
    found: list[tuple[int, Patch]], offset: int, values: list[Value], texts: list[str], marks: list[Mark]
) -> list[Mark]:
    """Changes `texts` in place and returns the marks."""
    for column, patch in found:
        texts.extend([""] * (column + 1 - len(texts)))
        if patch.text is not None:
            texts[column] = patch.text
        elif patch.shape is not None and 0 <= column - offset < len(values):
            texts[column] = shaped(values[column - offset], patch.shape)
            marks = [mark for mark in marks if mark != (column, "V206")]
        if patch.code is not None:
            marks = [*marks, Mark(column, patch.code)]
    return marks
