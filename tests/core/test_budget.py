"""How many calls a run may repeat."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.budget import LEAST, MOST, REPEAT_COSTS, TIME_OUT_COSTS, RetryBudget


@pytest.mark.parametrize("rows", [1, 100, 300, 1000, 10_000])
def test_budget_repeats_a_tenth_at_most_where_nothing_succeeds(rows: int) -> None:
    """In a lasting outage repeats are at most a tenth of the rows, ten in the smallest runs, fifty in the largest."""
    budget = RetryBudget(rows)
    repeats = 0
    while budget.take():
        repeats += 1
    assert repeats == min(max(rows, LEAST), MOST) // REPEAT_COSTS
    assert not budget.take(TIME_OUT_COSTS)


def test_budget_is_not_spent_by_single_failures() -> None:
    """Where each repeat succeeds, as many calls as you like may fail once."""
    budget = RetryBudget(100)
    for _ in range(10_000):
        paid = budget.take()
        assert paid
        budget.succeeded(paid)


def test_budget_that_is_empty_pays_for_nothing() -> None:
    """A hundred tokens pay for ten repeats; the eleventh is refused, and each after it until something succeeds."""
    budget = RetryBudget(100)
    assert [budget.take() for _ in range(13)] == [10] * 10 + [0] * 3
    assert (budget.tokens, budget.spent) == (0, 10)


def test_budget_charges_a_time_out_double() -> None:
    """A time-out costs twice what another failure costs."""
    budget = RetryBudget(100)
    assert budget.take(TIME_OUT_COSTS) == 2 * RetryBudget(100).take()


@given(st.lists(st.sampled_from(["ok", "repeat", "time-out"])))
def test_budget_stays_between_nothing_and_its_capacity(events: list[str]) -> None:
    """Whatever happens, there are never less than no tokens, nor more than at the start."""
    budget = RetryBudget(200)
    for event in events:
        if event == "ok":
            budget.succeeded()
        else:
            budget.take(TIME_OUT_COSTS if event == "time-out" else REPEAT_COSTS)
        assert 0 <= budget.tokens <= budget.capacity
