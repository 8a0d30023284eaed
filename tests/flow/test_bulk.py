"""Bulk jobs against the sandbox: one workitem for each tag, wherever a job is lost, cut off or refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from importer.core.errors import Interrupted, LeaseLost, LongWait, TargetDown
from importer.core.stages import Stage, advance
from importer.sandbox.workitems.divisions import NORTH
from importer.sandbox.workitems.worktypes import worktype_id
from tests.flow.conftest import ids
from tests.flow.desk import Desk, a_desk

DIVISION = NORTH.name


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk with jobs."""
    async with a_desk(tmp_path) as desk:
        yield desk


async def test_bulk_sends_many_rows_a_job(desk: Desk) -> None:
    """120 rows go in three jobs of 50 at most, each row is one workitem with its own ID."""
    run = desk.plans(ids(120))
    ending = await desk.carries_on(run, concurrency=1)
    assert ending.problem is None
    assert desk.made() == dict.fromkeys(ids(120), 1)
    assert desk.outcomes(run) == {"created": 120}
    assert len(desk.visits("bulk_add_create")) == 3
    assert desk.visits("workitem_create") == []
    shown = {str(each["externalId"]): each["id"] for each in desk.sandbox.journal()["tasks"]}
    assert {row.external_id: row.task_id for row in desk.rows(run)} == shown


# Cut off


POINTS: dict[str, tuple[str, int]] = {
    "prepared": ("bulk_add_create", 1),
    "second prepared": ("bulk_add_create", 2),
    "started": ("bulk_add_patch", 1),
    "read": ("bulk_add_get", 1),
    "results": ("bulk_add_results", 1),
    "second results": ("bulk_add_results", 2),
    "tags": ("workitem_query", 1),
}
"""Calls after whose answer the process is gone."""


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("concurrency", [1, 4])
async def test_bulk_makes_one_workitem_of_a_row_wherever_it_dies(desk: Desk, point: str, concurrency: int) -> None:
    """A process that is gone after any of a job's calls leaves rows of which the next makes one workitem each."""
    run = desk.plans(ids(120))
    await desk.dies_at(run, desk.has_seen(*POINTS[point]), concurrency=concurrency)
    ending = await desk.carries_on(run, concurrency=concurrency)
    assert ending.problem is None
    assert desk.made() == dict.fromkeys(ids(120), 1)
    assert desk.outcomes(run) == {"created": 120}
    assert {row.task_id for row in desk.rows(run)} == set(desk.sandbox.world.workitems.workitems)


async def test_bulk_knows_a_job_before_it_is_started(desk: Desk) -> None:
    """When the PATCH of a job arrives, the ledger has the job's ID with all its rows."""
    desk.goes_wrong("bulk_add_patch", "hang", seconds=3600)
    run = desk.plans(ids(50))
    await desk.dies_at(run, lambda: bool(desk.visits("bulk_add_patch")), concurrency=1)
    (call,) = desk.ledger.open_calls(run)
    assert call.kind == "bulk " + next(iter(desk.sandbox.world.workitems.bulk_jobs))
    assert len(call.positions) == 50


async def test_bulk_deletes_a_job_that_a_dead_process_did_not_start(desk: Desk) -> None:
    """A job that was claimed and not started is deleted, and its rows are sent once."""
    desk.goes_wrong("bulk_add_patch", "hang", seconds=3600)
    run = desk.plans(ids(50))
    await desk.dies_at(run, lambda: bool(desk.visits("bulk_add_patch")), concurrency=1)
    desk.recovers()
    await desk.carries_on(run)
    assert desk.said("bulk_add_delete") == [("bulk_add_delete", 204)]
    assert desk.made() == dict.fromkeys(ids(50), 1)
    assert desk.outcomes(run) == {"created": 50}


@pytest.mark.parametrize("many", [1, 2, 8])
async def test_bulk_takes_up_more_jobs_than_it_may_make(desk: Desk, many: int) -> None:
    """Eight jobs that a dead process did not start are taken up by one that makes so many at once; no row goes twice."""
    desk.goes_wrong("bulk_add_patch", "hang", seconds=3600)
    run = desk.plans(ids(400))
    await desk.dies_at(run, lambda: len(desk.visits("bulk_add_patch")) == 8, concurrency=8)
    desk.recovers()
    ending = await desk.carries_on(run, concurrency=many)
    assert ending.problem is None
    assert desk.made() == dict.fromkeys(ids(400), 1)
    assert desk.outcomes(run) == {"created": 400}


