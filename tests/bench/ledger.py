"""How many rows a second go through the ledger, claim and answer, each durable (WAL, synchronous=FULL), 8 at a time.

python -m tests.bench.ledger [ROWS] [FOLDER]      # the folder decides which disk is measured
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from importer.core.stages import Entry, Stage, advance
from importer.ledgers.sqlite import SqliteLedger
from importer.ports import CallEnd, RunRow
from tests.ledgers.conftest import AT, plan_row, run_record

ROWS = 5_000
AT_ONCE = 8


async def settled(ledger: SqliteLedger, run: str) -> float:
    """Seconds for all rows: claimed, answered and recorded."""
    queue: list[Entry] = await ledger.entries(run, [Stage.READY], -1, 1_000_000)
    began = time.perf_counter()

    async def work() -> None:
        while queue:
            entry = queue.pop()
            call = (await ledger.claim([entry], AT)).call
            assert call is not None
            created = advance(
                advance(entry, Stage.SENDING, attempts=1), Stage.CREATED, task_id=f"T-{entry.position}", state="new"
            )
            await ledger.put(created, end=CallEnd(call, "created", AT))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
    return time.perf_counter() - began


def main(rows: int, folder: str | None) -> None:
    """Prints rows a second."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        ledger = SqliteLedger(Path(scratch) / "ledger.sqlite")
        planned = (RunRow(plan_row(number), '{"id":1}') for number in range(rows))
        ledger.open_run(run_record("run-1", "plan-1"), planned)
        seconds = asyncio.run(settled(ledger, "run-1"))
        assert ledger.counts("run-1")["created"] == rows
        ledger.close()
    print(f"{rows} rows in {seconds:.1f} s: {rows / seconds:.0f} rows/s, two durable commits each")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS, sys.argv[2] if len(sys.argv) > 2 else None)
