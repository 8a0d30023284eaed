"""Timeline: virtual time, what is due in it, and an event loop that lives in it."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any, TypeVar

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
        self, work: Coroutine[Any, Any, T], *, dies_at: int | None = None, held_up: tuple[int, float] | None = None
    ) -> T:
        """What `work` gives. Raises Died where the process ends in its `dies_at`-th turn or by itself.

        `held_up` is a turn in which the process stands still while so many seconds pass for all others.
        What it was doing is then thrown away in a standstill: no time passes, nothing is due.
        """
        loop = _Loop(self)
        self.turns, self.dies_at, self._held_up = 0, dies_at, held_up
        try:
            return loop.run_until_complete(work)
        except BaseException:
            loop.set_exception_handler(lambda *_: None)
            raise
        finally:
            self._frozen = True
            self._rest(loop)
            self._frozen = False

    @staticmethod
    def _rest(loop: asyncio.AbstractEventLoop) -> None:
        loop.create_task(loop.shutdown_asyncgens())
        for _ in range(TURNS_TO_REST):
            loop.call_soon(loop.stop)
            with suppress(SystemExit):
                loop.run_forever()
            tasks = asyncio.all_tasks(loop)
            if not tasks:
                break
            for task in tasks:
                task.cancel()
        else:
            raise AssertionError("a process that died goes on")
        loop.close()


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
