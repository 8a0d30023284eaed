"""The synchronous query of workitems: filters, pages, the index that lags."""

from typing import Any

import pytest

from importer.sandbox.clock import HandClock
from importer.sandbox.queues import queue_id
from importer.sandbox.server import Sandbox
from importer.sandbox.workitems.references import user_id
from importer.sandbox.workitems.worktypes import CALLBACK, CASE, CLAIM, COMPLAINT_TYPE, SERVICE_DESK
from tests.sandbox.conftest import Caller
from tests.sandbox.workitems.desk import WORKITEMS, ask, code, made, read, tags, where


async def some(caller: Caller, clock: HandClock, number: int) -> list[str]:
    """The tags of so many workitems that the index knows."""
    names = [f"E-{n}" for n in range(number)]
    for name in names:
        await made(caller, name, priority=int(name[2:]))
    clock.advance(5)
    return names


async def pages(caller: Caller, *filters: Any, **body: Any) -> list[list[str]]:
    """The tags on all pages, the cursor being followed to its end."""
    found: list[list[str]] = []
    after: dict[str, str] = {}
    while True:
        status, page = await ask(caller, *filters, **body, **after)
        assert status == 200, page
        found.append([each["externalTag"] for each in page["entities"]])
        if "after" not in page:
            return found
        after = {"after": page["after"]}


async def test_query_finds_by_tag(caller: Caller, clock: HandClock) -> None:
    """EQ finds one tag, IN several; a tag that nothing has is not found."""
    await some(caller, clock, 3)
    assert await tags(caller, where("externalTag", "E-1")) == ["E-1"]
    assert await tags(caller, where("externalTag", "E-2", "E-0", "no", operator="IN")) == ["E-0", "E-2"]
    assert await tags(caller, where("externalTag", "e-1")) == []


