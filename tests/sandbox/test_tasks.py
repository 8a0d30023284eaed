"""Creating, reading and finding tasks, and the queues that they go into."""

import json
from io import BytesIO
from typing import Any

import pytest

from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import QueueSpec, Scenario
from tests.sandbox.conftest import UNLIMITED, Caller, body


async def test_create_answers_with_the_payload_and_an_id(caller: Caller) -> None:
    """A 201 holds what was sent, and the ID under which the task can be read at once."""
    payload = body(caller.queue_id("Claims"), "Ä-€-𝄞")
    status, task = await caller.call("POST", "/api/v2/tasks", json=payload)
    assert (status, task) == (201, {**payload, "id": task["id"]})
    assert (await caller.call("GET", f"/api/v2/tasks/{task['id']}"))[1] == task


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("type", {"type": "fax"}),
        ("type", {"type": ["email"]}),
        ("description", {"description": ""}),
        ("description", {"description": "x" * 256}),
        ("description", {"description": 5}),
        ("state", {"state": "closed"}),
        ("colour", {"colour": "red"}),
        ("routingData", {"routingData": None}),
        ("routingData.queueId", {"routingData": {"queueId": "Claims"}}),
        ("routingData.priority", {"routingData": {"queueId": "0" * 8 + "-0000" * 3 + "-" + "0" * 12, "priority": 100}}),
        (
            "routingData.priority",
            {"routingData": {"queueId": "0" * 8 + "-0000" * 3 + "-" + "0" * 12, "priority": True}},
        ),
        ("routingData.priority", {"routingData": {"queueId": "0" * 8 + "-0000" * 3 + "-" + "0" * 12, "priority": 5.0}}),
        ("customAttributes", {"customAttributes": []}),
        ("customAttributes.x", {"customAttributes": {"x": None}}),
        ("customAttributes.x", {"customAttributes": {"x": [1]}}),
        ("customAttributes.externalId", {"customAttributes": {"externalId": 12}}),
        ("customAttributes.createdAt", {"customAttributes": {"createdAt": "23.11.2026"}}),
    ],
)
async def test_create_names_the_field_that_is_wrong(caller: Caller, field: str, changes: dict[str, Any]) -> None:
    """A payload that breaks the schema is a 400 that names the field, and commits nothing."""
    payload = body(caller.queue_id("Claims"), **changes)
    status, error = await caller.call("POST", "/api/v2/tasks", json=payload)
    assert (status, error["code"], error["errors"][0]["field"]) == (400, "bad.request", field)
    assert caller.sandbox.journal()["committed"] == 0


async def test_create_counts_characters_not_bytes(caller: Caller) -> None:
    """255 characters fit, whatever they take in UTF-8."""
    payload = body(caller.queue_id("Claims"), description="€" * 255)
    assert (await caller.call("POST", "/api/v2/tasks", json=payload))[0] == 201


@pytest.mark.parametrize("value", ["text", 7, -1.5, True])
async def test_create_keeps_plain_attributes(caller: Caller, value: object) -> None:
    """Attributes beyond the known ones are kept if they are strings, numbers or booleans."""
    payload = body(caller.queue_id("Claims"), customAttributes={"extra": value})
    _, task = await caller.call("POST", "/api/v2/tasks", json=payload)
    assert task["customAttributes"] == {"extra": value}


@pytest.mark.parametrize("sent", [b"", b"{", b"[]", b"NaN", b'{"a":1e999}', b'{"a":Infinity}', b"\xff", b'"\\ud800"'])
async def test_create_refuses_what_is_not_json(caller: Caller, sent: bytes) -> None:
    """A body that is not a JSON object in UTF-8 is a 400."""
    options = {"data": sent, "headers": {"Content-Type": "application/json"}}
    assert (await caller.call("POST", "/api/v2/tasks", **options))[0] == 400


async def test_create_refuses_other_media_types(caller: Caller) -> None:
    """A body that does not say that it is JSON is a 415."""
    payload = json.dumps(body(caller.queue_id("Claims"))).encode()
    assert (await caller.call("POST", "/api/v2/tasks", data=payload, headers={"Content-Type": "text/plain"}))[0] == 415


@pytest.mark.parametrize("size", [70_000, 2_000_000])
async def test_create_refuses_a_large_body(caller: Caller, size: int) -> None:
    """A body over the limit is a 413."""
    options = {"data": BytesIO(b"x" * size), "headers": {"Content-Type": "application/json"}}
    assert (await caller.call("POST", "/api/v2/tasks", **options))[0] == 413


async def test_create_in_an_unknown_queue_is_a_404(caller: Caller) -> None:
    """A queue that does not exist is not found."""
    payload = body("00000000-0000-4000-8000-000000000000")
    assert (await caller.call("POST", "/api/v2/tasks", json=payload))[0] == 404


@pytest.mark.parametrize(("queue", "code"), [("Old Complaints", "queue.closed"), ("VIP Desk", "queue.full")])
async def test_create_in_a_queue_that_takes_nothing_is_a_409(caller: Caller, queue: str, code: str) -> None:
    """A closed or a full queue takes no task."""
    status, error = await caller.create(queue=queue)
    assert (status, error["code"]) == (409, code)


async def test_create_takes_no_room(caller: Caller) -> None:
    """A task adds no member: more tasks than there is room left all fit."""
    assert {(await caller.create(f"E-{n}", "Renewals"))[0] for n in range(5)} == {201}


async def test_create_in_transition_fails_sometimes(caller: Caller) -> None:
    """A queue in transition answers some POSTs with 409 and takes others."""
    assert {(await caller.create(f"E-{n}", "Night Desk"))[0] for n in range(20)} == {201, 409}


