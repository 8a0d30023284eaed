"""Fixes: what people correct in rows without touching their file, as values; and how rows look with them. Knows no file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from importer.core.errors import UsageError
from importer.core.findings import shorten
from importer.core.rows import Row, cell_address

SCHEMA = "importer.fixes/1"
COLUMNS_MOST = 16_384
"""As many as a spreadsheet has."""
TEXT_MOST = 32_767
"""Characters of a cell, as in Excel."""
REASON_MOST = 500


class FixRefused(UsageError):
    """A fix does not fit the file: what it would replace is not there."""


@dataclass(frozen=True, slots=True, order=True)
class Fix:
    """One cell's text replaced: `old` is exactly what the file says there (a blank where the row ends before)."""

    line: int  # as the spreadsheet shows it, 1-based
    column: int  # 0-based
    old: str
    new: str

    def record(self) -> dict[str, Any]:
        """The fix as plain values; `fix_of` reads it back."""
        return {"line": self.line, "column": self.column, "old": self.old, "new": self.new}


@dataclass(frozen=True, slots=True)
class Fixed:
    """Who made the fix of one cell, and when. For the record, not part of a digest."""

    line: int
    column: int
    who: str
    at: str  # RFC 3339, UTC


@dataclass(frozen=True, slots=True)
class FixMany:
    """One change to many cells of a column."""

    kind: Literal[
        "blank", "trim", "replace"
    ]  # set blank cells; remove white space around values; one value for another
    column: int  # 0-based
    new: str = ""  # blank, replace: what the cells will say
    old: str = ""  # replace: what they say now, exactly

    def change(self, text: str) -> str:
        """What a cell with this text will say; the same text where nothing changes."""
        match self.kind:
            case "blank":
                return text if text.strip() else self.new
            case "trim":
                return text.strip()
            case "replace":
                return self.new if text == self.old else text

    def words(self, heading: str) -> str:
        """What it does, for people: `blank cells of “Priority” set to “50”`."""
        match self.kind:
            case "blank":
                return f"blank cells of “{heading}” set to “{shorten(self.new, 40)}”"
            case "trim":
                return f"white space removed in “{heading}”"
            case "replace":
                return f"“{shorten(self.old, 40)}” replaced by “{shorten(self.new, 40)}” in “{heading}”"


@dataclass(frozen=True, slots=True)
class FixesFile:
    """What a file of fixes says: fixes, and lines that are left out with the reason."""

    fixes: tuple[Fix, ...] = ()
    skipped: Mapping[int, str] = field(default_factory=dict)
    sha256: str = ""  # of the spreadsheet that they belong to; a blank: any

    def record(self) -> dict[str, Any]:
        """The file as plain values; `read_fixes` reads it back."""
        return {
            "schema": SCHEMA,
            "sha256": self.sha256,
            "fixes": [each.record() for each in sorted(self.fixes)],
            "skipped": [{"line": line, "reason": reason} for line, reason in sorted(self.skipped.items())],
        }


def cell(cells: Sequence[str], column: int) -> str:
    """The text of a cell; a blank where the row ends before."""
    return cells[column] if column < len(cells) else ""


def fixed(row: Row, fixes: Mapping[int, str]) -> Row:
    """The row with other texts in some columns. A cell that is fixed loses what the source knew of it."""
    changed = {column: text for column, text in fixes.items() if text != cell(row.cells, column)}
    if not changed:
        return row
    cells = [*row.cells, *[""] * (max(changed) + 1 - len(row.cells))]
    for column, text in changed.items():
        cells[column] = text
    marks = tuple(mark for mark in row.marks if mark.column not in changed)
    return row._replace(cells=cells, marks=marks)


def overlaid(rows: Iterable[Row], fixes: Sequence[Fix], sheet: str | None = None) -> Iterator[Row]:
    """The rows with their fixes. Raises FixRefused at a row that says something else, and at the end for lines that are not there."""
    waiting: dict[int, list[Fix]] = {}
    for each in fixes:
        waiting.setdefault(each.line, []).append(each)
    for row in rows:
        own = waiting.pop(row.line, ()) if waiting else ()
        for each in own:
            if cell(row.cells, each.column) != each.old:
                raise _not_so(each, cell(row.cells, each.column), sheet)
        yield fixed(row, {each.column: each.new for each in own}) if own else row
    for several in waiting.values():
        raise FixRefused(
            f"There is no row at line {several[0].line} to be fixed.",
            "Use the fixes with the file that they were made for.",
        )


def of_row(row: Row, changes: Mapping[int, str]) -> tuple[Fix, ...]:
    """The fixes that make a row, as it was read, say what `changes` says; those that change nothing are none."""
    told = ((column, cell(row.cells, column), text) for column, text in sorted(changes.items()))
    return tuple(Fix(row.line, column, old, new) for column, old, new in told if old != new)


def checked(fix: Fix) -> Fix:
    """The fix, if its place and text are possible. Raises UsageError."""
    if fix.line < 1 or not 0 <= fix.column < COLUMNS_MOST:
        raise UsageError(f"There is no cell at line {fix.line}, column {fix.column}.", "Name a cell of the sheet.")
    _text(fix.new, f"The text for {cell_address(None, fix.column, fix.line)}")
    return fix


def reason_of(text: str) -> str:
    """A reason for leaving rows out, in one line. Raises UsageError where it is too long."""
    reason = " ".join(text.split())
    if len(reason) > REASON_MOST:
        raise UsageError(f"The reason has {len(reason):,} characters; at most {REASON_MOST} are kept.", "Shorten it.")
    _text(reason, "The reason")
    return reason


def read_fixes(record: Any, where: str) -> FixesFile:
    """The fixes from parsed JSON. Raises UsageError that names `where` (the file) and the entry."""
    try:
        if record["schema"] != SCHEMA:
            raise UsageError(f"{where} is not a file of fixes of this version ({SCHEMA}).", "Download the fixes again.")
        fixes = tuple(fix_of(each) for each in record.get("fixes", []))
        skipped = {_number(each["line"]): reason_of(_str(each.get("reason", ""))) for each in record.get("skipped", [])}
        sha256 = _str(record.get("sha256", ""))
    except (KeyError, TypeError, AttributeError) as problem:
        raise UsageError(f"{where} is not a file of fixes: {problem}.", f"It has the form of {SCHEMA}.") from problem
    places = [(each.line, each.column) for each in fixes]
    if len(set(places)) < len(places):
        raise UsageError(f"{where} has two fixes of one cell.", "Keep one of them.")
    return FixesFile(fixes, skipped, sha256)


def fix_of(record: Mapping[str, Any]) -> Fix:
    """The fix from its record. Raises KeyError or TypeError for another form, UsageError for what is not possible."""
    texts = _str(record["old"]), _str(record["new"])
    return checked(Fix(_number(record["line"]), _number(record["column"]), *texts))


def _not_so(fix: Fix, found: str, sheet: str | None) -> FixRefused:
    where = cell_address(sheet, fix.column, fix.line)
    return FixRefused(
        f"{where} says “{shorten(found, 80)}”, not “{shorten(fix.old, 80)}”: the fix was made for another file.",
        "Use the fixes with the file that they were made for, or make them anew.",
    )


def _text(text: str, what: str) -> None:
    if len(text) > TEXT_MOST:
        raise UsageError(f"{what} has {len(text):,} characters; a cell holds {TEXT_MOST:,}.", "Shorten it.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise UsageError(f"{what} holds half a character.", "Type it again.")


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is not a whole number")
    return value
