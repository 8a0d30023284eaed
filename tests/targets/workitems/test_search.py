"""Looking workitems up by their tags: many a call, by a job, or one by one, and never a list that is not whole."""

import json
from typing import Any

import pytest
from aiohttp import web

from importer.core.errors import Unavailable
from importer.core.outcomes import Outcome
from importer.core.verdicts import Verdict
from importer.sandbox.workitems.worktypes import CASE
from importer.targets.workitems.target import WorkitemsTarget
from tests.flow.conftest import ids, watched
from tests.flow.desk import Desk, codes
from tests.targets.conftest import Stands

HEAD = "External ID,Name,Worktype\n"


def rows_of(tags: list[str]) -> str:
    """A file with these rows."""
    return HEAD + "".join(f"{tag},Case {tag},Case\n" for tag in tags)


async def creates(desk: Desk, tags: list[str], *bodies: dict[str, Any]) -> None:
    """Workitems that this ledger knows nothing of, indexed by now."""
    await desk.carries_on(desk.plans(tags, bodies))
    desk.ledger.close()
    desk.ledger_is_lost()
    desk.clock.hand.advance(60.0)
    await desk.starts_again()


async def test_search_finds_many_tags_a_call(desk: Desk) -> None:
    """A preview of 200 rows of which 120 exist asks four times, and knows which exist."""
    await creates(desk, ids(120))
    with watched(desk) as calls:
        rows = await desk.previews(rows_of(ids(200)))
    assert [row.verdict for row in rows] == [Verdict.EXISTING] * 120 + [Verdict.READY] * 80
    assert calls["workitem_query"] == 4
    assert calls["query_job_create"] == 0


@pytest.mark.parametrize("most", [1, 7, 30])
async def test_search_finds_out_how_many_tags_a_call_may_have(desk: Desk, most: int) -> None:
    """Where IN takes fewer values, fewer are asked for, from then on; all that exist are found."""
    await creates(desk, ids(60))
    desk.is_set(in_values_max=most)
    rows = await desk.previews(rows_of(ids(100)))
    assert [row.verdict for row in rows] == [Verdict.EXISTING] * 60 + [Verdict.READY] * 40
    refused = sum(status == 400 for _, status in desk.said("workitem_query"))
    assert 1 <= refused <= 6


async def test_search_lists_a_worktype_by_a_job_where_in_is_refused(desk: Desk) -> None:
    """Without IN one query job tells a preview of 200 rows which of them exist."""
    await creates(desk, ids(120))
    desk.is_set(in_external_tag=False)
    with watched(desk) as calls:
        rows = await desk.previews(rows_of(ids(200)))
    assert [row.verdict for row in rows] == [Verdict.EXISTING] * 120 + [Verdict.READY] * 80
    assert calls["query_job_create"] == 1
    assert calls["workitem_query"] == 1


async def test_search_reads_all_pages_of_a_job(desk: Desk) -> None:
    """A worktype with more workitems than a page of a job holds is listed whole."""
    desk.bulk = True
    await creates(desk, ids(450))
    desk.is_set(in_external_tag=False)
    rows = await desk.previews(rows_of(ids(460)))
    assert [row.verdict for row in rows] == [Verdict.EXISTING] * 450 + [Verdict.READY] * 10
    assert len(desk.visits("query_job_create")) == 3


@pytest.mark.parametrize(
    "denied", ["workitems:queryJob:add", "workitems:queryJob:view", "workitems:queryJobResults:view"]
)
async def test_search_asks_one_by_one_where_nothing_else_works(desk: Desk, denied: str) -> None:
    """Without IN and without jobs each row is asked for, and all that exist are found."""
    await creates(desk, ids(5))
    desk.is_set(in_external_tag=False, denied_permissions=[denied])
    rows = await desk.previews(rows_of(ids(12)))
    assert [row.verdict for row in rows] == [Verdict.EXISTING] * 5 + [Verdict.READY] * 7
    assert sum(status == 200 for _, status in desk.said("workitem_query")) == 12


async def test_search_rests_no_resend_on_a_list(desk: Desk) -> None:
    """Where IN is refused, what is in doubt is looked up anew row by row, though a list of the worktype is at hand."""
    desk.is_set(in_external_tag=False)
    rows = await desk.previews(rows_of(ids(8)))
    assert {row.verdict for row in rows} == {Verdict.READY}
    jobs = len(desk.visits("query_job_create"))
    assert jobs == 1
    desk.goes_wrong("workitem_create", "reset_after", times=8)
    run = desk.plans(ids(8))
    await desk.carries_on(run)
    assert desk.outcomes(run) == {"created": 8}
    assert desk.made() == dict.fromkeys(ids(8), 1)
    assert len(desk.visits("query_job_create")) == jobs


@pytest.mark.parametrize("settings", [{"empty_pages": 3}, {"page_fill": 0.1}, {"empty_pages": 2, "page_fill": 0.05}])
async def test_search_follows_the_cursor_to_the_end(desk: Desk, settings: dict[str, Any]) -> None:
    """Empty pages and pages that are not full are followed by their cursor: no workitem is missed."""
    await creates(desk, ids(50))
    desk.is_set(**settings)
    rows = await desk.previews(rows_of(ids(50)))
    assert {row.verdict for row in rows} == {Verdict.EXISTING}


