"""Timeline: virtual time, what is due in it, and an event loop that lives in it."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any, Generic, TypeVar

T = TypeVar("T")

START = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
STEP_S = 1e-6
"""So long takes one turn of the loop: a timer that rounding made a little early finds that time has passed."""
TURNS_TO_REST = 500


class Died(SystemExit):
    """The process ends here, whatever it was doing. Asyncio lets it pass through."""


class Stuck(Exception):
    """Nothing is due, and the work is not done."""


class Timeline:
    """See ports.Clock. Whatever happens outside a process is an event, called when it is due, in the order of time.

    The whole mutable state: the time, the events, the turns since a process began, when it dies and when it is held up.
    """

    def __init__(self) -> None:
        self._elapsed_s = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._frozen = False
        self._held_up: tuple[int, float] | None = None
        self.is_held_up = False
        self.held_up: Callable[[], None] = lambda: None  # called when a process stands still
        self.turns = 0
        self.dies_at: int | None = None

    def now(self) -> datetime:
        return START + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        return self._elapsed_s

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0))

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Calls `act` when so many seconds have passed; it must not wait."""
        heappush(self._events, (self._elapsed_s + seconds, next(self._order), act))

    def passes(self, seconds: float) -> None:
        """Time passes while no process runs."""
        self._reach(self._elapsed_s + seconds)

    def doom(self) -> None:
        """The process dies before its next turn."""
        self.dies_at = self.turns

    def turn(self, idle_s: float | None) -> None:
        """One turn of the loop, which is idle for `idle_s` at most; None: until an event."""
        if self._frozen:
            return
        self.turns += 1
        if self.dies_at is not None and self.turns > self.dies_at:
            raise Died
        if self._held_up is not None and self.turns == self._held_up[0]:
            self.is_held_up = True
            self.held_up()
            self._reach(self._elapsed_s + self._held_up[1])
            self.is_held_up = False
            return  # what came meanwhile is ready now
        until = self._elapsed_s + STEP_S
        if idle_s != 0:
            ends = [self._elapsed_s + idle_s] if idle_s is not None else []
            ends += [self._events[0][0]] if self._events else []
            if not ends:
                raise Stuck
            until = max(min(ends), until)
        self._reach(until)

    def _reach(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            at, _, act = heappop(self._events)
            self._elapsed_s = max(at, self._elapsed_s)
            act()
        self._elapsed_s = max(until, self._elapsed_s)

    # A process

    def runs(
        self,
        work: Coroutine[Any, Any, T],
        ends: Callable[[], None],
        *,
        dies_at: int | None = None,
        held_up: tuple[int, float] | None = None,
    ) -> T:
        """What `work` gives. Raises Died where the process ends in its `dies_at`-th turn or by itself.

        `ends` is called before anything of a process is thrown away: from then on it must reach nothing outside.
        `held_up` is a turn in which the process stands still while so many seconds pass for all others.
        """
        sitting = Sitting(self, work)
        self._held_up = held_up
        try:
            return sitting.goes_on(dies_at)
        finally:
            ends()
            sitting.ends()

    @contextmanager
    def standstill(self) -> Iterator[None]:
        """No time passes inside the block, and nothing is due."""
        self._frozen = True
        try:
            yield
        finally:
            self._frozen = False


class Sitting(Generic[T]):
    """One process on the timeline. It may stop in any turn and go on later, as one that was frozen, while others run."""

    def __init__(self, timeline: Timeline, work: Coroutine[Any, Any, T]) -> None:
        self._timeline = timeline
        self._loop = _Loop(timeline)
        self._work = self._loop.create_task(work)

    def goes_on(self, stops_at: int | None = None) -> T:
        """What the work gives. Raises Died in the `stops_at`-th turn from here; it may go on all the same, or end."""
        self._timeline.turns, self._timeline.dies_at = 0, stops_at
        return self._loop.run_until_complete(self._work)

    def ends(self) -> None:
        """What it was doing is thrown away, in a standstill."""
        self._loop.set_exception_handler(lambda *_: None)
        with self._timeline.standstill():
            self._loop.create_task(self._loop.shutdown_asyncgens())
            for _ in range(TURNS_TO_REST):
                self._loop.call_soon(self._loop.stop)
                with suppress(SystemExit):
                    self._loop.run_forever()
                tasks = asyncio.all_tasks(self._loop)
                if not tasks:
                    break
                for task in tasks:
                    task.cancel()
            else:
                raise AssertionError("a process that died goes on")
        self._loop.close()


class _Selector(selectors.SelectSelector):
    """Where nothing is ready, time moves on."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self._timeline = timeline

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._timeline.turn(timeout)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        super().__init__(_Selector(timeline))

    def time(self) -> float:
        return self._timeline.monotonic()
