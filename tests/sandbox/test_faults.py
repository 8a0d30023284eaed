"""Faults on demand: each does what its name says, when it is told to."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientError, ClientPayloadError, ClientSession, ContentTypeError, ServerDisconnectedError

from importer.sandbox.answers import Answer
from importer.sandbox.clock import HandClock
from importer.sandbox.faults import HUGE_BYTES, FaultPlan, distorted
from importer.sandbox.scenario import FAULT_KINDS, STATUSES, Fault, Limit, Scenario
from importer.sandbox.server import Sandbox
from tests.sandbox.conftest import Caller


def once(kind: str, **options: Any) -> Fault:
    """A fault of the next create alone."""
    return Fault.model_validate({"operation": "create", "kind": kind, "times": 1, **options})


def hits(rule: Fault, calls: int) -> list[int]:
    """The numbers of the create calls that a rule hits."""
    plan = FaultPlan([rule], seed=1)
    return [n for n in range(1, calls + 1) if plan.next("create")]


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"at": [2, 5]}, [2, 5]),
        ({"every": 3}, [3, 6]),
        ({"every": 2, "times": 2}, [2, 4]),
        ({"times": 1}, [1]),
        ({"probability": 0}, []),
        ({"probability": 1}, [1, 2, 3, 4, 5, 6]),
        ({"operation": "find"}, []),
        ({"operation": "create", "at": [3]}, [3]),
    ],
)
def test_fault_strikes_when_told(when: dict[str, Any], expected: list[int]) -> None:
    """The n-th call, every n-th, by chance, at most so many times, of one operation or of any."""
    assert hits(Fault.model_validate({"kind": "empty", **when}), 6) == expected


def test_fault_by_chance_is_repeatable() -> None:
    """The same seed and the same calls give the same faults, about as many as the probability says."""
    rule = Fault(kind="empty", probability=0.3)
    assert hits(rule, 1000) == hits(rule, 1000)
    assert 250 < len(hits(rule, 1000)) < 350


def test_fault_of_any_counts_all_calls() -> None:
    """A rule for any operation counts the calls of all."""
    plan = FaultPlan([Fault(kind="empty", at=(2,))], seed=1)
    assert [plan.next(operation) is not None for operation in ("token", "find", "create")] == [False, True, False]


@pytest.mark.parametrize("status", STATUSES)
async def test_fault_status_commits_nothing(caller: Caller, status: int) -> None:
    """The call is answered with the status in the platform's words, and nothing is committed."""
    caller.sandbox.breaks(once(f"status:{status}"))
    answered, error = await caller.create()
    assert (answered, error["status"]) == (status, status)
    assert caller.sandbox.journal()["committed"] == 0
    assert (await caller.create())[0] == 201


@pytest.mark.parametrize(("kind", "committed"), [("reset_before", 0), ("reset_after", 1)])
async def test_fault_reset_drops_the_connection(caller: Caller, kind: str, committed: int) -> None:
    """No answer comes; whether the task exists depends on when the connection is dropped."""
    caller.sandbox.breaks(once(kind))
    with pytest.raises((ServerDisconnectedError, ClientError, ConnectionResetError)):
        await caller.create()
    assert caller.sandbox.journal()["committed"] == committed
    assert caller.sandbox.journal()["answers"]["0"] == 1


async def test_fault_reset_late_commits_behind_the_clients_back(caller: Caller, clock: HandClock) -> None:
    """The connection is dropped at once, a look-up finds nothing, and yet the task is committed some seconds later."""
    caller.sandbox.change(index_lag_s=0)
    caller.sandbox.breaks(once("reset_late", seconds=5))
    with pytest.raises((ServerDisconnectedError, ClientError, ConnectionResetError)):
        await caller.create()
    clock.advance(4.9)
    assert (await caller.find("customAttributes.externalId eq 'E-1'"))[1]["total"] == 0
    clock.advance(0.1)
    assert (await caller.find("customAttributes.externalId eq 'E-1'"))[1]["total"] == 1


async def test_fault_error_after_commits(caller: Caller) -> None:
    """The task is committed, the answer is a server error."""
    caller.sandbox.breaks(once("error_after", status=503))
    status, error = await caller.create()
    assert (status, error["code"]) == (503, "service.unavailable")
    assert caller.sandbox.journal()["committed"] == 1


