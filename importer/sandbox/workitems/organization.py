"""What an organisation has besides workitems: divisions, queues, people and the words that describe work. Pure data."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Self

from importer.sandbox.life import seeded_id
from importer.sandbox.queues import Queue as TaskQueue
from importer.sandbox.queues import default_queues
from importer.sandbox.scenario import Scenario
from importer.sandbox.workitems import references
from importer.sandbox.workitems.divisions import DIVISIONS, HOME, NORTH, Division
from importer.sandbox.workitems.references import (
    AGENTS,
    IN_NORTH,
    ContactRef,
    QueueRef,
    UserRef,
    contact_id,
    language_id,
    skill_id,
    user_id,
    wrapup_code_id,
)

NAME = "Example Contact Centre"
SKILLS = (*references.SKILLS, "Claims Review", "Complaints", "Fax Handling", "Networks", "Returns")
LANGUAGES = (*references.LANGUAGES, "Dutch", "English - Written", "French", "Portuguese")
WRAPUP_CODES = (*references.WRAPUP_CODES, "Escalated", "Resolved Later")
ON_QUEUES = frozenset({"Resolved", "Transferred", "Resolved Later"})
"""The wrap-up codes that are configured on each queue."""
LABELS = ("Back Office", "Complaint", "Short Task")
PEOPLE = 12
CONTACTS = (("Hana", "Home", HOME), ("Nils", "North", NORTH), ("Uma", "Free", None), ("Hugo", "Home", HOME))
State = Literal["active", "inactive"]


@dataclass(frozen=True, slots=True)
class Named:
    """A skill, a language, a wrap-up code or a label."""

    id: str
    name: str
    state: State = "active"


@dataclass(frozen=True, slots=True)
class Queue(QueueRef):
    """A routing queue. It has neither a status nor a capacity; `joined` of its `members` are on it right now."""

    members: int = 0
    joined: int = 0


@dataclass(frozen=True, slots=True)
class User(UserRef):
    """A person; `divisions` are the IDs of those in which they may be given workitems."""

    home: str = HOME.id
    state: State = "active"


@dataclass(frozen=True, slots=True)
class Organization:
    """An organisation's lists by ID, each in a fixed order; it answers what a workitem may refer to as well."""

    id: str
    name: str
    divisions: Mapping[str, Division]
    queues: dict[str, Queue]
    skills: Mapping[str, Named]
    languages: Mapping[str, Named]
    wrapup_codes: Mapping[str, Named]
    labels: Mapping[str, Named]
    users: Mapping[str, User]
    contacts: Mapping[str, ContactRef]

    @classmethod
    def of(cls, scenario: Scenario) -> Self:
        """The organisation of the default world, with the scenario's queues and inactive skills.

        Besides those who take workitems from queues there are user1@example.com to user9@example.com, who may work in
        all divisions; user10 is inactive, user11 may work in the home division alone, user12 in none.
        """
        return cls(
            id=seeded_id("organization", NAME),
            name=NAME,
            divisions=DIVISIONS,
            queues={queue.id: queue for queue in _queues(scenario)},
            skills=_listed(skill_id, SKILLS, scenario.services.inactive_skills),
            languages=_listed(language_id, LANGUAGES),
            wrapup_codes=_listed(wrapup_code_id, WRAPUP_CODES),
            labels=_listed(label_id, LABELS),
            users={user.id: user for user in (*_agents(), *_people())},
            contacts={contact.id: contact for contact in _contacts()},
        )

    def take(self, queue: TaskQueue, old: TaskQueue | None) -> None:
        """A queue of the `tasks` world was added, or replaced an `old` one."""
        if old is not None:
            self.queues.pop(old.id, None)
        self.queues[queue.id] = _queue(queue)

    # What a workitem may refer to; see references.Directory

    def queue(self, queue_id: str) -> Queue | None:
        return self.queues.get(queue_id)

    def queue_named(self, name: str) -> Queue | None:
        return next((queue for queue in self.queues.values() if queue.name == name), None)

    def user(self, user_id: str) -> User | None:
        return self.users.get(user_id)

    def contact(self, contact_id: str) -> ContactRef | None:
        return self.contacts.get(contact_id)

    def has_skill(self, skill_id: str) -> bool:
        return skill_id in self.skills

    def has_language(self, language_id: str) -> bool:
        return language_id in self.languages

    def has_wrapup_code(self, code_id: str) -> bool:
        return code_id in self.wrapup_codes

    def has_label(self, label_id: str) -> bool:
        return label_id in self.labels

    def script_division(self, script_id: str) -> str | None:  # noqa: ARG002 - there are none
        return None


def label_id(name: str) -> str:
    """The ID of a utilization label: a function of its name, as all IDs here."""
    return seeded_id("label", name)


def _listed(make_id: Callable[[str], str], names: Iterable[str], inactive: Iterable[str] = ()) -> dict[str, Named]:
    off = frozenset(inactive)
    listed = [Named(make_id(name), name, "inactive" if name in off else "active") for name in names]
    return {each.id: each for each in listed}


def _queues(scenario: Scenario) -> Iterable[Queue]:
    """The queues of the `tasks` world under the same IDs; of their members two in three are joined."""
    for each in default_queues(scenario.queues):
        yield _queue(each)


def _queue(queue: TaskQueue) -> Queue:
    division = NORTH if queue.name in IN_NORTH else HOME
    codes = frozenset(map(wrapup_code_id, ON_QUEUES))
    members = len(queue.members or ())
    joined = 0 if queue.status == "closed" else members * 2 // 3
    return Queue(queue.id, queue.name, division.id, codes, members, joined)


def _agents() -> Iterable[User]:
    everywhere = frozenset(DIVISIONS)
    for email in AGENTS:
        yield User(user_id(email), email.partition("@")[0].replace(".", " ").title(), email, everywhere)
    email = "noor.north@example.com"
    yield User(user_id(email), "Noor North", email, frozenset({NORTH.id}), NORTH.id)


def _people() -> Iterable[User]:
    odd = {11: frozenset({HOME.id}), 12: frozenset[str]()}
    for n in range(1, PEOPLE + 1):
        email = f"user{n}@example.com"
        may = odd.get(n, frozenset(DIVISIONS))
        yield User(user_id(email), f"User {n}", email, may, state="inactive" if n == 10 else "active")


def _contacts() -> Iterable[ContactRef]:
    for first, last, division in CONTACTS:
        yield ContactRef(contact_id(f"{first} {last}"), first, last, division.id if division else None)
