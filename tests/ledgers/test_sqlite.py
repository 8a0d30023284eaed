"""The ledger against what ports.Ledger promises."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from importer.core.approval import Approval, LeftOut, Person
from importer.core.errors import LedgerError, PlanRefused
from importer.core.findings import finding
from importer.core.outcomes import Outcome
from importer.core.report import AuditEntry, StateChange
from importer.core.stages import HOLDING, UNSETTLED, Entry, Stage, advance
from importer.core.verdicts import Verdict
from importer.ledgers.database import APPLICATION_ID
from importer.ledgers.sqlite import SqliteLedger
from importer.ports import RunRow, TakenBy
from tests.ledgers.conftest import AT, DIGEST, HERE, SANDBOX, Opens, plan_row, run_record

ALL = [stage.value for stage in Stage]
CREATED = StateChange("new", AT, "created")
AUDIT = AuditEntry("a1", "task-create", "someone", AT, {"state": {"to": "new"}})


async def entry_of(ledger: SqliteLedger, run: str, position: int = 0) -> Entry:
    """The entry at a position."""
    return (await ledger.entries(run, ALL, position - 1, 1))[0]


async def put_at(ledger: SqliteLedger, run: str, stage: Stage, position: int = 0, task_id: str | None = None) -> Entry:
    """The entry, recorded in another stage."""
    entry = replace(await entry_of(ledger, run, position), stage=stage, task_id=task_id)
    await ledger.put(entry)
    return entry


# Runs


def test_ledger_gives_back_the_run_that_it_was_given(ledger: SqliteLedger) -> None:
    """A run is read as it was recorded, its plan's head, its approval and its settings included."""
    grace = Person("grace", "uid 7")
    approval = Approval("plan-1", DIGEST, "f" * 64, True, grace, AT, AT, "fine", (LeftOut(17, "closed"),))
    record = replace(run_record("run-1", "plan-1", approval=approval), chain="c" * 64)
    ledger.open_run(record, [])
    assert ledger.run("run-1") == record
    assert ledger.runs() == [record]


def test_ledger_finds_a_run_by_a_beginning_that_is_unambiguous(ledger: SqliteLedger, opens: Opens) -> None:
    """The beginning of one run's ID finds it, one of several finds none, and a whole ID beats a beginning."""
    for run in ("20261123-a", "20261123-ab", "20261124-c"):
        opens(run, [])
    found = {text: ledger.run(text) for text in ("20261124", "20261123", "20261123-a", "", "nothing")}
    assert {text: record and record.run for text, record in found.items()} == {
        "20261124": "20261124-c", "20261123": None, "20261123-a": "20261123-a", "": None, "nothing": None,
    }  # fmt: skip


def test_ledger_runs_a_plan_once(ledger: SqliteLedger) -> None:
    """A second run of a plan is refused by naming the first, and leaves no row behind."""
    rows = [RunRow(plan_row(), "{}")]
    ledger.open_run(run_record("run-1", "plan-1"), rows)
    with pytest.raises(PlanRefused, match="ran already, as run-1"):
        ledger.open_run(run_record("run-2", "plan-1"), rows)
    assert [record.run for record in ledger.runs()] == ["run-1"]
    assert ledger.run_of_plan("plan-1") == "run-1"
    assert ledger.run_of_plan("plan-2") is None


def test_ledger_opens_a_run_whole_or_not_at_all(ledger: SqliteLedger) -> None:
    """Where the rows of a plan cannot be read to their end, nothing of the run is recorded."""

    def rows() -> Iterator[RunRow]:
        yield RunRow(plan_row(), "{}")
        raise PlanRefused("the plan was altered")

    with pytest.raises(PlanRefused, match="altered"):
        ledger.open_run(run_record("run-1", "plan-1"), rows())
    assert ledger.runs() == []
    ledger.open_run(run_record("run-1", "plan-1"), [RunRow(plan_row(), "{}")])
    assert ledger.counts("run-1")["read"] == 1


async def test_ledger_keeps_a_runs_state_and_note(ledger: SqliteLedger, opens: Opens) -> None:
    """Whether a run is done, and why it stopped, is recorded."""
    run = opens()
    await ledger.set_state(run, "done", "the service failed")
    record = ledger.run(run)
    assert record is not None
    assert (record.state, record.note) == ("done", "the service failed")
    assert (ledger.run_facts(run).state, ledger.run_facts(run).note) == ("done", "the service failed")


