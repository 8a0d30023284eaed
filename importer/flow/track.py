"""track: follows the tasks of a run through their states, many a call, until each is at its end. Polls back off.

Where the target gives hints, they make a look due at once and let polls back off further. What became of a task is always read.
"""

import asyncio
import json
import logging
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace

from importer.core.policy import FREQUENT, Polling, next_look
from importer.core.report import StateChange
from importer.core.stages import Entry, Stage
from importer.core.states import in_words, is_final
from importer.ports import Clock, Ledger, Progress, Target

log = logging.getLogger(__name__)

BATCH = 200
"""Tasks that are asked for together; the target splits them into calls."""
PAGE = 1000
TICK_S = 0.5
"""Looks that fall due within one tick share calls."""
SHARED_S = 5.0
"""Where changes are heard of, looks within so long share calls: what was passed over meanwhile is in the target's own record."""
MOST_ASLEEP_S = 1.0
"""So soon it notices that it was stopped, or that its time is over."""


@dataclass(slots=True)
class Watch:
    """One task being followed."""

    entry: Entry
    scope: str  # where the target finds it
    place: str  # where it may be heard of; a blank: nowhere
    interval_s: float
    look_at: float


@dataclass(slots=True)
class Tracking:
    """The tasks of one run being followed. May be stopped between two calls at any time and goes on later."""

    run: str
    ledger: Ledger
    target: Target
    clock: Clock
    progress: Progress
    polling: Polling = FREQUENT
    stopped: bool = False
    _heed_at: float = 0.0
    _deaf: bool = False  # it was told that hints do not come

    async def look_once(self) -> None:
        """One look at every task of the run, those included that existed before."""
        for stage in (Stage.CREATED, Stage.EXISTING):
            watches = await self._watches(stage, 0.0, 0.0)
            for start in range(0, len(watches), BATCH):
                if not self.stopped:
                    await self._look(watches[start : start + BATCH])

    async def follow(self, for_s: float | None) -> bool:
        """Until every created task is at its end, or `for_s` seconds have passed. Whether all are."""
        began = self.clock.monotonic()
        watches = await self._watches(Stage.CREATED, next_look(None, changed=True, polling=self.polling), began)
        async with self._listening(watches):
            return await self._followed(watches, began, for_s)

    async def _followed(self, watches: list[Watch], began: float, for_s: float | None) -> bool:
        total = len(watches)
        while watches and not self.stopped:
            now = self.clock.monotonic()
            if for_s is not None and now - began >= for_s:
                return False
            self._heed_hints(watches, now)
            due = sorted((watch for watch in watches if watch.look_at <= now), key=lambda watch: watch.look_at)
            if not due:
                earliest = min(watch.look_at for watch in watches)
                await self.clock.sleep(min(max(earliest - now, TICK_S), MOST_ASLEEP_S))
                continue
            await self._look(due[:BATCH])
            watches = [watch for watch in watches if not is_final(watch.entry.state)]
            self._tell(watches, total)
        return not watches

    async def _watches(self, stage: Stage, interval_s: float, look_at: float) -> list[Watch]:
        """The run's rows in a stage whose task is not at its end, without their payloads: nothing here is sent."""
        found: list[Watch] = []
        after = -1
        while page := await self.ledger.entries(self.run, [stage], after, PAGE):
            after = page[-1].position
            for entry in page:
                if entry.task_id is not None and not is_final(entry.state):
                    # What existed before has no payload of ours: the target looks for it everywhere.
                    payload = json.loads(entry.payload) if entry.payload else {}
                    place = self.target.hints.place(payload) if self.target.hints else ""
                    scope = self.target.scope(payload)
                    found.append(Watch(replace(entry, payload=""), scope, place, interval_s, look_at))
        return found

    def _listening(self, watches: Sequence[Watch]) -> AbstractAsyncContextManager[None]:
        """Hears of the tasks, those places first that have most of them."""
        places = Counter(watch.place for watch in watches if watch.place)
        if self.target.hints is None or not places:
            return nullcontext()
        return self.target.hints.listening([place for place, _ in places.most_common()])

    def _heed_hints(self, watches: Sequence[Watch], now: float) -> None:
        hints = self.target.hints
        if hints is None or now < self._heed_at:
            return
        if hints.problem and not self._deaf:
            self._deaf = True
            self.progress("not heard", {"problem": hints.problem})
        news = hints.news()
        self._heed_at = now + SHARED_S if news else now
        for watch in watches if news else ():
            if watch.entry.task_id in news or watch.place in news:
                watch.interval_s, watch.look_at = next_look(None, changed=True), now

    async def _look(self, watches: Sequence[Watch]) -> None:
        states: dict[str, str] = {}
        for scope, task_ids in _by_scope(watches).items():
            states |= await self.target.states(task_ids, scope)
        at = self.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        now = self.clock.monotonic()
        changes = []
        for watch in watches:
            state = states.get(watch.entry.task_id or "")
            changed = state is not None and state != watch.entry.state
            if state is not None and changed:
                changes.append(self._changed(watch, StateChange(state, at, "poll")))
            heard = self.target.hints is not None and self.target.hints.hears(watch.place)
            watch.interval_s = next_look(watch.interval_s, changed=changed, heard=heard, polling=self.polling)
            due = now + watch.interval_s
            watch.look_at = math.ceil(due / SHARED_S) * SHARED_S if heard else due
        await asyncio.gather(*changes)  # the ledger commits them as one group

    async def _changed(self, watch: Watch, change: StateChange) -> None:
        history = await self.ledger.states(self.run, watch.entry.position)
        # New moves make the audit entries that were fetched before incomplete.
        watch.entry = replace(watch.entry, state=change.state, audits="")
        await self.ledger.put(watch.entry, [*history, change])

    def _tell(self, watches: Sequence[Watch], total: int) -> None:
        states = Counter(in_words(watch.entry.state) or "?" for watch in watches)
        self.progress("tracked", {"open": len(watches), "total": total, **states})


def _by_scope(watches: Sequence[Watch]) -> dict[str, list[str]]:
    """Their tasks' IDs by where the target finds them."""
    scopes: dict[str, list[str]] = {}
    for watch in watches:
        scopes.setdefault(watch.scope, []).append(watch.entry.task_id or "")
    return scopes
