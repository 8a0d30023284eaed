"""Opens a spreadsheet and has it read by a child process with limits. The parent looks at its first bytes and at frames, no more.

What holds where: on Linux (x86-64 and ARM64) the kernel limits the child's memory and processor time and lets no file, socket, process
or thread come to be, for root too. On other Linux machines and on macOS the same is asked of `setrlimit`, which root could lift again,
and macOS does not limit memory; on Windows nothing is limited: there the child can only be ended, at the latest when it has been
silent for too long. A crash harms no more than the one file on any of them. `cage` has the details.
"""

import hashlib
import io
import logging
import os
import select
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain, count, repeat
from pathlib import Path
from typing import IO, Any

import pydantic_core

from importer.core.errors import FileRefused
from importer.core.file_limits import COMMAND_LINE
from importer.core.file_limits import check as check_limit
from importer.core.findings import CATALOGUE, VALUE_SHOWN, Finding, finding
from importer.core.rows import Line, Mark, Row, Sheet
from importer.ports import Reading, ReadOptions
from importer.sources.child import LENGTH, MAX_FRAME
from importer.sources.sniff import sniff

log = logging.getLogger(__name__)

PROGRAM = (sys.executable, "-I", "-X", "utf8", "-m", "importer.sources.child")
"""What is started; tests start hostile ones. `-I`: neither the environment nor the folder decides what is imported."""

_STDERR_KEPT = 4096  # bytes of the child's last words
_MB = 2**20

_row = partial(tuple.__new__, Row)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the child may use."""

    memory_mb: int = 512  # beyond what the interpreter itself needs
    cpu_s: int = 30
    silence_s: float = 60.0  # from one frame to the next; the parent's own pauses do not count


def limits_for(format: str, size: int) -> Limits:  # noqa: A002 - Sheet calls it so too
    """Limits for a file of `size` bytes: 512 MB and 30 s, more for large files in proportion.

    A CSV file needs no more memory for being larger. A workbook is held in memory as a whole: 24 times its size beyond 21 MB, at
    most 4 GB. Time: 0.2 s a MB of CSV, 4 s a MB of XLSX; some ten times what is usual.
    """
    megabytes = size // _MB
    if format == "csv":
        return Limits(cpu_s=30 + megabytes // 5)
    return Limits(
        memory_mb=min(4096, max(512, 24 * megabytes)),
        cpu_s=max(30, 4 * megabytes),
        silence_s=max(60.0, 4.0 * megabytes),
    )


@contextmanager
def open_source(
    path: Path,
    options: ReadOptions | None = None,
    limits: Limits | None = None,
    *,
    program: Sequence[str] = PROGRAM,
    meanwhile: Callable[[], object] = lambda: None,
) -> Iterator[Reading]:
    """The file as a Reading, rows streamed, while the context is open; on leaving it the child is gone, however it went.

    Opens the path once. `meanwhile` is called while the child starts. `limits` are those of `limits_for` by default. Raises FileRefused, on entering or while the rows are
    iterated: for what the file is, and when the child hits a limit or dies (F109).
    """
    options = options or ReadOptions()
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        check_limit(size, options.file_limits.packed, "packed", "it has {found} bytes")
        format_ = sniff(file)
        limits = limits or limits_for(format_, size)
        file.seek(0)
        child = _Child(program, file, _task(format_, options, limits), limits)
        try:
            meanwhile()
            yield child.reading()
        finally:
            child.end()


def fingerprint(path: Path) -> tuple[str, int]:
    """The file's SHA-256 in hex and its size in bytes. Raises FileRefused where it cannot be opened."""
    with open_regular(path) as file:
        digest = hashlib.sha256()
        size = 0
        while block := file.read(_MB):
            digest.update(block)
            size += len(block)
        return digest.hexdigest(), size