def test_ledger_refuses_a_run_it_does_not_know(ledger: SqliteLedger) -> None:
    """Books and rows of an unknown run are an error, not empty."""
    with pytest.raises(LedgerError, match="no run nothing"):
        ledger.counts("nothing")
    with pytest.raises(LedgerError, match="no run nothing"):
        list(ledger.result_rows("nothing"))


# Rows


async def test_ledger_gives_rows_in_file_order(ledger: SqliteLedger, opens: Opens) -> None:
    """Entries of several stages come by position, beyond `after`, and no more than asked for."""
    run = opens(rows=[plan_row(number) for number in range(7)])
    for position in (1, 4):
        await put_at(ledger, run, Stage.DOUBT, position)
    found = await ledger.entries(run, [Stage.READY, Stage.DOUBT], 0, 4)
    assert [(entry.position, entry.stage) for entry in found] == [
        (1, Stage.DOUBT), (2, Stage.READY), (3, Stage.READY), (4, Stage.DOUBT),
    ]  # fmt: skip
    assert [entry.position for entry in await ledger.entries(run, [Stage.READY], 3, 100)] == [5, 6]


async def test_ledger_keeps_the_payload_as_it_was_frozen(ledger: SqliteLedger, opens: Opens) -> None:
    """The payload of a row never changes, whatever is recorded of the row."""
    run = opens()
    entry = replace(await entry_of(ledger, run), stage=Stage.CREATED, payload="something else", task_id="t")
    await ledger.put(entry)
    assert (await entry_of(ledger, run)).payload == '{"id":"EXT-0"}'


async def test_ledger_gives_back_the_entry_that_it_was_given(ledger: SqliteLedger, opens: Opens) -> None:
    """Every field of an entry is recorded."""
    run = opens()
    entry = replace(
        await entry_of(ledger, run), stage=Stage.UNKNOWN, attempts=3, resends=2, doubted=True, conflicts=1, task_id="t",
        state="queued", reason="lost; 'quoted'", correlation_id="c-1", audits="done", audit_count=7,
    )  # fmt: skip
    await ledger.put(entry)
    assert await entry_of(ledger, run) == entry


async def test_ledger_refuses_an_entry_without_a_row(ledger: SqliteLedger, opens: Opens) -> None:
    """A write that would reach no row is an error: nothing is lost quietly."""
    entry = await entry_of(ledger, opens())
    with pytest.raises(LedgerError, match="no row"):
        await ledger.put(replace(entry, position=99))


async def test_ledger_replaces_histories_only_where_one_is_given(ledger: SqliteLedger, opens: Opens) -> None:
    """States and audit entries replace what was recorded; where none are given, what is recorded stays."""
    run = opens()
    entry = await put_at(ledger, run, Stage.CREATED, task_id="t")
    longer = [CREATED, StateChange("queued", AT, "poll")]
    await ledger.put(entry, [CREATED], [AUDIT])
    await ledger.put(entry, longer)
    await ledger.put(entry)
    assert await ledger.states(run, 0) == longer
    assert await ledger.states(run, 1) == []
    row = next(ledger.result_rows(run))
    assert (row.states, row.audits) == (tuple(longer), (AUDIT,))


async def test_ledger_counts_created_tasks_by_state(ledger: SqliteLedger, opens: Opens) -> None:
    """Created tasks are counted by the state in which they were seen last; other rows are not."""
    run = opens(rows=[plan_row(number) for number in range(4)])
    entries = await ledger.entries(run, [Stage.READY], -1, 10)
    for entry, state in zip(entries, ("closed", "closed", None), strict=False):
        sending = advance(entry, Stage.SENDING)
        await ledger.put(advance(sending, Stage.CREATED, task_id=f"t{entry.position}", state=state))
    assert ledger.counts_by_state(run) == {"closed": 2, "": 1}


