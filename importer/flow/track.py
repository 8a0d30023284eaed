"""track: follows the tasks of a run through their states, 50 a call, until each is at its end. Polls back off."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from importer.core.policy import is_final, next_look
from importer.core.report import StateChange
from importer.core.stages import Entry, Stage
from importer.ports import Clock, Ledger, Progress, Target

log = logging.getLogger(__name__)

BATCH = 50
PAGE = 1000
TICK_S = 0.5
"""Looks that fall due within one tick share calls."""
MOST_ASLEEP_S = 1.0
"""So soon it notices that it was stopped, or that its time is over."""


@dataclass(slots=True)
class Watch:
    """One task being followed."""

    entry: Entry
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
    stopped: bool = False

    async def look_once(self) -> None:
        """One look at every task of the run, those included that existed before."""
        for stage in (Stage.CREATED, Stage.EXISTING):
            entries = [entry for entry in await self._entries(stage) if not is_final(entry.state)]
            for batch in _batches(entries):
                if not self.stopped:
                    await self._look([Watch(entry, 0.0, 0.0) for entry in batch])

    async def follow(self, for_s: float | None) -> bool:
        """Until every created task is at its end, or `for_s` seconds have passed. Whether all are."""
        began = self.clock.monotonic()
        entries = [entry for entry in await self._entries(Stage.CREATED) if not is_final(entry.state)]
        watches = [Watch(entry, next_look(None, changed=True), began) for entry in entries]
        while watches and not self.stopped:
            now = self.clock.monotonic()
            if for_s is not None and now - began >= for_s:
                return False
            due = sorted((watch for watch in watches if watch.look_at <= now), key=lambda watch: watch.look_at)
            if not due:
                earliest = min(watch.look_at for watch in watches)
                await self.clock.sleep(min(max(earliest - now, TICK_S), MOST_ASLEEP_S))
                continue
            await self._look(due[:BATCH])
            watches = [watch for watch in watches if not is_final(watch.entry.state)]
            self._tell(watches, len(entries))
        return not watches

    async def _entries(self, stage: Stage) -> list[Entry]:
        """The run's rows in a stage that have a task, without their payloads: nothing here is sent."""
        found: list[Entry] = []
        after = -1
        while page := await self.ledger.entries(self.run, [stage], after, PAGE):
            after = page[-1].position
            found += [replace(entry, payload="") for entry in page if entry.task_id is not None]
        return found

    async def _look(self, watches: Sequence[Watch]) -> None:
        states: Mapping[str, str] = await self.target.states([watch.entry.task_id or "" for watch in watches])
        at = self.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        now = self.clock.monotonic()
        changes = []
        for watch in watches:
            state = states.get(watch.entry.task_id or "")
            changed = state is not None and state != watch.entry.state
            if state is not None and changed:
                changes.append(self._changed(watch, StateChange(state, at, "poll")))
            watch.interval_s = next_look(watch.interval_s, changed=changed)
            watch.look_at = now + watch.interval_s
        await asyncio.gather(*changes)  # the ledger commits them as one group

    async def _changed(self, watch: Watch, change: StateChange) -> None:
        history = await self.ledger.states(self.run, watch.entry.position)
        # New moves make the audit entries that were fetched before incomplete.
        watch.entry = replace(watch.entry, state=change.state, audits="")
        await self.ledger.put(watch.entry, [*history, change])

    def _tell(self, watches: Sequence[Watch], total: int) -> None:
        states = Counter(watch.entry.state or "?" for watch in watches)
        self.progress("tracked", {"open": len(watches), "total": total, **states})


def _batches(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    return [entries[start : start + BATCH] for start in range(0, len(entries), BATCH)]
