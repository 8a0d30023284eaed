"""What each answer to the create of a workitem means for its row and its run."""

import json
from typing import Any

import pytest

from importer.core.errors import Forbidden, LongWait
from importer.core.outcomes import Outcome
from importer.sandbox.workitems.divisions import NORTH
from importer.sandbox.workitems.worktypes import CLAIM, COMPLAINT_TYPE, NORTH_INBOX
from tests.flow.conftest import ids
from tests.flow.desk import Desk

INPUT = [
    "missing.required.field", "empty.value", "invalid.uuid", "wrong.attribute.type", "string.value.too.short",
    "string.value.too.long", "int.value.too.low", "int.value.too.high", "list.value.too.long", "date.below.min",
    "date.above.max", "timestamp.below.min", "timestamp.above.max", "undefined.status", "default.status.empty",
    "missing.mandatory.status", "missing.queue", "duplicate.scored.agents",
]  # fmt: skip
SCHEMA = [
    "schema.not.found", "schema.disabled", "schema.deleted", "worktype.no.schema", "property.disabled",
    "missing.attributes", "missing.version", "invalid.schema", "invalid.instance",
]  # fmt: skip
REFUSALS = [
    *((400, f"invalid.input.{code}") for code in INPUT),
    *((400, code) for code in ("workitem.queue.division.mismatch", "workitem.script.division.mismatch")),
    *((403, f"assignee.missing.any.{code}") for code in ("permissions", "division.permissions")),
    *((403, f"missing.{code}") for code in ("division.permission", "any.division.permissions")),
    *((404, code) for code in ("not.found.error", "queue.ids.not.found", "routing.skill.ids.not.found")),
    (404, "utilization.label.id.not.found"),
    *((409, f"pre.check.{code}") for code in ("workitem.division.mismatch", "value.greater.than", "date.too.soon")),
    (409, "pre.check.value.greater.than.or.equal"),
    *((409, f"wrapup.{code}") for code in ("not.in.queue", "no.queue")),
    (409, "workitem.external.contact.division.mismatch"),
    (409, "service.limit.acd.started.maximum.limit.reached"),
    (409, "request.conflict"),
    *((422, f"schema.error.{code}") for code in SCHEMA),
]
"""The codes of a create by which only its row is refused."""


def told(status: int, code: str, message: str = "No, because of {name}", **more: Any) -> dict[str, Any]:
    """A fault that answers so."""
    body = {"status": status, "code": code, "message": message, "contextId": "c-1", "details": [], "errors": [], **more}
    return {"kind": f"status:{status}", "body": json.dumps(body)}


@pytest.mark.parametrize(("status", "code"), REFUSALS)
async def test_create_fails_the_row_alone_by_its_code(desk: Desk, status: int, code: str) -> None:
    """A refusal is the row's outcome, with the platform's words, its code and its ID; the others are created."""
    fault = told(status, code, "Not like this")
    desk.goes_wrong("workitem_create", fault.pop("kind"), at=(2,), **fault)
    run = desk.plans(ids(3))
    ending = await desk.carries_on(run, concurrency=1)
    assert ending.problem is None
    assert desk.outcomes(run) == {"created": 2, "failed": 1}
    row = next(row for row in desk.rows(run) if row.outcome is Outcome.FAILED)
    assert "Not like this" in row.reason
    assert code in row.reason
    assert row.correlation_id
    assert len(desk.visits("workitem_create")) == 3
    assert desk.visits("workitem_query") == []


async def test_create_takes_no_409_for_a_duplicate(desk: Desk) -> None:
    """A 409 is about dates, divisions or limits: its row is not looked up and not told as existing, though the tag is there."""
    first = desk.plans(["E-1"])
    await desk.carries_on(first)
    desk.ledger.close()
    desk.ledger_is_lost()
    await desk.starts_again()
    fault = told(409, "request.conflict")
    desk.goes_wrong("workitem_create", fault.pop("kind"), **fault)
    run = desk.plans(["E-1"])
    await desk.carries_on(run)
    assert desk.outcomes(run) == {"failed": 1}


@pytest.mark.parametrize(
    "code", ["missing.permissions", "not.authorized", "authz.policy.denied", "app.not.authorized.for.scope"]
)
async def test_create_stops_the_run_where_the_client_may_not(desk: Desk, code: str) -> None:
    """A 403 that is about no row stops the run and names the permission; nothing is in doubt."""
    fault = told(403, code)
    desk.goes_wrong("workitem_create", fault.pop("kind"), at=(3,), **fault)
    run = desk.plans(ids(10))
    ending = await desk.carries_on(run, concurrency=1)
    assert isinstance(ending.problem, Forbidden)
    assert ending.problem.exit_code == 6
    assert "workitems:workitem:add" in str(ending.problem)
    assert desk.outcomes(run) == {"created": 2, "not_sent": 8}


