"""Bulk add jobs, from Idle to their results."""

from typing import Any

import pytest

from importer.sandbox.clock import HandClock
from importer.sandbox.queues import queue_id
from importer.sandbox.scenario import Fault
from importer.sandbox.server import Sandbox
from importer.sandbox.workitems.worktypes import CLAIM
from tests.sandbox.conftest import Caller
from tests.sandbox.workitems.desk import BULK, WORKITEMS, code, fields, job, run, tags


async def told(caller: Caller, job_id: str, more: str = "") -> Any:
    """A job, or its results."""
    status, body = await caller.call("GET", f"{BULK}/{job_id}{more}")
    assert status == 200, body
    return body


async def patched(caller: Caller, job_id: str, state: str = "Queued") -> tuple[int, Any]:
    """Status and body of a PATCH."""
    return await caller.call("PATCH", f"{BULK}/{job_id}", json={"state": state})


async def test_bulk_job_is_idle_until_it_is_queued(caller: Caller, clock: HandClock) -> None:
    """A job that was only made does nothing, however long one waits; it has counts and no results."""
    job_id = await job(caller, fields("E-1"), fields("E-2"))
    clock.advance(3600)
    body = await told(caller, job_id)
    assert (body["state"], body["action"], body["totalCount"]) == ("Idle", "AddWorkitems", 2)
    assert (body["successfulCount"], body["failedCount"], "dateStarted" in body) == (0, 0, False)
    assert await told(caller, job_id, "/results") == {"results": [], "errorCount": 0, "errorIndexes": []}
    assert caller.sandbox.journal()["committed"] == 0


