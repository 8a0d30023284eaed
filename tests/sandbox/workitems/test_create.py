"""What a workitem may be: a create's answer, its defaults and its refusals."""

from datetime import UTC, datetime
from typing import Any

import pytest

from importer.sandbox.clock import HandClock
from importer.sandbox.life import seeded_id, timestamp
from importer.sandbox.queues import queue_id
from importer.sandbox.server import Sandbox
from importer.sandbox.workitems.references import contact_id, skill_id, user_id, wrapup_code_id
from importer.sandbox.workitems.worktypes import CALLBACK, CLAIM, COMPLAINT_TYPE, NORTH_INBOX
from tests.sandbox.conftest import Caller
from tests.sandbox.workitems.desk import WORKITEMS, code, fields, made, post, read, tags

NOBODY = seeded_id("nobody")
DAY_S = 86_400


def ahead(clock: HandClock, seconds: float) -> str:
    """A time so far ahead of the sandbox's now."""
    return timestamp(clock.now() + seconds)


async def test_create_answers_the_whole_workitem(caller: Caller) -> None:
    """201 with every field that was given, the worktype's defaults, references by ID, and a correlation ID."""
    given = fields("E-1", priority=-7, description="Look into it", skillIds=[skill_id("English")])
    response = await caller.send("POST", WORKITEMS, json=given)
    body = await response.json()
    assert (response.status, bool(response.headers["ININ-Correlation-Id"])) == (201, True)
    assert (body["name"], body["externalTag"], body["priority"]) == (given["name"], "E-1", -7)
    assert (body["statusCategory"], body["assignmentState"]) == ("Open", "Idle")
    assert body["queue"]["id"] == queue_id("General Inquiry")
    assert body["type"] == {"id": given["typeId"], "selfUri": f"/api/v2/taskmanagement/worktypes/{given['typeId']}"}
    assert [each["id"] for each in body["skills"]] == [skill_id("English")]
    assert await read(caller, body["id"]) == body


async def test_create_takes_the_same_tag_again(caller: Caller, clock: HandClock) -> None:
    """An externalTag is not unique: a repeated create makes a second workitem."""
    first, second = await made(caller, "E-1"), await made(caller, "E-1")
    clock.advance(5)
    assert first != second
    assert await tags(caller) == ["E-1", "E-1"]
    assert caller.sandbox.journal()["duplicates"] == {"E-1": [first, second]}


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"name": None}, (400, "invalid.input.missing.required.field")),
        ({"typeId": None}, (400, "invalid.input.missing.required.field")),
        ({"name": "ab"}, (400, "invalid.input.string.value.too.short")),
        ({"name": "x" * 257}, (400, "invalid.input.string.value.too.long")),
        ({"description": "x" * 513}, (400, "invalid.input.string.value.too.long")),
        ({"priority": 25_000_001}, (400, "invalid.input.int.value.too.high")),
        ({"priority": -25_000_001}, (400, "invalid.input.int.value.too.low")),
        ({"priority": "high"}, (400, "invalid.input.wrong.attribute.type")),
        ({"priority": True}, (400, "invalid.input.wrong.attribute.type")),
        ({"durationSeconds": 365 * DAY_S + 1}, (400, "invalid.input.int.value.too.high")),
        ({"queueId": "nope"}, (400, "invalid.input.invalid.uuid")),
        ({"assigneeId": ""}, (400, "invalid.input.empty.value")),
        ({"dateDue": "tomorrow"}, (400, "invalid.date")),
        ({"statusId": NOBODY}, (400, "invalid.input.undefined.status")),
        ({"typeId": NOBODY}, (404, "not.found.error")),
        ({"workbinId": NOBODY}, (404, "not.found.error")),
        ({"queueId": NOBODY}, (404, "queue.ids.not.found")),
        ({"skillIds": [NOBODY]}, (404, "routing.skill.ids.not.found")),
        ({"utilizationLabelId": NOBODY}, (404, "utilization.label.id.not.found")),
        ({"assigneeId": NOBODY}, (403, "assignee.missing.any.permissions")),
        ({"assigneeId": user_id("noor.north@example.com")}, (403, "assignee.missing.any.division.permissions")),
        ({"queueId": queue_id("Claims")}, (400, "workitem.queue.division.mismatch")),
        ({"workbinId": NORTH_INBOX.id}, (409, "pre.check.workitem.division.mismatch")),
        ({"externalContactId": contact_id("Nils North")}, (409, "workitem.external.contact.division.mismatch")),
        ({"wrapupCode": wrapup_code_id("No Answer")}, (409, "wrapup.not.in.queue")),
        ({"typeId": CALLBACK.id, "wrapupCode": wrapup_code_id("Resolved")}, (409, "wrapup.no.queue")),
        ({"scoredAgents": [{"id": NOBODY, "score": 1}] * 2}, (400, "invalid.input.duplicate.scored.agents")),
        ({"customFields": {"a_text": "b"}}, (422, "schema.error.worktype.no.schema")),
    ],
)
async def test_create_refuses_with_the_codes_of_the_platform(
    caller: Caller, changes: dict[str, Any], refusal: tuple[int, str]
) -> None:
    """Each rule that is broken has its status and code, the broken field in the details, and nothing is created."""
    assert await code(post(caller, **changes)) == refusal
    assert caller.sandbox.journal()["committed"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "abc"},
        {"name": "x" * 256, "description": "x" * 512},
        {"priority": 25_000_000},
        {"externalContactId": contact_id("Uma Free")},
        {"wrapupCode": wrapup_code_id("Resolved")},
        {"assigneeId": user_id("ada.novak@example.com")},
        {"typeId": CLAIM.id, "externalContactId": contact_id("Nils North")},
        {"typeId": CLAIM.id, "assigneeId": user_id("noor.north@example.com")},
    ],
)
async def test_create_takes_what_just_fits(caller: Caller, changes: dict[str, Any]) -> None:
    """What is at its limit is within it; a contact in no division fits a worktype that allows such."""
    status, body = await post(caller, **changes)
    assert status == 201, body


