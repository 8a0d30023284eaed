"""Drift: what rows rest on and what changed of it between plan and run. Compares values; looks nothing up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from importer.core.facts import QueueFact, Reference
from importer.core.findings import Finding, finding
from importer.core.plan import PlanHead, PlanRow

Kind = Literal["queue", "worktype", "workbin"]
KINDS: tuple[Kind, ...] = ("queue", "worktype", "workbin")
"""What is read again before rows are sent: what the target lists in a call or two."""
LISTED = 20


@dataclass(frozen=True, slots=True)
class Rest:
    """Something that rows to be sent rest on: its ID, its name as people know it, and the lines of these rows."""

    kind: Kind
    id: str
    name: str
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """What became of it since the plan, so that its rows would not be ready any more."""

    rest: Rest
    change: str  # "was open, is now closed"

    @property
    def what(self) -> str:
        """`Queue Claims was open, is now closed`."""
        return f"{self.rest.kind.capitalize()} {self.rest.name} {self.change}"

    def __str__(self) -> str:
        """The same with its rows."""
        count = len(self.rest.lines)
        return f"{self.what}: {count:,} {'row' if count == 1 else 'rows'}"


def rests(head: PlanHead, rows: Iterable[tuple[PlanRow, Mapping[str, Any]]]) -> list[Rest]:
    """What the rows to be sent rest on, each with its content (see Target.content), by first line."""
    lines: dict[tuple[Kind, str], list[int]] = {}
    names: dict[tuple[Kind, str], str] = {}
    for row, content in rows:
        for kind in KINDS:
            wanted = content.get(kind)
            if isinstance(wanted, str) and wanted:
                key = (kind, wanted.lower())
                lines.setdefault(key, []).append(row.line)
                names.setdefault(key, row.queue if kind == "queue" else _written(head, row, kind) or wanted)
    return [Rest(kind, found, names[kind, found], tuple(at)) for (kind, found), at in lines.items()]


def _written(head: PlanHead, row: PlanRow, kind: str) -> str:
    """What the row's own cell says; a blank where the mapping says it for all rows."""
    heading = head.matched.get(kind)
    place = head.headings.index(heading) if heading in head.headings else len(row.cells)
    return row.cells[place].strip() if place < len(row.cells) else ""


def drifts(
    head: PlanHead,
    found: Sequence[Rest],
    queues: Mapping[str, QueueFact | None],
    references: Mapping[tuple[Kind, str], Reference | None],
) -> tuple[Drift, ...]:
    """What changed: `queues` and `references` are as the target shows them now, by ID (None: not any more)."""
    before = {str(line["id"]).lower(): line for line in head.queues if line.get("id")}
    changes = [
        (rest, _queue(before.get(rest.id, {}), queues[rest.id]))
        if rest.kind == "queue"
        else (rest, _reference(references[rest.kind, rest.id]))
        for rest in found
    ]
    return tuple(Drift(rest, change) for rest, change in changes if change)


def _queue(before: Mapping[str, Any], now: QueueFact | None) -> str:
    """The change of a queue that would make its rows invalid; a blank where none did."""
    if now is None:
        return "does not exist any more"
    if now.status == "closed" and before.get("status") != "closed":
        return f"was {before.get('status') or 'there'}, is now closed"
    if now.room == 0 and before.get("room") != 0:
        room = before.get("room")
        had = "had no limit" if room is None else f"had room for {room:,}"
        return f"{had}, is now full ({now.members or 0:,} of {now.limit:,})"
    return ""


def _reference(now: Reference | None) -> str:
    if now is None:
        return "does not exist any more"
    return "" if now.active else "was in use, is not any more"


def in_words(found: Sequence[Drift]) -> str:
    """All of it, in one paragraph."""
    more = f"; and {len(found) - LISTED} more" if len(found) > LISTED else ""
    return "; ".join(str(each) for each in found[:LISTED]) + more


def left_out(found: Iterable[Drift]) -> dict[int, Finding]:
    """The rows that are left out for it, by line, with what is said of them."""
    return {line: finding("P703", line=line, change=each.what) for each in found for line in each.rest.lines}
