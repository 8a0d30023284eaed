"""Whole runs of the command line through the fault proxy, at a sandbox without uniqueness, judged by the referee.

`PROXY_SEED` repeats one series from that seed on.
"""

import asyncio
import os
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from importer.sandbox.scenario import Limit, Scenario
from importer.sandbox.server import Sandbox
from tests.harness import referee
from tests.harness.proxy import Proxy, Request, Trouble, calm, canary, proxied, seeded
from tests.harness.scene import Scene, external_ids, scene, write_rows

FIRST = int(os.environ.get("PROXY_SEED", "1"))
ROWS = 12
AT_ONCE = 6
"""So many importers at a time."""
SETTINGS = {"IMPORTER_INDEX_LAG": "1s", "IMPORTER_TIMEOUT": "700ms"}
LATE_S = 0.25
"""How late something may arrive: with the index lag of the sandbox well below what the importer is told."""
SCENARIO = Scenario(unique=False, index_lag_s=0.2, limit=Limit(calls=0))
PROCESS = "unique = false\nindex_lag_s = 0.2\n[limit]\ncalls = 0\n"
"""The same for a sandbox process."""
RUN = ("run", "tasks.csv", "--yes", "--track", "none", "--rate", "200/s")
RESUMES_MOST = 4
READS = 3
"""So many look-ups are spoiled in a row; five would be taken for an outage."""


async def ridden(seed: int, folder: Path) -> tuple[list[str], Counter[str], Counter[str]]:
    """One run through the weather of that seed, resumed in fair weather: violations, troubles by kind, outcomes."""
    folder.mkdir()
    write_rows(folder / "tasks.csv", external_ids(ROWS))
    async with Sandbox(SCENARIO, seed=seed, journal=folder / "journal.jsonl") as sandbox:
        async with Proxy(sandbox.api_url, seeded(seed, patience_s=LATE_S)) as proxy:
            who = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
            told = Scene(folder, who, folder / "journal.jsonl", proxy.url, SETTINGS)
            code, _ = await asyncio.to_thread(told.forked, *RUN)
            proxy.plan = calm
            for _ in range(RESUMES_MOST):
                if code == 0:
                    break
                code, _ = await asyncio.to_thread(told.forked, "resume")
    evidence = told.evidence(rows=ROWS)
    return referee.violations(evidence), proxy.done, Counter(row.outcome for row in evidence.ledger)


async def series(seeds: range, folder: Path) -> tuple[dict[int, list[str]], Counter[str], Counter[str]]:
    """What is wrong by seed, all troubles, all outcomes."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(seed: int) -> Any:
        async with gate:
            return await ridden(seed, folder / str(seed))

    all_found = await asyncio.gather(*map(one, seeds))
    wrong = {seed: found for seed, (found, _, _) in zip(seeds, all_found, strict=True) if found}
    return wrong, sum((t for _, t, _ in all_found), Counter()), sum((o for _, _, o in all_found), Counter())


async def judged(seeds: range, folder: Path) -> None:
    wrong, troubles, outcomes = await series(seeds, folder)
    assert wrong == {}, f"by seed: {wrong}; troubles {dict(troubles)}, outcomes {dict(outcomes)}"
    assert outcomes.total() == len(seeds) * ROWS
    assert len(troubles) >= 12, f"only {dict(troubles)}"


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
        if request.path != "/api/v2/tasks" or request.nth > (6 if request.creates else READS):
            return None
        return Trouble("bomb", size=100_000_000) if request.nth % 2 else Trouble("huge", size=5_000_000)

    with scene(tmp_path, PROCESS, ROWS, settings=SETTINGS) as real, proxied(real.url, plan) as proxy:
        with real.behind(proxy.url).starts(*RUN, "--concurrency", "2") as process:
            most_kb = high_water_kb(process)
            out, err = process.communicate()
        assert (real.told(out, err)["counts"]["created"], process.returncode) == (ROWS, 0)
        assert (proxy.done["bomb"], proxy.done["huge"]) == (5, 4)
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
