"""The world's journal on disk: append-only JSON lines, one process at a time, read back at start."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from importer.sandbox.clock import Clock
from importer.sandbox.scenario import Scenario
from importer.sandbox.workitems.settings import WorkitemLife
from importer.sandbox.world import VERSION, Identity, Record, World


class WorldFileError(RuntimeError):
    """A world file that cannot be used; the message names the file and the reason."""


class WorldFile:
    """An open, locked journal. Each record is one write of one line, so it outlives a kill -9 of this process.

    A last line without its end is what a kill tore; it is cut off. `close` (or the `with` block) gives the lock back.
    """

    def __init__(self, path: Path) -> None:
        """Open or make `path` with mode 0600; raises WorldFileError if another process has it or it cannot be read."""
        self.path = path
        self._lock = FileLock(f"{path}.lock", mode=0o600)
        try:
            for folder in (*reversed(path.parent.parents), path.parent):
                folder.mkdir(mode=0o700, exist_ok=True)  # with `parents` those above it would get the umask's mode
            self._lock.acquire(timeout=0)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except (Timeout, RuntimeError) as problem:
            raise WorldFileError(f"the world {path} is in use by another sandbox; stop that one first") from problem
        except OSError as problem:
            self._lock.release()
            raise WorldFileError(f"cannot open the world {path}: {problem}") from problem

    def records(self) -> Iterator[tuple[int, Record]]:
        """All whole records with their line numbers, from the start; cuts a torn last line off the file."""
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.ftruncate(self._file, whole)
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            yield number, self._record(number, line)

    def _record(self, number: int, line: bytes) -> Record:
        try:
            record: Record | None = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise WorldFileError(f"{self.path}, line {number}: not a record of a sandbox world")
        return record

    def append(self, record: Record) -> None:
        """Write a record; if that fails (OSError), the file is as it was before."""
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        before = os.fstat(self._file).st_size
        try:
            if os.write(self._file, line) != len(line):
                raise OSError(f"the disk took only a part of a record of {self.path}")
        except OSError:
            os.ftruncate(self._file, before)
            raise

    def close(self) -> None:
        os.close(self._file)
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def restore(file: WorldFile, seed: int | None, scenario: Scenario, clock: Clock) -> World:
    """The world of the file, or a new one begun in it; the clock is put forward as far as the world's was.

    Raises WorldFileError if the file is of another version, of another seed than the one asked for, or damaged.
    """
    records = file.records()
    first = next(records, None)
    if first is None:
        world = World(Identity.seeded(seed), scenario, file.append)
        world.begin()
        return world
    world = World(_identity(file, first[1], seed), scenario)
    world.workitems.life = WorkitemLife()  # until a record says otherwise
    for number, record in records:
        _replay(file, number, record, world, clock)
    world.record = file.append
    if world.scenario.life != scenario.life:
        world.live_as(scenario.life)
    if world.workitems.life != scenario.workitems.life:
        world.workitems.live_as(scenario.workitems.life)
    return world


def _identity(file: WorldFile, first: Record, seed: int | None) -> Identity:
    if first.get("kind") != "world" or first.get("version") != VERSION:
        raise WorldFileError(f"{file.path}, line 1: not a sandbox world of version {VERSION}")
    if seed is not None and seed != first["seed"]:
        raise WorldFileError(f"the world {file.path} has the seed {first['seed']}, not {seed}; leave --seed out")
    return Identity(first["id"], first["seed"], first["client_id"])


def _replay(file: WorldFile, number: int, record: Record, world: World, clock: Clock) -> None:
    try:
        if record["kind"] == "clock":
            clock.advance(record["advance_s"])
        else:
            world.replay(record)
    except (KeyError, TypeError, ValueError) as problem:
        raise WorldFileError(f"{file.path}, line {number}: a record that makes no sense: {problem!r}") from problem