def open_regular(path: Path) -> io.FileIO:
    """The file, open for reading without a buffer. Raises FileRefused for anything but a regular file, and never waits for one."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        _refuse_special(path.stat().st_mode)  # before opening: that alone can start something in a device
        file = io.FileIO(os.open(path, flags), "rb")
    except (OSError, ValueError) as error:
        raise FileRefused(finding("F101", problem=_os_problem(error))) from error
    try:
        _refuse_special(os.fstat(file.fileno()).st_mode)  # what was opened, if someone changed it in between
    except FileRefused:
        file.close()
        raise
    return file


def _refuse_special(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise FileRefused(finding("F101", problem="it is a folder"))
    if not stat.S_ISREG(mode):
        raise FileRefused(finding("F101", problem="it is not a regular file"))


def _os_problem(error: OSError | ValueError) -> str:
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case PermissionError():
            return "you may not read it"
        case OSError(strerror=str(text)):
            return text
    return "its name is not valid"


def _task(format_: str, options: ReadOptions, limits: Limits) -> str:
    task: dict[str, Any] = {
        "format": format_,
        "sheet": options.sheet,
        "memory_mb": limits.memory_mb,
        "cpu_s": limits.cpu_s,
    }
    if options.screen is not None:
        task["screen"] = asdict(options.screen)
    if options.file_limits != COMMAND_LINE:
        task["file_limits"] = asdict(options.file_limits)
    return pydantic_core.to_json(task).decode().replace("\0", "")


class _Child:
    """The running child. State: the process, its last words (filled by a thread), and whether it has said its last frame."""

    def __init__(self, program: Sequence[str], file: io.FileIO, task: str, limits: Limits) -> None:
        self._limits = limits
        self._process = subprocess.Popen(
            [*program, task],
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=_environment(),
            start_new_session=True,  # Ctrl-C in the terminal is for the parent, which ends the child
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._frames: IO[bytes] = self._process.stdout
        self._ready = _poll(self._frames)
        self._words = bytearray()
        # A thread, because a child that fills the pipe of its errors would wait for ever for someone to read it
        self._listener = threading.Thread(target=_listen, args=(self._process.stderr, self._words), daemon=True)
        self._listener.start()

    def reading(self) -> Reading:
        """Waits for the first frame. Raises FileRefused."""
        match self._frame():
            case ["sheet", [str(format_), name, encoding, delimiter, list(others), list(hidden)]] if _texts(
                name, encoding, delimiter
            ):
                sheet = Sheet(format_, name, encoding, delimiter, tuple(map(str, others)), tuple(map(str, hidden)))
            case frame:
                raise self._refusal(frame)
        findings: list[Finding] = []
        return Reading(sheet, chain.from_iterable(self._batches(findings)), findings)

    def end(self) -> None:
        """Ends and reaps the child and frees all that belongs to it. Can be called more than once."""
        with suppress(OSError):
            self._process.kill()
        self._frames.close()
        self._process.wait()
        self._listener.join()

    def _batches(self, findings: list[Finding]) -> Iterator[Iterable[Row]]:
        while True:
            frame = self._frame()
            if frame[0] == "rows":
                yield self._rows(frame)
            elif frame[0] == "end":
                findings.extend(self._findings(frame))
                return
            else:
                raise self._refusal(frame)

    def _rows(self, frame: list[Any]) -> Iterable[Row]:
        try:
            return unpack(frame)
        except (TypeError, ValueError) as error:
            raise self._nonsense() from error

    def _findings(self, frame: list[Any]) -> list[Finding]:
        try:
            return [_finding(each) for each in frame[1]]
        except (TypeError, KeyError, IndexError, ValueError) as error:
            raise self._nonsense() from error

    def _refusal(self, frame: list[Any]) -> FileRefused:
        if frame[0] != "refused":
            return self._nonsense()
        findings = self._findings(["end", frame[1:2]])
        return FileRefused(findings[0]) if findings else self._nonsense()

    def _frame(self) -> list[Any]:
        """The next frame: a list that begins with its kind. Raises FileRefused where none comes."""
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        if length > MAX_FRAME:
            raise self._nonsense()
        try:
            # The cells are kept for one row's time: looking for equal ones costs more than it spares
            frame = pydantic_core.from_json(self._exactly(length), cache_strings="none")
        except ValueError as error:
            raise self._nonsense() from error
        if not isinstance(frame, list) or not frame:
            raise self._nonsense()
        return frame

    def _exactly(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            self._wait()
            part = self._frames.read(size)
            if not part:
                raise self._died()
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _wait(self) -> None:
        """Until there is something to read."""
        if not self._ready(self._limits.silence_s * 1000):
            self.end()
            raise _unread(f"the reader was silent for more than {self._limits.silence_s:g} s")

    def _died(self) -> FileRefused:
        """Why the child has ended without a last frame."""
        code = self._process.wait()
        self._listener.join()
        log.debug("reader died", extra={"code": code, "stderr": bytes(self._words)})
        return _unread(_cause(code, bytes(self._words), self._limits))

    def _nonsense(self) -> FileRefused:
        self.end()
        return _unread("the reader stopped unexpectedly (it answered nonsense)")


def unpack(frame: list[Any]) -> Iterable[Row]:
    """The rows of a frame, as `child.rows_frame` packs them. Raises TypeError or ValueError for any other shape.

    The checks are made of calls into C, because they are made for every cell of every file.
    """
    _, lines, cells, file_lines, marks, ids = frame
    if set(map(type, cells)) - {list}:
        raise TypeError("cells must be lists")
    "".join(map("".join, cells))  # a TypeError, unless all are texts
    numbers = count(lines) if isinstance(lines, int) else _numbers(lines, len(cells))
    own = repeat(None) if file_lines is None else _numbers(file_lines, len(cells), blank=True)
    marked = repeat(()) if marks is None else _marks(marks, len(cells))
    screened = repeat("") if ids is None else ids
    if ids is not None and ("".join(ids) == "" or len(ids) != len(cells)):
        raise TypeError("external IDs must be texts, one a row")
    return map(_row, zip(numbers, cells, own, marked, screened))  # noqa: B905 - some are endless, the others as long as cells


def _numbers(values: list[Any], length: int, *, blank: bool = False) -> list[Any]:
    if set(map(type, values)) - ({int, type(None)} if blank else {int}) or len(values) != length:
        raise TypeError("lines must be whole numbers, one a row")
    return values


def _marks(values: list[Any], length: int) -> list[tuple[Mark, ...]]:
    marks = [tuple(Mark(column, code) for column, code in row) for row in values]
    if len(marks) != length or not all(type(each.column) is int and each.code in CATALOGUE for each in chain(*marks)):
        raise TypeError("marks must be columns and codes")
    return marks


def _finding(data: dict[str, Any]) -> Finding:
    """A finding that the child has made: its severity is the catalogue's, its texts are only texts."""
    line = data["line"]
    texts = [data[name] for name in ("message", "fix", "sheet", "cell", "heading", "value")]
    message, fix, sheet, cell, heading, value = texts
    if not (_texts(*texts) and isinstance(message, str) and isinstance(fix, str)):
        raise TypeError("texts must be texts")
    if not isinstance(line, int | None):
        raise TypeError("a line must be a whole number")
    return Finding(
        code=data["code"],
        severity=CATALOGUE[data["code"]].severity,
        message=message,
        fix=fix,
        sheet=sheet,
        cell=cell,
        line=None if line is None else Line(line),
        heading=heading,
        value=value if value is None else value[:VALUE_SHOWN],
    )


