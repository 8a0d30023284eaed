"""History: a task's states from what polls saw and what audit entries say. Reads no clock."""

from collections.abc import Sequence
from datetime import UTC, datetime

from importer.core.report import AuditEntry, StateChange

CREATE, UPDATE = "task-create", "task-update"


def moment(text: str) -> datetime:
    """An RFC 3339 text as an aware time; the beginning of time where it is none."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def merged(seen: Sequence[StateChange], trail: Sequence[AuditEntry]) -> list[StateChange]:
    """The history without holes: what the audit entries tell, with what was seen marked as seen.

    A state that only the audit knows has the source `audit`. Times are the audit's where it has one: a poll only sees a
    state some time after it began. What was seen and is not in the audit (which may lag) is kept in its place.
    """
    told = _told(seen, trail)
    if told:  # what an earlier, shorter trail filled in is told again
        seen = [each for each in seen if each.source != "audit"]
    history: list[StateChange] = []
    next_told = 0
    for each in seen:
        match = next((i for i in range(next_told, len(told)) if told[i].state == each.state), None)
        if match is None:
            history.append(each)
            continue
        history += told[next_told:match]
        history.append(StateChange(each.state, told[match].at or each.at, each.source))
        next_told = match + 1
    return history + told[next_told:]


def _told(seen: Sequence[StateChange], trail: Sequence[AuditEntry]) -> list[StateChange]:
    """The states that the audit entries tell, the first one included."""
    moves = [(entry, entry.diff.get("state")) for entry in sorted(trail, key=lambda entry: moment(entry.at))]
    created = next((entry for entry, _ in moves if entry.action == CREATE), None)
    told: list[StateChange] = []
    for entry, change in moves:
        if entry.action == CREATE or not isinstance(change, dict) or not isinstance(change.get("to"), str):
            continue
        if not told:
            first = change.get("from") or (seen[0].state if seen else "")
            at = created.at if created else seen[0].at if seen else entry.at
            told += [StateChange(str(first), at, "audit")] if first else []
        told.append(StateChange(change["to"], entry.at, "audit"))
    return told


def is_complete(state: str | None, trail: Sequence[AuditEntry]) -> bool:
    """Whether the audit entries tell a task's life up to `state`: its creation, and a last move that led there.

    Audit entries may come late: a task that has moved and whose trail tells of no move is not told to its end.
    """
    if not any(entry.action == CREATE for entry in trail):
        return False
    told = _told((), trail)
    return told[-1].state == state if told else state in (None, "new")