async def test_ledger_accounts_for_every_row(ledger: SqliteLedger, opens: Opens) -> None:
    """The books of a run count every row once, by its outcome, and agree with its result rows."""
    verdicts = [Verdict.INVALID, Verdict.DUPLICATE, Verdict.EXISTING, Verdict.SKIPPED]
    rows = [plan_row(number) for number in range(7)]
    rows += [plan_row(7 + i, verdict=verdict, payload=None) for i, verdict in enumerate(verdicts)]
    run = opens(rows=rows)
    stages = [Stage.READY, Stage.SENDING, Stage.DOUBT, Stage.UNKNOWN, Stage.CREATED, Stage.EXISTING, Stage.FAILED]
    for position, stage in enumerate(stages):
        await put_at(ledger, run, stage, position)
    counts = ledger.counts(run)
    assert counts == {
        "read": 11, "created": 1, "existing": 2, "failed": 1, "unknown": 3, "not_sent": 1, "invalid": 1, "duplicate": 1,
        "skipped": 1,
    }  # fmt: skip
    results = list(ledger.result_rows(run))
    assert [row.line for row in results] == [row.line for row in rows]
    assert {each: sum(row.outcome is each for row in results) for each in Outcome} == {
        each: counts[each.value] for each in Outcome
    }
    assert ledger.unsettled(run) == len(UNSETTLED)


def test_ledger_keeps_the_cells_of_every_row(ledger: SqliteLedger, opens: Opens) -> None:
    """Original cells and findings come back as they were read, hostile texts included."""
    cells = ("'; DROP TABLE rows; --", "=1+1", "\x00\x07", "naïve \U0001f600", "a\r\nb", "", " ")
    told = (finding("V311", sheet="Täsks 1", column=2, line=9, heading="Was", value=""),)
    row = plan_row(0, cells=cells, file_line=12, findings=told, verdict=Verdict.INVALID, payload=None, external_id="")
    result = next(ledger.result_rows(opens(rows=[row])))
    assert (result.cells, result.findings, result.file_line) == (cells, told, 12)
    assert result.reason == "The description is blank."


# Claims


async def test_claim_is_recorded_before_it_is_granted(ledger: SqliteLedger, opens: Opens, path: Path) -> None:
    """Once a claim is granted, another process reads the row as SENDING, with one attempt more."""
    run = opens()
    assert (await ledger.claim([await entry_of(ledger, run)], AT)).call
    other = SqliteLedger(path)
    entry = await entry_of(other, run)
    other.close()
    assert (entry.stage, entry.attempts) == (Stage.SENDING, 1)


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.SENDING])
async def test_claim_yields_to_a_row_of_another_run_that_holds_the_id(
    ledger: SqliteLedger, opens: Opens, stage: Stage
) -> None:
    """Of other runs' rows with the ID, only those created or in doubt stop a claim; it then changes nothing."""
    await put_at(ledger, opens("run-1"), stage, task_id="t-1")
    entry = await entry_of(ledger, opens("run-2"))
    claim = await ledger.claim([entry], AT)
    if stage in HOLDING:
        assert claim.call is None
        assert claim.taken[0] == TakenBy("run-1", "t-1" if stage is Stage.CREATED else None)
        assert await entry_of(ledger, "run-2") == entry
    else:
        assert claim.call


async def test_claim_over_doubt_ignores_doubt_alone(ledger: SqliteLedger, opens: Opens) -> None:
    """`over_doubt` passes rows in doubt for which no other call was begun, and still yields to one that was created."""
    for stage in (Stage.SENDING, Stage.DOUBT, Stage.UNKNOWN):
        run = opens(f"of {stage}", [plan_row(0)])
        await put_at(ledger, run, stage)
    entry = await entry_of(ledger, opens("mine"))
    assert (await ledger.claim([entry], AT)).taken[0] == TakenBy("of sending", None)
    assert (await ledger.claim([entry], AT, over_doubt=1)).taken == {0: TakenBy("of sending", None)}
    assert (await ledger.claim([entry], AT, over_doubt=0)).call
    await put_at(ledger, "of doubt", Stage.CREATED, task_id="t-2")
    await ledger.put(entry)
    assert (await ledger.claim([entry], AT, over_doubt=0)).taken[0] == TakenBy("of doubt", "t-2")


async def test_claim_names_the_task_that_was_created_before_a_doubt(ledger: SqliteLedger, opens: Opens) -> None:
    """Where one run created the task and another is in doubt, the created one is named."""
    await put_at(ledger, opens("doubting"), Stage.DOUBT)
    await put_at(ledger, opens("creating"), Stage.CREATED, task_id="t-1")
    assert (await ledger.claim([await entry_of(ledger, opens("mine"))], AT)).taken[0] == TakenBy("creating", "t-1")


