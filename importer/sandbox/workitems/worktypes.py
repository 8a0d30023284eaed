"""Worktypes with their statuses, and workbins, of the built-in organisation. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from importer.sandbox.life import seeded_id, timestamp
from importer.sandbox.queues import queue_id
from importer.sandbox.workitems.divisions import HOME, NORTH, Division
from importer.sandbox.workitems.schemas import COMPLAINT, MADE_AT, Schema

Category = Literal["Open", "InProgress", "Waiting", "Closed"]
ROOT = "/api/v2/taskmanagement"


@dataclass(frozen=True, slots=True)
class Status:
    """A status; no `destinations` (IDs) means that it can become any other. `terminates` only where it is Closed."""

    id: str
    name: str
    category: Category
    worktype_id: str
    destinations: tuple[str, ...] = ()
    terminates: bool = False

    def uri(self) -> str:
        return f"{ROOT}/worktypes/{self.worktype_id}/statuses/{self.id}"

    def reference(self, *, named: bool = True) -> dict[str, Any]:
        """The status as others carry it."""
        return {"id": self.id, **({"name": self.name} if named else {}), "selfUri": self.uri()}


@dataclass(frozen=True, slots=True)
class Workbin:
    """A workbin."""

    id: str
    name: str
    division: Division
    description: str = ""

    def json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "division": self.division.json(),
            "description": self.description,
            "dateCreated": timestamp(MADE_AT),
            "dateModified": timestamp(MADE_AT),
            "selfUri": f"{ROOT}/workbins/{self.id}",
        }

    def reference(self, *, named: bool = True) -> dict[str, Any]:
        """The workbin as others carry it."""
        return {"id": self.id, **({"name": self.name} if named else {}), "selfUri": f"{ROOT}/workbins/{self.id}"}


@dataclass(frozen=True, slots=True)
class Worktype:
    """A worktype; the first of its statuses is the default one, the durations are seconds from a creation on."""

    id: str
    name: str
    workbin: Workbin
    statuses: tuple[Status, ...]
    description: str = ""
    priority: int = 0
    queue: str | None = None
    queue_name: str = ""
    assignment_enabled: bool = False
    schema: Schema | None = None
    duration_s: int | None = None
    due_s: int | None = None
    expires_s: int | None = None
    ttl_s: int = 365 * 86_400
    rules_enabled: bool = False
    contacts_without_division: bool = True

    @property
    def division(self) -> Division:
        return self.workbin.division

    def status(self, status_id: str) -> Status | None:
        """The status of this ID, if it is one of this worktype's."""
        return next((status for status in self.statuses if status.id == status_id), None)

    def first(self, category: Category) -> Status:
        """The first status of a category; the default one where there is none."""
        return next((status for status in self.statuses if status.category == category), self.statuses[0])

    def status_json(self, status: Status) -> dict[str, Any]:
        """A status as the platform shows it."""
        told = {
            "id": status.id,
            "name": status.name,
            "category": status.category,
            "destinationStatuses": [other.reference() for other in self.statuses if other.id in status.destinations],
            "description": "",
            "worktype": self.reference(),
            "selfUri": status.uri(),
        }
        return told | ({"autoTerminateWorkitem": status.terminates} if status.category == "Closed" else {})

    def reference(self, *, named: bool = True) -> dict[str, Any]:
        """The worktype as others carry it."""
        return {"id": self.id, **({"name": self.name} if named else {}), "selfUri": f"{ROOT}/worktypes/{self.id}"}

    def json(self, expands: Iterable[str] = ()) -> dict[str, Any]:
        """The worktype as the platform shows it; `expands` are defaultQueue and schema (the others are empty here)."""
        told: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "division": self.division.json(),
            "description": self.description,
            "dateCreated": timestamp(MADE_AT),
            "dateModified": timestamp(MADE_AT),
            "defaultWorkbin": self.workbin.reference(),
            "defaultStatus": self.statuses[0].reference(),
            "statuses": [self.status_json(status) for status in self.statuses],
            "defaultPriority": self.priority,
            "defaultTtlSeconds": self.ttl_s,
            "defaultSkills": [],
            "assignmentEnabled": self.assignment_enabled,
            "serviceLevelTarget": 100,
            "ruleSettings": {"flowRulesEnabled": self.rules_enabled},
            "unassignedDivisionContactsEnabled": self.contacts_without_division,
            "selfUri": f"{ROOT}/worktypes/{self.id}",
        }
        optional = {
            "defaultDurationSeconds": self.duration_s,
            "defaultDueDurationSeconds": self.due_s,
            "defaultExpirationSeconds": self.expires_s,
        }
        told |= {key: value for key, value in optional.items() if value is not None}
        if self.queue is not None:
            name = {"name": self.queue_name} if "defaultQueue" in expands else {}
            told["defaultQueue"] = {"id": self.queue, **name, "selfUri": f"/api/v2/routing/queues/{self.queue}"}
        if self.schema is not None:
            full = self.schema.reference()
            told["schema"] = full if "schema" in expands else {k: v for k, v in full.items() if k != "name"}
        return told