async def test_query_sees_a_workitem_after_the_lag(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """A new workitem is read by its ID at once, and found by a query when the index's lag has passed."""
    sandbox.change(index_lag_s=2)
    workitem = await made(caller)
    clock.advance(1.9)
    assert (await read(caller, workitem))["id"] == workitem
    assert await tags(caller) == []
    clock.advance(0.1)
    assert await tags(caller) == ["E-1"]


async def test_query_index_lags_behind_changes(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """A query judges the state that the index knows; the entity that it answers is as it is now."""
    sandbox.change(index_lag_s=60)
    await made(caller)
    clock.advance(60)
    status, page = await ask(caller, where("statusCategory", "Open"))
    assert (status, [each["statusCategory"] for each in page["entities"]]) == (200, ["Closed"])


@pytest.mark.parametrize(
    ("name", "operator", "values", "found"),
    [
        ("priority", "GTE", ["2"], ["E-2", "E-3"]),
        ("priority", "GT", ["2"], ["E-3"]),
        ("priority", "LTE", ["1"], ["E-0", "E-1"]),
        ("priority", "LT", ["1"], ["E-0"]),
        ("priority", "BETWEEN", ["1", "2"], ["E-1", "E-2"]),
        ("externalTag", "NEQ", ["E-0"], ["E-1", "E-2", "E-3"]),
        ("name", "CONTAINS", ["E-3"], ["E-3"]),
        ("name", "BEGINS_WITH", ["Something to do E-1"], ["E-1"]),
        ("queueId", "EQ", [queue_id("General Inquiry").upper()], ["E-0", "E-1", "E-2", "E-3"]),
        ("divisionId", "EQ", [SERVICE_DESK.division.id], ["E-0", "E-1", "E-2", "E-3"]),
        ("workbinId", "EQ", [SERVICE_DESK.id], ["E-0", "E-1", "E-2", "E-3"]),
        ("queueId", "EQ", [queue_id("Billing")], []),
    ],
)
async def test_query_operators(
    caller: Caller, clock: HandClock, name: str, operator: str, values: list[str], found: list[str]
) -> None:
    """Each operator does what its name says; IDs are compared in any case."""
    await some(caller, clock, 4)
    kind = "Int" if name == "priority" else "String"
    assert await tags(caller, where(name, *values, operator=operator, kind=kind)) == found


async def test_query_over_custom_fields(caller: Caller, clock: HandClock) -> None:
    """A filter customFields.NAME compares a custom field."""
    for tag, severity in (("E-1", "High"), ("E-2", "Low")):
        await made(caller, tag, typeId=COMPLAINT_TYPE.id, customFields={"severity_enum": severity})
    clock.advance(5)
    filters = [where("typeId", COMPLAINT_TYPE.id), where("customFields.severity_enum", "Low")]
    _, page = await caller.call("POST", f"{WORKITEMS}/query", json={"filters": filters})
    assert [each["externalTag"] for each in page["entities"]] == ["E-2"]


async def test_query_finds_nothing_where_nothing_can_be_compared(caller: Caller, clock: HandClock) -> None:
    """A list is neither greater nor less than a word; what it contains can be found."""
    await made(caller, "E-1", typeId=COMPLAINT_TYPE.id, customFields={"labels_tag": ["a"]})
    clock.advance(5)

    async def found(operator: str) -> int:
        filters = [where("typeId", COMPLAINT_TYPE.id), where("customFields.labels_tag", "a", operator=operator)]
        status, page = await caller.call("POST", f"{WORKITEMS}/query", json={"filters": filters})
        assert status == 200, page
        return len(page["entities"])

    assert [await found(operator) for operator in ("GT", "LT", "BEGINS_WITH", "CONTAINS")] == [0, 0, 0, 1]


TYPE = where("typeId", CASE.id)


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({}, "invalid.query.missing.filters"),
        ({"filters": []}, "invalid.query.missing.filters"),
        ({"filters": [where("externalTag", "E")]}, "invalid.query.missing.workitem.filter"),
        ({"filters": [where("typeId", CASE.id, operator="IN")]}, "invalid.query.missing.workitem.filter"),
        ({"filters": [TYPE, *([where("externalTag", "E")] * 3)]}, "invalid.query"),
        ({"filters": [TYPE, where("colour", "red")]}, "invalid.query"),
        ({"filters": [TYPE, where("externalTag", "E", operator="LIKE")]}, "invalid.query"),
        ({"filters": [TYPE, where("externalTag")]}, "invalid.input.filter.without.value"),
        ({"filters": [TYPE, where("externalTag", "")]}, "invalid.input.empty.value"),
        ({"filters": [TYPE, where("externalTag", "a", "b")]}, "invalid.input.wrong.number.values"),
        ({"filters": [TYPE, where("priority", "1", operator="BETWEEN")]}, "invalid.input.wrong.number.values"),
        ({"filters": [TYPE, where("priority", "2", "1", operator="BETWEEN")]}, "invalid.query.between.order.of.values"),
        ({"filters": [TYPE, where("priority", "high")]}, "invalid.input.wrong.attribute.type"),
        ({"filters": [TYPE], "pageSize": 201}, "invalid.input.int.value.too.high"),
        ({"filters": [TYPE], "pageSize": 0}, "invalid.input.int.value.too.low"),
        ({"filters": [TYPE], "after": "?"}, "invalid.input.invalid.base64.string"),
        ({"filters": [TYPE], "expands": ["type"], "attributes": ["name"]}, "invalid.input.attributes.missing.expands"),
    ],
)
async def test_query_refuses_with_the_codes_of_the_platform(caller: Caller, body: dict[str, Any], refusal: str) -> None:
    """A query needs 1 to 3 filters, one of them EQ on workbin, assignee, queue or type; each breach has its code."""
    assert await code(caller.call("POST", f"{WORKITEMS}/query", json=body)) == (400, refusal)


async def test_query_refuses_in_over_tags_where_told(caller: Caller, sandbox: Sandbox) -> None:
    """Whether IN works with externalTag is not known: a scenario can refuse it, and bounds its values."""
    sandbox.change(workitems={"in_values_max": 2})
    wide = where("externalTag", "a", "b", "c", operator="IN")
    assert await code(ask(caller, wide)) == (400, "invalid.input.wrong.number.values")
    sandbox.change(workitems={"in_external_tag": False})
    assert await code(ask(caller, where("externalTag", "a", operator="IN"))) == (400, "invalid.query.operator.and.type")
    assert await tags(caller, where("externalTag", "a")) == []