async def test_create_refuses_a_contact_without_division_where_the_worktype_does(caller: Caller) -> None:
    """A worktype with unassignedDivisionContactsEnabled false takes no contact that is in no division."""
    refused = await code(post(caller, typeId=CLAIM.id, externalContactId=contact_id("Uma Free")))
    assert refused == (409, "workitem.external.contact.division.mismatch")


@pytest.mark.parametrize(
    ("field", "seconds", "refusal"),
    [
        ("dateDue", -1, (400, "invalid.input.date.below.min")),
        ("dateDue", 365 * DAY_S + 1, (400, "invalid.input.date.above.max")),
        ("dateDue", 365 * DAY_S - 1, (201, "")),
        ("dateExpires", 365 * DAY_S + 1, (400, "invalid.input.date.above.max")),
        ("dateExpires", 3599, (409, "pre.check.date.too.soon")),
        ("dateExpires", 3600, (201, "")),
    ],
)
async def test_create_bounds_dates(
    caller: Caller, clock: HandClock, field: str, seconds: float, refusal: tuple[int, str]
) -> None:
    """A due date lies ahead by at most 365 days, an expiry by at least an hour too."""
    assert await code(post(caller, **{field: ahead(clock, seconds)})) == refusal


@pytest.mark.parametrize(
    ("ttl_s", "refusal"),
    [
        (-1, (400, "invalid.input.timestamp.below.min")),
        (366 * DAY_S, (400, "invalid.input.timestamp.above.max")),
        (3600, (409, "pre.check.value.greater.than.or.equal")),
        (7200, (409, "pre.check.value.greater.than")),
        (9000, (201, "")),
    ],
)
async def test_create_ends_a_workitem_after_it_is_due_and_expired(
    caller: Caller, clock: HandClock, ttl_s: int, refusal: tuple[int, str]
) -> None:
    """The ttl is a moment in epoch seconds, at most 365 days ahead, after the due date and not before the expiry."""
    dates: dict[str, Any] = {
        "dateDue": ahead(clock, 3600),
        "dateExpires": ahead(clock, 8000),
        "ttl": int(clock.now()) + ttl_s,
    }
    assert await code(post(caller, **dates)) == refusal


async def test_create_due_after_expiry_is_allowed(caller: Caller, clock: HandClock) -> None:
    """Since 2026-03-12 the expiry does not depend on the due date."""
    status, _ = await post(caller, dateDue=ahead(clock, 9000), dateExpires=ahead(clock, 4000))
    assert status == 201


async def test_create_writes_times_in_one_form(caller: Caller) -> None:
    """Times are answered in UTC with milliseconds, IDs in lower case, however they were sent."""
    due = datetime.fromtimestamp(caller.sandbox.clock.now() + DAY_S, UTC).strftime("%Y-%m-%dT%H:%MZ")
    _, body = await post(caller, dateDue=due, queueId=queue_id("Billing").upper())
    assert body["dateDue"] == due.replace("Z", ":00.000Z")
    assert body["queue"]["id"] == queue_id("Billing")


async def test_refusals_have_the_platforms_body(caller: Caller) -> None:
    """Status, code, message and its template with parameters, details, and the correlation ID of the header as contextId."""
    response = await caller.send("POST", WORKITEMS, json=fields(name="ab"))
    body = await response.json()
    assert (body["status"], body["contextId"]) == (400, response.headers["ININ-Correlation-Id"])
    assert body["messageWithParams"] == "{name} must have at least {least} characters."
    assert body["messageParams"] == {"name": "name", "least": "3"}
    assert body["message"] == "name must have at least 3 characters."
    assert body["details"] == [{"errorCode": "invalid.input.string.value.too.short", "fieldName": "name"}]
    assert body["errors"] == []


async def test_create_ignores_unknown_properties_unless_told(caller: Caller) -> None:
    """What becomes of an unknown property is not known: it is ignored, or refused where the scenario says so."""
    status, body = await post(caller, externalId="X")
    assert (status, "externalId" in body) == (201, False)
    caller.sandbox.change(workitems={"unknown_property": "refused"})
    assert await code(post(caller, externalId="X")) == (400, "invalid.property")


