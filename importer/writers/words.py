"""Words that reports share: verdicts with sign and colour, problems of a row, times, next steps. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from importer.core.findings import Finding, Severity
from importer.core.outcomes import Outcome
from importer.core.plan import PlanRow
from importer.core.report import ICONS, ResultRow, StateChange, dwell
from importer.core.states import in_words
from importer.core.verdicts import Verdict

STYLES = {
    "ready": "good", "created": "good", "existing": "calm", "failed": "bad", "unknown": "look", "not_sent": "look",
    "invalid": "bad", "duplicate": "calm", "skipped": "calm", "warning": "look", "error": "bad", "note": "calm",
}  # fmt: skip
"""The colour of a word; the same in every report."""

_UTC = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+]00:00)")

REJECTED = frozenset({Outcome.INVALID, Outcome.DUPLICATE, Outcome.FAILED, Outcome.NOT_SENT})
"""Outcomes whose rows can be handed in again. Never `unknown`: that task may exist."""


class Problem(NamedTuple):
    """What is wrong with a row and how to mend it, as two texts."""

    text: str
    fix: str


def worded(outcome: str) -> str:
    """`✔ created`: the sign and the word."""
    return f"{ICONS[outcome]} {outcome.replace('_', ' ')}"


def plan_word(row: PlanRow) -> tuple[str, str]:
    """A verdict as sign and word, and the name of its style; a ready row that wants a look is told apart."""
    if row.verdict is Verdict.READY and any(each.severity is Severity.WARNING for each in row.findings):
        return "▲ ready, warning", STYLES["warning"]
    return worded(row.verdict.value), STYLES[row.verdict.value]


def problems(findings: Iterable[Finding], *, notes: bool = False) -> Problem:
    """The messages of a row's findings, worst first, and their fixes."""
    shown = _by_weight(findings, notes=notes)
    fixes = (each.fix for each in shown if each.severity is not Severity.NOTE)
    return Problem(_joined(_placed(each) for each in shown), _joined(fixes))


def result_problem(row: ResultRow) -> Problem:
    """Why a row of a run came out as it did. What its findings say is said once."""
    found = problems(row.findings, notes=row.outcome is Outcome.EXISTING)
    return Problem(_joined((_reason(row), found.text)), _joined((_outcome_fix(row), found.fix)))


def _reason(row: ResultRow) -> str:
    """The reason that the ledger keeps, unless findings say the same: those of before sending, or of what came of it."""
    messages = [each.message for each in row.findings]
    for part in row.reason.split("; "):
        problem = part.partition(": ")[2] or part  # `400: no such queue`
        if not any(problem in message for message in messages):
            return row.reason[:1].upper() + row.reason[1:]
    return ""


def _outcome_fix(row: ResultRow) -> str:
    told = any(each.code.startswith("S6") for each in row.findings)
    return "" if told else _OUTCOME_FIXES.get(row.outcome, "")


def row_advice(findings: Iterable[Finding]) -> str:
    """What to fix in a row, a line for each finding: its cell, what is wrong, how to mend it."""
    return _joined(_advised(each) for each in _by_weight(findings))


def result_advice(row: ResultRow) -> str:
    """What to fix in a row of a run: why it came out so, then what was found about it."""
    reason = _reason(row)
    if reason and reason[-1] not in ".!?…":
        reason += "."
    outcome = " ".join(part for part in (reason, _outcome_fix(row)) if part)
    return _joined((outcome, row_advice(row.findings)))


_OUTCOME_FIXES = {
    Outcome.FAILED: "Correct the row and hand it in again.",
    Outcome.NOT_SENT: "Carry the run on (importer resume), or hand the row in again.",
    Outcome.UNKNOWN: "Do not enter it by hand: importer resume looks it up.",
}


def history(states: Sequence[StateChange]) -> str:
    """`new 21:00:01 → queued 21:00:02 (audit)`; the date is told where it changes."""
    parts, day = [], ""
    for each in states:
        date, time = clock_time(each.at)
        when = time if not day or date == day else f"{date} {time}"
        day = date
        parts.append(f"{in_words(each.state)} {when}{' (audit)' if each.source == 'audit' else ''}")
    return " → ".join(parts)


def clock_time(at: str) -> tuple[str, str]:
    """Date and time of an RFC 3339 text in UTC, to the second; what cannot be read comes back as it is."""
    if _UTC.fullmatch(at):
        return at[:10], at[11:19]
    try:
        moment = datetime.fromisoformat(at)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        return "", at
    return moment.strftime("%Y-%m-%d"), moment.strftime("%H:%M:%S")


def when(at: str) -> str:
    """`2026-01-05 21:00:01`, UTC."""
    return " ".join(clock_time(at)).strip()


def duration(seconds: float) -> str:
    """`under a second`, `1.5 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return "under a second" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def stayed(states: Sequence[StateChange]) -> list[tuple[str, float]]:
    """Seconds in each state that the task left; nothing where a time cannot be read."""
    try:
        return list(dwell(states))
    except (ValueError, TypeError):
        return []


def next_steps(counts: Mapping[str, int], run: str, environment: str) -> list[str]:
    """What to do after a run, the most pressing first. `environment` is that of its plan, as text."""
    flag = " --sandbox" if "sandbox:" in environment else ""
    target = environment.partition(" ")[0]
    other = "" if target == "tasks" else f" --target {target}"
    steps = []
    if counts["unknown"] or counts["not_sent"]:
        rows = counts["unknown"] + counts["not_sent"]
        steps.append(f"Carry on with the {rows:,} rows that are unknown or not sent: importer resume {run}{flag}")
    rejects = sum(counts[outcome.value] for outcome in REJECTED - {Outcome.NOT_SENT})
    if rejects:
        steps.append(
            f"Repair the {rejects:,} rows on the sheet Rejects that are invalid, duplicate or failed, save, and hand "
            f"it in: importer run results.xlsx --sheet Rejects{other}{flag} (with --map FILE if the first import had one)"
        )
    if counts["created"]:
        steps.append(f"See what has become of the tasks later: importer track {run}{flag}")
    return steps or ["Nothing to do."]


def _by_weight(findings: Iterable[Finding], *, notes: bool = False) -> list[Finding]:
    order = list(Severity)
    shown = [each for each in findings if notes or each.severity is not Severity.NOTE]
    return sorted(shown, key=lambda each: order.index(each.severity))


def _advised(finding: Finding) -> str:
    """The cell without its sheet: the reader stands on it."""
    place = (finding.cell or "").rpartition("!")[2]
    return f"{place + ': ' if place else ''}{finding.message} {finding.fix}".strip()


def _placed(finding: Finding) -> str:
    return f"{finding.code}: {finding.message}"


def _joined(texts: Iterable[str]) -> str:
    return "\n".join(dict.fromkeys(text for text in texts if text))
