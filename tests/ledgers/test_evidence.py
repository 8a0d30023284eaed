"""What a ledger notices of itself: flipped bits, older copies, other machines, missing and truncated files."""

import asyncio
import random
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from importer.core.errors import LeaseLost, LedgerError
from importer.core.lease import Holder
from importer.core.report import AuditEntry, StateChange
from importer.core.stages import Stage
from importer.core.verdicts import Verdict
from importer.ledgers.checkup import checks, exported, verified
from importer.ledgers.database import MARK
from importer.ledgers.reserve import BYTES
from importer.ledgers.seal import seal
from importer.ledgers.sqlite import SqliteLedger
from importer.ports import CallEnd, Claim, OpenCall, RunRow
from tests.ledgers.conftest import AT, Opens, plan_row, preview, run_record

FLIPS = 200
ROWS = 60
ME = Holder("boot", "space", 1, "1")
OTHER = replace(ME, process=2)


def lived_in(path: Path) -> None:
    """A ledger with two runs, rows in every stage, histories, audit entries, calls ended and open, and a lease."""
    book = SqliteLedger(path)
    for run in ("run-1", "run-2"):
        rows = [plan_row(n, verdict=Verdict.INVALID if n % 7 == 3 else Verdict.READY) for n in range(ROWS)]
        record = run_record(run, f"plan-of-{run}")
        head = replace(preview().head, counts={"read": ROWS})
        record = replace(record, preview=replace(record.preview, head=head))
        book.open_run(record, (RunRow(row, '{"n":1}') for row in rows))
    asyncio.run(_work(book))
    book.trusted()
    book.close()


async def _work(book: SqliteLedger) -> None:
    await book.take_lease("run-1", ME, 100.0, 30.0, None)
    for number, entry in enumerate(await book.entries("run-1", [Stage.READY], -1, 30)):
        claim = await book.claim([entry], AT)
        assert claim.call is not None
        sending = replace(entry, stage=Stage.SENDING, attempts=1)
        if number % 5 == 4:
            continue  # its answer was never recorded
        stage = (Stage.CREATED, Stage.FAILED, Stage.DOUBT, Stage.CREATED)[number % 5]
        done = replace(sending, stage=stage, task_id=f"t-{number}", state="queued", reason="why", audit_count=2)
        states = [StateChange("new", AT, "created"), StateChange("queued", AT, "poll")]
        audits = [AuditEntry(f"a-{n}", "task-update", "me", AT, {"state": {"to": "queued"}}) for n in range(2)]
        await book.put(done, states, audits, CallEnd(claim.call, stage.value, AT, f"c-{number}"))
    await book.set_state("run-2", "done", "a note")


