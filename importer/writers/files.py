"""Draft: a report being written. It appears under its name whole and durable, or not at all."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from importer.folders import private_folder

HELD = (errno.EACCES, errno.EPERM, errno.EBUSY, errno.ETXTBSY)
"""What renaming over a file says that another program holds."""
TRIES = 99
"""How many other names are tried where a file is held open by another program."""


@dataclass(slots=True)
class Draft:
    """What is written to, and the path that it has when all is done."""

    file: BinaryIO
    path: Path


@contextmanager
def written(path: Path) -> Iterator[Draft]:
    """A file that replaces `path` when the block ends well, on disk by then; an error leaves nothing behind.

    Only its owner may read it, whatever the umask. Where the name cannot be replaced (a spreadsheet program holds the
    file open), the draft's `path` becomes `name (2).ext`.
    """
    private_folder(path.parent)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(beside)
    try:
        with os.fdopen(handle, "w+b") as file:
            temporary.chmod(0o600)
            draft = Draft(file, path)
            yield draft
            file.flush()
            os.fsync(file.fileno())
        draft.path = _renamed(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _renamed(temporary: Path, path: Path) -> Path:
    for number in range(1, TRIES + 1):
        name = path if number == 1 else path.with_name(f"{path.stem} ({number}){path.suffix}")
        try:
            temporary.replace(name)
        except OSError as problem:
            if (
                problem.errno not in HELD or number == TRIES or not name.exists()
            ):  # then it is not the file that is held
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
