"""Names to IDs and what is judged by them, in a preview of a file against the sandbox."""

import json
from datetime import datetime, timedelta

import pytest

from importer.core.errors import Forbidden, TargetDown
from importer.core.plan import PlanRow
from importer.core.verdicts import Verdict
from importer.sandbox.queues import queue_id
from importer.sandbox.scenario import checked_queue
from importer.sandbox.workitems.directory import OPERATIONS
from importer.sandbox.workitems.references import user_id
from importer.sandbox.workitems.worktypes import CASE, COMPLAINT_TYPE, NORTH_INBOX, SERVICE_DESK
from tests.flow.conftest import watched
from tests.flow.desk import Desk, codes

LISTS = {each.name for each in OPERATIONS} - {"organization"} | {"worktype_query", "workbin_query", "schema_version"}


async def previewed(desk: Desk, **cells: str) -> PlanRow:
    """The plan's row of a file with one row."""
    cells = {"External ID": "E-1", "Name": "A case", "Worktype": "Case", **cells}
    text = "\n".join(",".join(f'"{each}"' for each in line) for line in (cells.keys(), cells.values()))
    (row,) = await desk.previews(text + "\n")
    return row


@pytest.mark.parametrize("name", ["Case", "case", "CASE", CASE.id, CASE.id.upper()])
async def test_names_are_found_whatever_their_case(desk: Desk, name: str) -> None:
    """A worktype is found by its name in any case, and by its ID in any case; the platform's ID is what is sent."""
    row = await previewed(desk, Worktype=name)
    assert row.verdict is Verdict.READY
    assert (row.payload or {})["typeId"] == CASE.id


async def test_names_of_all_kinds_become_ids(desk: Desk) -> None:
    """Queue, workbin, skills, language and assignee are sent as IDs, and the sandbox takes them."""
    row = await previewed(
        desk, Queue="general inquiry", Workbin="service desk", Skills="invoices; Escalation",
        Language="english", Assignee="USER1@example.com",
    )  # fmt: skip
    assert row.findings == () or codes(row) <= {"Q520"}
    payload = row.payload or {}
    assert payload["queueId"] == queue_id("General Inquiry")
    assert payload["workbinId"] == SERVICE_DESK.id
    assert payload["assigneeId"] == user_id("user1@example.com")
    assert len(payload["skillIds"]) == 2
    run = desk.plans(["E-1"], [payload])
    await desk.carries_on(run)
    assert desk.outcomes(run) == {"created": 1}


@pytest.mark.parametrize(
    ("column", "text", "suggestion"),
    [("Worktype", "Cases", "Case"), ("Workbin", "Service Dsk", "Service Desk"), ("Queue", "General Inquirry", "General Inquiry")],
)  # fmt: skip
async def test_names_that_do_not_exist_are_told_with_suggestions(
    desk: Desk, column: str, text: str, suggestion: str
) -> None:
    """A name that does not exist is an error of its row, and what it resembles is suggested from the target's own list."""
    row = await previewed(desk, **{column: text})
    assert row.verdict is Verdict.INVALID
    (problem,) = [each for each in row.findings if each.code in ("Q511", "Q501")]
    assert f"Did you mean “{suggestion}”" in problem.message


async def test_names_of_a_skill_out_of_use_are_told(desk: Desk) -> None:
    """A skill that is inactive is not sent."""
    row = await previewed(desk, Skills="fax handling")
    assert row.verdict is Verdict.INVALID
    assert codes(row) == {"Q513"}


async def test_names_of_two_alike_are_told(desk: Desk) -> None:
    """Two queues whose names differ in case alone cannot be told apart; an ID can."""
    desk.sandbox.service.put_queue(checked_queue({"name": "general inquiry"}))
    row = await previewed(desk, Queue="General Inquiry")
    assert row.verdict is Verdict.INVALID
    assert "Q506" in codes(row)
    row = await previewed(desk, Queue=queue_id("General Inquiry"))
    assert row.verdict is Verdict.READY


@pytest.mark.parametrize(
    ("email", "found"),
    [("nobody@example.com", {"Q511"}), ("user10@example.com", {"Q513"})],
)
async def test_names_of_people_that_are_not_there_are_told(desk: Desk, email: str, found: set[str]) -> None:
    """Somebody who does not exist, or is not active, is an error of the row."""
    row = await previewed(desk, Assignee=email)
    assert row.verdict is Verdict.INVALID
    assert codes(row) == found


