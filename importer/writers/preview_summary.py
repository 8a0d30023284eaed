"""PreviewSummary: the first sheet of preview.xlsx, which alone is enough to decide."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from importer.core.approval import Person
from importer.core.columns import COLUMN_OF
from importer.core.findings import Finding, Severity, listed, shorten
from importer.core.plan import PlanRow, Preview, short
from importer.core.report import Cause, Causes, forecast
from importer.core.verdicts import Verdict
from importer.markup.plan_view import priority_of
from importer.markup.texts import minutes
from importer.writers.book import Bar, Book, Cell, Page, Styled
from importer.writers.words import STYLES, when, worded

SIGNS = {Severity.ERROR: "✖", Severity.WARNING: "▲", Severity.NOTE: "·"}
PROBLEMS_ON_SUMMARY = 10
QUEUES_ON_SUMMARY = 12
QUEUE_SHOWN = 36
OPEN = frozenset({"open", "active"})
VALUES_ON_SUMMARY = 8

MEANINGS = {
    Verdict.READY: "would be sent, a task each",
    Verdict.EXISTING: "such a task is there already; nothing is sent",
    Verdict.INVALID: "something in the row is wrong; nothing is sent",
    Verdict.DUPLICATE: "an earlier line has the same external ID; nothing is sent",
    Verdict.SKIPPED: "a person left it out; nothing is sent",
}


@dataclass(slots=True)
class Survey:
    """What the first sheet must know of the rows. Its size does not grow with them."""

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


def summary(
    made: Book, preview: Preview, surveyed: Survey, ranked: list[Cause], rate: tuple[int, float], link: str
) -> None:
    """Writes the sheet Summary. `rate` is calls and the seconds in which they are allowed, `link` the plan's address on the page."""
    page = Page(made, "Summary", (34, 12, 12, 14, 14, 14, 14, 14))
    page.title("Import preview: nothing has been sent")
    _facts(page, preview)
    _verdicts(page, preview)
    _file_warnings(page, preview.head.findings)
    _to_be_sent(page, surveyed)
    _forecast(page, preview, rate)
    _approval(page, preview, link)
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


def _to_be_sent(page: Page, surveyed: Survey) -> None:
    if not surveyed.types and not surveyed.priorities:
        return
    page.heading("What would be sent")
    page.fact("Types", _counted(surveyed.types))
    page.fact("Priorities", _counted(surveyed.priorities))


def _counted(values: Counter[str]) -> str:
    most = (f"{value} ({rows:,} {'row' if rows == 1 else 'rows'})" for value, rows in values.most_common())
    return listed(most, most=VALUES_ON_SUMMARY)


def _forecast(page: Page, preview: Preview, rate: tuple[int, float]) -> None:
    looked_up = sum(1 for queue in preview.head.queues if queue["id"])
    cost = forecast(preview.head.counts, looked_up, *rate, preview.head.environment.target)
    page.heading("Forecast", "Calls", after=f"at the cap of {rate[0]:,} calls in {rate[1]:g} s")
    for name, calls in cost["calls"].items():
        page.line(name, Styled(calls, "count"))
    page.line(Styled("in all", "total_name"), Styled(cost["total"], "total"), _minutes(cost["minutes"]))


def _minutes(value: float) -> str:
    return ("about " if value >= 1 else "") + minutes(value)


def _approval(page: Page, preview: Preview, link: str) -> None:
    plan = preview.about.plan
    page.heading("How to approve")
    if not preview.head.counts["ready"]:
        page.note("No row would be sent, so there is nothing to approve.")
        return
    flag = " --sandbox" if preview.head.environment.origin.startswith("sandbox:") else ""
    page.note("Compare the digest with the one that you were told; approve exactly this plan, then have it run once:")
    if link:
        page.note(f"On the page: {link}")
        page.note("On the command line:")
    page.note(f'importer approve {plan} --comment "…"', "command")
    page.note(f"importer run {plan}{flag}", "command")


def _worst(page: Page, ranked: list[Cause]) -> None:
    grave = [cause for cause in ranked if cause.severity is not Severity.NOTE]
    if not grave:
        return
    page.heading(
        "Problems",
        "Rows",
        "Rows freed",
        after="by cause, told by the first row that has it, the most freeing first; all of them on the sheet Problems",
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
        page.line(shorten(str(queue["queue"]), QUEUE_SHOWN), *numbers, _state(queue))
    if len(ordered) > QUEUES_ON_SUMMARY:
        page.note(f"… and {len(ordered) - QUEUES_ON_SUMMARY} more on the sheet Queues")


def _state(queue: Mapping[str, Any]) -> str:
    """Sign and word; and whether there is room for what would be sent."""
    status = queue["status"]
    if not status:
        return "✖ not found"
    if queue["room"] is not None and queue["room"] < queue["ready"]:
        return f"▲ {status}, room for {queue['room']:,} of the {queue['ready']:,} ready rows"
    return f"{'✔' if status in OPEN else '▲'} {status}"


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
    _findings(page, (each for each in head.findings if each.severity is not Severity.WARNING))


def _file_warnings(page: Page, findings: Iterable[Finding]) -> None:
    """Where they are seen: what they are about is sent all the same."""
    warnings = [each for each in findings if each.severity is Severity.WARNING]
    if warnings:
        page.heading("Warnings on the whole file")
        _findings(page, warnings)


def _findings(page: Page, findings: Iterable[Finding]) -> None:
    for each in findings:
        sign = Styled(f"{SIGNS[each.severity]} {each.severity.value} {each.code}", STYLES[each.severity.value])
        page.line(sign, f"{each.message} {'' if each.severity is Severity.NOTE else each.fix}".strip())
