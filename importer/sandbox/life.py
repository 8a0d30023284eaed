"""The life of a task as a pure function of seed, ID, creation time and settings. Decides; keeps nothing."""

import hashlib
import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from importer.sandbox.scenario import Life

FINAL = frozenset({"closed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Step:
    """A state and when it is entered (seconds since 1970, to the millisecond; may lie ahead)."""

    state: str
    at: float


def history(seed: int, task_id: str, created_at: float, life: Life) -> tuple[Step, ...]:
    """All states of the task's whole life in order of time, the first being `new` at its creation.

    The same arguments always give the same history. The last state is final unless the task is stuck.
    """
    chance = random.Random(f"{seed}:{task_id}")
    at = created_at
    steps = [Step("new", at)]
    for state in _path(chance, life):
        at = round(at + chance.uniform(*life.span(state)), 3)
        steps.append(Step(state, at))
    return tuple(steps)


def so_far(steps: tuple[Step, ...], now: float) -> tuple[Step, ...]:
    """The steps that have happened by `now`; at least the first, even if the clock was put back."""
    return steps[:1] + tuple(step for step in steps[1:] if step.at <= now)


def timestamp(at: float) -> str:
    """RFC 3339 in UTC with milliseconds, such as `2026-11-23T21:00:00.123Z`."""
    return datetime.fromtimestamp(round(at, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seeded_id(*parts: object) -> str:
    """A UUID in lower case that depends on `parts` alone."""
    digest = hashlib.sha256(":".join(map(str, parts)).encode("utf-8", "surrogatepass")).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def _path(chance: random.Random, life: Life) -> list[str]:
    path = ["queued", "assigned"]
    if chance.random() < life.back:
        path += ["queued", "assigned"]
    if chance.random() >= life.skip:
        path.append("accepted")
    path.append("working")
    if chance.random() < life.odd:
        path += ["on-hold", "working"]
    if chance.random() >= life.skip:
        path.append("wrapup")
    path.append("closed")
    if chance.random() < life.stuck:
        return path[: path.index("working") + 1]
    if chance.random() < life.cancel:
        return [*path[: chance.randrange(len(path))], "cancelled"]
    return path
