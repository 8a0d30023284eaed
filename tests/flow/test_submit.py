"""Submission against the sandbox: one task per external ID, whatever the network and the service do."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from importer.core.errors import Interrupted, NotAuthorised, TargetDown
from importer.core.outcomes import Outcome
from importer.core.stages import Stage
from importer.sandbox.scenario import Fault
from tests.flow.conftest import LAG_S, Office, ids, watched

LOST: list[tuple[str, dict[str, Any]]] = [
    ("reset_before", {}),
    ("reset_after", {}),
    ("reset_late", {"seconds": 1}),
    *(("error_after", {"status": status}) for status in (500, 502, 503, 504, 408)),
    ("hang", {"seconds": 60}),
    ("hang_after", {"seconds": 60}),
    ("html", {}),
    ("html", {"status": 502}),
    ("html_after", {}),
    ("redirect", {}),
    ("truncated", {}),
    ("short", {}),
    ("empty", {}),
    ("no_id", {}),
    ("wrong_type", {}),
    ("bad_utf8", {}),
    ("huge", {}),
    ("gzip_bomb", {}),
    *((f"status:{status}", {}) for status in (500, 502, 503, 504, 408)),
]
"""Faults after which nobody can tell whether the task exists."""


@pytest.mark.parametrize(("kind", "options"), LOST, ids=lambda value: str(value))
async def test_submit_makes_one_task_of_a_doubtful_row(office: Office, kind: str, options: dict[str, Any]) -> None:
    """A POST whose answer says nothing ends as one task, counted as created, in the middle of others."""
    office.breaks(kind, at=(2,), **options)
    run = office.opens(ids(3))
    ending = await office.carries_on(run, concurrency=1)
    assert ending.problem is None
    assert office.tasks() == dict.fromkeys(ids(3), 1)
    assert office.outcomes(run) == {"created": 3}
    assert {row.task_id for row in office.rows(run)} == set(office.sandbox.world.tasks)


@pytest.mark.parametrize(("kind", "options"), LOST, ids=lambda value: str(value))
async def test_submit_looks_up_before_every_resend(office: Office, kind: str, options: dict[str, Any]) -> None:
    """Between two POSTs of a row lies a look-up that began more than the lag after the first one."""
    office.breaks(kind, **options)
    run = office.opens(["E-1"])
    await office.carries_on(run)
    calls = office.visits("create", "find")
    posts = [visit for visit in calls if visit.operation == "create"]
    for first, second in pairwise(posts):
        between = [visit for visit in calls if first.n < visit.n < second.n]
        assert between
        assert between[-1].arrived - first.arrived > LAG_S
    assert len(posts) <= 3
    assert office.tasks()["E-1"] <= 1
    assert office.outcomes(run) == ({"created": 1} if office.tasks() else {"unknown": 1})


async def test_submit_gives_up_after_two_resends(office: Office) -> None:
    """A row whose POSTs are all lost rests as unknown after three POSTs, and is looked up but not sent by resuming."""
    office.breaks("reset_before")
    run = office.opens(["E-1"])
    await office.carries_on(run)
    assert office.outcomes(run) == {"unknown": 1}
    assert len(office.visits("create")) == 3
    await office.starts_again()
    office.recovers()
    with watched(office) as calls:
        await office.carries_on(run)
    assert calls["create"] == 0
    assert calls["find"] > 0
    assert office.outcomes(run) == {"unknown": 1}


async def test_submit_counts_the_lag_from_the_end_of_the_call(office: Office) -> None:
    """A call that hangs for 25 s and is lost is looked up for the lag after its end, not after its beginning."""
    office.breaks("hang", times=1, seconds=3600)
    run = office.opens(["E-1"])

    async def time_passes_in_flight() -> None:
        hand = office.clock.hand
        await hand.until_asleep(1)
        hand.advance(25.0)

    passing = asyncio.ensure_future(time_passes_in_flight())
    await office.carries_on(run)
    await passing
    began, again = office.visits("create")
    assert began.arrived == 0.0
    assert office.visits("find")[-1].arrived > 25.0 + LAG_S
    assert again.arrived > 25.0 + LAG_S
    assert office.tasks() == {"E-1": 1}


async def test_submit_counts_the_lag_to_the_beginning_of_the_look_up(office: Office) -> None:
    """A look-up that began within the lag proves nothing, though its answer came after it: another precedes the resend."""
    office.sandbox.breaks(
        Fault(operation="create", kind="reset_before", times=1),
        Fault(operation="find", kind="hang", times=1, seconds=LAG_S + 1),
    )
    run = office.opens(["E-1"])

    async def time_passes_in_the_look_up() -> None:
        hand = office.clock.hand
        await hand.until_asleep(1)
        hand.advance(LAG_S + 1)

    passing = asyncio.ensure_future(time_passes_in_the_look_up())
    await office.carries_on(run)
    await passing
    first, again = office.visits("create")
    assert any(first.n < look.n < again.n and look.arrived > LAG_S for look in office.visits("find"))
    assert office.tasks() == {"E-1": 1}


@pytest.mark.parametrize("lag_s", [0.0, 0.05, 2.0, 4.9, 5.0, 5.05, 10.0, 30.0, 40.0, 100.0])
async def test_submit_waits_for_any_lag(office: Office, lag_s: float) -> None:
    """Whatever the lag, look-ups are few, the resend comes after it, and soon."""
    office.breaks("reset_before", times=1)
    office.sandbox.change(index_lag_s=lag_s * 0.9)
    run = office.opens(["E-1"])
    await office.carries_on(run, lag_s=lag_s)
    first, second = office.visits("create")
    assert lag_s < second.arrived - first.arrived <= lag_s + 0.5
    assert len(office.visits("find")) <= 8
    assert office.outcomes(run) == {"created": 1}


async def test_submit_finds_what_is_committed_late(office: Office) -> None:
    """A task that is committed behind our back and indexed within the lag is found, not made twice."""
    office.sandbox.change(index_lag_s=1)
    office.breaks("reset_late", times=1, seconds=3.5)
    run = office.opens(["E-1"])
    await office.carries_on(run)
    assert office.tasks() == {"E-1": 1}
    assert office.outcomes(run) == {"created": 1}


@pytest.mark.parametrize("status", [400, 404, 413, 415, 422])
async def test_submit_fails_a_refused_row(office: Office, status: int) -> None:
    """A refusal is the row's outcome with its correlation ID; it is not sent again and harms no other row."""
    office.breaks(f"status:{status}", at=(2,))
    run = office.opens(ids(3))
    await office.carries_on(run, concurrency=1)
    assert office.outcomes(run) == {"created": 2, "failed": 1}
    failed = next(row for row in office.rows(run) if row.outcome is Outcome.FAILED)
    assert failed.reason.startswith(f"{status}: ")
    assert failed.correlation_id
    assert len(office.visits("create")) == 3


