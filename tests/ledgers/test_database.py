"""The writer thread: what it promises to those who wait, and to those who stopped waiting."""

import asyncio
import sqlite3
import threading
from pathlib import Path

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
