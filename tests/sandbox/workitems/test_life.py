"""What becomes of a workitem: routing, work, closing, and what people change."""

from typing import Any

import pytest

from importer.sandbox.clock import HandClock
from importer.sandbox.life import seeded_id
from importer.sandbox.queues import queue_id
from importer.sandbox.server import Sandbox
from importer.sandbox.workitems.references import user_id
from importer.sandbox.workitems.worktypes import CALLBACK, CASE, COMPLAINT_TYPE, NORTH_INBOX
from tests.sandbox.conftest import Caller
from tests.sandbox.workitems.desk import WORKITEMS, code, made, post, read

STEADY = {"timeout": 0, "declined": 0, "parked": 0}
"""A life without detours."""


async def states(caller: Caller, workitem: str) -> list[tuple[str, str]]:
    """Assignment state and status category of each version."""
    told = next(each for each in caller.sandbox.journal()["tasks"] if each["id"] == workitem)
    return [(each["state"], each["statusCategory"]) for each in told["states"]]


async def patch(caller: Caller, workitem: str, **changes: Any) -> tuple[int, Any]:
    """Status and body of a PATCH."""
    return await caller.call("PATCH", f"{WORKITEMS}/{workitem}", json=changes)


async def test_workitem_is_routed_worked_on_and_terminated(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """A worktype with assignmentEnabled sends its workitems to the queue; a Closed status that terminates ends them."""
    sandbox.change(workitems={"life": STEADY})
    workitem = await made(caller)
    clock.advance(60)
    assert await states(caller, workitem) == [
        ("Idle", "Open"),
        ("AcdStarted", "Open"),
        ("Alerting", "Open"),
        ("Connected", "InProgress"),
        ("Disconnected", "InProgress"),
        ("Terminated", "Closed"),
    ]
    body = await read(caller, workitem)
    assert body["dateClosed"] == body["dateModified"] == body["dateAssignmentStateChanged"]


async def test_workitem_of_another_worktype_is_closed_but_not_terminated(
    caller: Caller, sandbox: Sandbox, clock: HandClock
) -> None:
    """Closed alone is not the end where the status does not terminate, unless somebody terminates it later."""
    sandbox.change(workitems={"life": STEADY})
    first = await made(caller, typeId=COMPLAINT_TYPE.id)
    sandbox.change(workitems={"life": {"terminated": [100, 100]}})
    second = await made(caller, typeId=COMPLAINT_TYPE.id)
    clock.advance(50)
    assert [(await states(caller, each))[-1] for each in (first, second)] == [("Disconnected", "Closed")] * 2
    clock.advance(60)
    assert (await states(caller, first))[-1] == ("Disconnected", "Closed")
    assert (await states(caller, second))[-1] == ("Terminated", "Closed")


@pytest.mark.parametrize(
    ("setting", "worktype", "last"), [("never", CASE, "Disconnected"), ("always", COMPLAINT_TYPE, "Terminated")]
)
async def test_closed_terminates_as_the_scenario_says(
    caller: Caller, sandbox: Sandbox, clock: HandClock, setting: str, worktype: Any, last: str
) -> None:
    """A scenario can make every Closed status terminate, or none; the worktype tells it."""
    sandbox.change(workitems={"life": {**STEADY, "closed_terminates": setting}})
    workitem = await made(caller, typeId=worktype.id)
    clock.advance(60)
    assert (await states(caller, workitem))[-1] == (last, "Closed")
    _, told = await caller.call("GET", f"/api/v2/taskmanagement/worktypes/{worktype.id}")
    closed = next(each for each in told["statuses"] if each["category"] == "Closed")
    assert closed["autoTerminateWorkitem"] == (setting == "always")


async def test_workitem_that_nobody_routes_is_worked_on_by_hand(
    caller: Caller, sandbox: Sandbox, clock: HandClock
) -> None:
    """Without routing the assignment state stays Idle until the end; where nobody works on it nothing changes."""
    workitem = await made(caller, typeId=CALLBACK.id)
    sandbox.change(workitems={"life": {"worked": 0}})
    left = await made(caller, typeId=CALLBACK.id)
    clock.advance(60)
    assert await states(caller, workitem) == [("Idle", "Open"), ("Idle", "InProgress"), ("Terminated", "Closed")]
    assert await states(caller, left) == [("Idle", "Open")]


async def test_explicit_queue_starts_routing_only_where_told(
    caller: Caller, sandbox: Sandbox, clock: HandClock
) -> None:
    """Whether a queueId alone starts routing where assignmentEnabled is false is not known: a scenario says it."""
    quiet = await made(caller, typeId=CALLBACK.id, queueId=queue_id("Billing"))
    sandbox.change(workitems={"life": {"queue_routes": True}})
    loud = await made(caller, typeId=CALLBACK.id, queueId=queue_id("Billing"))
    clock.advance(60)
    routed = [("AcdStarted", "Open") in await states(caller, each) for each in (quiet, loud)]
    assert routed == [False, True]


async def test_life_is_the_same_for_the_same_seed(caller: Caller, clock: HandClock) -> None:
    """Seed, order and time of the creates determine everything."""
    workitem = await made(caller)
    clock.advance(60)
    before = await states(caller, workitem)
    async with Sandbox(caller.sandbox.world.scenario, seed=7, clock=HandClock()) as other:
        twin = Caller(other, caller.session)
        await twin.log_in()
        assert await made(twin) == workitem
        other.clock.advance(60)
        assert await states(twin, workitem) == before


async def test_worktypes_rule_rewrites_queue_and_priority(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """A rule of the worktype may change what was sent, shortly after the creation."""
    sandbox.change(workitems={"life": {"rules": [{"worktype": "Case", "queue": "Billing", "priority": 99}]}})
    workitem = await made(caller, priority=1)
    before = await read(caller, workitem)
    clock.advance(0.5)
    after = await read(caller, workitem)
    assert (before["priority"], before["queue"]["id"]) == (1, queue_id("General Inquiry"))
    assert (after["priority"], after["queue"]["id"]) == (99, queue_id("Billing"))


async def test_workitem_is_not_seen_for_a_moment(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """A scenario makes a new workitem answer 404 for a while after its 201."""
    sandbox.change(workitems={"status_404_after_create_s": 2})
    workitem = await made(caller)
    assert await code(caller.call("GET", f"{WORKITEMS}/{workitem}")) == (404, "not.found.error")
    clock.advance(2)
    assert (await read(caller, workitem))["id"] == workitem


async def test_read_of_no_such_workitem(caller: Caller) -> None:
    """An unknown ID is a 404, one that is no UUID a 400, an unknown expansion a 400."""
    assert await code(caller.call("GET", f"{WORKITEMS}/{seeded_id('no')}")) == (404, "not.found.error")
    assert await code(caller.call("GET", f"{WORKITEMS}/nope")) == (400, "invalid.input.invalid.uuid")
    workitem = await made(caller)
    refused = caller.call("GET", f"{WORKITEMS}/{workitem}", params={"expands": "colour"})
    assert await code(refused) == (400, "invalid.query.param.value")


async def test_read_expands_names(caller: Caller) -> None:
    """References have names where they are expanded."""
    workitem = await made(caller, assigneeId=user_id("ada.novak@example.com"))
    body = await read(caller, workitem, "type", "workbin", "status", "queue", "assignee")
    names = [body[key]["name"] for key in ("type", "workbin", "status", "queue", "assignee")]
    assert names == ["Case", "Service Desk", "Open", "General Inquiry", "Ada Novak"]


# What people change


async def test_patch_changes_fields_and_nothing_ahead(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """A changed field does not stop a workitem's life."""
    sandbox.change(workitems={"life": STEADY})
    workitem = await made(caller)
    status, body = await patch(caller, workitem, description="More")
    assert (status, body["description"], body["assignmentState"]) == (200, "More", "Idle")
    clock.advance(60)
    assert (await states(caller, workitem))[-1] == ("Terminated", "Closed")


async def test_patch_routes(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """QueueAssignmentAlerting with a queue routes a workitem that nobody has routed."""
    sandbox.change(workitems={"life": {**STEADY, "worked": 0}})
    workitem = await made(caller, typeId=CALLBACK.id)
    queue = queue_id("Billing")
    _, body = await patch(caller, workitem, assignmentOperation="QueueAssignmentAlerting", queueId=queue)
    assert (body["assignmentState"], body["queue"]["id"]) == ("AcdStarted", queue)
    clock.advance(60)
    routed = ["Idle", "AcdStarted", "Alerting", "Connected", "Disconnected", "Terminated"]
    assert [state for state, _ in await states(caller, workitem)] == routed


async def test_terminate_ends_a_workitem(caller: Caller, clock: HandClock) -> None:
    """After a terminate nothing happens any more, and nothing can be changed."""
    workitem = await made(caller)
    status, body = await caller.call("POST", f"{WORKITEMS}/{workitem}/terminate", json={})
    assert (status, body["assignmentState"], body["statusCategory"]) == (200, "Terminated", "Closed")
    clock.advance(60)
    assert await states(caller, workitem) == [("Idle", "Open"), ("Terminated", "Closed")]
    assert await code(patch(caller, workitem, priority=3)) == (409, "pre.check.cannot.update.terminated.workitem")
    again = caller.call("POST", f"{WORKITEMS}/{workitem}/terminate", json={})
    assert await code(again) == (409, "pre.check.cannot.update.terminated.workitem")


async def test_patch_to_closed_ends_the_life(caller: Caller, clock: HandClock) -> None:
    """Somebody who closes a workitem ends what would have become of it."""
    workitem = await made(caller)
    _, body = await patch(caller, workitem, statusId=CASE.first("Closed").id)
    assert (body["statusCategory"], body["assignmentState"]) == ("Closed", "Terminated")
    clock.advance(60)
    assert len(await states(caller, workitem)) == 2


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({}, (400, "invalid.input.no.attribute.to.update")),
        ({"priority": 0}, (400, "invalid.input.no.change")),
        ({"statusId": seeded_id("no")}, (400, "invalid.input.undefined.status")),
        ({"assignmentState": "Alerting"}, (400, "invalid.input.assign.state.cannot.be.set")),
        ({"assignmentOperation": "AgentAssignmentAlerting"}, (400, "invalid.input.missing.assignee")),
        ({"assignmentOperation": "Something"}, (400, "invalid.value")),
        ({"workbinId": NORTH_INBOX.id}, (409, "pre.check.workitem.division.cannot.be.changed")),
        ({"queueId": queue_id("Claims")}, (400, "workitem.queue.division.mismatch")),
        (
            {"queueId": queue_id("Billing"), "assigneeId": user_id("ada.novak@example.com")},
            (400, "invalid.input.update.user.and.queue"),
        ),
    ],
)
async def test_patch_refuses_with_the_codes_of_the_platform(
    caller: Caller, changes: dict[str, Any], refusal: tuple[int, str]
) -> None:
    """Each breach has its code, and no version comes of it."""
    workitem = await made(caller)
    assert await code(patch(caller, workitem, **changes)) == refusal
    assert len(await states(caller, workitem)) == 1


async def test_patch_clears_custom_fields_by_an_empty_map(caller: Caller) -> None:
    """Custom fields are merged; an empty map clears all."""
    workitem = await made(caller, typeId=COMPLAINT_TYPE.id, customFields={"items_integer": 1})
    _, body = await patch(caller, workitem, customFields={"severity_enum": "Low"})
    assert body["customFields"] == {"items_integer": 1, "severity_enum": "Low"}
    _, body = await patch(caller, workitem, customFields={})
    assert body["customFields"] == {}


# Limits of the organisation


async def test_routing_in_a_queue_is_limited(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """A create that would route one workitem too many is a 409 with the limit; when routing is over there is room again."""
    sandbox.change(workitems={"acd_started_per_queue": 2})
    await made(caller, "E-1")
    await made(caller, "E-2")
    status, body = await post(caller, "E-3")
    assert (status, body["code"]) == (409, "service.limit.acd.started.maximum.limit.reached")
    assert (body["limit"]["namespace"], body["limit"]["value"]) == ("task.management", 2)
    assert (await post(caller, "E-4", queueId=queue_id("Billing")))[0] == 201
    clock.advance(60)
    assert (await post(caller, "E-3"))[0] == 201


@pytest.mark.parametrize(("status", "waits"), [(429, True), (400, False)])
async def test_creates_of_a_day_are_limited(
    caller: Caller, sandbox: Sandbox, clock: HandClock, status: int, waits: bool
) -> None:
    """One workitem too many within a day is a 429 that tells the hours to wait, or a 400, as the scenario has it."""
    sandbox.change(workitems={"created_per_day": 1, "created_per_day_status": status})
    await made(caller)
    clock.advance(3600)
    response = await caller.send("POST", WORKITEMS, json={"name": "One more", "typeId": CASE.id})
    body = await response.json()
    assert (response.status, body["code"]) == (status, "service.limit.per.day.maximum.created.limit.reached")
    assert response.headers.get("Retry-After") == ("82800" if waits else None)
    clock.advance(82_800)
    await caller.log_in()
    assert (await post(caller, "E-2"))[0] == 201