async def test_submit_tells_each_row_that_became_no_task(office: Office) -> None:
    """Whoever watches hears at once of a row that failed: its line and the reason; of a created one nothing but the counts."""
    office.breaks("status:400", at=(2,))
    run = office.opens(ids(3))
    await office.carries_on(run, concurrency=1)
    failed = next(row for row in office.rows(run) if row.outcome is Outcome.FAILED)
    told = [numbers for event, numbers in office.events if event == "not created"]
    assert told == [{"line": failed.line, "outcome": "failed", "reason": failed.reason}]


@pytest.mark.parametrize("kind", ["duplicate_keys", "status:409", "status:429", "status:401"])
async def test_submit_goes_on_after_an_answer_that_proves_something(office: Office, kind: str) -> None:
    """One 401, 409 or 429, or a body with its ID twice, ends as one task."""
    office.breaks(kind, at=(2,))
    run = office.opens(ids(3))
    await office.carries_on(run, concurrency=1)
    assert office.outcomes(run) == {"created": 3}
    assert office.tasks() == dict.fromkeys(ids(3), 1)
    assert {row.task_id for row in office.rows(run)} == set(office.sandbox.world.tasks)


async def test_submit_renews_the_token_once(office: Office) -> None:
    """A token that expires with 20 calls in flight is renewed once, and every row is created once."""
    run = office.opens(ids(100))
    office.breaks("hang", at=tuple(range(1, 21)), seconds=5)

    async def token_expires() -> None:
        hand = office.clock.hand
        await hand.until_asleep(20)
        office.token_expires()
        hand.advance(5.0)

    expiring = asyncio.ensure_future(token_expires())
    await office.carries_on(run, concurrency=20)
    await expiring
    assert sum(visit.status == 401 for visit in office.visits("create")) == 20
    assert len(office.visits("token")) == 2  # the run's own log-in, and the renewal
    assert office.outcomes(run) == {"created": 100}
    assert set(office.tasks().values()) == {1}


