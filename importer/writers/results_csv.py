"""results.csv: the Results sheet for programs that read nothing else. Opens in Excel as UTF-8; formulas are disarmed."""

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from importer.core.report import ResultRow, RunFacts
from importer.writers.files import written
from importer.writers.results_xlsx import AFTER, BEFORE, result_cells
from importer.writers.text import csv_safe


def write_results_csv(
    folder: Path, facts: RunFacts, counts: Mapping[str, int], rows: Callable[[], Iterator[ResultRow]]
) -> Path:
    """Writes results.csv into `folder` and returns its path."""
    del counts
    width = len(facts.headings)
    with (
        written(folder / "results.csv") as file,
        file.beside.open("w", encoding="utf-8-sig", newline="", errors="replace") as out,
    ):
        sheet = csv.writer(out)
        headings = [column.heading for column in BEFORE] + list(facts.headings) + [column.heading for column in AFTER]
        sheet.writerow([csv_safe(heading) for heading in headings])
        for row in rows():
            cells = result_cells(row, width)
            sheet.writerow(["" if cell is None else csv_safe(str(cell)) for cell in cells])
    return file.path
