"""resume: how long after a kill -9 in a run of 10,000 rows its first call comes, and what `trusted` costs.

`python -m tests.bench.resume [ROWS]` starts a sandbox and a run, kills it half-way, resumes it, and prints the seconds from the start of the
process to its first call, how many POSTs were repeated whose answer was known, and what the referee says.
"""

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.harness import referee
from tests.harness.scene import scene

ROWS = 10_000
SCENARIO = "unique = false\nindex_lag_s = 0.2\n[limit]\ncalls = 0\n"
SETTINGS = {"IMPORTER_INDEX_LAG": "1s"}
RUN = ("run", "tasks.csv", "--yes", "--track", "none", "--rate", "2000/s", "--concurrency", "16")


def main(rows: int) -> int:
    """Prints the figures; 1 where the referee finds anything."""
    with tempfile.TemporaryDirectory() as folder, scene(Path(folder), SCENARIO, rows, settings=SETTINGS) as place:
        began = time.monotonic()
        place.killed(rows // 2, *RUN)
        sent = time.monotonic() - began
        began = time.monotonic()
        code, body = place.ends("resume", "--track", "none", "--rate", "2000/s", "--concurrency", "16")
        first_s = min(arrived for arrived in place.arrivals() if arrived > began) - began
        posts = Counter(each["external_id"] for each in place.facts("read"))
        found = referee.violations(place.evidence())
    twice = sum(count > 1 for count in posts.values())
    for line in (
        f"{rows:,} rows; killed after {sent:.1f} s; resumed with exit code {code}: {body['runs'][0]['counts']}",
        f"first call {first_s:.2f} s after the start of importer resume (asked: 2 s)",
        f"external IDs that were sent more than once: {twice} (at most what was in flight)",
        "referee: " + ("; ".join(found) or "nothing lost, nothing twice"),
    ):
        sys.stdout.write(line + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS))
