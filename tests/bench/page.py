"""How the page feels with 100,000 rows: preview, page switch, search, fixes, and the memory of the server.

python -m tests.bench.page          # about two minutes
python -m tests.bench.page 10000    # so many rows

The sandbox is a process of its own; the child that reads the file is not counted either. Memory is the peak (VmHWM).
"""

import asyncio
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from importer.core.approval import Person
from importer.core.fixes import FixMany
from importer.desk.desk import Desk
from importer.desk.drafting import Drafting
from importer.drafts.draft import Filter
from importer.settings import load
from importer.wiring import Connection, connected, ledger, submission_lock

ANNA = Person("anna", "token")
QUEUES = ("Billing", "Claims", "General Inquiry", "Biling")
TIMES = 15


def sheet(rows: int) -> Iterator[bytes]:
    """A CSV file: one row in four names a queue that does not exist, some are blank or out of range."""
    yield b"External ID,Queue,Priority,Type,Description,Customer,Notes\n"
    for n in range(rows):
        priority, text = (
            ("150" if n % 50 == 0 else "50"),
            ("" if n % 97 == 0 else f"Request {n} of customer {n * 7919}"),
        )
        yield (
            f"EXT-{n:06d},{QUEUES[n % 4]},{priority},email,{text},Customer number {n * 7919},"
            f"called on {n % 28 + 1:02d}.11.2026 about an invoice of {n * 13 % 9000} euros and wants an answer\n"
        ).encode()


def say(name: str, figure: str) -> None:
    """One line."""
    sys.stdout.write(f"{name:<58} {figure}\n")
    sys.stdout.flush()


async def timed(name: str, job: Callable[[], Awaitable[Any]], times: int = TIMES) -> Any:
    """Prints the median and the worst of some times, and the processor time of this process, in milliseconds."""
    taken, worked, made = [], [], None
    for _ in range(times):
        began, used = time.perf_counter(), time.process_time()
        made = await job()
        taken.append((time.perf_counter() - began) * 1000)
        worked.append((time.process_time() - used) * 1000)
    say(
        name,
        f"median {statistics.median(taken):9.1f} ms   worst {max(taken):9.1f} ms   of processor {statistics.median(worked):9.1f} ms",
    )
    return made


async def stalls(stop: asyncio.Event, worst: list[float]) -> None:
    """How long the event loop was held up at most, in milliseconds."""
    while not stop.is_set():
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        worst[0] = max(worst[0], (time.perf_counter() - began - 0.005) * 1000)


async def measure(drafting: Drafting, rows: int) -> None:
    """All figures."""
    upload = await drafting.new("big.csv", ANNA)
    for piece in sheet(rows):
        await upload.write(piece) if rows < 1000 else upload._incoming.write(piece)
    head = await upload.finish()
    draft = head.id
    stop, worst = asyncio.Event(), [0.0]
    watching = asyncio.ensure_future(stalls(stop, worst))
    await timed(f"preview of {rows:,} rows", lambda: drafting.preview(draft), 1)
    stop.set()
    await watching
    say("  the event loop was held up at most", f"{worst[0]:16.1f} ms")
    pages = iter(range(1, 10_000, 61))
    await timed("page switch", lambda: drafting.page(draft, Filter(number=next(pages))))
    await timed(
        "page switch, invalid rows alone", lambda: drafting.page(draft, Filter(verdict="invalid", number=next(pages)))
    )
    await timed("page switch, one code", lambda: drafting.page(draft, Filter(code="Q501", number=next(pages))))
    for text in ("customer 7919", "EURO", "no such text"):
        found = await timed(f"search “{text}”", partial(drafting.page, draft, Filter(text=text)))
        say("  rows found", f"{found.total:16,}")
    await timed("go to line", lambda: drafting.page(draft, Filter(line=rows // 2)))
    await timed("counts", lambda: drafting.counts(draft))
    await timed("causes", lambda: drafting.causes(draft))
    await timed("queues", lambda: drafting.queues(draft))
    await timed("unknown values", lambda: drafting.unknown_values(draft))
    lines = iter(range(2, rows, 211))

    async def fix() -> Any:
        now, line = await drafting.head(draft), next(lines)
        row = await drafting.row(draft, line)
        return await drafting.fix(draft, now.revision, line, 4, row.cells[4], f"fixed {line}", ANNA)

    await timed("fix of a cell", fix)
    many = FixMany("replace", 1, "Billing", "Biling")
    await timed("fix of many: how many", lambda: drafting.would_change(draft, many), 1)
    head = await drafting.head(draft)
    count = await timed("fix of many", lambda: drafting.fix_many(draft, head.revision, many, ANNA), 1)
    say("  cells", f"{count:16,}")
    head = await drafting.head(draft)
    await timed("plan", lambda: drafting.plan(draft, head.revision, ANNA), 1)
    size = sum(each.stat().st_size for each in drafting.upload(draft).parent.iterdir())
    say("the draft on the disk", f"{size / 2**20:16.1f} MiB")


def main(rows: int) -> None:
    """Measures in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        flags = {"sandbox": True, "state_dir": folder, "rate": "100000/s"}
        settings = load(flags, folder=Path(folder))
        book = ledger(settings)
        with connected(settings) as connection:
            desk = Desk(settings, book, submission_lock(settings))
            own = Connection(connection.target, connection.environment, connection.run)
            connection.run(measure(Drafting(settings, desk, own), rows))
        book.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say("memory of the server at its peak", f"{peak:16.1f} MiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
