"""Audits: what is listed, asked, found, and how results are fetched."""

from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import ClientSession

from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import Scenario
from importer.sandbox.workitems.services import Services
from importer.sandbox.workitems.worktypes import worktype_id
from tests.sandbox.conftest import UNLIMITED, Caller
from tests.sandbox.workitems.conftest import WORKITEMS, made

AUDITS = "/api/v2/audits/query"
NOBODY = "00000000-0000-4000-8000-000000000000"
AUDITED = Scenario(limit=UNLIMITED, services=Services(workitem_audits=True))
DAY_S = 86_400
audited = pytest.mark.parametrize("scenario", [AUDITED])


def interval(clock: HandClock, before_s: float = 3600, after_s: float = 3600) -> str:
    """An interval around now."""
    return "/".join(moment(clock.now() + shift) for shift in (-before_s, after_s))


def moment(at: float) -> str:
    """A time as the platform writes it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def about(**filters: str) -> list[dict[str, str]]:
    """Filters, one for each property."""
    return [{"property": name, "value": value} for name, value in filters.items()]


async def asked(caller: Caller, clock: HandClock, **body: Any) -> str:
    """The ID of a query that is done."""
    question = {"interval": interval(clock), "serviceName": "TaskManagement", **body}
    status, query = await caller.call("POST", AUDITS, json=question)
    assert status == 202
    clock.advance(10)
    return str(query["id"])


async def found(caller: Caller, clock: HandClock, **body: Any) -> list[dict[str, Any]]:
    """All entries of a query."""
    path = f"{AUDITS}/{await asked(caller, clock, **body)}/results"
    _, page = await caller.call("GET", path, params={"pageSize": "500", "allowRedirect": "false"})
    assert "cursor" not in page
    return list(page["entities"])


async def realtime(caller: Caller, clock: HandClock, **body: Any) -> tuple[int, Any]:
    """A realtime query."""
    question = {"interval": interval(clock), **body}
    return await caller.call("POST", f"{AUDITS}/realtime", json=question)


async def mapped(caller: Caller, path: str) -> set[str]:
    """The entity types that a mapping lists for the service of workitems."""
    _, mapping = await caller.call("GET", f"{AUDITS}/{path}")
    return {one["name"] for each in mapping["services"] if each["name"] == "TaskManagement" for one in each["entities"]}


# What is audited


@pytest.mark.parametrize("path", ["servicemapping", "realtime/servicemapping"])
async def test_mapping_lists_no_workitems_unless_told(caller: Caller, path: str) -> None:
    """Both mappings list the four known entity types alone."""
    assert await mapped(caller, path) == {"Workbin", "Worktype", "BulkJob", "Schema"}


@pytest.mark.parametrize("path", ["servicemapping", "realtime/servicemapping"])
@pytest.mark.parametrize(
    "scenario", [Scenario(limit=UNLIMITED, services=Services(workitem_audits=True, workitem_entity="WorkItem"))]
)
async def test_mapping_can_list_workitems(caller: Caller, path: str) -> None:
    """Where workitems are audited, both mappings list them under the name that is set."""
    assert "WorkItem" in await mapped(caller, path)


async def test_workitems_have_no_entries_unless_told(caller: Caller, clock: HandClock) -> None:
    """Where workitems are not audited, a query about one finds nothing."""
    workitem = await made(caller)
    clock.advance(100)
    assert await found(caller, clock, filters=about(EntityType="Workitem", EntityId=workitem["id"])) == []


@audited
async def test_each_version_of_a_workitem_has_an_entry(caller: Caller, clock: HandClock) -> None:
    """A workitem has an entry for its creation and for each change: as many as its history has versions."""
    workitem = await made(caller)
    clock.advance(100)
    entries = await found(caller, clock, filters=about(EntityType="Workitem", EntityId=workitem["id"]))
    _, history = await caller.call("GET", f"{WORKITEMS}/{workitem['id']}/history", params={"pageSize": "200"})
    assert len(entries) == len(history["entities"]) > 1
    assert [entry["action"] for entry in entries] == ["Create"] + ["Update"] * (len(entries) - 1)


@audited
async def test_entry_of_a_creation_names_the_client(caller: Caller, clock: HandClock) -> None:
    """A filter on our client finds one entry for each workitem that it created, and nobody else's changes."""
    workitems = [await made(caller) for _ in range(3)]
    clock.advance(100)
    entries = await found(caller, clock, filters=about(ClientId=caller.sandbox.client_id))
    assert [entry["entity"]["id"] for entry in entries] == [each["id"] for each in workitems]
    assert {entry["client"]["id"] for entry in entries} == {caller.sandbox.client_id}


