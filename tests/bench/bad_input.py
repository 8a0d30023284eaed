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
    cpu_s: float  # of parent and child together: what the machine does besides does not count
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
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu_s = own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
    return Taken(path.name, seconds, cpu_s, others.ru_maxrss / 1000, _peak_mb(), became)


def _peak_mb() -> float:
    """This process's own; what getrusage tells includes that of who started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1000


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
    for title, key in (("slowest", "cpu_s"), ("largest", "child_mb"), ("largest parent", "parent_mb")):
        say(f"\n{title}")
        for each in sorted(taken, key=lambda each: getattr(each, key), reverse=True)[:8]:
            say(
                f"  {each.seconds:6.2f} s, {each.cpu_s:6.2f} s of a processor, {each.child_mb:4.0f} + {each.parent_mb:.0f} MB  {each.became:5} {each.name}"
            )
    say(f"\n{len(taken)} files on {os.cpu_count()} processors: {dict(Counter(each.became for each in taken))}")
    for name, key in (
        ("seconds", "seconds"),
        ("of a processor", "cpu_s"),
        ("MB, child", "child_mb"),
        ("MB, parent", "parent_mb"),
    ):
        values = sorted(getattr(each, key) for each in taken)
        p99 = values[int(0.99 * (len(values) - 1))]
        say(f"{name:15} median {statistics.median(values):.2f}, p99 {p99:.2f}, most {values[-1]:.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        say(json.dumps(one(Path(sys.argv[2]))))
    else:
        main(sys.argv[1:])
