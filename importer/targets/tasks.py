"""The founding `tasks` API, as shared wire facts: paths, payloads, paging, the search grammar. Decides nothing about rows."""

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from importer.core.budget import RetryBudget
from importer.core.custom_fields import CustomField
from importer.core.errors import Forbidden, Unavailable
from importer.core.facts import Content, Facts, QueueFact, TaskFact
from importer.core.limits import Limits
from importer.core.outcomes import THROTTLED, Answer, Conflict, Created, Lost, NotDone, Refused
from importer.core.report import AuditEntry
from importer.core.task import TaskRequest
from importer.ports import AuditTrail, Bulk, Hints, References
from importer.targets.exchange import Exchange, denied
from importer.targets.limits import TASKS
from importer.targets.paging import pages
from importer.targets.transport import Reply

SOURCE = "api-integration"
TERMS_MOST = 50
QUERY_BYTES_MOST = 6000
"""Servers commonly stop at 8 kB of URL; accented IDs are six bytes a character once encoded."""
PAGE = 100
AUDIT_PAGE = 25
NOBODY = "00000000-0000-0000-0000-000000000000"
"""The ID of no task: whoever looks for it sees whether the search is at work."""
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
OWN_ATTRIBUTES = frozenset({"externalId", "source", "createdAt"})
REFUSALS = range(400, 500)


