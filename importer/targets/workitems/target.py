"""Genesys Cloud's workitems as a target: see ports.Target."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from importer.core.budget import RetryBudget
from importer.core.custom_fields import CustomField
from importer.core.errors import Forbidden, Unavailable
from importer.core.facts import Content, Facts, QueueFact, TaskFact
from importer.core.limits import Limits
from importer.core.outcomes import Answer
from importer.core.states import state_of
from importer.core.task import TaskRequest
from importer.ports import AuditTrail, Bulk, Clock, Hints, References
from importer.targets.exchange import Exchange
from importer.targets.limits import WORKITEMS
from importer.targets.transport import Reply
from importer.targets.workitems import life
from importer.targets.workitems.audits import Audits
from importer.targets.workitems.bulk import BulkAdd
from importer.targets.workitems.names import Directory
from importer.targets.workitems.payload import content, payload
from importer.targets.workitems.problems import answer
from importer.targets.workitems.search import VIEW, Search

ITEMS = "/api/v2/taskmanagement/workitems"
OWN_ORGANIZATION = "/api/v2/organizations/me"
FEW = 3
"""So few workitems that a list does not show are asked for one by one."""


class WorkitemsTarget:
    """See ports.Target. Names become IDs by the directory, tags become workitems by the search."""

    name = "workitems"
    recorded = True

    def __init__(
        self,
        exchange: Exchange,
        clock: Clock,
        client: str,
        *,
        time_zone: str = "UTC",
        may_fetch: Callable[[str], bool] = lambda _: False,
        hints: Hints | None = None,
    ) -> None:
        self._exchange = exchange
        self.limits: Limits = replace(WORKITEMS, time_zone=time_zone)
        self.directory = Directory(exchange, clock)
        self.search = Search(exchange, clock)
        self._audits = Audits(exchange, clock, client, may_fetch)
        self.bulk: Bulk | None = BulkAdd(exchange, self.search)
        self.hints = hints

    @property
    def budget(self) -> RetryBudget:
        return self._exchange.budget

    @budget.setter
    def budget(self, budget: RetryBudget) -> None:
        self._exchange.budget = budget

    @property
    def look_up(self) -> str:
        return self.search.how

    async def close(self) -> None:
        await self._exchange.close()

    async def log_in(self, scopes: Sequence[str]) -> None:  # noqa: ARG002 - a client has roles here, no scopes
        await self._exchange.log_in(())

    # Payloads

    def payload(self, request: TaskRequest, facts: Facts) -> dict[str, Any]:
        return payload(request, facts, self.limits.time_zone)

    def scope(self, payload: Mapping[str, Any]) -> str:
        return str(payload.get("typeId") or "")

    def opened(self, payload: Mapping[str, Any], run: str, created_at: datetime) -> str:  # noqa: ARG002 - no free fields
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))

    def content(self, payload: Mapping[str, Any]) -> Content:
        return content(payload)

    # Names

    async def queues(self, named: Sequence[str]) -> Mapping[str, tuple[QueueFact, ...]]:
        return await self.directory.queues(named)

    async def queue_names(self) -> tuple[str, ...]:
        return await self.directory.queue_names()

    async def organization(self) -> str:
        reply = await self._exchange.get(OWN_ORGANIZATION, needs="")
        told = reply.body.get("id") if reply.status == 200 and isinstance(reply.body, dict) else None
        return told if isinstance(told, str) else ""

    def forget(self) -> None:
        self.directory.forget()

    async def vocabulary(self) -> Limits:
        fields = {each.heading: each.name for kind in await self.directory.worktypes() for each in kind.fields or ()}
        return replace(self.limits, attributes=tuple(sorted(fields.items())))

    async def choices(self) -> tuple[Mapping[str, Sequence[str]], Sequence[CustomField]]:
        fields = {each.name: each for kind in await self.directory.worktypes() for each in kind.fields or ()}
        return await self.directory.choices(), tuple(fields.values())

    async def references(self, requests: Sequence[TaskRequest]) -> References:
        return await self.directory.references(requests)

    # Workitems

    async def find(
        self, external_ids: Sequence[str], scope: str = "", *, fresh: bool = True
    ) -> Mapping[str, tuple[TaskFact, ...]]:
        found: dict[str, dict[str, TaskFact]] = {}
        wanted = set(external_ids)
        for item in await self.search.by_tag(external_ids, scope, fresh=fresh):
            fact = self._fact(item)
            if fact is None:  # "not found" lets a row be sent again: it must not rest on what cannot be read
                raise Unavailable("A workitem in a search has no ID or no external tag.", "Try again later.")
            if fact.external_id in wanted:
                found.setdefault(fact.external_id, {})[fact.task_id] = fact
        return {external_id: tuple(facts.values()) for external_id, facts in found.items()}

    def _fact(self, item: Mapping[str, Any]) -> TaskFact | None:
        task_id, tag = item.get("id"), item.get("externalTag")
        if not isinstance(task_id, str) or not isinstance(tag, str):
            return None
        return TaskFact(task_id, tag, content(item), _state(item))

    async def create(self, payload: str, external_id: str, claim: Callable[[], Awaitable[bool]]) -> Answer | None:  # noqa: ARG002 - the payload has it
        reply = await self._exchange.post(ITEMS, payload, {}, claim)
        return answer(reply) if isinstance(reply, Reply) else reply

    async def probe(self) -> bool:
        return await self._exchange.probe("/api/v2/tokens/me")

    async def states(self, task_ids: Sequence[str], scope: str = "") -> Mapping[str, str]:
        states: dict[str, str] = {}
        missing, listed = list(task_ids), True
        for worktype in [scope] if scope else [each.id for each in await self.directory.worktypes()]:
            found = await self.search.by_id(missing, worktype) if missing else []
            if found is None:
                listed = False
                break
            states |= {str(item.get("id")): _state(item) for item in found}
            missing = [task_id for task_id in missing if task_id not in states]
        if not listed or len(missing) <= FEW:
            for task_id in missing:
                reply = await self._exchange.get(f"{ITEMS}/{quote(task_id, safe='')}", needs=VIEW)
                if reply.status == 200 and isinstance(reply.body, dict):
                    states[task_id] = _state(reply.body)
        return {task_id: state for task_id, state in states.items() if state}

    # Histories and audits

    async def begin_audits(self, since: datetime) -> None:
        await self._audits.begin(since)

    async def audits(self, task_id: str) -> AuditTrail:
        try:
            record = await life.versions(self._exchange, task_id)
        except Forbidden as problem:
            return AuditTrail((), denied=str(problem))
        trail = self._audits.of(task_id)  # empty: they come late, or by another name; the history is there in any case
        return AuditTrail(trail or life.entries(record), states=life.states(record))


def _state(item: Mapping[str, Any]) -> str:
    return state_of(item.get("statusCategory"), item.get("assignmentState"))
