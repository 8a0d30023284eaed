"""Table: what is known of a draft's file: its sheets, its first rows, and the header by which its rows are judged."""

from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from importer.core.columns import HEADER_SEARCHED, chosen_header
from importer.core.errors import FileRefused, UsageError
from importer.core.file_limits import FileLimits
from importer.core.findings import Finding, finding
from importer.core.limits import Limits
from importer.core.mapping import Mapping
from importer.core.plan import findings_read, findings_record
from importer.core.rows import Line, Row, Sheet
from importer.core.shape import Shaper
from importer.ports import ReadOptions

FIRST_ROWS = 8
KEPT_ROWS = HEADER_SEARCHED + 150
"""Rows from the top that are kept: for the header row and for samples."""
COUNTED_SHEETS = 20
CELL_KEPT = 300
"""Characters of a cell of the first rows."""


@dataclass(frozen=True, slots=True)
class Top:
    """The first rows of one sheet; none where it is blank."""

    sheet: Sheet
    rows: tuple[Row, ...]

    def record(self) -> dict[str, Any]:
        """As plain values; `top_of` reads it back."""
        return {"sheet": list(self.sheet), "rows": [[row.line, list(row.cells)] for row in self.rows]}

    def header(self, mapping: Mapping, limits: Limits, header_row: int | None) -> Row:
        """The header row, as found or chosen. Raises UsageError, and FileRefused (F103) where there are no rows."""
        if not self.rows:
            raise FileRefused(finding("F103", sheet=self.sheet.name))
        index = chosen_header(self.rows[:HEADER_SEARCHED], mapping, limits, header_row)
        if index is None:
            raise UsageError(f"Line {header_row} cannot be the header row.", "Choose one of the first rows.")
        return self.rows[index]

    def below(self, header: Row) -> list[Row]:
        """Rows for samples."""
        return [row for row in self.rows if row.line > header.line]


def top_of(record: dict[str, Any]) -> Top:
    """The first rows from their record."""
    format_, name, encoding, delimiter, others, hidden = record["sheet"]
    sheet = Sheet(format_, name, encoding, delimiter, tuple(others), tuple(hidden))
    return Top(sheet, tuple(Row(Line(line), cells) for line, cells in record["rows"]))


def read_top(path: Path, sheet: str | None, limits: FileLimits) -> Top:
    """Reads the first rows of a sheet. Raises FileRefused."""
    from importer.sources.reader import open_source

    with open_source(path, ReadOptions(sheet, file_limits=limits)) as reading:
        rows = [
            row._replace(cells=[text[:CELL_KEPT] for text in row.cells], marks=())
            for row in islice(reading.rows, KEPT_ROWS)
        ]
        return Top(reading.sheet, tuple(rows))


def count_rows(path: Path, sheets: list[str], limits: FileLimits) -> dict[str, int | None]:
    """How many rows each sheet has; None for those beyond COUNTED_SHEETS, and 0 for those that cannot be read."""
    from importer.sources.reader import open_source

    counts: dict[str, int | None] = dict.fromkeys(sheets)
    for name in sheets[:COUNTED_SHEETS]:
        try:
            with ExitStack() as stack:
                reading = stack.enter_context(open_source(path, ReadOptions(name or None, file_limits=limits)))
                counts[name] = sum(1 for _ in reading.rows)
        except FileRefused:
            counts[name] = 0
    return counts


@dataclass(frozen=True, slots=True)
class Judged:
    """How the rows of the last preview were judged: sheet, header, what was found about the file."""

    sheet: str | None
    header_line: int
    headings: tuple[str, ...]
    environment: dict[str, Any]
    findings: tuple[Finding, ...]

    def record(self) -> dict[str, Any]:
        """As plain values; `judged_of` reads it back."""
        return asdict(self) | {"findings": findings_record(self.findings)}

    def shaper(self, mapping: Mapping, limits: Limits) -> Shaper:
        """Shapes rows as they were shaped then."""
        from importer.core.columns import match_headings

        head = Row(Line(self.header_line), self.headings)
        return Shaper(match_headings(head, mapping, limits, sheet=self.sheet), mapping, limits, self.sheet)


def judged_of(record: dict[str, Any]) -> Judged:
    """How they were judged, from its record."""
    findings, headings = findings_read(record["findings"]), tuple(record["headings"])
    return Judged(**{**record, "findings": findings, "headings": headings})
