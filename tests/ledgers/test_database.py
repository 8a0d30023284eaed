"""The writer thread: what it promises to those who wait, and to those who stopped waiting."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from importer.core.errors import LedgerError
from importer.ledgers.database import Database


async def test_database_survives_a_caller_that_was_cancelled(tmp_path: Path) -> None:
    """A write whose caller was cancelled is made all the same, and the writes after it are answered."""
    database = Database(tmp_path / "ledger.sqlite")
    gate = threading.Event()

    def held(connection: sqlite3.Connection) -> None:
        gate.wait(10)

    def adds(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO environments (target, origin) VALUES ('tasks', 'here')")

    def counts(connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT count(*) FROM environments").fetchone()[0])

    first = database.write(held)
    cancelled = asyncio.ensure_future(asyncio.wrap_future(database.write(adds)))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    gate.set()
    await asyncio.wrap_future(first)
    async with asyncio.timeout(10):
        assert await asyncio.wrap_future(database.write(counts)) == 1
    database.close()


def test_database_without_a_thread_commits_where_it_is_called(tmp_path: Path) -> None:
    """With `threaded` off a write is done, and to be read, when `write` returns; a refused one leaves nothing."""
    before = threading.active_count()
    database = Database(tmp_path / "ledger.sqlite", threaded=False)

    def adds(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO environments (target, origin) VALUES ('tasks', 'here')")

    def refuses(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO environments (target, origin) VALUES ('tasks', 'there')")
        raise ValueError("no")

    assert database.write(adds).done()
    assert isinstance(database.write(refuses).exception(), ValueError)
    assert database.reader.execute("SELECT origin FROM environments").fetchall() == [("here",)]
    assert threading.active_count() == before
    database.close()


# Disks that are full or fail. The error is raised where SQLite would raise it: in the write.


def adds(connection: sqlite3.Connection) -> None:
    """Some write."""
    connection.execute("INSERT INTO environments (target, origin) VALUES ('tasks', hex(randomblob(8)))")


def failure(code: int, words: str) -> sqlite3.Error:
    """What SQLite raises."""
    problem = sqlite3.OperationalError(words)
    problem.sqlite_errorcode = code
    return problem


def written(database: Database) -> int:
    """How many writes there are."""
    return int(database.reader.execute("SELECT count(*) FROM environments").fetchone()[0])


def test_database_on_a_full_disk_takes_answers_and_prepares_nothing(tmp_path: Path) -> None:
    """Where the disk is full the reserve is given up for an answer, and nothing that would be sent is recorded any more."""
    database = Database(tmp_path / "ledger.sqlite", threaded=False)
    database.reserve.lay_by()

    def needs_the_reserve(connection: sqlite3.Connection) -> None:
        adds(connection)
        if database.reserve.path.exists():
            raise failure(sqlite3.SQLITE_FULL, "database or disk is full")

    assert database.write(needs_the_reserve, answer=True).exception() is None
    assert not database.reserve.path.exists()
    assert written(database) == 1
    refused = database.write(adds).exception()
    assert isinstance(refused, LedgerError)
    assert "importer resume" in refused.fix
    assert database.write(adds, answer=True).exception() is None
    assert written(database) == 2
    database.close()


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB])
def test_database_takes_nothing_more_after_an_error_of_the_disk(tmp_path: Path, code: int) -> None:
    """After a failed fsync or a broken page neither a claim nor an answer is written through that handle."""
    database = Database(tmp_path / "ledger.sqlite", threaded=False)

    def fails(connection: sqlite3.Connection) -> None:
        adds(connection)
        raise failure(code, "disk I/O error")

    assert isinstance(database.write(fails).exception(), LedgerError)
    for answer in (False, True):
        assert isinstance(database.write(adds, answer=answer).exception(), LedgerError)
    assert written(database) == 0
    database.close()


def test_database_that_cannot_be_counted_prepares_nothing(tmp_path: Path) -> None:
    """What is committed stays, but where the counter outside cannot be written nothing new is begun."""
    resource = pytest.importorskip("resource", reason="no limit of handles on this system")
    database = Database(tmp_path / "ledger.sqlite", threaded=False)
    assert database.write(adds, answer=True).exception() is None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))  # what is open stays open; the counter cannot be looked at
    try:
        assert database.write(adds).exception() is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert isinstance(database.write(adds).exception(), LedgerError)
    assert database.write(adds, answer=True).exception() is None
    assert written(database) == 3
    database.close()
