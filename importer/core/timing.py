"""Timing: how long the calls that create took, and how long they take at least at the cap. Reads no clock."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from importer.core.outcomes import THROTTLED

MILLISECOND = timedelta(milliseconds=1)
UNANSWERED = ("lost", "its rows are settled")
"""How the record of such a call begins: its end is when that was noticed."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Of the calls of a run that create. Seconds of a call: from its claim, right before it was sent, to its answer."""

    calls: int  # that were answered
    throttled: int  # of these, by a 429: they were made again
    lost: int  # that were not answered: what became of them was looked up
    begun_at: str  # RFC 3339, UTC: of the first
    ended_at: str  # of the last
    took_s: float  # between the two, whatever lay between
    least_s: float  # that so many calls take at the cap; 0.0 where that is not known
    median_s: float
    late_s: float  # 95 % took at most so long
    most_s: float


def timing(calls: Iterable[tuple[str, str, str]], rate: tuple[int, float] | None) -> Timing | None:
    """Of the begin, the end (RFC 3339, UTC) and the answer in short of each call that has ended; None where none was answered.

    `rate`: the cap as calls and seconds, where it is known. Needs room for times of different lengths, not for calls.
    """
    found: Counter[int] = Counter()  # by milliseconds
    throttled = lost = 0
    begun, ended = "", ""
    for begun_at, ended_at, answer in calls:
        if answer.startswith(UNANSWERED):
            lost += 1
            continue
        found[max(0, (_moment(ended_at) - _moment(begun_at)) // MILLISECOND)] += 1
        throttled += answer.endswith(THROTTLED)
        begun = min(begun or begun_at, begun_at)
        ended = max(ended, ended_at)
    count = found.total()
    if not count:
        return None
    return Timing(
        calls=count,
        throttled=throttled,
        lost=lost,
        begun_at=begun,
        ended_at=ended,
        took_s=(_moment(ended) - _moment(begun)).total_seconds(),
        least_s=count * rate[1] / rate[0] if rate else 0.0,
        median_s=_quantile(found, count / 2),
        late_s=_quantile(found, count * 0.95),
        most_s=max(found) / 1000,
    )


def _moment(at: str) -> datetime:
    return datetime.fromisoformat(at)


def _quantile(found: Counter[int], wanted: float) -> float:
    """The least seconds that so many calls did not exceed."""
    reached = 0
    for milliseconds in sorted(found):
        reached += found[milliseconds]
        if reached >= wanted:
            return milliseconds / 1000
    return 0.0