async def test_bulk_takes_jobs_up_while_the_service_has_trouble(desk: Desk) -> None:
    """Jobs that a dead process left are followed through an outage that begins as they are taken up."""
    run = desk.plans(ids(150))
    await desk.dies_at(run, desk.has_seen("bulk_add_patch", 3), concurrency=3)
    desk.goes_wrong("bulk_add_get", "status:503", times=12)
    ending = await desk.carries_on(run, concurrency=1)
    assert ending.problem is None
    assert desk.made() == dict.fromkeys(ids(150), 1)
    assert desk.outcomes(run) == {"created": 150}


async def test_bulk_takes_up_jobs_whose_rows_lie_apart(desk: Desk) -> None:
    """A job whose rows lie among those of other jobs is taken up with all of them."""
    run = desk.plans(ids(100))
    entries = await desk.entries(run)
    await desk.driven(desk.items.log_in(()))
    holder = desk.me
    await desk.ledger.take_lease(run, holder, desk.clock.monotonic() + 30.0, 30.0, None)
    assert desk.items.bulk is not None
    for some in (entries[:50:2] + entries[50::2], entries[1:50:2] + entries[51::2]):
        job = await desk.driven(desk.items.bulk.prepare([each.payload for each in some]))
        await desk.ledger.claim(some, "2027-01-15T08:00:00Z", kind=f"bulk {job}")
        await desk.driven(desk.items.bulk.start(str(job), _yes))
    await desk.starts_again()
    await desk.carries_on(run)
    assert desk.outcomes(run) == {"created": 100}
    assert desk.visits("workitem_create") == []
    assert desk.made() == dict.fromkeys(ids(100), 1)


async def _yes() -> bool:
    return True


async def test_bulk_of_a_dead_process_is_carried_on_without_new_jobs(desk: Desk) -> None:
    """A job at work is followed also where no new jobs are wanted: its rows are not sent beside it."""
    desk.is_set(bulk_running=(600.0, 600.0))
    run = desk.plans(ids(60))
    await desk.dies_at(run, desk.has_seen("bulk_add_patch"), concurrency=1)
    await desk.starts_again()
    await desk.carries_on(run, bulk=False)
    assert desk.made() == dict.fromkeys(ids(60), 1)
    assert desk.outcomes(run) == {"created": 60}
    assert len(desk.visits("bulk_add_create")) == 1


# Lost calls


@pytest.mark.parametrize(
    "kind", ["reset_before", "reset_after", "hang_after", "error_after", "status:503", "html_after"]
)
async def test_bulk_makes_a_new_job_for_one_whose_post_is_lost(desk: Desk, kind: str) -> None:
    """A POST of a job whose answer is lost leaves at most an idle job; a new one is made, and each row is one workitem."""
    await desk.starts_again(patience_s=0.3)
    desk.goes_wrong("bulk_add_create", kind, at=(1,), seconds=3600)
    run = desk.plans(ids(100))
    ending = await desk.carries_on(run, concurrency=1)
    assert ending.problem is None
    assert desk.made() == dict.fromkeys(ids(100), 1)
    assert desk.outcomes(run) == {"created": 100}
    assert len(desk.visits("bulk_add_create")) == 3
    assert sorted(desk.jobs()) == ["Idle"] * (len(desk.jobs()) - 2) + ["Succeeded"] * 2


@pytest.mark.parametrize("times", [1, 4, 30])
@pytest.mark.parametrize(
    "kind", ["reset_before", "reset_after", "hang_after", "error_after", "status:503", "html_after"]
)
async def test_bulk_reads_a_job_whose_patch_is_lost(desk: Desk, kind: str, times: int) -> None:
    """A PATCH whose answer is lost, once or for long, is followed by reading the job; no row becomes two workitems."""
    await desk.starts_again(patience_s=0.3)
    desk.goes_wrong("bulk_add_patch", kind, times=times, seconds=3600)
    run = desk.plans(ids(100))
    await desk.carries_on(run, concurrency=2)
    desk.recovers()
    await desk.starts_again()
    ending = await desk.carries_on(run, concurrency=2)
    assert ending.problem is None
    assert desk.made() == dict.fromkeys(ids(100), 1)
    assert desk.outcomes(run) == {"created": 100}


