"""The life of tasks and their audit entries."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from importer.sandbox.clock import HandClock
from importer.sandbox.life import FINAL, history, so_far, timestamp
from importer.sandbox.scenario import Life
from tests.sandbox.conftest import Caller

ORDER = ["new", "queued", "assigned", "accepted", "working", "wrapup", "closed"]
CREATED = 1_800_000_000.123


@given(st.integers(), st.uuids())
def test_life_never_leaves_the_contract(seed: int, task_id: object) -> None:
    """Every step goes forward, back from assigned to queued, or to cancelled, and the last state is final."""
    steps = history(seed, str(task_id), CREATED, Life(back=0.5, cancel=0.5, skip=0.5))
    for before, after in pairwise(steps):
        is_back = (before.state, after.state) == ("assigned", "queued")
        is_cancel = after.state == "cancelled" and before.state not in FINAL
        assert before.at <= after.at
        assert is_back or is_cancel or ORDER.index(before.state) < ORDER.index(after.state)
    assert steps[-1].state in FINAL


def test_life_depends_on_seed_and_task_alone() -> None:
    """The same seed and task give the same life, another seed another one."""
    lives = [history(seed, "t", CREATED, Life()) for seed in (1, 1, 2)]
    assert lives[0] == lives[1] != lives[2]


def test_life_closes_most_tasks_within_some_seconds() -> None:
    """In the default world tasks take about 2 to 4 seconds, few go back or are cancelled, none is stuck."""
    lives = [history(1, str(n), 0.0, Life()) for n in range(500)]
    ends = Counter(steps[-1].state for steps in lives)
    assert 5 <= ends["cancelled"] <= 30
    assert ends["closed"] + ends["cancelled"] == 500
    assert sum(1.5 <= steps[-1].at <= 4.5 for steps in lives) > 450
    assert 20 <= sum([step.state for step in steps].count("queued") == 2 for steps in lives) <= 70


def test_life_knows_odd_and_stuck_tasks() -> None:
    """A share of 1 makes every task pass through an unknown state, or never end."""
    assert "on-hold" in [step.state for step in history(1, "t", 0.0, Life(odd=1, cancel=0))]
    assert history(1, "t", 0.0, Life(stuck=1))[-1].state == "working"


def test_life_so_far_starts_as_new() -> None:
    """Even before its creation, by a clock put back, a task is new."""
    assert [step.state for step in so_far(history(1, "t", CREATED, Life()), 0.0)] == ["new"]


def test_timestamp_has_milliseconds_in_utc() -> None:
    """Times are RFC 3339 in UTC with three digits of a second."""
    assert timestamp(1_795_467_600.057) == "2026-11-23T21:00:00.057Z"
    assert timestamp(1_795_467_599.9996) == "2026-11-23T21:00:00.000Z"


async def test_task_moves_with_the_clock(caller: Caller, clock: HandClock) -> None:
    """A task is new when created, and final some seconds later without anyone doing anything."""
    _, task = await caller.create()
    assert (await caller.call("GET", f"/api/v2/tasks/{task['id']}"))[1] == {**task, "state": "new"}
    clock.advance(60)
    assert (await caller.call("GET", f"/api/v2/tasks/{task['id']}"))[1]["state"] in FINAL


async def test_audits_tell_every_transition(caller: Caller, clock: HandClock) -> None:
    """The audit entries are one task-create and one task-update for each change of state, without holes."""
    _, task = await caller.create()
    clock.advance(60)
    status, page = await caller.call("GET", "/api/v2/audits", params={"entityId": task["id"]})
    assert status == 200
    assert [entry["action"] for entry in page["entities"]] == ["task-create"] + ["task-update"] * (page["total"] - 1)
    diffs = [entry["diff"]["state"] for entry in page["entities"]]
    assert [diff["from"] for diff in diffs[1:]] == [diff["to"] for diff in diffs[:-1]]
    assert diffs[-1]["to"] in FINAL
    assert page["entities"][0].keys() == {"id", "entityId", "action", "actorId", "timestamp", "diff"}


async def test_audits_can_be_asked_for_by_action(caller: Caller, clock: HandClock) -> None:
    """With an action only its entries come."""
    _, task = await caller.create()
    clock.advance(60)
    _, page = await caller.call("GET", "/api/v2/audits", params={"entityId": task["id"], "action": "task-create"})
    assert [entry["action"] for entry in page["entities"]] == ["task-create"]


async def test_audits_page_to_the_true_end(caller: Caller, clock: HandClock) -> None:
    """Pages together hold each entry once, and the page after the last is empty, with or without totals."""
    _, task = await caller.create()
    clock.advance(60)
    caller.sandbox.change(totals=False)
    ids: list[str] = []
    for number in range(1, 20):
        asked = {"entityId": task["id"], "pageNumber": str(number), "pageSize": "2"}
        _, page = await caller.call("GET", "/api/v2/audits", params=asked)
        assert "total" not in page
        assert "pageCount" not in page
        ids += [entry["id"] for entry in page["entities"]]
        if len(page["entities"]) < 2:
            break
    assert len(ids) == len(set(ids)) == caller.sandbox.journal()["tasks"][0]["audits"]


async def test_audits_lag_behind(caller: Caller, clock: HandClock) -> None:
    """An entry appears so long after its event as the scenario says."""
    caller.sandbox.change(audit_lag_s=5)
    _, task = await caller.create()
    clock.advance(4.9)
    assert (await caller.call("GET", "/api/v2/audits", params={"entityId": task["id"]}))[1]["total"] == 0
    clock.advance(0.1)
    assert (await caller.call("GET", "/api/v2/audits", params={"entityId": task["id"]}))[1]["total"] == 1


async def test_audits_need_an_entity(caller: Caller) -> None:
    """Asking for audits of nothing is a 400, of an unknown entity an empty page."""
    assert (await caller.call("GET", "/api/v2/audits"))[0] == 400
    assert (await caller.call("GET", "/api/v2/audits", params={"entityId": "x"}))[1]["entities"] == []
