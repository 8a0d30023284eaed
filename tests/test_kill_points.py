"""An importer killed at the n-th write, fsync or send of a run, wherever that is, then carried on: it ends as if never killed.

`KILL_SEED` repeats a series, `KILL_POINTS` sets how many points the nightly one has.
"""

import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.harness.bench import Place, World, sandbox, unbalanced
from tests.harness.kills import STAGES, Kind, Point, counted, histogram, killed, spread, stage_of
from tests.harness.trace import missing
from tests.harness.warm import Warm, warm

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

ROWS = 16
WORKERS = 2
CI_POINTS = 40
WORLD_LASTS = 100
"""So many points share one sandbox."""
RUN = ("run", "tasks.csv", "--yes", "--track", "closed", "--rate", "100/200ms")
CAP = (100, 0.2)
RESUME = ("resume", "--rate", "100/200ms")
FIRST_KILL = Point(Kind("fdatasync", "ledger.sqlite-wal"), 11)
"""Where a run is killed whose `resume` or `reconcile` is to be killed as well: some rows are created by then, some are on their way."""


@dataclass(slots=True)
class Fallen:
    """A point at which an importer died, and what was wrong after it had been carried on."""

    command: str
    point: Point
    stage: str
    not_settled: str = ""
    not_once: str = ""
    objections: str = ""
    unbalanced: str = ""
    unreported: str = ""

    @property
    def troubles(self) -> list[str]:
        """All that was wrong."""
        found = (self.not_settled, self.not_once, self.objections, self.unbalanced, self.unreported)
        return [each for each in found if each]

    def __str__(self) -> str:
        return f"{self.command} killed at {self.point} ({self.stage})"


@dataclass(slots=True)
class Series:
    """All points of a session."""

    seed: int
    wanted: int
    fallen: list[Fallen] = field(default_factory=list)
    missed: int = 0


def carried_on(place: Place, fallen: Fallen) -> Fallen:
    """Resumes, or runs the file where no run had been opened, and notes what is wrong then."""
    code, body = place.ends(*RESUME)
    run = body["runs"][0] if body.get("runs") else None
    if code == 0 and run is None:
        code, run = _nothing_to_resume(place, fallen)
    if code != 0 or run is None or run["counts"]["created"] + run["counts"]["existing"] != ROWS:
        fallen.not_settled = f"exit {code}: {run or body}, {place.said[-500:]}"
        return fallen
    fallen.unbalanced = unbalanced(run["counts"], Path(run["reports"]["results_json"]))
    fallen.objections = "; ".join(place.violations(run["reports"], CAP))
    found = place.tasks()
    if found != dict.fromkeys(place.names, 1):
        fallen.not_once = f"tasks by external ID: {dict(found)}"
    return fallen


def _nothing_to_resume(place: Place, fallen: Fallen) -> tuple[int, dict[str, Any]]:
    """The results of a run that was done already; where none had been opened, the file is run again."""
    known = place.ends("runs")[1]["runs"]
    if not known:
        return place.ends(*RUN)
    run = known[0]["run"]
    found = {file.name for file in (place.folder / "reports" / f"run-{run}").glob("results.*")}
    if found != {"results.json", "results.xlsx"}:
        fallen.unreported = f"resume had nothing to do, and there is no more than {sorted(found)}"
    return place.ends("report", run)


@dataclass(slots=True)
class Worker:
    """One line of points, each in a folder of its own."""

    folder: Path
    warm: Warm
    worlds: ExitStack
    made: int = 0
    world: World | None = None

    def place(self) -> Place:
        """The next folder, in a fresh world now and then."""
        if self.world is None or self.made % WORLD_LASTS == 0:
            self.worlds.close()
            self.world = self.worlds.enter_context(sandbox(self.folder))
        self.made += 1
        return Place.made(self.folder / f"{self.folder.name}{self.made}", self.world, self.warm, ROWS)

    def falls(self, command: str, point: Point) -> Fallen | None:
        """Kills at a point and carries on; None where the importer did not die there."""
        place = self.place()
        if command != "run":
            if not killed(place, RUN, FIRST_KILL):
                return None
            hit = killed(place, again(command, place), point)
        else:
            hit = killed(place, RUN, point)
        if not hit:
            return None
        fallen = carried_on(place, Fallen(command, point, stage_of(place)))
        if not fallen.troubles:
            shutil.rmtree(place.folder)  # 2,000 ledgers with their reserves would fill a disk
        return fallen

    def limits(self) -> dict[str, dict[Kind, int]]:
        """How far n goes, for each command."""
        clean = self.place()
        by_command = {"run": counted(clean, RUN)}
        for command in ("resume", "reconcile"):
            halted = self.place()
            assert killed(halted, RUN, FIRST_KILL)
            by_command[command] = counted(halted, again(command, halted))
        return by_command


