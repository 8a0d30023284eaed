"""Annotation: what an annotated copy says beside one line, of a plan before sending or of a run after it. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from importer.core.columns import ANNOTATED_HEADINGS
from importer.core.findings import shorten
from importer.core.fixes import Fix
from importer.core.plan import PlanRow, Preview, short
from importer.core.report import ResultRow
from importer.core.rows import cell_address
from importer.writers.words import STYLES, plan_word, result_advice, row_advice, worded

TITLES = ANNOTATED_HEADINGS
FIX_SHOWN = 80  # characters of a corrected cell
WIDTHS = (18.0, 60.0, 38.0)  # of the three columns, in characters


@dataclass(frozen=True, slots=True)
class Annotation:
    """What stands beside one line, and the line's own cells for where a fresh workbook is written."""

    line: int
    word: str  # `✖ invalid`
    style: str  # of writers/style.py
    advice: str  # one problem with its remedy a line; blank where nothing is wrong
    task_id: str
    cells: tuple[str, ...]


Annotations = Callable[[], Iterator[Annotation]]
"""All annotations, their lines ascending; asked again where the workbook cannot be patched."""


@dataclass(frozen=True, slots=True)
class Annotated:
    """What is annotated: the file as it was read, and the plan or run that speaks."""

    source: Path  # as it is called
    kept: Path  # where its bytes are
    sha256: str
    format: str  # "csv", "xlsx"
    sheet: str | None
    header_line: int
    headings: tuple[str, ...]
    about: str  # "plan 7f3a, digest 7f3a-91c2"


def annotated(preview: Preview, run: str = "") -> Annotated:
    """What is annotated, of a plan or of a run of it."""
    head, about = preview.head, preview.about
    speaker = f"run {run}, plan {about.plan}" if run else f"plan {about.plan}, digest {short(about.digest)}"
    return Annotated(
        source=Path(about.source),
        kept=Path(about.kept or about.source),
        sha256=head.source_sha256,
        format=head.format,
        sheet=head.sheet,
        header_line=head.header_line,
        headings=head.headings,
        about=speaker,
    )


def plan_annotations(rows: Iterable[PlanRow]) -> Iterator[Annotation]:
    """Those of a plan: verdicts, before anything is sent."""
    for row in rows:
        word, style = plan_word(row)
        yield Annotation(row.line, word, style, row_advice(row.findings), row.task_id or "", row.cells)


def result_annotations(rows: Iterable[ResultRow]) -> Iterator[Annotation]:
    """Those of a run: outcomes."""
    for row in rows:
        word, style = worded(row.outcome.value), STYLES[row.outcome.value]
        yield Annotation(row.line, word, style, result_advice(row), row.task_id or "", row.cells)


def with_fixes(annotations: Iterable[Annotation], fixes: Sequence[Fix]) -> Iterator[Annotation]:
    """The same, told where a cell was corrected beside the file: the copy shows what the file says."""
    by_line: dict[int, list[str]] = {}
    for each in sorted(fixes):
        place = cell_address(None, each.column, each.line)
        told = (
            f"{place}: taken as “{shorten(each.new, FIX_SHOWN)}”, as it was corrected in the import, not in this file."
        )
        by_line.setdefault(each.line, []).append(told)
    for row in annotations:
        told_of = by_line.get(row.line)
        yield replace(row, advice="\n".join((*told_of, row.advice)).strip()) if told_of else row
