"""How long odd and hostile files take, and how much memory: each in a process of its own, seconds to the last row or the refusal.

python -m tests.bench.bad_input             # some minutes; a gigabyte of free disk
python -m tests.bench.bad_input some/folder # the files of that folder, too

Memory is the peak of the child that reads; what limits it is 512 MB of growth.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from importer.core.errors import FileRefused
from importer.sources.reader import open_source

GIGABYTE = 2**30


class Taken(NamedTuple):
    """What one file took."""

    name: str
    seconds: float
    child_mb: float
    parent_mb: float
    became: str  # "read" or the code of the refusal


def full(head: bytes, block: bytes) -> tuple[str, Callable[[Path], object]]:
    """Name and maker of a gigabyte that is really there."""

    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.write(head)
            for _ in range(GIGABYTE // len(block)):
                file.write(block)

    return (f"1 GB of {block[:8].decode()!r} after {head[-3:].decode()!r}.csv", make)


HUGE = [
    full(b"id,text\n1,", b"x" * 2**20),
    full(b'id,text\n1,"', b"x" * 2**20),
    full(b"id,text\n1,", b"x," * 2**19),
    full(b'id,text\n1,"', b"some text\n" * 100_000),
]


def one(path: Path) -> Taken:
    """Reads one file in this process, which then has had one child."""
    began = time.perf_counter()
    became = "read"
    try:
        with open_source(path) as reading:
            for _ in reading.rows:
                pass
    except FileRefused as refused:
        became = refused.finding.code
    seconds = time.perf_counter() - began
    child, parent = (
        resource.getrusage(who).ru_maxrss / 1000 for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)
    )
    return Taken(path.name, seconds, child, parent, became)


def made(odd_files: Iterable[tuple[str, Callable[[Path], object]]]) -> Iterator[Path]:
    """Each file, there until the next one is asked for."""
    with tempfile.TemporaryDirectory() as folder:
        for name, make in odd_files:
            path = Path(folder) / name
            make(path)
            yield path
            path.unlink()


def files(folders: list[str]) -> Iterator[Path]:
    """All that is measured. Imported here, because the process that reads one file shall stay small: its size counts as its child's."""
    from tests.sources.conftest import CORPUS
    from tests.sources.odd_files import ALL

    yield from made([*((odd.name, odd.make) for odd in ALL), *HUGE])
    for folder in [str(CORPUS), *folders]:
        yield from sorted(each for each in Path(folder).rglob("*") if each.is_file())


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main(folders: list[str]) -> None:
    """Prints the slowest, the largest and the quantiles."""
    taken: list[Taken] = []
    for path in files(folders):
        command = [sys.executable, "-m", "tests.bench.bad_input", "--one", str(path)]
        with suppress(subprocess.CalledProcessError):
            ran = subprocess.run(command, capture_output=True, check=True)
            taken.append(Taken(*json.loads(ran.stdout)))
            continue
        say(f"CRASHED {path.name}")
    for title, key in (("slowest", "seconds"), ("largest", "child_mb")):
        say(f"\n{title}")
        for each in sorted(taken, key=lambda each: getattr(each, key), reverse=True)[:8]:
            say(f"  {each.seconds:6.2f} s {each.child_mb:6.0f} MB  {each.became:5} {each.name}")
    seconds = sorted(each.seconds for each in taken)
    say(f"\n{len(taken)} files on {os.cpu_count()} processors: {dict(Counter(each.became for each in taken))}")
    say(
        f"seconds: median {statistics.median(seconds):.2f}, p99 {seconds[int(0.99 * (len(seconds) - 1))]:.2f}, most {seconds[-1]:.2f}"
    )
    say(
        f"MB: child at most {max(each.child_mb for each in taken):.0f}, parent at most {max(each.parent_mb for each in taken):.0f}"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        say(json.dumps(one(Path(sys.argv[2]))))
    else:
        main(sys.argv[1:])
