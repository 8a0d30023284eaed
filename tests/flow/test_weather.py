"""Faults that may come in any step of a run, tried in each: throttling, tokens, clocks, odd answers, memory."""

import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from importer.core.errors import LedgerError
from importer.core.facts import TaskFact
from importer.core.states import FINAL_STATES
from importer.ledgers.checkup import verified
from importer.ports import AuditTrail
from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import Fault, Scenario
from importer.sandbox.server import Sandbox
from importer.targets.exchange import Credentials, Endpoints, Exchange
from importer.targets.tasks import TasksTarget
from importer.targets.transport import HttpTransport, Timeouts
from tests.flow.conftest import LAG_S, CountingLedger, Office, TurnedClock, ids
from tests.flow.test_audit import counts, told
from tests.flow.test_track import journal
from tests.names import Names

DAY_S = 86_400.0
STEPS = ("token", "queue", "create", "find", "audits")
"""The calls of log-in, preview, submission, look-up and audit."""
UNREADABLE = (
    "truncated", "short", "html", "empty", "no_id", "wrong_type", "duplicate_keys", "bad_utf8", "huge", "gzip_bomb", "empty_page"
)  # fmt: skip


class SetClock(TurnedClock):
    """A wall clock that goes wrong: `ahead_s` from the moment `from_s` (monotonic) on."""

    def __init__(self, hand: HandClock, ahead_s: float, from_s: float = 0.0) -> None:
        super().__init__(hand)
        self._ahead_s = ahead_s
        self._from_s = from_s

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self._ahead_s if self.monotonic() >= self._from_s else 0.0)


async def whole_run(office: Office, rows: int = 3) -> str:
    """Every kind of call: log-in, a queue as a preview looks it up, creates, look-ups, audits. Gives the run."""
    queue = office.queue_id()
    await office.driven(office.target.log_in(()))
    await office.driven(office.target.queues([queue]))
    run = office.opens(ids(rows))
    ending = await office.carries_on(run, concurrency=1, track="closed")
    assert ending.problem is None
    return run


def check_nobody_came_early(office: Office, least_s: float) -> None:
    """After the 429 no call of any kind came before its time."""
    visits = office.visits()
    refused = next(index for index, visit in enumerate(visits) if visit.status == 429)
    assert visits[refused + 1].arrived - visits[refused].arrived >= least_s


WAITS = [(7, 7.0), ("date+9", 9.0), ("date-30", 0.0), (None, 0.5), ("abc", 0.5), (-3, 0.5), ("1e9", 0.5)]


@pytest.mark.parametrize(("retry_after", "least_s"), WAITS)
@pytest.mark.parametrize("step", STEPS)
async def test_429_in_any_step_holds_every_call(
    office: Office, step: str, retry_after: int | str | None, least_s: float
) -> None:
    """A 429 of a log-in, preview, POST, look-up or audit call makes all wait as told, and costs no row anything."""
    office.sandbox.breaks(
        Fault.model_validate({"operation": step, "kind": "status:429", "at": (1,), "retry_after": retry_after})
    )
    run = await whole_run(office)
    check_nobody_came_early(office, least_s)
    assert office.tasks() == dict.fromkeys(ids(3), 1)
    assert office.outcomes(run) == {"created": 3}
    assert all(entry.resends == 0 and not entry.doubted for entry in await office.entries(run))


@pytest.mark.parametrize("ahead_s", [-600.0, 600.0])
@pytest.mark.parametrize("step", STEPS)
async def test_429_with_a_date_counts_from_the_answers_own_date(office: Office, step: str, ahead_s: float) -> None:
    """A clock that is ten minutes wrong makes nobody early, nor wait much longer than the server's own dates say."""
    office.clock = SetClock(office.clock.hand, ahead_s)
    await office.starts_again()
    office.sandbox.breaks(
        Fault.model_validate({"operation": step, "kind": "status:429", "at": (1,), "retry_after": "date+9"})
    )
    await whole_run(office)
    check_nobody_came_early(office, 9.0)
    assert office.pace.waits == [9.0]


