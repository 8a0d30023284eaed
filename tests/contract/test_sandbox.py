"""The sandbox answers every operation, and every kind of bad call, as the platform's definition has it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from importer.sandbox.scenario import Fault
from importer.sandbox.workitems.routes import OPERATIONS
from tests.contract import definition
from tests.contract.caller import ITEMS, ROOT, Caller, calling
from tests.contract.definition import Json
from tests.contract.examples import NOW, changed, good
from tests.contract.judge import Asked, judged_event, whole
from tests.contract.rules import ID, RULES, Rule
from tests.contract.tighten import split

NOBODY = ID
BULK = f"{ITEMS}/bulk/add/jobs"
AUDITS = "/api/v2/audits/query"
ROUTING = "/api/v2/routing"
CHANNELS = "/api/v2/notifications/channels"


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    """Somebody who has logged in; at the end the sandbox must have kept the contract."""
    async with calling() as caller:
        yield caller
        assert caller.answer_breaches() == []


def operation_of(method: str, path: str) -> str:
    """What a path means in the contract; fails where it means nothing."""
    operation = whole().operation(Asked(method, path))
    assert operation is not None, f"{method} {path} is not one of the platform's operations"
    return operation.id


def known() -> set[str]:
    """The contract's names of all that the sandbox can do."""
    patterns = ((each.method, each.pattern) for each in OPERATIONS)
    return {
        operation_of(method, "/".join(ID if part.startswith("{") else part for part in pattern.split("/")))
        for method, pattern in patterns
    }


def test_sandbox_has_no_operation_of_its_own() -> None:
    """Each operation of the sandbox is one of the definition or of the SDK."""
    assert len(known()) == len(OPERATIONS)


# Operations of the contract that the sandbox does not answer: the importer calls none of them.
LACKING = {
    "postTaskmanagementWorkbins",
    "postTaskmanagementWorktypes",
    "postTaskmanagementWorkitemsBulkTerminateJobs",
    "getTaskmanagementWorkitemsBulkTerminateJob",
    "patchTaskmanagementWorkitemsBulkTerminateJob",
    "deleteTaskmanagementWorkitemsBulkTerminateJob",
    "getTaskmanagementWorkitemsBulkTerminateJobResults",
}


def test_sandbox_lacks_nothing_but_what_is_listed() -> None:
    """Each operation of the definition is answered by the sandbox, or is on the list of those that are not."""
    assert {operation.id for operation in definition.operations()} - known() == LACKING


def test_sandbox_demands_the_permissions_of_the_definition() -> None:
    """What an operation of the sandbox may be called with is what the definition says of it."""
    by_id = {operation.id: operation for operation in definition.operations()}
    for each in OPERATIONS:
        path = "/".join(ID if part.startswith("{") else part for part in each.pattern.split("/"))
        operation = by_id.get(operation_of(each.method, path))
        if operation is not None:
            assert each.permission in (operation.permissions or (None,)), (each.name, operation.permissions)


async def test_sandbox_answers_every_operation_by_the_contract(caller: Caller) -> None:
    """A tour through all operations breaks no rule on either side, and leaves no operation out."""
    await look_up(caller)
    workitem = await make_and_change(caller)
    await search(caller, workitem)
    await bulk(caller)
    await audits(caller)
    await notifications(caller)
    await caller.good("DELETE", "/api/v2/tokens/me")
    assert [str(breach) for breach in caller.breaches()] == []
    seen = {operation_of(pair.asked.method, pair.asked.path) for pair in caller.recorder.pairs}
    assert known() - seen == set()


async def look_up(caller: Caller) -> None:
    """The organisation, and names that become IDs."""
    await caller.good("GET", "/api/v2/tokens/me")
    await caller.good("HEAD", "/api/v2/tokens/me")
    await caller.good("GET", "/api/v2/organizations/me")
    for namespace in ("task.management", "platform.api", "audit", "notifications", "routing"):
        await caller.good("GET", f"/api/v2/organizations/limits/namespaces/{namespace}")
        await caller.good("GET", f"/api/v2/organizations/limits/namespaces/{namespace}/defaults")
    await caller.good("GET", "/api/v2/organizations/limits/docs")
    await caller.good("GET", "/api/v2/authorization/divisions", pageSize=100)
    queues = (await caller.good("GET", f"{ROUTING}/queues", pageSize=5, pageNumber=1))["entities"]
    await caller.good("GET", f"{ROUTING}/queues", name=f"{queues[0]['name'][:3]}*")
    await caller.good("GET", f"{ROUTING}/queues", id=[queues[0]["id"], queues[1]["id"]])
    await caller.good("GET", f"{ROUTING}/queues/{queues[0]['id']}")
    await caller.good("GET", f"{ROUTING}/queues/{queues[0]['id']}/wrapupcodes")
    await caller.good("GET", f"{ROUTING}/queues/divisionviews", pageSize=100, pageNumber=1)
    await caller.good("GET", f"{ROUTING}/queues/divisionviews/all", pageSize=500)
    for list_of in ("skills", "languages", "wrapupcodes", "utilization/labels"):
        assert (await caller.good("GET", f"{ROUTING}/{list_of}", pageSize=100))["entities"]
    everybody = {"query": [{"type": "EXACT", "fields": ["email"], "value": "nobody@example.com"}], "pageSize": 25}
    await caller.good("POST", "/api/v2/users/search", everybody)
    contacts = (await caller.good("GET", "/api/v2/externalcontacts/contacts", q="a"))["entities"]
    await caller.good("GET", f"/api/v2/externalcontacts/contacts/{contacts[0]['id']}")
    # A client is no user: these are operations that it cannot call.
    assert (await caller.call("GET", f"{ROUTING}/queues/me"))[0] == 400
    assert (await caller.call("GET", "/api/v2/users/me"))[0] == 400
    await schemas(caller)


