"""The queues of the default world, whose IDs are the same in every world so that spreadsheets can name them. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from importer.sandbox.life import seeded_id
from importer.sandbox.scenario import QueueSpec, QueueStatus

_ROOMY = (
    ("Technical Support", 24),
    ("Product Support", 16),
    ("Customer Service", 40),
    ("IT Support", 8),
    ("Billing and Payments", 14),
    ("Returns and Exchanges", 10),
    ("Human Resources", 5),
    ("Service Outages and Maintenance", 6),
    ("Sales and Pre-Sales", 18),
    ("General Inquiry", None),
)
DEFAULT_QUEUES = (
    *(QueueSpec(name=name, members=members) for name, members in _ROOMY),
    QueueSpec(name="Billing", max_members=200, members=12),
    QueueSpec(name="Claims", max_members=100, members=21),
    QueueSpec(name="Onboarding", max_members=50, members=9),
    QueueSpec(name="Renewals", max_members=30, members=27),
    QueueSpec(name="Night Desk", status="transitional", max_members=20, members=4),
    QueueSpec(name="Old Complaints", status="closed", max_members=20, members=2),
    QueueSpec(name="VIP Desk", max_members=10, members=10),
)


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue; `max_members` None means no limit, `members` None means that the answer does not tell them."""

    id: str
    name: str
    status: QueueStatus
    max_members: int | None
    members: tuple[str, ...] | None

    @property
    def is_full(self) -> bool:
        """Whether no room is left; creating a task takes none."""
        return self.max_members is not None and len(self.members or ()) >= self.max_members

    def json(self) -> dict[str, Any]:
        """The queue as the API shows it."""
        members = None if self.members is None else [{"id": member} for member in self.members]
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "maxMembers": self.max_members,
            "members": members,
        }


def queue_id(name: str) -> str:
    """The ID of a queue to which the scenario gives none: a function of its name alone."""
    return seeded_id("queue", name)


def made(spec: QueueSpec) -> Queue:
    """The queue that the settings describe, with members whose IDs depend on its name alone."""
    members = None if spec.members is None else tuple(seeded_id("member", spec.name, n) for n in range(spec.members))
    return Queue((spec.id or queue_id(spec.name)).lower(), spec.name, spec.status, spec.max_members, members)


def default_queues(extra: Iterable[QueueSpec] = ()) -> list[Queue]:
    """The default queues in their order, then the extra ones; an extra one replaces its namesake in place."""
    specs = {spec.name: spec for spec in DEFAULT_QUEUES}
    specs.update({spec.name: spec for spec in extra})
    return [made(spec) for spec in specs.values()]
