"""The same kills with the `workitems` target: while jobs are made, begun and read, and while rows are sent one by one.

`KILL_SEED` repeats a series, `KILL_POINTS` sets how many points the nightly ones have. No world is unique, and worlds change
with the points: each gives another answer to what the platform's definition leaves open.
"""

import os
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.harness.kills import Point
from tests.harness.questions import QUICK_LIFE, WORLDS
from tests.harness.series import COMMITS, Course, Series, sailed
from tests.harness.trace import missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

RUN = ("run", "tasks.csv", "--target", "workitems", "--yes", "--rate", "100/200ms")
RESUME = ("resume", "--rate", "100/200ms")
IN_JOBS = Course(
    run=(*RUN, "--track", "none"),
    resume=RESUME,
    cap=(100, 0.2),
    first_kill=Point(COMMITS, 6),  # the claim of the second job: the first one may be at work by then
    rows=60,
    target="workitems",
    scenarios=tuple(WORLDS.values()),
    world_lasts=3,
    shares={"resume": 0.34},
)
SINGLY = Course(
    run=(*RUN, "--no-bulk", "--track", "closed"),
    resume=RESUME,
    cap=(100, 0.2),
    first_kill=Point(COMMITS, 11),
    target="workitems",
    scenarios=tuple(world + QUICK_LIFE for world in WORLDS.values()),
    world_lasts=3,
    shares={},
)
COURSES = {"in jobs": IN_JOBS, "singly": SINGLY}
FEW = 4
NIGHTLY = [pytest.param((name, "nightly"), marks=pytest.mark.nightly, id=f"{name}, nightly") for name in COURSES]


@pytest.fixture(scope="module", params=[pytest.param(("in jobs", "ci"), id="in jobs"), *NIGHTLY])
def series(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tell: Callable[[str], None]
) -> Series:
    """Importers killed and carried on: 4 in a check, 400 at night."""
    name, when = request.param
    course, wanted = COURSES[name], FEW
    if when == "nightly":
        wanted = int(os.environ.get("KILL_POINTS", "200"))
        course = replace(course, shares={"resume": 0.2, "reconcile": 0.1})
    seed = int(os.environ.get("KILL_SEED", random.randrange(10**6)))
    return sailed(course, tmp_path_factory.mktemp("kills", numbered=True), seed, wanted, tell)


def test_kill_of_workitems_anywhere_is_carried_on_to_the_end(series: Series) -> None:
    """Resumed once, every row is settled, and there is exactly one workitem for each external ID."""
    assert len(series.fallen) == series.wanted
    assert [
        f"{each}: {each.not_settled}{each.not_once}" for each in series.fallen if each.not_settled or each.not_once
    ] == []


def test_kill_of_workitems_anywhere_leaves_nothing_for_the_referee(series: Series) -> None:
    """Journal, ledger, reports and the printed counts agree; no job was begun that the ledger did not know."""
    assert [f"{each}: {each.objections}" for each in series.fallen if each.objections] == []


def test_kill_of_workitems_anywhere_leaves_books_and_results(series: Series) -> None:
    """Counts on the screen, in results.json and of its rows add up, and a run killed in its reports has them later."""
    wrong = [
        f"{each}: {each.unbalanced}{each.unreported}" for each in series.fallen if each.unbalanced or each.unreported
    ]
    assert wrong == []