async def schemas(caller: Caller) -> None:
    """Worktypes, workbins, statuses and schemas."""
    types = (await caller.good("POST", f"{ROOT}/worktypes/query", {"filters": [], "pageSize": 200}))["entities"]
    await caller.good("POST", f"{ROOT}/worktypes/query", {"filters": [], "select": "Count"})
    for worktype in types:
        await caller.good("GET", f"{ROOT}/worktypes/{worktype['id']}", expands=["defaultQueue", "schema"])
        await caller.good("GET", f"{ROOT}/worktypes/{worktype['id']}/statuses")
    bins = (await caller.good("POST", f"{ROOT}/workbins/query", {"filters": []}))["entities"]
    await caller.good("GET", f"{ROOT}/workbins/{bins[0]['id']}")
    schema = (await caller.good("GET", f"{ITEMS}/schemas"))["entities"][0]
    await caller.good("GET", f"{ITEMS}/schemas/{schema['id']}")
    await caller.good("GET", f"{ITEMS}/schemas/{schema['id']}/versions/{schema['version']}")
    await caller.good("GET", f"{ITEMS}/schemas/{schema['id']}/versions")
    await caller.good("GET", f"{ITEMS}/schemas/limits")
    await caller.good("GET", f"{ITEMS}/schemas/coretypes")


async def make_and_change(caller: Caller) -> dict[str, Any]:
    """One workitem from its creation to its end; another one is answered whole."""
    worktype = await caller.worktype("Case")
    made = await caller.create(
        externalTag="EXT-1",
        description="Manual review",
        priority=5,
        dateDue=caller.ahead(days=3),
        dateExpires=caller.ahead(days=4),
        durationSeconds=600,
        queueId=worktype["defaultQueue"]["id"],
    )
    path = f"{ITEMS}/{made['id']}"
    hidden_s = caller.sandbox.world.scenario.workitems.status_404_after_create_s
    caller.clock.advance(hidden_s)
    for _ in range(20):
        caller.clock.advance(0.3)
        await caller.good("GET", path, expands=["type", "workbin", "status", "queue", "assignee"])
    await caller.good("GET", f"{path}/history", pageSize=200, sortOrder="ascending")
    await caller.good("GET", f"{path}/versions", pageSize=200, sortOrder="ascending")
    await caller.good("GET", f"{path}/versions/1")
    other = await caller.create("Callback", externalTag="EXT-2")
    third = await caller.create(externalTag="EXT-3")
    caller.clock.advance(hidden_s)
    await caller.good("PATCH", f"{ITEMS}/{other['id']}", {"priority": 7, "description": "Called twice"})
    status = next(each for each in worktype["statuses"] if each["category"] == "Closed")
    await caller.good("POST", f"{ITEMS}/{third['id']}/terminate", {"statusId": status["id"]})
    return made


def by_type(workitem: dict[str, Any]) -> dict[str, Any]:
    """The filter that every query must have."""
    return {"name": "typeId", "type": "String", "operator": "EQ", "values": [workitem["type"]["id"]]}


async def search(caller: Caller, workitem: dict[str, Any]) -> None:
    """The query and the query job."""
    caller.clock.advance(60)
    tag = {"name": "externalTag", "type": "String", "operator": "IN", "values": ["EXT-1", "EXT-3"]}
    filters = [by_type(workitem), tag]
    found = await caller.good("POST", f"{ITEMS}/query", {"filters": filters, "pageSize": 1, "expands": ["type"]})
    assert len(found["entities"]) == 1
    await caller.good("POST", f"{ITEMS}/query", {"filters": filters, "pageSize": 1, "after": found["after"]})
    await caller.good("POST", f"{ITEMS}/query", {"filters": filters, "select": "Count"})
    sort = {"name": "priority", "ascending": False}
    await caller.good("POST", f"{ITEMS}/query", {"filters": filters, "attributes": ["id", "externalTag"], "sort": sort})
    untyped = {key: value for key, value in tag.items() if key != "type"}
    job = await caller.good("POST", f"{ITEMS}/query/jobs", {"filters": [untyped], "pageSize": 200, "pageNumber": 1})
    for _ in range(10):
        caller.clock.advance(0.2)
        await caller.good("GET", f"{ITEMS}/query/jobs/{job['id']}")
    results = await caller.good("GET", f"{ITEMS}/query/jobs/{job['id']}/results")
    assert len(results["entities"]) == 2


