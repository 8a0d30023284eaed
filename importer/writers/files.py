"""Draft: a report being written. It appears under its name whole and durable, or not at all."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from importer.core.errors import NotWritten
from importer.folders import private_folder

TRIES = 99
"""How many other names are tried where a file is held open by another program."""
HELD = frozenset({errno.EACCES, errno.EPERM, errno.EBUSY, errno.ETXTBSY})
"""What systems say of a name that another program holds; Windows says EACCES for an open workbook."""
ELSEWHERE = "Choose another folder: --out DIR."


@dataclass(slots=True)
class Draft:
    """What is written to, and the path that it has when all is done."""

    file: BinaryIO
    path: Path


Rename = Callable[[Path, Path], object]
"""Gives the first file the second name, in the place of what has it. Raises OSError."""


@contextmanager
def written(path: Path, rename: Rename = Path.replace) -> Iterator[Draft]:
    """A file that replaces `path` when the block ends well, on disk by then; an error leaves nothing behind.

    Only its owner may read it, whatever the umask. Where the name cannot be replaced (a spreadsheet program holds the
    file open), the draft's `path` becomes `name (2).ext`. Raises NotWritten where the system refuses.
    """
    with _told(path):
        private_folder(path.parent)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".importer-", suffix=".tmp")
        temporary = Path(beside)
        try:
            with os.fdopen(handle, "w+b") as file:
                temporary.chmod(0o600)
                draft = Draft(file, path)
                yield draft
                file.flush()
                os.fsync(file.fileno())
            draft.path = _renamed(temporary, path, rename)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def probe(folder: Path) -> None:
    """Makes sure that reports can be written into a folder: a file is created, synced and removed there, as a report's is.

    Makes the folder where it is missing. Raises NotWritten.
    """
    with _told(folder):
        private_folder(folder)
        handle, name = tempfile.mkstemp(dir=folder, prefix=".importer-", suffix=".tmp")
        try:
            os.write(handle, b"x" * 4096)  # a full disk and a used-up quota show when a block is wanted
            os.fsync(handle)
        finally:
            os.close(handle)
            Path(name).unlink()
        _sync_folder(folder)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """The system's refusals in words."""
    try:
        yield
    except OSError as problem:
        raise NotWritten(f"{path} cannot be written: {problem.strerror or problem}.", ELSEWHERE) from problem
    except ValueError as problem:
        if "null byte" not in str(problem):  # a NUL in a path is the one thing about a name that is no OSError
            raise
        raise NotWritten("The path of a report holds a NUL character.", ELSEWHERE) from problem


def _renamed(temporary: Path, path: Path, rename: Rename) -> Path:
    for number in range(1, TRIES + 1):
        name = path if number == 1 else path.with_name(f"{path.stem} ({number}){path.suffix}")
        try:
            rename(temporary, name)
        except OSError as problem:
            # Where no file is there to be held, it is the folder that refuses.
            if problem.errno not in HELD or number == TRIES or not name.exists():
                raise
        else:
            return name
    raise AssertionError("unreachable")


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # Windows cannot open a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
