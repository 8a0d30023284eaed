"""server_check: has the target check rows by jobs that are never started, and deletes these. Creates nothing."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from importer.core.errors import UsageError
from importer.core.facts import Facts
from importer.core.outcomes import Refused
from importer.core.shape import Shaper
from importer.core.verdicts import Judged, Verdict
from importer.flow.facts import Lookups
from importer.ports import Bulk


@dataclass(frozen=True, slots=True)
class ServerCheck:
    """The target's own judgement of rows that are ready by ours."""

    lookups: Lookups
    shaper: Shaper

    async def judged(self, batch: Sequence[Judged], facts: Facts) -> list[Judged]:
        """The rows with what the target says against them. Raises UsageError for a target without jobs."""
        bulk = self._bulk
        ready = {n: self._payload(each, facts) for n, each in enumerate(batch) if each.verdict is Verdict.READY}
        problems = await self._problems({n: text for n, text in ready.items() if bulk.fits(text)})
        return [self._told(each, problems[n]) if problems.get(n) else each for n, each in enumerate(batch)]

    async def _problems(self, rows: dict[int, str]) -> dict[int, str]:
        """What the target says against each row, or a blank. What it said before is not asked for again."""
        remembered = self.lookups.memory.refused if self.lookups.memory else {}
        keys = {n: hashlib.sha256(text.encode()).hexdigest()[:32] for n, text in rows.items()}
        refused = await self._refused({n: text for n, text in rows.items() if keys[n] not in remembered})
        for n, key in keys.items():
            if key not in remembered:
                remembered[key] = refused[n].problem if n in refused else ""
        return {n: remembered[key] for n, key in keys.items()}

    @property
    def _bulk(self) -> Bulk:
        bulk = self.lookups.target.bulk
        if bulk is None:
            raise UsageError("This target cannot check rows without creating them.", "Leave --server-check out.")
        return bulk

    def _payload(self, judged: Judged, facts: Facts) -> str:
        assert judged.request is not None
        return json.dumps(self.lookups.payload(judged.request, facts), ensure_ascii=False)

    async def _refused(self, rows: dict[int, str]) -> dict[int, Refused]:
        """Why rows are refused; a job that is refused as a whole is halved until each such row is found."""
        if not rows:
            return {}
        job = await self._bulk.prepare(list(rows.values()))
        if isinstance(job, str):
            await self._bulk.discard(job)
            return {}
        if len(rows) == 1:
            return dict.fromkeys(rows, job)
        numbers = list(rows)
        halves = numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]
        refused: dict[int, Refused] = {}
        for half in halves:
            refused |= await self._refused({n: rows[n] for n in half})
        return refused

    def _told(self, judged: Judged, problem: str) -> Judged:
        found = self.shaper.at_field(judged.row, "Q523", "external_id", judged.external_id, problem=problem)
        return judged._replace(verdict=Verdict.INVALID, findings=(*judged.findings, found))
