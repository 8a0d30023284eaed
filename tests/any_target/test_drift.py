"""What a plan rests on, read again at any target right before rows are sent."""

from collections.abc import Callable

from importer.core.drift import Drift
from importer.core.plan import PlanRow, Preview
from importer.flow.drift import drifted, resting
from tests.any_target.conftest import AnyOffice
from tests.flow.conftest import ids

QUEUE = "General Inquiry"


async def found(
    office: AnyOffice, preview: Preview, rows: list[PlanRow], left_out: Callable[[int], bool] = lambda _: False
) -> list[str]:
    """What is told of the plan's rows."""

    async def asked() -> tuple[Drift, ...]:
        return await drifted(office.target, preview.head, resting(office.target, preview.head, rows, left_out))

    return [str(each) for each in await office.driven(asked())]


async def test_any_target_has_no_drift_where_nothing_changed(any_target: AnyOffice) -> None:
    """Read again, all that the rows rest on is what it was."""
    preview, rows = await any_target.previews(any_target.sheet(*((name, "An invoice") for name in ids(3))))
    assert preview.head.counts["ready"] == 3
    assert await found(any_target, preview, rows) == []


async def test_any_target_tells_a_queue_that_is_gone(any_target: AnyOffice) -> None:
    """A queue that was deleted after the plan is told with its rows, though the same process has listed all queues before.

    Rows that the approver left out are not counted, and where none is left nothing is told.
    """
    preview, rows = await any_target.previews(any_target.sheet(*((name, "An invoice") for name in ids(3))))
    any_target.queue_is_deleted(QUEUE)
    assert await found(any_target, preview, rows) == [f"Queue {QUEUE} does not exist any more: 3 rows"]
    assert await found(any_target, preview, rows, {2}.__contains__) == [
        f"Queue {QUEUE} does not exist any more: 2 rows"
    ]
    assert await found(any_target, preview, rows, lambda _: True) == []


async def test_any_target_names_its_organisation_where_it_tells(any_target: AnyOffice) -> None:
    """A plan of workitems names the organisation that answered; the founding API knows of none."""
    preview, _ = await any_target.previews(any_target.sheet(("E-1", "An invoice")))
    organization = preview.head.environment.organization
    assert organization == await any_target.driven(any_target.target.organization())
    assert bool(organization) == (any_target.way.target == "workitems")
