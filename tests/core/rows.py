"""Short ways to make what core's tests need."""

from collections.abc import Sequence

from importer.core.columns import match_headings
from importer.core.mapping import Mapping
from importer.core.rows import Line, Mark, Row
from importer.core.shape import Shaper
from importer.targets.limits import TASKS

HEADINGS = ("External ID", "Queue", "Priority", "Type", "Description", "Note")


def row(*cells: str, line: int = 2, marks: Sequence[Mark] = ()) -> Row:
    """A row of a sheet."""
    return Row(Line(line), list(cells), None, tuple(marks))


def shaper(headings: Sequence[str] = HEADINGS, mapping: Mapping | None = None) -> Shaper:
    """A shaper for a sheet named Tasks."""
    chosen = mapping or Mapping()
    return Shaper(match_headings(row(*headings, line=1), chosen, TASKS), chosen, TASKS, "Tasks")