async def bulk(caller: Caller) -> None:
    """Bulk jobs: one that runs with a failure in it, one that is deleted while it is idle, one that is terminated."""
    type_id = (await caller.worktype("Case"))["id"]
    rows = [{"name": f"Row {n}", "typeId": type_id, "externalTag": f"B-{n}"} for n in range(3)]
    bad = {"name": "No queue", "typeId": type_id, "queueId": NOBODY}
    job = await caller.good("POST", BULK, {"entities": [*rows, bad]})
    assert job["state"] == "Idle"
    await caller.good("PATCH", f"{BULK}/{job['id']}", {"state": "Queued"})
    for _ in range(10):
        caller.clock.advance(0.2)
        await caller.good("GET", f"{BULK}/{job['id']}")
    results = await caller.good("GET", f"{BULK}/{job['id']}/results")
    assert sorted(len(each) for each in results["results"]) == [1, 1, 1, 1]
    assert (results["errorCount"], len(results["errorIndexes"])) == (1, 1)
    for method, body in (("DELETE", None), ("PATCH", {"state": "Terminated"})):
        other = await caller.good("POST", BULK, {"entities": rows})
        await caller.good(method, f"{BULK}/{other['id']}", body)
    await caller.good("GET", f"{ITEMS}/bulk/jobs/users/me", action="AddWorkitems", pageSize=200)


async def audits(caller: Caller) -> None:
    """Audits: what can be asked, asked later and asked now."""
    await caller.good("GET", f"{AUDITS}/servicemapping")
    await caller.good("GET", f"{AUDITS}/realtime/servicemapping")
    caller.clock.advance(600)
    interval = f"{caller.ahead(days=-1)}/{caller.ahead(hours=0)}"
    query = {
        "interval": interval,
        "serviceName": "TaskManagement",
        "filters": [{"property": "ClientId", "value": caller.sandbox.client_id}],
        "sort": [{"name": "Timestamp", "sortOrder": "ascending"}],
    }
    asked = await caller.good("POST", AUDITS, query)
    for _ in range(6):
        await caller.good("GET", f"{AUDITS}/{asked['id']}")
        caller.clock.advance(1)
    path = f"{AUDITS}/{asked['id']}/results"
    page = await caller.good("GET", path, pageSize=1, allowRedirect=False, expand="user")
    assert page["entities"]
    if "cursor" in page:
        await caller.good("GET", path, pageSize=1, cursor=page["cursor"], allowRedirect=False)
    now = await caller.good("POST", f"{AUDITS}/realtime", {**query, "pageNumber": 1, "pageSize": 25})
    await caller.good("POST", f"{AUDITS}/realtime/related", {"auditId": now["entities"][0]["id"]})


async def notifications(caller: Caller) -> None:
    """Channels and subscriptions."""
    await caller.good("GET", "/api/v2/notifications/availabletopics", expand=["description", "requiresPermissions"])
    channel = await caller.good("POST", CHANNELS)
    await caller.good("GET", CHANNELS)
    path = f"{CHANNELS}/{channel['id']}"
    await caller.good("HEAD", path)
    queue = (await caller.good("GET", f"{ROUTING}/queues", pageSize=1))["entities"][0]
    topics = [{"id": f"v2.taskmanagement.workitems.queues.{queue['id']}"}]
    await caller.good("POST", f"{path}/subscriptions", topics)
    await caller.good("PUT", f"{path}/subscriptions", topics)
    await caller.good("POST", f"{path}/subscriptions", [{"id": "v2.nothing.of.the.kind"}], ignoreErrors=True)
    await caller.good("GET", f"{path}/subscriptions")
    await caller.good("DELETE", f"{path}/subscriptions")


async def test_sandbox_shows_a_custom_field_by_the_contract(caller: Caller) -> None:
    """A workitem with custom fields of its worktype's schema shows them as they were sent."""
    fields = await custom_fields(caller, "Complaint")
    made = await caller.create("Complaint", customFields=fields)
    assert made["customFields"] == fields
    read = await caller.good("GET", f"{ITEMS}/{made['id']}")
    assert read["customFields"] == fields


async def custom_fields(caller: Caller, worktype: str) -> dict[str, Any]:
    """A good value for each property of the worktype's schema."""
    schema_id = (await caller.worktype(worktype))["schema"]["id"]
    properties = (await caller.good("GET", f"{ITEMS}/schemas/{schema_id}"))["jsonSchema"]["properties"]
    return {key: _sample(key, schema) for key, schema in properties.items()}


