"""results.xlsx: the workbook that accounts for every row. One pass over the rows, in constant memory."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from importer.core.columns import OWN_HEADINGS
from importer.core.outcomes import Outcome
from importer.core.report import ResultRow, RunFacts, StateChange, dwell, in_words
from importer.writers.book import Book, Column, Page, TableSheet, book, books_table, verdict_cell
from importer.writers.files import written

REJECTED = frozenset({Outcome.INVALID, Outcome.DUPLICATE, Outcome.FAILED, Outcome.NOT_SENT})
"""What goes to the Rejects sheet. Never `unknown`: such a row may have become a task."""
BEFORE = (Column("Line", 7, "number"), Column("Outcome", 13))
AFTER = (
    Column("Task ID", 38), Column("Last state", 11), Column("State history (UTC)", 50), Column("Audit count", 8, "number"),
    Column("Attempts", 9, "number"), Column("Reason", 50), Column("Correlation ID", 38),
)  # fmt: skip
STATES = (
    Column("Line", 7, "number"), Column("External ID", 18), Column("Task ID", 38), Column("Sequence", 9, "number"),
    Column("State", 12), Column("At (UTC)", 25), Column("Source", 9), Column("Seconds in state", 10, "number"),
)  # fmt: skip
AUDIT = (
    Column("Time (UTC)", 25), Column("Actor", 38), Column("Action", 14), Column("Task ID", 38), Column("External ID", 18),
    Column("Line", 7, "number"), Column("Details", 50),
)  # fmt: skip


@dataclass(slots=True)
class _Seen:
    """What the Summary needs of the rows."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)  # (queue, outcome)
    dwells: dict[str, "array[float]"] = field(default_factory=lambda: defaultdict(lambda: array("d")))
    audits: int = 0
    filled: int = 0


def write_results(
    folder: Path, facts: RunFacts, counts: Mapping[str, int], rows: Callable[[], Iterator[ResultRow]]
) -> Path:
    """Writes results.xlsx into `folder` and returns its path."""
    with written(folder / "results.xlsx") as file:
        properties = {"title": f"Results of {facts.run}", "comments": f"plan {facts.plan}, digest {facts.digest}"}
        with book(file.beside, f"{Path(facts.source).name} · run {facts.run}", properties) as made:
            summary = Page(made, made.sheet("Summary"))
            seen = _write_rows(made, facts, rows())
            _write_summary(summary, facts, dict(counts), seen)
            _write_run_info(made, facts)
    return file.path


def _write_rows(made: Book, facts: RunFacts, rows: Iterator[ResultRow]) -> _Seen:
    own = [Column(heading, 18) for heading in facts.headings]
    results = made.table("Results", [*BEFORE, *own, *AFTER], frozen=2)
    rejects = made.table("Rejects", [*own, *(Column(heading, 24) for heading in OWN_HEADINGS)])
    states, audit = made.table("States", STATES), made.table("Audit", AUDIT)
    seen = _Seen()
    for row in rows:
        _add_result(results, row, len(own))
        if row.outcome in REJECTED:
            rejects.exactly([*_padded(row.cells, len(own)), *_reject(row, facts)])
        _add_states(states, row, seen)
        _add_audits(audit, row)
        seen.outcomes[row.queue or "(none)", row.outcome.value] += 1
        seen.audits += row.audit_count or 0
    for table in (results, rejects, states, audit):
        table.end()
    return seen


def _padded(cells: tuple[str, ...], width: int) -> list[str]:
    """Just as many cells as there are headings."""
    return [*cells[:width], *[""] * (width - len(cells))]


def result_cells(row: ResultRow, width: int) -> list[Any]:
    """The line of the Results sheet."""
    word, _ = verdict_cell(row.outcome.value)
    after = [
        row.task_id, row.state, history(row.states), row.audit_count, row.attempts or None, reason(row), row.correlation_id,
    ]  # fmt: skip
    return [row.line, word, *_padded(row.cells, width), *after]


def _add_result(results: TableSheet, row: ResultRow, width: int) -> None:
    results.add(result_cells(row, width), {1: verdict_cell(row.outcome.value)[1]})


def history(states: tuple[StateChange, ...]) -> str:
    """`new 21:00:01 → queued 21:00:02 (audit)`; the date stands where it changes."""
    parts = []
    day = ""
    for each in states:
        date, _, time = each.at.partition("T")
        moment = time[:8] if date == day else f"{date} {time[:8]}"
        parts.append(f"{each.state} {moment}" + (" (audit)" if each.source == "audit" else ""))
        day = date
    return " → ".join(parts)


def reason(row: ResultRow) -> str:
    """Why a row became what it is: what the target said, or what was found before sending."""
    if row.reason:
        return row.reason
    return "; ".join(each.message for each in row.findings if each.severity != "note")