async def test_names_are_listed_once_a_run(desk: Desk) -> None:
    """200 rows that name everything page each list once, ask for each person once, and nothing more."""
    head = "External ID,Name,Worktype,Workbin,Queue,Skills,Language,Assignee\n"
    lines = [
        f"E-{n},A case,Case,Service Desk,General Inquiry,Invoices,English,user{1 + n % 3}@example.com"
        for n in range(200)
    ]
    with watched(desk) as calls:
        rows = await desk.previews(head + "\n".join(lines))
    assert {row.verdict for row in rows} == {Verdict.READY}
    listed = {name: number for name, number in calls.items() if number and name in LISTS}
    assert listed == {
        "worktype_query": 1, "workbin_query": 1, "schema_version": 1, "queue_list": 1, "skills": 1, "languages": 1,
        "users_search": 3,
    }  # fmt: skip


async def test_names_are_paged_to_the_end(desk: Desk) -> None:
    """A queue on the third page of the list is found."""
    for n in range(250):
        desk.sandbox.service.put_queue(checked_queue({"name": f"Queue {n:03}"}))
    row = await previewed(desk, Queue="queue 249")
    assert row.verdict is Verdict.READY
    assert len(desk.visits("queue_list")) == 3


async def test_names_that_may_not_be_listed_stop_the_preview(desk: Desk) -> None:
    """A list that the client may not see ends the preview with the permission that it needs."""
    desk.is_set(denied_permissions=["routing:skill:view"])
    with pytest.raises(Forbidden, match="routing:skill:view"):
        await previewed(desk, Skills="Invoices")


async def test_names_that_the_target_refuses_to_list_stop_the_preview(desk: Desk) -> None:
    """A query of worktypes that is refused is told as trouble of the target, in words."""
    body = {"status": 400, "code": "invalid.query.missing.filters", "message": "Missing filters."}
    desk.goes_wrong("worktype_query", "status:400", body=json.dumps(body))
    with pytest.raises(TargetDown, match="worktype"):
        await previewed(desk)


@pytest.mark.parametrize("column", ["Queue", "Workbin"])
async def test_divisions_that_differ_are_told_before_anything_is_sent(desk: Desk, column: str) -> None:
    """A queue or workbin of another division than the worktype's is an error of the row."""
    row = await previewed(desk, **{column: {"Queue": "Claims", "Workbin": NORTH_INBOX.name}[column]})
    assert row.verdict is Verdict.INVALID
    assert "Q514" in codes(row)
    assert desk.visits("workitem_create") == []


# Dates


def ahead(desk: Desk, **span: int) -> str:
    """A time so far from now, as people write it."""
    return (desk.clock.now() + timedelta(**span)).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("column", "span", "verdict", "found"),
    [
        ("Due", {"days": 364}, Verdict.READY, set()),
        ("Due", {"days": 365, "minutes": 2}, Verdict.INVALID, {"Q515"}),
        ("Expires", {"days": 365, "minutes": 2}, Verdict.INVALID, {"Q515"}),
        ("Expires", {"minutes": 58}, Verdict.INVALID, {"Q516"}),
        ("Expires", {"minutes": 62}, Verdict.READY, set()),
        ("Due", {"minutes": -5}, Verdict.READY, {"Q517"}),
    ],
)
async def test_dates_are_judged_by_now(
    desk: Desk, column: str, span: dict[str, int], verdict: Verdict, found: set[str]
) -> None:
    """Due and expiry are at most 365 days ahead, the expiry an hour at least."""
    row = await previewed(desk, **{column: ahead(desk, **span)})
    assert row.verdict is verdict
    assert codes(row) - {"Q520"} == found


async def test_dates_reach_the_platform_as_they_were_meant(desk: Desk) -> None:
    """A due date and an expiry arrive at the minute that was written."""
    due, expires = ahead(desk, days=3), ahead(desk, days=5)
    row = await previewed(desk, Due=due, Expires=expires)
    run = desk.plans(["E-1"], [row.payload or {}])
    await desk.carries_on(run)
    (told,) = desk.sandbox.journal()["tasks"]
    shown = [told["task"][key][:16].replace("T", " ") for key in ("dateDue", "dateExpires")]
    assert shown == [due, expires]
    assert datetime.fromisoformat(told["task"]["dateDue"])