# Clocks

STARTS = {
    "winter": 1_800_000_000.0,
    "an hour that comes twice": datetime(2026, 11, 1, 5, 59, 50, tzinfo=UTC).timestamp(),
    "the end of 32 bits": datetime(2038, 1, 19, 3, 14, 0, tzinfo=UTC).timestamp(),
    "a leap second": datetime(2016, 12, 31, 23, 59, 58, tzinfo=UTC).timestamp(),
}


@asynccontextmanager
async def office_at(
    scenario: Scenario, folder: Path, start: float, ahead_s: float = 0.0, from_s: float = 0.0
) -> AsyncIterator[Office]:
    """An office whose day begins at `start`, with a clock that goes wrong."""
    hand = HandClock(start)
    folder.mkdir()
    async with Sandbox(scenario, seed=7, clock=hand) as sandbox:
        office = Office(sandbox, hand, folder)
        office.clock = SetClock(hand, ahead_s, from_s)
        await office.starts_again()
        try:
            yield office
        finally:
            await office.closes()


@pytest.mark.parametrize("ahead_s", [-DAY_S, DAY_S, -1.0])
async def test_clock_that_jumps_changes_nothing_of_a_run(scenario: Scenario, tmp_path: Path, ahead_s: float) -> None:
    """A wall clock that jumps by a day in mid-run moves no call: lag, token, look-ups, polls and audits count seconds."""
    arrivals = []
    for name, jump_s in (("calm", 0.0), ("jumping", ahead_s)):
        changed = scenario.changed({"token_lifetime_s": 100})
        async with office_at(changed, tmp_path / name, STARTS["winter"], jump_s, from_s=1.0) as office:
            office.sandbox.breaks(
                Fault(operation="create", kind="reset_after", at=(2,)),
                Fault(operation="create", kind="status:503", at=(3,)),
            )
            run = await whole_run(office)
            assert office.tasks() == dict.fromkeys(ids(3), 1)
            assert told(office, run) == counts(office)
            arrivals.append(sorted((visit.operation, round(visit.arrived, 2)) for visit in office.visits()))
    calm, jumping = arrivals
    assert jumping == calm
    assert calm[-1][1] > LAG_S


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS.keys())
async def test_times_of_a_run_are_utc_in_any_hour(scenario: Scenario, tmp_path: Path, start: float) -> None:
    """In the hour that comes twice, over a leap second and after 2038, times are stored in UTC and histories are right."""
    async with office_at(scenario, tmp_path / "office", start) as office:
        run = await whole_run(office)
        rows = office.rows(run)
        assert {row.external_id: [(each.state, each.at) for each in row.states] for row in rows} == journal(office)
        times = [datetime.fromisoformat(each.at) for row in rows for each in row.states]
        assert all(moment.utcoffset() == timedelta(0) for moment in times)
        assert min(times).timestamp() >= start


# Tokens


@pytest.mark.parametrize("step", ["create", "find", "audits"])
async def test_token_that_is_refused_in_any_step_is_renewed_once(office: Office, step: str) -> None:
    """A 401 in submission, tracking or audits costs one renewal and no row."""
    office.sandbox.breaks(Fault.model_validate({"operation": step, "kind": "status:401", "at": (2,)}))
    run = await whole_run(office)
    assert sum(visit.status == 401 for visit in office.visits()) == 1
    # The run logs in anew for each of its parts; without the 401 there are as many log-ins as parts.
    logins = [visit.n for visit in office.visits("token")]
    refused = next(visit.n for visit in office.visits() if visit.status == 401)
    assert refused + 1 in logins
    assert office.outcomes(run) == {"created": 3}
    assert told(office, run) == counts(office)


# Names


