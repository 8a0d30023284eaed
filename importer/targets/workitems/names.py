"""Names: what spreadsheets call things, turned into the platform's IDs. Each list is paged once for a run and kept."""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

from importer.core.custom_fields import CustomField, custom_fields
from importer.core.errors import Forbidden, TargetDown, Unavailable
from importer.core.facts import QueueFact, Reference
from importer.core.task import TaskRequest
from importer.ports import Clock, References
from importer.targets.exchange import Exchange
from importer.targets.paging import Refusal, by_cursor, pages

Named = TypeVar("Named", QueueFact, Reference)

LASTS_S = 600.0
"""A preview sees names that are at most so old; `importer serve` runs for days."""
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
PAGE = 100
QUERY_PAGE = 200
WORKTYPES, WORKBINS = "/api/v2/taskmanagement/worktypes/query", "/api/v2/taskmanagement/workbins/query"
NEEDS = {
    "queue": "routing:queue:view",
    "worktype": "workitems:worktype:view",
    "workbin": "workitems:workbin:view",
    "schema": "workitems:workitemSchema:view",
    "skills": "routing:skill:view",
    "language": "",
    "wrapup_code": "routing:wrapupCode:view",
    "assignee": "directory:user:view",
}
"""The permission that each look-up needs (for languages the platform lists none)."""
LISTED = {
    "skills": "/api/v2/routing/skills?",
    "language": "/api/v2/routing/languages?",
    "wrapup_code": "/api/v2/routing/wrapupcodes?",
}


@dataclass(slots=True)
class Directory:
    """The names of one organisation. The mutable state is what was read so far; it is read anew after LASTS_S."""

    exchange: Exchange
    clock: Clock
    _read_at: float = 0.0
    _lists: dict[str, tuple[Reference, ...]] = field(default_factory=dict)
    _queues: tuple[QueueFact, ...] | None = None
    _schemas: dict[tuple[str, int], tuple[CustomField, ...] | None] = field(default_factory=dict)
    _people: dict[str, tuple[Reference, ...]] = field(default_factory=dict)

    async def queues(self, named: Sequence[str]) -> dict[str, tuple[QueueFact, ...]]:
        """The queues by name or ID, of whatever division; names are compared without regard to case."""
        return {name: await self._queue(name) for name in named}

    async def queue_names(self) -> tuple[str, ...]:
        """The names of all queues."""
        return tuple(queue.name for queue in await self._all_queues())

    async def references(self, requests: Sequence[TaskRequest]) -> References:
        """What the requests name beside their queues, and all names of each kind that was asked for."""
        found: dict[tuple[str, str], tuple[Reference, ...]] = {}
        for request in requests:
            for kind, text in named_by(request):
                if (kind, text) not in found:
                    found[kind, text] = await self._named(kind, text)
        names = {kind: tuple(each.name for each in listed) for kind, listed in self._lists.items()}
        return References(found, names)

    async def worktypes(self) -> tuple[Reference, ...]:
        """All worktypes with the fields of their schemas."""
        return await self._listed("worktype")

    async def choices(self) -> dict[str, tuple[str, ...]]:
        """All names by field, for drop-downs; a list that may not be read is left out."""
        names = {"queue": await self.queue_names()}
        for kind in ("worktype", "workbin", *LISTED):
            try:
                names[kind] = tuple(each.name for each in await self._listed(kind) if each.active)
            except Forbidden:
                continue
        return names

    def forget(self) -> None:
        """All is read anew."""
        self._read_at, self._queues = self.clock.monotonic(), None
        for known in (self._lists, self._schemas, self._people):
            known.clear()

    # Queues

    async def _queue(self, name: str) -> tuple[QueueFact, ...]:
        known = await self._all_queues()
        if UUID.fullmatch(name):
            return tuple(queue for queue in known if queue.id.lower() == name.lower())
        return _same_name(known, name, lambda queue: queue.name)

    def _forget_what_is_old(self) -> None:
        if self.clock.monotonic() - self._read_at >= LASTS_S:
            self.forget()

    async def _all_queues(self) -> tuple[QueueFact, ...]:
        self._forget_what_is_old()
        if self._queues is None:
            listed = pages(self.exchange, "/api/v2/routing/queues?", PAGE, NEEDS["queue"])
            self._queues = tuple([_queue(each) async for each in listed])
        return self._queues

    # Other names

    async def _named(self, kind: str, text: str) -> tuple[Reference, ...]:
        if kind == "assignee":
            return await self._person(text)
        listed = await self._listed(kind)
        if UUID.fullmatch(text):
            return tuple(each for each in listed if each.id.lower() == text.lower())
        return _same_name(listed, text, lambda each: each.name)

    async def _listed(self, kind: str) -> tuple[Reference, ...]:
        self._forget_what_is_old()
        if kind not in self._lists:
            made = self._worktype if kind == "worktype" else _reference
            try:
                self._lists[kind] = tuple([await _awaited(made(each)) async for each in self._entities(kind)])
            except Refusal as refusal:
                raise TargetDown(
                    f"The target refuses to list its {kind}s ({refusal.reply.status}: {refusal}).",
                    "Check that the region has work automation; importer doctor tells more.",
                ) from None
        return self._lists[kind]

    def _entities(self, kind: str) -> AsyncIterator[dict[str, Any]]:
        if kind in LISTED:
            return pages(self.exchange, LISTED[kind], PAGE, NEEDS[kind])
        query = {"filters": [], "pageSize": QUERY_PAGE}
        return by_cursor(self.exchange, WORKTYPES if kind == "worktype" else WORKBINS, query, NEEDS[kind])

    async def _person(self, text: str) -> tuple[Reference, ...]:
        """Who has this e-mail address. An ID is taken as it is: the create tells whether it may have workitems."""
        if UUID.fullmatch(text):
            return (Reference(text.lower(), text),)
        self._forget_what_is_old()
        if text not in self._people:
            query = {"query": [{"type": "EXACT", "fields": ["email"], "value": text}], "pageSize": 25, "pageNumber": 1}
            reply = await self.exchange.ask(
                "/api/v2/users/search", json.dumps(query, ensure_ascii=False), needs=NEEDS["assignee"]
            )
            found = reply.body.get("results") if reply.status == 200 and isinstance(reply.body, dict) else None
            if reply.status != 200 or not isinstance(found, list | None):
                raise Unavailable(
                    f"A person could not be looked up ({reply.status}: {reply.problem}).", "Try again later."
                )
            people = [each for each in found or [] if isinstance(each, dict)]
            self._people[text] = tuple(_person(each) for each in people if _has_email(each, text))
        return self._people[text]

    # Worktypes

    async def _worktype(self, entity: Mapping[str, Any]) -> Reference:
        made = _reference(entity)
        schema = _object(entity.get("schema"))
        return Reference(
            made.id,
            made.name,
            made.division,
            division_name=made.division_name,
            fields=await self._fields(schema) if schema else (),
            workbin=str(_object(entity.get("defaultWorkbin")).get("id") or ""),
            queue=str(_object(entity.get("defaultQueue")).get("id") or ""),
            routes=entity.get("assignmentEnabled") is True,
        )

    async def _fields(self, schema: Mapping[str, Any]) -> tuple[CustomField, ...] | None:
        """The fields of a schema; None where they may not be read, so that nothing can be judged by them."""
        schema_id, version = schema.get("id"), schema.get("version")
        if not isinstance(schema_id, str) or not isinstance(version, int):
            return None
        key = (schema_id, version)
        if key not in self._schemas:
            path = f"/api/v2/taskmanagement/workitems/schemas/{quote(schema_id, safe='')}/versions/{version}"
            try:
                reply = await self.exchange.get(path, needs=NEEDS["schema"])
            except Forbidden:
                self._schemas[key] = None
                return None
            body = reply.body if reply.status == 200 and isinstance(reply.body, dict) else None
            self._schemas[key] = None if body is None else custom_fields(body)
        return self._schemas[key]


