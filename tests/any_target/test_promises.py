"""What is promised whatever the target: each rule holds for tasks, for workitems row by row, and for workitems by jobs."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from importer.core.errors import Interrupted, TargetDown
from importer.core.verdicts import Verdict
from tests.any_target.conftest import AnyOffice
from tests.flow.conftest import ids, payload_of

ROWS = 20
AGAIN_S = 60.0
"""Longer than any lag."""


def described(number: int, prefix: str = "E") -> list[tuple[str, str]]:
    """So many rows of a sheet."""
    return [(external_id, "An invoice") for external_id in ids(number, prefix)]


async def _both(first: Coroutine[Any, Any, Any], second: Coroutine[Any, Any, None]) -> Any:
    """What the first gives, while the second happens beside it."""
    found, _ = await asyncio.gather(first, second)
    return found


# Once, and found again


async def test_any_target_creates_each_row_once(any_target: AnyOffice) -> None:
    """A run creates one for each row, and the books say so."""
    run = any_target.opens(ids(ROWS))
    ending = await any_target.carries_on(run)
    assert ending.problem is None
    assert any_target.outcomes(run) == {"created": ROWS}
    assert any_target.tasks() == dict.fromkeys(ids(ROWS), 1)


async def test_any_target_gives_each_row_its_own_task(any_target: AnyOffice) -> None:
    """The task ID of each row is that of the task with its external ID, in whatever order answers come."""
    any_target.sandbox.change(workitems={"results_shuffled": True})
    run = any_target.opens(ids(ROWS))
    await any_target.carries_on(run)
    real = {task["externalId"]: task["id"] for task in any_target.sandbox.journal()["tasks"]}
    assert {row.external_id: row.task_id for row in any_target.rows(run)} == real


async def test_any_target_creates_what_the_row_asks_for(any_target: AnyOffice) -> None:
    """What is found afterwards has the content of what was sent."""
    run = any_target.opens(ids(3))
    await any_target.carries_on(run)
    any_target.clock.hand.advance(AGAIN_S)
    found = await any_target.driven(any_target.target.find(ids(3), any_target.scope))
    for entry in await any_target.entries(run):
        (fact,) = found[entry.external_id]
        wanted = any_target.target.content(payload_of(entry))
        assert wanted.items() <= fact.content.items()


async def test_any_target_finds_all_rows_existing_the_second_time(any_target: AnyOffice) -> None:
    """A second preview of the same rows finds every one of them, with its task; the next run has nothing to create."""
    path = any_target.sheet(*described(ROWS))
    first = await any_target.runs(path)
    assert any_target.outcomes(first) == {"created": ROWS}
    any_target.clock.hand.advance(AGAIN_S)
    second = await any_target.runs(path)
    assert any_target.outcomes(second) == {"existing": ROWS}
    assert [row.task_id for row in any_target.rows(second)] == [row.task_id for row in any_target.rows(first)]
    assert any_target.tasks() == dict.fromkeys(ids(ROWS), 1)


async def test_any_target_finds_all_rows_existing_without_a_ledger(any_target: AnyOffice) -> None:
    """Where the ledger is lost, the target itself tells what exists."""
    path = any_target.sheet(*described(ROWS))
    await any_target.runs(path)
    any_target.clock.hand.advance(AGAIN_S)
    await any_target.closes()
    any_target.ledger_is_lost()
    await any_target.starts_again()
    _, rows = await any_target.previews(path)
    assert {row.verdict for row in rows} == {Verdict.EXISTING}
    assert all(row.task_id for row in rows)


async def test_any_target_knows_what_its_index_does_not_show_yet(any_target: AnyOffice) -> None:
    """A preview right after a run finds the rows by the ledger, though the target's index does not know them."""
    path = any_target.sheet(*described(ROWS))
    any_target.sandbox.change(index_lag_s=3600.0)
    await any_target.runs(path)
    _, rows = await any_target.previews(path)
    assert {row.verdict for row in rows} == {Verdict.EXISTING}


# Faults