async def test_create_of_a_large_body_is_refused(caller: Caller) -> None:
    """More than request.bytes.max, 512,000 bytes, is a 413 that tells the maximum."""
    status, body = await post(caller, note="x" * 512_000)
    assert (status, body["code"], body["messageParams"]) == (413, "request.entity.too.large", {"maximum": "512000"})


@pytest.mark.parametrize(("media", "body", "status"), [("text/plain", b"{}", 415), ("application/json", b"[1", 400)])
async def test_create_demands_json(caller: Caller, media: str, body: bytes, status: int) -> None:
    """Another media type is a 415, anything but a JSON object a 400."""
    answer, _ = await caller.call("POST", WORKITEMS, data=body, headers={"Content-Type": media})
    assert answer == status


GOOD_FIELDS = {
    "subject_text": "Late",
    "story_longtext": "It came late.",
    "page_url": "https://example.com/a",
    "order_identifier": "A-1",
    "severity_enum": "High",
    "seen_date": "2026-01-31",
    "call_back_datetime": "2026-01-31T10:00:00.000Z",
    "items_integer": 3,
    "amount_number": 1.5,
    "urgent_checkbox": True,
    "labels_tag": ["a", "b"],
}


async def test_custom_fields_of_each_core_type_are_kept(caller: Caller) -> None:
    """Values of all eleven core types come back as they were sent, with the schema's version."""
    _, body = await post(caller, typeId=COMPLAINT_TYPE.id, customFields=GOOD_FIELDS)
    assert body["customFields"] == GOOD_FIELDS
    assert body["schema"]["version"] == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("subject_text", 1),
        ("subject_text", "x" * 101),
        ("page_url", "no address"),
        ("order_identifier", ""),
        ("severity_enum", "Huge"),
        ("seen_date", "31.01.2026"),
        ("seen_date", "2026-02-30"),
        ("call_back_datetime", "2026-01-31"),
        ("items_integer", 1.5),
        ("items_integer", 1001),
        ("amount_number", "1.5"),
        ("amount_number", True),
        ("urgent_checkbox", "yes"),
        ("labels_tag", "a"),
        ("labels_tag", ["a", "a"]),
        ("labels_tag", list("abcdef")),
        ("unheard_text", "x"),
    ],
)
async def test_custom_fields_are_judged_by_their_type(caller: Caller, key: str, value: object) -> None:
    """A value that does not fit its core type or its limits is a 422 whose details name the field."""
    status, body = await post(caller, typeId=COMPLAINT_TYPE.id, customFields={key: value})
    assert (status, body["code"]) == (422, "schema.error.invalid.instance")
    assert body["details"][0]["fieldName"] == key


async def test_custom_fields_may_be_required(caller: Caller, sandbox: Sandbox) -> None:
    """A schema may demand a field: without it a create is a 422 that names it, and the schema tells which."""
    sandbox.change(workitems={"required_fields": ["severity_enum"]})
    status, body = await post(caller, typeId=COMPLAINT_TYPE.id)
    assert (status, body["code"]) == (422, "schema.error.missing.attributes")
    assert [each["fieldName"] for each in body["details"]] == ["severity_enum"]
    assert (await post(caller, typeId=COMPLAINT_TYPE.id, customFields={"severity_enum": "Low"}))[0] == 201
    _, schemas = await caller.call("GET", f"{WORKITEMS}/schemas")
    assert schemas["entities"][0]["jsonSchema"]["required"] == ["severity_enum"]


async def test_custom_fields_of_a_disabled_schema_are_refused(caller: Caller, sandbox: Sandbox) -> None:
    """Where the schema is disabled a workitem with custom fields is a 422, one without is created."""
    sandbox.change(workitems={"schema_enabled": False})
    refused = post(caller, typeId=COMPLAINT_TYPE.id, customFields={"severity_enum": "Low"})
    assert await code(refused) == (422, "schema.error.schema.disabled")
    assert (await post(caller, typeId=COMPLAINT_TYPE.id))[0] == 201


async def test_create_without_permission_is_refused(caller: Caller, sandbox: Sandbox) -> None:
    """A permission that the client's roles lack is a 403 that names it; one lacking in a division refuses there only."""
    sandbox.change(workitems={"denied_permissions": ["workitems:workitem:add"]})
    status, body = await post(caller)
    assert (status, body["code"]) == (403, "missing.permissions")
    assert "workitems:workitem:add" in body["message"]
    sandbox.change(workitems={"denied_permissions": [], "denied_divisions": {"workitems:workitem:add": ["North"]}})
    assert (await post(caller))[0] == 201
    assert await code(post(caller, typeId=CLAIM.id)) == (403, "missing.division.permission")


async def test_create_without_a_token_is_refused(caller: Caller, sandbox: Sandbox) -> None:
    """No token and a token that has ended are both a 401, told apart by their codes."""
    sandbox.tokens_expire()
    assert await code(post(caller)) == (401, "bad.credentials")
    caller.headers = {}
    assert await code(post(caller)) == (401, "authentication.required")
