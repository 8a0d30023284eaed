"""What is audited, and the queries about it. Reads the workitems and keeps only what was asked; no clock, no network."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from importer.sandbox.life import seeded_id, timestamp
from importer.sandbox.workitems.jobs import BulkJob
from importer.sandbox.workitems.services import Services
from importer.sandbox.workitems.world import ROUNDING_S, Event, WorkitemWorld

SERVICE = "TaskManagement"
LISTED: Mapping[str, tuple[str, ...]] = {
    "BulkJob": ("Create", "Update", "Delete"),
    "Schema": ("Create", "Update", "Delete"),
    "Workbin": ("Create", "Update", "Delete"),
    "Worktype": ("Create", "Update", "Delete"),
}
"""The entity types that are known to be audited, with what can be done to them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An audit entry: `by_client` is the OAuth client's ID, `action_id` is shared by all entries of one action.

    `about` is what its ID is made of; `old` and `new` are all properties before and after. Little is worked out before
    it is shown, for most entries are only counted or filtered away.
    """

    about: tuple[object, ...]
    at: float
    entity_type: str
    entity_id: str
    entity_name: str
    action: str
    action_id: str | None
    by_client: str | None
    by_user: str | None
    old: Mapping[str, Any] = field(default_factory=dict)
    new: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return seeded_id("audit", *self.about)

    @property
    def action_key(self) -> str:
        """The same for all entries of one action."""
        return self.action_id or self.id

    def json(self) -> dict[str, Any]:
        """The entry as the API shows it."""
        user = {"user": {"id": self.by_user}} if self.by_user else {}
        uri = f"/api/v2/oauth/clients/{self.by_client}"
        client = {"client": {"id": self.by_client, "selfUri": uri}} if self.by_client else {}
        return {
            "id": self.id,
            "serviceName": SERVICE,
            "level": "USER" if self.by_user or self.by_client else "SYSTEM",
            "eventDate": timestamp(self.at),
            "action": self.action,
            "entity": {"id": self.entity_id, "name": self.entity_name},
            "entityType": self.entity_type,
            "status": "SUCCESS",
            **user,
            **client,
            "propertyChanges": [
                {"property": name, "oldValues": _values(self.old.get(name)), "newValues": _values(self.new[name])}
                for name in sorted(self.new)
                if self.new[name] != self.old.get(name)
            ],
        }


@dataclass(frozen=True, slots=True)
class Question:
    """A query: an interval in seconds since 1970, filters by property; `descending` in time."""

    start: float
    end: float
    service: str | None
    filters: tuple[tuple[str, str], ...]
    descending: bool


@dataclass(frozen=True, slots=True)
class Transaction:
    """An asynchronous query: what was asked, in which words, when and under which settings."""

    id: str
    question: Question
    told: Mapping[str, Any]
    at: float
    services: Services

    @property
    def done_at(self) -> float:
        """When it is no longer running."""
        return self.at + self.services.audit_queued_s + self.services.audit_running_s

    def state(self, now: float) -> str:
        """Queued, Running, then Succeeded or Failed."""
        if now < self.at + self.services.audit_queued_s - ROUNDING_S:
            return "Queued"
        if now < self.done_at - ROUNDING_S:
            return "Running"
        return "Failed" if self.services.audit_failing else "Succeeded"


@dataclass(slots=True)
class AuditLog:
    """The audit log. Its state: the queries that were asked and found, realtime queries in flight, and downloads.

    `downloads_at` is where downloads are served, without a slash at the end.
    """

    world: WorkitemWorld
    downloads_at: str = ""
    transactions: dict[str, Transaction] = field(default_factory=dict)
    downloads: dict[str, bytes] = field(default_factory=dict)
    _flights: list[float] = field(default_factory=list)
    _found: dict[str, list[Entry]] = field(default_factory=dict)

    def ask(self, question: Question, told: Mapping[str, Any], now: float, services: Services) -> Transaction:
        """Begin an asynchronous query."""
        transaction_id = seeded_id("audit-query", len(self.transactions), now)
        self.transactions[transaction_id] = Transaction(transaction_id, question, told, now, services)
        return self.transactions[transaction_id]

    def results(self, transaction: Transaction, client_id: str) -> list[Entry]:
        """What a query found when it was done."""
        if transaction.id not in self._found:
            found = self.entries(transaction.question, transaction.done_at, transaction.services, client_id)
            self._found[transaction.id] = found
        return self._found[transaction.id]

    def entries(self, question: Question, now: float, services: Services, client_id: str) -> list[Entry]:
        """The entries that fit and are visible at `now`, in the order asked for."""
        if question.service not in (None, SERVICE):
            return []
        until = min(question.end, now - services.audit_lag_s) + ROUNDING_S
        found = [
            entry
            for entry in self._logged(question.start - ROUNDING_S, until, services, client_id)
            if all(_fits(entry, name, value) for name, value in question.filters)
        ]
        return sorted(found, key=lambda entry: entry.at, reverse=question.descending)

    def takes_off(self, now: float, services: Services) -> float:
        """Count a realtime query as in flight; gives the seconds to wait if there are too many (0: it may go)."""
        self._flights = [until for until in self._flights if until > now]
        if len(self._flights) >= services.audit_realtime_most:
            return max(1.0, math.ceil(min(self._flights) - now))
        if services.audit_realtime_s:
            self._flights.append(now + services.audit_realtime_s)
        return 0.0

    def offer(self, content: bytes) -> str:
        """Make something downloadable; gives its address."""
        key = seeded_id("download", len(self.downloads), self.downloads_at)
        self.downloads[key] = content
        return f"{self.downloads_at}/downloads/{key}"

    def _logged(self, after: float, until: float, services: Services, client_id: str) -> Iterator[Entry]:
        for job in self.world.bulk_jobs.values():
            yield from (entry for entry in _of_job(job, client_id) if after < entry.at <= until)
        if services.workitem_audits:
            for event in self.world.events(after, until):
                yield _changed(event, services.workitem_entity, client_id)


def _of_job(job: BulkJob, client_id: str) -> Iterator[Entry]:
    """A bulk job has been made, and perhaps set to another state, by the OAuth client."""
    yield Entry((job.id, "Create"), job.made_at, "BulkJob", job.id, "AddWorkitems", "Create", None, client_id, None)
    if job.asked != "Idle":
        at = job.changed_at
        yield Entry((job.id, "Update"), at, "BulkJob", job.id, "AddWorkitems", "Update", job.id, client_id, None)


def _changed(event: Event, entity_type: str, client_id: str) -> Entry:
    """A workitem has been created, by the OAuth client, or has changed, by whoever did it."""
    workitem, version, created = event.workitem, event.version, event.before is None
    is_ours = created or version.by == client_id
    return Entry(
        (workitem.id, version.number),
        version.at,
        entity_type,
        workitem.id,
        str(version.values.get("name", "")),
        "Create" if created else "Update",
        workitem.job if created else None,
        client_id if is_ours else None,
        None if is_ours else version.by,
        event.before.values if event.before else {},
        version.values,
    )


def _values(value: object) -> list[str]:
    if value is None:
        return []
    return [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]


_FILTERED: dict[str, Callable[[Entry], str | None]] = {
    "ClientId": lambda entry: entry.by_client,
    "UserId": lambda entry: entry.by_user,
    "EntityType": lambda entry: entry.entity_type,
    "EntityId": lambda entry: entry.entity_id,
    "Action": lambda entry: entry.action,
    "TrusteeOrganizationId": lambda _: None,
}


def _fits(entry: Entry, name: str, value: str) -> bool:
    return _FILTERED[name](entry) == value
