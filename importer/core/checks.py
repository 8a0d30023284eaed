"""CHECKS: pure rules from a task request and facts to findings. A new check is a function and a line in CHECKS."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from importer.core.facts import Content, Facts, LedgerFact, QueueFact, TaskFact, differing
from importer.core.findings import Finding, listed
from importer.core.names import did_you_mean
from importer.core.task import TaskRequest


class Tell(Protocol):
    """Makes a finding at the cell that feeds a field."""

    def __call__(self, code: str, field: str, value: str, **facts: Any) -> Finding: ...


@dataclass(frozen=True, slots=True)
class Subject:
    """One request under judgement."""

    request: TaskRequest
    content: Content
    facts: Facts
    tell: Tell

    @property
    def queue(self) -> QueueFact | None:
        """The one queue it names; None where there is none, or more than one."""
        found = self.facts.queues.get(self.request["queue"], ())
        return found[0] if len(found) == 1 else None

    @property
    def tasks(self) -> tuple[TaskFact, ...]:
        """The tasks with its external ID."""
        return self.facts.existing.get(self.request["external_id"], ())

    @property
    def earlier(self) -> LedgerFact | None:
        """What an earlier run did with its external ID."""
        return self.facts.earlier.get(self.request["external_id"])


def queue_exists(subject: Subject) -> Iterator[Finding]:
    """The queue is there, once."""
    name = subject.request["queue"]
    found = subject.facts.queues.get(name, ())
    if not name:  # where the target does not ask for one
        return
    if not found:
        suggestion = did_you_mean(name, subject.facts.queue_names)
        yield subject.tell("Q501", "queue", name, suggestion=suggestion)
    elif len(found) > 1:
        yield subject.tell("Q506", "queue", name, count=len(found), ids=listed(queue.id for queue in found))


def queue_is_open(subject: Subject) -> Iterator[Finding]:
    """The queue takes tasks."""
    queue = subject.queue
    if queue is None:
        return
    if queue.status == "closed":
        yield subject.tell("Q502", "queue", queue.name)
    elif queue.status not in ("open", ""):
        yield subject.tell("Q503", "queue", queue.name)


def queue_has_room(subject: Subject) -> Iterator[Finding]:
    """The queue has room now. Rows beyond the room left are a warning on the queue, told once for all rows."""
    queue = subject.queue
    if queue is not None and queue.room == 0:
        yield subject.tell("Q504", "queue", queue.name, members=queue.members, limit=queue.limit)


def task_is_there(subject: Subject) -> Iterator[Finding]:
    """A task with this external ID exists at the target."""
    tasks = subject.tasks
    if not tasks:
        return
    external_id = subject.request["external_id"]
    yield subject.tell("D402", "external_id", external_id, task_id=tasks[0].task_id)
    if len(tasks) > 1:
        ids = listed(task.task_id for task in tasks)
        yield subject.tell("D406", "external_id", external_id, count=len(tasks), task_ids=ids)
    fields = differing(subject.content, tasks[0].content)
    if fields:
        yield subject.tell("D404", "external_id", external_id, fields=listed(fields))


def earlier_run_knows_it(subject: Subject) -> Iterator[Finding]:
    """An earlier run created it, or holds it in doubt."""
    earlier = subject.earlier
    if earlier is None or subject.tasks:
        return
    external_id = subject.request["external_id"]
    if earlier.task_id is None:
        yield subject.tell("D407", "external_id", external_id, run=earlier.run)
        return
    yield subject.tell("D403", "external_id", external_id, run=earlier.run, task_id=earlier.task_id)
    yield subject.tell("D405", "external_id", external_id)
    fields = differing(subject.content, earlier.content)
    if fields:
        yield subject.tell("D404", "external_id", external_id, fields=listed(fields))


CHECKS: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    queue_exists,
    queue_is_open,
    queue_has_room,
    task_is_there,
    earlier_run_knows_it,
)
