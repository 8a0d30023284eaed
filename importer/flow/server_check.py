"""server_check: has the target check rows by jobs that are never started, and deletes these. Creates nothing."""

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
        ready = {n: self._payload(each, facts) for n, each in enumerate(batch) if each.verdict is Verdict.READY}
        refused = await self._refused({n: text for n, text in ready.items() if self._bulk.fits(text)})
        return [self._told(each, refused[n]) if n in refused else each for n, each in enumerate(batch)]

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

    def _told(self, judged: Judged, refused: Refused) -> Judged:
        found = self.shaper.at_field(judged.row, "Q523", "external_id", judged.external_id, problem=refused.problem)
        return judged._replace(verdict=Verdict.INVALID, findings=(*judged.findings, found))