def named_by(request: TaskRequest) -> list[tuple[str, str]]:
    """What a request names beside its queue: field and text as written. External contacts are IDs already."""
    single = [
        (kind, request[kind])
        for kind in ("worktype", "workbin", "language", "wrapup_code", "assignee")
        if kind in request
    ]
    return [*single, *(("skills", skill) for skill in request.get("skills", []))]


async def _awaited(made: Any) -> Reference:
    reference: Reference = await made if not isinstance(made, Reference) else made
    return reference


def _same_name(known: Sequence[Named], name: str, name_of: Callable[[Named], str]) -> tuple[Named, ...]:
    wanted = name.strip().casefold()
    return tuple({each.id: each for each in known if name_of(each).strip().casefold() == wanted}.values())


def _queue(entity: Mapping[str, Any]) -> QueueFact:
    members, joined = entity.get("memberCount"), entity.get("joinedMemberCount")
    division = _object(entity.get("division"))
    return QueueFact(
        id=str(entity.get("id") or ""),
        name=str(entity.get("name") or entity.get("id") or ""),
        status="",
        members=members if _is_count(members) else None,
        joined=joined if _is_count(joined) else None,
        division=str(division.get("id") or ""),
        division_name=str(division.get("name") or division.get("id") or ""),
    )


def _reference(entity: Mapping[str, Any]) -> Reference:
    division = _object(entity.get("division"))
    return Reference(
        id=str(entity.get("id") or ""),
        name=str(entity.get("name") or entity.get("id") or ""),
        division=str(division.get("id") or ""),
        division_name=str(division.get("name") or division.get("id") or ""),
        active=entity.get("state") in (None, "active"),
    )


def _person(entity: Mapping[str, Any]) -> Reference:
    named = _reference(entity)
    return Reference(named.id, named.name, active=named.active)


def _has_email(entity: Mapping[str, Any], email: str) -> bool:
    """Whether the platform shows this address; it finds by its own rules, the exact comparison is ours."""
    told = entity.get("email")
    return not isinstance(told, str) or told.strip().casefold() == email.strip().casefold()


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
