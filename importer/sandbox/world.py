"""The state of the sandbox: queues, tasks, and what time makes of them. Pure and seeded; no network, no files."""

import json
import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from importer.sandbox import query
from importer.sandbox.life import Step, history, seeded_id, so_far, timestamp
from importer.sandbox.queues import Queue, default_queues, made
from importer.sandbox.scenario import Life, QueueSpec, QueueStatus, Scenario
from importer.sandbox.workitems.organization import Organization
from importer.sandbox.workitems.settings import WorkitemSettings
from importer.sandbox.workitems.world import WorkitemWorld

Record = Mapping[str, Any]
VERSION = 1
ROUNDING_S = 5e-7
"""Forgiven when a clock was put forward by exactly a lag; a float of seconds since 1970 is coarser than it looks."""


class Refused(Exception):
    """The world says no: an HTTP status with the body's code and message."""

    def __init__(self, status: int, code: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.field = status, code, message, field


@dataclass(frozen=True, slots=True)
class Task:
    """A committed task; `created_at` is in seconds since 1970, cut to the millisecond, `key` its Idempotency-Key."""

    id: str
    payload: dict[str, Any]
    created_at: float
    key: str | None
    life: Life

    @property
    def external_id(self) -> str | None:
        external_id: str | None = self.payload.get("customAttributes", {}).get("externalId")
        return external_id


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays the same when the sandbox starts again on the same world file."""

    id: str
    seed: int
    client_id: str

    @classmethod
    def seeded(cls, seed: int | None) -> "Identity":
        """The identity of a new world; wholly determined by `seed` unless it is None."""
        chosen = random.SystemRandom().randrange(2**32) if seed is None else seed
        return cls(seeded_id("world", chosen), chosen, seeded_id("client", chosen))


def _forget(record: Record) -> None:
    """Keep nothing: the journal of a world that lives in memory alone."""


class World:
    """All tasks and queues. `record` is called with each change before it is made; if it raises, nothing has changed.

    Its whole mutable state is `scenario`, `queues`, `tasks` with their two indexes, the histories worked out so far,
    and the count of draws for queues in transition.
    """

    def __init__(self, identity: Identity, scenario: Scenario, record: Callable[[Record], None] = _forget) -> None:
        self.identity = identity
        self.scenario = scenario
        self.record = record
        self.queues: dict[str, Queue] = {queue.id: queue for queue in default_queues(scenario.queues)}
        self.tasks: dict[str, Task] = {}
        self._by_external: dict[str, list[str]] = {}
        self._by_key: dict[str, str] = {}
        self._histories: dict[str, tuple[Step, ...]] = {}
        self._draws = random.Random(f"{identity.seed}:draws")
        self.organization = Organization.of(scenario)
        self.workitems = WorkitemWorld(self, self.organization)

    @property
    def id(self) -> str:
        return self.identity.id

    # What the workitems need of it

    @property
    def workitem_settings(self) -> WorkitemSettings:
        return self.scenario.workitems

    @property
    def index_lag_s(self) -> float:
        return self.scenario.index_lag_s

    @property
    def seed(self) -> int:
        return self.identity.seed

    @property
    def client_id(self) -> str:
        return self.identity.client_id

    def keep_record(self, record: Record) -> None:
        self.record(record)

    # Queues

    def queue(self, queue_id: str) -> Queue:
        """The queue, or Refused with 404."""
        if queue_id not in self.queues:
            raise Refused(404, "not.found", f"there is no queue {queue_id}")
        return self.queues[queue_id]

    def queues_named(self, part: str) -> list[Queue]:
        """The queues whose name contains `part`, in whatever case; all of them for an empty `part`."""
        wanted = part.casefold()
        return [queue for queue in self.queues.values() if wanted in queue.name.casefold()]

    def put_queue(self, spec: QueueSpec) -> Queue:
        """Add a queue, or replace the one with this name (it keeps its ID)."""
        old = next((queue for queue in self.queues.values() if queue.name == spec.name), None)
        queue = made(spec)
        if old is not None and spec.id is None:
            queue = replace(queue, id=old.id)
        self.record({"kind": "queue", "queue": {**spec.model_dump(), "id": queue.id}})
        self._keep_queue(queue, old)
        return queue

    def turn_queue(self, name: str, status: QueueStatus) -> Queue:
        """Open, close or move the queue of this name; its room and members stay. Refused with 404 if there is none."""
        for queue in self.queues.values():
            if queue.name == name:
                self.record({"kind": "status", "id": queue.id, "status": status})
                self.queues[queue.id] = replace(queue, status=status)
                return self.queues[queue.id]
        raise Refused(404, "not.found", f"there is no queue named {name!r}")

    def _keep_queue(self, queue: Queue, old: Queue | None) -> None:
        if old is not None and old.id != queue.id:
            del self.queues[old.id]
        self.queues[queue.id] = queue
        self.organization.take(queue, old)

    # Tasks

    def create(self, payload: dict[str, Any], now: float, key: str | None = None) -> Task:
        """Commit a task whose payload keeps the schema, or raise Refused with 404, 409 or 422.

        Where idempotency is honoured, a key seen before gives the first task again.
        """
        if key is not None and self.scenario.idempotency == "honoured" and key in self._by_key:
            return self._repeated(self.tasks[self._by_key[key]], payload)
        self._may_enter(self.queue(payload["routingData"]["queueId"]))
        external_id = payload.get("customAttributes", {}).get("externalId")
        if self.scenario.unique and external_id in self._by_external:
            raise Refused(409, "conflict", f"a task with the externalId {external_id!r} exists")
        task_id = seeded_id(self.identity.seed, "task", len(self.tasks))
        task = Task(task_id, payload, math.floor(now * 1000) / 1000, key, self.scenario.life)
        self.record({"kind": "task", "id": task.id, "at": task.created_at, "key": key, "payload": payload})
        self._keep(task)
        return task

    def task(self, task_id: str) -> Task:
        """The task, found at once, or Refused with 404."""
        if task_id not in self.tasks:
            raise Refused(404, "not.found", f"there is no task {task_id}")
        return self.tasks[task_id]

    def find(self, terms: Iterable[query.Term], now: float) -> list[Task]:
        """The tasks that fit any term and that the index knows by `now`, each once, in the order of the terms."""
        found: dict[str, Task] = {}
        for term in terms:
            ids = [term.value] if term.field == query.ID else self._by_external.get(term.value, ())
            found.update((task_id, self.tasks[task_id]) for task_id in ids if task_id in self.tasks)
        seen_until = now - self.scenario.index_lag_s + ROUNDING_S
        return [task for task in found.values() if task.created_at <= seen_until]

    def _may_enter(self, queue: Queue) -> None:
        field = "routingData.queueId"
        if queue.status == "closed":
            raise Refused(409, "queue.closed", f"the queue {queue.name!r} is closed", field)
        if queue.is_full:
            raise Refused(409, "queue.full", f"the queue {queue.name!r} has no room left", field)
        if queue.status == "transitional" and self._draws.random() < self.scenario.transitional_conflicts:
            raise Refused(409, "queue.transitional", f"the queue {queue.name!r} is in transition", field)

    def _repeated(self, task: Task, payload: dict[str, Any]) -> Task:
        if json.dumps(task.payload, sort_keys=True) != json.dumps(payload, sort_keys=True):
            raise Refused(422, "idempotency.key.reused", "this Idempotency-Key was used with another payload")
        return task

    def _keep(self, task: Task) -> None:
        self.tasks[task.id] = task
        if task.external_id is not None:
            self._by_external.setdefault(task.external_id, []).append(task.id)
        if task.key is not None:
            self._by_key.setdefault(task.key, task.id)

    # What time makes of them

    def steps(self, task: Task, now: float) -> tuple[Step, ...]:
        """The states that the task has entered by `now`, the first being `new`."""
        if task.id not in self._histories:
            self._histories[task.id] = history(self.identity.seed, task.id, task.created_at, task.life)
        return so_far(self._histories[task.id], now)

    def json(self, task: Task, now: float) -> dict[str, Any]:
        """The task as the API shows it, in its state at `now`."""
        return {"id": task.id, **task.payload, "state": self.steps(task, now)[-1].state}

    def audits(self, entity_id: str, now: float) -> list[dict[str, Any]]:
        """The audit entries on a task that are visible at `now`, oldest first; none for an unknown entity."""
        task = self.tasks.get(entity_id)
        if task is None:
            return []
        steps = self._audited(task, now)
        entries = [self._audit(task, n, steps[n - 1].state if n else None, step) for n, step in enumerate(steps)]
        return [entry for entry in entries if not self._is_lost(entry["id"])]

    def audit_count(self, task: Task, now: float) -> int:
        """How many entries `audits` gives, without making them where that can be told."""
        return len(self.audits(task.id, now)) if self.scenario.audit_loss else len(self._audited(task, now))

    def duplicates(self) -> dict[str, list[str]]:
        """The external IDs that more than one task has, with the IDs of those tasks."""
        return {external_id: list(ids) for external_id, ids in self._by_external.items() if len(ids) > 1}

    def _audited(self, task: Task, now: float) -> tuple[Step, ...]:
        until = now - self.scenario.audit_lag_s + ROUNDING_S
        return self.steps(task, until) if task.created_at <= until else ()

    def _audit(self, task: Task, n: int, before: str | None, step: Step) -> dict[str, Any]:
        actor = self.identity.client_id if n == 0 else seeded_id("actor", task.payload["routingData"]["queueId"], n % 3)
        return {
            "id": seeded_id("audit", task.id, n),
            "entityId": task.id,
            "action": "task-create" if n == 0 else "task-update",
            "actorId": actor,
            "timestamp": timestamp(step.at),
            "diff": {"state": {"from": before, "to": step.state}},
        }

    def _is_lost(self, audit_id: str) -> bool:
        share = self.scenario.audit_loss
        return share > 0 and random.Random(audit_id).random() < share

    # The journal

    def begin(self) -> None:
        """Record who this world is; the first record of its journal."""
        identity = {"id": self.id, "seed": self.identity.seed, "client_id": self.identity.client_id}
        self.record({"kind": "world", "version": VERSION, **identity})
        self.live_as(self.scenario.life)
        if self.scenario.workitems.life != WorkitemSettings().life:
            self.workitems.live_as(self.scenario.workitems.life)

    def live_as(self, life: Life) -> None:
        """Record how tasks live from now on; those created before keep their own life."""
        self.record({"kind": "life", "life": life.model_dump()})
        self.scenario = self.scenario.model_copy(update={"life": life})

    def replay(self, record: Record) -> None:
        """Take over a change from the journal. Raises KeyError or ValueError for a record that makes no sense."""
        match record["kind"]:
            case "task":
                life = self.scenario.life
                self._keep(Task(record["id"], record["payload"], record["at"], record["key"], life))
            case "queue":
                queue = made(QueueSpec.model_validate(record["queue"]))
                old = next((other for other in self.queues.values() if other.name == queue.name), None)
                self._keep_queue(queue, old)
            case "status":
                self.queues[record["id"]] = replace(self.queues[record["id"]], status=record["status"])
            case "life":
                self.scenario = self.scenario.model_copy(update={"life": Life.model_validate(record["life"])})
            case kind if self.workitems.replay(record):
                pass
            case kind:
                raise ValueError(f"unknown kind of record {kind!r}")