async def test_name_that_does_not_resolve_makes_no_row_doubtful(office: Office) -> None:
    """A name service that goes away in mid-run costs pauses and no doubt: nothing was sent, and every row is created."""
    names = Names("127.0.0.1")
    port = office.sandbox.api_url.rpartition(":")[2]
    await office.target.close()
    url = f"http://api.test:{port}"
    credentials = Credentials(office.sandbox.client_id, office.sandbox.client_secret)
    transport = HttpTransport(Timeouts(5.0, 5.0), resolver=names)
    office.exchange = Exchange(Endpoints(url, url), credentials, office.pace, office.clock, transport)
    office.target = TasksTarget(office.exchange)
    await office.driven(office.target.log_in(()))
    await office.target.close()  # no connection is kept: the next call asks for the name again
    names.failures = names.asked + 4
    run = office.opens(ids(5))
    office.breaks("reset_before", at=(3,))
    await office.carries_on(run, concurrency=1)
    assert names.asked > names.failures
    assert office.outcomes(run) == {"created": 5}
    assert sum(entry.doubted for entry in await office.entries(run)) == 1  # for the reset, not for the name
    assert office.tasks() == dict.fromkeys(ids(5), 1)


# Odd answers


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_odd_answer_to_a_look_costs_a_repeat_and_no_history(office: Office, kind: str) -> None:
    """Whatever comes for an answer while tasks are tracked, histories in the end are those of the sandbox."""
    office.sandbox.breaks(Fault.model_validate({"operation": "find", "kind": kind, "at": (2, 5)}))
    run = office.opens(ids(12))
    await office.carries_on(run, track="closed")
    office.recovers()
    await office.starts_again()
    ending = await office.carries_on(run, track="closed")
    assert ending.problem is None
    assert office.outcomes(run) == {"created": 12}
    assert {row.external_id: [(each.state, each.at) for each in row.states] for row in office.rows(run)} == journal(
        office
    )


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_odd_answer_to_an_audit_call_harms_no_row(office: Office, kind: str) -> None:
    """Whatever comes for an answer while audits are fetched, outcomes stay, and audits are fetched whole later."""
    office.sandbox.breaks(Fault.model_validate({"operation": "audits", "kind": kind, "at": (2, 4)}))
    run = office.opens(ids(8))
    ending = await office.carries_on(run, track="closed")
    assert ending.problem is None
    assert office.outcomes(run) == {"created": 8}
    office.recovers()
    await office.starts_again()
    await office.carries_on(run, track="closed")
    assert told(office, run) == counts(office)


# Tasks that live oddly


async def test_state_of_an_unknown_name_is_kept_verbatim(office: Office) -> None:
    """A state that no contract knows is shown as it is called, and the task is followed to its end."""
    office.sandbox.change(life={"odd": 1})
    run = office.opens(ids(12))
    await office.carries_on(run, track="closed")
    states = [[each.state for each in row.states] for row in office.rows(run)]
    assert any("on-hold" in each for each in states)
    assert {each[-1] for each in states} <= FINAL_STATES


async def test_task_that_never_ends_keeps_its_last_state(office: Office) -> None:
    """Tasks that are stuck are given up when tracking's time is over, with the last state and as `created`."""
    office.sandbox.change(life={"stuck": 1, "cancel": 0})
    run = office.opens(ids(6))
    ending = await office.carries_on(run, track="closed", track_for_s=3600.0)
    assert ending.problem is None
    assert {row.state for row in office.rows(run)} == {"working"}
    assert office.outcomes(run) == {"created": 6}


async def test_audits_that_never_come_are_told_as_such(office: Office) -> None:
    """Where half of the entries never appear, those that do are counted, and nothing waits for the others for long."""
    office.sandbox.change(audit_loss=0.5)
    run = office.opens(ids(20))
    ending = await office.carries_on(run, track="closed")
    assert ending.problem is None
    assert told(office, run) == counts(office)
    assert {row.state for row in office.rows(run)} <= FINAL_STATES


# Conflicts