async def test_query_may_take_tags_in_any_case(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """Whether tags are told apart by case is not known: a scenario can say that they are not."""
    sandbox.change(workitems={"tag_case_sensitive": False})
    await some(caller, clock, 2)
    assert await tags(caller, where("externalTag", "e-1")) == ["E-1"]


async def test_query_pages_by_a_cursor_in_the_body(caller: Caller, clock: HandClock) -> None:
    """Following `after` gives every workitem once; the last page has no cursor."""
    names = await some(caller, clock, 5)
    assert await pages(caller, pageSize=2) == [names[:2], names[2:4], names[4:]]


async def test_query_pages_may_be_empty_and_half_full(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """Empty pages that carry a cursor come first where the scenario says so, and pages are not filled."""
    sandbox.change(workitems={"empty_pages": 2, "page_fill": 0.5})
    names = await some(caller, clock, 3)
    assert await pages(caller, pageSize=4) == [[], [], names[:2], names[2:]]
    assert await pages(caller, where("externalTag", "E-1", operator="IN"), pageSize=4) == [[], [], ["E-1"]]
    assert await pages(caller, where("externalTag", "no"), pageSize=4) == [[]]


async def test_query_counts(caller: Caller, clock: HandClock) -> None:
    """select Count answers the number and no entities."""
    await some(caller, clock, 3)
    _, body = await ask(caller, select="Count", pageSize=1)
    assert (body["count"], "entities" in body) == (3, False)


async def test_query_sorts(caller: Caller, clock: HandClock) -> None:
    """Sorting by priority goes either way."""
    names = await some(caller, clock, 3)
    assert await tags(caller, sort={"name": "priority", "ascending": False}) == names[::-1]
    assert await tags(caller, sort={"name": "priority", "ascending": True}) == names


async def test_query_expands_and_selects(caller: Caller, clock: HandClock) -> None:
    """Expanded references have names; of named attributes only those are told."""
    await some(caller, clock, 1)
    _, page = await ask(caller, expands=["type", "queue"], attributes=["type", "queue", "externalTag"])
    (entity,) = page["entities"]
    assert entity.keys() == {"id", "selfUri", "type", "queue", "externalTag"}
    assert (entity["type"]["name"], entity["queue"]["name"]) == ("Case", "General Inquiry")


async def test_query_keeps_to_the_divisions_that_may_be_seen(
    caller: Caller, sandbox: Sandbox, clock: HandClock
) -> None:
    """Workitems of a division in which the client may not view them are not found."""
    await made(caller, "E-1", typeId=CLAIM.id)
    clock.advance(5)
    asked = {"filters": [where("typeId", CLAIM.id)]}
    _, before = await caller.call("POST", f"{WORKITEMS}/query", json=asked)
    sandbox.change(workitems={"denied_divisions": {"workitems:workitem:view": ["North"]}})
    _, after = await caller.call("POST", f"{WORKITEMS}/query", json=asked)
    assert (len(before["entities"]), len(after["entities"])) == (1, 0)


async def test_query_without_permission_in_any_division_is_refused(caller: Caller, sandbox: Sandbox) -> None:
    """Where the client may view workitems in no division, a query is a 403 instead of an empty page."""
    sandbox.change(workitems={"denied_divisions": {"workitems:workitem:view": ["Home", "North"]}})
    assert await code(ask(caller)) == (403, "workitem.missing.any.division.permissions")


async def test_query_follows_a_changed_tag(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """After a PATCH of the tag the workitem is found by the new one, not by the old one."""
    workitem = await made(caller, "old", typeId=CALLBACK.id)
    await caller.call("PATCH", f"{WORKITEMS}/{workitem}", json={"externalTag": "new"})
    clock.advance(5)
    asked = [{"filters": [where("typeId", CALLBACK.id), where("externalTag", tag)]} for tag in ("old", "new")]
    found = [(await caller.call("POST", f"{WORKITEMS}/query", json=each))[1]["entities"] for each in asked]
    assert [len(each) for each in found] == [0, 1]


async def test_query_by_assignee(caller: Caller, clock: HandClock) -> None:
    """EQ on the assignee alone is enough."""
    ada = user_id("ada.novak@example.com")
    await made(caller, "E-1", typeId=CALLBACK.id, assigneeId=ada)
    caller.sandbox.change(index_lag_s=0)
    _, page = await caller.call("POST", f"{WORKITEMS}/query", json={"filters": [where("assigneeId", ada)]})
    assert [each["externalTag"] for each in page["entities"]] == ["E-1"]