def _sample(key: str, schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    least = schema.get("minimum", 0)
    samples: dict[str, Any] = {
        "date": "2027-02-01",
        "datetime": "2027-02-01T08:30:00.000Z",
        "integer": int(least) + 1,
        "number": least + 0.5,
        "checkbox": True,
        "url": "https://example.com/4711",
        "tag": ["first", "second"][: schema.get("maxItems", 2)],
    }
    text = "A-1".ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", 100)]
    return samples.get(key.rpartition("_")[2], text)


# Changes to a good create, and how it is refused: status and code. `...` takes a field away.
CREATES: dict[str, tuple[dict[str, Any], Any, str]] = {
    "no name": ({"name": ...}, 400, "invalid.input.missing.required.field"),
    "no type": ({"typeId": ...}, 400, "invalid.input.missing.required.field"),
    "an empty name": ({"name": ""}, 400, "invalid.input.*"),
    "a short name": ({"name": "ab"}, 400, "invalid.input.string.value.too.short"),
    "a long name": ({"name": "x" * 257}, 400, "invalid.input.string.value.too.long"),
    "a name that is a number": ({"name": 4711}, 400, "invalid.input.wrong.attribute.type"),
    "a long description": ({"description": "x" * 513}, 400, "invalid.input.string.value.too.long"),
    "a high priority": ({"priority": 25_000_001}, 400, "invalid.input.int.value.too.high"),
    "a low priority": ({"priority": -25_000_001}, 400, "invalid.input.int.value.too.low"),
    "a priority in words": ({"priority": "high"}, 400, "*"),
    "a type by name": ({"typeId": "Case"}, 400, "invalid.input.invalid.uuid"),
    "a queue by name": ({"queueId": "Claims"}, 400, "*"),
    "an unknown type": ({"typeId": NOBODY}, 404, "not.found.error"),
    "an unknown workbin": ({"workbinId": NOBODY}, 404, "not.found.error"),
    "an unknown queue": ({"queueId": NOBODY}, 404, "queue.ids.not.found"),
    "an unknown skill": ({"skillIds": [NOBODY]}, 404, "routing.skill.ids.not.found"),
    "an unknown label": ({"utilizationLabelId": NOBODY}, 404, "utilization.label.id.not.found"),
    "an unknown assignee": ({"assigneeId": NOBODY}, 403, "assignee.missing.any*"),
    "an unknown contact": ({"externalContactId": NOBODY}, 404, "not.found*"),
    "an unknown status": ({"statusId": NOBODY}, 400, "invalid.input.undefined.status"),
    "an unknown wrap-up code": ({"wrapupCode": NOBODY}, 409, "wrapup.not.in.queue"),
    "a date that is none": ({"dateDue": "tomorrow"}, 400, "*"),
    "a due date in two years": ({"dateDue": "2029-01-01T00:00:00Z"}, 400, "invalid.input.date.above.max"),
    "an expiry in the past": ({"dateExpires": "2020-01-01T00:00:00Z"}, (400, 409), "*"),
    "a time to live in two years": ({"ttl": 1_861_920_000}, 400, "invalid.input.timestamp.above.max"),
    "a time to live of a day": ({"ttl": 86_400}, 400, "invalid.input.timestamp.below.min"),
    "too long an effort": ({"durationSeconds": 40_000_000}, 400, "invalid.input.int.value.too.high"),
    "an agent twice": (
        {"scoredAgents": [{"id": NOBODY, "score": 1}, {"id": NOBODY, "score": 2}]},
        400,
        "invalid.input.duplicate.scored.agents",
    ),
    "custom fields without a schema": ({"customFields": {"a_text": "x"}}, 422, "schema.error.worktype.no.schema"),
}


@pytest.mark.parametrize("name", CREATES)
async def test_sandbox_refuses_a_bad_create_by_the_contract(caller: Caller, name: str) -> None:
    """A create that the platform refuses is refused with its status, and a code and a body of the definition."""
    changes, status, code = CREATES[name]
    body = {"name": "Invoice 4711", "typeId": (await caller.worktype("Case"))["id"], **changes}
    body = {key: value for key, value in body.items() if value is not ...}
    refused = await caller.call("POST", ITEMS, body)
    assert_refused(refused, status, code)
    assert any(breach.side == "request" for breach in caller.breaches()) or "unknown" in name or "without" in name


def assert_refused(told: tuple[int, Any], status: Any, code: str) -> None:
    """That the answer is an error of this status, or one of these, whose code is this or begins with what is before `*`."""
    assert told[0] == status or told[0] in (status if isinstance(status, tuple) else ()), told
    given = told[1]["code"]
    assert given == code or (code.endswith("*") and given.startswith(code[:-1])), told


# Method, path, body, query; status and code. `{…}` in a path stands for the ID of what is made for the test.
CALLS: dict[str, tuple[str, str, Any, dict[str, Any], Any, str]] = {
    "a workitem that is not there": ("GET", f"{ITEMS}/{NOBODY}", None, {}, 404, "not.found*"),
    "a workitem without a UUID": ("GET", f"{ITEMS}/WI-1", None, {}, 400, "*"),
    "an unknown expansion": (
        "GET",
        f"{ITEMS}/{{item}}",
        None,
        {"expands": "everything"},
        400,
        "invalid.query.param.value",
    ),
    "a history that is not there": ("GET", f"{ITEMS}/{NOBODY}/history", None, {}, 404, "*"),
    "a version that is not there": ("GET", f"{ITEMS}/{{item}}/versions/99", None, {}, 404, "version.not.found"),
    "too large a page of history": ("GET", f"{ITEMS}/{{item}}/history", None, {"pageSize": 201}, 400, "*"),
    "a page size in words": ("GET", f"{ITEMS}/{{item}}/versions", None, {"pageSize": "many"}, 400, "*"),
    "a body that is no JSON": ("POST", ITEMS, b"{", {}, 400, "bad.request"),
    "a body that is a list": ("POST", ITEMS, [], {}, 400, "*"),
    "a query without filters": ("POST", f"{ITEMS}/query", {}, {}, 400, "invalid.query.missing.filters"),
    "a query with no filter": ("POST", f"{ITEMS}/query", {"filters": []}, {}, 400, "*"),
    "a query without the mandatory filter": (
        "POST",
        f"{ITEMS}/query",
        {"filters": [{"name": "externalTag", "type": "String", "operator": "EQ", "values": ["E-1"]}]},
        {},
        400,
        "invalid.query.missing.workitem.filter",
    ),
    "a query with four filters": (
        "POST",
        f"{ITEMS}/query",
        {"filters": [{"name": "typeId", "type": "String", "operator": "EQ", "values": [ID]}] * 4},
        {},
        400,
        "*",
    ),
    "a query by what is no attribute": (
        "POST",
        f"{ITEMS}/query",
        {
            "filters": [
                {"name": "typeId", "type": "String", "operator": "EQ", "values": [ID]},
                {"name": "externalId", "type": "String", "operator": "EQ", "values": ["E-1"]},
            ]
        },
        {},
        400,
        "*",
    ),
    "too large a page of a query": (
        "POST",
        f"{ITEMS}/query",
        {"filters": [{"name": "typeId", "type": "String", "operator": "EQ", "values": [ID]}], "pageSize": 201},
        {},
        400,
        "*",
    ),
    "a query job by what it does not know": (
        "POST",
        f"{ITEMS}/query/jobs",
        {"filters": [{"name": "name", "operator": "EQ", "values": ["x"]}]},
        {},
        400,
        "*",
    ),
    "a query job without a UUID": ("GET", f"{ITEMS}/query/jobs/1", None, {}, 400, "*"),
    "a query job that is not there": ("GET", f"{ITEMS}/query/jobs/{NOBODY}", None, {}, 404, "*"),
    "results of a query job that is not there": ("GET", f"{ITEMS}/query/jobs/{NOBODY}/results", None, {}, 404, "*"),
    "a bulk job of nothing": ("POST", BULK, {"entities": []}, {}, 400, "*"),
    "a bulk job of 51": ("POST", BULK, {"entities": [{"name": "Row", "typeId": ID}] * 51}, {}, 400, "*"),
    "a bulk job with a bad row": (
        "POST",
        BULK,
        {"entities": [{"name": "ab", "typeId": ID}]},
        {},
        400,
        "validation.failed",
    ),
    "a bulk job that is not there": ("GET", f"{BULK}/{NOBODY}", None, {}, 404, "*"),
    "results of a bulk job that is not there": ("GET", f"{BULK}/{NOBODY}/results", None, {}, 404, "*"),
    "a change of a bulk job that is not there": ("PATCH", f"{BULK}/{NOBODY}", {"state": "Queued"}, {}, 404, "*"),
    "a bulk job that is told to run": ("PATCH", f"{BULK}/{{job}}", {"state": "Running"}, {}, 400, "*"),
    "no change": ("PATCH", f"{ITEMS}/{{item}}", {}, {}, 400, "*"),
    "queue and assignee at once": ("PATCH", f"{ITEMS}/{{item}}", {"queueId": ID, "assigneeId": ID}, {}, 400, "*"),
    "a worktype that is not there": ("GET", f"{ROOT}/worktypes/{NOBODY}", None, {}, 404, "*"),
    "statuses of a worktype that is not there": ("GET", f"{ROOT}/worktypes/{NOBODY}/statuses", None, {}, 404, "*"),
    "a workbin that is not there": ("GET", f"{ROOT}/workbins/{NOBODY}", None, {}, 404, "*"),
    "a schema that is not there": ("GET", f"{ITEMS}/schemas/{NOBODY}", None, {}, 404, "*"),
    "a version of a schema that is not there": ("GET", f"{ITEMS}/schemas/{NOBODY}/versions/1", None, {}, 404, "*"),
    "a queue that is not there": ("GET", f"{ROUTING}/queues/{NOBODY}", None, {}, 404, "resource.not.found"),
    "a queue without a UUID": ("GET", f"{ROUTING}/queues/Claims", None, {}, 400, "invalid.id"),
    "page 0 of queues": ("GET", f"{ROUTING}/queues", None, {"pageNumber": 0}, 400, "*"),
    "page 6 of division views": ("GET", f"{ROUTING}/queues/divisionviews", None, {"pageNumber": 6}, 400, "*"),
    "the client as a user": ("GET", f"{ROUTING}/queues/me", None, {}, 400, "not.a.user"),
    "the client's own user": ("GET", "/api/v2/users/me", None, {}, 400, "*"),
    "limits of an unknown namespace": (
        "GET",
        "/api/v2/organizations/limits/namespaces/nothing",
        None,
        {},
        (400, 404),
        "*",
    ),
    "audits without an interval": ("POST", AUDITS, {"serviceName": "TaskManagement"}, {}, 400, "*"),
    "audits of an odd interval": ("POST", AUDITS, {"interval": "yesterday"}, {}, 400, "*"),
    "audits that are not there": ("GET", f"{AUDITS}/{NOBODY}", None, {}, 404, "*"),
    "results of audits that are not there": ("GET", f"{AUDITS}/{NOBODY}/results", None, {}, 404, "*"),
    "audits now without an interval": ("POST", f"{AUDITS}/realtime", {}, {}, 400, "*"),
    "what is related to no audit": ("POST", f"{AUDITS}/realtime/related", {"auditId": NOBODY}, {}, 404, "*"),
    "subscriptions of no channel": ("GET", f"{CHANNELS}/nothing/subscriptions", None, {}, 404, "*"),
    "an unknown topic": ("POST", f"{CHANNELS}/{{channel}}/subscriptions", [{"id": "v2.nothing"}], {}, 400, "*"),
    "1,001 topics": (
        "PUT",
        f"{CHANNELS}/{{channel}}/subscriptions",
        [{"id": f"v2.taskmanagement.workitems.{ID[:-4]}{n:04}"} for n in range(1001)],
        {},
        400,
        "notification.subscription.too.many.subscriptions",
    ),
}


@pytest.mark.parametrize("name", CALLS)
async def test_sandbox_refuses_a_bad_call_by_the_contract(caller: Caller, name: str) -> None:
    """A call that the platform refuses is refused with its status, and a code and a body of the definition."""
    method, path, body, query, status, code = CALLS[name]
    if "{item}" in path:
        path = path.replace("{item}", (await caller.create())["id"])
    if "{job}" in path:
        rows = [{"name": "Row 1", "typeId": (await caller.worktype("Case"))["id"]}]
        path = path.replace("{job}", (await caller.good("POST", BULK, {"entities": rows}))["id"])
    if "{channel}" in path:
        path = path.replace("{channel}", (await caller.good("POST", CHANNELS))["id"])
    assert_refused(await caller.call(method, path, body, **query), status, code)


async def test_sandbox_refuses_log_ins_by_the_contract() -> None:
    """An unknown client and a wrong secret are told apart as the platform does."""
    async with calling() as caller:
        assert (await caller.log_in(client_id="somebody"))[0] == 400
        assert (await caller.log_in(secret="wrong"))[0] == 401
        assert caller.answer_breaches() == []


@pytest.mark.parametrize(
    ("headers", "code"),
    [({}, "authentication.required"), ({"Authorization": "Bearer of bad news"}, "bad.credentials")],
)
async def test_sandbox_refuses_a_bad_token_by_the_contract(caller: Caller, headers: dict[str, str], code: str) -> None:
    """A call without a token and one with a wrong token are told apart."""
    caller.headers = headers
    assert_refused(await caller.call("GET", f"{ITEMS}/{ID}"), 401, code)


async def test_sandbox_refuses_another_media_type_by_the_contract(caller: Caller) -> None:
    """A body that is not said to be JSON is a 415."""
    caller.headers["Content-Type"] = "text/plain"
    status, told = await caller.call("POST", ITEMS)
    assert_refused((status, told), (400, 415), "*")


async def test_sandbox_tells_the_daily_limit_by_the_contract() -> None:
    """The daily limit is a 429 with its own code, the limit, and whole seconds until it resets."""
    async with calling(workitems={"created_per_day": 1}) as caller:
        await caller.create()
        body = {"name": "Invoice 2", "typeId": (await caller.worktype("Case"))["id"]}
        assert_refused(
            await caller.call("POST", ITEMS, body), 429, "service.limit.per.day.maximum.created.limit.reached"
        )
        assert caller.answer_breaches() == []


async def test_sandbox_tells_the_rate_limit_by_the_contract() -> None:
    """Too many calls are a 429 of the platform's shape."""
    async with calling(limit={"calls": 3, "window_s": 60}) as caller:
        statuses = [(await caller.call("GET", f"{ITEMS}/schemas"))[0] for _ in range(6)]
        assert 429 in statuses
        assert caller.answer_breaches() == []


async def test_sandbox_tells_a_full_queue_by_the_contract() -> None:
    """A queue that routes as many workitems as it may refuses the next one with a 409 and the limit."""
    async with calling(workitems={"acd_started_per_queue": 0}) as caller:
        body = {"name": "Invoice 1", "typeId": (await caller.worktype("Case"))["id"]}
        code = "service.limit.acd.started.maximum.limit.reached"
        assert_refused(await caller.call("POST", ITEMS, body), 409, code)
        assert caller.answer_breaches() == []


async def test_sandbox_tells_missing_permissions_by_the_contract() -> None:
    """What the client may not do is a 403 that names the permission."""
    async with calling(workitems={"denied_permissions": ["workitems:workitem:view"]}) as caller:
        assert_refused(await caller.call("GET", f"{ITEMS}/{ID}"), 403, "missing.permissions")
        assert caller.answer_breaches() == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503, 504])
