"""Tracking against the sandbox: histories are those of the sandbox's own journal."""

from typing import Any

import pytest

from importer.core.errors import Interrupted, NotAuthorised, TargetDown
from importer.core.states import FINAL_STATES
from importer.sandbox.scenario import Fault
from tests.flow.conftest import Office, ids


def journal(office: Office) -> dict[str, list[tuple[str, str]]]:
    """States and times of every task, by external ID, as the sandbox knows them."""
    tasks: list[dict[str, Any]] = office.sandbox.journal()["tasks"]
    return {task["externalId"]: [(each["state"], each["at"]) for each in task["states"]] for task in tasks}


async def test_track_tells_the_histories_of_the_journal(office: Office) -> None:
    """Every task's states and times are the sandbox's own, skipped states and backward moves included."""
    run = office.opens(ids(120))
    await office.carries_on(run, track="closed")
    told = {row.external_id: [(each.state, each.at) for each in row.states] for row in office.rows(run)}
    assert told == journal(office)
    moves = [[state for state, _ in states] for states in told.values()]
    assert any(states.count("queued") == 2 for states in moves)
    assert any("accepted" not in states and states[-1] == "closed" for states in moves)
    assert {states[-1] for states in moves} == FINAL_STATES


async def test_track_marks_what_only_the_audit_knows(office: Office) -> None:
    """States that no poll saw have the source `audit`, those seen `poll`, the first one `created`."""
    run = office.opens(ids(40))
    await office.carries_on(run, track="closed")
    sources = {each.source for row in office.rows(run) for each in row.states}
    assert sources == {"created", "poll", "audit"}
    assert all(row.states[0].source == "created" for row in office.rows(run))


async def test_track_keeps_what_was_seen_without_audits(office: Office) -> None:
    """Without audits the history is what was seen, in the order of the journal, to the final state."""
    run = office.opens(ids(40))
    await office.carries_on(run, track="closed", audit=False)
    for row in office.rows(run):
        whole = iter([state for state, _ in journal(office)[row.external_id]])
        assert all(each.state in whole for each in row.states)
        assert row.state in FINAL_STATES
        assert row.audit_count is None


async def test_track_asks_in_batches(office: Office) -> None:
    """120 tasks that nobody works on are asked for three calls a look, and looks grow rarer."""
    office.sandbox.change(life={"queued": (3600, 3600)})
    run = office.opens(ids(120))
    await office.carries_on(run, track="closed", track_for_s=600.0, audit=False)
    assert len(office.visits("find")) < 3 * 40


@pytest.mark.parametrize("limit_s", [0.0, 1.0, 37.0])
async def test_track_ends_with_its_time(office: Office, limit_s: float) -> None:
    """Tracking ends within two seconds of its limit, with the last states recorded and no problem."""
    office.sandbox.change(life={"queued": (3600, 3600)})
    run = office.opens(ids(3))
    ending = await office.carries_on(run, track="closed", track_for_s=limit_s, audit=False)
    assert ending.problem is None
    assert office.clock.monotonic() <= limit_s + 2
    assert {row.state for row in office.rows(run)} == {"new"}


async def test_track_goes_on_tomorrow(office: Office) -> None:
    """What was open when tracking ended is followed to its end by another process later."""
    run = office.opens(ids(30))
    await office.carries_on(run, track="closed", track_for_s=15.0)
    await office.starts_again()
    office.clock.hand.advance(86_400)
    await office.carries_on(run, track="closed")
    told = {row.external_id: [(each.state, each.at) for each in row.states] for row in office.rows(run)}
    assert told == journal(office)


async def test_track_bears_a_lagging_index(office: Office) -> None:
    """Tasks that the index does not show yet are asked for again, not given up."""
    office.sandbox.change(index_lag_s=45)
    run = office.opens(ids(20))
    ending = await office.carries_on(run, track="closed")
    assert ending.problem is None
    assert {row.state for row in office.rows(run)} <= FINAL_STATES


async def test_track_notices_soon_that_it_is_stopped(office: Office) -> None:
    """Asked to stop while it waits for its next look, it ends within two seconds."""
    office.sandbox.change(life={"queued": (3600, 3600)})
    run = office.opens(["E-1"])
    running = office.running(track="closed", audit=False)
    stopped_at = 0.0

    def tell(event: str, numbers: Any) -> None:
        nonlocal stopped_at
        if event == "tracked" and office.clock.monotonic() > 200 and not stopped_at:
            stopped_at = office.clock.monotonic()
            running.stop(Interrupted(130))

    running.progress = tell
    ending = await office.driven(running.carry_on(run))
    assert isinstance(ending.problem, Interrupted)
    assert office.clock.monotonic() - stopped_at <= 2.0


async def test_track_obeys_a_stop_before_its_first_look(office: Office) -> None:
    """Asked to stop while it logs in to track, it makes no look."""
    run = office.opens(["E-1"])
    await office.carries_on(run)
    running = office.running(track="closed")
    office.sandbox.breaks(Fault(operation="token", kind="status:503", times=1))
    office.token_expires()
    looks = len(office.visits("find"))
    await office.starts_again()
    running = office.running(track="closed")
    running.stop(Interrupted(130))
    ending = await office.driven(running.carry_on(run))
    assert isinstance(ending.problem, Interrupted)
    assert len(office.visits("find")) == looks


@pytest.mark.parametrize("kind", ["status:503", "html", "truncated", "reset_before", "wrong_type", "empty"])
async def test_track_bears_a_bad_answer(office: Office, kind: str) -> None:
    """Now and then an answer that cannot be read costs a repeat, and no history."""
    office.sandbox.breaks(Fault(operation="find", kind=kind, every=4))
    run = office.opens(ids(20))
    ending = await office.carries_on(run, track="closed")
    assert ending.problem is None
    told = {row.external_id: [(each.state, each.at) for each in row.states] for row in office.rows(run)}
    assert told == journal(office)


async def test_track_keeps_what_it_saw_when_the_service_goes(office: Office) -> None:
    """An outage ends tracking with the reason; what was seen before stays, and outcomes are untouched."""
    run = office.opens(ids(10))
    await office.carries_on(run, track="created")
    office.sandbox.breaks(Fault(operation="find", kind="status:503"))
    ending = await office.carries_on(run, track="closed")
    assert isinstance(ending.problem, TargetDown)
    assert office.outcomes(run) == {"created": 10}
    assert all(row.states for row in office.rows(run))


async def test_track_needs_its_scope(office: Office) -> None:
    """A 403 on a look ends tracking, names the scope, and leaves outcomes as they are."""
    run = office.opens(ids(2))
    office.sandbox.breaks(Fault(operation="find", kind="status:403"))
    ending = await office.carries_on(run, track="closed")
    assert isinstance(ending.problem, NotAuthorised)
    assert "task:view" in str(ending.problem)
    assert office.outcomes(run) == {"created": 2}
