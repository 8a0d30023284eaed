"""CellShown, RowShown: a row of the preview as the table shows it: each finding under its cell, each fix beside what the file says."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from importer.core.columns import COLUMN_OF
from importer.core.findings import Finding, Severity, worst
from importer.core.rows import cell_address
from importer.core.unseen import BROKEN
from importer.drafts.draft import ColumnChoice, Columns, DraftRow, FixedCell
from importer.markup.texts import line as in_line

LABEL_MOST = 160
LONG = 40
"""A cell of more characters gets a wider column."""
TONES: dict[Severity | None, str] = {Severity.ERROR: "bad", Severity.WARNING: "look"}
UNTYPED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")
"""Characters that no form carries back as they are."""


@dataclass(frozen=True, slots=True)
class ColumnShown:
    """A column of the table."""

    index: int  # 0-based
    letter: str
    heading: str
    becomes: str  # the field that it feeds, for people; a blank: none
    used: bool


@dataclass(frozen=True, slots=True)
class CellShown:
    """A cell of the table."""

    column: int
    text: str
    used: bool
    findings: tuple[Finding, ...] = ()
    fixed: FixedCell | None = None
    css: str = "cell"
    url: str = ""
    label: str = ""  # what a screen reader says of it


@dataclass(frozen=True, slots=True)
class RowShown:
    """A row of the table."""

    line: int
    verdict: str
    warned: bool
    task_id: str | None
    left_out: str | None
    findings: tuple[Finding, ...]  # those that belong to no cell that is shown
    cells: tuple[CellShown, ...]


def columns_shown(columns: Columns, headings: Sequence[str], *, wide: bool) -> list[ColumnShown]:
    """The columns of the table: those that feed something, or all where `wide` is asked for or nothing feeds."""
    names = {each.field: each.name for each in columns.fields}
    known = [_shown(each, names) for each in columns.columns]
    seen = {each.index for each in known}
    known += [ColumnShown(i, "", heading, "", used=False) for i, heading in enumerate(headings) if i not in seen]
    used = [each for each in known if each.used]
    return known if wide or not used else used


def _shown(column: ColumnChoice, names: dict[str, str]) -> ColumnShown:
    used = column.field is not None or bool(column.locked)
    return ColumnShown(column.index, column.letter, column.heading, _becomes(column, names), used=used)


def _becomes(column: ColumnChoice, names: dict[str, str]) -> str:
    field = column.field or ""
    if field.startswith("attribute:"):
        return "attribute" if field[10:] == column.heading else f"attribute {field[10:]}"
    if field in names:
        return "" if names[field].casefold() == column.heading.casefold() else names[field]
    return COLUMN_OF[field].name if field in COLUMN_OF else ""


def row_shown(row: DraftRow, columns: Sequence[ColumnShown], base: str) -> RowShown:
    """The row for the table; `base` is the address of the rows, without a query."""
    by_cell: dict[str, list[Finding]] = {}
    for each in row.findings:
        if each.cell is not None:
            by_cell.setdefault(each.cell.rpartition("!")[2], []).append(each)
    fixed = {each.column: each for each in row.fixed}
    cells = []
    for column in columns:
        found = tuple(by_cell.pop(cell_address(None, column.index, row.line), ()))
        cells.append(_cell(row, column, found, fixed.get(column.index), base))
    left = {id(each) for several in by_cell.values() for each in several}
    loose = tuple(each for each in row.findings if each.cell is None or id(each) in left)
    warned = row.verdict == "ready" and worst(row.findings) is Severity.WARNING
    return RowShown(row.line, row.verdict, warned, row.task_id, row.left_out, loose, tuple(cells))


def _cell(
    row: DraftRow, column: ColumnShown, findings: tuple[Finding, ...], fixed: FixedCell | None, base: str
) -> CellShown:
    text = text_of(row, column.index)
    css = "cell long" if len(text) > LONG else "cell"
    if not (column.used or findings or fixed):
        return CellShown(column.index, text, used=False, css=css)
    severity = worst(findings)
    said = in_line(text, LABEL_MOST) or "(blank)"
    return CellShown(
        column.index,
        text,
        used=True,
        findings=findings,
        fixed=fixed,
        css=f"{css} {TONES[severity]}" if severity in TONES else css,
        url=f"{base}/{row.line}/{column.index}",
        label=f"{in_line(column.heading, 60) or column.letter} {said}, row {row.line}, edit",
    )


def text_of(row: DraftRow, column: int) -> str:
    """What a cell says, with its fix; a blank where the row ends before."""
    return row.cells[column] if column < len(row.cells) else ""


def mark(text: str) -> str:
    """A short proof of what a person saw in a cell: forms change line breaks and cannot carry every character."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def typed(text: str) -> str:
    """A text as it can stand in an input and come back: without control characters and broken halves."""
    return UNTYPED.sub("", BROKEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def sent(text: str) -> str:
    """A text as a form sent it, with the line breaks of a cell."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
