"""Timing tells how long the calls that create took."""

from importer.core.timing import Timing, timing


def call(begin: str, end: str, answer: str = "created") -> tuple[str, str, str]:
    return f"2026-01-05T{begin}Z", f"2026-01-05T{end}Z", answer


def test_timing_tells_quantiles_duration_and_the_least_at_the_cap() -> None:
    """Of 20 calls the median, 95 % and the longest are told, the span from first to last, and what the cap alone takes."""
    calls = [call(f"21:00:{n:02}.000", f"21:00:{n:02}.{n * 10:03}") for n in range(1, 21)]
    assert timing(calls, (300, 60.0)) == Timing(
        calls=20, throttled=0, lost=0, begun_at="2026-01-05T21:00:01.000Z", ended_at="2026-01-05T21:00:20.200Z",
        took_s=19.2, least_s=4.0, median_s=0.1, late_s=0.19, most_s=0.2,
    )  # fmt: skip


def test_timing_of_calls_without_an_answer_is_not_that_of_their_end() -> None:
    """A call that was lost is counted apart: when it was given up says nothing of how fast the target answers."""
    calls = [
        call("21:00:00.000", "21:00:00.100"),
        call("21:00:01.000", "23:00:00.000", "lost: the importer ended during the call"),
        call("21:00:02.000", "23:00:00.000", "its rows are settled"),
        call("21:00:03.000", "21:00:03.050", "not done: over the rate limit"),
    ]
    found = timing(calls, None)
    assert found is not None
    assert (found.calls, found.throttled, found.lost, found.most_s, found.took_s) == (2, 1, 2, 0.1, 3.05)
    assert found.least_s == 0.0


def test_timing_of_no_answer_is_none() -> None:
    """Where nothing was answered there is nothing to tell."""
    assert timing([], (1, 1.0)) is None
    assert timing([call("21:00:01.000", "23:00:00.000", "lost: reset")], (1, 1.0)) is None
