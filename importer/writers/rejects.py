"""Rejects: the user's own columns in their order and what is wrong, to be mended and handed in again; as rejects.xlsx too."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from importer.core.columns import LOOKUPS, OWN_HEADINGS, added_columns
from importer.core.limits import Limits
from importer.core.outcomes import Outcome
from importer.core.report import ResultRow, RunFacts
from importer.writers import formulas
from importer.writers.book import COLUMNS_MOST, ROWS_MOST, Book, Cell, Facts, Grid, Head, book
from importer.writers.survey import full_cells, full_headings, widest
from importer.writers.text import label
from importer.writers.words import REJECTED, result_problem

SCHEMA = "importer.rejects-workbook/1"
QUEUE_MOST = 255
MESSAGE_MOST = 225  # characters of a message, by Excel's own limit
HANDED_BACK = REJECTED - {Outcome.NOT_SENT}
"""Rows that only a person can mend. What was not sent is carried on by the run itself; `unknown` is looked up first."""


@dataclass(frozen=True, slots=True)
class Help:
    """What helps a person to mend cells: what the target takes, and the headings of columns that say so in its own words."""

    limits: Limits
    headings: Mapping[str, str]  # by field: the heading whose cells are its text, untranslated
    queues: Sequence[str] = ()  # names of queues that were found when the rows were judged


class Rejects:
    """How the rows of a run become rejects: which of its columns are kept, and what is added."""

    def __init__(self, facts: RunFacts, width: int, helped: Help | None = None) -> None:
        """`width` is that of the widest row, or of the headings if they are wider."""
        self._help = helped
        self._run = facts.run
        self._width = width
        self._headings = full_headings(facts.headings, width)[:width]
        ours = added_columns(facts.headings)
        self._kept = [index for index in range(width) if index not in ours]

    def heads(self) -> list[Head]:
        """The headings: the user's own, not those that an earlier report of ours had added, then our four."""
        styles = ("wrap", "wrap", "text", "text")
        ours = (Head(title, style) for title, style in zip(OWN_HEADINGS, styles, strict=True))
        priority = self._column("priority")
        own = (Head(self._headings[index], "whole" if n == priority else "text") for n, index in enumerate(self._kept))
        return [*own, *ours]

    def rules(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Drop-downs and bounds by column, as in the template. They warn and do not refuse: the importer checks again anyway."""
        if self._help is None:
            return
        limits = self._help.limits
        queue, types, priority = (self._column(field) for field in ("queue", "type", "priority"))
        if queue is not None and self.queues:
            told = "The first import found no such queue. Keep it if it is new, or if it is a queue's ID."
            yield queue, {"validate": "list", "source": formulas.QUEUES, "error_message": told}
        if types is not None and limits.types:
            told = f"One of: {', '.join(limits.types)}; or blank."
            yield types, {"validate": "list", "source": list(limits.types), "error_message": told[:MESSAGE_MOST]}
        if priority is not None:
            low, high = limits.priority_low, limits.priority_high
            bounds = {"validate": "integer", "criteria": "between", "minimum": low, "maximum": high}
            yield priority, {**bounds, "error_message": f"A whole number from {low:,} to {high:,}, or blank."}

    @property
    def queues(self) -> list[str]:
        """The names of the drop-down of queues: on a sheet of their own, for a rule holds 255 characters."""
        return [label(each, QUEUE_MOST) for each in self._help.queues] if self._help is not None else []

    def _column(self, field: str) -> int | None:
        """The column of ours that is the field's own; None where that is not plain."""
        heading = self._help.headings.get(field) if self._help is not None else None
        places = [number for number, index in enumerate(self._kept) if self._headings[index].strip() == heading]
        return places[0] if len(places) == 1 else None

    def cells(self, row: ResultRow) -> Iterator[Cell]:
        """One line."""
        problem = result_problem(row)
        cells = list(full_cells(row.cells, self._width))
        yield from (cells[index] for index in self._kept)
        yield problem.text or row.outcome.words
        yield problem.fix
        yield str(row.line)
        yield self._run


def write_rejects(
    folder: Path,
    facts: RunFacts,
    counts: Mapping[str, int],
    rows: Callable[[], Iterator[ResultRow]],
    helped: Help | None = None,
    *,
    rows_most: int = ROWS_MOST,
) -> Path:
    """Writes rejects.xlsx into `folder`; returns its path. `rows` is asked twice for all rows, in file order."""
    del counts  # the rows speak for themselves
    about = Facts("Import rejects", Path(facts.source).name, f"run {facts.run}, plan {facts.plan}", SCHEMA)
    width = max((widest(row.cells) for row in rows() if row.outcome in HANDED_BACK), default=0)
    rejects = Rejects(facts, min(max(width, len(facts.headings)), COLUMNS_MOST - len(OWN_HEADINGS)), helped)
    with book(folder / "rejects.xlsx", about) as made:
        grid = Grid(made, "Rejects", rejects.heads(), rows_most=rows_most)
        for row in rows():
            if row.outcome in HANDED_BACK:
                grid.add(rejects.cells(row))
        for column, rule in rejects.rules():
            grid.check(column, {**rule, "error_type": "warning"})
        grid.end()
        _lookups(made, rejects.queues)
    return made.path


def _lookups(made: Book, queues: Sequence[str]) -> None:
    if not queues:
        return
    sheet = made.sheet(LOOKUPS)
    for row, name in enumerate(queues):
        made.put(sheet, row, 0, name)
    made.define(formulas.QUEUES[1:], f"={LOOKUPS}!$A$1:$A${len(queues)}")
    sheet.very_hidden()