@pytest.mark.parametrize(("kind", "committed"), [("hang", 0), ("hang_after", 1)])
async def test_fault_hang_waits_by_the_clock(caller: Caller, clock: HandClock, kind: str, committed: int) -> None:
    """The answer comes when the clock says so; the task is committed before or after the wait."""
    caller.sandbox.breaks(once(kind, seconds=20))
    creating = asyncio.create_task(caller.create())
    await clock.until_asleep(1)
    assert caller.sandbox.journal()["committed"] == committed
    clock.advance(20)
    assert (await creating)[0] == 201
    assert caller.sandbox.journal()["committed"] == 1


async def test_fault_hang_commits_nothing_for_a_client_that_left(caller: Caller, clock: HandClock) -> None:
    """A client that gives up during the wait before the commit leaves no task behind."""
    caller.sandbox.breaks(once("hang", seconds=20))
    creating = asyncio.create_task(caller.create())
    await clock.until_asleep(1)
    creating.cancel()
    await clock.until_asleep(0)
    clock.advance(20)
    await caller.call("GET", "/api/v2/queues")
    assert caller.sandbox.journal()["committed"] == 0


async def test_fault_hang_does_not_keep_the_sandbox_from_ending(clock: HandClock) -> None:
    """A sandbox that ends drops the calls that hang, and what they had not committed stays undone."""
    async with ClientSession() as session:
        async with Sandbox(Scenario(faults=(once("hang", operation="token"),)), clock=clock) as sandbox:
            calling = asyncio.create_task(Caller(sandbox, session).log_in())
            await clock.until_asleep(1)
        with pytest.raises(ClientError):
            await calling
    assert sandbox.journal()["answers"] == {"0": 1}


@pytest.mark.parametrize("kind", ["html_after", "truncated", "empty", "wrong_type", "bad_utf8"])
async def test_fault_unreadable_commits(caller: Caller, kind: str) -> None:
    """The task is committed, and the answer's body cannot be understood."""
    caller.sandbox.breaks(once(kind))
    with pytest.raises((ValueError, ContentTypeError, TypeError)):
        str((await caller.create())[1]["id"])
    assert caller.sandbox.journal()["committed"] == 1


async def test_fault_short_breaks_the_body_off(caller: Caller) -> None:
    """The header promises more bytes than come."""
    caller.sandbox.breaks(once("short"))
    with pytest.raises(ClientPayloadError):
        await caller.create()
    assert caller.sandbox.journal()["committed"] == 1


async def test_fault_html_commits_nothing(caller: Caller) -> None:
    """A gateway's page comes with the status asked for, and the API never saw the call."""
    caller.sandbox.breaks(once("html", status=502))
    response = await caller.send("POST", "/api/v2/tasks", json={})
    assert (response.status, response.content_type) == (502, "text/html")
    assert caller.sandbox.journal()["committed"] == 0


async def test_fault_no_id_leaves_the_id_out(caller: Caller) -> None:
    """The answer is a 201 without an ID."""
    caller.sandbox.breaks(once("no_id"))
    status, task = await caller.create()
    assert status == 201
    assert "id" not in task


async def test_fault_huge_is_huge(caller: Caller) -> None:
    """The body is valid JSON and larger than 5 MB."""
    caller.sandbox.breaks(once("huge"))
    _, task = await caller.create()
    assert len(task["padding"]) == HUGE_BYTES
    assert task["id"]


async def test_fault_gzip_bomb_is_small_on_the_wire(caller: Caller) -> None:
    """The compressed body is small; its client decides what it unpacks to."""
    caller.sandbox.breaks(once("gzip_bomb"))
    with pytest.raises((ClientError, ValueError)):
        await asyncio.wait_for(_first_bytes(caller), 30)
    assert caller.sandbox.journal()["committed"] == 1


async def _first_bytes(caller: Caller) -> None:
    url = caller.sandbox.api_url + "/api/v2/tasks"
    payload = {
        "type": "email",
        "description": "x",
        "routingData": {"queueId": caller.queue_id("Claims")},
    }
    async with caller.session.post(url, json=payload, headers=caller.headers) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert int(response.headers["Content-Length"]) < 200_000
        raise ValueError("seen enough")


async def test_fault_redirect_points_elsewhere(caller: Caller) -> None:
    """The call is sent to another host."""
    caller.sandbox.breaks(once("redirect", body="http://elsewhere.invalid/"))
    response = await caller.send("POST", "/api/v2/tasks", json={})
    assert (response.status, response.headers["Location"]) == (307, "http://elsewhere.invalid/")


