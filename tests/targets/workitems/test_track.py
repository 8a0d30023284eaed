"""Following workitems: states, histories and audits, against what the sandbox's journal knows."""

import json
from itertools import pairwise
from typing import Any

import pytest

from importer.core.states import is_final, state_of
from tests.flow.conftest import ids, watched
from tests.flow.desk import Desk


def lives(desk: Desk) -> dict[str, list[str]]:
    """All states that each workitem was in, by ID, each told once in a row."""
    found = {}
    for told in desk.sandbox.journal()["tasks"]:
        states = [state_of(each["statusCategory"], each["state"]) for each in told["states"]]
        found[told["id"]] = [states[0], *(later for earlier, later in pairwise(states) if later != earlier)]
    return found


async def histories(desk: Desk, run: str) -> dict[str, list[str]]:
    """The states of each row's history, by its workitem's ID."""
    return {
        str(entry.task_id): [each.state for each in await desk.ledger.states(run, entry.position)]
        for entry in await desk.entries(run)
    }


@pytest.mark.parametrize("in_ids", [True, False])
async def test_track_misses_no_state(desk: Desk, *, in_ids: bool) -> None:
    """Followed to the end, each row has all states that its workitem was in, also those too fast for any poll."""
    if not in_ids:
        fault = {"code": "invalid.query.operator.and.type", "message": "no", "status": 400}
        desk.goes_wrong("workitem_query", "status:400", body=json.dumps(fault))
    run = desk.plans(ids(40))
    ending = await desk.carries_on(run, track="closed")
    assert ending.problem is None
    assert await histories(desk, run) == lives(desk)
    assert {entry.audits for entry in await desk.entries(run)} == {"done"}


async def test_track_asks_for_many_states_a_call(desk: Desk) -> None:
    """200 workitems are looked at by two queries, none is read alone."""
    run = desk.plans(ids(200))
    await desk.carries_on(run)
    desk.clock.hand.advance(60.0)
    with watched(desk) as calls:
        await desk.carries_on(run, track="created")
    assert calls["workitem_query"] == 2
    assert calls["workitem_get"] == 0


async def test_track_reads_workitems_one_by_one_where_no_list_is_taken(desk: Desk) -> None:
    """Where the platform takes no IN over IDs, each workitem is read, and none is missed."""
    run = desk.plans(ids(12))
    await desk.carries_on(run)
    desk.clock.hand.advance(60.0)
    fault = {"code": "invalid.query.operator.and.type", "message": "no", "status": 400}
    desk.goes_wrong("workitem_query", "status:400", body=json.dumps(fault))
    await desk.carries_on(run, track="created")
    assert len(desk.visits("workitem_get")) == 12
    assert all(is_final(row.state) for row in desk.rows(run))


async def test_track_looks_at_workitems_that_were_there_before(desk: Desk) -> None:
    """A row whose workitem existed before the run is looked at with the others."""
    first = desk.plans(["E-1"])
    await desk.carries_on(first)
    (task_id,) = desk.sandbox.world.workitems.workitems
    desk.clock.hand.advance(60.0)
    run = desk.plans(["E-2"], existing=[task_id])
    ending = await desk.carries_on(run, track="created")
    assert ending.problem is None
    assert desk.outcomes(run) == {"created": 1, "existing": 1}
    assert [is_final(row.state) for row in desk.rows(run) if row.task_id == task_id] == [True]


@pytest.mark.parametrize("closed", ["always", "never"])
async def test_track_ends_where_a_workitem_is_closed_or_terminated(desk: Desk, closed: str) -> None:
    """Closed ends the following, whether it terminates the workitem or not."""
    desk.is_set(life={"closed_terminates": closed})
    run = desk.plans(ids(5))
    ending = await desk.carries_on(run, track="closed")
    assert ending.problem is None
    states = {row.state for row in desk.rows(run)}
    assert {str(state).partition("/")[0] for state in states} == {"Closed"}
    assert any("Terminated" in str(state) for state in states) is (closed == "always")


