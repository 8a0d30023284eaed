"""Files that are there whole or not at all: written beside, fsync'd with their folder, renamed; for their owner only."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from importer.core.errors import UsageError


@dataclass(slots=True)
class Written:
    """A file being written: `beside` takes the content; `path` is where it ends, known once the context is left."""

    beside: Path
    path: Path


@contextmanager
def written(path: Path) -> Iterator[Written]:
    """Gives a temporary file (mode 0600, in the same folder of mode 0700) that replaces `path` when all went well.

    Where `path` cannot be replaced, because another program holds it, the file becomes `name (2).ext`. Raises UsageError
    where the folder cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=path.suffix, dir=path.parent)
    except OSError as problem:
        raise UsageError(
            f"Reports cannot be written to {path.parent}: {problem.strerror}.",
            "Name another folder with --out; importer report RUN writes them again at any time.",
        ) from problem
    os.close(handle)
    file = Written(Path(name), path)
    try:
        yield file
        _sync(file.beside)
        file.path = _moved(file.beside, path)
        if os.name == "posix":
            _sync(path.parent)
    finally:
        file.beside.unlink(missing_ok=True)


def _moved(beside: Path, path: Path) -> Path:
    names = [path, *(path.with_name(f"{path.stem} ({number}){path.suffix}") for number in range(2, 100))]
    for name in names[:-1]:
        try:
            return beside.replace(name)
        except PermissionError:
            continue
    return beside.replace(names[-1])


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