async def test_sandbox_breaks_down_by_the_contract(caller: Caller, status: int) -> None:
    """An error that the sandbox is told to answer has a body and a code of the operation's own."""
    type_id = (await caller.worktype("Case"))["id"]
    caller.sandbox.breaks(Fault(operation="workitem_create", kind=f"status:{status}"))
    assert (await caller.call("POST", ITEMS, {"name": "Invoice 4711", "typeId": type_id}))[0] == status


ODD: tuple[Any, ...] = ("", "\x00", "\ud800", "x" * 5_000, -1, 1.5, 10**30, True, [], [[]], ["x"], {})


async def test_sandbox_refuses_odd_values_by_the_contract(caller: Caller) -> None:
    """Whatever stands in a field of a create, a change or a query, it is taken or refused by the contract: no 500."""
    good = {"name": "Invoice 4711", "typeId": (await caller.worktype("Complaint"))["id"]}
    item = (await caller.create("Callback"))["id"]
    by_worktype = {"name": "typeId", "type": "String", "operator": "EQ", "values": [good["typeId"]]}
    fields = definition.document()["definitions"]
    for value in ODD:
        for name in fields["WorkitemCreate"]["properties"]:
            await caller.call("POST", ITEMS, {**good, name: value})
        for name in fields["WorkitemUpdate"]["properties"] if value in ("", [], {}) else ():
            await caller.call("PATCH", f"{ITEMS}/{item}", {name: value})
        for name in fields["WorkitemQueryPostRequest"]["properties"]:
            await caller.call("POST", f"{ITEMS}/query", {"filters": [by_worktype], name: value})
        for name in by_worktype:
            await caller.call("POST", f"{ITEMS}/query", {"filters": [by_worktype, {**by_worktype, name: value}]})
        await caller.call("POST", BULK, {"entities": value})
    assert [
        pair.answered for pair in caller.recorder.pairs if pair.answered is None or pair.answered.status >= 500
    ] == []