class TasksTarget:
    """See ports.Target."""

    name = "tasks"
    limits = TASKS

    bulk: Bulk | None = None
    hints: Hints | None = None
    look_up = ""
    recorded = False

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._all_queues: tuple[QueueFact, ...] | None = None

    @property
    def budget(self) -> RetryBudget:
        return self._exchange.budget

    @budget.setter
    def budget(self, budget: RetryBudget) -> None:
        self._exchange.budget = budget

    async def close(self) -> None:
        await self._exchange.close()

    async def log_in(self, scopes: Sequence[str]) -> None:
        await self._exchange.log_in(scopes)

    # Payloads

    def payload(self, request: TaskRequest, facts: Facts) -> dict[str, Any]:
        found = facts.queues.get(request["queue"], ())
        queue_id = found[0].id if len(found) == 1 else request["queue"]
        return {
            "type": request["type"],
            "description": request["description"],
            "state": "new",
            "routingData": {"queueId": queue_id, "priority": request["priority"]},
            "customAttributes": {**request["attributes"], "externalId": request["external_id"], "source": SOURCE},
        }

    def scope(self, payload: Mapping[str, Any]) -> str:  # noqa: ARG002 - tasks are looked for everywhere
        return ""

    def opened(self, payload: Mapping[str, Any], run: str, created_at: datetime) -> str:
        created = created_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        attributes = {**payload["customAttributes"], "createdAt": created, "importRun": run}
        return json.dumps({**payload, "customAttributes": attributes}, ensure_ascii=False, separators=(",", ":"))

    def content(self, payload: Mapping[str, Any]) -> Content:
        """Also of a task that the target shows: what it leaves out, or shows in another shape, is left out here."""
        routing = payload.get("routingData")
        attributes = payload.get("customAttributes")
        content = {name: payload[name] for name in ("type", "description") if name in payload}
        if isinstance(routing, dict):
            content |= {
                ours: routing[name]
                for ours, name in (("queue", "queueId"), ("priority", "priority"))
                if name in routing
            }
        if isinstance(attributes, dict):
            content |= {f"attribute {n}": value for n, value in attributes.items() if n not in OWN_ATTRIBUTES}
        return content

    # Queues

    async def queues(self, named: Sequence[str]) -> Mapping[str, tuple[QueueFact, ...]]:
        return {name: await self._queue(name) for name in named}

    async def _queue(self, name: str) -> tuple[QueueFact, ...]:
        if UUID.fullmatch(name):
            reply = await self._exchange.get(f"/api/v2/queues/{quote(name.lower(), safe='')}", needs="queue:view")
            return (_queue_fact(_object(reply, "queue")),) if reply.status == 200 else _none(reply)
        path = f"/api/v2/queues?name={quote(name, safe='')}"
        found = [_queue_fact(each) async for each in pages(self._exchange, path, PAGE, "queue:view")]
        exact = _named(found, name)
        # A server may match names by its own rules; ours (without case) has the last word.
        return exact or _named(await self._listed(), name)

    async def queue_names(self) -> tuple[str, ...]:
        return tuple(queue.name for queue in await self._listed())

    async def _listed(self) -> tuple[QueueFact, ...]:
        if self._all_queues is None:
            queues = pages(self._exchange, "/api/v2/queues?", PAGE, "queue:view")
            self._all_queues = tuple([_queue_fact(each) async for each in queues])
        return self._all_queues

    async def organization(self) -> str:
        return ""

    def forget(self) -> None:
        self._all_queues = None

    async def vocabulary(self) -> Limits:
        return self.limits

    async def choices(self) -> tuple[Mapping[str, Sequence[str]], Sequence[CustomField]]:
        return {"queue": await self.queue_names()}, ()

    async def references(self, requests: Sequence[TaskRequest]) -> References:  # noqa: ARG002 - tasks name queues alone
        return References()

    # Tasks

    async def find(
        self,
        external_ids: Sequence[str],
        scope: str = "",  # noqa: ARG002 - tasks are looked for everywhere
        *,
        fresh: bool = True,  # noqa: ARG002 - and every time anew
    ) -> Mapping[str, tuple[TaskFact, ...]]:
        found: dict[str, dict[str, TaskFact]] = {}
        wanted = set(external_ids)
        for query in _queries("customAttributes.externalId", external_ids):
            async for task in pages(self._exchange, f"/api/v2/tasks?query={query}", PAGE, "task:view"):
                fact = self._task_fact(task)
                if fact is None:  # "not found" lets a row be sent again: it must not rest on what cannot be read
                    raise Unavailable("A task in a search has no ID or no external ID.", "Try again later.")
                if fact.external_id in wanted:
                    found.setdefault(fact.external_id, {})[fact.task_id] = fact
        return {external_id: tuple(tasks.values()) for external_id, tasks in found.items()}

    def _task_fact(self, task: Mapping[str, Any]) -> TaskFact | None:
        attributes = task.get("customAttributes")
        external_id = attributes.get("externalId") if isinstance(attributes, dict) else None
        task_id = task.get("id")
        if not isinstance(external_id, str) or not isinstance(task_id, str):
            return None
        return TaskFact(task_id, external_id, self.content(task), str(task.get("state") or ""))

    async def create(self, payload: str, external_id: str, claim: Callable[[], Awaitable[bool]]) -> Answer | None:
        bare = external_id.strip() == external_id  # a header loses white space around it
        plain = bare and external_id.isascii() and external_id.isprintable() and "%" not in external_id
        key = external_id if plain else quote(external_id)
        reply = await self._exchange.post("/api/v2/tasks", payload, {"Idempotency-Key": key}, claim)
        return _answer(reply) if isinstance(reply, Reply) else reply

    async def probe(self) -> bool:
        query = quote(f"id eq '{NOBODY}'", safe="")
        return await self._exchange.probe(f"/api/v2/tasks?query={query}&pageNumber=1&pageSize=1")

    async def states(self, task_ids: Sequence[str], scope: str = "") -> Mapping[str, str]:  # noqa: ARG002
        states: dict[str, str] = {}
        for query in _queries("id", task_ids):
            async for task in pages(self._exchange, f"/api/v2/tasks?query={query}", PAGE, "task:view"):
                if isinstance(task.get("id"), str) and isinstance(task.get("state"), str):
                    states[task["id"]] = task["state"]
        missing = [task_id for task_id in task_ids if task_id not in states]
        if missing and len(missing) == len(task_ids) <= 3:
            # The search index may have lost sight of a few; the task itself can still be asked for.
            for task_id in missing:
                reply = await self._exchange.get(f"/api/v2/tasks/{_segment(task_id)}", needs="task:view")
                if reply.status == 200 and isinstance(reply.body, dict) and isinstance(reply.body.get("state"), str):
                    states[task_id] = reply.body["state"]
        return states

    # Audits

    async def begin_audits(self, since: datetime) -> None:
        pass

    async def audits(self, task_id: str) -> AuditTrail:
        path = f"/api/v2/audits?entityId={quote(task_id, safe='')}"
        entries: dict[str, AuditEntry] = {}
        try:
            async for each in pages(self._exchange, path, AUDIT_PAGE, "audit:view"):
                entry = _audit_entry(each, len(entries))
                entries.setdefault(entry.id, entry)
        except Forbidden as problem:
            return AuditTrail((), denied=str(problem))
        return AuditTrail(tuple(sorted(entries.values(), key=lambda entry: entry.at)))


