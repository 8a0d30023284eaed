"""What stops a run, what does not, and how it goes on: circuit, budget, canary, failures, long waits, reconcile."""

from collections import Counter
from itertools import pairwise

import pytest

from importer.core.errors import BudgetSpent, TargetDown, TooManyFailures
from importer.core.outcomes import Outcome
from importer.core.stages import Stage
from importer.sandbox.scenario import Fault
from tests.flow.conftest import LAG_S, Office, ids, watched


async def test_outage_that_ends_is_waited_out(office: Office) -> None:
    """After ten failures the circuit opens; a good read and one good row close it, and the run ends as if nothing had been."""
    office.breaks("status:503", times=10)
    run = office.opens(ids(60))
    ending = await office.carries_on(run, concurrency=1)
    assert ending.problem is None
    assert office.outcomes(run) == {"created": 60}
    assert set(office.tasks().values()) == {1}
    posts = [visit.arrived for visit in office.visits("create")]
    assert max(after - before for before, after in pairwise(posts)) >= 30.0


async def test_open_circuit_is_probed_by_reads_alone(office: Office) -> None:
    """While the service fails altogether, no row is sent between the first ten and the end of patience."""
    office.sandbox.breaks(Fault(operation="create", kind="status:503"), Fault(operation="find", kind="status:503"))
    run = office.opens(ids(100))
    ending = await office.carries_on(run, concurrency=1, outage_s=200.0)
    assert isinstance(ending.problem, TargetDown)
    assert len(office.visits("create")) <= 10
    calls = len(office.visits())
    assert calls <= 10 + 10 + 10, "a lasting outage costs few calls"
    assert office.outcomes(run)["not_sent"] >= 90


async def test_half_open_circuit_lets_one_row_try(office: Office) -> None:
    """After a good probe one row is sent, not as many as may be in flight; the others wait for its answer."""
    office.breaks("status:503")
    run = office.opens(ids(60))
    await office.carries_on(run, concurrency=8, outage_s=100.0)
    tries = Counter(round(visit.arrived) for visit in office.visits("create") if visit.arrived >= 30.0)
    assert tries
    assert set(tries.values()) == {1}


@pytest.mark.parametrize("operation", ["create", "any"])
async def test_lasting_outage_costs_a_tenth_of_the_rows_at_most(office: Office, operation: str) -> None:
    """However long it lasts, repeats are at most a tenth of the rows, and no row fails."""
    office.sandbox.breaks(
        Fault(operation="create", kind="error_after", probability=0.0),
        Fault.model_validate({"operation": operation, "kind": "status:500", "at": tuple(range(150, 5000))}),
    )
    run = office.opens(ids(300))
    ending = await office.carries_on(run, outage_s=3600.0)
    assert isinstance(ending.problem, TargetDown)
    assert office.exchange.budget.spent <= 30
    counts = office.outcomes(run)
    assert "failed" not in counts
    assert counts["created"] + counts["not_sent"] + counts.get("unknown", 0) == 300


async def test_empty_budget_pauses_the_run_and_it_can_go_on(office: Office) -> None:
    """Where every other read fails for ever the budget ends, with exit code 7; carried on later, each row is one task."""
    office.sandbox.breaks(Fault(operation="create", kind="status:500"))
    run = office.opens(ids(40))
    ending = await office.carries_on(run, concurrency=1, outage_s=36000.0)
    assert isinstance(ending.problem, BudgetSpent)
    assert ending.problem.exit_code == 7
    office.recovers()
    await office.starts_again()
    ending = await office.carries_on(run)
    assert ending.problem is None
    assert office.outcomes(run) == {"created": 40}
    assert set(office.tasks().values()) == {1}


async def test_one_cause_for_all_rows_stops_the_run(office: Office) -> None:
    """Twenty rows refused in a row for one cause stop the run with exit code 5; the rest is not sent."""
    office.breaks("status:400")
    run = office.opens(ids(100))
    ending = await office.carries_on(run, concurrency=1)
    assert isinstance(ending.problem, TooManyFailures)
    assert ending.problem.exit_code == 5
    assert office.outcomes(run) == {"failed": 20, "not_sent": 80}
    assert "400" in str(ending.problem)