async def test_sandbox_hides_a_fresh_workitem_by_the_contract() -> None:
    """For a moment after its creation a workitem may be a 404."""
    async with calling(workitems={"status_404_after_create_s": 5}) as caller:
        made = await caller.create()
        assert_refused(await caller.call("GET", f"{ITEMS}/{made['id']}"), 404, "not.found*")
        caller.clock.advance(6)
        await caller.good("GET", f"{ITEMS}/{made['id']}")
        assert caller.answer_breaches() == []


async def test_sandbox_pages_sparsely_by_the_contract() -> None:
    """Empty pages with a cursor, half-filled ones and shuffled results are all by the contract."""
    settings = {"empty_pages": 2, "page_fill": 0.5, "results_shuffled": True, "client_is_user": False}
    async with calling(workitems=settings) as caller:
        workitem = await make_and_change(caller)
        await bulk(caller)
        caller.clock.advance(60)
        page: dict[str, Any] = {"after": None}
        sizes = []
        while "after" in page:
            more = {"after": page["after"]} if page["after"] else {}
            page = await caller.good("POST", f"{ITEMS}/query", {"filters": [by_type(workitem)], "pageSize": 4, **more})
            sizes.append(len(page["entities"]))
        assert sizes[:2] == [0, 0]
        assert caller.answer_breaches() == []