async def test_submit_stops_for_a_token_that_is_always_refused(office: Office) -> None:
    """A second 401 in a row stops the run as a matter of credentials; nothing is in doubt."""
    office.breaks("status:401")
    run = office.opens(ids(12))
    ending = await office.carries_on(run)
    assert isinstance(ending.problem, NotAuthorised)
    assert office.outcomes(run) == {"not_sent": 12}


async def test_submit_stops_where_a_scope_is_missing(office: Office) -> None:
    """A 403 stops the run, names the scope, and leaves rows not sent."""
    office.breaks("status:403", at=(4,))
    run = office.opens(ids(40))
    ending = await office.carries_on(run, concurrency=1)
    assert isinstance(ending.problem, NotAuthorised)
    assert "task:create" in str(ending.problem)
    assert office.outcomes(run) == {"created": 3, "not_sent": 37}
    office.recovers()
    await office.starts_again()
    await office.carries_on(run)
    assert office.outcomes(run) == {"created": 40}
    assert set(office.tasks().values()) == {1}


async def test_submit_asks_for_its_scopes_first(office: Office) -> None:
    """Where the log-in shows that a scope is missing, no call is made but the log-in."""
    office.sandbox.change(scopes=("task:view", "queue:view"))
    run = office.opens(ids(3))
    ending = await office.carries_on(run)
    assert "task:create" in str(ending.problem)
    assert [visit.operation for visit in office.visits()] == ["token"]


@pytest.mark.parametrize("kind", ["status:503", "error_after", "reset_before", "hang_after"])
@pytest.mark.parametrize("concurrency", [1, 8])
async def test_submit_stops_in_an_outage(office: Office, kind: str, concurrency: int) -> None:
    """Ten failures in a row stop the run with the rest not sent; carried on later, each row is one task."""
    office.breaks(kind, seconds=3600)
    office.sandbox.service.set_faults(
        (*office.sandbox.service.faults.rules, Fault(operation="find", kind="status:503"))
    )
    run = office.opens(ids(60))
    ending = await office.carries_on(run, concurrency=concurrency)
    assert isinstance(ending.problem, TargetDown)
    assert 1 <= len(office.visits("create")) < 10 + concurrency
    counts = office.outcomes(run)
    assert counts["not_sent"] >= 60 - 10 - concurrency
    assert counts["not_sent"] + counts.get("unknown", 0) == 60
    office.recovers()
    await office.starts_again()
    ending = await office.carries_on(run)
    assert ending.problem is None
    assert office.outcomes(run) == {"created": 60}
    assert set(office.tasks().values()) == {1}


async def test_submit_opens_the_circuit_after_ten_failed_posts(office: Office) -> None:
    """With look-ups at work, ten failed POSTs in a row open the circuit; then one row tries every 30 s, until patience ends."""
    office.breaks("status:503")
    run = office.opens(ids(60))
    ending = await office.carries_on(run, concurrency=1, outage_s=100.0)
    assert isinstance(ending.problem, TargetDown)
    posts = [visit.arrived for visit in office.visits("create")]
    assert 10 < len(posts) <= 10 + 3
    assert {round(after - before) for before, after in pairwise(posts[9:])} == {30}
    assert office.outcomes(run)["not_sent"] >= 50 - 3


@pytest.mark.parametrize(("retry_after", "least_s"), [(7, 7.0), ("date+9", 9.0), (None, 1.0), ("abc", 1.0), (-3, 1.0)])
async def test_submit_makes_all_wait_for_a_429(office: Office, retry_after: int | str | None, least_s: float) -> None:
    """After a 429 no call at all arrives before Retry-After has passed: seconds, a date, absent or malformed."""
    office.breaks("status:429", at=(3,), retry_after=retry_after)
    run = office.opens(ids(40))
    await office.carries_on(run, concurrency=1)
    visits = office.visits()
    refused = next(index for index, visit in enumerate(visits) if visit.status == 429)
    assert visits[refused + 1].arrived - visits[refused].arrived >= least_s
    assert office.outcomes(run) == {"created": 40}
    assert set(office.tasks().values()) == {1}


async def test_submit_meets_a_limit_without_losing_rows(office: Office) -> None:
    """Under a server's limit that we do not know, every row is created once."""
    office.sandbox.change(limit={"calls": 5, "window_s": 2.0})
    run = office.opens(ids(60))
    await office.carries_on(run)
    assert office.outcomes(run) == {"created": 60}
    assert set(office.tasks().values()) == {1}
    assert all(visit.fault is None for visit in office.visits())