@pytest.mark.parametrize("status", [429, 400])
async def test_create_pauses_the_run_at_the_day_s_limit(desk: Desk, status: int) -> None:
    """A limit of the day, told either way, stops the run with exit code 7; carried on the day after, all rows are created."""
    desk.is_set(created_per_day=4, created_per_day_status=status)
    run = desk.plans(ids(10))
    ending = await desk.carries_on(run, concurrency=1)
    assert isinstance(ending.problem, LongWait)
    assert ending.problem.exit_code == 7
    assert desk.outcomes(run) == {"created": 4, "not_sent": 6}
    assert len(desk.visits("workitem_create")) == 5
    desk.is_set(created_per_day=6)
    desk.clock.hand.advance(86_400.0)
    await desk.starts_again()
    ending = await desk.carries_on(run, concurrency=1)
    assert ending.problem is None
    assert desk.outcomes(run) == {"created": 10}
    assert desk.made() == dict.fromkeys(ids(10), 1)


async def test_create_waits_for_the_seconds_that_words_tell(desk: Desk) -> None:
    """A 429 without a header holds everyone for the seconds in its words."""
    fault = told(429, "too.many.requests.retry.after", "Rate limit exceeded. Retry the request in [3] seconds")
    desk.goes_wrong("workitem_create", fault.pop("kind"), at=(2,), **fault)
    run = desk.plans(ids(3))
    await desk.carries_on(run, concurrency=1)
    assert desk.pace.waits == [3.0]
    assert desk.outcomes(run) == {"created": 3}


async def test_create_takes_no_window_for_a_wait(desk: Desk) -> None:
    """The window of a limit, `within [60] seconds`, is no time to wait."""
    words = "Rate limit exceeded the maximum [300] requests within [60] seconds"
    fault = told(429, "too.many.requests", words)
    desk.goes_wrong("workitem_create", fault.pop("kind"), at=(2,), **fault)
    run = desk.plans(ids(3))
    await desk.carries_on(run, concurrency=1)
    assert [wait < 60 for wait in desk.pace.waits] == [True]
    assert desk.outcomes(run) == {"created": 3}


@pytest.mark.parametrize("made", [True, False])
async def test_create_looks_up_what_a_scheduling_error_left(desk: Desk, *, made: bool) -> None:
    """After a 500 that does not tell whether a workitem was made, it is looked up, and there is one in the end."""
    fault = told(500, "schedule.service.error.job.creation.failed", "Failed to schedule status transition.")
    kind = fault.pop("kind")
    desk.goes_wrong("workitem_create", "error_after" if made else kind, at=(1,), status=500, **fault)
    run = desk.plans(ids(2))
    await desk.carries_on(run, concurrency=1)
    assert desk.outcomes(run) == {"created": 2}
    assert desk.made() == dict.fromkeys(ids(2), 1)
    assert desk.visits("workitem_query")


async def test_create_does_not_mind_a_404_after_the_201(desk: Desk) -> None:
    """A workitem that is not to be read for a moment after its creation is created all the same, and followed to its end."""
    desk.is_set(status_404_after_create_s=5.0)
    run = desk.plans(ids(5))
    ending = await desk.carries_on(run, track="closed")
    assert ending.problem is None
    assert desk.outcomes(run) == {"created": 5}
    assert all(row.state and row.state.startswith("Closed") for row in desk.rows(run))


REAL: list[tuple[str, dict[str, Any], str]] = [
    ("workbin elsewhere", {"workbinId": NORTH_INBOX.id}, "pre.check.workitem.division.mismatch"),
    ("queue elsewhere", {"queueId": CLAIM.queue}, "workitem.queue.division.mismatch"),
    ("schema", {"typeId": COMPLAINT_TYPE.id, "customFields": {"no_such_text": "x"}}, "schema.error"),
]


@pytest.mark.parametrize(("body", "code"), [each[1:] for each in REAL], ids=[each[0] for each in REAL])
async def test_create_tells_what_the_sandbox_refuses(desk: Desk, body: dict[str, Any], code: str) -> None:
    """What is not to be combined fails its row with the platform's reason."""
    run = desk.plans(ids(2), [body, {}])
    await desk.carries_on(run)
    assert desk.outcomes(run) == {"created": 1, "failed": 1}
    assert code in next(row.reason for row in desk.rows(run) if row.outcome is Outcome.FAILED)


async def test_create_fails_rows_of_a_division_that_the_client_does_not_reach(desk: Desk) -> None:
    """Rows of a worktype in a division without the permission fail; the others are created."""
    desk.is_set(denied_divisions={"workitems:workitem:add": [NORTH.name]})
    run = desk.plans(ids(4), [{"typeId": CLAIM.id}, {}, {"typeId": CLAIM.id}, {}])
    ending = await desk.carries_on(run)
    assert ending.problem is None
    assert desk.outcomes(run) == {"created": 2, "failed": 2}


async def test_create_knows_its_own_workitem_by_ids_in_any_case(desk: Desk) -> None:
    """A workitem that a lost POST made is the row's own, though the row writes an ID in capitals."""
    contact = next(iter(desk.sandbox.service.platform.directory.contacts))
    desk.goes_wrong("workitem_create", "reset_after", times=1)
    run = desk.plans(["E-1"], [{"externalContactId": contact.upper(), "queueId": desk.queue_id().upper()}])
    await desk.carries_on(run)
    assert desk.outcomes(run) == {"created": 1}
    assert "differs" not in next(iter(desk.rows(run))).reason