@pytest.mark.parametrize("topic", ["v2.taskmanagement.workitems.queues.{queue}", "v2.taskmanagement.workitems.{item}"])
async def test_sandbox_sends_events_by_the_contract(caller: Caller, topic: str) -> None:
    """Events of workitems have the fields of the SDK's models, and no others."""
    channel = await caller.good("POST", CHANNELS)
    fields = await custom_fields(caller, "Complaint")
    made = await caller.create("Complaint", externalTag="EXT-1", customFields=fields)
    topic = topic.format(queue=made["queue"]["id"], item=made["id"])
    await caller.good("POST", f"{CHANNELS}/{channel['id']}/subscriptions", [{"id": topic}])
    events = [event for event in await caller.events(channel["connectUri"], 20) if event["topicName"] == topic]
    assert len(events) >= 3
    assert [str(breach) for event in events for breach in judged_event(event)] == []


@pytest.mark.parametrize("base", ["workitems", "workitems-live", "workitems-odd"])
async def test_built_in_scenarios_keep_the_contract(base: str) -> None:
    """However a built-in scenario answers the open questions, its answers are by the contract."""
    async with calling(base=base, limit={"calls": 0}) as caller:
        workitem = await make_and_change(caller)
        await bulk(caller)
        caller.clock.advance(60)
        tag = {"name": "externalTag", "type": "String", "operator": "IN", "values": ["EXT-1", "EXT-2"]}
        for filters in ([by_type(workitem)], [by_type(workitem), tag]):
            await caller.call("POST", f"{ITEMS}/query", {"filters": filters, "expands": ["status"]})
        await audits(caller)
        assert caller.answer_breaches() == []


