"""Query jobs, from Queued to their page of results."""

from typing import Any

import pytest

from importer.sandbox.clock import HandClock
from importer.sandbox.life import seeded_id, timestamp
from importer.sandbox.server import Sandbox
from importer.sandbox.workitems.worktypes import CASE, COMPLAINT_TYPE
from tests.sandbox.conftest import Caller
from tests.sandbox.workitems.desk import QUERIES, code, made


def where(name: str, *values: str, operator: str = "EQ") -> dict[str, Any]:
    """A filter of a job, which has no type."""
    return {"name": name, "operator": operator, "values": list(values)}


async def begun(caller: Caller, *filters: dict[str, Any], **body: Any) -> str:
    """The ID of a job."""
    status, answer = await caller.call("POST", QUERIES, json={"filters": list(filters), **body})
    assert status == 200, answer
    return str(answer["id"])


async def results(caller: Caller, *filters: dict[str, Any], **body: Any) -> Any:
    """The page that a job gives when its time has passed."""
    job_id = await begun(caller, *filters, **body)
    caller.sandbox.clock.advance(1)
    status, answer = await caller.call("GET", f"{QUERIES}/{job_id}/results")
    assert status == 200, answer
    return answer


def tags(page: Any) -> list[str]:
    """The tags on a page."""
    return [each["externalTag"] for each in page["entities"]]


async def some(caller: Caller, clock: HandClock, number: int) -> None:
    """So many workitems, a second apart, that the index knows."""
    for n in range(number):
        await made(caller, f"E-{n}", priority=n)
        clock.advance(1)
    clock.advance(5)


