"""Whole runs with the `workitems` target through the fault proxy, in every world that the platform's definition allows.

`PROXY_SEED` repeats one series from that seed on. No world is unique; even seeds create by jobs, odd ones row by row.
"""

import os
from pathlib import Path

import pytest

from importer.sandbox.scenario import parse
from tests.harness.questions import WORLDS
from tests.harness.rides import Ride, judged

FIRST = int(os.environ.get("PROXY_SEED", "1"))
ROWS = 12
ROWS_IN_JOBS = 60
"""Two jobs of them."""
RUN = ("run", "tasks.csv", "--target", "workitems", "--yes", "--track", "none", "--rate", "200/s")
SCENARIOS = [parse(world, name) for name, world in WORLDS.items()]


def ride(seed: int) -> Ride:
    """Any two seeds that follow each other try both ways in one world or two."""
    scenario = SCENARIOS[seed % len(SCENARIOS)]
    if seed % 2:
        return Ride(scenario, ROWS, (*RUN, "--no-bulk"), "workitems")
    return Ride(scenario, ROWS_IN_JOBS, RUN, "workitems")


async def test_proxy_runs_of_workitems_lose_nothing_and_make_nothing_twice(tmp_path: Path) -> None:
    """In the weather of each of 6 seeds, each in another world, there are no duplicates and no lost rows."""
    outcomes = await judged(range(FIRST, FIRST + 6), tmp_path, ride)
    assert outcomes["created"] > outcomes.total() * 0.95, dict(outcomes)


@pytest.mark.nightly
async def test_proxy_runs_of_workitems_of_many_seeds(tmp_path: Path) -> None:
    """The same for 400 seeds."""
    await judged(range(FIRST + 1000, FIRST + 1400), tmp_path, ride)