@pytest.mark.parametrize(
    "lost", [{"kind": "reset_after"}, {"kind": "error_after", "status": 408}, {"kind": "no_id"}, {"kind": "truncated"}],
    ids=lambda lost: lost["kind"],
)  # fmt: skip
async def test_any_target_looks_lost_answers_up(any_target: AnyOffice, lost: dict[str, Any]) -> None:
    """Where the answers to creating calls are lost or prove nothing, what was created is found and not made again."""
    any_target.breaks(**lost, at=(1, 2))
    run = any_target.opens(ids(ROWS))
    ending = await any_target.carries_on(run)
    assert ending.problem is None
    assert any_target.outcomes(run) == {"created": ROWS}
    assert any_target.tasks() == dict.fromkeys(ids(ROWS), 1)


async def test_any_target_repeats_what_was_not_done(any_target: AnyOffice) -> None:
    """Where creating calls fail before anything was done, the rows are created all the same, once."""
    any_target.breaks("status:500", at=(1, 2))
    run = any_target.opens(ids(ROWS))
    ending = await any_target.carries_on(run)
    assert ending.problem is None
    assert any_target.tasks() == dict.fromkeys(ids(ROWS), 1)


async def test_any_target_renews_its_token_in_mid_run(any_target: AnyOffice) -> None:
    """A token that is void from the middle of a run on is renewed once, and no row fails."""
    any_target.breaks("status:401", at=(2,))
    run = any_target.opens(ids(ROWS))
    await any_target.carries_on(run)
    assert any_target.outcomes(run) == {"created": ROWS}
    assert len(any_target.visits("token")) == 2
    assert any_target.tasks() == dict.fromkeys(ids(ROWS), 1)


async def test_any_target_holds_everyone_at_a_429(any_target: AnyOffice) -> None:
    """After a 429 nobody calls before its time is over, and no row is charged."""
    any_target.breaks("status:429", at=(2,), retry_after=7)
    run = any_target.opens(ids(ROWS))
    await any_target.carries_on(run)
    refused = next(visit for visit in any_target.visits() if visit.status == 429)
    under_way = refused.arrived + 0.5
    assert not [visit for visit in any_target.visits() if under_way < visit.arrived < refused.arrived + 7]
    assert any_target.outcomes(run) == {"created": ROWS}


async def test_any_target_pauses_in_an_outage(any_target: AnyOffice) -> None:
    """Where nothing answers any more the run stops with few calls, and no row has failed; later it goes on to the end."""
    any_target.breaks("status:503", operation="any")
    run = any_target.opens(ids(ROWS))
    ending = await any_target.carries_on(run, outage_s=200.0)
    assert isinstance(ending.problem, TargetDown)
    assert "failed" not in any_target.outcomes(run)
    assert len(any_target.visits()) < 60
    any_target.recovers()
    await any_target.carries_on(run)
    assert any_target.outcomes(run) == {"created": ROWS}
    assert any_target.tasks() == dict.fromkeys(ids(ROWS), 1)


async def test_any_target_waits_an_outage_out(any_target: AnyOffice) -> None:
    """An outage in the middle of a run that ends in time costs a pause, and no row."""
    any_target.breaks("status:503", operation="any", at=tuple(range(4, 16)))
    run = any_target.opens(ids(ROWS))
    ending = await any_target.carries_on(run)
    assert ending.problem is None
    assert any_target.outcomes(run) == {"created": ROWS}
    assert any_target.tasks() == dict.fromkeys(ids(ROWS), 1)


async def test_any_target_resumes_after_a_cancellation(any_target: AnyOffice) -> None:
    """Stopped by a person in mid-run and carried on by another process, each row is there once."""
    run = any_target.opens(ids(ROWS))
    running = any_target.running(concurrency=1)

    async def stopped() -> None:
        await any_target.until(any_target.way.creates, 2)
        running.stop(Interrupted(130))

    ending = await any_target.driven(_both(running.carry_on(run), stopped()))
    assert isinstance(ending.problem, Interrupted)
    assert any_target.outcomes(run).get("created", 0) < ROWS
    await any_target.starts_again()
    await any_target.carries_on(run)
    assert any_target.outcomes(run) == {"created": ROWS}
    assert any_target.tasks() == dict.fromkeys(ids(ROWS), 1)


