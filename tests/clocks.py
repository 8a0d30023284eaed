"""Time that is turned by hand, and an event loop that lives in it."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

STEP_S = 1e-6
"""So long takes one turn of the loop: a timer that rounding made a little early finds that time has passed."""
START = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)


class HandClock:
    """See ports.Clock. It stands still until `turn`; whoever sleeps on the clock's own loop moves it on."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed_s = 0.0
        self._set_s = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s + self._set_s)

    def monotonic(self) -> float:
        return self._elapsed_s

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0))

    def turn(self, seconds: float) -> None:
        """Time passes."""
        assert seconds >= 0
        self._elapsed_s += seconds

    def set_by(self, seconds: float) -> None:
        """Someone sets the wall clock, forward or back."""
        self._set_s += seconds

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` on a loop whose time is this clock's: waiting takes no time at all."""
        with asyncio.Runner(loop_factory=lambda: _TurnedLoop(self)) as runner:
            return runner.run(work)


class _TurnedSelector(selectors.SelectSelector):
    """Where nothing is ready, time moves on to the next timer."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._clock.turn(max(timeout or 0.0, STEP_S))
        return super().select(0)


class _TurnedLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: HandClock) -> None:
        self._clock = clock
        super().__init__(_TurnedSelector(clock))

    def time(self) -> float:
        return self._clock.monotonic()
