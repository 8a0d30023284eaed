"""The sandbox's clocks: the wall's, which can be put forward, and one that only moves when it is turned by hand."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What the server needs of time. All figures are seconds."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back. Rate windows and arrival times are told by it."""
        ...

    def advance(self, seconds: float) -> None:
        """Put the clock forward by `seconds` (>= 0)."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` of this clock have passed."""
        ...


class WallClock:
    """Real time plus what it was put forward. `sleep` is real: putting the clock forward does not wake a sleeper."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def now(self) -> float:
        return time.time() + self._ahead_s

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead_s

    def advance(self, seconds: float) -> None:
        self._ahead_s += _forward(seconds)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class HandClock:
    """Stands still until `advance`, which also wakes every sleeper whose time has come."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._watchers: list[tuple[int, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._start + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed

    def advance(self, seconds: float) -> None:
        self._elapsed += _forward(seconds)
        due = [future for at, future in self._sleepers if at <= self._elapsed]
        self._sleepers = [(at, future) for at, future in self._sleepers if at > self._elapsed]
        _wake(due)
        self._tell()

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        sleeper = (self._elapsed + seconds, asyncio.get_running_loop().create_future())
        self._sleepers.append(sleeper)
        self._tell()
        try:
            await sleeper[1]
        finally:
            self._sleepers = [other for other in self._sleepers if other is not sleeper]
            self._tell()

    async def until_asleep(self, count: int) -> None:
        """Return as soon as exactly `count` sleepers wait for this clock to be turned."""
        if len(self._sleepers) != count:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._watchers.append((count, future))
            await future

    def _tell(self) -> None:
        here = len(self._sleepers)
        _wake([future for count, future in self._watchers if count == here])
        self._watchers = [(count, future) for count, future in self._watchers if count != here]


def _wake(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


def _forward(seconds: float) -> float:
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"a clock goes forward only, by a finite number of seconds, not by {seconds!r}")
    return seconds