async def test_claim_is_not_held_by_its_own_row(ledger: SqliteLedger, opens: Opens) -> None:
    """A row in doubt may be claimed again by its own run: that is a resend."""
    run = opens()
    entry = await entry_of(ledger, run)
    await ledger.claim([entry], AT)
    again = advance(await entry_of(ledger, run), Stage.READY)
    assert (await ledger.claim([again], AT)).call
    assert (await entry_of(ledger, run)).attempts == 2


async def test_claim_is_held_in_its_own_environment_alone(ledger: SqliteLedger, opens: Opens) -> None:
    """What a sandbox created never stops a live row, and the other way round."""
    await put_at(ledger, opens("rehearsal", environment=SANDBOX), Stage.CREATED, task_id="t-1")
    assert (await ledger.claim([await entry_of(ledger, opens("live"))], AT)).call
    assert ledger.earlier(HERE, ["EXT-0"], "live") == {}


async def test_claim_is_granted_to_one_of_two_processes(path: Path, ledger: SqliteLedger, opens: Opens) -> None:
    """Two ledgers on one file never both claim one external ID."""
    runs = [opens(f"run-{number}", [plan_row(n) for n in range(25)]) for number in range(2)]
    other = SqliteLedger(path)
    pairs = [(book, await book.entries(run, ALL, -1, 100)) for book, run in zip((ledger, other), runs, strict=True)]
    claims = await asyncio.gather(*(book.claim([entry], AT) for book, entries in pairs for entry in entries))
    other.close()
    assert sum(claim.call is not None for claim in claims) == 25


async def test_ledger_tells_what_earlier_runs_did(ledger: SqliteLedger, opens: Opens) -> None:
    """By external ID: the created task with its payload, a doubt without task, nothing of what was never sent."""
    run = opens("run-1", [plan_row(number) for number in range(5)])
    stages = (Stage.CREATED, Stage.UNKNOWN, Stage.READY, Stage.FAILED, Stage.EXISTING)
    for position, stage in enumerate(stages):
        await put_at(ledger, run, stage, position, task_id="t-1" if stage is Stage.CREATED else None)
    ids = [f"EXT-{number}" for number in range(9)]
    told = ledger.earlier(HERE, ids)
    assert {key: (fact.run, fact.task_id) for key, fact in told.items()} == {
        "EXT-0": ("run-1", "t-1"), "EXT-1": ("run-1", None),
    }  # fmt: skip
    assert told["EXT-0"].content == {"id": "EXT-0"}
    assert ledger.earlier(HERE, ids, "run-1") == {}


# Writing


async def test_ledger_commits_fifty_writes_at_once(ledger: SqliteLedger, opens: Opens, path: Path) -> None:
    """Fifty writes made together are all on disk when they return."""
    run = opens(rows=[plan_row(number) for number in range(50)])
    entries = await ledger.entries(run, ALL, -1, 50)
    await asyncio.gather(*(ledger.claim([entry], AT) for entry in entries))
    moved = [replace(e, stage=Stage.CREATED, task_id=f"t-{e.position}", attempts=1) for e in entries]
    await asyncio.gather(*(ledger.put(entry, [CREATED], [AUDIT]) for entry in moved))
    other = SqliteLedger(path)
    assert await other.entries(run, [Stage.CREATED], -1, 100) == moved
    assert all(row.states == (CREATED,) and row.audits == (AUDIT,) for row in other.result_rows(run))
    other.close()


async def test_ledger_commits_what_waited_as_one_group(ledger: SqliteLedger, opens: Opens) -> None:
    """Writes that came while another one ran share one commit."""
    run = opens(rows=[plan_row(number) for number in range(50)])
    entries = await ledger.entries(run, ALL, -1, 50)
    gate = threading.Event()
    statements: list[str] = []

    def holds(connection: sqlite3.Connection) -> None:
        gate.wait(10)
        connection.set_trace_callback(statements.append)

    held = ledger._database.write(holds)
    writes = asyncio.gather(*(ledger.put(entry) for entry in entries))
    await asyncio.sleep(0)
    gate.set()
    held.result()
    await writes
    assert 1 <= statements.count("COMMIT") <= 2  # of the write that held the others up, and of the others


