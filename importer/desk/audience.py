"""Audience: whoever watches runs, and what they were told last. Knows neither HTTP nor who carries a run on."""

from collections.abc import AsyncGenerator, Callable
from typing import Any

from importer.desk.picture import Picture, Standing
from importer.desk.watching import Channel, Event

LOGS_MOST = 5
"""Problems that are told at once; the picture has more."""


class Audience:
    """The mutable state: a channel for each run that is watched, and what its watchers know."""

    def __init__(self, picture: Callable[[str], Picture], problems: Callable[[str], int]) -> None:
        """`picture` of a run; `problems`: how many it told, ever."""
        self._picture = picture
        self._problems = problems
        self._channels: dict[str, Channel] = {}
        self._shown: dict[str, tuple[dict[str, Any], Standing]] = {}
        self._told: dict[str, int] = {}  # problems, ever

    @property
    def runs(self) -> set[str]:
        """Those that are watched."""
        return set(self._channels)

    @property
    def watchers(self) -> int:
        """How many watch at the moment, all runs together."""
        return sum(len(channel.watchers) for channel in self._channels.values())

    def watch(self, run: str, after: str) -> AsyncGenerator[Event, None]:
        """See RunKeeper.watch."""
        channel = self._channels.setdefault(run, Channel())

        def whole() -> dict[str, Any]:
            picture = self._picture(run)
            self._shown.setdefault(run, (picture.tick(), picture.standing))  # what the next event is compared with
            self._told.setdefault(run, self._problems(run))
            return picture.record()

        return channel.watch(after, whole)

    def show(self, run: str) -> None:
        """Tells the watchers of a run, if there are any, what is new. Raises LedgerError."""
        channel = self._channels.get(run)
        if channel is None:
            return
        picture, problems = self._picture(run), self._problems(run)
        tick, (before, was) = picture.tick(), self._shown.get(run, ({}, None))
        self._shown[run] = tick, picture.standing
        new, self._told[run] = problems - self._told.get(run, problems), problems
        for problem in list(picture.problems)[-min(new, LOGS_MOST) :] if new > 0 else ():
            channel.tell("log", problem.record())
        if picture.standing is not was and was is not None:
            channel.tell("state", tick)
        elif tick != before:
            channel.tell("tick", tick)
        if was is not None and was.is_going_on and not picture.standing.is_going_on:
            channel.tell("end", tick)
        if not channel.watchers and not picture.standing.is_going_on:
            del self._channels[run], self._shown[run], self._told[run]

    def close(self) -> None:
        """Whoever watches is let go."""
        for channel in self._channels.values():
            channel.close()