async def test_external_id_is_unique_when_switched_on(caller: Caller) -> None:
    """The second task with an external ID is a 409, and one task exists."""
    await caller.create()
    status, error = await caller.create()
    assert (status, error["code"]) == (409, "conflict")
    assert caller.sandbox.journal()["committed"] == 1


async def test_external_id_repeats_when_switched_off(caller: Caller, clock: HandClock) -> None:
    """Without uniqueness a duplicate is made, found, and told in the journal."""
    caller.sandbox.change(unique=False)
    ids = [(await caller.create())[1]["id"] for _ in range(2)]
    clock.advance(1)
    _, page = await caller.find("customAttributes.externalId eq 'E-1'")
    assert [task["id"] for task in page["entities"]] == ids
    assert caller.sandbox.journal()["duplicates"] == {"E-1": ids}


async def test_idempotency_key_is_ignored_by_default(caller: Caller) -> None:
    """A key alone protects nothing unless the scenario says so."""
    caller.sandbox.change(unique=False)
    for _ in range(2):
        await caller.create(headers={"Idempotency-Key": "E-1"})
    assert caller.sandbox.journal()["committed"] == 2


async def test_idempotency_key_gives_the_first_task_again(caller: Caller) -> None:
    """Where keys are honoured, the same key answers 201 with the same task, and 422 for another payload."""
    caller.sandbox.change(idempotency="honoured")
    first, second = [await caller.create(headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert first == second
    assert (await caller.create("E-2", headers={"Idempotency-Key": "k"}))[0] == 422


async def test_search_lags_but_reading_does_not(caller: Caller, clock: HandClock) -> None:
    """A task is found by search only after the lag of the index."""
    caller.sandbox.change(index_lag_s=3)
    _, task = await caller.create()
    query = f"id eq '{task['id']}' or customAttributes.externalId eq 'E-1'"
    clock.advance(2.9)
    assert (await caller.find(query))[1]["total"] == 0
    clock.advance(0.1)
    assert (await caller.find(query))[1]["total"] == 1


async def test_search_pages(caller: Caller, clock: HandClock) -> None:
    """Pages count from 1, hold each hit once, and carry count and total."""
    for n in range(5):
        await caller.create(f"E-{n}")
    clock.advance(1)
    query = " or ".join(f"customAttributes.externalId eq 'E-{n}'" for n in range(5))
    pages = [(await caller.find(query, pageNumber=str(n), pageSize="2"))[1] for n in (1, 2, 3, 4)]
    assert [len(page["entities"]) for page in pages] == [2, 2, 1, 0]
    assert {(page["pageCount"], page["total"], page["pageSize"]) for page in pages} == {(3, 5, 2)}
    assert len({task["id"] for page in pages for task in page["entities"]}) == 5


@pytest.mark.parametrize("page", [{"pageSize": "101"}, {"pageSize": "0"}, {"pageNumber": "0"}, {"pageNumber": "x"}])
async def test_search_refuses_odd_pages(caller: Caller, page: dict[str, str]) -> None:
    """A page number under 1 or a page size over 100 is a 400."""
    assert (await caller.find("id eq 'x'", **page))[0] == 400


async def test_search_that_does_not_parse_is_a_400(caller: Caller) -> None:
    """An unescaped quote is a 400, as is no query at all."""
    assert (await caller.find("customAttributes.externalId eq 'O'Brien'"))[0] == 400
    assert (await caller.call("GET", "/api/v2/tasks"))[0] == 400


async def test_queues_are_found_by_a_part_of_the_name(caller: Caller) -> None:
    """Any part of the name will do, in any case; the ID gives the same queue."""
    _, page = await caller.call("GET", "/api/v2/queues", params={"name": "BILL", "pageSize": "100"})
    assert [queue["name"] for queue in page["entities"]] == ["Billing and Payments", "Billing"]
    billing = page["entities"][1]
    assert (billing["maxMembers"], len(billing["members"]), billing["status"]) == (200, 12, "open")
    assert (await caller.call("GET", f"/api/v2/queues/{billing['id']}"))[1] == billing


async def test_queues_page(caller: Caller) -> None:
    """All queues come, page by page."""
    asked = [{"pageNumber": str(n), "pageSize": "10"} for n in (1, 2)]
    pages = [(await caller.call("GET", "/api/v2/queues", params=each))[1] for each in asked]
    assert [len(page["entities"]) for page in pages] == [10, 7]
    assert {page["total"] for page in pages} == {17}


@pytest.mark.parametrize("scenario", [Scenario(limit=UNLIMITED, queues=(QueueSpec(name="Extra", status="closed"),))])
async def test_queues_of_the_scenario_come_on_top(caller: Caller) -> None:
    """A scenario adds queues to the default world, and a queue can be turned while the sandbox runs."""
    assert (await caller.create(queue="Extra"))[0] == 409
    caller.sandbox.queue_turns("Extra", "open")
    assert (await caller.create(queue="Extra"))[0] == 201


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v2/nothing", 404),
        ("GET", "/", 404),
        ("GET", "/api/v2/tasks/unknown", 404),
        ("GET", "/api/v2/tasks/", 404),
        ("GET", "/api/v2/queues/unknown", 404),
        ("DELETE", "/api/v2/tasks", 405),
        ("GET", "/oauth/token", 405),
    ],
)
async def test_error_has_the_platforms_body(caller: Caller, method: str, path: str, status: int) -> None:
    """Every error has status, code, message, errors and a context ID that is the correlation ID of the header too."""
    response = await caller.send(method, path)
    error = await response.json()
    assert (response.status, error["status"]) == (status, status)
    assert error.keys() == {"status", "code", "message", "contextId", "errors"}
    assert response.headers["ININ-Correlation-Id"] == error["contextId"]
    assert ("Allow" in response.headers) == (status == 405)
