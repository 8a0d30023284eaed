"""Worktypes, workbins and schemas of the built-in organisation."""

from typing import Any

import pytest

from importer.sandbox.life import seeded_id
from importer.sandbox.queues import queue_id
from importer.sandbox.server import Sandbox
from importer.sandbox.workitems.divisions import HOME, NORTH
from importer.sandbox.workitems.schemas import COMPLAINT, CORE_TYPES, core_type
from importer.sandbox.workitems.worktypes import CASE, CLAIM, COMPLAINT_TYPE, NORTH_INBOX
from tests.sandbox.conftest import Caller
from tests.sandbox.workitems.desk import ROOT, WORKITEMS, code, where

SCHEMAS = f"{WORKITEMS}/schemas"


async def names(caller: Caller, what: str, *filters: Any, **body: Any) -> list[str]:
    """The names that a query of worktypes or workbins finds on one page."""
    status, page = await caller.call("POST", f"{ROOT}/{what}/query", json={"filters": list(filters), **body})
    assert status == 200, page
    return [each["name"] for each in page["entities"]]


@pytest.mark.parametrize(
    ("what", "every"),
    [
        ("worktypes", ["Callback", "Case", "Claim", "Complaint"]),
        ("workbins", ["Complaints", "North Inbox", "Service Desk"]),
    ],
)
async def test_catalogue_is_found_by_name(caller: Caller, what: str, every: list[str]) -> None:
    """All, or those of a name, of a division, or whose name contains something."""
    assert await names(caller, what) == every
    assert await names(caller, what, where("name", every[0])) == every[:1]
    assert await names(caller, what, where("name", every[0].lower())) == []
    assert await names(caller, what, where("name", every[-1][1:4], operator="CONTAINS")) == every[-1:]
    assert await names(caller, what, where("divisionId", NORTH.id)) == [
        each for each in every if each in ("Claim", "North Inbox")
    ]


@pytest.mark.parametrize("what", ["worktypes", "workbins"])
async def test_catalogue_pages(caller: Caller, what: str) -> None:
    """Following the cursor gives all, each once."""
    every = await names(caller, what)
    found: list[str] = []
    body: dict[str, Any] = {"filters": [], "pageSize": 1}
    while True:
        _, page = await caller.call("POST", f"{ROOT}/{what}/query", json=body)
        found += [each["name"] for each in page["entities"]]
        if "after" not in page:
            break
        body["after"] = page["after"]
    assert found == every


async def test_worktype_tells_what_a_preview_needs(caller: Caller) -> None:
    """Division, workbin, statuses, defaults, queue, schema and whether it routes."""
    params = [("expands", "schema"), ("expands", "defaultQueue")]
    _, body = await caller.call("GET", f"{ROOT}/worktypes/{COMPLAINT_TYPE.id}", params=params)
    assert body["division"]["id"] == HOME.id
    assert body["defaultWorkbin"]["name"] == "Complaints"
    assert body["defaultQueue"] == {
        "id": queue_id("Customer Service"),
        "name": "Customer Service",
        "selfUri": f"/api/v2/routing/queues/{queue_id('Customer Service')}",
    }
    assert (body["assignmentEnabled"], body["defaultPriority"], body["defaultDueDurationSeconds"]) == (
        True,
        10,
        604_800,
    )
    assert [each["category"] for each in body["statuses"]] == ["Open", "InProgress", "Waiting", "Closed"]
    assert body["schema"]["id"] == COMPLAINT.id
    assert (body["schema"]["version"], body["schema"]["name"]) == (2, "Complaint fields")


async def test_worktype_statuses_are_listed(caller: Caller) -> None:
    """The statuses of a worktype are those that it tells itself."""
    _, worktype = await caller.call("GET", f"{ROOT}/worktypes/{CASE.id}")
    _, body = await caller.call("GET", f"{ROOT}/worktypes/{CASE.id}/statuses")
    assert (body["entities"], body["total"]) == (worktype["statuses"], 4)
    assert body["entities"][-1]["autoTerminateWorkitem"] is True


async def test_schema_has_a_field_of_each_core_type(caller: Caller) -> None:
    """The schema of complaints has all eleven, each with a title and its limits; older versions can be read."""
    _, listing = await caller.call("GET", SCHEMAS)
    _, newest = await caller.call("GET", f"{SCHEMAS}/{COMPLAINT.id}")
    assert (listing["entities"], newest["version"]) == ([newest], 2)
    assert sorted(map(core_type, newest["jsonSchema"]["properties"])) == sorted(CORE_TYPES)
    _, first = await caller.call("GET", f"{SCHEMAS}/{COMPLAINT.id}/versions/1")
    assert first["jsonSchema"]["properties"]["severity_enum"]["enum"] == ["Low", "High"]
    _, versions = await caller.call("GET", f"{SCHEMAS}/{COMPLAINT.id}/versions")
    assert versions["entities"] == [first, newest]
    _, kinds = await caller.call("GET", f"{SCHEMAS}/coretypes")
    assert sorted(each["name"] for each in kinds["entities"]) == sorted(CORE_TYPES)
    assert (await caller.call("GET", f"{SCHEMAS}/limits"))[0] == 200


@pytest.mark.parametrize("path", ["worktypes", "workbins", "workitems/schemas"])
async def test_catalogue_of_no_such_id(caller: Caller, path: str) -> None:
    """An unknown ID is a 404, one that is no UUID a 400."""
    status, _ = await caller.call("GET", f"{ROOT}/{path}/{seeded_id('no')}")
    assert status == 404
    assert await code(caller.call("GET", f"{ROOT}/{path}/nope")) == (400, "invalid.input.invalid.uuid")


async def test_catalogue_hides_divisions_that_may_not_be_seen(caller: Caller, sandbox: Sandbox) -> None:
    """What is in a division that the client may not view is not listed, and reading it is a 403."""
    denied = {"workitems:worktype:view": ["North"], "workitems:workbin:view": ["North"]}
    sandbox.change(workitems={"denied_divisions": denied})
    assert "Claim" not in await names(caller, "worktypes")
    assert "North Inbox" not in await names(caller, "workbins")
    for path in (f"worktypes/{CLAIM.id}", f"workbins/{NORTH_INBOX.id}"):
        assert await code(caller.call("GET", f"{ROOT}/{path}")) == (403, "missing.division.permission")
