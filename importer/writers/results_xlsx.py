"""results.xlsx: every row of a run accounted for. What it says is in core/report.py and words.py; how it looks in book.py."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from importer.core.findings import shorten
from importer.core.plan import short
from importer.core.report import NOT_REQUIRED, OUTCOME_KEYS, AuditEntry, ResultRow, RunFacts
from importer.core.states import in_words
from importer.core.timing import Timing
from importer.writers.book import COLUMNS_MOST, ROWS_MOST, Bar, Book, Cell, Facts, Grid, Head, Page, Styled, book
from importer.writers.rejects import Rejects
from importer.writers.survey import Survey, full_cells, full_headings, survey
from importer.writers.words import (
    REJECTED,
    STYLES,
    duration,
    history,
    next_steps,
    result_problem,
    stayed,
    when,
    worded,
)

Rows = Callable[[], Iterator[ResultRow]]

SCHEMA = "importer.results-workbook/1"
BEFORE = (Head("Line", "number"), Head("Outcome", width=14))
AFTER = (
    Head("Task ID"),
    Head("Last state"),
    Head("State history (UTC)"),
    Head("Audit count", "number"),
    Head("Attempts", "number"),
    Head("Reason", "wrap"),
    Head("Correlation ID"),
)
STATES = (
    Head("Line", "number"), Head("External ID"), Head("Task ID"), Head("Sequence", "number"), Head("State"),
    Head("At (UTC)"), Head("Source"), Head("Seconds in state", "seconds"),
)  # fmt: skip
AUDIT = (
    Head("Time (UTC)"), Head("Actor"), Head("Action"), Head("Task ID"), Head("External ID"), Head("Line", "number"),
    Head("Details"),
)  # fmt: skip
CAUSES_SHOWN = 12
CAUSE_LENGTH = 300
MEANINGS = {
    "created": "sent, and a task was made",
    "existing": "such a task was there already; its ID is given",
    "failed": "sent, and refused by the target",
    "unknown": "sent, and it is not known yet whether a task was made",
    "not_sent": "the run stopped before this row's turn",
    "invalid": "never sent: something in the row is wrong",
    "duplicate": "never sent: an earlier line has the same external ID",
    "skipped": "never sent: a person left it out",
}


def write_results(
    folder: Path, facts: RunFacts, counts: Mapping[str, int], rows: Rows, *, rows_most: int = ROWS_MOST
) -> Path:
    """Writes results.xlsx into `folder`; returns its path. `rows` is asked twice for all rows, in file order."""
    surveyed = survey(rows())
    with book(folder / "results.xlsx", _about(facts)) as made:
        _summary(made, facts, counts, surveyed)
        _tables(made, facts, surveyed.width, rows(), rows_most)
        _run_info(made, facts, counts)
    return made.path


def _about(facts: RunFacts) -> Facts:
    about = f"run {facts.run}, plan {facts.plan}"
    extra = {"run": facts.run, "plan": facts.plan, "digest": facts.digest, "importer": facts.version}
    return Facts("Import results", Path(facts.source).name, about, SCHEMA, extra)


# Summary


def _summary(made: Book, facts: RunFacts, counts: Mapping[str, int], surveyed: Survey) -> None:
    page = Page(made, "Summary", (34, 12, 12, 12, 12, 12, 12, 12, 12, 12))
    page.title(f"Import results: {counts['read']:,} rows read, {counts['created']:,} tasks created")
    _run_facts(page, facts)
    _books(page, counts, surveyed)
    _deviations(page, facts, counts, surveyed)
    page.heading("Next step")
    for step in next_steps(counts, facts.run, facts.environment):
        page.note(step)
    _queues(page, surveyed)
    _dwell_times(page, surveyed)
    _audits(page, surveyed)
    _timing(page, facts.timing)
    _throughput(page, surveyed)


def _run_facts(page: Page, facts: RunFacts) -> None:
    page.fact("File", Path(facts.source).name)
    page.fact("Sheet", facts.sheet or "")
    page.fact("Run", f"{facts.run} ({'done' if facts.state == 'done' else 'not finished'})")
    page.fact("Stopped", facts.note)
    page.fact("Plan", f"{facts.plan}, digest {short(facts.digest)}")
    page.fact("Environment", facts.environment)
    page.fact("Opened (UTC)", when(facts.opened_at))
    page.fact("Prepared by", facts.preparer)
    page.fact("Approval", facts.approval)


def _books(page: Page, counts: Mapping[str, int], surveyed: Survey) -> None:
    read = counts["read"]
    page.heading("Outcome", "Rows", "Share", after="what it means")
    first = page.row
    for key in OUTCOME_KEYS:
        number = counts[key]
        name: Cell = Styled(worded(key), STYLES[key]) if number else worded(key)
        page.line(name, Styled(number, "count"), Styled(number / read if read else 0, "share"), MEANINGS[key])
    total = sum(counts[key] for key in OUTCOME_KEYS)
    page.line(Styled("rows read", "total_name"), Styled(total, "total"), Styled(1 if read else 0, "total_share"))
    apart = [key for key in OUTCOME_KEYS if surveyed.outcomes[key] != counts[key]]
    if apart or total != read:
        page.note(
            "The run went on while this was written, so sheets may differ from these counts. Write it again:", "bad"
        )
        page.note("importer report RUN", "command")
    if read:
        page.bars("Rows by outcome", [Bar(worded(key), counts[key], STYLES[key]) for key in OUTCOME_KEYS], first)


def _deviations(page: Page, facts: RunFacts, counts: Mapping[str, int], surveyed: Survey) -> None:
    """What the plan would have created against what the run did, and each difference with its cause."""
    found = surveyed.deviations.most_common()
    if not (found or counts["created"]):
        return
    plan = "Planned" if facts.approval == NOT_REQUIRED else "Approved"
    page.heading(f"{plan} and done", "Rows", after="why")
    page.line(f"{plan} to be created", Styled(counts["created"] + surveyed.deviations.total(), "count"))
    page.line(Styled(worded("created"), STYLES["created"]), Styled(counts["created"], "count"), MEANINGS["created"])
    for (outcome, cause), rows in found[:CAUSES_SHOWN]:
        page.line(Styled(worded(outcome), STYLES[outcome]), Styled(rows, "count"), shorten(cause, CAUSE_LENGTH))
    if len(found) > CAUSES_SHOWN:
        rest = sum(rows for _, rows in found[CAUSES_SHOWN:])
        page.note(f"{rest:,} more rows with other causes: each is told beside its row, on the sheet Results.")


def _queues(page: Page, surveyed: Survey) -> None:
    if not surveyed.queues:
        return
    headings, lines = surveyed.queue_table()
    page.heading(*headings)
    for name, *numbers in lines:
        page.line(name, *(Styled(number, "count") if number else None for number in numbers))


def _dwell_times(page: Page, surveyed: Survey) -> None:
    if not surveyed.dwells:
        return
    page.heading("Time in state", "Changes", "Median s", "95 % s")
    for state, times, median, late in surveyed.dwell_table():
        page.line(in_words(state), Styled(times, "count"), Styled(median, "seconds"), Styled(late, "seconds"))
    page.note(
        "Seconds from entering a state to leaving it, where both are known; the last state of a task is not counted."
    )


def _audits(page: Page, surveyed: Survey) -> None:
    page.heading("Audit entries")
    page.line("Fetched", Styled(surveyed.audits, "count"))
    if surveyed.not_fetched:
        page.line("Tasks not fetched", Styled(surveyed.not_fetched, "count"))
    if surveyed.versions:
        page.note("These are the versions in the workitems' own histories: this organisation does not audit workitems.")


def _timing(page: Page, timing: Timing | None) -> None:
    """How long creating took against the least that the cap allows, and how fast the target answered."""
    if timing is None:
        return
    page.heading("Calls that create", "Calls")
    page.line("Answered", Styled(timing.calls, "count"))
    if timing.throttled:
        page.line("Of these, told to wait (429)", Styled(timing.throttled, "count"))
    if timing.lost:
        page.line("Not answered, looked up", Styled(timing.lost, "count"))
    page.fact("From (UTC)", when(timing.begun_at))
    page.fact("To (UTC)", when(timing.ended_at))
    least = f"; at the cap of the rate so many calls take {duration(timing.least_s)}" if timing.least_s else ""
    page.fact("Took, pauses included", duration(timing.took_s) + least)
    page.heading("Time to an answer", "Median s", "95 % s", "Longest s")
    times = (timing.median_s, timing.late_s, timing.most_s)
    page.line("of these calls", *(Styled(each, "fine_seconds") for each in times))


def _throughput(page: Page, surveyed: Survey) -> None:
    if not surveyed.minutes:
        return
    step, lines = surveyed.throughput()
    page.heading("Tasks created")
    page.fact("First (UTC)", min(surveyed.minutes))
    page.fact("Last (UTC)", max(surveyed.minutes))
    page.line("In one minute at most", Styled(max(surveyed.minutes.values()), "count"))
    if len(lines) > 1:
        title = "Created each minute" if step == 1 else f"Created in {step:,} minutes each"
        page.heading(f"{title} from (UTC)", "Tasks")
        first = page.row
        for name, number in lines:
            page.line(name, Styled(number, "count"))
        page.curve(title, [name for name, _ in lines], [number for _, number in lines], first)


# The tables of rows, all in one pass


def _tables(made: Book, facts: RunFacts, wide: int, rows: Iterable[ResultRow], rows_most: int) -> None:
    width = min(max(wide, len(facts.headings)), COLUMNS_MOST - len(BEFORE) - len(AFTER))
    own = [Head(title) for title in full_headings(facts.headings, width)[:width]]
    again = Rejects(facts, width)
    results = Grid(made, "Results", (*BEFORE, *own, *AFTER), freeze=2, rows_most=rows_most)
    rejects = Grid(made, "Rejects", again.heads(), rows_most=rows_most)
    states = Grid(made, "States", STATES, freeze=1, rows_most=rows_most)
    audit = Grid(made, "Audit", AUDIT, rows_most=rows_most)
    for row in rows:
        results.add(result_cells(row, width))
        if row.outcome in REJECTED:
            rejects.add(again.cells(row))
        for cells in _states(row):
            states.add(cells)
        for cells in _audit(row):
            audit.add(cells)
    for grid in (results, rejects, states, audit):
        grid.end()


def result_titles(headings: Sequence[str], width: int) -> list[str]:
    """The headings of the Results table; `width` is that of the widest row."""
    own = full_headings(headings, width)
    return [head.title for head in BEFORE] + own + [head.title for head in AFTER]


def result_cells(row: ResultRow, width: int) -> Iterator[Cell]:
    """One line of the Results table."""
    yield row.line
    yield Styled(worded(row.outcome.value), STYLES[row.outcome.value])
    yield from full_cells(row.cells, width)
    yield row.task_id
    yield in_words(row.state)
    yield history(row.states)
    yield row.audit_count
    yield row.attempts
    yield result_problem(row).text
    yield row.correlation_id


def _states(row: ResultRow) -> Iterator[list[Cell]]:
    seconds = [each for _, each in stayed(row.states)]
    for number, (change, stay) in enumerate(zip_longest(row.states, seconds), 1):
        yield [
            row.line,
            row.external_id,
            row.task_id,
            number,
            in_words(change.state),
            when(change.at),
            change.source,
            stay,
        ]


def _audit(row: ResultRow) -> Iterator[list[Cell]]:
    for entry in row.audits:
        yield [when(entry.at), entry.actor, entry.action, row.task_id, row.external_id, row.line, _details(entry)]


def _details(entry: AuditEntry) -> str:
    return "; ".join(f"{name}: {_change(value)}" for name, value in entry.diff.items())


def _change(value: Any) -> str:
    if isinstance(value, dict) and value.keys() == {"from", "to"}:
        return f"{_plain(value['from'])} → {_plain(value['to'])}"
    return _plain(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# Run info


def _run_info(made: Book, facts: RunFacts, counts: Mapping[str, int]) -> None:
    grid = Grid(made, "Run info", (Head("Name", "text", 24), Head("Value", "wrap", 60)))
    for name, value in _info(facts, counts):
        grid.add((name, value))
    grid.end()


def _info(facts: RunFacts, counts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    yield "run", facts.run
    yield "plan", facts.plan
    yield "digest", facts.digest
    yield "source", facts.source
    yield "sheet", facts.sheet or ""
    yield "header line", str(facts.header_line)
    yield "headings", shorten(json.dumps(list(facts.headings), ensure_ascii=False), 4000)
    yield "environment", facts.environment
    yield "opened at (UTC)", facts.opened_at
    yield "prepared by", facts.preparer
    yield "approval", facts.approval
    yield "head of the log of approvals", facts.chain
    yield "state", facts.state
    yield "stopped", facts.note
    yield "importer", facts.version
    for name, number in counts.items():
        yield f"rows {name.replace('_', ' ')}", str(number)
    for name, value in facts.settings.items():
        yield f"setting {name}", _plain(value)
