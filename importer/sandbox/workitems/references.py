"""What a workitem can refer to, as far as the rules of workitems need to know of it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from importer.sandbox.life import seeded_id
from importer.sandbox.queues import DEFAULT_QUEUES, queue_id
from importer.sandbox.workitems.divisions import HOME, NORTH

IN_NORTH = frozenset({"Claims", "Renewals"})
"""The queues of the default world that are in the division beside home."""
AGENTS = tuple(
    f"{name}@example.com" for name in ("ada.novak", "ben.okoro", "carla.diaz", "dev.patel", "eva.lind", "finn.moore")
)
"""E-mail addresses of the users who take workitems from queues."""
SKILLS = ("English", "Spanish", "Invoices", "Claims Handling", "Escalation")
LANGUAGES = ("English", "Spanish", "German")
WRAPUP_CODES = ("Resolved", "Transferred", "No Answer")


@dataclass(frozen=True, slots=True)
class QueueRef:
    """A queue: its division, and the wrap-up codes (IDs) that are configured on it."""

    id: str
    name: str
    division_id: str
    wrapup_codes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class UserRef:
    """A user; `divisions` are those in which the user may be given workitems."""

    id: str
    name: str
    email: str
    divisions: frozenset[str] = field(default_factory=lambda: frozenset({HOME.id, NORTH.id}))


@dataclass(frozen=True, slots=True)
class ContactRef:
    """An external contact; one in no division has None."""

    id: str
    first_name: str
    last_name: str
    division_id: str | None


class Directory(Protocol):
    """Finds what a workitem refers to, by ID in lower case; None or False where there is no such thing."""

    def queue(self, queue_id: str) -> QueueRef | None: ...
    def queue_named(self, name: str) -> QueueRef | None: ...
    def user(self, user_id: str) -> UserRef | None: ...
    def contact(self, contact_id: str) -> ContactRef | None: ...
    def has_skill(self, skill_id: str) -> bool: ...
    def has_language(self, language_id: str) -> bool: ...
    def has_wrapup_code(self, code_id: str) -> bool: ...
    def has_label(self, label_id: str) -> bool: ...
    def script_division(self, script_id: str) -> str | None: ...


def skill_id(name: str) -> str:
    """The ID of a routing skill: a function of its name, like that of a queue."""
    return seeded_id("skill", name)


def language_id(name: str) -> str:
    """The ID of a routing language."""
    return seeded_id("language", name)


def wrapup_code_id(name: str) -> str:
    """The ID of a wrap-up code."""
    return seeded_id("wrapup-code", name)


def user_id(email: str) -> str:
    """The ID of a user."""
    return seeded_id("user", email)


def contact_id(name: str) -> str:
    """The ID of an external contact."""
    return seeded_id("contact", name)


def default_queue_refs(names: Iterable[str] = ()) -> tuple[QueueRef, ...]:
    """The queues of the default world and those of these further names, which are in the home division."""
    known = dict.fromkeys((*(spec.name for spec in DEFAULT_QUEUES), *names))
    codes = frozenset({wrapup_code_id("Resolved"), wrapup_code_id("Transferred")})
    return tuple(QueueRef(queue_id(name), name, NORTH.id if name in IN_NORTH else HOME.id, codes) for name in known)
