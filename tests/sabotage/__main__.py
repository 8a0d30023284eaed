"""`python -m tests.sabotage [-j N] [NAME …]`: tries sabotages and prints what became of each; 1 where one was not noticed."""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from tests.sabotage.workshop import Sabotage, Verdict, Workshop, sabotages


def main(arguments: list[str]) -> int:
    """Tries those that are named, or all."""
    parser = argparse.ArgumentParser("python -m tests.sabotage")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a sabotage; all of them where none is named")
    parser.add_argument("--quick", action="store_true", help="those of every CI run alone")
    parser.add_argument("-j", type=int, default=1, metavar="N", dest="workers", help="so many at a time")
    asked = parser.parse_args(arguments)
    wanted = [each for each in sabotages() if not asked.names or each.name in asked.names]
    wanted = [each for each in wanted if each.quick] if asked.quick else wanted
    unknown = set(asked.names) - {each.name for each in wanted}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    began = time.monotonic()
    verdicts = tried(wanted, asked.workers)
    noticed, skipped = sum(each.noticed for each in verdicts), sum(each.skipped for each in verdicts)
    _say(f"{noticed} of {len(verdicts)} noticed, {skipped} skipped, {time.monotonic() - began:.0f} s")
    return 0 if noticed + skipped == len(verdicts) else 1


def tried(wanted: list[Sabotage], workers: int) -> list[Verdict]:
    """The verdicts, each printed when it is there. Every worker has a copy of its own."""
    with ExitStack() as stack:
        free: SimpleQueue[Workshop] = SimpleQueue()
        controls: dict[str, str] = {}
        for _ in range(max(1, min(workers, len(wanted)))):
            folder = stack.enter_context(TemporaryDirectory(prefix="sabotage-", ignore_cleanup_errors=True))
            workshop = Workshop(Path(folder), controls)
            stack.callback(workshop.close)
            workshop.control(each.test for each in wanted)
            free.put(workshop)

        def one(sabotage: Sabotage) -> Verdict:
            mine = free.get()
            try:
                verdict = mine.tried(sabotage)
            finally:
                free.put(mine)
            mark = "✔" if verdict.noticed else "–" if verdict.skipped else "✖"
            _say(f"{mark} {sabotage.name:<52} {verdict.seconds:5.1f} s  {verdict.words}")
            return verdict

        with ThreadPoolExecutor(max(1, workers)) as pool:
            return list(pool.map(one, wanted))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
