"""What to do next with a row, from its entry, an answer and the clock's reading. Decides; does no I/O and reads no clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from importer.core.conflict import REWRITABLE, told
from importer.core.facts import Content, TaskFact, differing
from importer.core.outcomes import Answer, Conflict, Created, Hits, Lost, NotDone, Refused
from importer.core.stages import Entry, Stage, advance

MAX_RESENDS = 2
"""So often a POST whose answer was lost is repeated, each time after the index lag has passed without a hit."""

CONFLICT_WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Pauses before a POST is repeated that was answered with 409 while no task could be found (a queue in transition)."""


class Resend(StrEnum):
    """Whether a row is sent again that was not found after the lag."""

    LIMITED = "limited"  # at most twice; then it rests as unknown
    NEVER = "never"  # reconcile: it is only looked up
    CONFIRMED = "confirmed"  # reconcile --resend: a person asked for it, and its absence is confirmed now: one that rests is sent once


@dataclass(frozen=True, slots=True)
class Settled:
    """The row has its outcome, or rests as unknown."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Again:
    """Send it again, not before `wait_s` seconds from now."""

    entry: Entry
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LookUp:
    """Look its external ID up, not before `wait_s` seconds from now."""

    entry: Entry
    wait_s: float = 0.0


Step = Settled | Again | LookUp


def next_step(entry: Entry, answer: Answer) -> Step:
    """After a POST: settle, send again, or look up first. `entry` is in stage SENDING."""
    match answer:
        case Created():
            return Settled(_created(entry, answer.task_id, answer.state, answer.correlation_id))
        case Refused():
            reason = f"{answer.status}: {answer.problem}"
            return Settled(advance(entry, Stage.FAILED, reason=reason, correlation_id=answer.correlation_id))
        case Conflict():
            conflicts = entry.conflicts + 1
            changed = advance(
                entry, Stage.DOUBT, reason=answer.problem, correlation_id=answer.correlation_id, conflicts=conflicts
            )
            return LookUp(changed)
        case NotDone():
            return Again(advance(entry, Stage.READY, reason=answer.problem), answer.wait_s)
        case Lost():
            return LookUp(_doubtful(entry, answer.problem, answer.correlation_id))


def after_look_up(
    entry: Entry, hits: Hits, ours: Content, since_s: float, lag_s: float, resend: Resend = Resend.LIMITED
) -> Step:
    """After a look-up of a row in doubt.

    `since_s` is how long ago the doubtful call *ended*; "not found" counts only when more than `lag_s` has passed.
    `ours` is the content of the frozen payload: a hit that differs from it in nothing but what the platform's own flows may
    rewrite is, after a doubtful POST of ours, our own task.
    """
    if hits.tasks:
        return Settled(_found(entry, hits.tasks, ours))
    if entry.conflicts and not entry.doubted:
        return _after_conflict(entry, since_s, lag_s)
    if since_s <= lag_s:
        return LookUp(entry, next_look_s(since_s, lag_s))
    if resend is Resend.NEVER:
        return Settled(entry)  # as it was: what `resume` may still send, it may send after this look as well
    rests, spent = entry.stage is Stage.UNKNOWN, entry.resends >= MAX_RESENDS
    # A person's wish sends a row that rests as unknown once; then it is in doubt again, its resends spent.
    may = rests or not spent if resend is Resend.CONFIRMED else not (rests or spent)
    if not may:
        return Settled(advance(entry, Stage.UNKNOWN))
    return Again(advance(entry, Stage.READY, resends=entry.resends + 1))


def after_suspicion(entry: Entry, hits: Hits, ours: Content, since_s: float, lag_s: float) -> Step:
    """After a look-up of a row that is ready by an older copy of the ledger, and may have been sent since.

    Found, it is settled. Not found after the lag, nothing of it was sent, and it stays ready.
    """
    if hits.tasks:
        return Settled(_found(advance(entry, entry.stage, doubted=True), hits.tasks, ours))
    if since_s <= lag_s:
        return LookUp(entry, next_look_s(since_s, lag_s))
    return Settled(entry)


def next_look_s(since_s: float, lag_s: float) -> float:
    """Seconds until the next look-up of a row in doubt: at 2, 5, 10, 20, … s and once just after the lag."""
    for mark in _marks():
        if mark > since_s + 0.1:
            return min(mark, lag_s + 0.1) - since_s if since_s <= lag_s else 0.0
    raise AssertionError


def _marks() -> Iterator[float]:
    mark = 10.0
    yield from (2.0, 5.0)
    while True:
        yield mark
        mark *= 2


def _after_conflict(entry: Entry, since_s: float, lag_s: float) -> Step:
    """409 and nothing found: the index may lag, or the queue is in transition; try again for a while, then give up."""
    waits = CONFLICT_WAITS_S
    if entry.conflicts <= len(waits):
        return Again(advance(entry, Stage.READY), waits[entry.conflicts - 1])
    if since_s <= lag_s:
        return LookUp(entry, next_look_s(since_s, lag_s))
    return Settled(advance(entry, Stage.FAILED, reason=f"409, and no such task was found: {entry.reason}"))


def _found(entry: Entry, tasks: tuple[TaskFact, ...], ours: Content) -> Entry:
    equal = [task for task in tasks if not set(differing(ours, task.content)) - REWRITABLE]
    task = (equal or tasks)[0]
    own = entry.doubted and bool(equal)
    stage = Stage.CREATED if own else Stage.EXISTING
    reason = "found by its external ID after a lost answer" if own else "a task with this external ID exists"
    reason = told(reason, differing(ours, task.content), [each.task_id for each in tasks])
    return advance(entry, stage, task_id=task.task_id, state=task.state or None, reason=reason)


def _created(entry: Entry, task_id: str, state: str, correlation_id: str | None) -> Entry:
    return advance(entry, Stage.CREATED, task_id=task_id, state=state or None, reason="", correlation_id=correlation_id)


def _doubtful(entry: Entry, reason: str, correlation_id: str | None) -> Entry:
    return advance(entry, Stage.DOUBT, doubted=True, reason=reason, correlation_id=correlation_id)


POLL_FIRST_S = 0.5
POLL_FACTOR = 1.3
POLL_MOST_S = 30.0
HEARD_FIRST_S = 30.0
HEARD_FACTOR = 2.0
HEARD_MOST_S = 300.0


@dataclass(frozen=True, slots=True)
class Polling:
    """How often a task's state is asked for: so soon at first, then so many times longer each time, up to a most."""

    first_s: float = POLL_FIRST_S
    factor: float = POLL_FACTOR
    most_s: float = POLL_MOST_S
    anew: bool = True  # after each change of state it begins again with the first


FREQUENT = Polling()
"""For tasks whose states are mostly known by looking."""
RECORDED = Polling(5.0, 2.0, 120.0, anew=False)
"""For tasks whose states the platform records: a look only tells whether the end is reached, and no state is missed by it."""


def next_look(interval_s: float | None, *, changed: bool, heard: bool = False, polling: Polling = FREQUENT) -> float:
    """Seconds until a task's state is asked for again: unless told 0.5 s after a change, then 1.3 times longer, up to 30 s.

    Where its changes are `heard` of, nothing hurries: 30 s after a change, else twice as long each time, up to 5 minutes.
    """
    if heard:
        return HEARD_FIRST_S if changed or interval_s is None else min(interval_s * HEARD_FACTOR, HEARD_MOST_S)
    if interval_s is None or (changed and polling.anew):
        return polling.first_s
    return min(interval_s * polling.factor, polling.most_s)
