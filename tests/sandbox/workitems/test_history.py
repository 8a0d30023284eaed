"""Versions and history: all that happened to a workitem, in either order, page by page."""

from typing import Any

import pytest

from importer.sandbox.clock import HandClock
from importer.sandbox.server import Sandbox
from importer.sandbox.workitems.worktypes import CALLBACK
from tests.sandbox.conftest import Caller
from tests.sandbox.workitems.desk import WORKITEMS, code, made, read

FAST = {"timeout": 1, "declined": 0}
"""Each alert times out within milliseconds."""


async def listed(caller: Caller, workitem: str, kind: str = "history", **page: str) -> Any:
    """A page of the history or the versions."""
    status, body = await caller.call("GET", f"{WORKITEMS}/{workitem}/{kind}", params=page)
    assert status == 200, body
    return body


async def test_history_tells_what_each_version_changed(caller: Caller, clock: HandClock) -> None:
    """Old and new value of every changed field, the time among them; the first version has no old values."""
    workitem = await made(caller, typeId=CALLBACK.id)
    clock.advance(0.1)
    await caller.call("PATCH", f"{WORKITEMS}/{workitem}", json={"priority": 5})
    newest, oldest = (await listed(caller, workitem))["entities"]
    assert (newest["version"], oldest["version"]) == (2, 1)
    assert newest["delta"]["priority"] == {"oldValue": 0, "newValue": 5}
    assert newest["delta"]["dateModified"]["newValue"] == (await read(caller, workitem))["dateModified"]
    assert newest["modifiedBy"]["id"] == caller.sandbox.client_id
    assert oldest["delta"]["externalTag"] == {"newValue": "E-1"}


async def test_history_has_states_that_a_poll_misses(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """Alerts that time out within milliseconds stand in the history, though a GET every 100 ms never shows them."""
    sandbox.change(workitems={"life": FAST})
    workitem = await made(caller)
    polled = set()
    for _ in range(80):
        polled.add((await read(caller, workitem))["assignmentState"])
        clock.advance(0.1)
    entities = (await listed(caller, workitem, sortOrder="ascending", pageSize="200"))["entities"]
    states = [each["delta"]["assignmentState"]["newValue"] for each in entities if "assignmentState" in each["delta"]]
    alerts = ["AcdStarted", "Alerting", "AlertTimeout"] * 3
    assert states == ["Idle", *alerts, "AcdStarted", "Alerting", "Connected", "Disconnected", "Terminated"]
    assert "AlertTimeout" not in polled


async def test_history_equals_what_the_journal_tells(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """The sandbox's journal has the same states at the same times as the history."""
    sandbox.change(workitems={"life": FAST})
    workitem = await made(caller)
    clock.advance(60)
    entities = (await listed(caller, workitem, sortOrder="ascending", pageSize="200"))["entities"]
    told = sandbox.journal()["tasks"][0]["states"]
    assert [each["at"] for each in told] == [each["delta"]["dateModified"]["newValue"] for each in entities]
    moved = [each["delta"]["assignmentState"]["newValue"] for each in entities if "assignmentState" in each["delta"]]
    assert [a["state"] for a, b in zip(told, [{"state": ""}, *told], strict=False) if a["state"] != b["state"]] == moved


async def test_versions_are_whole_workitems(caller: Caller, clock: HandClock) -> None:
    """The newest version is the workitem as it is read; one version can be had by its number."""
    workitem = await made(caller)
    clock.advance(60)
    newest, *_, oldest = (await listed(caller, workitem, "versions"))["entities"]
    assert newest == {**await read(caller, workitem), "version": newest["version"]}
    assert (oldest["version"], oldest["assignmentState"]) == (1, "Idle")
    assert (await caller.call("GET", f"{WORKITEMS}/{workitem}/versions/1"))[1] == oldest


@pytest.mark.parametrize(
    ("number", "refusal"), [("99", (404, "version.not.found")), ("0", (404, "version.not.found")), ("x", (400, "invalid.query.param.value"))]
)  # fmt: skip
async def test_version_that_does_not_exist(caller: Caller, number: str, refusal: tuple[int, str]) -> None:
    """A number beyond the last version is a 404."""
    workitem = await made(caller)
    assert await code(caller.call("GET", f"{WORKITEMS}/{workitem}/versions/{number}")) == refusal


@pytest.mark.parametrize("kind", ["history", "versions"])
@pytest.mark.parametrize("order", ["ascending", "descending"])
async def test_history_pages_do_not_shift(caller: Caller, clock: HandClock, kind: str, order: str) -> None:
    """Following `after` gives every version once in its order, though a new one comes between the pages."""
    workitem = await made(caller, typeId=CALLBACK.id)
    for n in range(1, 5):
        await caller.call("PATCH", f"{WORKITEMS}/{workitem}", json={"priority": n})
    page = await listed(caller, workitem, kind, pageSize="2", sortOrder=order)
    seen = [each["version"] for each in page["entities"]]
    await caller.call("PATCH", f"{WORKITEMS}/{workitem}", json={"priority": 9})
    while "after" in page:
        page = await listed(caller, workitem, kind, pageSize="2", sortOrder=order, after=page["after"])
        seen += [each["version"] for each in page["entities"]]
    assert seen == ([1, 2, 3, 4, 5, 6] if order == "ascending" else [5, 4, 3, 2, 1])


@pytest.mark.parametrize(
    ("page", "refusal"),
    [
        ({"pageSize": "201"}, "invalid.input.int.value.too.high"),
        ({"pageSize": "0"}, "invalid.input.int.value.too.low"),
        ({"sortOrder": "upward"}, "invalid.query.param.value"),
        ({"after": "?"}, "invalid.input.invalid.base64.string"),
    ],
)
async def test_history_refuses_odd_pages(caller: Caller, page: dict[str, str], refusal: str) -> None:
    """A page has 1 to 200 entries and one of two orders."""
    workitem = await made(caller)
    assert await code(caller.call("GET", f"{WORKITEMS}/{workitem}/history", params=page)) == (400, refusal)
