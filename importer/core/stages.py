"""The life of a row in a run, as one table. `advance` is the only way from one stage to another."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from importer.core.outcomes import Outcome


class Stage(StrEnum):
    """Where a row is. READY, SENDING and DOUBT are on their way; the others rest, UNKNOWN until it is looked up again."""

    READY = "ready"  # nothing of it is on the wire, and nothing was created
    SENDING = "sending"  # a POST was claimed; its answer is not recorded
    DOUBT = "doubt"  # a POST's answer was lost; being looked up
    UNKNOWN = "unknown"  # could not be settled; needs `resume` later
    CREATED = "created"
    EXISTING = "existing"
    FAILED = "failed"
    INVALID = "invalid"
    DUPLICATE = "duplicate"
    SKIPPED = "skipped"


TRANSITIONS: dict[Stage, frozenset[Stage]] = {
    Stage.READY: frozenset({Stage.SENDING, Stage.DOUBT, Stage.CREATED, Stage.EXISTING, Stage.FAILED}),
    Stage.SENDING: frozenset({Stage.READY, Stage.CREATED, Stage.EXISTING, Stage.FAILED, Stage.DOUBT, Stage.UNKNOWN}),
    Stage.DOUBT: frozenset({Stage.SENDING, Stage.CREATED, Stage.EXISTING, Stage.FAILED, Stage.UNKNOWN, Stage.READY}),
    Stage.UNKNOWN: frozenset({Stage.CREATED, Stage.EXISTING, Stage.DOUBT, Stage.READY}),
    Stage.CREATED: frozenset(),
    Stage.EXISTING: frozenset(),
    Stage.FAILED: frozenset(),
    Stage.INVALID: frozenset(),
    Stage.DUPLICATE: frozenset(),
    Stage.SKIPPED: frozenset(),
}

OUTCOMES: dict[Stage, Outcome] = {
    Stage.READY: Outcome.NOT_SENT,
    Stage.SENDING: Outcome.UNKNOWN,
    Stage.DOUBT: Outcome.UNKNOWN,
    Stage.UNKNOWN: Outcome.UNKNOWN,
    Stage.CREATED: Outcome.CREATED,
    Stage.EXISTING: Outcome.EXISTING,
    Stage.FAILED: Outcome.FAILED,
    Stage.INVALID: Outcome.INVALID,
    Stage.DUPLICATE: Outcome.DUPLICATE,
    Stage.SKIPPED: Outcome.SKIPPED,
}

UNSETTLED = frozenset({Stage.READY, Stage.SENDING, Stage.DOUBT, Stage.UNKNOWN})
"""Stages that `resume` carries on with."""

HOLDING = frozenset({Stage.SENDING, Stage.DOUBT, Stage.UNKNOWN, Stage.CREATED})
"""Stages in which a row holds its external ID against the rows of other runs."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a run that is or was to be sent, as the ledger records it."""

    run: str
    position: int  # 0-based, in file order
    line: int
    external_id: str
    payload: str  # JSON, frozen before the first POST: every resend is the same bytes
    stage: Stage
    attempts: int = 0  # POSTs begun
    resends: int = 0  # POSTs repeated after one whose answer was lost; at most 2
    doubted: bool = False  # whether the answer of any POST of this row was ever lost
    conflicts: int = 0  # answers of 409 without a task to be found
    task_id: str | None = None
    state: str | None = None  # the task's last state seen
    reason: str = ""
    correlation_id: str | None = None
    audits: str = ""  # "", "done", "denied", "failed": how far the audit entries were fetched
    audit_count: int | None = None  # None: not fetched

    @property
    def outcome(self) -> Outcome:
        """What a report says of it now."""
        return OUTCOMES[self.stage]


def advance(entry: Entry, stage: Stage, **changes: Any) -> Entry:
    """The entry in its next stage. Raises ValueError for a step that the table does not know."""
    if stage is not entry.stage and stage not in TRANSITIONS[entry.stage]:
        raise ValueError(f"no way from {entry.stage} to {stage} (line {entry.line})")
    return replace(entry, stage=stage, **changes)
