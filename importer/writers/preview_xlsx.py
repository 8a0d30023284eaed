"""preview.xlsx: what would happen, to be mailed and approved. Its first sheet alone is enough to decide."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from importer.core.approval import Person
from importer.core.columns import COLUMN_OF
from importer.core.findings import Severity, listed, shorten
from importer.core.plan import PlanRow, Preview, short
from importer.core.report import Cause, Causes, forecast
from importer.core.rows import cell_address
from importer.core.verdicts import Verdict
from importer.markup.plan_view import heading_of, priority_of, row_shown
from importer.writers.book import ROWS_MOST, Bar, Book, Cell, Facts, Grid, Head, Page, Styled, book
from importer.writers.words import STYLES, plan_word, problems, when, worded

Rows = Callable[[], Iterator[PlanRow]]

SCHEMA = "importer.preview-workbook/1"
SIGNS = {Severity.ERROR: "✖", Severity.WARNING: "▲", Severity.NOTE: "·"}
PROBLEMS_ON_SUMMARY = 10
QUEUES_ON_SUMMARY = 12
QUEUE_SHOWN = 36
VALUES_ON_SUMMARY = 8

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
MEANINGS = {
    Verdict.READY: "would be sent, a task each",
    Verdict.EXISTING: "such a task is there already; nothing is sent",
    Verdict.INVALID: "something in the row is wrong; nothing is sent",
    Verdict.DUPLICATE: "an earlier line has the same external ID; nothing is sent",
    Verdict.SKIPPED: "a person left it out; nothing is sent",
}


@dataclass(slots=True)
class _Survey:
    """What the first sheet must know of the rows."""

    causes: Causes = field(default_factory=Causes)
    types: Counter[str] = field(default_factory=Counter)
    priorities: Counter[str] = field(default_factory=Counter)

    def add(self, row: PlanRow) -> None:
        """One row."""
        if row.findings:
            self.causes.add(row.findings)
        payload = row.payload or {}
        for counted, value in ((self.types, payload.get("type")), (self.priorities, priority_of(payload))):
            if value is not None:
                counted[str(value)] += 1


def write_preview(
    folder: Path, preview: Preview, rows: Rows, rate: tuple[int, float], *, rows_most: int = ROWS_MOST
) -> Path:
    """Writes preview.xlsx into `folder`; returns its path. `rate` is calls and the seconds in which they are allowed."""
    surveyed = _Survey()
    for row in rows():
        surveyed.add(row)
    ranked = surveyed.causes.ranked()
    with book(folder / "preview.xlsx", _about(preview)) as made:
        _summary(made, preview, surveyed, ranked, rate)
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


# Summary


def _summary(made: Book, preview: Preview, surveyed: _Survey, ranked: list[Cause], rate: tuple[int, float]) -> None:
    page = Page(made, "Summary", (34, 12, 12, 14, 14, 14, 14, 14))
    page.title("Import preview: nothing has been sent")
    _facts(page, preview)
    _verdicts(page, preview)
    _to_be_sent(page, surveyed)
    _forecast(page, preview, rate)
    _approval(page, preview)
    _worst(page, ranked)
    _busiest(page, preview.head.queues)
    _assumed(page, preview)


def _facts(page: Page, preview: Preview) -> None:
    head, about = preview.head, preview.about
    page.fact("File", Path(about.source).name)
    page.fact("Sheet", head.sheet or "")
    page.fact("Plan", about.plan)
    page.fact("Digest", f"{short(about.digest)}   (in full: {about.digest})")
    page.fact("Environment", str(head.environment))
    page.fact("Prepared by", str(Person(about.preparer, about.preparer_how)))
    page.fact("Made at (UTC)", when(about.made_at))
    if head.fixes:
        cells = "1 cell" if len(head.fixes) == 1 else f"{len(head.fixes):,} cells"
        page.fact("Fixes made", f"in {cells}: see the sheet Fixes; the file itself is unchanged")


def _verdicts(page: Page, preview: Preview) -> None:
    counts, warnings = preview.head.counts, preview.head.warnings
    read = counts["read"]
    page.heading("Verdict", "Rows", "Share", after="what it means")
    first = page.row
    for verdict, meaning in MEANINGS.items():
        number = counts[verdict.value]
        name: Cell = Styled(worded(verdict.value), STYLES[verdict.value]) if number else worded(verdict.value)
        page.line(name, Styled(number, "count"), Styled(number / read if read else 0, "share"), meaning)
    page.line(Styled("rows read", "total_name"), Styled(read, "total"), Styled(1 if read else 0, "total_share"))
    if warnings:
        page.line(
            Styled("▲ with a warning", STYLES["warning"]), Styled(warnings, "count"), None,
            "of the ready rows; they would be sent: look at them on the sheet Rows",
        )  # fmt: skip
    if read:
        names = [verdict.value for verdict in MEANINGS]
        page.bars("Rows by verdict", [Bar(worded(name), counts[name], STYLES[name]) for name in names], first)


def _to_be_sent(page: Page, surveyed: _Survey) -> None:
    if not surveyed.types and not surveyed.priorities:
        return
    page.heading("What would be sent")
    page.fact("Types", _counted(surveyed.types))
    page.fact("Priorities", _counted(surveyed.priorities))


def _counted(values: Counter[str]) -> str:
    return listed((f"{rows:,} × {value}" for value, rows in values.most_common()), most=VALUES_ON_SUMMARY)


def _forecast(page: Page, preview: Preview, rate: tuple[int, float]) -> None:
    looked_up = sum(1 for queue in preview.head.queues if queue["id"])
    cost = forecast(preview.head.counts, looked_up, *rate, preview.head.environment.target)
    page.heading("Forecast", "Calls", after=f"at the cap of {rate[0]:,} calls in {rate[1]:g} s")
    for name, calls in cost["calls"].items():
        page.line(name, Styled(calls, "count"))
    page.line(Styled("in all", "total_name"), Styled(cost["total"], "total"), f"about {cost['minutes']:g} minutes")


def _approval(page: Page, preview: Preview) -> None:
    plan = preview.about.plan
    page.heading("How to approve")
    if not preview.head.counts["ready"]:
        page.note("No row would be sent, so there is nothing to approve.")
        return
    flag = " --sandbox" if preview.head.environment.origin.startswith("sandbox:") else ""
    page.note("Compare the digest with the one that you were told; approve exactly this plan, then have it run once:")
    page.note(f'importer approve {plan} --comment "…"', "command")
    page.note(f"importer run {plan}{flag}", "command")


def _worst(page: Page, ranked: list[Cause]) -> None:
    grave = [cause for cause in ranked if cause.severity is not Severity.NOTE]
    if not grave:
        return
    page.heading(
        "Problems", "Rows", "Rows freed", after="by cause, the most freeing first; all of them on the sheet Problems"
    )
    for cause in grave[:PROBLEMS_ON_SUMMARY]:
        name = Styled(f"{SIGNS[cause.severity]} {cause.severity.value} {cause.code}", STYLES[cause.severity.value])
        page.line(name, Styled(cause.rows, "count"), Styled(cause.freed, "count"), cause.message)
    if len(grave) > PROBLEMS_ON_SUMMARY:
        page.note(f"… and {len(grave) - PROBLEMS_ON_SUMMARY} more causes on the sheet Problems")


def _busiest(page: Page, queues: Iterable[Mapping[str, Any]]) -> None:
    ordered = sorted(queues, key=lambda queue: (-queue["ready"], -queue["rows"]))
    if not ordered:
        return
    page.heading("Queue", "Rows", "Ready", "Room now", after="state")
    for queue in ordered[:QUEUES_ON_SUMMARY]:
        room = "–" if queue["room"] is None else queue["room"]
        numbers = (Styled(cell, "count") for cell in (queue["rows"], queue["ready"], room))
        page.line(shorten(str(queue["queue"]), QUEUE_SHOWN), *numbers, queue["status"] or "not found")
    if len(ordered) > QUEUES_ON_SUMMARY:
        page.note(f"… and {len(ordered) - QUEUES_ON_SUMMARY} more on the sheet Queues")


def _assumed(page: Page, preview: Preview) -> None:
    head = preview.head
    page.heading("What was assumed")
    page.fact("Format", head.format)
    page.fact("Encoding", head.encoding or "")
    page.fact("Header row", f"line {head.header_line}")
    for name, heading in head.matched.items():
        column = COLUMN_OF.get(name)
        page.fact(f"{column.name if column else name}", f"from “{heading}”")
    for name, value in head.settings.items():
        if value:
            page.fact(name.replace("_", " ").capitalize(), value)
    for each in head.findings:
        sign = Styled(f"{SIGNS[each.severity]} {each.severity.value} {each.code}", STYLES[each.severity.value])
        page.line(sign, f"{each.message} {'' if each.severity is Severity.NOTE else each.fix}".strip())


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
