"""How samples are written: the same content gives the same bytes of text, and the same cells of workbooks."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

Cell = str | int | float | datetime | None

MADE_AT = datetime(2026, 1, 15, 9, 0)  # noqa: DTZ001 - XlsxWriter takes dates without a zone
"""The creation date of every workbook: not that of the day on which it is made."""

DATE_FORMAT = "yyyy-mm-dd hh:mm"


def write_csv(
    path: Path,
    rows: Iterable[Sequence[Cell]],
    *,
    delimiter: str = ",",
    encoding: str = "utf-8",
    line_end: str = "\n",
) -> Path:
    """Writes a text table; `utf-16` means little-endian with a byte order mark, on any machine."""
    with path.open("wb") as file:
        if encoding == "utf-16":
            file.write(b"\xff\xfe")
            encoding = "utf-16-le"
        with io.TextIOWrapper(file, encoding, newline="") as text:
            writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
            writer.writerows([_plain(cell) for cell in row] for row in rows)
    return path


def _plain(cell: Cell) -> str:
    if cell is None:
        return ""
    return cell.isoformat(sep=" ", timespec="minutes") if isinstance(cell, datetime) else str(cell)


@contextmanager
def workbook(path: Path, *, constant_memory: bool = False) -> Iterator[Any]:
    """An XlsxWriter workbook that is written when the block ends. No text in it becomes a formula, number or link."""
    import xlsxwriter  # here, because most who import the samples read them only

    options = {
        "strings_to_formulas": False,
        "strings_to_numbers": False,
        "strings_to_urls": False,
        "default_date_format": DATE_FORMAT,
        "constant_memory": constant_memory,
    }
    with xlsxwriter.Workbook(str(path), options) as book:
        book.set_properties({"title": path.stem, "created": MADE_AT})
        yield book


def fill(book: Any, sheet: Any, rows: Iterable[Sequence[Cell]], *, line: int = 1, column: int = 0) -> None:
    """Writes the header row at `line` (1-based) in bold and the others below it; `column` is 0-based."""
    bold = book.add_format({"bold": True})
    for number, row in enumerate(rows, line - 1):
        for place, cell in enumerate(row, column):
            if cell is not None and cell != "":
                sheet.write(number, place, cell, bold if number == line - 1 else None)


def widths(sheet: Any, *characters: int) -> None:
    """Sets the columns' widths from A on."""
    for column, width in enumerate(characters):
        sheet.set_column(column, column, width)
