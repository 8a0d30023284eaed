"""Rate limits of three kinds, told the time of each call. Decides; reads no clock."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from importer.sandbox.scenario import Limit


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the client stands after a call: `count` used of `allowed`, all free again in `reset_s` seconds.

    `wait_s` is how long until one more call would be let in; 0 if this one was.
    """

    admitted: bool
    count: int
    allowed: int
    reset_s: float
    wait_s: float


class RateLimit(Protocol):
    """Counts the calls that it lets in; those that it refuses are not counted."""

    def admit(self, now: float) -> Standing:
        """Judge a call that arrives at `now` (monotonic seconds, never going back)."""
        ...


def rate_limit(limit: Limit) -> RateLimit:
    """A fresh limit of the kind that the scenario names."""
    if limit.calls == 0:
        return Unlimited()
    kinds: dict[str, Callable[[int, float], RateLimit]] = {"sliding": Sliding, "fixed": Fixed, "bucket": Bucket}
    return kinds[limit.kind](limit.calls, limit.window_s)


class Unlimited:
    """Lets everything in."""

    def admit(self, now: float) -> Standing:  # noqa: ARG002 - the signature is the protocol's
        return Standing(admitted=True, count=0, allowed=0, reset_s=0.0, wait_s=0.0)


class Sliding:
    """At most `calls` in every window that ends now. Its state is the arrivals of the last window."""

    def __init__(self, calls: int, window_s: float) -> None:
        self._calls, self._window_s = calls, window_s
        self._arrivals: deque[float] = deque()

    def admit(self, now: float) -> Standing:
        while self._arrivals and self._arrivals[0] <= now - self._window_s:
            self._arrivals.popleft()
        admitted = len(self._arrivals) < self._calls
        if admitted:
            self._arrivals.append(now)
        wait_s = 0.0 if admitted else self._arrivals[0] + self._window_s - now
        reset_s = self._arrivals[-1] + self._window_s - now
        return Standing(admitted, len(self._arrivals), self._calls, reset_s, wait_s)


class Fixed:
    """At most `calls` in each window; the windows follow each other without a gap from second 0 on."""

    def __init__(self, calls: int, window_s: float) -> None:
        self._calls, self._window_s = calls, window_s
        self._window, self._count = -1, 0

    def admit(self, now: float) -> Standing:
        window = math.floor(now / self._window_s)
        if window != self._window:
            self._window, self._count = window, 0
        reset_s = (window + 1) * self._window_s - now
        admitted = self._count < self._calls
        self._count += admitted
        return Standing(admitted, self._count, self._calls, reset_s, 0.0 if admitted else reset_s)


class Bucket:
    """A bucket of `calls` tokens, full at first, that refills evenly within one window."""

    def __init__(self, calls: int, window_s: float) -> None:
        self._calls, self._per_s = calls, calls / window_s
        self._tokens, self._at = float(calls), -math.inf

    def admit(self, now: float) -> Standing:
        self._tokens = min(self._calls, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        # A billionth of a token forgives the rounding of a refill that was waited for exactly.
        admitted = self._tokens >= 1 - 1e-9
        self._tokens -= admitted
        count = self._calls - math.floor(self._tokens + 1e-9)
        reset_s = (self._calls - self._tokens) / self._per_s
        wait_s = 0.0 if admitted else (1 - self._tokens) / self._per_s
        return Standing(admitted, count, self._calls, reset_s, wait_s)


class Busiest:
    """The most calls that arrived within one window, whether let in or not."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._arrivals: deque[float] = deque()
        self.most = 0

    def arrive(self, now: float) -> None:
        """Count a call that arrives at `now` (monotonic seconds)."""
        self._arrivals.append(now)
        while self._arrivals[0] <= now - self._window_s:
            self._arrivals.popleft()
        self.most = max(self.most, len(self._arrivals))
