"""Sheets, rows and headers for the pure part."""

from collections.abc import Sequence
from typing import Any

from importer.core.columns import Header, match_headings
from importer.core.findings import Finding
from importer.core.mapping import Mapping, read_mapping
from importer.core.rows import Line, Mark, Row
from importer.core.shape import Shaped, Shaper
from importer.core.stages import Entry, Stage
from importer.targets.limits import TASKS

HEADINGS = ("External ID", "Queue", "Priority", "Type", "Description")
GOOD = ("EXT-1", "Billing", "50", "email", "a text")


def row(*cells: str, line: int = 2, marks: tuple[Mark, ...] = ()) -> Row:
    """A row of cells."""
    return Row(Line(line), cells, marks=marks)


def mapping(**record: Any) -> Mapping:
    """A mapping from its sections."""
    return read_mapping(record, "map.toml")


def header(headings: Sequence[str] = HEADINGS, given: Mapping | None = None) -> Header:
    """The headings matched, in line 1."""
    return match_headings(row(*headings, line=1), given or Mapping(), TASKS)


def shaper(headings: Sequence[str] = HEADINGS, given: Mapping | None = None, sheet: str | None = None) -> Shaper:
    """A shaper for a sheet with these headings."""
    return Shaper(header(headings, given), given or Mapping(), TASKS, sheet)


def shaped(
    *cells: str, headings: Sequence[str] = HEADINGS, given: Mapping | None = None, marks: tuple[Mark, ...] = ()
) -> Shaped:
    """One row shaped."""
    return shaper(headings, given)(row(*cells, marks=marks))


def codes(findings: Sequence[Finding]) -> list[str]:
    """The codes of findings, in order."""
    return [each.code for each in findings]


def entry(stage: Stage = Stage.SENDING, **changes: Any) -> Entry:
    """A row on its way."""
    return Entry("run-1", 0, 2, "EXT-1", "{}", stage, **changes)
