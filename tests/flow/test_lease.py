"""Two importers and one run: the second takes it only when the first can send no more."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest

from importer.core.errors import AlreadyRunning, Interrupted, LeaseLost
from importer.core.lease import Holder
from importer.core.stages import Entry, Stage
from importer.flow.lease import Leasing, Who
from importer.ledgers.sqlite import SqliteLedger
from importer.ports import Claim
from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import Fault
from tests.flow.conftest import LAG_S, CountingLedger, Office, TurnedClock, ids

FLIGHT_S = 35.0
LASTS_S = 30.0
FIRST = Holder("boot", "space", 101, "1")


def leasing(office: Office, run: str, me: Holder, ledger: SqliteLedger | None = None) -> Leasing:
    """What takes the run for a process."""
    who = Who(me, lambda holder: holder in office.gone)
    return Leasing(run, ledger or office.ledger, office.clock, who, FLIGHT_S, LASTS_S, lambda _event, _numbers: None)


async def test_run_whose_holder_is_at_work_is_not_taken(office: Office) -> None:
    """While another process renews its lease, the run is not carried on here, and nothing is sent."""
    run = office.opens(ids(3))
    first = SqliteLedger(office.folder / "ledger.sqlite")
    await first.take_lease(run, FIRST, office.clock.monotonic() + LASTS_S, LASTS_S, None)
    with pytest.raises(AlreadyRunning):
        await office.carries_on(run)
    assert office.visits("create") == []
    first.close()


async def test_run_of_a_dead_holder_is_taken_at_once(office: Office) -> None:
    """The kernel knows that the holder has ended: nobody waits for its lease."""
    run = office.opens(ids(3))
    await office.ledger.take_lease(run, FIRST, office.clock.monotonic() + LASTS_S, LASTS_S, None)
    office.gone.add(FIRST)
    before = office.clock.monotonic()
    await office.carries_on(run)
    assert office.outcomes(run) == {"created": 3}
    assert office.clock.monotonic() - before < 1.0


async def test_run_of_a_frozen_holder_is_taken_after_lease_and_flight(office: Office) -> None:
    """A holder that does not renew is waited for until its lease and its longest call are over, not a moment less."""
    run = office.opens(ids(2))
    first = SqliteLedger(office.folder / "ledger.sqlite")
    until = office.clock.monotonic() + LASTS_S
    await first.take_lease(run, FIRST, until, LASTS_S, None)
    office.clock.hand.advance(LASTS_S)
    await office.carries_on(run, flight_s=FLIGHT_S)
    assert office.outcomes(run) == {"created": 2}
    assert office.visits()[0].arrived >= until + FLIGHT_S
    first.close()


async def test_wait_for_a_lease_ends_when_asked_to(office: Office) -> None:
    """Who is asked to stop while waiting for a frozen holder's lease ends at once, without taking the run or calling anyone."""
    run = office.opens(ids(2))
    taken = await office.ledger.take_lease(run, FIRST, office.clock.monotonic() + LASTS_S, LASTS_S, None)
    office.clock.hand.advance(LASTS_S)
    running = office.running(flight_s=FLIGHT_S)
    began = office.clock.monotonic()
    task = asyncio.ensure_future(running.carry_on(run))
    for _ in range(50):
        await asyncio.sleep(0)
    assert office.events == [("waiting for a lease", {"seconds": round(FLIGHT_S)})]
    running.stop(Interrupted(130))
    ending = await office.driven(task)
    assert isinstance(ending.problem, Interrupted)
    assert office.clock.monotonic() - began <= 1.0
    assert office.ledger.lease(run) == taken
    assert office.visits() == []


async def test_frozen_importer_that_wakes_up_sends_nothing(office: Office) -> None:
    """Frozen in the middle of a run while another takes it over, the first stops at its next claim: one task a row."""
    run = office.opens(ids(30))
    running = office.running(concurrency=1)
    task = asyncio.ensure_future(running.carry_on(run))
    while len(office.visits("create")) < 5:
        await asyncio.sleep(0)
        office.clock.turn()
    second = SqliteLedger(office.folder / "ledger.sqlite")
    seen = second.lease(run)
    assert seen is not None
    await second.take_lease(run, replace(FIRST, process=102), office.clock.monotonic() + 500.0, 500.0, seen)
    ending = await office.driven(task)
    assert isinstance(ending.problem, LeaseLost)
    assert ending.problem.exit_code == 8
    posts = len(office.visits("create"))
    assert posts <= 7
    second.close()


async def test_importer_whose_lease_ran_out_sends_nothing(office: Office) -> None:
    """Held up for longer than the lease lasts, an importer stops before its next call, though nobody has taken the run."""
    run = office.opens(ids(3))
    held = leasing(office, run, office.me)
    await held.take()
    assert held.holds()
    office.clock.hand.advance(LASTS_S)
    assert not held.holds()


class SlowLedger(CountingLedger):
    """A ledger whose disk takes longer for a claim than a lease lasts."""

    hand: HandClock

    async def claim(
        self, entries: Sequence[Entry], at: str, *, kind: str = "create", over_doubt: int | None = None
    ) -> Claim:
        claimed = await super().claim(entries, at, kind=kind, over_doubt=over_doubt)
        self.hand.advance(LASTS_S)
        return claimed


async def test_claim_that_outlasts_the_lease_sends_nothing(office: Office) -> None:
    """Where the lease has run out by the time that the claim is on disk, the row is not sent: another may have taken the run."""
    run = office.opens(ids(3))
    office.ledger.close()
    slow = SlowLedger(office.folder / "ledger.sqlite")
    slow.hand = office.clock.hand
    office.ledger = slow
    ending = await office.carries_on(run, concurrency=1)
    assert isinstance(ending.problem, LeaseLost)
    assert office.visits("create") == []