@pytest.mark.parametrize("operation", ["bulk_add_get", "bulk_add_results", "workitem_query"])
@pytest.mark.parametrize(
    "kind", ["reset_after", "status:503", "html", "truncated", "wrong_type", "empty", "status:429"]
)
async def test_bulk_asks_again_for_what_became_of_a_job(desk: Desk, operation: str, kind: str) -> None:
    """Answers about a job that are lost or say nothing are asked for again; no row is sent twice."""
    desk.goes_wrong(operation, kind, times=3)
    run = desk.plans(ids(60))
    ending = await desk.carries_on(run, concurrency=2)
    assert ending.problem is None
    assert desk.made() == dict.fromkeys(ids(60), 1)
    assert desk.outcomes(run) == {"created": 60}


async def test_bulk_looks_up_the_rows_of_a_job_that_is_gone(desk: Desk) -> None:
    """A job that is not there any more tells nothing: its rows are looked up and found."""
    desk.goes_wrong("bulk_add_get", "status:404")
    run = desk.plans(ids(50))
    ending = await desk.carries_on(run, concurrency=1)
    assert ending.problem is None
    assert desk.made() == dict.fromkeys(ids(50), 1)
    assert desk.outcomes(run) == {"created": 50}
    assert desk.visits("workitem_create") == []


async def test_bulk_waits_for_a_job_that_is_not_seen_for_a_moment(desk: Desk) -> None:
    """A job that is answered with 404 at first, and works for longer than the lag, is not taken for gone."""
    desk.is_set(bulk_running=(60.0, 60.0))
    desk.goes_wrong("bulk_add_get", "status:404", times=1)
    run = desk.plans(ids(50))
    await desk.carries_on(run, concurrency=1)
    assert len(desk.visits("workitem_query")) == 1  # for the tags of the results, when it was over
    assert desk.made() == dict.fromkeys(ids(50), 1)
    assert desk.outcomes(run) == {"created": 50}


async def test_bulk_waits_for_a_job_as_long_as_it_works(desk: Desk) -> None:
    """A job that is at work for an hour is waited for; nothing is sent beside it."""
    desk.is_set(bulk_running=(3600.0, 3600.0))
    run = desk.plans(ids(50))
    await desk.carries_on(run, concurrency=1)
    assert desk.made() == dict.fromkeys(ids(50), 1)
    assert desk.outcomes(run) == {"created": 50}
    assert desk.visits("workitem_create") == []


# Results


async def test_bulk_trusts_no_order_of_results(desk: Desk) -> None:
    """Results in another order give each row its own workitem."""
    desk.is_set(results_shuffled=True)
    run = desk.plans(ids(100))
    await desk.carries_on(run, concurrency=1)
    shown = {str(each["externalId"]): each["id"] for each in desk.sandbox.journal()["tasks"]}
    assert {row.external_id: row.task_id for row in desk.rows(run)} == shown


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "skill": ({"skillIds": ["00000000-0000-4000-8000-000000000001"]}, "routing.skill.ids.not.found"),
    "queue": ({"queueId": "00000000-0000-4000-8000-000000000002"}, "queue.ids.not.found"),
}


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("wrong", [(3,), (3, 17, 44), tuple(range(50))])
async def test_bulk_gives_each_refused_row_a_reason_of_its_own_job(
    desk: Desk, wrong: tuple[int, ...], *, shuffled: bool
) -> None:
    """Rows that a job refuses in part fail, and no others; a reason that may be another row's is not told as its own."""
    desk.is_set(results_shuffled=shuffled)
    kinds = ["skill", "queue"]
    bodies = [WRONG[kinds[n % 2]][0] if n in wrong else {} for n in range(50)]
    run = desk.plans(ids(50), bodies)
    await desk.carries_on(run, concurrency=1)
    failed = {n: row.reason for n, row in enumerate(desk.rows(run)) if row.outcome.value == "failed"}
    assert tuple(failed) == wrong
    for n, reason in failed.items():
        assert WRONG[kinds[n % 2]][1] in reason
    assert desk.made() == {name: 1 for n, name in enumerate(ids(50)) if n not in wrong}