def _reject(row: ResultRow, facts: RunFacts) -> list[str]:
    errors = [each for each in row.findings if each.severity == "error"]
    problem = "; ".join(f"{each.code} {each.message}" for each in errors) or row.reason or "not sent"
    if row.outcome is Outcome.NOT_SENT:
        fix = f"importer resume {facts.run} sends it"
    else:
        fix = (
            "; ".join(dict.fromkeys(each.fix for each in errors))
            or "Correct what the target says, and hand it in again."
        )
    return [problem, fix, str(row.line), facts.run]


def _add_states(table: TableSheet, row: ResultRow, seen: _Seen) -> None:
    seconds = list(dwell(row.states))
    for number, each in enumerate(row.states, 1):
        stayed = seconds[number - 1][1] if number <= len(seconds) else None
        cells = [row.line, row.external_id, row.task_id, number, each.state, each.at, each.source]
        table.add([*cells, None if stayed is None else round(stayed, 3)])
        seen.filled += each.source == "audit"
    for state, stayed in seconds:
        seen.dwells[state].append(stayed)


def _add_audits(table: TableSheet, row: ResultRow) -> None:
    for each in row.audits:
        state = each.diff.get("state")
        moved = f"{state.get('from') or '–'} → {state.get('to')}" if isinstance(state, dict) else ""
        details = moved or ", ".join(f"{name}: {value}" for name, value in each.diff.items())
        table.add([each.at, each.actor, each.action, row.task_id, row.external_id, row.line, details])


def _write_summary(page: Page, facts: RunFacts, counts: dict[str, int], seen: _Seen) -> None:
    page.sheet.set_column(0, 0, 26)
    page.sheet.set_column(1, 9, 16)
    page.title("Import results")
    page.fact("File", facts.source)
    page.fact("Sheet", facts.sheet or "")
    page.fact("Run", facts.run)
    page.fact("Environment", facts.environment)
    page.fact("Opened (UTC)", facts.opened_at)
    page.fact("Approval", facts.approval)
    page.fact("In words", in_words(counts))
    if facts.note:
        page.fact("Stopped", facts.note)
    page.part("Every row read, by outcome")
    books_table(page, counts)
    page.fact("Audit entries", seen.audits)
    page.fact("States filled from audits", seen.filled)
    _queues(page, seen)
    _dwells(page, seen)
    page.part("Next")
    for label, text in _next(facts, counts):
        page.fact(label, text, "command" if text.startswith("importer ") else "text")


def _queues(page: Page, seen: _Seen) -> None:
    """Queue × outcome, made by pandas."""
    import pandas as pd

    if not seen.outcomes:
        return
    records = [{"queue": queue, "outcome": outcome, "rows": n} for (queue, outcome), n in seen.outcomes.items()]
    table = pd.DataFrame(records).pivot_table(
        index="queue", columns="outcome", values="rows", aggfunc="sum", fill_value=0
    )
    names = [outcome.value for outcome in Outcome if outcome.value in table.columns]
    page.part("Rows by queue and outcome")
    lines = [[str(queue), *(int(row[name]) for name in names), int(row.sum())] for queue, row in table.iterrows()]
    headings = ["Queue", *(name.replace("_", " ").capitalize() for name in names), "Rows"]
    page.table(headings, lines, ["text", *["number"] * (len(names) + 1)])


def _dwells(page: Page, seen: _Seen) -> None:
    """How long tasks stayed in each state they left, made by pandas."""
    import pandas as pd

    if not seen.dwells:
        return
    page.part("Seconds in each state that was left")
    lines = []
    for state, seconds in seen.dwells.items():
        series = pd.Series(seconds)
        figures = (series.median(), series.quantile(0.95), series.max())
        lines.append([state, len(series), *(round(float(figure), 1) for figure in figures)])
    page.table(["State", "Times", "Median", "95 %", "Longest"], lines, ["text", "number", "text", "text", "text"])


def _next(facts: RunFacts, counts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """What to do now."""
    if counts["unknown"] or counts["not_sent"]:
        yield "Carry on", f"importer resume {facts.run}"
    if counts["invalid"] or counts["duplicate"] or counts["failed"]:
        yield (
            "Repair",
            "Correct the rows on the sheet Rejects and hand this sheet in again: importer preview … --sheet Rejects",
        )
    yield "Follow", f"importer track {facts.run}"


def _write_run_info(made: Book, facts: RunFacts) -> None:
    page = Page(made, made.sheet("Run info"))
    page.sheet.set_column(0, 0, 22)
    page.sheet.set_column(1, 1, WIDE)
    page.title("Run info")
    known = {
        "Run": facts.run, "Plan": facts.plan, "Digest": facts.digest, "File": facts.source, "Sheet": facts.sheet or "",
        "Header line": facts.header_line, "Environment": facts.environment, "Opened (UTC)": facts.opened_at,
        "Prepared by": facts.preparer, "Approval": facts.approval, "State": facts.state, "Note": facts.note,
        "Importer": facts.version,
    }  # fmt: skip
    for label, value in known.items():
        page.fact(label, value)
    page.part("Settings")
    for name, value in facts.settings.items():
        page.fact(name, "" if value is None else str(value))


WIDE = 70
