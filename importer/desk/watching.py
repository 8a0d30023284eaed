"""Watching: events of one run for many watchers, the last ones kept for those who come back. Knows nothing of HTTP."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

KEPT = 120
"""Events that are kept for a watcher who was away."""
BEHIND_MOST = 64
"""A watcher that has so many events unread is too slow, and is let go: it comes back and gets a whole picture."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing to be told."""

    id: str
    name: str  # "picture", "tick", "state", "log" or "end"
    data: dict[str, Any]


@dataclass(slots=True, eq=False)
class Watcher:
    """Who watches: a bounded queue. None in it is the end."""

    queue: asyncio.Queue[Event | None] = field(default_factory=lambda: asyncio.Queue(BEHIND_MOST))
    is_too_slow: bool = False

    def put(self, event: Event) -> None:
        """One more event, unless too many wait already."""
        if self.queue.full():
            self.is_too_slow = True
        if not self.is_too_slow:
            self.queue.put_nowait(event)


@dataclass(slots=True)
class Channel:
    """The events of one run. `epoch` tells one channel from another, whether the server was started anew or nobody watched
    for a while: numbers begin anew with each."""

    epoch: str = field(default_factory=lambda: secrets.token_hex(4))
    kept: deque[Event] = field(default_factory=lambda: deque(maxlen=KEPT))
    watchers: set[Watcher] = field(default_factory=set)
    number: int = 0

    def tell(self, name: str, data: dict[str, Any]) -> None:
        """An event for all who watch, and for who comes back soon."""
        self.number += 1
        event = Event(self.id, name, data)
        self.kept.append(event)
        for watcher in self.watchers:
            watcher.put(event)

    @property
    def id(self) -> str:
        """The last event's."""
        return f"{self.epoch}-{self.number}"

    async def watch(self, after: str, picture: Callable[[], dict[str, Any]]) -> AsyncGenerator[Event, None]:
        """What came after an event that somebody saw last, or a whole picture where that is not known any more; then what comes.

        It goes on after `end`, for somebody may resume the run. Ends where the watcher is too slow, or the server ends.
        """
        watcher = Watcher()
        self.watchers.add(watcher)
        try:
            for event in self._since(after) or (Event(self.id, "picture", picture()),):
                yield event
            while not watcher.is_too_slow:
                event_or_none = await watcher.queue.get()
                if event_or_none is None:
                    return
                yield event_or_none
        finally:
            self.watchers.discard(watcher)

    def _since(self, after: str) -> list[Event]:
        """What followed an event, if all of it is still there."""
        ids = [event.id for event in self.kept]
        return list(self.kept)[ids.index(after) + 1 :] if after in ids else []

    def close(self) -> None:
        """Whoever watches is let go."""
        for watcher in self.watchers:
            if watcher.queue.full():
                watcher.is_too_slow = True
                watcher.queue.get_nowait()
            watcher.queue.put_nowait(None)
