"""Kills: an importer killed by SIGKILL at the n-th time that it enters a system call, and what it left behind.

strace counts `when=N` per call and per thread. So a point names a call, where needed the file that it is made on (then
only one thread makes it: the ledger's writer the ledger's, the main thread the pace's), and an n; the thread that is first
to reach n dies, and everything with it. The counts of a clean run say how far n may go. A point counts only if the process
was killed and if the last thing that strace saw of some thread was just this call, begun for the n-th time and never
answered.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.harness.bench import Place
from tests.harness.trace import begun, traced

CALLS = ("pwrite64", "fdatasync", "fsync", "write", "rename", "sendto", "sendmsg")
KILLED = -9
ENDS_WELL = (0, 5)
"""5: `reconcile` leaves rows that were not sent."""
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


def counted(place: Place, argv: Sequence[str]) -> dict[Kind, int]:
    """How often a thread of a clean run makes the calls of each kind, at most. The command must end well."""
    code = traced(place, argv, "-e", "trace=" + ",".join(CALLS))
    assert code in ENDS_WELL, place.said
    seen: Counter[tuple[Kind, str]] = Counter()
    for thread, call, path in begun(place.log):
        for kind in KINDS:
            if kind.call == call and kind.file in ("", path.removeprefix(f"{place.state}/")):
                seen[kind, thread] += 1
    return {kind: max((n for (each, _), n in seen.items() if each == kind), default=0) for kind in KINDS}


def killed(place: Place, argv: Sequence[str], point: Point) -> bool:
    """Runs a command and kills it at a point; whether it died there."""
    kind = point.kind
    options = ["-e", f"trace={kind.call}", "-e", f"inject={kind.call}:signal=SIGKILL:when={point.n}"]
    if kind.file:
        options += ["-P", str(place.state / kind.file)]
    code = traced(place, argv, *options)
    times = Counter(thread for thread, call, _ in begun(place.log) if call == kind.call)
    return code == KILLED and point.n in times.values() and _unanswered(place.log, kind.call)


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


def stage_of(place: Place) -> str:
    """How far the run had come, by what its ledger holds."""
    runs = place.ledger("SELECT state FROM runs ORDER BY no DESC")
    rows = place.ledger("SELECT stage, attempts FROM rows")
    if not runs or not any(attempts for _, attempts in rows):
        return STAGES[0]
    if any(stage in ("ready", "sending", "doubt", "unknown") for stage, _ in rows):
        return STAGES[1]
    return STAGES[2] if runs[0][0] == "open" else STAGES[3]


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