def _texts(*values: object) -> bool:
    return all(isinstance(value, str | None) for value in values)


def _unread(problem: str) -> FileRefused:
    return FileRefused(finding("F109", problem=problem))


def _cause(code: int, words: bytes, limits: Limits) -> str:
    if b"MemoryError" in words or b"memory allocation" in words:
        return f"it needs more than {limits.memory_mb} MB of memory"
    if code in (-getattr(signal, "SIGXCPU", 0), -getattr(signal, "SIGKILL", 0)) and code:
        return (
            f"it took more than {limits.cpu_s} s of processor time"
            if _out_of_time(code)
            else "it was ended by the system"
        )
    name = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"the reader stopped unexpectedly ({name})"


def _out_of_time(code: int) -> bool:
    return code == -getattr(signal, "SIGXCPU", 0)


def _environment() -> dict[str, str]:
    """Nothing, so no secret either. Windows does not start Python without the one variable."""
    return {name: os.environ[name] for name in ("SYSTEMROOT",) if sys.platform == "win32" and name in os.environ}


def _poll(pipe: IO[bytes]) -> Callable[[float], object]:
    """Waits at most so many milliseconds for the pipe; false where nothing came. Windows cannot, and waits for ever."""
    if sys.platform == "win32":
        return bool
    poll = select.poll()
    poll.register(pipe.fileno(), select.POLLIN)
    return poll.poll


def _listen(stream: IO[bytes], words: bytearray) -> None:
    """Reads all, keeps the last."""
    with stream:
        while block := stream.read(65_536):
            words += block
            del words[:-_STDERR_KEPT]
