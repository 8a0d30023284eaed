"""Rate limits, as pure counts and over the wire."""

from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.sandbox.clock import HandClock
from importer.sandbox.limits import Busiest, rate_limit
from importer.sandbox.scenario import Limit, Scenario
from tests.sandbox.conftest import Caller

STEPS = st.lists(st.floats(min_value=0, max_value=3), min_size=1, max_size=80)


@given(STEPS)
def test_sliding_limit_holds_in_every_window(steps: list[float]) -> None:
    """Whatever the arrivals, no window holds more admitted calls than allowed."""
    limit, now, admitted = rate_limit(Limit(calls=5, window_s=2)), 0.0, Busiest(2)
    for step in steps:
        now += step
        if limit.admit(now).admitted:
            admitted.arrive(now)
    assert admitted.most <= 5


@given(STEPS, st.sampled_from(["sliding", "fixed", "bucket"]))
def test_limit_lets_in_who_waited_as_told(steps: list[float], kind: str) -> None:
    """A call that is refused, waits as long as it was told and a hair, is let in."""
    limit, now = rate_limit(Limit.model_validate({"calls": 3, "window_s": 2, "kind": kind})), 0.0
    for step in steps:
        now += step
        standing = limit.admit(now)
        if not standing.admitted:
            assert standing.wait_s > 0
            now += standing.wait_s + 1e-6
            assert limit.admit(now).admitted


def test_fixed_limit_starts_anew_at_the_windows_edge() -> None:
    """A fixed window takes a full load right before and right after its edge."""
    limit = rate_limit(Limit(calls=2, window_s=10, kind="fixed"))
    assert [limit.admit(at).admitted for at in (9.8, 9.9, 9.95, 10.0, 10.1, 10.2)] == [True, True, False] * 2


def test_bucket_limit_refills_evenly() -> None:
    """A bucket is full at first, and each share of the window gives one call back."""
    limit = rate_limit(Limit(calls=2, window_s=10, kind="bucket"))
    assert [limit.admit(at).admitted for at in (0, 0, 4.9, 5.0, 5.1, 10.0)] == [True, True, False, True, False, True]


@pytest.mark.parametrize("scenario", [Scenario(limit=Limit(calls=3, window_s=10))])
async def test_limit_answers_429_and_when_to_return(caller: Caller, clock: HandClock) -> None:
    """The log-in counts; over the limit comes a 429 that says when to return, and then is true to its word."""
    clock.advance(2.5)
    assert [(await caller.create(f"E-{n}"))[0] for n in (1, 2)] == [201, 201]
    response = await caller.send("GET", "/api/v2/queues")
    error = await response.json()
    assert (response.status, error["code"]) == (429, "too.many.requests.retry.after")
    assert response.headers["Retry-After"] == "8"
    assert "Retry the request in [8] seconds" in error["message"]
    clock.advance(8)
    assert (await caller.call("GET", "/api/v2/queues"))[0] == 200


@pytest.mark.parametrize("scenario", [Scenario(limit=Limit(calls=1, window_s=10, retry_after="date"))])
async def test_limit_can_name_a_date(caller: Caller, clock: HandClock) -> None:
    """Retry-After can be an HTTP date, which fits the Date header of the same answer and is never too early."""
    response = await caller.send("GET", "/api/v2/queues")
    headers = response.headers
    wait = parsedate_to_datetime(headers["Retry-After"]) - parsedate_to_datetime(headers["Date"])
    assert 10 <= wait.total_seconds() <= 12


@pytest.mark.parametrize("scenario", [Scenario(limit=Limit(calls=1, retry_after="absent", headers=False))])
async def test_limit_can_keep_silent(caller: Caller) -> None:
    """Retry-After and the rate headers can be left out."""
    response = await caller.send("GET", "/api/v2/queues")
    assert response.status == 429
    assert not [name for name in response.headers if "ratelimit" in name.lower() or name == "Retry-After"]


@pytest.mark.parametrize("scenario", [Scenario(limit=Limit(calls=5, window_s=60))])
async def test_limit_tells_where_the_client_stands(caller: Caller) -> None:
    """Every answer says how many calls are used of how many, and when all are free again."""
    headers = (await caller.send("GET", "/api/v2/queues")).headers
    told = {name: headers[f"inin-ratelimit-{name}"] for name in ("count", "allowed", "reset")}
    assert told == {"count": "2", "allowed": "5", "reset": "60"}


@pytest.mark.parametrize("scenario", [Scenario(limit=Limit(calls=2, window_s=10))])
async def test_journal_counts_the_busiest_window(caller: Caller, clock: HandClock) -> None:
    """The journal says how many calls came in one window at most, refused ones included; its own calls do not count."""
    for _ in range(3):
        await caller.call("GET", "/api/v2/queues")
    clock.advance(100)
    _, journal = await caller.call("GET", "/sandbox/journal")
    assert journal["most_in_window"] == 4
    assert journal["answers"] == {"200": 2, "429": 2}
