"""Rides: whole runs of the command line through the fault proxy, many seeds at a time, judged by the referee."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from importer.sandbox.scenario import Scenario
from importer.sandbox.server import Sandbox
from tests.harness import referee
from tests.harness.proxy import Plan, Proxy, calm, seeded
from tests.harness.scene import Scene, external_ids, write_rows

AT_ONCE = 6
"""So many importers at a time."""
LATE_S = 0.25
"""How late something may arrive: with the index lag of the sandbox well below what the importer is told."""
RESUMES_MOST = 4
SETTINGS = {"IMPORTER_INDEX_LAG": "2s", "IMPORTER_TIMEOUT": "700ms"}


@dataclass(frozen=True, slots=True)
class Ride:
    """What is run: so many rows, by this command, in this world."""

    scenario: Scenario
    rows: int
    run: Sequence[str]
    target: str = "tasks"


@dataclass(frozen=True, slots=True)
class Ridden:
    """What came of one seed: violations, troubles by kind, rows by outcome."""

    wrong: list[str]
    troubles: Counter[str]
    outcomes: Counter[str]


@asynccontextmanager
async def real(folder: Path, scenario: Scenario, plan: Plan) -> AsyncIterator[tuple[Scene, Proxy]]:
    """A sandbox with a journal, a proxy in front of it, and the scene of an importer that knows only the proxy."""
    journal = folder / "journal.jsonl"
    async with Sandbox(scenario, seed=7, journal=journal) as sandbox, Proxy(sandbox.api_url, plan) as proxy:
        who = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
        yield Scene(folder, who, journal, proxy.url, SETTINGS), proxy


async def ridden(seed: int, folder: Path, ride: Ride) -> Ridden:
    """One run through the weather of that seed, resumed in fair weather."""
    folder.mkdir()
    write_rows(folder / "tasks.csv", external_ids(ride.rows), ride.target)
    async with real(folder, ride.scenario, seeded(seed, patience_s=LATE_S)) as (scene, proxy):
        code, _ = await asyncio.to_thread(scene.ends, *ride.run)
        proxy.plan = calm
        for _ in range(RESUMES_MOST):
            if code == 0:
                break
            code, body = await asyncio.to_thread(scene.ends, "resume")
            if code == 0 and body.get("runs") == []:  # it ended before it could send anything
                code, _ = await asyncio.to_thread(scene.ends, *ride.run)
    evidence = scene.evidence(rows=ride.rows)
    return Ridden(referee.violations(evidence), proxy.done, Counter(row.outcome for row in evidence.ledger))


async def series(
    seeds: range, folder: Path, ride: Callable[[int], Ride]
) -> tuple[dict[int, list[str]], Counter[str], Counter[str]]:
    """What is wrong by seed, all troubles, all outcomes."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(seed: int) -> Any:
        async with gate:
            try:
                return await ridden(seed, folder / str(seed), ride(seed))
            except AssertionError as problem:  # a command that printed nothing: told with its seed, after all others
                return Ridden([str(problem)], Counter(), Counter())

    found: list[Ridden] = await asyncio.gather(*map(one, seeds))
    wrong = {seed: each.wrong for seed, each in zip(seeds, found, strict=True) if each.wrong}
    return wrong, sum((each.troubles for each in found), Counter()), sum((each.outcomes for each in found), Counter())


async def judged(seeds: range, folder: Path, ride: Callable[[int], Ride]) -> Counter[str]:
    """Nothing is wrong, each row has its outcome, and there was weather; the rows by outcome."""
    wrong, troubles, outcomes = await series(seeds, folder, ride)
    assert wrong == {}, f"by seed: {wrong}; troubles {dict(troubles)}, outcomes {dict(outcomes)}"
    assert outcomes.total() == sum(ride(seed).rows for seed in seeds)
    assert len(troubles) >= 12, f"only {dict(troubles)}"
    return outcomes