async def test_bulk_does_not_mistake_an_unseen_row_for_a_refused_one(desk: Desk) -> None:
    """A row whose workitem cannot be read yet is looked up, though its job has an error of another row."""
    desk.is_set(status_404_after_create_s=30.0)
    desk.sandbox.change(index_lag_s=20)
    bodies = [WRONG["skill"][0], *({} for _ in range(9))]
    run = desk.plans(ids(10), bodies)
    await desk.carries_on(run, concurrency=1, lag_s=25.0)
    assert desk.outcomes(run) == {"created": 9, "failed": 1}
    assert desk.made() == dict.fromkeys(ids(10)[1:], 1)


async def test_bulk_settles_the_rest_of_a_job_by_all_its_rows(desk: Desk) -> None:
    """Of a job that was settled in part, a row whose workitem is not seen is not given another row's refusal."""
    run = desk.plans(ids(2), [WRONG["skill"][0], {}])
    await desk.dies_at(run, desk.has_seen("bulk_add_patch"), concurrency=1)
    first = (await desk.entries(run))[0]
    await desk.ledger.take_lease(run, desk.me, desk.clock.monotonic() + 30.0, 30.0, desk.ledger.lease(run))
    await desk.ledger.put(advance(first, Stage.FAILED, reason="400: refused"))
    await desk.ledger.release_lease(run)
    desk.is_set(status_404_after_create_s=60.0)
    no_list = json.dumps({"status": 400, "code": "invalid.query.operator.and.type", "message": "no"})
    desk.goes_wrong("workitem_query", "status:400", body=no_list, times=2)
    await desk.carries_on(run)
    assert desk.outcomes(run) == {"created": 1, "failed": 1}
    assert desk.made() == {"E-2": 1}


async def test_bulk_sends_rows_singly_that_no_job_takes(desk: Desk) -> None:
    """A job that is refused for one row's data is not tried again: its rows go singly, and one alone fails."""
    bodies = [{"priority": 99_000_000} if n == 7 else {} for n in range(60)]
    run = desk.plans(ids(60), bodies)
    await desk.carries_on(run, concurrency=1)
    assert desk.outcomes(run) == {"created": 59, "failed": 1}
    assert len(desk.visits("workitem_create")) == 50
    assert [status for _, status in desk.said("bulk_add_create")] == [400, 201]
    assert desk.made() == {name: 1 for n, name in enumerate(ids(60)) if n != 7}


async def test_bulk_sends_rows_of_a_forbidden_division_singly(desk: Desk) -> None:
    """A job that is refused for the division of some rows' worktype does not stop the run: only those rows fail."""
    north = {"typeId": worktype_id("Claim")}
    permissions = ("workitems:bulkAddJob:add", "workitems:workitem:add")
    desk.is_set(denied_divisions={permission: [DIVISION] for permission in permissions})
    run = desk.plans(ids(20), [north if n < 3 else {} for n in range(20)])
    ending = await desk.carries_on(run, concurrency=1)
    assert ending.problem is None
    assert desk.outcomes(run) == {"created": 17, "failed": 3}


async def test_bulk_sends_rows_with_a_wrap_up_code_singly(desk: Desk) -> None:
    """A wrap-up code is no part of a job: its row goes alone, the others in a job."""
    bodies = [{"wrapupCode": "00000000-0000-4000-8000-000000000003"} if n == 2 else {} for n in range(10)]
    run = desk.plans(ids(10), bodies)
    await desk.carries_on(run, concurrency=1)
    assert len(desk.visits("workitem_create")) == 1
    jobs = desk.sandbox.world.workitems.bulk_jobs.values()
    assert not any("wrapupCode" in entity for job in jobs for entity in job.entities)
    assert desk.outcomes(run)["created"] == 9


async def test_bulk_sends_rows_singly_that_are_too_large_together(desk: Desk) -> None:
    """A job whose body is larger than the platform takes is refused, and its rows are created one by one."""
    desk.is_set(request_bytes_max=10_000)
    run = desk.plans(ids(30), [{"description": "x" * 500}] * 30)
    await desk.carries_on(run, concurrency=1)
    assert [status for _, status in desk.said("bulk_add_create")] == [413]
    assert desk.outcomes(run) == {"created": 30}