def worktype_id(name: str) -> str:
    """The ID of a built-in worktype: a function of its name."""
    return seeded_id("worktype", name)


def workbin_id(name: str) -> str:
    """The ID of a built-in workbin."""
    return seeded_id("workbin", name)


def _statuses(worktype: str, *, terminates: bool) -> tuple[Status, ...]:
    owner = worktype_id(worktype)
    made: tuple[tuple[str, Category], ...] = (
        ("Open", "Open"),
        ("In Progress", "InProgress"),
        ("Waiting", "Waiting"),
        ("Closed", "Closed"),
    )
    return tuple(
        Status(seeded_id("status", worktype, name), name, category, owner, (), terminates and category == "Closed")
        for name, category in made
    )


SERVICE_DESK = Workbin(workbin_id("Service Desk"), "Service Desk", HOME, "What comes in from customers.")
COMPLAINTS = Workbin(workbin_id("Complaints"), "Complaints", HOME)
NORTH_INBOX = Workbin(workbin_id("North Inbox"), "North Inbox", NORTH)
WORKBINS = {workbin.id: workbin for workbin in (SERVICE_DESK, COMPLAINTS, NORTH_INBOX)}

CASE = Worktype(
    worktype_id("Case"), "Case", SERVICE_DESK, _statuses("Case", terminates=True), "Anything that needs looking into.",
    queue=queue_id("General Inquiry"), queue_name="General Inquiry", assignment_enabled=True,
)  # fmt: skip
COMPLAINT_TYPE = Worktype(
    worktype_id("Complaint"), "Complaint", COMPLAINTS, _statuses("Complaint", terminates=False),
    "A customer is not content.", priority=10, queue=queue_id("Customer Service"), queue_name="Customer Service",
    assignment_enabled=True, schema=COMPLAINT, duration_s=3600, due_s=7 * 86_400,
)  # fmt: skip
CALLBACK = Worktype(
    worktype_id("Callback"), "Callback", SERVICE_DESK, _statuses("Callback", terminates=True),
    "Call this customer back.", expires_s=30 * 86_400,
)  # fmt: skip
CLAIM = Worktype(
    worktype_id("Claim"), "Claim", NORTH_INBOX, _statuses("Claim", terminates=True), queue=queue_id("Claims"),
    queue_name="Claims", assignment_enabled=True, contacts_without_division=False,
)  # fmt: skip
WORKTYPES = {worktype.id: worktype for worktype in (CASE, COMPLAINT_TYPE, CALLBACK, CLAIM)}


def as_told(worktype: Worktype, closed: Literal["worktype", "always", "never"]) -> Worktype:
    """The worktype with Closed statuses that terminate always, never, or as they say themselves."""
    if closed == "worktype":
        return worktype
    statuses = tuple(
        replace(each, terminates=closed == "always") if each.category == "Closed" else each
        for each in worktype.statuses
    )
    return replace(worktype, statuses=statuses)
