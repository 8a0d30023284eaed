"""The addresses under /sandbox, for tests and people."""

from typing import Any

import pytest

from tests.sandbox.conftest import Caller


async def test_journal_tells_every_task(caller: Caller) -> None:
    """The journal holds each task with its states and the number of its audit entries as of now, and all counts."""
    _, task = await caller.create()
    await caller.call("POST", "/sandbox/clock", json={"advance_s": 60})
    _, journal = await caller.call("GET", "/sandbox/journal")
    told = journal["tasks"][0]
    assert (told["id"], told["externalId"], told["createdAt"]) == (task["id"], "E-1", "2027-01-15T08:00:00.000Z")
    assert told["audits"] == len(told["states"])
    assert told["task"]["state"] == told["states"][-1]["state"] in ("closed", "cancelled")
    assert (journal["calls"], journal["answers"]) == ({"token": 1, "create": 1}, {"200": 1, "201": 1})
    assert journal["committed"] == 1


async def test_calls_are_listed_in_order(caller: Caller) -> None:
    """Each call has its arrival time, operation and status."""
    await caller.create()
    await caller.call("POST", "/sandbox/clock", json={"advance_s": 5})
    await caller.create()
    _, answer = await caller.call("GET", "/sandbox/calls")
    seen = [(call["arrived"], call["operation"], call["status"]) for call in answer["calls"]]
    assert seen == [(0.0, "token", 200), (0.0, "create", 201), (5.0, "create", 409)]


async def test_faults_are_replaced(caller: Caller) -> None:
    """New rules replace the old ones, and count calls from 1 again."""
    await caller.call("POST", "/sandbox/faults", json=[{"kind": "status:503", "operation": "create", "at": [2]}])
    assert [(await caller.create(f"E-{n}"))[0] for n in range(2)] == [201, 503]
    await caller.call("POST", "/sandbox/faults", json={"faults": [{"kind": "status:500", "at": [1]}]})
    assert [(await caller.create(f"F-{n}"))[0] for n in range(2)] == [500, 201]


async def test_queue_is_added_and_turned(caller: Caller) -> None:
    """A queue can be added; naming it again with a status alone turns it and keeps its ID and room."""
    _, made = await caller.call("POST", "/sandbox/queues", json={"name": "New", "max_members": 5, "members": 2})
    _, turned = await caller.call("POST", "/sandbox/queues", json={"name": "New", "status": "closed"})
    assert turned == {**made, "status": "closed"}
    assert (await caller.create(queue="New"))[0] == 409


async def test_settings_change_at_once(caller: Caller) -> None:
    """Settings are changed by their names in a scenario; the answer holds all of them."""
    status, settings = await caller.call("POST", "/sandbox/settings", json={"unique": False, "limit": {"calls": 4}})
    assert (status, settings["unique"], settings["limit"]["calls"]) == (200, False, 4)
    assert [(await caller.create())[0] for _ in range(5)] == [201] * 4 + [429]


async def test_tokens_are_expired(caller: Caller) -> None:
    """Tokens can be made invalid over the wire."""
    assert await caller.call("POST", "/sandbox/tokens/expire") == (200, {"expired": 1})
    assert (await caller.create())[0] == 401


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/sandbox/clock", {"advance_s": -1}),
        ("/sandbox/clock", {}),
        ("/sandbox/clock", []),
        ("/sandbox/faults", [{"kind": "nonsense"}]),
        ("/sandbox/faults", {}),
        ("/sandbox/queues", {"status": "open"}),
        ("/sandbox/settings", {"uniqe": True}),
        ("/sandbox/settings", []),
    ],
)
async def test_control_refuses_nonsense(caller: Caller, path: str, sent: Any) -> None:
    """A body that makes no sense is a 400 with the reason, and changes nothing."""
    before = (await caller.call("GET", "/sandbox/settings"))[1]
    status, error = await caller.call("POST", path, json=sent)
    assert status == 400
    assert error["message"]
    assert (await caller.call("GET", "/sandbox/settings"))[1] == before


async def test_control_is_not_counted(caller: Caller) -> None:
    """Looking into the sandbox is no call of the client, needs no token and knows its addresses."""
    caller.headers = {}
    assert (await caller.call("GET", "/sandbox/nothing"))[0] == 404
    assert (await caller.call("POST", "/sandbox/journal"))[0] == 405
    assert len((await caller.call("GET", "/sandbox/calls"))[1]["calls"]) == 1
