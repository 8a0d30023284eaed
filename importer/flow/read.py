"""From a file being read to shaped rows: finds the header row, matches it, shapes what is below it, one row at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from importer.core.columns import HEADER_SEARCHED, Header, find_header, match_headings
from importer.core.errors import FileRefused, UsageError
from importer.core.findings import Finding, Severity, finding
from importer.core.mapping import Mapping
from importer.core.rows import Row
from importer.core.shape import Shaper
from importer.core.task import Limits
from importer.core.verdicts import Judged, Seen, judge_shape
from importer.ports import Reading


@dataclass(frozen=True, slots=True)
class Choices:
    """What the person chose about the rows."""

    mapping: Mapping = field(default_factory=Mapping)
    header_row: int | None = None  # a line, 1-based; None: found
    skipped: frozenset[int] = frozenset()  # lines that are left out


@dataclass(slots=True)
class Table:
    """A sheet with its header matched. Iterate `judged` once."""

    reading: Reading
    header: Header
    shaper: Shaper
    judged: Iterator[Judged]  # the offline half of judging


def read_table(reading: Reading, choices: Choices, limits: Limits) -> Table:
    """Raises FileRefused where there is no header, a required column is missing, or nothing is below the header."""
    head, rows = _header_and_rows(reading, choices)
    header = match_headings(head, choices.mapping, sheet=reading.sheet.name)
    errors = [each for each in header.findings if each.severity is Severity.ERROR]
    if errors:
        raise FileRefused(errors[0], [each for each in header.findings if each is not errors[0]])
    first = next(rows, None)
    if first is None:
        raise FileRefused(finding("F103", sheet=reading.sheet.name), reading.findings)
    shaper = Shaper(header, choices.mapping, limits, reading.sheet.name)
    seen = Seen()
    judged = (judge_shape(shaper(row), seen, shaper, choices.skipped) for row in chain((first,), rows))
    return Table(reading, header, shaper, judged)


def _header_and_rows(reading: Reading, choices: Choices) -> tuple[Row, Iterator[Row]]:
    above: list[Row] = []
    for row in reading.rows:
        above.append(row)
        if len(above) == HEADER_SEARCHED or (choices.header_row is not None and row.line >= choices.header_row):
            break
    if not above:
        raise FileRefused(finding("F103", sheet=reading.sheet.name), reading.findings)
    index = _chosen(above, choices)
    head = above[index]
    if head.line > 1 and choices.header_row is None:
        reading.findings.append(_header_below(reading, head))
    return head, chain(above[index + 1 :], reading.rows)


def _chosen(above: list[Row], choices: Choices) -> int:
    if choices.header_row is None:
        index = find_header(above, choices.mapping)
        assert index is not None
        return index
    if above[-1].line != choices.header_row:
        raise UsageError(
            f"Line {choices.header_row} (--header-row) is blank or not in the file.", "Name the line of the headings."
        )
    return len(above) - 1


def _header_below(reading: Reading, head: Row) -> Finding:
    return finding("F208", sheet=reading.sheet.name, line=head.line, header=head.line, count=head.line - 1)
