"""The rows that go first, and what they hold back."""

from importer.core.errors import TooManyFailures
from tests.flow.conftest import LAG_S, Office, ids


async def test_canary_of_an_earlier_start_holds_nothing_back(office: Office) -> None:
    """A row that rests as unknown stops the start in which it was a canary, and no later one."""
    run = office.opens(ids(4))
    office.breaks("reset_before", times=3)
    first = await office.carries_on(run, canary=1, concurrency=1, lag_s=LAG_S)
    assert isinstance(first.problem, TooManyFailures)
    assert office.outcomes(run) == {"unknown": 1, "not_sent": 3}
    second = await office.carries_on(run, canary=1, concurrency=1, lag_s=LAG_S)
    assert second.problem is None
    assert office.outcomes(run) == {"unknown": 1, "created": 3}
