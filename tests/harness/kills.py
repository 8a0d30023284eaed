"""Kills: an importer killed by SIGKILL at the n-th time that it enters a system call, and what it left behind.

strace counts `when=N` per call and per thread. So a point names a call, where needed the file that it is made on (then
only one thread makes it: the ledger's writer the ledger's, the main thread the pace's), and an n; the thread that is first
to reach n dies, and everything with it. The counts of a clean run say how far n may go. A point counts only if the process
was killed and if the last thing that strace saw of some thread was just this call, begun for the n-th time and never
answered.
"""

import os
import random
import re
import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.harness.warm import Order, Warm

CALLS = ("pwrite64", "fdatasync", "fsync", "write", "rename", "sendto", "sendmsg")
KILLED = -9
STAGES = ("before the first POST", "submitting", "tracking and audit", "report")


class Kind(NamedTuple):
    """Which calls are counted: those of one name, on one file of the state folder or on any."""

    call: str
    file: str = ""

    def __str__(self) -> str:
        return f"{self.call} {self.file}".strip()


KINDS = {
    Kind("fdatasync", "ledger.sqlite-wal"): 10,
    Kind("pwrite64", "ledger.sqlite-wal"): 8,
    Kind("sendto"): 10,
    Kind("pwrite64", "pace.sqlite-wal"): 3,
    Kind("write"): 5,
    Kind("fsync"): 2,
    Kind("rename"): 2,
}
"""What is killed at, and how many points of 40 each kind gets."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where to kill."""

    kind: Kind
    n: int

    def __str__(self) -> str:
        return f"{self.kind} no. {self.n}"


def missing() -> str:
    """Why nothing can be traced here; nothing, if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"strace may not trace: {tried.stderr.strip().splitlines()[-1:]}"


def traced(warm: Warm, order: Order, log: Path, *options: str) -> int:
    """Runs a command under strace from its first call to its end; its exit code. The log is whole by then."""
    process = warm.start(order)
    command = ["strace", "-f", "-y", "-s", "0", "-o", str(log), "-p", str(process), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        greeting = tracer.stderr.readline()
        assert "attached" in greeting, greeting
        warm.go()
        code = warm.ended()
        tracer.communicate(timeout=60)
    return code


def counted(warm: Warm, order: Order, log: Path, state: Path) -> dict[Kind, int]:
    """How often a thread of a clean run makes the calls of each kind, at most. The run must end well."""
    code = traced(warm, order, log, "-e", "trace=" + ",".join(CALLS))
    assert code == 0, (order.folder / "err").read_text("utf-8")
    seen: Counter[tuple[Kind, str]] = Counter()
    for thread, call, path in begun(log):
        for kind in KINDS:
            if kind.call == call and kind.file in ("", _name(path, state)):
                seen[kind, thread] += 1
    return {kind: max((n for (each, _), n in seen.items() if each == kind), default=0) for kind in KINDS}


def killed_at(warm: Warm, order: Order, log: Path, state: Path, point: Point) -> bool:
    """Runs a command and kills it at a point; whether it died there."""
    kind = point.kind
    options = ["-e", f"trace={kind.call}", "-e", f"inject={kind.call}:signal=SIGKILL:when={point.n}"]
    if kind.file:
        options += ["-P", str(state / kind.file)]
    code = traced(warm, order, log, *options)
    times = Counter(thread for thread, call, path in begun(log) if call == kind.call)
    return code == KILLED and point.n in times.values() and _unanswered(log, kind.call)


def spread(limits: dict[Kind, int], points: int, rng: random.Random) -> Iterator[Point]:
    """So many points, each kind with its share of them, its n spread evenly over all its calls with a random start.

    Goes on for ever with more points of the same kinds, for those that were not reached.
    """
    weight = sum(share for kind, share in KINDS.items() if limits[kind])
    for kind, share in KINDS.items():
        number = max(1, round(points * share / weight))
        for step in range(number if limits[kind] else 0):
            yield Point(kind, 1 + int((step + rng.random()) * limits[kind] / number))
    kinds = [kind for kind, share in KINDS.items() for _ in range(share) if limits[kind]]
    while True:
        kind = rng.choice(kinds)
        yield Point(kind, 1 + rng.randrange(limits[kind]))


def stage_of(state: Path, scratch: Path) -> str:
    """How far the run had come, by what its ledger holds. Looks at a copy: opening a ledger changes it."""
    scratch.mkdir()
    for file in state.glob("ledger.sqlite*"):
        if not file.name.endswith("-shm"):
            shutil.copy(file, scratch)
    try:
        with closing(sqlite3.connect(scratch / "ledger.sqlite")) as ledger:
            runs = ledger.execute("SELECT state FROM runs ORDER BY no DESC").fetchall()
            rows = ledger.execute("SELECT stage, attempts FROM rows").fetchall()
    except sqlite3.OperationalError:  # the tables are not there yet
        return STAGES[0]
    finally:
        shutil.rmtree(scratch)
    if not runs or not any(attempts for _, attempts in rows):
        return STAGES[0]
    if any(stage in ("ready", "sending", "doubt", "unknown") for stage, _ in rows):
        return STAGES[1]
    return STAGES[2] if runs[0][0] == "open" else STAGES[3]


def begun(log: Path) -> Iterator[tuple[str, str, str]]:
    """Thread, call and path of each call that strace saw begin."""
    for line in log.read_text("utf-8", "replace").splitlines():
        found = re.match(r"(\d+) +(\w+)\((?:\d+<(.*?)>)?", line)
        if found:
            yield found[1], found[2], found[3] or ""


def histogram(fallen: Sequence[tuple[str, str, str]]) -> list[str]:
    """Lines of a table of (command, call, stage): how many died where."""
    stages = [stage for stage in STAGES if any(stage == each for _, _, each in fallen)]
    rows = sorted({(command, call) for command, call, _ in fallen})
    width = max((len(f"{command} {call}") for command, call in rows), default=0)
    lines = ["  ".join(["".ljust(width), *stages])]
    for command, call in rows:
        numbers = [fallen.count((command, call, stage)) for stage in stages]
        cells = [str(number or "·").rjust(len(stage)) for number, stage in zip(numbers, stages, strict=True)]
        lines.append("  ".join([f"{command} {call}".ljust(width), *cells]))
    return lines


def _unanswered(log: Path, call: str) -> bool:
    """Whether a call of this name was begun and never came back."""
    text = log.read_text("utf-8", "replace")
    return bool(
        re.search(
            rf"^\d+ +(?:{call}\(|<\.\.\. {call} resumed>).*= \?$|^\d+ +{call}\(.*<unfinished \.\.\.>$", text, re.M
        )
    )


def _name(path: str, state: Path) -> str:
    return path.removeprefix(f"{state}/")