async def test_search_tells_two_workitems_of_one_tag(desk: Desk) -> None:
    """A tag that two workitems have is told as a conflict, and nothing is sent."""
    for _ in range(2):
        await creates(desk, ["E-1"])
    (row,) = await desk.previews(rows_of(["E-1"]))
    assert row.verdict is Verdict.EXISTING
    assert "D406" in codes(row)
    assert desk.made() == {"E-1": 2}


@pytest.mark.parametrize("blind", [False, True])
async def test_search_takes_no_other_case_for_a_hit(desk: Desk, *, blind: bool) -> None:
    """A workitem whose tag differs in case is another one, also where the platform finds it."""
    await creates(desk, ["e-1"])
    desk.is_set(tag_case_sensitive=not blind)
    (row,) = await desk.previews(rows_of(["E-1"]))
    assert row.verdict is Verdict.READY


async def test_search_looks_in_the_row_s_own_worktype(desk: Desk) -> None:
    """A workitem of another worktype with the same tag is not this row's."""
    await creates(desk, ["E-1"])
    rows = await desk.previews("External ID,Name,Worktype\nE-1,Case E-1,Callback\n")
    assert rows[0].verdict is Verdict.READY


async def test_search_asks_with_three_filters_at_most(desk: Desk) -> None:
    """Each query has an EQ filter on the worktype and at most three filters; the sandbox refuses none."""
    await creates(desk, ids(3))
    await desk.previews(rows_of(ids(3)))
    assert {status for _, status in desk.said("workitem_query")} == {200}


# Answers that say nothing


async def test_search_stops_at_a_cursor_that_comes_again(stands: Stands) -> None:
    """A cursor that was there before is trouble, never the end of the list."""

    async def again(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return web.json_response({"entities": [], "after": "same"})

    async with stands(again) as stand:
        target = WorkitemsTarget(stand.exchange, stand.clock, "me")
        with pytest.raises(Unavailable):
            await target.find(["E-1"], CASE.id)
        assert len(stand.calls()) == 2


@pytest.mark.parametrize("item", [{"externalTag": "E-1"}, {"id": "W-1"}, {"id": 7, "externalTag": "E-1"}])
async def test_search_takes_no_hit_without_id_or_tag(stands: Stands, item: dict[str, Any]) -> None:
    """A hit that cannot be read is trouble: a resend must not rest on it."""

    async def odd(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return web.json_response({"entities": [item]})

    async with stands(odd) as stand:
        target = WorkitemsTarget(stand.exchange, stand.clock, "me")
        with pytest.raises(Unavailable):
            await target.find(["E-1"], CASE.id)


@pytest.mark.parametrize(
    "page", [{"after": 7, "entities": []}, {"entities": None}, {}, {"after": ["x"], "entities": []}]
)
async def test_search_takes_no_odd_page_for_the_end(stands: Stands, page: dict[str, Any]) -> None:
    """A page without entries, or with a cursor that is none, is trouble."""

    async def odd(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return web.json_response(page)

    async with stands(odd) as stand:
        target = WorkitemsTarget(stand.exchange, stand.clock, "me")
        with pytest.raises(Unavailable):
            await target.find(["E-1"], CASE.id)


@pytest.mark.parametrize("told", [{}, {"total": 450}, {"pageCount": 3}])
async def test_search_by_job_goes_on_while_pages_are_full(stands: Stands, told: dict[str, int]) -> None:
    """The list of a job ends at its number of pages or its total, or at a page that is not full: never at the first."""
    entities = [{"id": f"W-{n}", "externalTag": f"E-{n}"} for n in range(1, 451)]
    pages: dict[str, int] = {}

    async def jobs(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        path = request.path
        if path.endswith("/workitems/query"):
            refusal = {"status": 400, "code": "invalid.query.operator.and.type", "message": "no"}
            return web.json_response(refusal, status=400)
        if path.endswith("/jobs"):
            number = json.loads(body)["pageNumber"]
            pages[f"J-{number}"] = number
            return web.json_response({"id": f"J-{number}", "state": "Queued"}, status=202)
        if path.endswith("/results"):
            number = pages[path.split("/")[-2]]
            return web.json_response({"entities": entities[(number - 1) * 200 : number * 200], **told})
        return web.json_response({"id": "J", "state": "Succeeded"})

    async with stands(jobs) as stand:
        target = WorkitemsTarget(stand.exchange, stand.clock, "me")
        found = await target.find(ids(460), CASE.id, fresh=False)
        assert set(found) == set(ids(450))


# Calls


@pytest.mark.parametrize(
    ("bulk", "refused"),
    [(True, False), (False, True), *(pytest.param(both, both, marks=pytest.mark.nightly) for both in (False, True))],
)
async def test_calls_of_a_run_are_few(desk: Desk, *, bulk: bool, refused: bool) -> None:
    """200 rows cost at most 0.12 calls each to create in bulk, 0.03 to look up with IN, 1.3 to the end with history."""
    desk.bulk = bulk
    desk.is_set(in_external_tag=not refused)
    tags = ids(200)
    with watched(desk) as looked:
        rows = await desk.previews(rows_of(tags))
    with watched(desk) as sent:
        run = desk.plans(tags, [row.payload or {} for row in rows])
        await desk.carries_on(run)
    with watched(desk) as followed:
        await desk.carries_on(run, track="closed")
    assert {row.outcome for row in desk.rows(run)} == {Outcome.CREATED}
    assert looked.total() <= 0.03 * 200 + 6  # log-in and lists are the same for any number of rows
    assert sent.total() <= (0.12 if bulk else 1.0) * 200 + 2
    assert followed.total() <= 1.3 * 200