async def test_sandbox_redirects_large_audits_by_the_contract() -> None:
    """Large results of audits are a 302 with the address of a download."""
    async with calling(services={"audit_large": 1}) as caller:
        await bulk(caller)
        caller.clock.advance(600)
        asked = await caller.good("POST", AUDITS, {"interval": f"{caller.ahead(days=-1)}/{caller.ahead(hours=0)}"})
        caller.clock.advance(60)
        status, told = await caller.call("GET", f"{AUDITS}/{asked['id']}/results", allowRedirect=True)
        assert status == 302
        assert told["downloadUrl"]
        assert caller.answer_breaches() == []


REQUEST_RULES = {
    rule.name: rule for rule in RULES if isinstance(rule, Rule) and rule.side in (None, "request") and not rule.open
}


def bodies(worktype: Json, item_id: str, channel_id: str) -> dict[str, tuple[str, str, Any, Callable[[Any], Any]]]:
    """By model: method, path, a value that the sandbox takes, and the body that holds it."""
    by_worktype = {"name": "typeId", "type": "String", "operator": "EQ", "values": [worktype["id"]]}
    new = {"name": "Invoice 4711", "typeId": worktype["id"]}
    tag = {"name": "externalTag", "operator": "EQ", "values": ["E-1"]}
    interval = {"interval": "2026-11-01T00:00:00Z/2026-11-02T00:00:00Z"}
    return {
        "WorkitemCreate": ("POST", ITEMS, new, _itself),
        "WorkitemCommonCreate": ("POST", BULK, new, lambda value: {"entities": [value]}),
        "WorkitemUpdate": ("PATCH", f"{ITEMS}/{item_id}", {"priority": 77}, _itself),
        "WorkitemQueryPostRequest": ("POST", f"{ITEMS}/query", {"filters": [by_worktype]}, _itself),
        "WorkbinQueryRequest": ("POST", f"{ROOT}/workbins/query", {"filters": []}, _itself),
        "WorktypeQueryRequest": ("POST", f"{ROOT}/worktypes/query", {"filters": []}, _itself),
        "WorkitemQueryJobFilter": ("POST", f"{ITEMS}/query/jobs", tag, lambda value: {"filters": [value]}),
        "AuditQueryRequest": ("POST", AUDITS, interval, _itself),
        "AuditRealtimeQueryRequest": ("POST", f"{AUDITS}/realtime", interval, _itself),
        "ChannelTopic": (
            "POST",
            f"{CHANNELS}/{channel_id}/subscriptions",
            {"id": f"v2.taskmanagement.workitems.{item_id}"},
            lambda value: [value],
        ),
    }


def _itself(value: Any) -> Any:
    return value


@pytest.mark.parametrize("name", REQUEST_RULES)
async def test_sandbox_refuses_what_a_rule_refuses(name: str) -> None:
    """Whatever the tightened definition refuses in a request, and the platform is known to, the sandbox refuses."""
    rule = REQUEST_RULES[name]
    async with calling(start=NOW.timestamp()) as caller:
        worktype = await caller.worktype("Complaint" if "custom" in name else "Case")
        item, channel = await caller.create("Callback"), await caller.good("POST", CHANNELS)
        known = bodies(worktype, item["id"], channel["id"])
        taken = []
        for place, bad in ((place, bad) for place in rule.at for bad in rule.bad):
            model, path = split(place)
            if model not in known:
                continue
            method, address, good, body = known[model]
            await caller.call(method, address, body(good))
            value = [bad] if path.endswith("[]") else bad
            changes = {path.removesuffix("[]"): value} if path else bad
            status, _ = await caller.call(method, address, body(changed(good, changes)))
            taken += [(place, bad)] if status < 400 else []
        assert taken == []
        assert caller.answer_breaches() == []


@pytest.mark.parametrize("name", REQUEST_RULES)
async def test_sandbox_refuses_parameters_that_a_rule_refuses(name: str) -> None:
    """Whatever the tightened definition refuses in an address, the sandbox refuses with one of the listed codes."""
    operations = {f"?{operation.id}": operation for operation in whole().operations}
    rule = REQUEST_RULES[name]
    places = [split(place) for place in rule.at if place in operations or split(place)[0] in operations]
    async with calling(start=NOW.timestamp()) as caller:
        taken = []
        for model, parameter in places:
            operation = operations[model]
            for bad in rule.bad:
                values = changed(good(model), {parameter: bad})
                path = operation.path.format(**values)
                query = {key: value for key, value in values.items() if f"{{{key}}}" not in operation.path}
                status, _ = await caller.call(operation.method, path, **query)
                taken += [(model, parameter, bad)] if status < 400 else []
        assert taken == []
        assert caller.answer_breaches() == []