@audited
async def test_entry_tells_what_changed(caller: Caller, clock: HandClock) -> None:
    """An entry lists each changed property with its values before and after."""
    workitem = await made(caller)
    clock.advance(100)
    filters = about(EntityType="Workitem", EntityId=workitem["id"], Action="Update")
    changes = [change for entry in await found(caller, clock, filters=filters) for change in entry["propertyChanges"]]
    states = [(each["oldValues"], each["newValues"]) for each in changes if each["property"] == "assignmentState"]
    assert states[0] == (["Idle"], ["AcdStarted"])
    assert states[-1][1] == ["Terminated"]


@audited
async def test_user_filter_finds_the_changes_of_a_person(caller: Caller, clock: HandClock) -> None:
    """A filter on a user finds what that user did alone."""
    await made(caller)
    clock.advance(100)
    users = {entry["user"]["id"] for entry in await found(caller, clock) if "user" in entry}
    user = sorted(users)[0]
    theirs = await found(caller, clock, filters=about(UserId=user))
    assert {entry["user"]["id"] for entry in theirs} == {user}


@audited
async def test_entry_is_not_found_before_its_lag(caller: Caller, clock: HandClock) -> None:
    """An entry can be found only so long after its event as is set."""
    caller.sandbox.change(services={"audit_lag_s": 60})
    await made(caller)
    clock.advance(59)
    _, early = await realtime(caller, clock, filters=about(Action="Create"))
    clock.advance(1)
    _, late = await realtime(caller, clock, filters=about(Action="Create"))
    assert (early["total"], late["total"]) == (0, 1)


async def bulk(caller: Caller, count: int) -> str:
    """The ID of a bulk job that has been set to run."""
    entity = {"name": "Something to do", "typeId": worktype_id("Case")}
    _, job = await caller.call("POST", f"{WORKITEMS}/bulk/add/jobs", json={"entities": [entity] * count})
    await caller.call("PATCH", f"{WORKITEMS}/bulk/add/jobs/{job['id']}", json={"state": "Queued"})
    return str(job["id"])


async def test_bulk_job_has_entries(caller: Caller, clock: HandClock) -> None:
    """A bulk job is audited, whether workitems are or not: it was made, and it was set to run."""
    job = await bulk(caller, 2)
    clock.advance(100)
    entries = await found(caller, clock, filters=about(EntityType="BulkJob", EntityId=job))
    assert [entry["action"] for entry in entries] == ["Create", "Update"]


@audited
async def test_creations_of_a_bulk_job_are_related(caller: Caller, clock: HandClock) -> None:
    """The run of a job and the creations of its workitems are one action."""
    job = await bulk(caller, 2)
    clock.advance(100)
    filters = about(EntityType="BulkJob", EntityId=job, Action="Update")
    entry = (await found(caller, clock, filters=filters))[0]
    _, related = await caller.call("POST", f"{AUDITS}/realtime/related", json={"auditId": entry["id"]})
    assert sorted(each["entityType"] for each in related["entities"]) == ["BulkJob", "Workitem", "Workitem"]


# Asking


async def test_query_is_queued_runs_and_succeeds(caller: Caller, clock: HandClock) -> None:
    """A query is 202 while it is queued and running, then 200; its results come with the success."""
    caller.sandbox.change(services={"audit_queued_s": 1, "audit_running_s": 2})
    question = {"interval": interval(clock), "serviceName": "TaskManagement"}
    status, query = await caller.call("POST", AUDITS, json=question)
    assert (status, query["state"], query["interval"]) == (202, "Queued", question["interval"])
    told = []
    for _ in range(3):
        clock.advance(1)
        status, query = await caller.call("GET", f"{AUDITS}/{query['id']}")
        results = await caller.call("GET", f"{AUDITS}/{query['id']}/results")
        told.append((status, query["state"], results[0]))
    assert told == [(202, "Running", 400), (202, "Running", 400), (200, "Succeeded", 200)]


