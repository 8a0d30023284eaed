"""Row: what was read from one line of a spreadsheet, as text, and where it stood. Knows no file format."""

from collections.abc import Sequence
from typing import NamedTuple, NewType

Line = NewType("Line", int)
"""A row's number as the spreadsheet shows it: 1-based, the header counts, a `sep=` line does not."""


class Mark(NamedTuple):
    """Something that a source knows about one cell and that its text alone cannot tell."""

    column: int  # 0-based index into Row.cells
    code: str  # a code of the catalogue in core/findings.py, such as "V320"


class Row(NamedTuple):
    """One line as a person reads it.

    `cells` holds a text for every column from A on, untrimmed; trailing blank cells may be missing.
    """

    line: Line
    cells: Sequence[str]
    file_line: int | None = None  # the file's own line where it differs from `line` (line breaks in cells), else None
    marks: tuple[Mark, ...] = ()
    screened: str = ""  # the external ID of a row that core/screen.py calls good; its cells are then left out


class Sheet(NamedTuple):
    """What is known of a table before its rows are read."""

    format: str  # "csv", "xlsx"
    name: str | None  # the sheet's name; None for a CSV file
    encoding: str | None = None  # of a CSV file
    delimiter: str | None = None  # of a CSV file
    others: tuple[str, ...] = ()  # names of the sheets that are not read
    hidden: tuple[str, ...] = ()  # those of them that are hidden


def column_letter(column: int) -> str:
    """The spreadsheet's name of a 0-based column: 0 is A, 25 is Z, 26 is AA."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def cell_address(sheet: str | None, column: int, line: int) -> str:
    """`Tasks!C17`, or `C17` where there is no sheet. A sheet name with other than letters and digits is quoted."""
    address = f"{column_letter(column)}{line}"
    if sheet is None:
        return address
    name = sheet if sheet.isalnum() else "'" + sheet.replace("'", "''") + "'"
    return f"{name}!{address}"