async def test_closed_queue_stops_the_run(office: Office) -> None:
    """A queue that closed for all rows stops the run: they are neither tried one after the other nor failed."""
    run = office.opens(ids(100))
    office.queue_closes()
    ending = await office.carries_on(run)
    assert isinstance(ending.problem, TooManyFailures)
    assert office.outcomes(run)["not_sent"] >= 70
    assert office.tasks() == {}


async def test_scattered_faults_do_not_stop_the_run(office: Office) -> None:
    """Every third row refused: the others are created, and the run ends."""
    office.breaks("status:400", every=3)
    run = office.opens(ids(90))
    ending = await office.carries_on(run, concurrency=1)
    assert ending.problem is None
    assert office.outcomes(run) == {"created": 60, "failed": 30}


async def test_max_failures_stops_the_run(office: Office) -> None:
    """One failed row more than allowed, and the rest is not sent; carried on with a higher number it goes on."""
    office.breaks("status:400", every=4)
    run = office.opens(ids(60))
    ending = await office.carries_on(run, concurrency=1, max_failures=2)
    assert isinstance(ending.problem, TooManyFailures)
    assert office.outcomes(run) == {"created": 9, "failed": 3, "not_sent": 48}
    office.recovers()
    ending = await office.carries_on(run, max_failures=3)
    assert ending.problem is None
    assert office.outcomes(run) == {"created": 57, "failed": 3}


async def test_canary_goes_alone_and_then_the_rest(office: Office) -> None:
    """The first five rows are created before the sixth is sent, however many calls may be in flight."""
    run = office.opens(ids(40))
    office.breaks("hang", at=(2,), seconds=0.2)
    ending = await office.carries_on(run, canary=5, concurrency=8)
    assert ending.problem is None
    assert office.outcomes(run) == {"created": 40}


async def test_canary_that_fails_stops_the_run(office: Office) -> None:
    """A canary that is refused stops the run: the rest is not sent, and a later run sends canaries first again."""
    office.breaks("status:400", at=(3,))
    run = office.opens(ids(40))
    ending = await office.carries_on(run, canary=5, concurrency=8)
    assert isinstance(ending.problem, TooManyFailures)
    counts = office.outcomes(run)
    assert counts["failed"] == 1
    assert counts["created"] <= 4
    assert counts["not_sent"] >= 35
    office.recovers()
    ending = await office.carries_on(run, canary=5)
    assert ending.problem is None
    assert office.outcomes(run) == {"created": 39, "failed": 1}


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_holds_every_call(office: Office, status: int) -> None:
    """Retry-After of a 429 and of a 503 holds all calls, look-ups too, and none comes early."""
    office.breaks(f"status:{status}", at=(3,), retry_after=20)
    run = office.opens(ids(30))
    await office.carries_on(run, concurrency=1)
    visits = office.visits()
    told = next(index for index, visit in enumerate(visits) if visit.status == status)
    assert visits[told + 1].arrived - visits[told].arrived >= 20.0
    assert office.outcomes(run) == {"created": 30}
    assert set(office.tasks().values()) == {1}


async def test_503_with_a_long_wait_is_still_in_doubt(office: Office) -> None:
    """A 503 after the commit that asks to wait for an hour leaves its row in doubt: it is looked up, not sent again."""
    office.breaks("error_after", at=(3,), status=503, retry_after=3600)
    run = office.opens(ids(30))
    await office.carries_on(run, concurrency=1)
    entries = await office.entries(run)
    assert entries[2].doubted
    assert entries[2].stage in (Stage.DOUBT, Stage.CREATED)
    office.clock.hand.advance(3700)
    office.recovers()
    await office.starts_again()
    await office.carries_on(run)
    assert office.outcomes(run) == {"created": 30}
    assert set(office.tasks().values()) == {1}


# Reconcile


async def parked(office: Office) -> str:
    """A run with one row that rests as unknown: sent thrice, and never found."""
    office.breaks("status:500", times=3)
    run = office.opens(ids(1))
    await office.carries_on(run)
    assert office.outcomes(run) == {"unknown": 1}
    return run


