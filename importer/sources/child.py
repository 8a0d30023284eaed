"""The program of the child process: reads one spreadsheet under limits and hands its rows to the parent in frames.

The file is standard input, frames go to standard output. What is needed is imported first; then the limits are taken, and
after them no file, socket or process can be opened or started. A frame is a length (4 bytes, little-endian) and so many bytes of
JSON, one of

    ["sheet", sheet]                                the first one, unless the file is refused
    ["rows", lines, cells, file_lines, marks, ids]  lines: a number where they follow each other, else a list; see `rows_frame`
    ["end", [finding, ...]]                         the last one
    ["refused", finding]                            the last one, at any time

JSON and nothing else: a child that a hostile file has taken over can lie about the rows, but not run code in the parent.
"""

import os
import struct
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO

import pydantic_core

from importer.core.errors import FileRefused
from importer.core.file_limits import FileLimits, beyond
from importer.core.findings import Finding, finding
from importer.core.rows import Row
from importer.core.screen import ScreenTask, screened
from importer.ports import ReadOptions
from importer.sources import PRELOADS, SOURCES, Preload, Read
from importer.sources.cage import bound, shut

LENGTH = struct.Struct("<I")

MAX_FRAME = 64 * 1024 * 1024
"""Bytes of one frame; the parent takes no longer ones."""

_FRAME = (
    32 * 1024
)  # bytes that a frame of rows should have: it fits a pipe and the processor's cache; 128 kB cost a quarter more
_MOST_ROWS = 1024

Send = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Task:
    """What the parent wants read, as its command line says it in JSON."""

    format: str  # a key of SOURCES
    sheet: str | None
    memory_mb: int
    cpu_s: int
    screen: dict[str, Any] | None = None  # the fields of a ScreenTask
    file_limits: dict[str, Any] = field(default_factory=dict)  # those of FileLimits that differ from its defaults


def main(sources: Mapping[str, Read] = SOURCES, preloads: Mapping[str, Preload] = PRELOADS) -> int:
    """Reads standard input by the task in `sys.argv[1]`; returns the exit code, 0 also for a file that is refused."""
    task = Task(**pydantic_core.from_json(sys.argv[1]))
    send = _sender(sys.stdout.fileno())
    file = open(0, "rb", closefd=False)  # noqa: SIM115 - standard input, open for as long as the process lives
    refused = _refusal(task, lambda: _serve(file, task, send, sources[task.format], preloads.get(task.format)))
    if refused is not None:
        send(pydantic_core.to_json(["refused", refused]))
    return 0


def _refusal(task: Task, serve: Callable[[], None]) -> Finding | None:
    """Runs `serve`; the finding, where the file cannot be taken. What failed is let go of before another byte is needed."""
    try:
        serve()
    except FileRefused as refused:
        return refused.finding
    except MemoryError:
        problem = f"it needs more than {task.memory_mb} MB of memory"
    except BrokenPipeError:
        return None  # the parent wants no more
    except BaseException as error:  # noqa: BLE001 - a panic in Rust is a BaseException, and the parent tells the person
        _report(error)
        problem = f"the reader stopped unexpectedly ({type(error).__name__})"
    else:
        return None
    return finding("F109", problem=problem)


def _report(error: BaseException) -> None:
    with suppress(OSError):
        sys.stderr.write(f"{type(error).__name__}: {error}\n"[:2000])
        sys.stderr.flush()


def _serve(file: BinaryIO, task: Task, send: Send, read: Read, preload: Preload | None) -> None:
    bound(task.memory_mb, task.cpu_s)
    if preload is not None:
        preload(file)
    pydantic_core.to_json([])  # it imports what it knows of types on its first use
    shut()
    limits = FileLimits(**task.file_limits)
    reading = read(file, ReadOptions(sheet=task.sheet, file_limits=limits))
    rows = reading.rows if limits.rows is None else _at_most(limits.rows, reading.rows)
    send(pydantic_core.to_json(["sheet", reading.sheet]))
    if task.screen is not None:
        _send_screened(rows, ScreenTask(**task.screen), send)
    else:
        _send_rows(rows, send)
    send(pydantic_core.to_json(["end", reading.findings]))


def _at_most(limit: int, rows: Iterator[Row]) -> Iterator[Row]:
    """The first row, which most often is the header, and so many more. Raises FileRefused at the next one."""
    yield from islice(rows, limit + 1)
    if next(rows, None) is not None:
        raise beyond(f"it has more than {limit:,} rows below the first", "rows")


def _send_rows(rows: Iterator[Row], send: Send) -> None:
    size = 64
    while batch := list(islice(rows, size)):
        frame = pydantic_core.to_json(rows_frame(batch))
        send(frame)
        size = max(1, min(_MOST_ROWS, 2 * size, size * _FRAME // len(frame)))


def _send_screened(rows: Iterator[Row], task: ScreenTask, send: Send) -> None:
    """Rows of which surely nothing can be said are sent as their external IDs alone."""
    for batch, ids in screened(rows, task):
        if batch:
            send(pydantic_core.to_json(rows_frame(batch, ids)))


def rows_frame(batch: Sequence[Row], ids: Sequence[str] = ()) -> list[Any]:
    """Rows as a frame. What is alike in all of them is said once: lines that follow each other, no lines of the file's own, no marks.

    `ids` holds a row's external ID where it stands for all of its cells, else a blank.
    """
    lines, cells, file_lines, marks, _ = zip(*batch, strict=True)
    consecutive = lines[-1] - lines[0] == len(lines) - 1  # they only ever grow
    return [
        "rows",
        lines[0] if consecutive else lines,
        [() if found else row for found, row in zip(ids, cells, strict=True)] if ids else cells,
        file_lines if file_lines.count(None) < len(batch) else None,
        marks if any(marks) else None,
        ids if any(ids) else None,
    ]


def _sender(descriptor: int) -> Send:
    """Writes frames straight to the descriptor. Raises FileRefused for one that is longer than the parent takes."""

    def send(frame: bytes) -> None:
        if len(frame) > MAX_FRAME:
            raise beyond(f"a row has more than {MAX_FRAME // 2**20} MiB")
        rest = memoryview(LENGTH.pack(len(frame)) + frame)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    return send


if __name__ == "__main__":
    sys.exit(main())