def again(command: str, place: Place) -> tuple[str, ...]:
    """What goes on with the run that was killed."""
    return RESUME if command == "resume" else ("reconcile", place.ledger("SELECT run FROM runs")[0][0], *RESUME[1:])


def fell(series: Series, workers: list[Worker]) -> None:
    """Kills until so many importers died where they should, a fifth of them during `resume` and a tenth during `reconcile`."""
    rng = random.Random(series.seed)
    limits = workers[0].limits()
    shares = {"resume": series.wanted // 5, "reconcile": series.wanted // 10}
    shares["run"] = series.wanted - sum(shares.values())
    points = {command: spread(limits[command], number, rng) for command, number in shares.items()}
    commands = [command for command, number in shares.items() for _ in range(number)]
    rng.shuffle(commands)
    idle = list(workers)

    def one(task: tuple[str, Point]) -> tuple[str, Fallen | None]:
        worker = idle.pop()
        try:
            return task[0], worker.falls(*task)
        finally:
            idle.append(worker)

    with ThreadPoolExecutor(len(workers)) as pool:
        while commands:
            tasks = [(command, next(points[command])) for command in commands]
            commands = []
            for command, fallen in pool.map(one, tasks):
                if fallen is None:
                    commands.append(command)
                    series.missed += 1
                    assert series.missed < 20 + series.wanted, "most points are not reached"
                else:
                    series.fallen.append(fallen)


@pytest.fixture(scope="module", params=["ci", pytest.param("nightly", marks=pytest.mark.nightly)])
def series(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tell: Callable[[str], None]
) -> Series:
    """Importers killed and carried on: 40 in a check, 2,000 at night."""
    wanted = CI_POINTS if request.param == "ci" else int(os.environ.get("KILL_POINTS", "2000"))
    made = Series(int(os.environ.get("KILL_SEED", random.randrange(10**6))), wanted)
    began = time.monotonic()
    with ExitStack() as stack:
        workers = []
        for letter in "ABCDEFGH"[:WORKERS]:
            folder = tmp_path_factory.mktemp("kills", numbered=True) / letter
            folder.mkdir()
            workers.append(Worker(folder, stack.enter_context(warm()), stack.enter_context(ExitStack())))
        fell(made, workers)
    tell(
        f"killed at {len(made.fallen)} points (KILL_SEED={made.seed}) in {time.monotonic() - began:.0f} s,"
        f" {made.missed} more were not reached"
    )
    for line in histogram([(each.command, str(each.point.kind), each.stage) for each in made.fallen]):
        tell(f"  {line}")
    return made


def test_kill_points_hit_every_stage(series: Series) -> None:
    """As many importers as were meant to died at just the call that they were to die at, in every stage of a run."""
    assert len(series.fallen) == series.wanted
    assert {each.stage for each in series.fallen} == set(STAGES)
    assert Counter(each.command for each in series.fallen).keys() == {"run", "resume", "reconcile"}


def test_kill_anywhere_is_carried_on_to_the_end(series: Series) -> None:
    """Resumed once, every row is settled: nothing is left unknown, failed or not sent."""
    assert [f"{each}: {each.not_settled}" for each in series.fallen if each.not_settled] == []


def test_kill_anywhere_makes_each_task_once(series: Series) -> None:
    """However a run was killed, there is exactly one task for each external ID in the end."""
    assert [f"{each}: {each.not_once}" for each in series.fallen if each.not_once] == []


def test_kill_anywhere_leaves_nothing_for_the_referee(series: Series) -> None:
    """Journal, ledger, both reports and the printed counts agree, the cap held, every resend was the same bytes."""
    assert [f"{each}: {each.objections}" for each in series.fallen if each.objections] == []


def test_kill_anywhere_leaves_the_books_balanced(series: Series) -> None:
    """Counts on the screen, in results.json and of its rows agree and add up."""
    assert [f"{each}: {each.unbalanced}" for each in series.fallen if each.unbalanced] == []


def test_kill_anywhere_leaves_results_after_resume(series: Series) -> None:
    """A run that was killed while its results were written has them after `importer resume`."""
    assert [f"{each}: {each.unreported}" for each in series.fallen if each.unreported] == []
