"""preview.xlsx: what would happen, to be mailed and approved."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from importer.core.plan import PlanRow, Preview, short
from importer.core.report import Cause
from importer.core.rows import cell_address
from importer.markup.plan_view import heading_of, priority_of, row_shown
from importer.writers.book import ROWS_MOST, Book, Cell, Facts, Grid, Head, Styled, book
from importer.writers.preview_summary import SIGNS, Survey, summary
from importer.writers.words import STYLES, plan_word, problems, when

Rows = Callable[[], Iterator[PlanRow]]

SCHEMA = "importer.preview-workbook/1"

ROWS = (
    Head("Line", "number"), Head("Verdict", width=18), Head("External ID"), Head("Queue"), Head("Priority", "number"),
    Head("Type"), Head("Description"), Head("Attributes"), Head("Problems", "wrap"), Head("How to fix", "wrap"),
    Head("Existing task"),
)  # fmt: skip
PROBLEMS = (
    Head("Severity", width=12), Head("Code"), Head("Problem", "wrap", 60), Head("How to fix", "wrap", 50),
    Head("Column"), Head("Rows", "count"), Head("Rows freed", "count"), Head("Lines", "wrap"), Head("First cell"),
)  # fmt: skip
QUEUES = (
    Head("Queue"), Head("Queue ID"), Head("State"), Head("Members", "count"), Head("Limit", "count"),
    Head("Room", "count"), Head("Rows", "count"), Head("Ready", "count"), Head("Existing", "count"),
    Head("Invalid", "count"), Head("Duplicate", "count"),
)  # fmt: skip
FIXES = (
    Head("Line", "number"), Head("Cell"), Head("Column"), Head("Was", "wrap", 40), Head("Is now", "wrap", 40), Head("By"),
    Head("At (UTC)"),
)  # fmt: skip


def write_preview(
    folder: Path, preview: Preview, rows: Rows, rate: tuple[int, float], link: str = "", *, rows_most: int = ROWS_MOST
) -> Path:
    """Writes preview.xlsx into `folder`; returns its path. `rate` is calls and the seconds in which they are allowed.

    `link` is the plan's address on the page, where there is one; as text: no workbook of ours has links.
    """
    surveyed = Survey()
    for row in rows():
        surveyed.add(row)
    ranked = surveyed.causes.ranked()
    with book(folder / "preview.xlsx", _about(preview)) as made:
        summary(made, preview, surveyed, ranked, rate, link)
        _rows(made, preview, rows(), rows_most)
        _problems(made, ranked)
        _queues(made, preview.head.queues)
        _fixes(made, preview)
    return made.path


def _about(preview: Preview) -> Facts:
    about = preview.about
    extra = {"plan": about.plan, "digest": about.digest, "importer": about.version}
    footer = f"plan {about.plan}, digest {short(about.digest)}"
    return Facts("Import preview", Path(about.source).name, footer, SCHEMA, extra)


# The tables


def _rows(made: Book, preview: Preview, rows: Iterable[PlanRow], rows_most: int) -> None:
    own = (Head(title) for title in preview.head.headings)
    grid = Grid(made, "Rows", (*ROWS, *own), freeze=3, rows_most=rows_most)
    for row in rows:
        grid.add(_row(row))
    grid.end()


def _row(row: PlanRow) -> Iterator[Cell]:
    shown, problem = row_shown(row), problems(row.findings, notes=True)
    yield row.line
    yield Styled(*plan_word(row))
    yield row.external_id
    yield row.queue
    yield priority_of(row.payload or {})
    yield shown.kind
    yield shown.text
    yield shown.rest
    yield problem.text
    yield problem.fix
    yield row.task_id
    yield from row.cells


def _problems(made: Book, ranked: Iterable[Cause]) -> None:
    grid = Grid(made, "Problems", PROBLEMS)
    for cause in ranked:
        name = Styled(f"{SIGNS[cause.severity]} {cause.severity.value}", STYLES[cause.severity.value])
        grid.add(
            (
                name,
                cause.code,
                cause.message,
                cause.fix,
                cause.heading,
                cause.rows,
                cause.freed,
                cause.lines,
                cause.example,
            )
        )
    grid.end()


def _queues(made: Book, queues: Iterable[Mapping[str, Any]]) -> None:
    grid = Grid(made, "Queues", QUEUES, freeze=1)
    for queue in queues:
        names = (
            "queue",
            "id",
            "status",
            "members",
            "limit",
            "room",
            "rows",
            "ready",
            "existing",
            "invalid",
            "duplicate",
        )
        grid.add(tuple(queue[name] for name in names))
    grid.end()


def _fixes(made: Book, preview: Preview) -> None:
    """What people corrected beside the file; no such sheet where they did not."""
    head = preview.head
    if not head.fixes:
        return
    makers = {(each.line, each.column): each for each in preview.about.fixed}
    grid = Grid(made, "Fixes", FIXES)
    for fix in head.fixes:
        maker = makers.get((fix.line, fix.column))
        by, at = (maker.who, when(maker.at)) if maker else ("", "")
        place = cell_address(head.sheet, fix.column, fix.line)
        grid.add((fix.line, place, heading_of(head, fix.column), fix.old, fix.new, by, at))
    grid.end()