async def test_ledger_keeps_other_writes_when_one_fails(ledger: SqliteLedger, opens: Opens) -> None:
    """A write that cannot be made fails alone; those that were committed with it are made."""
    run = opens(rows=[plan_row(number) for number in range(20)])
    entries = [replace(e, stage=Stage.CREATED, task_id="t") for e in await ledger.entries(run, ALL, -1, 50)]
    unwritable = AuditEntry("a", "task-create", "x", AT, {"n": float("nan")})
    writes = [ledger.put(e, (), [unwritable] if e.position % 5 == 0 else []) for e in entries]
    failures = await asyncio.gather(*writes, return_exceptions=True)
    assert [i for i, failure in enumerate(failures) if failure is not None] == [0, 5, 10, 15]
    assert ledger.counts(run) | {"created": 16, "not_sent": 4} == ledger.counts(run)


async def test_ledger_survives_a_kill_after_a_write_returned(tmp_path: Path) -> None:
    """What a write has answered is there after the process was killed, without any closing."""
    script = """
import asyncio, os, signal, sys
from pathlib import Path
from importer.ledgers.sqlite import SqliteLedger
from importer.ports import RunRow
from tests.ledgers.conftest import plan_row, run_record
ledger = SqliteLedger(Path(sys.argv[1]))
ledger.open_run(run_record("run-1", "plan-1"), [RunRow(plan_row(n), "{}") for n in range(10)])
async def claims():
    entries = await ledger.entries("run-1", ["ready"], -1, 10)
    await asyncio.gather(*(ledger.claim([e], '') for e in entries[:6]))
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(claims())
"""
    path = tmp_path / "ledger.sqlite"
    child = subprocess.run([sys.executable, "-c", script, str(path)], timeout=60)
    assert child.returncode == -9
    ledger = SqliteLedger(path)
    assert len(await ledger.entries("run-1", [Stage.SENDING], -1, 100)) == 6
    assert ledger.counts("run-1")["read"] == 10
    ledger.close()


def test_ledger_is_written_with_full_sync(ledger: SqliteLedger) -> None:
    """Writes are WAL with synchronous=FULL: without it a power loss takes commits that were answered."""
    asked = ledger._database.write(
        lambda c: (c.execute("PRAGMA journal_mode").fetchone()[0], c.execute("PRAGMA synchronous").fetchone()[0])
    )
    assert asked.result() == ("wal", 2)


# The file


COLUMNS = (
    "no", "position", "line", "file_line", "cells", "external_id", "queue", "findings", "payload", "env", "fixed",
    "stage", "attempts", "resends", "doubted", "conflicts", "task_id", "state", "reason", "correlation_id", "audits",
    "audit_count", "seal",
)  # fmt: skip


def flipped(value: object) -> object:
    """The value with one bit changed."""
    match value:
        case int():
            return value ^ 1
        case str():
            return chr(ord(value[0]) ^ 1) + value[1:] if value else "\x01"
        case bytes():
            return bytes([value[0] ^ 1]) + value[1:]
    return 1


@pytest.mark.parametrize("column", COLUMNS)
def test_ledger_detects_a_bit_flipped_in_a_row(path: Path, column: str) -> None:
    """A row of which any column is not what was written is an error with its line, in reports and in sending."""
    ledger = SqliteLedger(path)
    rows = [RunRow(plan_row(number), "{}") for number in range(2)]
    ledger.open_run(run_record("run-1", "plan-1"), rows)
    ledger.close()
    with sqlite3.connect(path) as connection:
        stored = connection.execute(f"SELECT {column} FROM rows WHERE position = 1").fetchone()[0]
        new = 7 if column in ("no", "position") else flipped(stored)
        connection.execute(f"UPDATE rows SET {column} = ? WHERE position = 1", (new,))
        if column == "no":
            copy = "INSERT INTO runs SELECT 7, 'run-7', 'plan-7', env, head, about, approval, settings, opened_at, out, state, note, seal, NULL FROM runs"
            connection.execute(copy)
    connection.close()
    ledger = SqliteLedger(path)
    run = "run-7" if column == "no" else "run-1"
    with pytest.raises(LedgerError, match="damaged"):
        list(ledger.result_rows(run))
    if column not in ("stage",):  # then it is not among the ready ones
        with pytest.raises(LedgerError, match="damaged"):
            asyncio.run(ledger.entries(run, ["ready"], -1, 10))
    ledger.close()


