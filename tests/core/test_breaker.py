"""When a run stops for a cause that no row can help."""

from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.breaker import (
    FIRST_ROWS,
    OUTAGE_LIMIT,
    PROBE_EVERY_S,
    ROWS_IN_A_ROW,
    Circuit,
    OutageBreaker,
    RowFailures,
)


def test_failures_of_one_cause_in_a_row_stop_the_run() -> None:
    """Twenty rows in a row refused for one cause stop the run, and the cause is named; nineteen do not."""
    failures = RowFailures()
    failures.settled(0)
    for row in range(1, ROWS_IN_A_ROW):
        failures.refused(row, "400 bad.schema type")
    assert failures.verdict == ""
    failures.refused(ROWS_IN_A_ROW, "400 bad.schema type")
    assert "400 bad.schema type" in failures.verdict


def test_failures_of_half_the_first_rows_stop_the_run() -> None:
    """Half of the first fifty rows refused for one cause stop the run, even with good rows between them."""
    failures = RowFailures()
    for row in range(FIRST_ROWS):
        if row % 2:
            failures.refused(row, "409 queue.closed")
        else:
            failures.settled(row)
    assert "25 of the first 50" in failures.verdict


@given(st.lists(st.integers(0, 4), min_size=300, max_size=300))
def test_scattered_failures_never_stop_the_run(causes: list[int]) -> None:
    """Rows that fail for reasons of their own, two in five of all, stop nothing."""
    failures = RowFailures()
    for row, cause in enumerate(causes):
        if row % 5 < 2:
            failures.refused(row, f"400 cause {cause}-{row % 5}")
        else:
            failures.settled(row)
        assert failures.verdict == ""


def test_failures_of_many_causes_in_a_row_stop_nothing() -> None:
    """Rows that fail one after the other, each for another cause than the one before, are faults of their own."""
    failures = RowFailures()
    for row in range(2 * ROWS_IN_A_ROW):
        failures.refused(row, f"400 field-{row % 3}")
    assert failures.verdict == ""


def test_one_row_refused_again_and_again_counts_once() -> None:
    """A queue in transition that refuses the same few rows again and again is no cause to stop."""
    failures = RowFailures()
    for _, row in zip(range(200), cycle(range(4)), strict=False):
        failures.refused(row, "409 queue.transitional", final=False)
    assert failures.verdict == ""


@pytest.mark.parametrize("most", [0, 3])
def test_more_failures_than_allowed_stop_the_run(most: int) -> None:
    """With --max-failures N the failure after the N-th stops the run."""
    failures = RowFailures(most)
    for row in range(most):
        failures.refused(row, f"400 {row}")
        failures.settled(100 + row)
    assert failures.verdict == ""
    failures.refused(most, "400 another")
    assert "--max-failures" in failures.verdict


def test_circuit_opens_after_ten_failures_in_a_row() -> None:
    """Nine failures and an answer are weather; ten in a row open the circuit."""
    breaker = OutageBreaker()
    for _ in range(OUTAGE_LIMIT - 1):
        breaker.failed("503", 0.0)
    breaker.answered()
    for _ in range(OUTAGE_LIMIT - 1):
        breaker.failed("503", 0.0)
    assert breaker.circuit == "closed"
    breaker.failed("503", 5.0)
    assert (breaker.circuit, breaker.probe_at) == (Circuit.OPEN, 5.0 + PROBE_EVERY_S)


def test_circuit_closes_by_a_good_read_and_one_good_row() -> None:
    """A good read lets one row try; its good answer closes the circuit, its failure opens it again."""
    breaker = OutageBreaker()
    breaker.open("503", 0.0)
    breaker.probed(30.0, good=False)
    assert (breaker.circuit, breaker.probe_at) == (Circuit.OPEN, 60.0)
    breaker.probed(60.0, good=True)
    states = [breaker.circuit]
    breaker.failed("503", 61.0)
    states.append(breaker.circuit)
    breaker.probed(91.0, good=True)
    breaker.answered()
    assert [*states, breaker.circuit] == [Circuit.HALF_OPEN, Circuit.OPEN, Circuit.CLOSED]


def test_outage_is_over_counted_from_its_first_moment() -> None:
    """An outage that lasts longer than patience ends the run, however often a row tried in between."""
    breaker = OutageBreaker()
    breaker.open("503", 10.0)
    breaker.probed(40.0, good=True)
    breaker.failed("503", 41.0)
    assert not breaker.is_over(309.0, 300.0)
    assert breaker.is_over(310.0, 300.0)