async def test_bulk_makes_anew_what_somebody_terminated(desk: Desk) -> None:
    """A job that somebody ended before it began made nothing: its rows are looked up, and then created."""
    desk.goes_wrong("bulk_add_patch", "hang", seconds=3600)
    run = desk.plans(ids(50))
    await desk.dies_at(run, lambda: bool(desk.visits("bulk_add_patch")), concurrency=1)
    desk.recovers()
    world = desk.sandbox.world.workitems
    (job,) = world.bulk_jobs.values()
    world.end_bulk_job(job, desk.sandbox.clock.now(), deleted=False)
    ending = await desk.carries_on(run, concurrency=1)
    assert ending.problem is None
    assert desk.outcomes(run) == {"created": 50}
    assert desk.made() == dict.fromkeys(ids(50), 1)


async def test_bulk_sends_canaries_singly(desk: Desk) -> None:
    """The first rows go alone as long as canaries are missing; then jobs follow."""
    run = desk.plans(ids(60))
    await desk.carries_on(run, canary=3, concurrency=4)
    assert [operation for operation, _ in desk.said("workitem_create", "bulk_add_create")][:3] == [
        "workitem_create"
    ] * 3
    assert len(desk.visits("workitem_create")) == 3
    assert desk.outcomes(run) == {"created": 60}


async def test_bulk_takes_doubtful_errors_for_no_proof(desk: Desk) -> None:
    """A row that a job answers with trouble of the service, not with a refusal, is looked up before anything else."""
    run = desk.plans(ids(10))
    error = {"code": "schedule.service.error.job.creation.failed", "message": "Failed to schedule."}
    body = json.dumps({"results": [{"error": error}] * 10, "errorCount": 10, "errorIndexes": list(range(10))})
    desk.goes_wrong("bulk_add_results", "error_after", status=200, body=body)
    await desk.carries_on(run, concurrency=1)
    assert desk.outcomes(run) == {"created": 10}
    assert desk.made() == dict.fromkeys(ids(10), 1)


# Limits


async def test_bulk_waits_while_the_organisation_runs_as_many_jobs_as_it_may(desk: Desk) -> None:
    """Over the limit of concurrent jobs a PATCH is tried again until there is room; each row is one workitem."""
    desk.is_set(bulk_jobs_concurrent=1, bulk_running=(20.0, 20.0))
    run = desk.plans(ids(200))
    ending = await desk.carries_on(run, concurrency=4)
    assert ending.problem is None
    assert any(status == 400 for _, status in desk.said("bulk_add_patch"))
    assert desk.outcomes(run) == {"created": 200}
    assert desk.made() == dict.fromkeys(ids(200), 1)


async def test_bulk_pauses_the_run_at_the_day_s_limit(desk: Desk) -> None:
    """Rows that a job refuses for the limit of the day do not fail: the run stops and carries on when the day is over."""
    desk.is_set(created_per_day=70)
    run = desk.plans(ids(120))
    ending = await desk.carries_on(run, concurrency=1)
    assert isinstance(ending.problem, LongWait)
    assert ending.problem.exit_code == 7
    assert desk.outcomes(run) == {"created": 70, "not_sent": 50}
    desk.clock.hand.advance(86_400.0)
    await desk.starts_again()
    ending = await desk.carries_on(run, concurrency=1)
    assert ending.problem is None
    assert desk.outcomes(run) == {"created": 120}
    assert desk.made() == dict.fromkeys(ids(120), 1)


# Other hands


async def test_bulk_leaves_a_job_of_which_another_run_holds_rows(desk: Desk) -> None:
    """Rows that another run created are told as existing; the others of their job are created by another one."""
    first = desk.plans(ids(5))
    await desk.carries_on(first)
    second = desk.plans(ids(60))
    await desk.carries_on(second, concurrency=1)
    assert desk.outcomes(second) == {"existing": 5, "created": 55}
    assert desk.made() == dict.fromkeys(ids(60), 1)
    assert len(desk.visits("workitem_create")) <= 1