async def test_reconcile_sends_nothing(office: Office) -> None:
    """Looking an unknown row up again creates nothing; it stays unknown while it is not found."""
    run = await parked(office)
    posts = len(office.visits("create"))
    ending = await office.driven(office.running().reconcile(run, resend=False))
    assert ending.problem is None
    assert office.outcomes(run) == {"unknown": 1}
    assert len(office.visits("create")) == posts


async def test_reconcile_with_resend_sends_what_is_surely_absent(office: Office) -> None:
    """Asked to, it sends a row again whose absence was confirmed through the whole lag, with the same bytes."""
    run = await parked(office)
    began = office.clock.monotonic()
    posts = len(office.visits("create"))
    await office.driven(office.running().reconcile(run, resend=True))
    assert office.outcomes(run) == {"created": 1}
    assert office.tasks() == {"E-1": 1}
    (resent,) = office.visits("create")[posts:]
    assert resent.arrived - began > LAG_S


async def test_reconcile_finds_a_task_that_came_late(office: Office) -> None:
    """A task that was committed after the row was given up is its own, and nothing is sent for it."""
    run = await parked(office)
    (entry,) = await office.entries(run)

    async def yes() -> bool:
        return True

    await office.driven(office.target.create(entry.payload, entry.external_id, yes))
    office.clock.hand.advance(LAG_S)
    await office.driven(office.running().reconcile(run, resend=True))
    assert [row.outcome for row in office.rows(run)] == [Outcome.CREATED]
    assert office.tasks() == {"E-1": 1}


async def test_older_copy_of_the_ledger_looks_up_what_it_takes_for_ready(office: Office) -> None:
    """After an older copy was put back, rows that were sent since are found and not sent again; the others stay ready."""
    run = office.opens(ids(20))
    await office.closes()
    copy = (office.folder / "ledger.sqlite").read_bytes()
    await office.starts_again()
    office.breaks("status:403", at=(11,))
    await office.carries_on(run, concurrency=1)
    assert office.outcomes(run) == {"created": 10, "not_sent": 10}
    await office.closes()
    (office.folder / "ledger.sqlite").write_bytes(copy)
    await office.starts_again()
    assert office.ledger.is_older_copy()
    office.recovers()
    office.clock.hand.advance(LAG_S)
    ending = await office.driven(office.running().reconcile(run, resend=False))
    assert ending.problem is None
    assert office.outcomes(run) == {"created": 10, "not_sent": 10}
    office.ledger.accept_as_newest()
    office.ledger.trusted()
    await office.carries_on(run)
    assert office.outcomes(run) == {"created": 20}
    assert set(office.tasks().values()) == {1}


async def test_every_run_of_an_older_copy_is_looked_up(office: Office) -> None:
    """However many runs an older copy has, none of them sends what was sent since: looking one up makes it no newer."""
    first, second = office.opens(ids(2)), office.opens(ids(2, "F"))
    await office.closes()
    copy = (office.folder / "ledger.sqlite").read_bytes()
    await office.starts_again()
    await office.carries_on(second, concurrency=1)
    await office.closes()
    (office.folder / "ledger.sqlite").write_bytes(copy)
    await office.starts_again()
    office.clock.hand.advance(LAG_S)
    for run in (first, first, first, second):
        assert office.ledger.is_older_copy()
        ending = await office.driven(office.running().reconcile(run, resend=False))
        assert ending.problem is None
    office.ledger.accept_as_newest()
    assert office.outcomes(second) == {"created": 2}
    await office.carries_on(second)
    assert set(office.tasks().values()) == {1}


async def test_reconcile_with_resend_sends_an_unknown_row_once(office: Office) -> None:
    """While the service goes on losing calls, a person's request is one more POST of a row, not one after each lag."""
    office.breaks("status:503")
    run = office.opens(ids(1))
    await office.carries_on(run)
    assert office.outcomes(run) == {"unknown": 1}
    with watched(office) as made:
        await office.driven(office.running().reconcile(run, resend=True))
    assert made["create"] == 1
    assert office.outcomes(run) == {"unknown": 1}