def content(path: Path) -> dict[str, list[Any]]:
    """Everything that the ledger says, table by table. Raises LedgerError, as whoever sends with it would."""
    book = SqliteLedger(path)
    try:
        book.trusted()
    finally:
        book.close()
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        tables = {name: sorted(connection.execute(f'SELECT * FROM "{name}"'), key=repr) for name in sorted(names)}
    tables["marks"] = []  # the generation grows with each opening that writes
    return tables


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path, seed: int) -> None:
    """Each of 200 random bit flips in a ledger file is refused before anything is sent, or leaves all content equal."""
    path = tmp_path / "whole" / "ledger.sqlite"
    lived_in(path)
    whole = content(path)
    original = path.read_bytes()
    chance = random.Random(seed)
    refused = 0
    for _ in range(FLIPS // 4):
        bit = chance.randrange(len(original) * 8)
        damaged = bytearray(original)
        damaged[bit // 8] ^= 1 << (bit % 8)
        folder = tmp_path / "flipped"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(path.parent, folder)
        flipped = folder / path.name
        flipped.write_bytes(damaged)
        try:
            found = content(flipped)
        except LedgerError:
            refused += 1
            assert flipped.exists(), f"seed {seed}, bit {bit}: the file is gone"
        else:
            assert found == whole, f"seed {seed}, bit {bit}"
    assert refused


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_ledger_is_refused_and_kept(tmp_path: Path, share: float) -> None:
    """A file that was cut off sends nothing, and stays as it is."""
    path = tmp_path / "ledger.sqlite"
    lived_in(path)
    cut = path.read_bytes()[: int(path.stat().st_size * share)]
    path.write_bytes(cut)
    with pytest.raises(LedgerError):
        content(path)
    assert path.read_bytes()[: len(cut)] == cut


def test_ledger_that_is_gone_is_not_replaced(tmp_path: Path) -> None:
    """Where there was a ledger and is none, no empty one is made, and the message says what to do."""
    path = tmp_path / "ledger.sqlite"
    lived_in(path)
    path.unlink()
    with pytest.raises(LedgerError, match="missing") as problem:
        SqliteLedger(path)
    assert "reconcile" in problem.value.fix
    assert not path.exists()


def test_older_copy_of_a_ledger_sends_nothing(tmp_path: Path) -> None:
    """A copy that is put back in the ledger's place is refused, until what may have been sent since was looked up."""
    path = tmp_path / "ledger.sqlite"
    lived_in(path)
    copy = path.read_bytes()
    book = SqliteLedger(path)
    asyncio.run(book.set_state("run-2", "open", ""))
    book.close()
    path.write_bytes(copy)
    book = SqliteLedger(path)
    with pytest.raises(LedgerError, match="older copy"):
        book.trusted()
    book.trusted(though_older=True)
    assert book.is_older_copy()
    book.accept_as_newest()
    book.trusted()
    book.close()


def test_ledger_without_its_counter_counts_as_an_older_copy(tmp_path: Path) -> None:
    """Who takes the counter away cannot pass an older copy off as the newest."""
    path = tmp_path / "ledger.sqlite"
    lived_in(path)
    (tmp_path / "ledger.counter").unlink()
    book = SqliteLedger(path)
    with pytest.raises(LedgerError, match="older copy"):
        book.trusted()
    book.close()


def test_older_copy_does_not_become_the_newest_by_being_written_to(tmp_path: Path) -> None:
    """However much is recorded in an older copy (notes, states), it sends nothing until what is missing was looked up."""
    path = tmp_path / "ledger.sqlite"
    lived_in(path)
    copy = path.read_bytes()
    note(path, 3)
    path.write_bytes(copy)
    note(path, 5)
    book = SqliteLedger(path)
    with pytest.raises(LedgerError, match="older copy"):
        book.trusted()
    book.close()


def test_ledger_whose_place_was_taken_is_the_older_copy(tmp_path: Path) -> None:
    """Once a copy was accepted, the file that was the newest before it sends nothing: it does not know what the copy sent."""
    path = tmp_path / "ledger.sqlite"
    lived_in(path)
    copy = path.read_bytes()
    note(path, 3)
    newest = path.read_bytes()
    path.write_bytes(copy)
    book = SqliteLedger(path)
    book.accept_as_newest()
    book.trusted()
    book.close()
    path.write_bytes(newest)
    book = SqliteLedger(path)
    with pytest.raises(LedgerError, match="older copy"):
        book.trusted()
    book.close()


def test_counter_that_is_lost_is_not_made_anew_by_a_write(tmp_path: Path) -> None:
    """A backup without its counter stays an older copy, whatever is recorded in it."""
    path = tmp_path / "ledger.sqlite"
    lived_in(path)
    (tmp_path / "ledger.counter").unlink()
    note(path, 1)
    book = SqliteLedger(path)
    with pytest.raises(LedgerError, match="older copy"):
        book.trusted()
    book.close()


def test_new_ledger_whose_first_start_was_killed_is_trusted(tmp_path: Path) -> None:
    """A counter that was made and never written belongs to a ledger in which nothing is."""
    path = tmp_path / "ledger.sqlite"
    SqliteLedger(path).close()
    (tmp_path / "ledger.counter").write_bytes(b"")
    book = SqliteLedger(path)
    book.trusted()
    book.close()


def test_ledger_is_whole_while_another_process_writes(tmp_path: Path) -> None:
    """What is committed in the middle of a check is no damage: all is read as of one moment."""
    path = tmp_path / "ledger.sqlite"
    lived_in(path)
    other = SqliteLedger(path)
    (entry,) = asyncio.run(other.entries("run-1", [Stage.READY], 40, 1))
    claims: list[Claim] = []

    def meanwhile(statement: str) -> None:
        if statement.startswith("SELECT call, no, kind") and not claims:
            claims.append(asyncio.run(other.claim([entry], AT)))

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.set_trace_callback(meanwhile)
        problems = [problem for check in checks(connection) for problem in check.problems]
    assert claims
    assert claims[0].call
    assert problems == []
    other.close()


def note(path: Path, times: int) -> None:
    """Notes are recorded, which needs no trust: nothing is sent."""
    book = SqliteLedger(path)
    for number in range(times):
        asyncio.run(book.set_state("run-1", "open", f"note {number}"))
    book.close()


def test_ledger_without_its_write_ahead_log_counts_as_an_older_copy(tmp_path: Path) -> None:
    """Commits that were still in the -wal file are missed, not forgotten."""
    path = tmp_path / "live" / "ledger.sqlite"
    lived_in(path)
    book = SqliteLedger(path)
    asyncio.run(book.set_state("run-2", "open", ""))
    folder = tmp_path / "copied"
    folder.mkdir()
    for name in ("ledger.sqlite", "ledger.counter"):
        shutil.copyfile(path.parent / name, folder / name)
    book.close()
    other = SqliteLedger(folder / "ledger.sqlite")
    with pytest.raises(LedgerError, match="older copy"):
        other.trusted()
    other.close()


@pytest.mark.skipif(not Path("/etc/machine-id").exists(), reason="this machine has no ID to compare")
def test_ledger_of_another_machine_is_refused_until_adopted(tmp_path: Path) -> None:
    """A copy from another machine sends nothing; who moved it for good says so."""
    path = tmp_path / "ledger.sqlite"
    lived_in(path)
    book = SqliteLedger(path)
    book._database.write(lambda c: c.execute(MARK, ("machine", "another", seal(("machine", "another"))))).result()
    with pytest.raises(LedgerError, match="another machine"):
        book.trusted()
    book.trusted(adopt=True)
    book.trusted()
    book.close()


@pytest.mark.parametrize(("table", "column"), [("states", "state"), ("audit_entries", "diff"), ("rows", "cells")])
def test_report_of_a_damaged_ledger_names_the_ledger(tmp_path: Path, table: str, column: str) -> None:
    """A report that meets damage in the middle ends with what to do about it, as any use of such a ledger does."""
    path = tmp_path / "ledger.sqlite"
    lived_in(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE {table} SET {column} = CAST(x'ff7b' AS TEXT)")
        connection.commit()
    book = SqliteLedger(path)
    with pytest.raises(LedgerError, match="cannot be read"):
        list(book.result_rows("run-1"))
    book.close()


def test_verify_names_the_check_and_export_saves_the_rest(tmp_path: Path) -> None:
    """A damaged row is named with its check; everything that can be read is saved, and the file is not changed."""
    path = tmp_path / "ledger.sqlite"
    lived_in(path)
    assert not [check for check in verified(path) if check.problems]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE rows SET task_id = 'another' WHERE position = 0 AND no = 1")
        connection.commit()
    before = path.read_bytes()
    (damaged,) = [check for check in verified(path) if check.problems]
    assert (damaged.name, "line 2" in damaged.problems[0]) == ("rows", True)
    lines = exported(path, tmp_path / "saved")
    assert (lines["rows"], lines["calls"]) == (2 * ROWS, 30)
    assert len((tmp_path / "saved" / "rows.jsonl").read_text("utf-8").splitlines()) == 2 * ROWS
    assert path.read_bytes() == before


def test_verify_finds_a_row_that_is_missing(tmp_path: Path) -> None:
    """A row that is gone altogether, with all that its hashes say, is missed."""
    path = tmp_path / "ledger.sqlite"
    lived_in(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM rows WHERE no = 2 AND position = 59")
        connection.commit()
    (damaged,) = [check for check in verified(path) if check.problems]
    assert damaged.name == "runs"


@pytest.mark.parametrize("table", ["states", "audit_entries", "calls", "call_rows", "leases"])
def test_verify_finds_a_record_that_was_taken_out(tmp_path: Path, table: str) -> None:
    """Histories and calls are missed when one of their records is gone."""
    path = tmp_path / "ledger.sqlite"
    lived_in(path)
    with closing(sqlite3.connect(path)) as connection:
        if table == "leases":
            connection.execute("UPDATE leases SET until_s = until_s + 1000")
        else:
            key = {"calls": "call", "call_rows": "call"}.get(table, "position")
            connection.execute(f"DELETE FROM {table} WHERE {key} = (SELECT min({key}) FROM {table})")
        connection.commit()
    assert [check.name for check in verified(path) if check.problems]


@pytest.mark.parametrize(
    ("table", "column"),
    [("states", "state"), ("audit_entries", "actor"), ("calls", "answer"), ("runs", "note")],
)
def test_verify_finds_a_record_that_was_altered(tmp_path: Path, table: str, column: str) -> None:
    """Histories and calls whose record says something else are noticed, and nothing is sent."""
    path = tmp_path / "ledger.sqlite"
    lived_in(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE {table} SET {column} = 'other'")
        connection.commit()
    assert [check.name for check in verified(path) if check.problems]
    with pytest.raises(LedgerError):
        content(path)


def test_verify_finds_an_index_that_does_not_fit(tmp_path: Path) -> None:
    """An index that says something else than its table, by which a row would not be found, is noticed."""
    path = tmp_path / "ledger.sqlite"
    lived_in(path)
    with closing(sqlite3.connect(path)) as connection:
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'rows_holding'"
        start = (connection.execute(query).fetchone()[0] - 1) * size
    whole = path.read_bytes()
    page = whole[start : start + size]
    assert page.count(b"EXT-29") == 1
    path.write_bytes(whole[:start] + page.replace(b"EXT-29", b"EXU-29") + whole[start + size :])
    assert [check.name for check in verified(path) if check.problems] == ["pages and indexes"]


def test_trusted_ledger_has_a_reserve_on_disk(tmp_path: Path) -> None:
    """Before anything is sent, the space for the answers of calls under way is taken: it is there, not only promised."""
    path = tmp_path / "ledger.sqlite"
    lived_in(path)
    (tmp_path / "ledger.reserve").unlink(missing_ok=True)
    book = SqliteLedger(path)
    book.trusted()
    book.close()
    assert (tmp_path / "ledger.reserve").exists()
    reserve = (tmp_path / "ledger.reserve").stat()
    assert reserve.st_size >= BYTES
    assert reserve.st_blocks * 512 >= BYTES


# Calls and leases


async def test_call_without_an_answer_is_known_with_its_rows(ledger: SqliteLedger, opens: Opens) -> None:
    """A call names the rows that it carried, one or many, and is open until its end is recorded."""
    run = opens()
    entries = await ledger.entries(run, [Stage.READY], -1, 10)
    claim = await ledger.claim(entries[:2], AT, kind="bulk")
    single = await ledger.claim(entries[2:], AT)
    assert claim.call is not None
    assert single.call is not None
    both, one = OpenCall(claim.call, "bulk", (0, 1)), OpenCall(single.call, "create", (2,))
    assert ledger.open_calls(run) == [both, one]
    await ledger.end_call(run, CallEnd(single.call, "created", AT))
    assert ledger.open_calls(run) == [both]


async def test_calls_that_ended_are_told_in_the_facts_of_their_run(ledger: SqliteLedger, opens: Opens) -> None:
    """What reports say above the rows has how many calls were answered, how fast, and what the run's own rate allows."""
    run, other = opens("first"), opens("second")
    for each in (run, other):
        assert ledger.run_facts(each).timing is None
    for entry in await ledger.entries(run, [Stage.READY], -1, 10):
        claim = await ledger.claim([entry], "2026-01-05T21:00:00.000Z")
        assert claim.call is not None
        await ledger.end_call(run, CallEnd(claim.call, "created", "2026-01-05T21:00:00.250Z"))
    timing = ledger.run_facts(run).timing
    assert timing is not None
    assert (timing.calls, timing.most_s, timing.least_s) == (3, 0.25, 0.6)
    assert ledger.run_facts(other).timing is None


async def test_call_leaves_out_rows_that_another_run_holds(ledger: SqliteLedger, opens: Opens) -> None:
    """Of several rows, those whose external ID is held elsewhere are told and not sent; the call names the others."""
    first = opens("first", [plan_row(1)])
    await ledger.claim(await ledger.entries(first, [Stage.READY], -1, 10), AT)
    second = opens("second")
    claim = await ledger.claim(await ledger.entries(second, [Stage.READY], -1, 10), AT)
    assert set(claim.taken) == {1}
    assert claim.call is not None
    assert ledger.open_calls(second) == [OpenCall(claim.call, "create", (0, 2))]


async def test_lease_is_taken_by_one_of_two(path: Path, ledger: SqliteLedger, opens: Opens) -> None:
    """Of two that saw the same state, one gets the lease, and the other is told."""
    run = opens()
    other = SqliteLedger(path)
    await ledger.take_lease(run, ME, 30.0, 30.0, None)
    with pytest.raises(LeaseLost):
        await other.take_lease(run, OTHER, 30.0, 30.0, None)
    other.close()


async def test_lease_that_was_taken_over_stops_every_write_of_the_first(
    path: Path, ledger: SqliteLedger, opens: Opens
) -> None:
    """Who lost the lease can neither claim, nor record, nor renew; the new holder's record stays as it is."""
    run = opens()
    mine = await ledger.take_lease(run, ME, 30.0, 30.0, None)
    (entry, *_) = await ledger.entries(run, [Stage.READY], -1, 10)
    other = SqliteLedger(path)
    await other.take_lease(run, OTHER, 90.0, 30.0, mine)
    for write in (ledger.claim([entry], AT), ledger.put(entry), ledger.renew_lease(run, 99.0)):
        with pytest.raises(LeaseLost):
            await write
    await ledger.release_lease(run)
    found = other.lease(run)
    assert found is not None
    assert found.holder == OTHER
    with suppress(LeaseLost):
        await ledger.claim([entry], AT)
    assert (await other.entries(run, [Stage.READY], -1, 10))[0] == entry
    other.close()


async def test_lease_is_renewed_and_given_back(ledger: SqliteLedger, opens: Opens) -> None:
    """A renewed lease lasts longer; one that is given back is none."""
    run = opens()
    await ledger.take_lease(run, ME, 30.0, 30.0, None)
    await ledger.renew_lease(run, 60.0)
    found = ledger.lease(run)
    assert found is not None
    assert found.until_s == 60.0
    await ledger.release_lease(run)
    assert ledger.lease(run) is None


def test_ledger_of_the_first_version_is_brought_up(tmp_path: Path) -> None:
    """A ledger that was made before calls were recorded opens, is whole, and is counted from now on."""
    path = tmp_path / "ledger.sqlite"
    schema = Path(__file__).parents[2] / "importer" / "ledgers" / "schema" / "001_first.sql"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema.read_text("utf-8"))
        connection.execute(f"PRAGMA application_id = {0x47_54_69_31}")
        connection.execute("PRAGMA user_version = 1")
        connection.execute(
            "INSERT INTO approvals (plan, digest, approved, who, at, comment) VALUES ('p', 'd', 1, 'ada', 'now', '')"
        )
        connection.commit()
    path.chmod(0o600)
    book = SqliteLedger(path)
    book.trusted()
    book.close()
    assert not [check.name for check in verified(path) if check.problems]
