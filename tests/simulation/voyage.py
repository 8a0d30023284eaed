"""Voyage: one run from its opening to its rest, through all the weather of a seed, in as many lives as it takes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from importer.core.errors import AlreadyRunning, ImporterError, Interrupted
from importer.core.report import ResultRow
from tests.simulation.process import QUEUE, Machine, Process, planned
from tests.simulation.site import Site
from tests.simulation.timeline import Died, Timeline
from tests.simulation.weather import Ending, Weather, weather, workitem_weather

RUN = "run-1"
CLEARS_AFTER = 6
"""So many lives after the last death the weather clears; what is not settled in three more never will be."""
LIVES_MORE = 3
A_PERSON_WAITS_S = 45.0
HELD_UP_MOST = 5
"""So many lives of a voyage stand still for a while, where one does."""


@dataclass(slots=True)
class Voyage:
    """What came of a seed."""

    weather: Weather
    site: Site
    rows: list[ResultRow]
    counts: dict[str, int]
    unsettled: int
    lives: int

    @property
    def journal(self) -> list[str]:
        """Everything that happened, and what the ledger says at last; the same seed gives the same lines."""
        return [*self.site.journal, *(_told(row) for row in self.rows), f"{self.counts}"]


def sailed(seed: int, folder: Path, target: str = "tasks") -> Voyage:
    """The voyage of a seed. Its files are in `folder`, which is empty."""
    chosen = weather(seed) if target == "tasks" else workitem_weather(seed)
    timeline = Timeline()
    site = Site(timeline, chosen)
    timeline.held_up = lambda: site.note("a process is held up")
    machine = Machine(site, folder)
    _plans(site)
    lives = 0
    for ending in _endings(chosen.endings):
        lives += 1
        if lives == len(chosen.endings) + CLEARS_AFTER:
            site.note("the weather clears")
            site.clears()
        if _lives(machine, ending):
            break
    site.service.journal()  # what was postponed is carried out now
    return _arrived(machine, lives)


def _endings(endings: Sequence[Ending]) -> Iterator[Ending | None]:
    yield from endings
    yield from [None] * (CLEARS_AFTER + LIVES_MORE)


def _plans(site: Site) -> None:
    """What happens in the world at its time, whatever the importer does."""
    chosen = site.weather
    for at in chosen.tokens_die_at:
        site.timeline.after(at, partial(_tokens_die, site))
    for at, seconds in chosen.queue_turns_at:
        site.timeline.after(at, partial(_queue_turns, site, "transitional"))
        site.timeline.after(at + seconds, partial(_queue_turns, site, "open"))


def _tokens_die(site: Site) -> None:
    site.note("all tokens expire")
    site.service.api.expire_tokens()


def _queue_turns(site: Site, status: str) -> None:
    site.note(f"the queue is {status}")
    site.world.turn_queue(QUEUE, "open" if status == "open" else "transitional")


def _lives(machine: Machine, ending: Ending | None) -> bool:
    """One life; whether the run came to rest in it."""
    site = machine.site
    by_write = ending is not None and ending.kind != "turn"
    process = Process(machine, dies_in=(ending.kind, ending.n) if ending and by_write else None)
    site.note(f"process {process.number} begins")
    try:
        dies_at = ending.n if ending is not None and not by_write else None
        held_up = site.weather.held_up if process.number <= HELD_UP_MOST else None
        problem = site.timeline.runs(_carries_on(process), process.ends, dies_at=dies_at, held_up=held_up)
    except Died:
        assert ending is not None
        machine.dies(known=ending.known, power=ending.power)
        site.note(f"process {process.number} dies ({ending.kind} {ending.n})")
        site.timeline.passes(ending.restart_s)
        return False
    rests = problem is None and not _unsettled(machine)
    site.note(f"process {process.number} ends: {problem or 'nothing is left' if rests else problem or 'some rest'}")
    machine.dies(known=True, power=False)
    site.timeline.passes(A_PERSON_WAITS_S)
    return rests


def _unsettled(machine: Machine) -> int:
    process = Process(machine)
    try:
        return process.ledger.unsettled(RUN)
    finally:
        process.ends()


async def _carries_on(process: Process) -> ImporterError | None:
    site, ledger = process.machine.site, process.ledger
    ledger.trusted()
    running = process.running()
    if ledger.run(RUN) is None:
        queue_id = next(queue.id for queue in site.world.queues.values() if queue.name == QUEUE)
        rows = [(f"E-{number}", "An invoice") for number in range(1, site.weather.rows + 1)]
        preview, plan_rows = planned(rows, "plan-1", queue_id, site.weather.target)
        running.open(RUN, preview, plan_rows, None, "reports", {})
    if site.weather.stopped_at is not None and site.timeline.monotonic() < site.weather.stopped_at:
        wait_s = site.weather.stopped_at - site.timeline.monotonic()
        site.timeline.after(wait_s, partial(_stops, process, running.stop))
    try:
        return (await running.carry_on(RUN)).problem
    except AlreadyRunning as problem:  # one that died, and nobody can tell: its lease has to run out
        return problem


def _stops(process: Process, stop: Callable[[Interrupted], None]) -> None:
    if not process.dead:
        process.machine.site.note("someone presses Ctrl-C")
        stop(Interrupted(130))


def _arrived(machine: Machine, lives: int) -> Voyage:
    process = Process(machine)
    ledger = process.ledger
    voyage = Voyage(
        weather=machine.site.weather,
        site=machine.site,
        rows=list(ledger.result_rows(RUN)),
        counts=ledger.counts(RUN),
        unsettled=ledger.unsettled(RUN),
        lives=lives,
    )
    process.ends()
    return voyage


def _told(row: ResultRow) -> str:
    states = " ".join(f"{each.state}@{each.at}" for each in row.states)
    return f"{row.line} {row.external_id} {row.outcome} {row.task_id} {row.attempts} {row.reason} {states}"
