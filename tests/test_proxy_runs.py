"""Whole runs of the command line through the fault proxy, at a sandbox without uniqueness, judged by the referee.

`PROXY_SEED` repeats one series from that seed on.
"""

import asyncio
import os
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from importer.sandbox.scenario import Limit, Scenario
from importer.sandbox.server import Sandbox
from tests.harness import referee
from tests.harness.proxy import Plan, Proxy, Request, Trouble, calm, canary, proxied, scripted, seeded
from tests.harness.scene import Scene, external_ids, scene, write_rows

FIRST = int(os.environ.get("PROXY_SEED", "1"))
ROWS = 12
AT_ONCE = 6
"""So many importers at a time."""
SETTINGS = {"IMPORTER_INDEX_LAG": "2s", "IMPORTER_TIMEOUT": "700ms"}
LATE_S = 0.25
"""How late something may arrive: with the index lag of the sandbox well below what the importer is told."""
SCENARIO = Scenario(unique=False, index_lag_s=0.2, limit=Limit(calls=0))
PROCESS = "unique = false\nindex_lag_s = 0.2\n[limit]\ncalls = 0\n"
"""The same for a sandbox process."""
RUN = ("run", "tasks.csv", "--yes", "--track", "none", "--rate", "200/s")
RESUMES_MOST = 4
READS = 3
"""So many look-ups are spoiled in a row; five would be taken for an outage."""


@asynccontextmanager
async def real(folder: Path, scenario: Scenario, plan: Plan) -> AsyncIterator[tuple[Scene, Proxy]]:
    """A sandbox with a journal, a proxy in front of it, and the scene of an importer that knows only the proxy."""
    journal = folder / "journal.jsonl"
    async with Sandbox(scenario, seed=7, journal=journal) as sandbox, Proxy(sandbox.api_url, plan) as proxy:
        who = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
        yield Scene(folder, who, journal, proxy.url, SETTINGS), proxy


async def ridden(seed: int, folder: Path) -> tuple[list[str], Counter[str], Counter[str]]:
    """One run through the weather of that seed, resumed in fair weather: violations, troubles by kind, outcomes."""
    folder.mkdir()
    write_rows(folder / "tasks.csv", external_ids(ROWS))
    async with real(folder, SCENARIO, seeded(seed, patience_s=LATE_S)) as (scene, proxy):
        code, _ = await asyncio.to_thread(scene.forked, *RUN)
        proxy.plan = calm
        for _ in range(RESUMES_MOST):
            if code == 0:
                break
            code, _ = await asyncio.to_thread(scene.forked, "resume")
    evidence = scene.evidence(rows=ROWS)
    return referee.violations(evidence), proxy.done, Counter(row.outcome for row in evidence.ledger)


async def series(seeds: range, folder: Path) -> tuple[dict[int, list[str]], Counter[str], Counter[str]]:
    """What is wrong by seed, all troubles, all outcomes."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(seed: int) -> Any:
        async with gate:
            try:
                return await ridden(seed, folder / str(seed))
            except AssertionError as problem:  # a command that printed nothing: told with its seed, after all others
                return [str(problem)], Counter(), Counter()

    all_found = await asyncio.gather(*map(one, seeds))
    wrong = {seed: found for seed, (found, _, _) in zip(seeds, all_found, strict=True) if found}
    return wrong, sum((t for _, t, _ in all_found), Counter()), sum((o for _, _, o in all_found), Counter())


async def judged(seeds: range, folder: Path) -> None:
    wrong, troubles, outcomes = await series(seeds, folder)
    assert wrong == {}, f"by seed: {wrong}; troubles {dict(troubles)}, outcomes {dict(outcomes)}"
    assert outcomes.total() == len(seeds) * ROWS
    assert len(troubles) >= 12, f"only {dict(troubles)}"


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
        code, body = await asyncio.to_thread(scene.forked, *RUN)
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
        await asyncio.to_thread(scene.forked, *RUN)
    (found,) = [found for found in referee.violations(scene.evidence(rows=ROWS)) if found.startswith("duplicate")]
    assert "has 2 tasks" in found


async def test_proxy_runs_lose_nothing_and_make_nothing_twice(tmp_path: Path) -> None:
    """In the weather of each of 20 seeds there are no duplicates and no lost rows, and the books balance."""
    await judged(range(FIRST, FIRST + 20), tmp_path)


@pytest.mark.nightly
async def test_proxy_runs_of_many_seeds(tmp_path: Path) -> None:
    """The same for 400 seeds."""
    await judged(range(FIRST + 1000, FIRST + 1400), tmp_path)


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