@pytest.mark.parametrize("value", ["3", "-1", "abc", "1e9"])
async def test_fault_sends_retry_after_verbatim(caller: Caller, value: str) -> None:
    """Retry-After says whatever the rule says, sense or not."""
    caller.sandbox.breaks(Fault(kind="status:503", retry_after=value))
    assert (await caller.send("GET", "/api/v2/queues")).headers["Retry-After"] == value


async def test_fault_dates_retry_after_from_its_own_clock(caller: Caller) -> None:
    """A date, also one in the past, is counted from the sandbox's clock, as the Date header is."""
    caller.sandbox.breaks(Fault(kind="status:429", retry_after="date-5"))
    headers = (await caller.send("GET", "/api/v2/queues")).headers
    assert headers["Date"] == "Fri, 15 Jan 2027 08:00:00 GMT"
    assert headers["Retry-After"] == "Fri, 15 Jan 2027 07:59:55 GMT"


async def test_fault_same_page_never_ends(caller: Caller) -> None:
    """Whatever page is asked for, the first one comes."""
    caller.sandbox.breaks(Fault(operation="queues", kind="same_page"))
    pages = [await caller.call("GET", "/api/v2/queues", params={"pageNumber": str(n), "pageSize": "2"}) for n in (1, 7)]
    assert pages[0] == pages[1]


async def test_fault_empty_page_promises_more(caller: Caller) -> None:
    """The page is empty though its total says otherwise."""
    caller.sandbox.breaks(Fault(operation="queues", kind="empty_page"))
    _, page = await caller.call("GET", "/api/v2/queues")
    assert (page["entities"], page["total"]) == ([], 17)


@pytest.mark.parametrize("operation", ["token", "create", "find", "audits"])
@pytest.mark.parametrize("kind", [kind for kind in FAULT_KINDS if "hang" not in kind and kind != "gzip_bomb"])
async def test_fault_never_brings_the_sandbox_down(caller: Caller, operation: str, kind: str) -> None:
    """After any fault of any operation, also of a call that fails anyway, the next call is answered as usual."""
    caller.sandbox.breaks(Fault.model_validate({"operation": operation, "kind": kind}))
    calls = {"token": ("POST", "/oauth/token"), "create": ("POST", "/api/v2/tasks"), "find": ("GET", "/api/v2/tasks")}
    method, path = calls.get(operation, ("GET", "/api/v2/audits"))
    try:
        response = await caller.send(method, path, json={})
        assert response.headers["Server"] == "sandbox"
    except ClientError:
        assert kind in ("reset_before", "reset_after", "reset_late", "short")
    caller.sandbox.breaks()
    assert (await caller.call("GET", "/api/v2/queues"))[0] == 200


def test_faults_spare_a_row_that_was_hit_often_enough() -> None:
    """With two faults a row at most, the third call for an external ID is let be, whatever the rules say."""
    plan = FaultPlan([Fault(kind="empty", operation="create")], seed=1, per_row=2)
    hits = [plan.next("create", row) is not None for row in ("A", "A", "B", "A", "B", "B", "C")]
    assert hits == [True, True, True, False, True, False, True]
    assert plan.needs_row("create")
    assert not plan.needs_row("find")


@pytest.mark.parametrize("scenario", [Scenario(limit=Limit(calls=0), unique=False, faults_per_row=1)])
@pytest.mark.parametrize("kind", ["status:503", "reset_before", "reset_after", "error_after"])
async def test_faults_for_each_row_hit_the_call_that_asks_for_it(sandbox: Sandbox, caller: Caller, kind: str) -> None:
    """Every row's first call is spoiled as told, its second one is not."""
    sandbox.breaks(Fault(operation="create", kind=kind))
    for row in ("A", "B"):
        try:
            status, _ = await caller.create(row)
        except ClientError:
            status = 0
        assert status != 201
        assert (await caller.create(row))[0] == 201
    committed = 4 if kind.endswith("after") else 2
    assert sandbox.journal()["committed"] == committed


@pytest.mark.parametrize("kind", ["truncated", "empty", "no_id", "wrong_type", "duplicate_keys", "huge", "empty_page"])
def test_faults_leave_an_answer_without_a_body_alone(kind: str) -> None:
    """Where there is no body, there is nothing in it to spoil."""
    answer = Answer(204, b"", {})
    assert distorted(answer, Fault(operation="any", kind=kind), 0.0) == answer
