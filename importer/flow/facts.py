"""facts: what the target and the ledger know about some rows, looked up in batches; known queues are not asked for again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from importer.core.facts import Content, Facts, LedgerFact, QueueFact, Reference, TaskFact
from importer.core.findings import Finding
from importer.core.limits import Limits
from importer.core.memory import Found, Memory
from importer.core.plan import Environment
from importer.core.shape import Shaper
from importer.core.task import TaskRequest
from importer.core.verdicts import Judged, Verdict, judge_facts
from importer.core.workitem_checks import named
from importer.ports import Clock, Ledger, References, Target


@dataclass
class Lookups:
    """The online half of judging. The mutable state is what these rows named so far; `memory`, where there is one, outlives it."""

    target: Target
    ledger: Ledger
    environment: Environment
    clock: Clock
    queues: dict[str, tuple[QueueFact, ...]] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    references: dict[tuple[str, str], tuple[Reference, ...]] = field(default_factory=dict)
    memory: Memory | None = None

    async def facts(self, batch: Sequence[Judged]) -> Facts:
        """The facts on rows that are ready so far. Raises NotAuthorised, TargetDown."""
        requests = [each.request for each in batch if each.verdict is Verdict.READY and each.request is not None]
        await self._find_queues(requests)
        named = await self._named(requests)
        self.references |= named.found
        known = Facts(
            self.queues,
            self.names,
            references=named.found,
            suggestions=named.names,
            now=self._now(),
            time_zone=self.target.limits.time_zone,
            online=True,
        )
        existing: dict[str, tuple[TaskFact, ...]] = {}
        earlier: dict[str, LedgerFact] = {}
        for scope, ids in self._by_scope(requests, known).items():
            for external_id, found in (await self._found(scope, ids)).items():
                if found.tasks:
                    existing[external_id] = found.tasks
                if found.earlier:
                    earlier[external_id] = found.earlier
        return replace(known, existing=existing, earlier=earlier)

    async def vocabulary(self) -> Limits:
        """The target's limits, with its own fields."""
        if self.memory is None:
            return await self.target.vocabulary()
        if self.memory.limits is None:
            self.memory.limits = await self.target.vocabulary()
        return self.memory.limits

    async def organization(self) -> str:
        """The ID of the organisation that answers; a blank where the target does not tell."""
        if self.memory is None:
            return await self.target.organization()
        if self.memory.organization is None:
            self.memory.organization = await self.target.organization()
        return self.memory.organization

    async def _find_queues(self, requests: Sequence[TaskRequest]) -> None:
        """Adds what the requests name to `queues`, in their order; and all names, once one is not found."""
        new = dict.fromkeys(each["queue"] for each in requests if each["queue"] and each["queue"] not in self.queues)
        if not new:
            return
        remembered = self.memory.queues if self.memory else {}
        asked = [name for name in new if name not in remembered]
        found = await self.target.queues(asked) if asked else {}
        self.queues |= {name: found[name] if name in found else remembered[name] for name in new}
        if not self.names and any(not self.queues[name] for name in new):
            self.names = await self._queue_names()
        if self.memory:
            self.memory.queues |= found

    async def _queue_names(self) -> tuple[str, ...]:
        if self.memory is None:
            return await self.target.queue_names()
        if self.memory.names is None:
            self.memory.names = await self.target.queue_names()
        return self.memory.names

    async def _named(self, requests: Sequence[TaskRequest]) -> References:
        """What the requests name beside their queues."""
        memory = self.memory
        if memory is None:
            return await self.target.references(requests)
        new = [each for each in requests if any(key not in memory.references for key in named(each))]
        if new:
            told = await self.target.references(new)
            memory.references |= told.found
            memory.suggestions |= told.names
        keys = [key for each in requests for key in named(each) if key in memory.references]
        return References({key: memory.references[key] for key in keys}, memory.suggestions)

    def _now(self) -> datetime:
        """When the facts were looked up."""
        if self.memory is None:
            return self.clock.now()
        self.memory.now = self.memory.now or self.clock.now()
        return self.memory.now

    async def _found(self, scope: str, ids: Sequence[str]) -> Mapping[str, Found]:
        """What target and ledger know of external IDs."""
        remembered = dict(self.memory.known.recall(scope, ids)) if self.memory else {}
        asked = [external_id for external_id in ids if external_id not in remembered]
        if not asked:
            return remembered
        tasks = await self.target.find(asked, scope, fresh=False)
        earlier = self._earlier(asked, tasks)
        found = {each: Found(tasks.get(each, ()), earlier.get(each)) for each in asked}
        if self.memory:
            self.memory.known.keep(scope, found)
        return remembered | found

    def _by_scope(self, requests: Sequence[TaskRequest], known: Facts) -> dict[str, list[str]]:
        """The external IDs by where they are looked for."""
        scopes: dict[str, list[str]] = {}
        for request in requests:
            scope = self.target.scope(self.payload(request, known))
            scopes.setdefault(scope, []).append(request["external_id"])
        return scopes

    def worktypes(self) -> list[Reference]:
        """The worktypes that rows name, each once."""
        found = {
            each.id: each for (kind, _), several in self.references.items() if kind == "worktype" for each in several
        }
        return list(found.values())

    def judged(self, shaped: Judged, facts: Facts, shaper: Shaper) -> Judged:
        """The row with its final verdict."""
        if shaped.request is None:
            return shaped
        content = self.target.content(self.payload(shaped.request, facts))

        def tell(code: str, field: str, value: str, **more: Any) -> Finding:
            return shaper.at_field(shaped.row, code, field, value, **more)

        return judge_facts(shaped, content, facts, tell)

    def payload(self, request: TaskRequest, facts: Facts) -> dict[str, Any]:
        """What would be sent, with IDs for the names that are known."""
        return self.target.payload(request, facts)

    def _earlier(self, ids: Sequence[str], existing: Mapping[str, Any]) -> dict[str, LedgerFact]:
        """What the ledger knows of tasks that the target does not show."""
        hidden = [external_id for external_id in ids if external_id not in existing]
        found = self.ledger.earlier(self.environment, hidden) if hidden else {}
        return {key: replace(fact, content=self._comparable(fact.content)) for key, fact in found.items()}

    def _comparable(self, payload: Content) -> Content:
        """The content of an earlier run's payload, apart from the mark of that run."""
        content = self.target.content(payload)
        return {name: value for name, value in content.items() if name != "attribute importRun"}
