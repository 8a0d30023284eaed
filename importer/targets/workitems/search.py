"""Search: workitems by external tag or ID within a worktype. How that is done is found out at run time: IN, a job, or one by one."""

import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from importer.core.errors import Forbidden, Unavailable
from importer.ports import Clock
from importer.targets.exchange import Exchange
from importer.targets.paging import Refusal, by_cursor

log = logging.getLogger(__name__)

QUERY = "/api/v2/taskmanagement/workitems/query"
JOBS = "/api/v2/taskmanagement/workitems/query/jobs"
VIEW = "workitems:workitem:view"
PAGE = 200
IN_FIRST = 100
"""Values of one IN that are tried first; how many the platform takes is not documented."""
FEW = 3
"""So few tags are looked up one by one rather than by a job."""
JOB_POLL_S = 1.0
JOB_POLL_MOST_S = 10.0
JOB_LASTS_S = 600.0
LIST_LASTS_S = 600.0
"""So long a list that a job gave will do for previews."""
JOBS_MOST = 50
"""Pages of a worktype's list, a job each: of more workitems than that, those with the tags are asked for one by one."""

Item = dict[str, Any]


@dataclass(slots=True)
class Search:
    """Looks workitems up. The mutable state is what was learned of the platform, and the lists that jobs gave."""

    exchange: Exchange
    clock: Clock
    _values: dict[str, int] = field(default_factory=lambda: {"externalTag": IN_FIRST, "id": IN_FIRST})
    _takes_jobs: bool = True
    _listed: dict[str, tuple[float, dict[str, list[Item]]]] = field(default_factory=dict)
    """By worktype: when the list was read (monotonic seconds), and its workitems by tag."""

    async def by_tag(self, tags: Sequence[str], worktype: str, *, fresh: bool) -> list[Item]:
        """The workitems of a worktype with one of these tags. Not `fresh`: the list of a job some minutes old will do."""
        read_at, known = self._listed.get(worktype, (0.0, None))
        if not fresh and known is not None and self.clock.monotonic() - read_at < LIST_LASTS_S:
            return [item for tag in tags for item in known.get(tag, ())]
        found = await self._among("externalTag", tags, worktype)
        if found is not None:
            return found
        if not fresh and self._takes_jobs and len(tags) > FEW:
            listed = await self._by_job(worktype)
            if listed is not None:
                return [item for tag in tags for item in listed.get(tag, ())]
        return [item for tag in tags async for item in self._equal("externalTag", tag, worktype)]

    async def at_once(self, tags: Sequence[str], ids: Sequence[str], worktype: str) -> list[Item]:
        """Those with these tags, or these IDs, as far as it takes few calls: nothing where the platform takes no list."""
        found = await self._among("externalTag", tags, worktype)
        if found is None:
            found = await self._among("id", ids, worktype)
        return found or []

    async def by_id(self, ids: Sequence[str], worktype: str) -> list[Item] | None:
        """The workitems with these IDs; None where the platform takes no list of IDs."""
        return await self._among("id", ids, worktype)

    @property
    def how(self) -> str:
        """How tags are looked up, for the forecast."""
        most = self._values["externalTag"]
        if most:
            return f"{most} a call"
        return "by one query job a worktype" if self._takes_jobs else "one by one, a call a row"

    # IN

    async def _among(self, name: str, values: Sequence[str], worktype: str) -> list[Item] | None:
        found: list[Item] = []
        start = 0
        while start < len(values):
            most = self._values[name]
            if not most:
                return None
            some = values[start : start + most]
            try:
                found += [item async for item in self._queried([(name, "IN", some)], worktype)]
            except Refusal as refusal:
                self._refused(name, len(some), refusal)
                continue
            start += most
        return found

    def _refused(self, name: str, size: int, refusal: Refusal) -> None:
        """Fewer values next time; none where the operator itself is not taken, or one value is too many."""
        fits = size > 1 and refusal.code != "invalid.query.operator.and.type"
        self._values[name] = size // 2 if fits else 0
        log.info("IN was refused", extra={"field": name, "values": size, "code": refusal.code})

    async def _equal(self, name: str, value: str, worktype: str) -> AsyncIterator[Item]:
        try:
            async for item in self._queried([(name, "EQ", [value])], worktype):
                yield item
        except Refusal as refusal:
            raise Unavailable(f"A workitem could not be looked up: {refusal}.", "Try again later.") from None

    def _queried(self, filters: Sequence[tuple[str, str, Sequence[str]]], worktype: str) -> AsyncIterator[Item]:
        return by_cursor(self.exchange, QUERY, {"filters": _filters(filters, worktype), "pageSize": PAGE}, VIEW)

    # Jobs

    async def _by_job(self, worktype: str) -> dict[str, list[Item]] | None:
        """All workitems of a worktype by tag, from one query job; None where there can be none."""
        body = {
            "filters": [{"name": "typeId", "operator": "EQ", "values": [worktype]}],
            "pageSize": PAGE,
            # Each page is a job of its own: what is created meanwhile comes last, and moves nothing out of sight.
            "sort": {"name": "dateCreated", "ascending": True},
        }
        began = self.clock.monotonic()
        listed: dict[str, list[Item]] = {}
        number, seen = 1, 0
        while True:
            page = await self._job({**body, "pageNumber": number})
            if page is None or number > JOBS_MOST:
                self._takes_jobs = False
                return None
            for item in page["entities"]:
                if isinstance(item, dict) and isinstance(item.get("externalTag"), str):
                    listed.setdefault(item["externalTag"], []).append(item)
            seen += len(page["entities"])
            if not _goes_on(page, number, seen):
                break
            number += 1
        self._listed[worktype] = began, listed
        return listed

    async def _job(self, body: dict[str, Any]) -> dict[str, Any] | None:
        try:
            reply = await self.exchange.ask(JOBS, json.dumps(body), needs="workitems:queryJob:add")
            job_id = reply.body.get("id") if isinstance(reply.body, dict) and reply.status in (200, 201, 202) else None
            if not isinstance(job_id, str):
                return None
            path = f"{JOBS}/{quote(job_id, safe='')}"
            if not await self._over(path):
                return None
            reply = await self.exchange.get(f"{path}/results", needs="workitems:queryJobResults:view")
        except Forbidden:
            return None
        whole = reply.status == 200 and isinstance(reply.body, dict) and isinstance(reply.body.get("entities"), list)
        return reply.body if whole else None

    async def _over(self, path: str) -> bool:
        began, wait_s = self.clock.monotonic(), JOB_POLL_S
        while self.clock.monotonic() - began < JOB_LASTS_S:
            reply = await self.exchange.get(path, needs="workitems:queryJob:view")
            state = reply.body.get("state") if isinstance(reply.body, dict) else None
            if state == "Succeeded":
                return True
            if state not in ("Queued", "Running"):
                return False
            await self.clock.sleep(wait_s)
            wait_s = min(wait_s * 1.5, JOB_POLL_MOST_S)
        return False


def _goes_on(page: Item, number: int, seen: int) -> bool:
    """Whether another page follows: by the number of pages, or the total, or else because this one is full."""
    pages, total = page.get("pageCount"), page.get("total")
    if isinstance(pages, int):
        return number < pages
    if isinstance(total, int):
        return bool(page["entities"]) and seen < total
    return len(page["entities"]) >= PAGE


def _filters(filters: Sequence[tuple[str, str, Sequence[str]]], worktype: str) -> list[dict[str, Any]]:
    """At most three, one of them an EQ on the worktype: without such a one the platform refuses a query."""
    wanted = [("typeId", "EQ", [worktype]), *filters]
    return [{"name": n, "type": "String", "operator": o, "values": list(v)} for n, o, v in wanted]
