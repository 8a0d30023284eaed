"""Somebody who makes workitems, with the clock of the sandbox in hand."""

from typing import Any

from importer.sandbox.workitems.worktypes import worktype_id
from tests.sandbox.conftest import Caller

WORKITEMS = "/api/v2/taskmanagement/workitems"


async def made(caller: Caller, **fields: Any) -> dict[str, Any]:
    """A workitem of the worktype Case, unless told otherwise, as it was created."""
    body = {"name": "Something to do", "typeId": worktype_id("Case"), **fields}
    status, workitem = await caller.call("POST", WORKITEMS, json=body)
    assert status == 201, workitem
    return dict(workitem)
