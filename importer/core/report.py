"""Report: the tally and the tables that every screen, workbook and JSON is made from. Computed here and nowhere else."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from importer.core.findings import Finding, Severity, listed
from importer.core.outcomes import Outcome
from importer.core.plan import findings_record
from importer.core.timing import Timing
from importer.core.verdicts import Verdict

OUTCOME_KEYS = tuple(outcome.value for outcome in Outcome)

ICONS = {
    "ready": "✔", "created": "✔", "existing": "•", "failed": "✖", "unknown": "?", "not_sent": "…",
    "invalid": "✖", "duplicate": "≡", "skipped": "–",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StateChange:
    """One step in a task's life."""

    state: str
    at: str  # RFC 3339, UTC
    source: str  # "created": in the answer to the POST; "poll": seen; "audit": from an audit entry; "history": the platform's own


VERSION = "version"
"""The action of an entry that stands for a version in a task's history, where the target does not audit tasks."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One audit entry of a task, as the target gave it."""

    id: str
    action: str
    actor: str
    at: str
    diff: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ResultRow:
    """Everything that is known of one row of a run: what the Results sheet shows on one line."""

    line: int
    file_line: int | None
    cells: tuple[str, ...]
    outcome: Outcome
    external_id: str
    queue: str
    task_id: str | None
    state: str | None
    states: tuple[StateChange, ...]
    audit_count: int | None
    audits: tuple[AuditEntry, ...]
    attempts: int
    reason: str
    correlation_id: str | None
    findings: tuple[Finding, ...]

    def record(self) -> dict[str, Any]:
        """The row in results.json."""
        return {
            "line": self.line,
            "outcome": self.outcome.value,
            "external_id": self.external_id or None,
            "task_id": self.task_id,
            "queue": self.queue or None,
            "state": self.state,
            "states": [{"state": each.state, "at": each.at, "source": each.source} for each in self.states],
            "audit_count": self.audit_count,
            "attempts": self.attempts,
            "reason": self.reason or None,
            "correlation_id": self.correlation_id,
            "findings": findings_record(self.findings),
        }


NOT_REQUIRED = "not required"
"""The approval of a run that needed none."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a run's reports say above the rows."""

    run: str
    plan: str
    digest: str
    source: str
    sheet: str | None
    headings: tuple[str, ...]
    header_line: int
    environment: str
    opened_at: str
    preparer: str
    approval: str  # NOT_REQUIRED, or who and when
    settings: Mapping[str, Any]
    state: str  # "open" or "done"
    note: str = ""  # why the run stopped, where it did
    version: str = ""
    chain: str = ""  # the head of the log of approvals under which the run was opened
    timing: Timing | None = None  # of the calls that create


def tally(outcomes: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The books: `read` and a count for each outcome. Raises ValueError for an outcome that is unknown."""
    counts = dict.fromkeys(OUTCOME_KEYS, 0)
    for outcome, number in outcomes:
        if outcome not in counts:
            raise ValueError(outcome)
        counts[outcome] += number
    return {"read": sum(counts.values()), **counts}


def preview_counts(verdicts: Mapping[Verdict, int]) -> dict[str, int]:
    """The same before sending, with `ready` for what would be sent."""
    counts = {verdict.value: verdicts.get(verdict, 0) for verdict in Verdict}
    sent = {"created": 0, "failed": 0, "unknown": 0, "not_sent": 0}
    order = ("ready", "created", "existing", "failed", "unknown", "not_sent", "invalid", "duplicate", "skipped")
    both = counts | sent
    return {"read": sum(counts.values()), **{name: both[name] for name in order}}


def in_words(counts: Mapping[str, int]) -> str:
    """`600 read: 598 created, 2 invalid`; what is zero is left out."""
    parts = [f"{n:,} {name.replace('_', ' ')}" for name, n in counts.items() if name != "read" and n]
    return f"{counts['read']:,} read: {', '.join(parts) or 'no rows'}"


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause with all the rows that it holds up: the line of a Problems sheet."""

    severity: Severity
    code: str
    message: str
    fix: str
    heading: str
    rows: int  # rows that have it
    freed: int  # rows that would be sent if only this were mended
    lines: str  # `8, 32 and 12 more`
    example: str  # the cell of the first


CAUSE_LINES = 50
"""So many lines of a cause are remembered."""


class Causes:
    """Groups findings by cause while rows pass by. Keeps a bounded record of each."""

    def __init__(self) -> None:
        self._causes: dict[tuple[str, str, str], dict[str, Any]] = {}

    def add(self, findings: Sequence[Finding]) -> None:
        """The findings of one row, or of the file."""
        errors = {cause_of(each) for each in findings if each.severity is Severity.ERROR}
        for key, each in {cause_of(each): each for each in findings}.items():
            found = self._causes.setdefault(key, {"first": each, "rows": 0, "freed": 0, "lines": []})
            found["rows"] += 1
            found["freed"] += errors == {key}
            if each.line is not None and len(found["lines"]) < CAUSE_LINES:
                found["lines"].append(each.line)

    def ranked(self) -> list[Cause]:
        """Errors first, the most freeing first; then warnings, then notes."""
        order = {severity: index for index, severity in enumerate(Severity)}
        causes = [made_cause(**found) for found in self._causes.values()]
        return sorted(causes, key=lambda cause: (order[cause.severity], -cause.freed, -cause.rows, cause.code))


def made_cause(first: Finding, rows: int, freed: int, lines: Sequence[int]) -> Cause:
    """A cause, from its first finding and the first of its lines, of which some may be missing beyond 50."""
    told = listed((str(line) for line in lines), most=12)
    more = rows - len(lines)
    if lines and len(lines) >= CAUSE_LINES and more > 0:
        told += f" (and {more} beyond)"
    return Cause(
        first.severity, first.code, first.message, first.fix, first.heading or "", rows, freed, told, first.cell or ""
    )


def cause_of(finding: Finding) -> tuple[str, str, str]:
    """Rows share a cause where code, column and, for queues and types, the value are the same."""
    value = finding.value or "" if finding.code[0] == "Q" or finding.code == "V305" else ""
    return finding.code, finding.heading or "", value


def forecast(
    counts: Mapping[str, int], queues: int, rate_calls: int, rate_window_s: float, target: str = "tasks"
) -> dict[str, Any]:
    """Calls and minutes at the cap, ten looks a task.

    Tasks: one POST and one audit page a row, look-ups and polls by 50. Workitems: six calls a bulk job of 50 (make, start,
    two looks, results, tags), polls by 100, one history a row.
    """
    ready = counts["ready"]
    batches = -(-ready // 50)
    calls = {"log-in": 1 if ready else 0, "queues": queues}
    if target == "tasks":
        calls |= {"create": ready, "track (about)": batches * 10, "audit": ready}
    else:
        calls |= {"create (about)": batches * 6, "track (about)": -(-ready // 100) * 10, "history": ready}
    total = sum(calls.values())
    return {"calls": calls, "total": total, "minutes": round(total * rate_window_s / rate_calls / 60, 1)}


def dwell(states: Sequence[StateChange]) -> Iterator[tuple[str, float]]:
    """How long a task stayed in each state it left, in seconds."""
    for before, after in pairwise(states):
        start, end = datetime.fromisoformat(before.at), datetime.fromisoformat(after.at)
        yield before.state, (end - start).total_seconds()
