"""facts: what the target and the ledger know about some rows, looked up in batches; known queues are not asked for again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from importer.core.facts import Content, Facts, LedgerFact, QueueFact, Reference, TaskFact
from importer.core.findings import Finding
from importer.core.plan import Environment
from importer.core.shape import Shaper
from importer.core.task import TaskRequest
from importer.core.verdicts import Judged, Verdict, judge_facts
from importer.ports import Clock, Ledger, Target


@dataclass
class Lookups:
    """The online half of judging. The mutable state is the queues and names that were looked up so far."""

    target: Target
    ledger: Ledger
    environment: Environment
    clock: Clock
    queues: dict[str, tuple[QueueFact, ...]] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    references: dict[tuple[str, str], tuple[Reference, ...]] = field(default_factory=dict)

    async def facts(self, batch: Sequence[Judged]) -> Facts:
        """The facts on rows that are ready so far. Raises NotAuthorised, TargetDown."""
        requests = [each.request for each in batch if each.verdict is Verdict.READY and each.request is not None]
        new = dict.fromkeys(each["queue"] for each in requests if each["queue"] and each["queue"] not in self.queues)
        if new:
            self.queues |= await self.target.queues(list(new))
            if not self.names and any(not self.queues[name] for name in new):
                self.names = await self.target.queue_names()
        named = await self.target.references(requests)
        self.references |= named.found
        known = Facts(
            self.queues,
            self.names,
            references=named.found,
            suggestions=named.names,
            now=self.clock.now(),
            time_zone=self.target.limits.time_zone,
            online=True,
        )
        existing: dict[str, tuple[TaskFact, ...]] = {}
        for scope, ids in self._by_scope(requests, known).items():
            existing |= await self.target.find(ids, scope, fresh=False)
        every = [request["external_id"] for request in requests]
        return replace(known, existing=existing, earlier=self._earlier(every, existing))

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