async def test_submit_takes_a_conflict_with_a_task_for_existing(office: Office) -> None:
    """A 409 whose task is found settles as existing with that task's ID, though the index lags."""
    office.sandbox.change(unique=True)
    first = office.opens(["E-1"])
    await office.carries_on(first)
    task_id = office.rows(first)[0].task_id
    await office.closes()
    office.ledger_is_lost()
    await office.starts_again()
    second = office.opens(["E-1"], description="Another invoice")
    await office.carries_on(second)
    (row,) = office.rows(second)
    assert (row.outcome, row.task_id) == (Outcome.EXISTING, task_id)
    assert "description" in row.reason
    assert office.tasks() == {"E-1": 1}


async def test_submit_parks_a_row_where_the_index_lags_more_than_declared(office: Office) -> None:
    """At a target with uniqueness whose index lags more than declared, a lost row is unknown, and created once seen."""
    office.sandbox.change(unique=True, index_lag_s=20)
    office.post_is_lost()
    run = office.opens(["E-1"])
    await office.carries_on(run, lag_s=1.0)
    assert office.outcomes(run) == {"unknown": 1}
    office.clock.hand.advance(20)
    await office.carries_on(run, lag_s=1.0)
    assert office.outcomes(run) == {"created": 1}
    assert office.tasks() == {"E-1": 1}


async def test_submit_waits_for_a_queue_in_transition(office: Office) -> None:
    """A 409 without a task is repeated with growing pauses until the queue is open again."""
    office.breaks("status:409", times=4)
    run = office.opens(["E-1"])
    await office.carries_on(run)
    posts = [visit.arrived for visit in office.visits("create")]
    assert [round(after - before) for before, after in pairwise(posts)] == [1, 2, 4, 8]
    assert office.outcomes(run) == {"created": 1}


async def test_submit_fails_rows_of_a_queue_that_closes(office: Office) -> None:
    """A queue that closes in mid-run fails its rows with the reason, in bounded time, and harms no others."""
    run = office.opens(ids(4))
    office.queue_closes()
    other = office.opens(ids(2, "O"), queue="Claims")
    await office.carries_on(run)
    assert office.outcomes(run) == {"failed": 4}
    assert all("closed" in row.reason for row in office.rows(run))
    assert office.clock.monotonic() < 120
    await office.carries_on(other)
    assert office.outcomes(other) == {"created": 2}


async def test_submit_makes_one_task_for_two_runs(office: Office) -> None:
    """What an earlier run in the same ledger created is existing in the next, without a call."""
    first, second = office.opens(ids(30)), office.opens(ids(30))
    await office.carries_on(first)
    with watched(office) as calls:
        await office.carries_on(second)
    assert calls["create"] == 0
    assert office.outcomes(second) == {"existing": 30}
    assert [row.task_id for row in office.rows(first)] == [row.task_id for row in office.rows(second)]
    assert set(office.tasks().values()) == {1}


@pytest.mark.parametrize(("kind", "found"), [("reset_after", True), ("reset_before", False)])
async def test_submit_looks_up_what_another_run_holds_in_doubt(office: Office, kind: str, found: bool) -> None:
    """A row that another run holds in doubt is looked up first; found it exists, not found after the lag it is sent."""
    office.breaks(kind, times=1)
    first, second = office.opens(["E-1"]), office.opens(["E-1"])
    await dies_in_flight(office, first)
    await office.starts_again()
    began = office.clock.monotonic()
    await office.carries_on(second)
    assert office.tasks() == {"E-1": 1}
    assert office.outcomes(second) == ({"existing": 1} if found else {"created": 1})
    if not found:
        assert office.visits("create")[-1].arrived - began > LAG_S
    await office.carries_on(first)
    assert office.tasks() == {"E-1": 1}
    assert office.outcomes(first) == ({"created": 1} if found else {"existing": 1})


async def dies_in_flight(office: Office, run: str) -> None:
    """The process ends while the run's only POST is on its way: its row stays claimed."""
    submitting = asyncio.ensure_future(office.running().carry_on(run))
    while not any(entry.stage in (Stage.SENDING, Stage.DOUBT) for entry in await office.entries(run)):  # noqa: ASYNC110 - the loop's turns are what is waited for
        await asyncio.sleep(0)
    while not office.visits("create"):  # noqa: ASYNC110 - the loop's turns are what is waited for
        await asyncio.sleep(0)
    submitting.cancel()
    await asyncio.gather(submitting, return_exceptions=True)