async def test_query_job_runs_by_the_clock(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """Queued, Running and Succeeded follow each other; results before the end are a 409."""
    sandbox.change(workitems={"query_queued": [1, 1], "query_running": [2, 2]})
    job_id = await begun(caller, where("typeId", CASE.id))
    seen = []
    for _ in range(4):
        _, body = await caller.call("GET", f"{QUERIES}/{job_id}")
        status, _ = await caller.call("GET", f"{QUERIES}/{job_id}/results")
        seen.append((body["state"], status))
        clock.advance(1)
    assert seen == [("Queued", 409), ("Running", 409), ("Running", 409), ("Succeeded", 200)]


async def test_query_job_needs_no_mandatory_filter(caller: Caller, clock: HandClock) -> None:
    """A job may ask for tags alone, or for everything."""
    await some(caller, clock, 3)
    assert tags(await results(caller, where("externalTag", "E-2", "E-0", operator="IN"))) == ["E-0", "E-2"]
    assert tags(await results(caller)) == ["E-0", "E-1", "E-2"]


async def test_query_job_has_the_page_that_it_asked_for(caller: Caller, clock: HandClock) -> None:
    """Page number and size are set in the job; the answer tells the totals."""
    await some(caller, clock, 5)
    page = await results(caller, where("typeId", CASE.id), pageSize=2, pageNumber=3)
    assert tags(page) == ["E-4"]
    assert (page["total"], page["pageCount"], page["pageSize"], page["pageNumber"]) == (5, 3, 2, 3)


async def test_query_job_knows_an_interval_of_creation(caller: Caller, clock: HandClock) -> None:
    """Only workitems created within the interval are found."""
    start = clock.now()
    await some(caller, clock, 4)
    interval = {"dateIntervalStart": timestamp(start + 1), "dateIntervalEnd": timestamp(start + 2)}
    assert tags(await results(caller, **interval)) == ["E-1", "E-2"]


async def test_query_job_sees_what_the_index_knew_at_its_end(
    caller: Caller, sandbox: Sandbox, clock: HandClock
) -> None:
    """A workitem that the index does not know when the job ends is not found, however late the results are fetched."""
    sandbox.change(index_lag_s=30)
    await made(caller, "E-1")
    job_id = await begun(caller, where("typeId", CASE.id))
    clock.advance(60)
    _, page = await caller.call("GET", f"{QUERIES}/{job_id}/results")
    assert tags(page) == []
    assert tags(await results(caller, where("typeId", CASE.id))) == ["E-1"]


async def test_query_job_filters_custom_fields(caller: Caller, clock: HandClock) -> None:
    """Criteria over custom fields are joined by AND or OR."""
    for tag, severity, items in (("E-1", "High", 1), ("E-2", "Low", 2), ("E-3", "Low", 3)):
        await made(
            caller, tag, typeId=COMPLAINT_TYPE.id, customFields={"severity_enum": severity, "items_integer": items}
        )
    clock.advance(5)
    low = {"name": "severity_enum", "operator": "EQ", "values": ["Low"]}
    many = {"name": "items_integer", "operator": "GTE", "values": [3]}
    one = {"name": "items_integer", "operator": "EQ", "values": [1]}

    async def found(operator: str, *predicates: dict[str, Any]) -> list[str]:
        criteria = [{"operator": operator, "predicates": list(predicates)}]
        return tags(await results(caller, queryFilters=[{"name": "customFields", "criteria": criteria}]))

    assert await found("AND", low, many) == ["E-3"]
    assert await found("OR", many, one) == ["E-1", "E-3"]
    assert await found("AND", {"name": "severity_enum", "operator": "EXISTS"}) == ["E-1", "E-2", "E-3"]


async def test_query_job_identical_to_a_running_one_is_refused(caller: Caller, clock: HandClock) -> None:
    """The same query while it runs is a 409; when it has ended it can be asked again, and another one at once."""
    await begun(caller, where("typeId", CASE.id))
    again = caller.call("POST", QUERIES, json={"filters": [where("typeId", CASE.id)]})
    assert await code(again) == (409, "invalid.query.previous.job.still.running")
    assert await begun(caller, where("typeId", CASE.id), pageNumber=2)
    clock.advance(1)
    assert await begun(caller, where("typeId", CASE.id))


@pytest.mark.parametrize(
    ("limit", "whose"), [("query_jobs_per_user", "user"), ("query_jobs_per_organization", "organization")]
)
async def test_query_jobs_at_once_are_limited(caller: Caller, sandbox: Sandbox, limit: str, whose: str) -> None:
    """More jobs at once than a user, or the organisation, may have are a 400."""
    sandbox.change(workitems={limit: 1})
    await begun(caller, where("externalTag", "a"))
    answer = caller.call("POST", QUERIES, json={"filters": [where("externalTag", "b")]})
    assert await code(answer) == (400, f"workitem.concurrent.query.job.per.{whose}.limit.exceeded")


async def test_query_job_refuses_in_over_tags_where_told(caller: Caller, sandbox: Sandbox) -> None:
    """Where IN does not work with externalTag, it does not in a job either; jobs have no code of their own for it."""
    sandbox.change(workitems={"in_external_tag": False})
    answer = caller.call("POST", QUERIES, json={"filters": [where("externalTag", "a", operator="IN")]})
    assert await code(answer) == (400, "constraint.validation")


@pytest.mark.parametrize(
    ("job_id", "refusal"), [("nope", (400, "invalid.value")), (seeded_id("no"), (404, "not.found"))]
)
async def test_query_job_of_no_such_id(caller: Caller, job_id: str, refusal: tuple[int, str]) -> None:
    """An ID that is no UUID is a 400, an unknown one a 404."""
    assert await code(caller.call("GET", f"{QUERIES}/{job_id}")) == refusal


async def test_query_job_may_fail(caller: Caller, sandbox: Sandbox, clock: HandClock) -> None:
    """A job that fails tells the reason and has no results; it no longer counts as running."""
    sandbox.change(workitems={"query_jobs_fail": True, "query_jobs_per_user": 1})
    job_id = await begun(caller, where("typeId", CASE.id))
    clock.advance(1)
    _, body = await caller.call("GET", f"{QUERIES}/{job_id}")
    assert (body["state"], body["error"]["code"]) == ("Failed", "internal.server.error")
    assert (await caller.call("GET", f"{QUERIES}/{job_id}/results"))[0] == 409
    assert await begun(caller, where("typeId", CASE.id))