@pytest.mark.parametrize("point", POINTS)
async def test_bulk_is_stopped_by_hand_at_any_point(desk: Desk, point: str) -> None:
    """Asked to stop after any of a job's calls, the run rests with nothing twice and carries on later."""
    run = desk.plans(ids(120))
    running = desk.running(concurrency=2)
    carrying = asyncio.ensure_future(desk.driven(running.carry_on(run)))
    reached = desk.has_seen(*POINTS[point])
    while not reached():  # noqa: ASYNC110 - the loop's turns are what is waited for
        await asyncio.sleep(0)
    running.stop(Interrupted(130))
    ending = await carrying
    assert isinstance(ending.problem, Interrupted)
    await desk.starts_again()
    await desk.carries_on(run)
    assert desk.outcomes(run) == {"created": 120}
    assert desk.made() == dict.fromkeys(ids(120), 1)


async def test_bulk_starts_no_job_once_the_lease_may_be_lost(desk: Desk) -> None:
    """A process that was frozen between claim and PATCH for longer than its lease does not start its job."""
    desk.goes_wrong("bulk_add_create", "hang_after", at=(1,), seconds=1)
    run = desk.plans(ids(50))

    async def is_frozen() -> None:
        await desk.clock.hand.until_asleep(1)
        desk.clock.hand.advance(1000.0)

    freezing = asyncio.ensure_future(is_frozen())
    ending = await desk.carries_on(run, concurrency=1, lease_s=30.0)
    await freezing
    assert isinstance(ending.problem, LeaseLost)
    assert desk.visits("bulk_add_patch") == []
    await desk.starts_again()
    await desk.carries_on(run)
    assert desk.outcomes(run) == {"created": 50}
    assert desk.made() == dict.fromkeys(ids(50), 1)


@pytest.mark.parametrize("resend", [False, True])
@pytest.mark.parametrize("begun", [False, True])
async def test_reconcile_settles_the_rows_of_open_jobs(desk: Desk, *, resend: bool, begun: bool) -> None:
    """`reconcile` tells what an open job made and sends nothing of its own; with --resend, what no job made goes out."""
    if not begun:
        desk.goes_wrong("bulk_add_patch", "hang", seconds=3600)
    run = desk.plans(ids(50))
    await desk.dies_at(run, desk.has_seen("bulk_add_patch") if begun else lambda: bool(desk.visits("bulk_add_patch")))
    desk.recovers()
    await desk.driven(desk.running().reconcile(run, resend=resend))
    wanted = {"created": 50} if begun or resend else {"not_sent": 50}
    assert desk.outcomes(run) == wanted
    assert sum(desk.made().values()) == wanted.get("created", 0)
    assert desk.visits("workitem_create") == [] or resend
    await desk.carries_on(run)
    assert desk.made() == dict.fromkeys(ids(50), 1)


async def test_bulk_goes_on_when_a_circuit_opens_while_a_job_is_at_work(desk: Desk) -> None:
    """Trouble of the service while a job is at work ends with each row as one workitem."""
    desk.is_set(bulk_running=(10.0, 10.0))
    desk.goes_wrong("bulk_add_get", "status:503", at=tuple(range(2, 9)))
    run = desk.plans(ids(150))
    ending = await desk.carries_on(run, concurrency=2)
    assert ending.problem is None
    assert desk.outcomes(run) == {"created": 150}
    assert desk.made() == dict.fromkeys(ids(150), 1)


async def test_bulk_row_of_another_run_s_open_job_is_not_sent_beside_it(desk: Desk) -> None:
    """A row that a dead run's job at work may still create is not sent by another run: it stops until that run is carried on."""
    desk.is_set(bulk_running=(600.0, 600.0))
    first = desk.plans(ids(50))
    await desk.dies_at(first, desk.has_seen("bulk_add_patch"), concurrency=1)
    second = desk.plans(["E-1"])
    ending = await desk.carries_on(second)
    assert isinstance(ending.problem, TargetDown)
    assert first in ending.problem.fix
    await desk.carries_on(first)
    await desk.carries_on(second)
    assert desk.outcomes(second) == {"existing": 1}
    assert desk.made() == dict.fromkeys(ids(50), 1)
