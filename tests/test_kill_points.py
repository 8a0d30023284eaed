"""An importer killed at the n-th write, fsync or send of a run, wherever that is, then carried on: it ends as if never killed.

`KILL_SEED` repeats a series, `KILL_POINTS` sets how many points the nightly one has.
"""

import os
import random
from collections import Counter
from collections.abc import Callable

import pytest

from tests.harness.kills import STAGES, Point
from tests.harness.series import COMMITS, Course, Series, sailed
from tests.harness.trace import missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

CI_POINTS = 40
COURSE = Course(
    run=("run", "tasks.csv", "--yes", "--track", "closed", "--rate", "100/200ms"),
    resume=("resume", "--rate", "100/200ms"),
    cap=(100, 0.2),
    first_kill=Point(COMMITS, 11),  # some rows are created by then, some are on their way
)


@pytest.fixture(scope="module", params=["ci", pytest.param("nightly", marks=pytest.mark.nightly)])
def series(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tell: Callable[[str], None]
) -> Series:
    """Importers killed and carried on: 40 in a check, 2,000 at night."""
    wanted = CI_POINTS if request.param == "ci" else int(os.environ.get("KILL_POINTS", "2000"))
    seed = int(os.environ.get("KILL_SEED", random.randrange(10**6)))
    return sailed(COURSE, tmp_path_factory.mktemp("kills", numbered=True), seed, wanted, tell)


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
