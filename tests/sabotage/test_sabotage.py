"""Each guard of the importer is watched by a test: with its line sabotaged, that test fails by assertion."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.sabotage.workshop import ROOT, Sabotage, Workshop, sabotages

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

ALL = sabotages()
QUICK = [each for each in ALL if each.quick]
LEAST = 40
"""So many guards there are at least."""

HARMLESS = Sabotage(
    name="harmless",
    file="core/budget.py",
    old="self.spent += 1",
    new="self.spent += 1  # as before",
    test="tests/core/test_budget.py::test_budget_charges_a_time_out_double",
)
"""Changes nothing: whoever says that it was noticed is wrong."""


def named(wanted: list[Sabotage]) -> pytest.MarkDecorator:
    """One test for each."""
    return pytest.mark.parametrize("sabotage", wanted, ids=[each.name for each in wanted])


@pytest.fixture(scope="module")
def workshop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """A copy of the tree in which all tests that will be needed were found to pass."""
    made = Workshop(tmp_path_factory.mktemp("workshop"))
    items = [each for each in request.session.items if isinstance(each, pytest.Function)]
    chosen = [each.callspec for each in items if "workshop" in each.fixturenames and hasattr(each, "callspec")]
    wanted = [each.params.get("sabotage") for each in chosen]
    made.control([HARMLESS.test, *(each.test for each in wanted if isinstance(each, Sabotage))])
    yield made
    made.close()


def check(workshop: Workshop, sabotage: Sabotage) -> None:
    """Fails where a sabotage was not noticed."""
    verdict = workshop.tried(sabotage)
    if verdict.skipped:
        pytest.skip(f"{sabotage.test}: {verdict.words}")
    assert verdict.noticed, f"{sabotage.name} ({sabotage.test}): {verdict.words}"


@named(QUICK)
def test_sabotage_is_noticed(workshop: Workshop, sabotage: Sabotage) -> None:
    """The importer still imports, and the test that is named fails by assertion, which passes without the sabotage."""
    check(workshop, sabotage)


@pytest.mark.nightly
@named(ALL)
def test_sabotage_of_any_guard_is_noticed(workshop: Workshop, sabotage: Sabotage) -> None:
    """The same for every guard that is listed."""
    check(workshop, sabotage)


# The judge itself


def test_sabotage_list_names_each_guard_once() -> None:
    """There are many, their names differ, and a dozen are tried in every run."""
    assert len(ALL) >= LEAST
    assert len({each.name for each in ALL}) == len(ALL)
    assert len({(each.file, each.old, each.new) for each in ALL}) == len(ALL)
    assert 10 <= len(QUICK) <= 15


@named(ALL)
def test_sabotage_fits_the_line_that_it_damages(sabotage: Sabotage) -> None:
    """Its old text stands in the file once, and its test is in a file that is there: who rewrites a guard is told here."""
    text = (ROOT / "importer" / sabotage.file).read_text("utf-8")
    assert text.count(sabotage.old) == 1
    assert sabotage.new not in (sabotage.old, "")
    file, _, function = sabotage.test.partition("::")
    assert f"def {function.partition('[')[0]}(" in (ROOT / file).read_text("utf-8")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "not noticed: the test passes"),
        ({"old": "no such line"}, "not applied"),
        ({"new": "raise AssertionError"}, "by no assertion"),  # in the product it is a crash
        ({"new": "self.spent += nothing"}, "by no assertion"),
        ({"old": "MOST = 500", "new": "MOST = nothing"}, "does not import"),
        ({"test": HARMLESS.test + "_perhaps"}, "there is no such test"),
    ],
)
def test_sabotage_that_proves_nothing_is_told(workshop: Workshop, changes: dict[str, Any], words: str) -> None:
    """A damage that is not there, does not import, crashes or goes unnoticed does not count, and why is told."""
    verdict = workshop.tried(replace(HARMLESS, **changes))
    assert not verdict.noticed
    assert words in verdict.words


def test_sabotage_leaves_nothing_behind(workshop: Workshop) -> None:
    """After a damage of the same length in the same second the copy is whole again, and so is what Python compiled of it."""
    damage = replace(HARMLESS, old="TIME_OUT_COSTS = 20", new="TIME_OUT_COSTS = 10")
    assert workshop.tried(damage).noticed
    assert workshop.tried(HARMLESS).words == "not noticed: the test passes"
