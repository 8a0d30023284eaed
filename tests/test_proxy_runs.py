"""Whole runs of the command line through the fault proxy, at a sandbox without uniqueness, judged by the referee.

`PROXY_SEED` repeats one series from that seed on.
"""

import asyncio
import os
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from importer.sandbox.scenario import Limit, Scenario
from tests.harness import referee
from tests.harness.proxy import Request, Trouble, canary, proxied, scripted
from tests.harness.rides import LATE_S, SETTINGS, Ride, judged, real
from tests.harness.scene import external_ids, scene, write_rows

FIRST = int(os.environ.get("PROXY_SEED", "1"))
ROWS = 12
SCENARIO = Scenario(unique=False, index_lag_s=0.2, limit=Limit(calls=0))
PROCESS = "unique = false\nindex_lag_s = 0.2\n[limit]\ncalls = 0\n"
"""The same for a sandbox process."""
RUN = ("run", "tasks.csv", "--yes", "--track", "none", "--rate", "200/s")
READS = 3
"""So many look-ups are spoiled in a row; five would be taken for an outage."""


def ride(seed: int) -> Ride:
    """The same for every seed."""
    return Ride(SCENARIO, ROWS, RUN)


ONCE = (
    *(Trouble("cut", up=True, size=size) for size in (1, 120, 100_000)),
    Trouble("hold", up=True),
    Trouble("late", seconds=LATE_S),
    Trouble("reset"),
    *(Trouble("cut", size=size) for size in (0, 12, 300)),
    *(Trouble("garble", size=5, seconds=where) for where in (0.0, 0.5, 0.95)),
    Trouble("hold"),
    Trouble("half_close", size=40),
    Trouble("bomb", size=30_000_000),
    Trouble("huge", size=5_000_000),
    *(Trouble("redirect", status=status, location="http://127.0.0.1:9/") for status in (301, 302, 307, 308)),
    Trouble("delay", up=True, seconds=0.3),
    Trouble("delay", seconds=0.3),
    Trouble("slow", size=3_000),
    Trouble("slices", up=True, size=7),
    Trouble("slices", size=1),
    Trouble("twice"),
)
"""Troubles after which a single POST of the row arrived whole: it is found again, or the first one never came."""


async def test_proxy_troubles_cost_one_whole_post_each(tmp_path: Path) -> None:
    """Whatever happens on the way there or back, the task is made by one POST: what was done is found, not repeated."""
    rows = external_ids(3 * len(ONCE))  # two calm rows after each: this is weather, not an outage
    troubles = dict(zip(rows[::3], ONCE, strict=True))
    told: set[str] = set()

    def plan(request: Request) -> Trouble | None:
        if not request.creates or request.external_id in told:
            return None
        told.add(request.external_id)
        return troubles.get(request.external_id)

    write_rows(tmp_path / "tasks.csv", rows)
    async with real(tmp_path, SCENARIO, plan) as (scene, proxy):
        code, body = await asyncio.to_thread(scene.ends, *RUN)
        assert proxy.done.total() == len(ONCE)
    assert (code, body["counts"]["created"]) == (0, len(rows))
    evidence = scene.evidence(rows=len(rows))
    assert referee.violations(evidence) == []
    posts = Counter(call.external_id for call in evidence.calls if call.external_id is not None)
    assert {troubles[row]: number for row, number in posts.items() if number != 1 and row in troubles} == {}
    assert posts.total() == len(rows)


async def test_proxy_runs_go_red_where_the_index_lags_more_than_was_declared(tmp_path: Path) -> None:
    """A reset answer at a server that neither is unique nor finds in time makes a duplicate, and the referee says so."""
    write_rows(tmp_path / "tasks.csv", external_ids(ROWS))
    slow = SCENARIO.changed({"index_lag_s": 60})
    async with real(tmp_path, slow, scripted({3: Trouble("reset")})) as (scene, _):
        await asyncio.to_thread(scene.ends, *RUN)
    (found,) = [found for found in referee.violations(scene.evidence(rows=ROWS)) if found.startswith("duplicate")]
    assert "has 2 tasks" in found


async def test_proxy_runs_lose_nothing_and_make_nothing_twice(tmp_path: Path) -> None:
    """In the weather of each of 20 seeds there are no duplicates and no lost rows, and the books balance."""
    await judged(range(FIRST, FIRST + 20), tmp_path, ride)


@pytest.mark.nightly
async def test_proxy_runs_of_many_seeds(tmp_path: Path) -> None:
    """The same for 400 seeds."""
    await judged(range(FIRST + 1000, FIRST + 1400), tmp_path, ride)


def test_proxy_bombs_do_not_fill_the_memory(tmp_path: Path) -> None:
    """Answers that unpack to 100 MB, or are 5 MB long, to POSTs and to look-ups: below 150 MB, and each task is found."""

    def plan(request: Request) -> Trouble | None:
        if request.path != "/api/v2/tasks" or request.nth > (4 if request.creates else READS):
            return None
        return Trouble("bomb", size=100_000_000) if request.nth % 2 else Trouble("huge", size=5_000_000)

    with scene(tmp_path, PROCESS, ROWS, settings=SETTINGS) as real, proxied(real.url, plan) as proxy:
        with real.behind(proxy.url).starts(*RUN, "--concurrency", "2") as process:
            most_kb = high_water_kb(process)
            out, err = process.communicate()
        assert (real.told(out, err)["counts"]["created"], process.returncode) == (ROWS, 0)
        assert (proxy.done["bomb"], proxy.done["huge"]) == (4, 3)
        assert 20_000 < most_kb < 150_000, most_kb
        assert referee.violations(real.evidence(rows=ROWS)) == []


def high_water_kb(process: "subprocess.Popen[str]") -> int:
    """The most memory that a process had in its life, in kB."""
    found = 0
    while process.poll() is None:  # the mark never falls, so that a look now and then is enough
        with suppress(OSError, StopIteration):
            lines = Path(f"/proc/{process.pid}/status").read_text("ascii").splitlines()
            found = max(found, int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]))
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    return found


def test_proxy_redirects_are_not_followed(tmp_path: Path) -> None:
    """301, 302, 307 and 308 to POSTs and look-ups: nobody calls there, and each task is made once."""
    statuses = (301, 302, 307, 308)
    with scene(tmp_path, PROCESS, ROWS, settings=SETTINGS) as real, canary() as (elsewhere, heard):

        def plan(request: Request) -> Trouble | None:
            if request.path != "/api/v2/tasks" or request.nth > (len(statuses) if request.creates else READS):
                return None
            return Trouble("redirect", status=statuses[request.nth - 1], location=elsewhere)

        with proxied(real.url, plan) as proxy:
            code, body = real.behind(proxy.url).ends(*RUN)
        assert proxy.done["redirect"] == len(statuses) + READS
        assert list(heard) == []
        assert (code, body["counts"]["created"]) == (0, ROWS)
        assert referee.violations(real.evidence(rows=ROWS)) == []