@pytest.mark.parametrize("column", ["head", "about", "settings", "opened_at", "out", "approval", "env", "run"])
def test_ledger_detects_a_bit_flipped_in_a_run(path: Path, column: str) -> None:
    """A run's record that is not what was written is an error."""
    ledger = SqliteLedger(path)
    ledger.open_run(run_record("run-1", "plan-1"), [])
    ledger.close()
    with sqlite3.connect(path) as connection:
        stored = connection.execute(f"SELECT {column} FROM runs").fetchone()[0]
        new = {"head": str(stored).replace("Billing", "Cilling"), "about": str(stored).replace("ada", "eda")}
        connection.execute(f"UPDATE runs SET {column} = ?", (new.get(column, flipped(stored)),))
    connection.close()
    ledger = SqliteLedger(path)
    with pytest.raises(LedgerError, match="damaged"):
        ledger.runs()
    ledger.close()


def test_ledger_refuses_a_foreign_database_and_leaves_it_alone(path: Path) -> None:
    """A SQLite file of another program is refused, and not one byte of it changes."""
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="not a ledger"):
        SqliteLedger(path)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_ledger_refuses_a_file_with_anothers_mark(path: Path) -> None:
    """An empty database that carries another application's ID is refused."""
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA application_id = 4711")
    connection.close()
    with pytest.raises(LedgerError, match="not a ledger"):
        SqliteLedger(path)


def test_ledger_refuses_a_file_that_is_no_database(path: Path) -> None:
    """Any other file is refused, and stays as it is."""
    path.parent.mkdir()
    path.write_bytes(b"External ID;Queue\r\n" * 200)
    with pytest.raises(LedgerError, match="cannot be used"):
        SqliteLedger(path)
    assert path.read_bytes() == b"External ID;Queue\r\n" * 200


def test_ledger_refuses_a_newer_version(path: Path) -> None:
    """A ledger that a newer importer wrote is refused with what to do, and keeps its version."""
    SqliteLedger(path).close()
    with sqlite3.connect(path) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute(f"PRAGMA user_version = {version + 1}")
    connection.close()
    with pytest.raises(LedgerError, match="newer importer") as refused:
        SqliteLedger(path)
    assert refused.value.fix == "Update the importer."
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == version + 1
    connection.close()


def test_ledger_carries_its_mark_and_version(path: Path) -> None:
    """A new ledger says whose it is and of which version, and is opened again."""
    SqliteLedger(path).close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 2
    connection.close()
    SqliteLedger(path).close()


def test_ledger_may_be_opened_first_by_several_processes(path: Path) -> None:
    """Processes that start together on a new state folder all get the one ledger."""
    script = "import sys; from pathlib import Path; from importer.ledgers.sqlite import SqliteLedger; SqliteLedger(Path(sys.argv[1])).close()"
    children = [subprocess.Popen([sys.executable, "-c", script, str(path)], stderr=subprocess.PIPE) for _ in range(4)]
    told = [child.communicate(timeout=60)[1].decode() for child in children]
    assert [child.returncode for child in children] == [0] * 4, told


def test_ledger_is_private_under_any_umask(path: Path) -> None:
    """The file, -wal and -shm have mode 0600 and new folders 0700 under umask 000."""
    before = os.umask(0)
    try:
        ledger = SqliteLedger(path.parent / "deep" / path.name)
        ledger.open_run(run_record("run-1", "plan-1"), [])
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in (path.parent / "deep").iterdir()}
        ledger.close()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "ledger.counter"), 0o600)
    for folder in (path.parent, path.parent / "deep"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_ledger_does_not_follow_a_link(path: Path, tmp_path: Path) -> None:
    """A link in the ledger's place is refused: it could lead anywhere."""
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    for there in (False, True):
        if there:
            (tmp_path / "elsewhere").touch(0o600)
        with pytest.raises(LedgerError, match="cannot be opened"):
            SqliteLedger(path)
        assert (tmp_path / "elsewhere").exists() is there
    assert (tmp_path / "elsewhere").read_bytes() == b""


def test_second_ledger_of_a_process_leaves_the_locks_of_the_first(path: Path) -> None:
    """A server has the ledger open twice; another program that opens and closes it does not take the -wal from under it."""
    first, second = SqliteLedger(path), SqliteLedger(path)
    script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT count(*) FROM runs'); c.close()"
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    assert path.with_name("ledger.sqlite-wal").exists()
    first.close()
    second.close()
