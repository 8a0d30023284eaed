"""Aftermath: what there is to say about a row after sending, in the words of the catalogue."""

from collections.abc import Iterator, Sequence

from importer.core.conflict import differs, several
from importer.core.findings import Finding, finding
from importer.core.history import CREATE, UPDATE
from importer.core.outcomes import Outcome
from importer.core.report import AuditEntry


def after_sending(
    outcome: Outcome, *, line: int, run: str, reason: str, audits: str, trail: Sequence[AuditEntry]
) -> Iterator[Finding]:
    """The findings on one row of a run; `reason` and `audits` are those of its entry."""
    match outcome:
        case Outcome.FAILED if reason.startswith("409"):
            yield finding("S604", line=line)
        case Outcome.FAILED:
            status, _, problem = reason.partition(": ")
            yield finding("S601", line=line, status=status, problem=problem)
        case Outcome.UNKNOWN:
            yield finding("S602", line=line, run=run)
        case Outcome.NOT_SENT:
            yield finding("S603", line=line, run=run, problem=reason or "the run stopped before its turn")
        case Outcome.CREATED:
            yield from _conflicts(line, reason)
            yield from _audited(line, audits, trail)
        case Outcome.EXISTING:
            yield from _conflicts(line, reason)


def _conflicts(line: int, reason: str) -> Iterator[Finding]:
    fields, (count, task_ids) = differs(reason), several(reason)
    if fields:
        yield finding("S605", line=line, fields=fields)
    if count:
        yield finding("S606", line=line, count=count, task_ids=task_ids)


def _audited(line: int, audits: str, trail: Sequence[AuditEntry]) -> Iterator[Finding]:
    if audits == "denied":
        yield finding("A801", line=line, problem="its scope or permission is missing")
    elif audits == "failed":
        yield finding("A802", line=line, problem="the service did not answer.")
    elif audits and not _tells_of_creation(trail):
        yield finding("A803", line=line)


def _tells_of_creation(trail: Sequence[AuditEntry]) -> bool:
    """Whether the creation is among the entries; what the platform calls it is known of the founding API alone."""
    founding = any(entry.action in (CREATE, UPDATE) for entry in trail)
    return any(entry.action == CREATE for entry in trail) if founding else bool(trail)
