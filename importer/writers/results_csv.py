"""results.csv: the Results sheet for programs. Text that a spreadsheet would calculate gets a `'`; UTF-8 with a mark, for Excel."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from importer.core.report import ResultRow, RunFacts
from importer.writers.files import written
from importer.writers.results_xlsx import result_cells, result_titles
from importer.writers.text import csv_cell


def write_results_csv(
    folder: Path, facts: RunFacts, counts: Mapping[str, int], rows: Callable[[], Iterator[ResultRow]]
) -> Path:
    """Writes results.csv into `folder`; returns its path. The outcome is the plain word, without a sign."""
    del counts  # a table of rows has no place for them
    width = max((len(row.cells) for row in rows()), default=0)
    width = max(width, len(facts.headings))
    with written(folder / "results.csv") as draft:
        text = io.TextIOWrapper(draft.file, "utf-8-sig", newline="", write_through=False)
        lines = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        lines.writerow(csv_cell(title) for title in result_titles(facts.headings, width))
        for row in rows():
            lines.writerow(csv_cell(cell) for cell in _cells(row, width))
        text.flush()
        text.detach()
    return draft.path


def _cells(row: ResultRow, width: int) -> Iterator[str]:
    line, _, *others = result_cells(row, width)
    yield str(line)
    yield row.outcome.words
    yield from ("" if cell is None else str(cell) for cell in others)
