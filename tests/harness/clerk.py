"""Clerk: a program that writes to a disk and says on its standard output what is safe by now, a line each.

    python -m tests.harness.clerk ledger PATH    `created N` once the ledger has recorded the answer for row N
    python -m tests.harness.clerk reports PATH   `report N` once the N-th version of the report is written
    python -m tests.harness.clerk plain PATH SYNCHRONOUS    `row N` once plain SQLite has committed row N
    python -m tests.harness.clerk stubborn PATH    `row N` or `failed N` for each of some claims, whatever became of the last

All but the stubborn one end when they cannot write any more.
"""

import asyncio
import os
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path

from importer.core.errors import LedgerError
from importer.core.stages import Stage, advance
from importer.ledgers.sqlite import SqliteLedger
from importer.ports import RunRow
from importer.writers.files import written
from tests.ledgers.conftest import AT, plan_row, run_record

ROWS = 2000
WORKERS = 8
FEW = 30
REPORT = "results.json"


def main() -> None:
    """Writes until the disk fails or all is written."""
    what, path, *rest = sys.argv[1:]
    try:
        match what:
            case "ledger":
                asyncio.run(_ledger(Path(path)))
            case "stubborn":
                asyncio.run(_stubborn(Path(path)))
            case "reports":
                _reports(Path(path))
            case "plain":
                _plain(path, *rest)
    except (OSError, LedgerError, sqlite3.Error) as failed:
        sys.stderr.write(f"{failed!r}\n")


def report_text(version: int) -> str:
    """What the report says in its N-th version: long enough for many pages."""
    return f"version {version}\n" * 5000


async def _ledger(path: Path) -> None:
    book = SqliteLedger(path)
    rows = (RunRow(plan_row(number), f'{{"n":{number}}}') for number in range(ROWS))
    book.open_run(run_record("run-1", "plan-1"), rows)
    _safe("opened 0")
    entries = iter(await book.entries("run-1", [Stage.READY], -1, ROWS))

    async def work() -> None:
        for entry in entries:
            claim = await book.claim([entry], AT)
            assert claim.call is not None
            _safe(f"claimed {entry.position}")
            sending = advance(entry, Stage.SENDING, attempts=entry.attempts + 1)
            await book.put(replace(advance(sending, Stage.CREATED), task_id=f"T-{entry.position}"))
            _safe(f"created {entry.position}")

    async with asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(work())


async def _stubborn(path: Path) -> None:
    book = SqliteLedger(path)
    rows = (RunRow(plan_row(number), f'{{"n":{number}}}') for number in range(FEW))
    book.open_run(run_record("run-1", "plan-1"), rows)
    for entry in await book.entries("run-1", [Stage.READY], -1, FEW):
        try:
            await book.claim([entry], AT)
            _safe(f"row {entry.position}")
        except LedgerError:
            _safe(f"failed {entry.position}")


def _reports(folder: Path) -> None:
    for version in range(1, ROWS):
        with written(folder / REPORT) as draft:
            draft.file.write(report_text(version).encode())
        _safe(f"report {version}")


def _plain(path: str, synchronous: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # a checkpoint syncs what was committed before it
    connection.execute("CREATE TABLE rows (n)")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for number in range(ROWS * 10):
        connection.execute("INSERT INTO rows VALUES (?)", (number,))
        _safe(f"row {number}")


def _safe(what: str) -> None:
    """Said in one write: no line is torn, and none waits in a buffer."""
    os.write(1, f"{what}\n".encode())


if __name__ == "__main__":
    main()