@pytest.mark.parametrize("scenario", [Scenario(limit=UNLIMITED, services=Services(audit_failing=True))])
async def test_query_can_fail(caller: Caller, clock: HandClock) -> None:
    """A query can end as failed."""
    assert (await caller.call("GET", f"{AUDITS}/{await asked(caller, clock)}"))[1]["state"] == "Failed"


async def test_unknown_query_is_not_found(caller: Caller) -> None:
    """A query that nobody asked is a 404, and so are its results."""
    assert (await caller.call("GET", f"{AUDITS}/{NOBODY}"))[0] == 404
    assert (await caller.call("GET", f"{AUDITS}/{NOBODY}/results"))[0] == 404


@pytest.mark.parametrize("path", ["", "/realtime"])
@pytest.mark.parametrize(
    "change",
    [
        {"interval": None},
        {"interval": "yesterday"},
        {"interval": "2026-11-01T00:00:00Z/2026-12-02T00:00:00Z"},
        {"interval": "2026-11-02T00:00:00Z/2026-11-01T00:00:00Z"},
        {"interval": "2020-11-01T00:00:00Z/2020-11-02T00:00:00Z"},
        {"serviceName": "Unheard"},
        {"filters": about(EntityId=NOBODY)},
        {"filters": about(Colour="red")},
    ],
)
async def test_query_that_breaks_a_rule_is_refused(
    caller: Caller, clock: HandClock, path: str, change: dict[str, Any]
) -> None:
    """The interval is required, of at most 30 days, within a year; EntityId demands EntityType; names must be known."""
    question = {"interval": interval(clock), **change}
    body = {name: value for name, value in question.items() if value is not None}
    assert (await caller.call("POST", AUDITS + path, json=body))[0] == 400


async def test_interval_of_thirty_days_is_taken(caller: Caller, clock: HandClock) -> None:
    """Thirty days are not too many."""
    question = {"interval": interval(clock, 30 * DAY_S, 0)}
    assert (await caller.call("POST", AUDITS, json=question))[0] == 202


# Results


@audited
async def test_cursor_leads_through_all_results(caller: Caller, clock: HandClock) -> None:
    """Pages follow each other by cursor without a gap; the last one has none."""
    await made(caller)
    clock.advance(100)
    everything = [entry["id"] for entry in await found(caller, clock)]
    path, gathered, query = f"{AUDITS}/{await asked(caller, clock)}/results", list[str](), {"pageSize": "2"}
    for _ in range(0, len(everything), 2):
        _, page = await caller.call("GET", path, params=query)
        gathered += [entry["id"] for entry in page["entities"]]
        query = {"pageSize": "2", "cursor": page.get("cursor", "")}
    assert (gathered, query["cursor"]) == (everything, "")


async def test_cursor_of_another_query_is_refused(caller: Caller, clock: HandClock) -> None:
    """A cursor that this query did not give is a 400."""
    path = f"{AUDITS}/{await asked(caller, clock)}/results"
    assert (await caller.call("GET", path, params={"cursor": "abc"}))[0] == 400


async def test_page_of_results_has_at_most_500(caller: Caller, clock: HandClock) -> None:
    """A page of more than 500 is a 400."""
    path = f"{AUDITS}/{await asked(caller, clock)}/results"
    assert (await caller.call("GET", path, params={"pageSize": "501"}))[0] == 400


@audited
async def test_results_can_be_sorted_backwards(caller: Caller, clock: HandClock) -> None:
    """Sorting by time, descending, gives the newest entry first."""
    await made(caller)
    clock.advance(100)
    sort = [{"name": "Timestamp", "sortOrder": "descending"}]
    dates = [entry["eventDate"] for entry in await found(caller, clock, sort=sort)]
    assert dates == sorted(dates, reverse=True)
    assert len(set(dates)) > 1


async def large(caller: Caller, clock: HandClock) -> str:
    """The address of results that are large: more than 2 entries a page."""
    caller.sandbox.change(services={"audit_large": 2})
    for _ in range(3):
        await made(caller)
    clock.advance(100)
    return f"{AUDITS}/{await asked(caller, clock, filters=about(Action='Create'))}/results"