async def test_bulk_job_runs_by_the_clock(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """Queued, Running and Succeeded follow each other in their times."""
    sandbox.change(workitems={"bulk_queued": [1, 1], "bulk_running": [2, 2]})
    job_id = await job(caller, fields("E-1"))
    assert (await patched(caller, job_id))[1]["state"] == "Queued"
    seen = []
    for _ in range(4):
        body = await told(caller, job_id)
        seen.append((body["state"], "dateStarted" in body, "dateFinished" in body))
        clock.advance(1)
    running = ("Running", True, False)
    assert seen == [("Queued", False, False), running, running, ("Succeeded", True, True)]


async def test_bulk_job_makes_its_workitems(caller: Caller, clock: HandClock) -> None:
    """The results tell ID, name, workbin and type of each workitem, and no tag; queries find them."""
    job_id = await job(caller, fields("E-1"), fields("E-2"))
    await run(caller, job_id)
    results = (await told(caller, job_id, "/results"))["results"]
    assert [each["entity"]["name"] for each in results] == ["Something to do E-1", "Something to do E-2"]
    assert all(each["entity"].keys() == {"id", "name", "workbin", "type", "selfUri"} for each in results)
    clock.advance(5)
    assert await tags(caller) == ["E-1", "E-2"]
    found = {each["externalId"]: each["id"] for each in caller.sandbox.journal()["tasks"]}
    assert [found["E-1"], found["E-2"]] == [each["entity"]["id"] for each in results]


async def test_bulk_job_succeeds_with_items_that_failed(caller: Caller) -> None:
    """What only a look-up shows is wrong fails its item alone, with code and index; the job succeeds."""
    job_id = await job(caller, fields("E-1"), fields("E-2", queueId=queue_id("Claims")), fields("E-3"))
    await run(caller, job_id)
    body, results = await told(caller, job_id), await told(caller, job_id, "/results")
    assert (body["state"], body["successfulCount"], body["failedCount"]) == ("Succeeded", 2, 1)
    assert (results["errorCount"], results["errorIndexes"]) == (1, [1])
    assert results["results"][1]["error"]["code"] == "workitem.queue.division.mismatch"


async def test_bulk_job_with_invalid_data_is_refused_whole(caller: Caller) -> None:
    """One entity that breaks a constraint refuses all of them: 400 validation.failed, which names the place."""
    entities = [fields("E-1"), fields("E-2", name="ab")]
    status, body = await caller.call("POST", BULK, json={"entities": entities})
    assert (status, body["code"]) == (400, "validation.failed")
    assert [each["fieldName"] for each in body["details"]] == ["entities[1].name"]


@pytest.mark.parametrize("number", [0, 51])
async def test_bulk_job_has_1_to_50_entities(caller: Caller, number: int) -> None:
    """Fewer and more are a 400."""
    answer = caller.call("POST", BULK, json={"entities": [fields(f"E-{n}") for n in range(number)]})
    assert await code(answer) == (400, "constraint.validation")


async def test_bulk_job_takes_50(caller: Caller) -> None:
    """Fifty entities make fifty workitems."""
    await run(caller, await job(caller, *(fields(f"E-{n}") for n in range(50))))
    assert caller.sandbox.journal()["committed"] == 50


async def test_bulk_results_may_come_in_any_order(caller: Caller, sandbox: Sandbox) -> None:
    """The order of results is not promised: a scenario shuffles it, and the error indexes with it."""
    sandbox.change(workitems={"results_shuffled": True})
    entities = [fields(f"E-{n}") for n in range(20)]
    entities[0]["queueId"] = queue_id("Claims")
    job_id = await job(caller, *entities)
    await run(caller, job_id)
    body = await told(caller, job_id, "/results")
    names = [each.get("entity", {}).get("name") for each in body["results"]]
    assert names != [None, *(each["name"] for each in entities[1:])]
    assert sorted(filter(None, names)) == sorted(each["name"] for each in entities[1:])
    assert [index for index, name in enumerate(names) if name is None] == body["errorIndexes"]


async def test_bulk_job_is_queued_once(caller: Caller) -> None:
    """A second PATCH of a queued job is a 409 and makes nothing."""
    job_id = await job(caller, fields("E-1"))
    await run(caller, job_id)
    assert await code(patched(caller, job_id)) == (409, "request.conflict")
    assert caller.sandbox.journal()["committed"] == 1


async def test_bulk_job_can_be_deleted_while_idle(caller: Caller) -> None:
    """DELETE of an Idle job is a 204 and it is gone; of another it is a 409."""
    idle, done = await job(caller, fields("E-1")), await job(caller, fields("E-2"))
    await run(caller, done)
    response = await caller.send("DELETE", f"{BULK}/{idle}")
    assert (response.status, "ININ-Correlation-Id" in response.headers) == (204, True)
    assert await code(caller.call("GET", f"{BULK}/{idle}")) == (404, "not.found")
    assert await code(caller.call("DELETE", f"{BULK}/{done}")) == (409, "request.conflict")


async def test_bulk_job_can_be_terminated_while_idle(caller: Caller) -> None:
    """PATCH to Terminated ends an Idle job for good; no other state can be asked for."""
    job_id = await job(caller, fields("E-1"))
    assert await code(patched(caller, job_id, "Running")) == (400, "invalid.value")
    assert (await patched(caller, job_id, "Terminated"))[1]["state"] == "Terminated"
    assert await code(patched(caller, job_id)) == (409, "request.conflict")


async def test_bulk_jobs_at_once_are_limited(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """More active jobs than the limit are a 400 at the PATCH; the job stays Idle and can be queued later."""
    sandbox.change(workitems={"bulk_jobs_concurrent": 1})
    first, second = await job(caller, fields("E-1")), await job(caller, fields("E-2"))
    await patched(caller, first)
    refused = (400, "service.limit.bulk.jobs.concurrent.maximum.limit.reached")
    assert await code(patched(caller, second)) == refused
    assert (await told(caller, second))["state"] == "Idle"
    clock.advance(1)
    assert (await patched(caller, second))[0] == 200


async def test_bulk_job_needs_permission_in_all_divisions(caller: Caller, sandbox: Sandbox) -> None:
    """The permission to add must be held in the divisions of all worktypes of the job."""
    sandbox.change(workitems={"denied_divisions": {"workitems:bulkAddJob:add": ["North"]}})
    answer = caller.call("POST", BULK, json={"entities": [fields("E-1"), fields("E-2", typeId=CLAIM.id)]})
    assert await code(answer) == (403, "missing.division.permission")
    assert await job(caller, fields("E-1"))


async def test_bulk_job_keeps_to_the_days_limit(caller: Caller, sandbox: Sandbox) -> None:
    """Items over the daily limit fail one by one."""
    sandbox.change(workitems={"created_per_day": 2})
    job_id = await job(caller, *(fields(f"E-{n}") for n in range(3)))
    await run(caller, job_id)
    results = (await told(caller, job_id, "/results"))["results"]
    assert results[2]["error"]["code"] == "service.limit.per.day.maximum.created.limit.reached"
    assert caller.sandbox.journal()["committed"] == 2


async def test_bulk_patch_whose_answer_is_lost_was_done(caller: Caller, sandbox: Sandbox) -> None:
    """After a lost answer to the PATCH the job tells whether it was done."""
    job_id = await job(caller, fields("E-1"))
    sandbox.breaks(Fault(operation="bulk_add_patch", kind="error_after", status=503))
    assert (await patched(caller, job_id))[0] == 503
    assert (await told(caller, job_id))["state"] == "Queued"
    assert caller.sandbox.journal()["committed"] == 1


async def test_bulk_jobs_of_mine_are_listed(caller: Caller) -> None:
    """The list has the newest first."""
    made = [await job(caller, fields(f"E-{n}")) for n in range(3)]
    _, body = await caller.call("GET", f"{WORKITEMS}/bulk/jobs/users/me", params={"pageSize": "2"})
    assert [each["id"] for each in body["entities"]] == made[:0:-1]
    _, rest = await caller.call(
        "GET", f"{WORKITEMS}/bulk/jobs/users/me", params={"pageSize": "2", "after": body["after"]}
    )
    assert [each["id"] for each in rest["entities"]] == made[:1]


async def test_bulk_job_may_fail_on_its_way(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """A job that fails has made some of its workitems, tells neither counts nor results, and is Failed for good."""
    sandbox.change(workitems={"bulk_fails_after": 2})
    job_id = await job(caller, *(fields(f"E-{n}") for n in range(3)))
    await run(caller, job_id)
    body = await told(caller, job_id)
    assert (body["state"], body["successfulCount"], "dateFinished" in body) == ("Failed", 0, True)
    assert (await told(caller, job_id, "/results"))["results"] == []
    clock.advance(5)
    assert await tags(caller) == ["E-0", "E-1"]