async def test_submit_lets_flights_land_when_halted(office: Office) -> None:
    """Asked to stop, it sends nothing more, and the calls in flight are recorded."""
    office.breaks("hang", at=(21, 22, 23, 24), seconds=2)
    run = office.opens(ids(200))
    running = office.running(concurrency=4)

    async def ctrl_c() -> None:
        hand = office.clock.hand
        await hand.until_asleep(4)
        running.stop(Interrupted(130))
        hand.advance(2.0)

    pressing = asyncio.ensure_future(ctrl_c())
    ending = await office.driven(running.carry_on(run))
    await pressing
    assert isinstance(ending.problem, Interrupted)
    assert office.outcomes(run) == {"created": 24, "not_sent": 176}
    assert len(office.visits("create")) == 24
    await office.starts_again()
    await office.carries_on(run)
    assert office.outcomes(run) == {"created": 200}
    assert set(office.tasks().values()) == {1}


async def test_submit_sends_a_resumed_row_once_among_many(office: Office) -> None:
    """A row in doubt behind hundreds of ready rows is sent once, though it turns ready before its page is loaded."""
    run = office.opens(ids(450))
    doubtful = (await office.entries(run))[405]
    await office.ledger.claim([doubtful], "2026-11-23T21:00:00Z")
    await office.starts_again(patience_s=30.0)
    office.breaks("hang", at=(399, 400), seconds=10)

    async def turns_ready_while_both_workers_are_busy() -> None:
        hand, pace = office.clock.hand, office.pace
        await hand.until_asleep(2)
        while office.clock.monotonic() <= LAG_S:
            looked = len(office.visits("find"))
            while not office.clock.turn():  # noqa: ASYNC110 - the loop's turns are what is waited for
                await asyncio.sleep(0)
            await office.until("find", looked + 1)
            if office.clock.monotonic() > LAG_S:
                pace.throttled(50.0)
            while pace.in_flight > 2:  # noqa: ASYNC110 - the loop's turns are what is waited for
                await asyncio.sleep(0)
        while (await office.entries(run))[405].stage is not Stage.READY:  # noqa: ASYNC110 - the loop's turns are what is waited for
            await asyncio.sleep(0)
        hand.advance(10.0 - office.clock.monotonic())

    turning = asyncio.ensure_future(turns_ready_while_both_workers_are_busy())
    await office.driven(office.running(concurrency=2).carry_on(run))
    await turning
    assert {name for name, number in office.tasks().items() if number > 1} == set()
    assert office.outcomes(run) == {"created": 450}


async def test_submit_resends_the_same_bytes(office: Office) -> None:
    """What is sent again after a lost answer is the payload that the ledger froze."""
    run = office.opens(["E-1"])
    (entry,) = await office.entries(run)
    office.breaks("reset_before", times=2)
    await office.carries_on(run)
    (task,) = office.sandbox.world.tasks.values()
    assert entry.payload == (await office.entries(run))[0].payload
    assert f'"createdAt":"{task.payload["customAttributes"]["createdAt"]}"' in entry.payload


@pytest.mark.parametrize(
    "kind", ["no_id", "wrong_type", "empty", "truncated", "html", "empty_page", "status:503", "huge"]
)
async def test_submit_takes_no_unreadable_look_up_for_not_found(office: Office, kind: str) -> None:
    """A look-up whose answer makes no sense proves nothing: no row is sent again for it, and it is settled later."""
    office.sandbox.breaks(Fault(operation="create", kind="reset_after", times=1), Fault(operation="find", kind=kind))
    run = office.opens(["E-1"])
    await office.carries_on(run)
    assert office.tasks() == {"E-1": 1}
    office.recovers()
    await office.starts_again()
    await office.carries_on(run)
    assert office.outcomes(run) == {"created": 1}
    assert office.tasks() == {"E-1": 1}


async def test_submit_tells_of_several_tasks_with_one_id(office: Office) -> None:
    """Two tasks found for one external ID are told with both IDs, and nothing more is sent."""
    first, second = office.opens(["E-1"]), office.opens(["E-1"])
    await office.carries_on(first)
    (payload,) = [entry.payload for entry in await office.entries(second)]

    async def yes() -> bool:
        return True

    await office.driven(office.target.create(payload, "E-1", yes))
    await office.closes()
    office.ledger_is_lost()
    await office.starts_again()
    third = office.opens(["E-1"])
    office.breaks("status:409", times=1)
    office.clock.hand.advance(10)
    with watched(office) as calls:
        await office.carries_on(third)
    (row,) = office.rows(third)
    assert row.outcome is Outcome.EXISTING
    assert all(task_id in row.reason for task_id in office.sandbox.world.tasks)
    assert calls["create"] == 1
