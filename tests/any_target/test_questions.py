"""The platform's open questions, each answered in every way: a run by jobs keeps its promises, faults included."""

from pathlib import Path

import pytest

from importer.core.verdicts import Verdict
from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import parse
from importer.sandbox.server import Sandbox
from tests.any_target.conftest import IN_JOBS, LIFE, AnyOffice
from tests.flow.conftest import INDEX_LAG_S, ids
from tests.harness.questions import WORLDS

ROWS = 10
AGAIN_S = 60.0
"""Longer than any lag."""


@pytest.mark.parametrize("world", WORLDS)
async def test_open_question_changes_no_promise(world: str, tmp_path: Path) -> None:
    """Whatever the answer: answers that are lost make nothing twice, histories are whole, and all rows are found again."""
    hand = HandClock()
    scenario = parse(WORLDS[world]).changed({"index_lag_s": INDEX_LAG_S, "workitems": {"life": LIFE.model_dump()}})
    async with Sandbox(scenario, seed=7, clock=hand) as sandbox:
        office = AnyOffice(sandbox, hand, tmp_path, IN_JOBS)
        try:
            path = office.sheet(*((external_id, "An invoice") for external_id in ids(ROWS)))
            await office.previews(path)  # what was listed now must be of no use later
            office.breaks("reset_after", at=(1, 2))
            run = await office.runs(path, track="closed")
            assert office.outcomes(run) == {"created": ROWS}
            assert office.tasks() == dict.fromkeys(ids(ROWS), 1)
            assert {r.external_id: [each.state for each in r.states] for r in office.rows(run)} == office.histories()
            assert all(row.audit_count for row in office.rows(run))
            hand.advance(AGAIN_S)
            await office.closes()
            office.ledger_is_lost()
            await office.starts_again()
            _, rows = await office.previews(path)
            assert {row.verdict for row in rows} == {Verdict.EXISTING}
        finally:
            await office.closes()


async def test_job_that_may_still_be_begun_is_deleted_before_its_rows_go_again(tmp_path: Path) -> None:
    """A PATCH that arrives long after all hope finds no job any more: its rows were sent otherwise, each once."""
    hand = HandClock()
    async with Sandbox(parse(WORLDS["as the definition suggests"]), seed=7, clock=hand) as sandbox:
        office = AnyOffice(sandbox, hand, tmp_path, IN_JOBS)
        try:
            office.breaks("reset_late", at=tuple(range(1, 6)), seconds=600.0)
            run = office.opens(ids(5))
            await office.carries_on(run)
            hand.advance(1200.0)
            assert office.tasks() == dict.fromkeys(ids(5), 1)
            assert office.outcomes(run) == {"created": 5}
            assert len(office.visits("bulk_add_delete")) == 1
        finally:
            await office.closes()


async def test_job_that_a_403_hides_is_read_before_its_rows_go_again(tmp_path: Path) -> None:
    """A 403 to the call that begins a job stops the run; where the job had begun all the same, its rows are not sent again."""
    hand = HandClock()
    async with Sandbox(parse(WORLDS["as the definition suggests"]), seed=7, clock=hand) as sandbox:
        office = AnyOffice(sandbox, hand, tmp_path, IN_JOBS)
        try:
            office.breaks("error_after", status=403, at=(1,))
            run = office.opens(ids(5))
            ending = await office.carries_on(run)
            assert ending.problem is not None
            office.recovers()
            await office.carries_on(run)
            assert office.tasks() == dict.fromkeys(ids(5), 1)
            assert office.outcomes(run) == {"created": 5}
        finally:
            await office.closes()


async def test_look_ups_take_as_many_values_as_they_may(tmp_path: Path) -> None:
    """Where IN takes fewer values than were tried first, look-ups go on with fewer, and need no job and no call a row."""
    hand = HandClock()
    async with Sandbox(parse(WORLDS["as the definition suggests"]), seed=7, clock=hand) as sandbox:
        sandbox.change(workitems={"in_values_max": 7})
        office = AnyOffice(sandbox, hand, tmp_path, IN_JOBS)
        try:
            await office.previews(office.sheet(*((external_id, "An invoice") for external_id in ids(40))))
            assert office.visits("query_job_create") == []
            assert len(office.visits("workitem_query")) < 20
        finally:
            await office.closes()


async def test_job_waits_for_others_to_end(tmp_path: Path) -> None:
    """Where the organisation runs as many jobs as it may, the next one waits; its rows do not go one by one."""
    hand = HandClock()
    async with Sandbox(parse(WORLDS["one bulk job at a time"]), seed=7, clock=hand) as sandbox:
        office = AnyOffice(sandbox, hand, tmp_path, IN_JOBS)
        try:
            run = office.opens(ids(20))
            await office.carries_on(run)
            assert office.tasks() == dict.fromkeys(ids(20), 1)
            assert office.visits("workitem_create") == []
            assert len(office.visits("bulk_add_patch")) > 4, "no job had to wait"
        finally:
            await office.closes()
