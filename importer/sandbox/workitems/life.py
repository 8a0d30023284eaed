"""What happens to a workitem by itself: routing, alerts, work, closing. A pure function of seed, ID, time and settings."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from importer.sandbox.workitems.references import AGENTS, user_id
from importer.sandbox.workitems.settings import WorkitemLife
from importer.sandbox.workitems.worktypes import Category, Worktype

Values = Mapping[str, Any]
MOST_ALERTS = 4


@dataclass(frozen=True, slots=True)
class Change:
    """New values of some fields, when (seconds since 1970, to the millisecond; may lie ahead) and by whom (an ID or None)."""

    at: float
    values: Values
    by: str | None = None


def routes(worktype: Worktype, values: Values, life: WorkitemLife, *, explicit_queue: bool) -> bool:
    """Whether a workitem is sent to its queue as it is created."""
    if values.get("queueId") is None:
        return False
    return worktype.assignment_enabled or (explicit_queue and life.queue_routes)


def routed(seed: int, workitem_id: str, worktype: Worktype, life: WorkitemLife, at: float) -> tuple[Change, ...]:
    """The life of a workitem that is sent to its queue at `at`, the first change being AcdStarted."""
    chance = random.Random(f"{seed}:{workitem_id}:{at}")
    return tuple(_timed(chance, at, _routed(chance, worktype, life)))


def worked(seed: int, workitem_id: str, worktype: Worktype, life: WorkitemLife, at: float) -> tuple[Change, ...]:
    """The life of a workitem that nobody routes: people pick it up from the workbin, or never."""
    chance = random.Random(f"{seed}:{workitem_id}:{at}")
    if chance.random() >= life.worked:
        return ()
    return tuple(_timed(chance, at, _worked(chance, worktype, life)))


def closing(worktype: Worktype) -> dict[str, Any]:
    """What the worktype's Closed status sets, Terminated where that status terminates."""
    status = worktype.first("Closed")
    return _status(worktype, "Closed") | ({"assignmentState": "Terminated"} if status.terminates else {})


_Step = tuple[tuple[float, float], Values, str | None]


def _timed(chance: random.Random, at: float, steps: Iterator[_Step]) -> Iterator[Change]:
    """Each step no earlier than a millisecond after the one before."""
    for span, values, by in steps:
        at = round(max(at + chance.uniform(*span), at + 0.001), 3)
        yield Change(at, values, by)


def _routed(chance: random.Random, worktype: Worktype, life: WorkitemLife) -> Iterator[_Step]:
    yield life.started, {"assignmentState": "AcdStarted"}, None
    if chance.random() < life.cancel:
        yield life.alerting, {"assignmentState": "AcdCancelled"}, None
        return
    agent = user_id(chance.choice(AGENTS))
    for _ in range(MOST_ALERTS - 1):
        drawn = chance.random()
        if drawn >= life.timeout + life.declined:
            break
        lost, by = ("AlertTimeout", None) if drawn < life.timeout else ("Declined", agent)
        yield life.alerting, {"assignmentState": "Alerting", "assigneeId": agent}, None
        yield life.flash, {"assignmentState": lost, "assigneeId": None}, by
        yield life.flash, {"assignmentState": "AcdStarted"}, None
        agent = user_id(chance.choice(AGENTS))
    yield life.alerting, {"assignmentState": "Alerting", "assigneeId": agent}, None
    yield life.connected, {"assignmentState": "Connected", **_status(worktype, "InProgress")}, agent
    if chance.random() < life.stuck:
        return
    if chance.random() < life.parked:
        yield life.disconnected, {"assignmentState": "Parked", **_status(worktype, "Waiting")}, agent
        yield life.connected, {"assignmentState": "Connected", **_status(worktype, "InProgress")}, agent
    yield life.disconnected, {"assignmentState": "Disconnected"}, agent
    yield from _closed(worktype, life, agent)


def _worked(chance: random.Random, worktype: Worktype, life: WorkitemLife) -> Iterator[_Step]:
    agent = user_id(chance.choice(AGENTS))
    yield life.working, {"assigneeId": agent, **_status(worktype, "InProgress")}, agent
    if chance.random() >= life.stuck:
        yield from _closed(worktype, life, agent)


def _closed(worktype: Worktype, life: WorkitemLife, agent: str) -> Iterator[_Step]:
    yield life.closed, closing(worktype), agent
    if not worktype.first("Closed").terminates and life.terminated is not None:
        yield life.terminated, {"assignmentState": "Terminated"}, None


def _status(worktype: Worktype, category: Category) -> dict[str, Any]:
    status = worktype.first(category)
    return {"statusId": status.id, "statusCategory": status.category}
