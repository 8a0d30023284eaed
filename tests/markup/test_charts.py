"""Charts show every number where it belongs, also the smallest."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.report import OUTCOME_KEYS
from importer.markup import charts

COUNTS = st.dictionaries(st.sampled_from([*charts.VERDICT_KEYS]), st.integers(0, 10**7)).map(
    lambda found: {"ready": 0, **found, "read": sum(found.values())}
)


def test_parts_are_all_outcomes() -> None:
    """No verdict or outcome is left out of a stacked bar."""
    assert {*charts.VERDICT_KEYS, *charts.SENT_KEYS} == {*OUTCOME_KEYS, "ready", "being_sent"}


@given(COUNTS)
def test_stack_fills_the_bar(counts: dict[str, int]) -> None:
    """Parts lie side by side without gap over exactly the whole bar; each that is not zero can be seen."""
    parts = charts.stack(counts)
    assert [part.name for part in parts] == [name for name in charts.VERDICT_KEYS if counts.get(name)]
    assert all(part.width >= charts.LEAST / 2 for part in parts)
    assert all(abs(left.x + left.width - right.x) < 0.03 for left, right in pairwise(parts))
    assert not parts or abs(parts[-1].x + parts[-1].width - 100) < 0.03


@given(st.dictionaries(st.integers(-(10**9), 10**9), st.integers(1, 10**6), max_size=40))
def test_bins_keep_every_row(values: dict[int, int]) -> None:
    """The bins are at most ten and hold all rows."""
    bins = charts.bins(values)
    assert len(bins) <= 10
    assert sum(rows for _, rows in bins) == sum(values.values())


@pytest.mark.parametrize(
    ("values", "first", "last"),
    [
        ({0: 1, 99: 2}, ("0–9", 1), ("90–99", 2)),
        ({50: 3}, ("0–9", 0), ("90–99", 0)),
        ({100: 3, -5: 1}, ("-5", 1), ("100", 3)),
        (dict.fromkeys(range(200), 1), ("0–19", 20), ("180–199", 20)),
    ],
)
def test_bins_are_the_same_for_every_plan(values: dict[int, int], first: object, last: object) -> None:
    """Priorities from 0 to 99 always have ten bins of ten; others have bins of their own."""
    bins = charts.bins(values)
    assert (bins[0], bins[-1]) == (first, last)


def test_histogram_columns_stand_on_the_axis() -> None:
    """The highest column has the whole height, the lowest can be seen, all stand on the same line."""
    high, low, none = charts.histogram([("a", 1000), ("b", 1), ("c", 0)], 96)
    assert (high.y, high.height) == (0, 96)
    assert (low.y, low.height) == (94, 2)
    assert none.height == 0


def test_share_of_the_longest_bar_is_whole() -> None:
    """Bars are measured by the longest; one row of a million is still drawn."""
    assert charts.share(5, 5) == 100
    assert charts.share(1, 10**6) == charts.LEAST
    assert charts.share(0, 5) == 0


def test_points_go_from_edge_to_edge() -> None:
    """The first value stands at the left edge, the last at the right, the highest at the top."""
    assert charts.points([0, 5, 10], 96, 24) == "0,24 48,12 96,0"
    assert charts.points([1], 96, 24) == ""


def test_steps_hold_until_the_next() -> None:
    """A step line goes across at the old height, then up."""
    assert charts.steps([(0, 0), (1, 2), (4, 1)], 100, 10) == "0,10 25,10 25,0 100,0 100,5"
