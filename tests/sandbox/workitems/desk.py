"""Somebody at a desk who makes workitems and looks after them, with the clock of the sandbox in hand."""

from typing import Any

from importer.sandbox.workitems.worktypes import CASE
from tests.sandbox.conftest import Caller

ROOT = "/api/v2/taskmanagement"
WORKITEMS = f"{ROOT}/workitems"
BULK = f"{WORKITEMS}/bulk/add/jobs"
QUERIES = f"{WORKITEMS}/query/jobs"


def fields(tag: str = "E-1", **changes: Any) -> dict[str, Any]:
    """A workitem of the worktype Case that keeps all rules; None takes a field away."""
    given = {"name": f"Something to do {tag}", "typeId": CASE.id, "externalTag": tag, **changes}
    return {key: value for key, value in given.items() if value is not None}


async def post(caller: Caller, tag: str = "E-1", **changes: Any) -> tuple[int, Any]:
    """Status and body of a create."""
    return await caller.call("POST", WORKITEMS, json=fields(tag, **changes))


async def made(caller: Caller, tag: str = "E-1", **changes: Any) -> str:
    """The ID of a workitem that was created."""
    status, body = await post(caller, tag, **changes)
    assert status == 201, body
    return str(body["id"])


async def read(caller: Caller, workitem_id: str, *expands: str) -> Any:
    """A workitem as it is now."""
    params = [("expands", each) for each in expands]
    status, body = await caller.call("GET", f"{WORKITEMS}/{workitem_id}", params=params)
    assert status == 200, body
    return body


def where(name: str, *values: str, operator: str = "EQ", kind: str = "String") -> dict[str, Any]:
    """A filter of a query."""
    return {"name": name, "type": kind, "operator": operator, "values": list(values)}


async def ask(caller: Caller, *filters: Any, **body: Any) -> tuple[int, Any]:
    """Status and body of a query of the worktype Case with these further filters."""
    asked = {"filters": [where("typeId", CASE.id), *filters], **body}
    return await caller.call("POST", f"{WORKITEMS}/query", json=asked)


async def tags(caller: Caller, *filters: Any, **body: Any) -> list[str]:
    """The tags that a query finds on one page."""
    status, page = await ask(caller, *filters, **body)
    assert status == 200, page
    return [each["externalTag"] for each in page["entities"]]


async def job(caller: Caller, *entities: dict[str, Any]) -> str:
    """The ID of an Idle bulk job."""
    status, body = await caller.call("POST", BULK, json={"entities": list(entities)})
    assert status == 201, body
    return str(body["id"])


async def run(caller: Caller, job_id: str) -> None:
    """Set a job to Queued and turn the clock until it has ended."""
    status, body = await caller.call("PATCH", f"{BULK}/{job_id}", json={"state": "Queued"})
    assert status == 200, body
    caller.sandbox.clock.advance(1)


async def code(answer: Any) -> tuple[int, str]:
    """Status and code of a refusal."""
    status, body = await answer
    return status, body.get("code", "")