async def test_conflict_with_an_equal_task_is_existing(office: Office) -> None:
    """A 409 whose task has our very payload, sent by someone who is not this run, settles as existing; only the run differs."""
    office.sandbox.change(unique=True, index_lag_s=0)
    first = office.opens(["E-1"])
    await office.carries_on(first)
    (before,) = office.rows(first)
    await office.closes()
    office.ledger_is_lost()
    await office.starts_again()
    second = office.opens(["E-1"])
    await office.carries_on(second)
    (row,) = office.rows(second)
    assert (row.outcome.value, row.task_id) == ("existing", before.task_id)
    assert row.reason.endswith("it differs in attribute importRun")
    assert office.tasks() == {"E-1": 1}


# A ledger that is held


@pytest.mark.parametrize("settled", [0, 3])
async def test_busy_ledger_stops_a_run_that_is_carried_on(office: Office, settled: int) -> None:
    """A ledger that another program holds, from the start or in mid-run, stops it: no POST that is not recorded, none twice."""
    office.ledger.close()
    office.ledger = CountingLedger(office.folder / "ledger.sqlite", busy_s=0.05)
    run = office.opens(ids(6))
    with closing(sqlite3.connect(office.folder / "ledger.sqlite", isolation_level=None)) as other:
        running = office.running(concurrency=1)
        seen = 0

        def tell(event: str, numbers: Any) -> None:
            nonlocal seen
            seen += event == "settled"
            if seen == settled and event == "settled":
                other.execute("BEGIN IMMEDIATE")

        running.progress = tell
        if not settled:
            other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError):
            await office.driven(running.carry_on(run))
        other.execute("ROLLBACK")
    assert len(office.visits("create")) == settled
    await office.starts_again()
    await office.carries_on(run)
    assert office.outcomes(run) == {"created": 6}
    assert office.tasks() == dict.fromkeys(ids(6), 1)


# Memory


class Forgetful(TasksTarget):
    """A target for which there is no memory left at the n-th call of a kind."""

    def __init__(self, exchange: Exchange, kind: str, at: int) -> None:
        super().__init__(exchange)
        self._left = {kind: at}

    def _call(self, kind: str) -> None:
        left = self._left.get(kind, 0)
        self._left[kind] = left - 1
        if left == 1:
            raise MemoryError

    async def find(
        self, external_ids: Sequence[str], scope: str = "", *, fresh: bool = True
    ) -> Mapping[str, tuple[TaskFact, ...]]:
        self._call("find")
        return await super().find(external_ids, scope, fresh=fresh)

    async def create(self, payload: str, external_id: str, claim: Any) -> Any:
        answer = await super().create(payload, external_id, claim)
        self._call("create")  # the worst moment: the task is there, and its answer is not recorded
        return answer

    async def states(self, task_ids: Sequence[str], scope: str = "") -> Mapping[str, str]:
        self._call("states")
        return await super().states(task_ids, scope)

    async def audits(self, task_id: str) -> AuditTrail:
        self._call("audits")
        return await super().audits(task_id)


@pytest.mark.parametrize("kind", ["find", "create", "states", "audits"])
async def test_memory_that_runs_out_ends_the_command_and_nothing_else(office: Office, kind: str) -> None:
    """A MemoryError ends the command at once; the ledger is whole, and the next one carries the run on."""
    office.post_is_lost(3)
    office.target = Forgetful(office.exchange, kind, at=1 if kind == "find" else 2)
    run = office.opens(ids(6))
    with pytest.raises((MemoryError, BaseExceptionGroup)) as ended:
        await office.carries_on(run, concurrency=1, track="closed")
    assert ended.group_contains(MemoryError) if isinstance(ended.value, BaseExceptionGroup) else True
    made = len(office.visits("create"))
    await office.starts_again()
    assert [check.problems for check in verified(office.folder / "ledger.sqlite") if check.problems] == []
    await office.carries_on(run, track="closed")
    assert office.outcomes(run) == {"created": 6}
    assert office.tasks() == dict.fromkeys(ids(6), 1)
    assert made <= 6