async def test_any_target_resumes_after_its_process_is_gone(any_target: AnyOffice) -> None:
    """A process that ends in the middle of creating calls leaves no row twice and none behind."""
    any_target.breaks("hang_after", at=(2,), seconds=3600.0)
    run = any_target.opens(ids(ROWS))
    carrying = asyncio.ensure_future(any_target.running().carry_on(run))
    await any_target.until(any_target.way.creates, 2)
    carrying.cancel()
    await asyncio.gather(carrying, return_exceptions=True)
    any_target.recovers()
    await any_target.starts_again()
    await any_target.carries_on(run)
    assert any_target.outcomes(run) == {"created": ROWS}
    assert any_target.tasks() == dict.fromkeys(ids(ROWS), 1)


# Afterwards


async def test_any_target_tells_whole_histories(any_target: AnyOffice) -> None:
    """Followed to the end, every state that a task has been in is told, in its order; none was missed between two looks."""
    run = any_target.opens(ids(ROWS))
    await any_target.carries_on(run, track="closed")
    told = {row.external_id: [each.state for each in row.states] for row in any_target.rows(run)}
    assert told == any_target.histories()
    assert max(map(len, told.values())) > 4, "lives were too simple to miss anything"


async def test_any_target_counts_audit_entries(any_target: AnyOffice) -> None:
    """The number of audit entries of each row is the sandbox's own: of audits, or of versions where there are none."""
    run = any_target.opens(ids(ROWS))
    await any_target.carries_on(run, track="closed")
    assert {row.external_id: row.audit_count for row in any_target.rows(run)} == any_target.audit_counts()


# Before anything is sent


async def test_any_target_tells_rows_that_are_wrong(any_target: AnyOffice) -> None:
    """A row that the target would refuse is invalid in the preview, with the reason, and the others are ready."""
    good, wrong = (
        any_target.sheet(("E-1", "An invoice")).read_text("utf-8").splitlines()[1],
        "E-2,Nowhere,many,An invoice",
    )
    path = any_target.folder / "rows.csv"
    ending = good.split(",An invoice", 1)[1]
    path.write_text(path.read_text("utf-8") + wrong + ending + "\n", "utf-8")
    _, rows = await any_target.previews(path)
    assert [row.verdict for row in rows] == [Verdict.READY, Verdict.INVALID]
    assert rows[1].findings
    assert rows[1].payload is None
    assert any_target.visits(any_target.way.creates) == []


async def test_any_target_tells_an_unknown_queue(any_target: AnyOffice) -> None:
    """A queue that does not exist makes its rows invalid, and what is near is suggested."""
    _, (row,) = await any_target.previews(any_target.sheet(("E-1", "An invoice"), queue="General Inquiri"))
    assert row.verdict is Verdict.INVALID
    assert any("General Inquiry" in str(each) for each in row.findings)


async def test_any_target_plans_with_one_digest(any_target: AnyOffice) -> None:
    """Two previews of one file in one world have the same digest; another row, another digest."""
    path = any_target.sheet(*described(3))
    first, _ = await any_target.previews(path)
    any_target.clock.hand.advance(AGAIN_S)
    second, _ = await any_target.previews(path)
    third, _ = await any_target.previews(any_target.sheet(*described(3), ("E-4", "A letter")))
    assert first.about.digest == second.about.digest
    assert third.about.digest != first.about.digest


async def test_any_target_tells_a_conflict(any_target: AnyOffice) -> None:
    """An existing task that is not as the row asks for is told with the field in which it differs."""
    await any_target.runs(any_target.sheet(("E-1", "An invoice")))
    any_target.clock.hand.advance(AGAIN_S)
    await any_target.closes()
    any_target.ledger_is_lost()
    await any_target.starts_again()
    _, (row,) = await any_target.previews(any_target.sheet(("E-1", "A complaint")))
    assert row.verdict is Verdict.EXISTING
    assert any("description" in str(each) for each in row.findings)


async def test_any_target_tells_a_repeat_in_the_file(any_target: AnyOffice) -> None:
    """The second row with one external ID is a duplicate, whatever the target, and is not sent."""
    run = await any_target.runs(any_target.sheet(("E-1", "An invoice"), ("E-1", "An invoice")))
    assert any_target.outcomes(run) == {"created": 1, "duplicate": 1}
    assert any_target.tasks() == {"E-1": 1}
