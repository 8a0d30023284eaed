"""The storm: all that a server can do to a run at once, and three kills, judged by the referee.

The server answers 5 % of the POSTs with 503 (half of them after committing), resets 2 % after committing, lets 2 % time
out and throttles 3 %; its index lags, its tokens are short-lived, it makes duplicates for whoever asks; it hits no row
more than twice. `STORM_SEED` repeats a storm.
"""

import os
from pathlib import Path

import pytest

from tests.harness import referee
from tests.harness.scene import scene

SEED = int(os.environ.get("STORM_SEED", "7"))
WEATHER = """
unique = false
index_lag_s = 2
token_lifetime_s = 5
faults_per_row = 2
[limit]
calls = 200
window_s = 1
[[faults]]
operation = "create"
kind = "status:503"
probability = 0.025
[[faults]]
operation = "create"
kind = "error_after"
status = 503
probability = 0.025
[[faults]]
operation = "create"
kind = "reset_after"
probability = 0.02
[[faults]]
operation = "create"
kind = "hang"
probability = 0.01
[[faults]]
operation = "create"
kind = "hang_after"
probability = 0.01
[[faults]]
operation = "create"
kind = "status:429"
retry_after = 1
probability = 0.03
"""
SETTINGS = {"IMPORTER_INDEX_LAG": "3s", "IMPORTER_TIMEOUT": "1s", "IMPORTER_RATE": "200/s"}
RUN = ("run", "tasks.csv", "--yes", "--track", "none")
KILLS = (0.2, 0.5, 0.8)
"""At which share of the rows the importer is killed."""
RESUMES_MOST = 6


@pytest.mark.parametrize("rows", [1_000, pytest.param(10_000, marks=pytest.mark.nightly)])
def test_storm_makes_one_task_for_each_row(rows: int, tmp_path: Path) -> None:
    """Three kills and a resume later each external ID has one task, no row is unknown, the books balance, the cap held."""
    with scene(tmp_path, WEATHER, rows, seed=SEED, settings=SETTINGS) as real:
        for number, share in enumerate(KILLS):
            assert real.killed(int(rows * share), *(("resume",) if number else RUN)), "it ended before it was killed"
        for _ in range(RESUMES_MOST):
            code, body = real.ends("resume")
            if code == 0:
                break
        evidence = real.evidence(cap=(200, 1.0), rows=rows)
    found = referee.violations(evidence)
    assert found == [], f"STORM_SEED={SEED}: {len(found)} violations: {found[:10]}"
    assert [run["counts"]["created"] for run in body["runs"]] == [rows]
    posts = [call for call in evidence.calls if call.operation == "create"]
    assert len(posts) > rows * 1.03, "the storm was a calm"