def _answer(reply: Reply) -> Answer:
    """What the answer to a POST proves."""
    body = reply.body if isinstance(reply.body, dict) else {}
    task_id = body.get("id")
    if reply.status in (200, 201):
        if isinstance(task_id, str) and task_id:
            return Created(task_id, str(body.get("state") or ""), body, reply.correlation_id)
        return Lost(f"the answer {reply.status} has no task ID", reply.status, reply.correlation_id)
    if reply.status == 403:
        raise denied(reply, "task:create")
    if reply.status == 409:
        return Conflict(reply.problem, reply.correlation_id)
    if reply.status == 429:
        return NotDone(THROTTLED, throttled=True)
    if reply.status in REFUSALS and reply.status != 408:
        return Refused(reply.status, reply.problem, reply.correlation_id, reply.cause)
    return Lost(f"{reply.status}: {reply.problem}", reply.status, reply.correlation_id)


def _queries(field: str, values: Sequence[str]) -> Iterator[str]:
    """Search queries for all values, percent-encoded: at most 50 terms and 6 kB each. Quotes are doubled."""
    terms: list[str] = []
    size = 0
    for value in values:
        doubled = value.replace("'", "''")
        term = quote(f"{field} eq '{doubled}'", safe="")
        if terms and (len(terms) == TERMS_MOST or size + len(term) > QUERY_BYTES_MOST):
            yield "%20or%20".join(terms)
            terms, size = [], 0
        terms.append(term)
        size += len(term) + len("%20or%20")
    if terms:
        yield "%20or%20".join(terms)


def _segment(text: str) -> str:
    """One segment of a path. A dot or two would be a way up, however they are encoded: a server gets them as no task's ID."""
    return "%20" + text if text in (".", "..") else quote(text, safe="", errors="replace")


def _object(reply: Reply, what: str) -> dict[str, Any]:
    if not isinstance(reply.body, dict):
        raise Unavailable(f"The answer is not a {what} ({reply.status}).", "Check that the API's address is right.")
    return reply.body


def _none(reply: Reply) -> tuple[QueueFact, ...]:
    if reply.status == 404:
        return ()
    raise Unavailable(f"A queue could not be read ({reply.status}: {reply.problem}).", "Try again later.")


def _queue_fact(queue: Mapping[str, Any]) -> QueueFact:
    members, limit = queue.get("members"), queue.get("maxMembers")
    return QueueFact(
        id=str(queue.get("id") or ""),
        name=str(queue.get("name") or queue.get("id") or ""),
        status=str(queue.get("status") or "open").lower(),
        limit=limit if isinstance(limit, int) and not isinstance(limit, bool) else None,
        members=len(members) if isinstance(members, list) else None,
    )


def _named(queues: Sequence[QueueFact], name: str) -> tuple[QueueFact, ...]:
    wanted = name.strip().casefold()
    return tuple({queue.id: queue for queue in queues if queue.name.strip().casefold() == wanted}.values())


def _audit_entry(entry: Mapping[str, Any], number: int) -> AuditEntry:
    diff = entry.get("diff")
    return AuditEntry(
        id=str(entry.get("id") or f"#{number}"),
        action=str(entry.get("action") or ""),
        actor=str(entry.get("actorId") or ""),
        at=str(entry.get("timestamp") or ""),
        diff=diff if isinstance(diff, dict) else {},
    )