# Custom fields

FIELDS = [
    ("Subject", "x" * 100, "subject_text", "x" * 100), ("Subject", "x" * 101, "V351", None),
    ("Story", "x" * 1000, "story_longtext", "x" * 1000), ("Story", "x" * 1001, "V351", None),
    ("Page", "https://example.com/a", "page_url", "https://example.com/a"), ("Page", "not a page", "V353", None),
    ("Order", "A-1", "order_identifier", "A-1"), ("Order", "x" * 31, "V351", None),
    ("Severity", "high", "severity_enum", "High"), ("Severity", "Hgh", "V352", None),
    ("Seen on", "2026-11-30", "seen_date", "2026-11-30"), ("Seen on", "soon", "V3", None),
    ("Call back at", "2026-11-30 08:15", "call_back_datetime", "2026-11-30T08:15:00.000Z"),
    ("Items", "1000", "items_integer", 1000), ("Items", "1001", "V357", None), ("Items", "1.5", "V355", None),
    ("Amount", "12.5", "amount_number", 12.5), ("Amount", "-1", "V357", None), ("Amount", "12,5", "V356", None),
    ("Urgent", "yes", "urgent_checkbox", True), ("Urgent", "no", "urgent_checkbox", False), ("Urgent", "maybe", "V358", None),
    ("Labels", "a; b;a", "labels_tag", ["a", "b"]), ("Labels", "a;b;c;d;e;f", "V359", None), ("Labels", "x" * 21, "V351", None),
]  # fmt: skip
"""Heading, cell, and the key with its value as it is sent, or the code that is told."""


@pytest.mark.parametrize(
    ("heading", "cell", "told", "value"), FIELDS, ids=[f"{n}-{each[0]}" for n, each in enumerate(FIELDS)]
)
async def test_custom_fields_are_judged_by_their_type(
    desk: Desk, heading: str, cell: str, told: str, value: object
) -> None:
    """A custom field is sent as a value of its type that the platform takes, or its problem is told."""
    row = await previewed(desk, Worktype="Complaint", **{heading: cell})
    if value is None:
        assert row.verdict is Verdict.INVALID
        assert any(code.startswith(told) for code in codes(row))
        return
    payload = row.payload or {}
    assert payload["customFields"] == {told: value}
    run = desk.plans(["E-1"], [payload])
    await desk.carries_on(run)
    assert desk.outcomes(run) == {"created": 1}
    (made,) = desk.sandbox.journal()["tasks"]
    assert made["task"]["customFields"] == {told: value}


async def test_custom_fields_of_another_worktype_are_told(desk: Desk) -> None:
    """A worktype without a schema has no custom field."""
    row = await previewed(desk, Worktype="Case", Severity="High")
    assert row.verdict is Verdict.INVALID
    assert "Q518" in codes(row)


async def test_worktype_of_a_workitem_is_the_schema_that_counts(desk: Desk) -> None:
    """The version of the schema is the worktype's: `Medium` came with its second one."""
    row = await previewed(desk, Worktype="Complaint", Severity="Medium")
    assert row.verdict is Verdict.READY
    assert (row.payload or {})["typeId"] == COMPLAINT_TYPE.id


async def test_names_are_read_anew_after_ten_minutes(desk: Desk) -> None:
    """An endpoint that answers for days sees what was made meanwhile: lists are kept for ten minutes, not for ever."""

    def lists() -> int:
        return sum(visit.operation in LISTS for visit in desk.sandbox.service.visits)

    await previewed(desk)
    first = lists()
    await previewed(desk, **{"External ID": "E-2"})
    assert lists() == first
    desk.clock.hand.advance(600.0)
    await previewed(desk, **{"External ID": "E-3"})
    assert lists() == 2 * first


async def test_names_of_a_list_that_may_not_be_read_are_told_as_forbidden(desk: Desk) -> None:
    """A refused list without a documented permission is no trouble that passes: it is told, and drop-downs go without it."""
    desk.goes_wrong("languages", "status:403")
    with pytest.raises(Forbidden, match="403"):
        await previewed(desk, Language="English")
    assert "language" not in await desk.items.directory.choices()
