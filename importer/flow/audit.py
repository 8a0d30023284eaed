"""audit: fetches the audit entries of a run's tasks and fills holes in their histories. Done last; never fails a row."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from importer.core.errors import NotAuthorised, TargetDown
from importer.core.history import is_complete, merged
from importer.core.stages import Entry, Stage
from importer.core.states import is_final
from importer.ports import AuditTrail, Clock, Ledger, Progress, Target

log = logging.getLogger(__name__)

PAGE = 200
LATE_S = (1.0, 2.0, 4.0)
"""Audit entries may come late: a trail that does not reach the task's last state is asked for again after these pauses."""


@dataclass(slots=True)
class Auditing:
    """The audit entries of one run being fetched. May be stopped between two tasks and goes on later."""

    run: str
    ledger: Ledger
    target: Target
    clock: Clock
    concurrency: int
    progress: Progress
    since: datetime  # the run was opened then
    stopped: bool = False
    denied: str = ""

    async def fetch(self) -> None:
        """Fetches what is not fetched yet. Where a scope is missing, audits are `denied`, and nothing else happens."""
        waiting = await self._waiting()
        total = len(waiting)
        for pause_s in (0.0, *LATE_S):
            if not waiting or self.stopped or self.denied:
                break
            await self.clock.sleep(pause_s)
            await self.target.begin_audits(self.since)
            waiting = await self._pass(waiting, total)

    async def _waiting(self) -> list[Entry]:
        found: list[Entry] = []
        after = -1
        while page := await self.ledger.entries(self.run, [Stage.CREATED], after, PAGE):
            after = page[-1].position
            found += [replace(entry, payload="") for entry in page if entry.audits != "done"]
        return found

    async def _pass(self, waiting: list[Entry], total: int) -> list[Entry]:
        """Asks once for each; returns those whose trail is still behind."""
        late: list[Entry] = []
        queue: Iterator[Entry] = iter(waiting)
        done = total - len(waiting)

        async def work() -> None:
            nonlocal done
            for entry in queue:
                if self.stopped or self.denied:
                    return
                if not await self._one(entry):
                    late.append(entry)
                done += 1
                self.progress("audited", {"done": done, "total": total})

        async with asyncio.TaskGroup() as group:
            for _ in range(self.concurrency):
                group.create_task(work())
        return late

    async def _one(self, entry: Entry) -> bool:
        """Fetches and records one task's entries. Whether they are complete."""
        try:
            trail = await self.target.audits(entry.task_id or "")
        except (NotAuthorised, TargetDown) as problem:
            await self.ledger.put(replace(entry, audits="failed"))
            log.warning("audit not fetched", extra={"run": self.run, "line": entry.line, "problem": str(problem)})
            return True
        if trail.denied:
            self.denied = trail.denied
            await self.ledger.put(replace(entry, audits="denied"))
            return True
        return await self._record(entry, trail)

    async def _record(self, entry: Entry, trail: AuditTrail) -> bool:
        seen = await self.ledger.states(self.run, entry.position)
        if trail.states:
            states, entry = list(trail.states), replace(entry, state=trail.states[-1].state)
            whole = is_final(entry.state)
        else:
            states, whole = merged(seen, trail.entries), is_complete(entry.state, trail.entries)
        audits = "done" if whole and is_final(entry.state) else "partial"
        changed = replace(entry, audits=audits, audit_count=len(trail.entries))
        await self.ledger.put(changed, states, trail.entries)
        return whole