async def test_call_after_a_401_needs_the_lease_again(office: Office) -> None:
    """Where the log-in that a 401 asks for takes longer than the lease lasts, the row is not sent a second time."""
    office.sandbox.breaks(
        Fault(operation="create", kind="status:401", at=(1,)),
        Fault(operation="token", kind="hang", at=(2,), seconds=LASTS_S),
    )
    run = office.opens(ids(1))

    async def time_passes_in_the_log_in() -> None:
        hand = office.clock.hand
        await hand.until_asleep(1)
        hand.advance(LASTS_S)

    passing = asyncio.ensure_future(time_passes_in_the_log_in())
    ending = await office.carries_on(run)
    await passing
    assert isinstance(ending.problem, LeaseLost)
    assert len(office.visits("create")) == 1


async def test_lease_is_kept_while_the_run_waits(office: Office) -> None:
    """A run that waits for long (a 429) renews its lease all the while."""
    office.breaks("status:429", at=(1,), retry_after=200)
    run = office.opens(ids(2))
    ending = await office.carries_on(run)
    assert ending.problem is None
    assert office.outcomes(run) == {"created": 2}
    assert office.ledger.lease(run) is None


async def test_frozen_holder_of_the_lock_is_passed(office: Office) -> None:
    """The lock of a frozen process stays held; its run is carried on all the same, once its lease has run out."""
    run = office.opens(ids(2))
    await office.ledger.take_lease(run, FIRST, office.clock.monotonic() + LASTS_S, LASTS_S, None)
    office.clock.hand.advance(LASTS_S + FLIGHT_S)
    running = office.running(flight_s=FLIGHT_S)
    running.lock = _held
    await office.driven(running.carry_on(run))
    assert office.outcomes(run) == {"created": 2}


async def test_lock_of_a_process_that_works_is_not_passed(office: Office) -> None:
    """Where the lock is held and no lease has run out, another import is at work."""
    run = office.opens(ids(2))
    running = office.running()
    running.lock = _held
    with pytest.raises(AlreadyRunning):
        await office.driven(running.carry_on(run))
    assert office.outcomes(run) == {"not_sent": 2}


@pytest.mark.parametrize("holder", [FIRST, replace(FIRST, boot="an earlier one")])
async def test_lock_is_not_passed_for_the_lease_of_a_process_that_ended(office: Office, holder: Holder) -> None:
    """A lease that a killed process left behind says nothing of who has the lock: another import is at work."""
    run = office.opens(ids(2))
    await office.ledger.take_lease(run, holder, office.clock.monotonic() + LASTS_S, LASTS_S, None)
    office.gone.add(FIRST)
    running = office.running()
    running.lock = _held
    with pytest.raises(AlreadyRunning):
        await office.driven(running.carry_on(run))
    assert office.visits("create") == []


def _held(_what: str) -> AbstractContextManager[None]:
    raise AlreadyRunning("held")


async def test_row_in_flight_when_the_run_is_taken_over_is_looked_up(office: Office) -> None:
    """What the first had sent when it froze is found by the second and not sent again."""
    run = office.opens(ids(1))
    first = SqliteLedger(office.folder / "ledger.sqlite")
    taken = await first.take_lease(run, FIRST, office.clock.monotonic() + LASTS_S, LASTS_S, None)
    (entry,) = await first.entries(run, [Stage.READY], -1, 10)
    await first.claim([entry], "2026-11-23T21:00:00Z")

    async def yes() -> bool:
        return True

    await office.driven(office.target.log_in(()))
    await office.driven(office.target.create(entry.payload, entry.external_id, yes))
    assert taken.holder == FIRST
    office.clock.hand.advance(LASTS_S + FLIGHT_S + LAG_S)
    await office.carries_on(run, flight_s=FLIGHT_S)
    assert office.outcomes(run) == {"created": 1}
    assert office.tasks() == {"E-1": 1}
    first.close()


class Overtaken(CountingLedger):
    """A ledger in which another run sends its row again right before the first claim of this one."""

    other: SqliteLedger
    again: Entry
    began: float | None = None
    clock: TurnedClock

    async def claim(
        self, entries: Sequence[Entry], at: str, *, kind: str = "create", over_doubt: int | None = None
    ) -> Claim:
        if over_doubt is not None and self.began is None:
            self.began = self.clock.monotonic()
            await self.other.put(self.again)
            await self.other.claim([self.again], "2026-11-23T21:00:09Z")
        return await super().claim(entries, at, kind=kind, over_doubt=over_doubt)


async def test_row_that_another_run_sends_again_is_waited_for_anew(office: Office) -> None:
    """A look-up tells nothing of a call that the other run began after it: the wait for lag and flight begins again."""
    first, second = office.opens(ids(1)), office.opens(ids(1))
    other = SqliteLedger(office.folder / "ledger.sqlite")
    (entry,) = await other.entries(first, [Stage.READY], -1, 1)
    await other.claim([entry], "2026-11-23T21:00:00Z")
    await other.put(replace(entry, stage=Stage.DOUBT, attempts=1, doubted=True))
    office.ledger.close()
    ledger = Overtaken(office.folder / "ledger.sqlite")
    ledger.other, ledger.clock = other, office.clock
    ledger.again = replace(entry, stage=Stage.READY, attempts=1, doubted=True, resends=1)
    office.ledger = ledger
    await office.carries_on(second, flight_s=1.0)
    assert ledger.began is not None
    assert office.visits("create")[0].arrived > ledger.began + LAG_S
    other.close()
