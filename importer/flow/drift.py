"""drift: reads again what the rows of a plan rest on, right before they are sent. Changes nothing at the target."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from importer.core.drift import Drift, Kind, Rest, drifts, rests
from importer.core.facts import QueueFact, Reference
from importer.core.plan import PlanHead, PlanRow
from importer.core.task import TaskRequest
from importer.core.verdicts import Verdict
from importer.ports import Target


def resting(target: Target, head: PlanHead, rows: Iterable[PlanRow], is_left_out: Callable[[int], bool]) -> list[Rest]:
    """What the rows that would be sent rest on. Asks nobody; takes a while for a plan of many rows."""
    return rests(head, _sent(target, rows, is_left_out))


async def drifted(target: Target, head: PlanHead, found: Sequence[Rest]) -> tuple[Drift, ...]:
    """What of it changed since the plan, by the target's word of now. Raises NotAuthorised, TargetDown."""
    target.forget()
    queues = {rest.id: await _queue(target, rest) for rest in found if rest.kind == "queue"}
    references: dict[tuple[Kind, str], Reference | None] = {
        (rest.kind, rest.id): await _reference(target, rest) for rest in found if rest.kind != "queue"
    }
    return drifts(head, found, queues, references)


def _sent(
    target: Target, rows: Iterable[PlanRow], is_left_out: Callable[[int], bool]
) -> Iterator[tuple[PlanRow, Mapping[str, Any]]]:
    for row in rows:
        if row.verdict is Verdict.READY and row.payload is not None and not is_left_out(row.line):
            yield row, target.content(row.payload)


async def _queue(target: Target, rest: Rest) -> QueueFact | None:
    """By its ID; by its name where the target takes IDs of another form for names."""
    for named in (rest.id, rest.name):
        found = (await target.queues([named]))[named]
        same = [each for each in found if each.id.lower() == rest.id]
        if same:
            return same[0]
    return None


async def _reference(target: Target, rest: Rest) -> Reference | None:
    asked = cast("TaskRequest", {rest.kind: rest.id})
    found = (await target.references([asked])).found.get((rest.kind, rest.id))
    return found[0] if found else None