@audited
async def test_large_results_are_a_redirect_to_a_download(caller: Caller, clock: HandClock) -> None:
    """A large page is a 302 whose body names a download at another host, which holds the entries."""
    response = await caller.send("GET", await large(caller, clock))
    url = (await response.json())["downloadUrl"]
    assert response.status == 302
    assert not url.startswith(caller.sandbox.api_url)
    async with ClientSession() as session, session.get(url) as download:
        assert download.status == 200
        assert len((await download.json())["entities"]) == 3


@audited
async def test_download_refuses_authorization(caller: Caller, clock: HandClock) -> None:
    """A download that is asked with the token is a 400: its address is all it needs."""
    url = (await (await caller.send("GET", await large(caller, clock))).json())["downloadUrl"]
    async with ClientSession() as session, session.get(url, headers=caller.headers) as download:
        assert download.status == 400


@audited
async def test_redirect_can_be_declined(caller: Caller, clock: HandClock) -> None:
    """With `allowRedirect=false`, a large page is answered as it is."""
    status, page = await caller.call("GET", await large(caller, clock), params={"allowRedirect": "false"})
    assert (status, len(page["entities"])) == (200, 3)


@audited
async def test_large_page_can_be_refused(caller: Caller, clock: HandClock) -> None:
    """Where it is set so, a large page without redirect is a 400, and a smaller page helps."""
    path = await large(caller, clock)
    caller.sandbox.change(services={"audit_large_refused": True})
    status, error = await caller.call("GET", path, params={"allowRedirect": "false"})
    assert (status, error["code"]) == (400, "response.entity.too.large")
    assert (await caller.call("GET", path, params={"allowRedirect": "false", "pageSize": "2"}))[0] == 200


# Realtime


@audited
async def test_realtime_query_answers_at_once_in_pages(caller: Caller, clock: HandClock) -> None:
    """A realtime query gives numbered pages and a total at once."""
    for _ in range(3):
        await made(caller)
    clock.advance(100)
    status, page = await realtime(caller, clock, filters=about(Action="Create"), pageSize=2, pageNumber=2)
    assert (status, len(page["entities"]), page["total"], page["pageCount"]) == (200, 1, 3, 2)


@audited
async def test_realtime_query_reaches_back_14_days(caller: Caller, clock: HandClock) -> None:
    """Entries older than 14 days are not found in realtime, though an asynchronous query finds them."""
    await made(caller)
    clock.advance(15 * DAY_S)
    await caller.log_in()
    days = {"interval": interval(clock, 20 * DAY_S, 0), "filters": about(Action="Create")}
    assert (await realtime(caller, clock, **days))[1]["total"] == 0
    assert len(await found(caller, clock, **days)) == 1


@pytest.mark.parametrize("scenario", [Scenario(limit=UNLIMITED, services=Services(audit_realtime_s=10))])
async def test_too_many_realtime_queries_are_told_to_wait(caller: Caller, clock: HandClock) -> None:
    """More than three in flight are a 429, which is true to its word."""
    assert [(await realtime(caller, clock))[0] for _ in range(4)] == [200, 200, 200, 429]
    clock.advance(10)
    assert (await realtime(caller, clock))[0] == 200


@pytest.mark.parametrize("scenario", [Scenario(limit=UNLIMITED, services=Services(audit_realtime_days=2))])
async def test_realtime_query_can_time_out(caller: Caller, clock: HandClock) -> None:
    """A realtime query over many days is a 504 where it is set so."""
    assert (await realtime(caller, clock, interval=interval(clock, 3 * DAY_S, 0)))[0] == 504


@audited
async def test_related_entries_are_those_of_the_same_action(caller: Caller, clock: HandClock) -> None:
    """The entries of the action to which one belongs are that one itself for a single creation."""
    await made(caller)
    clock.advance(100)
    entry = (await found(caller, clock, filters=about(Action="Create")))[0]
    _, related = await caller.call("POST", f"{AUDITS}/realtime/related", json={"auditId": entry["id"]})
    assert [each["id"] for each in related["entities"]] == [entry["id"]]
    assert (await caller.call("POST", f"{AUDITS}/realtime/related", json={"auditId": NOBODY}))[0] == 404
