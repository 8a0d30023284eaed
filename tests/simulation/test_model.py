"""The model: what must be true of tasks, plans and runs, as sets, whatever people, networks and processes do."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from importer.core.errors import LeaseLost, PlanRefused
from tests.simulation.fleet import MEMORY
from tests.simulation.office import INDEX_LAG_S, LAG_S, LONG_S, Office, Planned

IDS = [f"E-{number}" for number in range(1, 9)]
TURNS = st.integers(1, 50)
DEATHS = st.none() | TURNS | TURNS
LOSSES = (
    "reset_before",
    "reset_after",
    "reset_late",
    "error_after",
    "hang_after",
    "status:503",
    "status:429",
    "truncated",
)
QUICK = settings(max_examples=100, stateful_step_count=25, deadline=None, derandomize=True)
DEEP = settings(max_examples=3_000, stateful_step_count=40, deadline=None)


class Books:
    """The model itself: sets of external IDs."""

    def __init__(self) -> None:
        self.sheet: dict[str, str] = {}  # external ID -> description
        self.exist: set[str] = set()  # there is a task, certainly
        self.may: set[str] = set()  # a run with them was cut short: there may be one
        self.plans: dict[Planned, tuple[int, dict[str, str]]] = {}  # machine and the sheet that they were made of
        self.ran: set[Planned] = set()
        self.runs: dict[str, tuple[int, frozenset[str]]] = {}  # not at rest: machine and what it is to send

    def planned(self, machine: int, plan: Planned) -> None:
        assert plan.ready | plan.others == self.sheet.keys()
        assert not plan.ready & self.exist, "what exists is not sent again"
        assert plan.others <= self.exist | self.may, "what does not exist is sent"
        self.plans[plan] = (machine, dict(self.sheet))

    def may_run(self, plan: Planned) -> bool:
        return plan not in self.ran and self.plans[plan][1] == self.sheet

    def opened(self, run: str, plan: Planned) -> None:
        self.ran.add(plan)
        self.runs[run] = (self.plans[plan][0], plan.ready)

    def begun(self, runs: Iterable[str]) -> None:
        self.may |= {each for run in runs for each in self.runs[run][1]}

    def rested(self, run: str) -> None:
        self.exist |= self.runs.pop(run)[1]
        self.may -= self.exist


class Importing(RuleBasedStateMachine):
    """What people, processes and the world may do, in any order."""

    @initialize(unique=st.booleans())
    def begins(self, unique: bool) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.office = Office(Path(self.folder.name), unique=unique)
        self.unique = unique
        self.books = Books()
        self.edits(IDS[:4], "An invoice")

    # People

    @rule(
        ids=st.lists(st.sampled_from(IDS), unique=True, min_size=1, max_size=5),
        description=st.sampled_from(["An invoice", "A call"]),
    )
    def edits(self, ids: list[str], description: str) -> None:
        """The file has other rows, or rows with another text."""
        self.books.sheet = dict.fromkeys(ids, description)
        self.office.writes(self.books.sheet.items())

    @rule(machine=st.integers(0, 1))
    def previews(self, machine: int) -> None:
        """A second machine has a ledger of its own; then it is the server that keeps external IDs unique."""
        machine = machine if self.unique else 0
        self.office.timeline.passes(LONG_S)
        self.books.planned(machine, self.office.previews(self.office.machines[machine]))

    @rule(machine=st.integers(0, 1), dies_at=DEATHS)
    def imports(self, machine: int, dies_at: int | None) -> None:
        """A usual day: a preview, and at once its run."""
        self.previews(machine)
        self.opens(0)
        self._carries_on(list(self.books.runs)[-1], dies_at)

    @precondition(lambda self: self.books.plans)
    @rule(which=st.sampled_from([0, 0, 0, 1, 2]))
    def opens(self, which: int) -> None:
        """A plan runs once, and only if the file is what it was."""
        plan = list(self.books.plans)[-1 - which % len(self.books.plans)]
        machine = self.office.machines[self.books.plans[plan][0]]
        if not self.books.may_run(plan):
            with pytest.raises(PlanRefused):
                self.office.opens(machine, plan)
            return
        self.books.opened(self.office.opens(machine, plan), plan)

    @precondition(lambda self: self.books.runs)
    @rule(which=st.integers(0, 9), dies_at=DEATHS)
    def resumes(self, which: int, dies_at: int | None) -> None:
        """A run is carried on, and perhaps killed again."""
        self._carries_on(list(self.books.runs)[which % len(self.books.runs)], dies_at)

    @precondition(lambda self: any(machine == 0 for machine, _ in self.books.runs.values()))
    @rule(dies_at=DEATHS)
    def carry_on_together(self, dies_at: int | None) -> None:
        """All runs of one ledger at the same time, and the first one twice: they may have the same external IDs."""
        runs = [run for run, (machine, _) in self.books.runs.items() if machine == 0]
        self.books.begun(runs)
        if self.office.carry_on_together(self.office.machines[0], [*runs, runs[0]], dies_at):
            for run in runs:
                self._rests_perhaps(run)

    @precondition(lambda self: self.books.runs)
    @rule(which=st.integers(0, 9), frozen_at=TURNS)
    def is_frozen_and_taken_over(self, which: int, frozen_at: int) -> None:
        """A process stands still, another one takes the run over, the first one wakes up: it sends nothing more."""
        run = list(self.books.runs)[which % len(self.books.runs)]
        self.books.begun([run])
        ending = self.office.is_taken_over(self.office.machines[self.books.runs[run][0]], run, frozen_at)
        assert ending is None or isinstance(ending, LeaseLost) or ending.exit_code == 7
        self._rests_perhaps(run)

    # The world

    @rule(kind=st.sampled_from(LOSSES), at=st.integers(1, 4), tokens_last=st.none() | st.floats(0.0, 0.5))
    def answers_are_lost(self, kind: str, at: int, tokens_last: float | None) -> None:
        """Some of the next creates fail, and perhaps all tokens expire meanwhile."""
        self.office.breaks(kind, at)
        if tokens_last is not None:
            self.office.tokens_expire(tokens_last)

    @rule(lag_s=st.sampled_from([0.0, 1.0, INDEX_LAG_S]), transition_s=st.none() | st.floats(0.1, LAG_S))
    def the_service_changes(self, lag_s: float, transition_s: float | None) -> None:
        """Its index lags more or less, within what was declared, and perhaps a queue is in transition."""
        self.office.index_lags(lag_s)
        if transition_s is not None:
            self.office.queue_is_in_transition(transition_s)

    # What must be true

    @invariant()
    def there_is_one_task_for_each(self) -> None:
        tasks = self.office.tasks()
        assert set(tasks.values()) <= {1}, tasks
        assert self.books.exist <= tasks.keys() <= self.books.exist | self.books.may

    def teardown(self) -> None:
        """In the end, without faults, every run comes to rest, and every row has its task."""
        self.office.site.clears()
        for run in list(self.books.runs):
            self.office.timeline.passes(LONG_S)
            self._carries_on(run, None)
            assert run not in self.books.runs, self.office.outcomes(self.office.machines[self.books.runs[run][0]], run)
        self.there_is_one_task_for_each()
        self.folder.cleanup()

    # Steps

    def _carries_on(self, run: str, dies_at: int | None) -> None:
        self.books.begun([run])
        if self.office.carries_on(self.office.machines[self.books.runs[run][0]], run, dies_at):
            self._rests_perhaps(run)

    def _rests_perhaps(self, run: str) -> None:
        """The ledger says that it is at rest: then every task that it names exists, under the name that it says."""
        machine, ready = self.books.runs[run]
        outcomes = self.office.outcomes(self.office.machines[machine], run)
        if any(outcomes[each][0] in ("unknown", "not_sent") for each in ready):
            return
        made = self.office.site.made()
        for each in ready:
            outcome, task_id = outcomes[each]
            assert outcome in ("created", "existing"), (each, outcome)
            assert task_id is not None
            assert (each, task_id) in made
        self.books.rested(run)


class ImportingWorkitems(Importing):
    """The same with workitems, which no server keeps unique: by jobs of so many rows, or row by row."""

    @initialize(bulk=st.sampled_from([2, 3, 50, None]))
    def begins(self, bulk: int | None) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.office = Office(Path(self.folder.name), unique=False, target="workitems", bulk=bulk)
        self.unique = False
        self.books = Books()
        self.edits(IDS[:4], "An invoice")


def test_model_holds_whatever_happens() -> None:
    """Previews, edits, runs, kills, freezes, lost answers, tokens, lag, 409 and second importers keep to the books."""
    run_state_machine_as_test(Importing, settings=settings(QUICK, suppress_health_check=list(HealthCheck)))


@pytest.mark.nightly
def test_model_holds_whatever_happens_for_long() -> None:
    """As above, longer and more often."""
    run_state_machine_as_test(Importing, settings=settings(DEEP, suppress_health_check=list(HealthCheck)))


def test_model_of_workitems_holds_whatever_happens() -> None:
    """The same books with workitems: one for each external tag, though nobody but the importer sees to it."""
    few = settings(QUICK, max_examples=30, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(ImportingWorkitems, settings=few)


@pytest.mark.nightly
def test_model_of_workitems_holds_whatever_happens_for_long() -> None:
    """As above, longer and more often."""
    run_state_machine_as_test(ImportingWorkitems, settings=settings(DEEP, suppress_health_check=list(HealthCheck)))
