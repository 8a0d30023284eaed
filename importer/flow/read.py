"""From a file being read to shaped rows: finds the header row, matches it, shapes what is below it, one row at a time."""

from collections.abc import Iterator
from collections.abc import Mapping as Lines
from dataclasses import dataclass, field
from itertools import chain, islice

from importer.core.columns import HEADER_SEARCHED, Header, chosen_header, match_headings
from importer.core.errors import FileRefused, UsageError
from importer.core.findings import Finding, Severity, finding, listed
from importer.core.fixes import Fix, overlaid
from importer.core.limits import Limits
from importer.core.mapping import Mapping
from importer.core.rows import Row
from importer.core.shape import Shaper
from importer.core.verdicts import Judged, Seen, judge_shape
from importer.ports import Reading


@dataclass(frozen=True, slots=True)
class Choices:
    """What the person chose about the rows."""

    mapping: Mapping = field(default_factory=Mapping)
    header_row: int | None = None  # a line, 1-based; None: found
    skipped: Lines[int, str] = field(default_factory=dict)  # lines that are left out, and why
    fixes: tuple[Fix, ...] = ()  # by line and column


@dataclass(slots=True)
class Table:
    """A sheet with its header matched. The rows can be iterated once."""

    reading: Reading
    header: Header
    shaper: Shaper
    rows: Iterator[Row]  # below the header
    choices: Choices
    seen: Seen = field(default_factory=Seen)

    def judged(self) -> Iterator[Judged]:
        """The offline half of judging, a row at a time."""
        return (self.judge(row) for row in self.rows)

    def judge(self, row: Row) -> Judged:
        """The offline verdict on one row; rows are judged in file order."""
        return judge_shape(self.shaper(row), self.seen, self.shaper, self.choices.skipped)


def read_table(reading: Reading, choices: Choices, limits: Limits) -> Table:
    """Raises FileRefused where there is no header, a required column is missing, or nothing is below the header.

    The rows raise FixRefused where a fix does not fit.
    """
    head, rows = _header_and_rows(reading, choices, limits)
    header = match_headings(head, choices.mapping, limits, sheet=reading.sheet.name)
    errors = [each for each in header.findings if each.severity is Severity.ERROR]
    if errors:
        raise FileRefused(errors[0], [each for each in header.findings if each is not errors[0]])
    first = next(rows, None)
    if first is None:
        raise FileRefused(finding("F103", sheet=reading.sheet.name), reading.findings)
    shaper = Shaper(header, choices.mapping, limits, reading.sheet.name)
    below: Iterator[Row] = chain((first,), rows)
    if choices.fixes:
        below = overlaid(below, choices.fixes, reading.sheet.name)
    if choices.skipped:
        below = _counted(below, reading, set(choices.skipped))
    return Table(reading, header, shaper, below, choices)


def _counted(rows: Iterator[Row], reading: Reading, skipped: set[int]) -> Iterator[Row]:
    """The rows; at their end a finding on lines to leave out that were none of them."""
    for row in rows:
        skipped.discard(row.line)
        yield row
    if skipped:
        lines = listed(map(str, sorted(skipped)))
        reading.findings.append(finding("F213", sheet=reading.sheet.name, count=len(skipped), lines=lines))


def _header_and_rows(reading: Reading, choices: Choices, limits: Limits) -> tuple[Row, Iterator[Row]]:
    above = list(islice(reading.rows, HEADER_SEARCHED))
    if not above:
        raise FileRefused(finding("F103", sheet=reading.sheet.name), reading.findings)
    index = _chosen(above, choices, limits)
    head = above[index]
    if head.line > 1 and choices.header_row is None:
        reading.findings.append(_header_below(reading, head))
    return head, chain(above[index + 1 :], reading.rows)


def _chosen(above: list[Row], choices: Choices, limits: Limits) -> int:
    index = chosen_header(above, choices.mapping, limits, choices.header_row)
    if index is None:
        raise UsageError(
            f"Line {choices.header_row} (--header-row) is blank or not among the first lines of the file.",
            "Name the line of the headings.",
        )
    return index


def _header_below(reading: Reading, head: Row) -> Finding:
    return finding("F208", sheet=reading.sheet.name, line=head.line, count=head.line - 1)
