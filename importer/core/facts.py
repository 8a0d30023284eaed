"""Facts: all that was looked up before judging. Values only; looks nothing up itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from importer.core.custom_fields import CustomField

Content = Mapping[str, Any]
"""What two tasks are compared by: field -> value, attributes as `attribute NAME`."""


@dataclass(frozen=True, slots=True)
class QueueFact:
    """A queue as the target showed it."""

    id: str
    name: str
    status: str  # open, closed, transitional
    limit: int | None = None  # maxMembers; None: unlimited or unknown
    members: int | None = None
    joined: int | None = None  # members who take work now, where the target tells
    division: str = ""  # its ID, where the target has divisions
    division_name: str = ""

    @property
    def room(self) -> int | None:
        """Places left now, at least 0; None where the queue has no limit."""
        return None if self.limit is None else max(self.limit - (self.members or 0), 0)


@dataclass(frozen=True, slots=True)
class Reference:
    """Something that a row names beside its queue: a worktype, a workbin, a skill, a person."""

    id: str
    name: str
    division: str = ""  # its ID; blank where it has none
    division_name: str = ""
    active: bool = True
    fields: tuple[CustomField, ...] | None = ()  # of a worktype: its schema's; None where they could not be read
    workbin: str = ""  # of a worktype: the ID of its default workbin
    queue: str = ""  # of a worktype: the ID of its default queue
    routes: bool = False  # of a worktype: its tasks go to a queue as they are created


@dataclass(frozen=True, slots=True)
class TaskFact:
    """A task that the target showed for an external ID."""

    task_id: str
    external_id: str
    content: Content
    state: str = ""


@dataclass(frozen=True, slots=True)
class LedgerFact:
    """What an earlier run did with an external ID."""

    run: str
    task_id: str | None  # None: its outcome is not settled
    content: Content


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the target and the ledger for some rows. An empty one (`check`, offline) judges nothing."""

    queues: Mapping[str, tuple[QueueFact, ...]] = field(default_factory=dict)  # by the name or ID as written
    queue_names: tuple[str, ...] = ()  # of all queues seen, for suggestions
    existing: Mapping[str, tuple[TaskFact, ...]] = field(default_factory=dict)  # by external ID
    earlier: Mapping[str, LedgerFact] = field(default_factory=dict)  # by external ID
    references: Mapping[tuple[str, str], tuple[Reference, ...]] = field(
        default_factory=dict
    )  # by field, text as written
    suggestions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by field: all names
    now: datetime | None = None  # when it was looked up
    time_zone: str = "UTC"  # of times that are written without an offset
    online: bool = False  # whether the target was asked


def differing(ours: Content, theirs: Content) -> list[str]:
    """The fields in which the target's task differs from ours. What the target does not show is not compared."""
    return [name for name, value in ours.items() if name in theirs and theirs[name] != value]
