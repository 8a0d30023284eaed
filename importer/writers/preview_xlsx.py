"""preview.xlsx: what would happen, to be mailed and approved. Nothing has been sent when it is written."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from importer.core.findings import Finding
from importer.core.plan import PlanRow, Preview, short
from importer.core.report import Causes, forecast
from importer.core.verdicts import Verdict
from importer.writers.book import LOOK_OF, Book, Column, Page, book, books_table, verdict_cell
from importer.writers.files import written

ROWS = (
    Column("Line", 7, "number"), Column("Verdict", 12), Column("External ID", 18), Column("Queue", 24),
    Column("Priority", 8, "number"), Column("Type", 10), Column("Description", 50, "wrap"), Column("Problems", 50, "wrap"),
    Column("How to fix", 50, "wrap"), Column("Existing task", 38),
)  # fmt: skip
PROBLEMS = (
    Column("Severity", 10), Column("Code", 7), Column("Problem", 60, "wrap"), Column("How to fix", 60, "wrap"),
    Column("Column", 18), Column("Rows", 8, "number"), Column("Rows freed", 8, "number"), Column("Lines", 30, "wrap"),
    Column("First cell", 14),
)  # fmt: skip
QUEUES = (
    Column("Queue", 30), Column("Queue ID", 38), Column("State", 12), Column("Members", 9, "number"),
    Column("Limit", 9, "number"), Column("Room", 9, "number"), Column("Rows", 9, "number"), Column("Ready", 9, "number"),
    Column("Existing", 9, "number"), Column("Invalid", 9, "number"), Column("Duplicate", 10, "number"),
)  # fmt: skip


def write_preview(
    folder: Path, preview: Preview, rows: Callable[[], Iterator[PlanRow]], rate: tuple[int, float]
) -> Path:
    """Writes preview.xlsx into `folder` and returns its path. `rate`: calls, seconds, for the forecast."""
    about = preview.about
    with written(folder / "preview.xlsx") as file:
        properties = {"title": f"Import preview {about.plan}", "comments": f"digest {about.digest}"}
        with book(file.beside, f"{Path(about.source).name} · plan {about.plan}", properties) as made:
            summary = Page(made, made.sheet("Summary"))
            causes = _write_rows(made, preview, rows())
            _write_summary(summary, preview, rate, causes)
            _write_problems(made, causes)
            _write_queues(made, preview)
    return file.path


def _write_rows(made: Book, preview: Preview, rows: Iterator[PlanRow]) -> Causes:
    own = [Column(f"{heading}" or "(no heading)", 16) for heading in preview.head.headings]
    table = made.table("Rows", [*ROWS, *own], frozen=3)
    causes = Causes()
    causes.add(preview.head.findings)
    for row in rows:
        causes.add(row.findings)
        word, look = verdict_cell(row.verdict.value)
        if row.verdict is Verdict.READY and any(each.severity == "warning" for each in row.findings):
            word, look = "▲ ready, with a warning", "look"
        cells = [*row.cells[: len(own)], *[""] * (len(own) - len(row.cells))]
        table.add(
            [row.line, word, row.external_id, row.queue, *_sent(row), *_said(row), row.task_id, *cells], {1: look}
        )
    table.end()
    return causes


def _sent(row: PlanRow) -> list[Any]:
    """Priority, type and description as they would be sent; nothing where nothing would be."""
    payload = row.payload or {}
    routing = payload.get("routingData", {})
    return [routing.get("priority"), payload.get("type"), payload.get("description")]


def _said(row: PlanRow) -> list[str]:
    grave: list[Finding] = [each for each in row.findings if each.severity != "note"]
    notes = [each for each in row.findings if each.severity == "note"]
    problems = "; ".join(f"{each.code} {each.message}" for each in [*grave, *notes])
    return [problems, "; ".join(dict.fromkeys(each.fix for each in grave))]


def _write_summary(page: Page, preview: Preview, rate: tuple[int, float], causes: Causes) -> None:
    head, about = preview.head, preview.about
    page.sheet.set_column(0, 0, 26)
    page.sheet.set_column(1, 1, 80)
    page.title("Import preview: nothing has been sent")
    for label, value in _facts(preview):
        page.fact(label, value)
    page.part("Every row read, by verdict")
    books_table(page, head.counts)
    page.fact("Ready with warnings", head.warnings)
    page.part("Forecast")
    looked_up = sum(1 for queue in head.queues if queue["id"])
    cost = forecast(head.counts, looked_up, *rate)
    for name, calls in cost["calls"].items():
        page.fact(f"Calls: {name}", calls)
    page.fact("Calls in all, about", cost["total"])
    page.fact("Minutes at the cap", f"{cost['minutes']:g} at {rate[0]:,} calls in {rate[1]:g} s")
    page.part("What was assumed, and what to know about the file")
    page.fact("Columns", "; ".join(f"{field} ← {source}" for field, source in head.matched.items()))
    for each in head.findings:
        page.fact(f"{each.severity.value} {each.code}", each.message, "wrap")
    page.part("Fix this first")
    for cause in [each for each in causes.ranked() if each.severity == "error"][:10]:
        page.fact(f"{cause.rows:,} rows, {cause.freed:,} freed", f"{cause.code} {cause.message} {cause.fix}", "wrap")
    page.part("How to go on")
    page.fact("Approve", f'importer approve {about.plan} --comment "…"', "command")
    page.fact("Reject", f'importer approve {about.plan} --reject --comment "…"', "command")
    page.fact("Create the tasks", f"importer run {about.plan}", "command")


def _facts(preview: Preview) -> Iterator[tuple[str, object]]:
    head, about = preview.head, preview.about
    yield "File", about.source
    yield "File's SHA-256", head.source_sha256
    yield "Sheet", head.sheet or ""
    yield "Encoding", head.encoding or ""
    yield "Header line", str(head.header_line)
    yield "Plan", about.plan
    yield "Digest", f"{short(about.digest)} ({about.digest})"
    yield "Environment", f"{head.environment}, OAuth client {head.environment.client}"
    yield "Prepared by", about.preparer
    yield "Made (UTC)", about.made_at


def _write_problems(made: Book, causes: Causes) -> None:
    table = made.table("Problems", PROBLEMS)
    for cause in causes.ranked():
        cells = [cause.severity.value, cause.code, cause.message, cause.fix, cause.heading, cause.rows, cause.freed]
        table.add([*cells, cause.lines, cause.example], {0: LOOK_OF[cause.severity.value]})
    table.end()


def _write_queues(made: Book, preview: Preview) -> None:
    table = made.table("Queues", QUEUES)
    keys = ("queue", "id", "status", "members", "limit", "room", "rows", "ready", "existing", "invalid", "duplicate")
    for line in preview.head.queues:
        status = line["status"] or "not found"
        table.add([line[key] if key != "status" else status for key in keys], {2: _weather(status)})
    table.end()


def _weather(status: str) -> str:
    return {"open": "good", "transitional": "look"}.get(status, "bad")
