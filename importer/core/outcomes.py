"""Answer: what one call to create a task came to. Outcome: what became of a row."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from importer.core.errors import LongWait
from importer.core.facts import TaskFact


@dataclass(frozen=True, slots=True)
class Created:
    """201 or 200 with a task ID."""

    task_id: str
    state: str
    task: dict[str, Any]
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """400, 404, 413, 415, 422: this row cannot succeed as it is; definitely not done."""

    status: int
    problem: str
    correlation_id: str | None = None
    cause: str = ""  # the same for all rows that are refused for one reason: no value of a row in it


@dataclass(frozen=True, slots=True)
class Conflict:
    """409: a task with this external ID exists, or the queue is in transition; definitely not done by this call."""

    problem: str
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class NotDone:
    """429, or the connection was never made: definitely not done; may be tried again after `wait_s` seconds."""

    problem: str
    wait_s: float = 0.0
    throttled: bool = False  # 429: the service is at work, and everyone waits
    stop: LongWait | None = None  # no row can be created before a limit of the day is reset


@dataclass(frozen=True, slots=True)
class Lost:
    """5xx, time-out, reset, unreadable or unexpected answer: it may or may not have been done."""

    problem: str
    status: int | None = None
    correlation_id: str | None = None
    timed_out: bool = False


THROTTLED = "over the rate limit"
"""How a 429 is told."""
TIME_OUT = "time-out"
"""How a problem that was one is told."""

Answer = Created | Refused | Conflict | NotDone | Lost


def in_short(answer: Answer) -> str:
    """An answer in a word or two, for the record of calls."""
    match answer:
        case Created():
            return "created"
        case Refused():
            return f"refused ({answer.status})"
        case Conflict():
            return "conflict (409)"
        case NotDone():
            return f"not done: {answer.problem}"
        case Lost():
            return f"lost: {answer.problem}"


@dataclass(frozen=True, slots=True)
class Hits:
    """What a look-up by external ID showed: no task, one, or more."""

    tasks: tuple[TaskFact, ...] = ()


class Outcome(StrEnum):
    """What became of a row; one field in every report. The verdicts of rows that were never sent stay what they were."""

    CREATED = "created"
    EXISTING = "existing"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"
    INVALID = "invalid"
    DUPLICATE = "duplicate"
    SKIPPED = "skipped"

    @property
    def words(self) -> str:
        """As people read it: `not sent`."""
        return self.value.replace("_", " ")