async def test_track_stops_after_its_time(desk: Desk) -> None:
    """Workitems that nobody ends are followed for as long as was said; what was seen so far is kept."""
    desk.is_set(life={"stuck": 1.0})
    run = desk.plans(ids(3))
    ending = await desk.carries_on(run, track="closed", track_for_s=30.0)
    assert ending.problem is None
    assert all(row.state and not is_final(row.state) for row in desk.rows(run))


# Audits


async def test_audits_come_from_the_history_where_workitems_are_not_audited(desk: Desk) -> None:
    """Where the service mapping has no workitem, no audit is queried, and the count is that of the versions."""
    run = desk.plans(ids(3))
    await desk.carries_on(run, track="closed")
    assert desk.visits("audit_query") == []
    versions = {told["id"]: len(told["states"]) for told in desk.sandbox.journal()["tasks"]}
    assert {row.task_id: row.audit_count for row in desk.rows(run)} == versions


def audited(desk: Desk, **services: Any) -> None:
    """The organisation audits workitems."""
    desk.sandbox.change(services={"workitem_audits": True, **services})


@pytest.mark.parametrize("services", [{}, {"audit_large": 2}, {"audit_large": 30, "audit_large_refused": True}])
async def test_audits_are_one_query_for_a_run(desk: Desk, services: dict[str, Any]) -> None:
    """Where workitems are audited, one query gives the entries of all rows, whatever the platform says of large pages."""
    audited(desk, **services)
    run = desk.plans(ids(40))
    await desk.carries_on(run, track="closed")
    assert all("version" not in {each.action for each in row.audits} for row in desk.rows(run))
    assert all(row.audit_count for row in desk.rows(run))
    assert len(desk.visits("audit_query")) <= 4


@pytest.mark.parametrize("allowed", [True, False])
async def test_audits_given_elsewhere_are_fetched_without_a_token(desk: Desk, *, allowed: bool) -> None:
    """A download is called where its host is allowed, and gets no token; elsewhere the counts come from the histories."""
    desk.downloads_from = ("http://127.0.0.1:",) if allowed else ("https://files.example.com/",)
    audited(desk, audit_large=1, audit_large_refused=True)
    await desk.starts_again()
    run = desk.plans(ids(5))
    await desk.carries_on(run, track="closed")
    actions = {each.action for row in desk.rows(run) for each in row.audits}
    assert ("version" not in actions) == allowed
    assert all(row.audit_count for row in desk.rows(run))


@pytest.mark.parametrize("audit_lag_s", [0.0, 5.0, 15.0])
async def test_audits_that_come_late_leave_the_history(desk: Desk, audit_lag_s: float) -> None:
    """However late the entries are, no row is told as without any: its versions stand for them."""
    audited(desk, audit_lag_s=audit_lag_s)
    run = desk.plans(ids(3))
    await desk.carries_on(run, track="closed")
    assert all(row.audit_count for row in desk.rows(run))


async def test_audits_that_may_not_be_seen_leave_the_history(desk: Desk) -> None:
    """A client without the permission for audits still gets all states."""
    audited(desk)
    desk.is_set(denied_permissions=["audits:audit:view"])
    run = desk.plans(ids(3))
    ending = await desk.carries_on(run, track="closed")
    assert ending.problem is None
    assert await histories(desk, run) == lives(desk)


async def test_audits_that_fail_leave_the_history(desk: Desk) -> None:
    """A query that fails at the platform takes no state away."""
    audited(desk, audit_failing=True)
    run = desk.plans(ids(3))
    ending = await desk.carries_on(run, track="closed")
    assert ending.problem is None
    assert await histories(desk, run) == lives(desk)


async def test_track_asks_seldom_where_all_states_are_recorded(desk: Desk) -> None:
    """Workitems that live for minutes cost at most 1.3 calls each to their ends, history included, and no state is missed."""
    desk.bulk = True
    desk.is_set(life={"alerting": (10.0, 60.0), "connected": (5.0, 60.0), "disconnected": (30.0, 300.0)})
    run = desk.plans(ids(300))
    await desk.carries_on(run)
    with watched(desk) as calls:
        await desk.carries_on(run, track="closed")
    assert calls.total() <= 1.3 * 300
    assert await histories(desk, run) == lives(desk)
