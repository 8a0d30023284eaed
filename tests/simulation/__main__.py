"""Replays a seed with everything that happened: `python -m tests.simulation SEED`; `SEED COUNT` tries many; `workitems` last: with that target."""

import sys
import tempfile
from pathlib import Path

from tests.simulation.fleet import tried
from tests.simulation.judge import wrongs
from tests.simulation.voyage import sailed


def main(seed: int, number: int = 0, target: str = "tasks") -> int:
    """Prints a seed's journal and what is wrong with it, or all seeds of `number` with which something is wrong."""
    if number:
        found = tried(range(seed, seed + number), target)
        print(*(f"{count:7} {what}" for what, count in sorted(found.met.items())), sep="\n")  # noqa: T201 - a door
        for bad, what in found.wrong.items():
            print(f"seed {bad}", *what, sep="\n  ")  # noqa: T201
        print(f"{number} seeds, {len(found.wrong)} wrong")  # noqa: T201
        return bool(found.wrong)
    with tempfile.TemporaryDirectory() as folder:
        voyage = sailed(seed, Path(folder), target)
    print(voyage.weather, *voyage.journal, *wrongs(voyage), sep="\n")  # noqa: T201
    return bool(wrongs(voyage))


if __name__ == "__main__":
    words = sys.argv[1:]
    chosen = words.pop() if words[-1] == "workitems" else "tasks"
    raise SystemExit(main(int(words[0]), int(words[1]) if words[1:] else 0, chosen))
