"""Series: importers killed at many points of their runs and carried on, each in a folder of its own, and what was wrong then."""

import random
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.harness.bench import QUICK, Place, World, sandbox, unbalanced
from tests.harness.kills import Kind, Point, counted, histogram, killed, spread, stage_of
from tests.harness.warm import Warm, warm

WORKERS = 2
COMMITS = Kind("fdatasync", "ledger.sqlite-wal")


@dataclass(frozen=True, slots=True)
class Course:
    """What is run and killed: so many rows, by this command, in these worlds in turn, each of them for so many points."""

    run: tuple[str, ...]
    resume: tuple[str, ...]
    cap: tuple[int, float]
    first_kill: Point  # where a run is killed whose `resume` or `reconcile` is to be killed as well
    rows: int = 16
    target: str = "tasks"
    scenarios: Sequence[str] = (QUICK,)
    world_lasts: int = 100
    shares: Mapping[str, float] = field(default_factory=lambda: {"resume": 0.2, "reconcile": 0.1})
    """Which part of the points falls into these commands; the rest falls into the run itself."""


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
    course: Course
    fallen: list[Fallen] = field(default_factory=list)
    missed: int = 0


def carried_on(course: Course, place: Place, fallen: Fallen) -> Fallen:
    """Resumes, or runs the file where no run had been opened, and notes what is wrong then."""
    code, body = place.ends(*course.resume)
    run = body["runs"][0] if body.get("runs") else None
    if code == 0 and run is None:
        code, run = _nothing_to_resume(course, place, fallen)
    if code != 0 or run is None or run["counts"]["created"] + run["counts"]["existing"] != course.rows:
        fallen.not_settled = f"exit {code}: {run or body}, {place.said[-500:]}"
        return fallen
    fallen.unbalanced = unbalanced(run["counts"], Path(run["reports"]["results_json"]))
    fallen.objections = "; ".join(place.violations(run["reports"], course.cap))
    found = place.tasks()
    if found != dict.fromkeys(place.names, 1):
        fallen.not_once = f"tasks by external ID: {dict(found)}"
    return fallen


def _nothing_to_resume(course: Course, place: Place, fallen: Fallen) -> tuple[int, dict[str, Any]]:
    """The results of a run that was done already; where none had been opened, the file is run again."""
    known = place.ends("runs")[1]["runs"]
    if not known:
        return place.ends(*course.run)
    run = known[0]["run"]
    found = {file.name for file in (place.folder / "reports" / f"run-{run}").glob("results.*")}
    if found != {"results.json", "results.xlsx"}:
        fallen.unreported = f"resume had nothing to do, and there is no more than {sorted(found)}"
    return place.ends("report", run)


@dataclass(slots=True)
class Worker:
    """One line of points, each in a folder of its own."""

    course: Course
    folder: Path
    warm: Warm
    worlds: ExitStack
    number: int = 0  # the first of its worlds: not all workers are in the same one
    made: int = 0
    world: World | None = None

    def place(self) -> Place:
        """The next folder, in a fresh world now and then."""
        course = self.course
        if self.world is None or self.made % course.world_lasts == 0:
            self.worlds.close()
            scenario = course.scenarios[self.number % len(course.scenarios)]
            self.world = self.worlds.enter_context(sandbox(self.folder, scenario))
            self.number += WORKERS
        self.made += 1
        folder = self.folder / f"{self.folder.name}{self.made}"
        return Place.made(folder, self.world, self.warm, course.rows, course.target)

    def falls(self, command: str, point: Point) -> Fallen | None:
        """Kills at a point and carries on; None where the importer did not die there."""
        place, course = self.place(), self.course
        if command != "run":
            if not killed(place, course.run, course.first_kill):
                return None
            hit = killed(place, self.again(command, place), point)
        else:
            hit = killed(place, course.run, point)
        if not hit:
            return None
        fallen = carried_on(course, place, Fallen(command, point, stage_of(place)))
        if not fallen.troubles:
            shutil.rmtree(place.folder)  # 2,000 ledgers with their reserves would fill a disk
        return fallen

    def limits(self) -> dict[str, dict[Kind, int]]:
        """How far n goes, for each command."""
        clean = self.place()
        by_command = {"run": counted(clean, self.course.run)}
        for command in self.course.shares:
            halted = self.place()
            assert killed(halted, self.course.run, self.course.first_kill)
            by_command[command] = counted(halted, self.again(command, halted))
        return by_command

    def again(self, command: str, place: Place) -> tuple[str, ...]:
        """What goes on with the run that was killed."""
        if command == "resume":
            return self.course.resume
        return ("reconcile", place.ledger("SELECT run FROM runs")[0][0], *self.course.resume[1:])


def fell(series: Series, workers: list[Worker]) -> None:
    """Kills until so many importers died where they should, each command with its share of them."""
    rng = random.Random(series.seed)
    limits = workers[0].limits()
    shares = {command: int(series.wanted * share) for command, share in series.course.shares.items()}
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


def sailed(course: Course, folder: Path, seed: int, wanted: int, tell: Callable[[str], None]) -> Series:
    """So many importers killed and carried on; tells where they died."""
    made = Series(seed, wanted, course)
    began = time.monotonic()
    with ExitStack() as stack:
        workers = []
        for number, letter in zip(range(WORKERS), "ABCDEFGH", strict=False):
            own = folder / letter
            own.mkdir()
            mine = stack.enter_context(warm()), stack.enter_context(ExitStack())
            workers.append(Worker(course, own, *mine, number=number))
        fell(made, workers)
    tell(
        f"{course.target}: killed at {len(made.fallen)} points (KILL_SEED={made.seed}) in {time.monotonic() - began:.0f} s,"
        f" {made.missed} more were not reached"
    )
    for line in histogram([(each.command, str(each.point.kind), each.stage) for each in made.fallen]):
        tell(f"  {line}")
    return made
