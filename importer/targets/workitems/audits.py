"""Audits: one asynchronous query for a whole run, where the organisation audits workitems; else nothing is asked."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from importer.core.errors import Forbidden, Unavailable
from importer.core.report import AuditEntry
from importer.ports import Clock
from importer.targets.exchange import Exchange
from importer.targets.transport import Reply

log = logging.getLogger(__name__)

QUERY = "/api/v2/audits/query"
MAPPING = f"{QUERY}/servicemapping"
VIEW = "audits:audit:view"
SERVICE = "TaskManagement"
PAGES = (500, 100, 25)
"""Sizes of a results page that are tried in turn: larger answers are given as a download elsewhere."""
POLL_S, POLL_MOST_S, LASTS_S = 1.0, 10.0, 300.0
INTERVAL_MOST = timedelta(days=30)


@dataclass(slots=True)
class Audits:
    """The audit entries of a run's workitems. The mutable state is what the organisation audits, and what a query gave."""

    exchange: Exchange
    clock: Clock
    client: str  # our OAuth client's ID
    may_fetch: Callable[[str], bool]  # whether a download's address is one that may be called
    denied: str = ""
    _kind: str | None = None  # the entity type of workitems; a blank: they are not audited; None: not asked yet
    _found: dict[str, list[AuditEntry]] | None = None  # by workitem

    async def begin(self, since: datetime) -> None:
        """Fetches the entries that our client made since then. Nothing is known after a query that fails."""
        self._found = None
        try:
            if await self._entity_type():
                self._found = await self._queried(since)
        except Forbidden as problem:
            self.denied = str(problem)
        except Unavailable as problem:
            log.warning("audits not fetched", extra={"problem": str(problem)})

    def of(self, task_id: str) -> tuple[AuditEntry, ...] | None:
        """A workitem's entries, oldest first; None where they are not kept or not known."""
        return None if self._found is None else tuple(sorted(self._found.get(task_id, ()), key=lambda each: each.at))

    async def _entity_type(self) -> str:
        """What the organisation calls workitems in its audits, if it audits them."""
        if self._kind is None:
            reply = await self.exchange.get(MAPPING, needs=VIEW)
            services = reply.body.get("services") if reply.status == 200 and isinstance(reply.body, dict) else None
            names = [
                str(entity.get("name") or "")
                for service in _objects(services)
                if service.get("name") == SERVICE
                for entity in _objects(service.get("entities"))
            ]
            self._kind = next((name for name in names if name.casefold() == "workitem"), "")
        return self._kind

    async def _queried(self, since: datetime) -> dict[str, list[AuditEntry]]:
        until = self.clock.now() + timedelta(minutes=1)
        begin = max(since, until - INTERVAL_MOST)
        body = {
            "interval": f"{_moment(begin)}/{_moment(until)}",
            "serviceName": SERVICE,
            "filters": [
                {"property": "ClientId", "value": self.client},
                {"property": "EntityType", "value": self._kind},
            ],
        }
        reply = await self.exchange.ask(QUERY, json.dumps(body), needs=VIEW)
        query_id = reply.body.get("id") if reply.status in (200, 202) and isinstance(reply.body, dict) else None
        if not isinstance(query_id, str):
            raise Unavailable(f"The audit query was refused ({reply.status}: {reply.problem}).", "Try again later.")
        path = f"{QUERY}/{quote(query_id, safe='')}"
        await self._over(path)
        return await self._results(f"{path}/results")

    async def _over(self, path: str) -> None:
        began, wait_s = self.clock.monotonic(), POLL_S
        while self.clock.monotonic() - began < LASTS_S:
            reply = await self.exchange.get(path, needs=VIEW)
            state = reply.body.get("state") if isinstance(reply.body, dict) else None
            if state == "Succeeded":
                return
            if state not in ("Queued", "Running"):
                break
            await self.clock.sleep(wait_s)
            wait_s = min(wait_s * 1.5, POLL_MOST_S)
        raise Unavailable("The audit query came to no result.", "importer track fetches the audits later.")

    async def _results(self, path: str) -> dict[str, list[AuditEntry]]:
        for size, redirect in (*((size, False) for size in PAGES), (PAGES[-1], True)):
            found = await self._pages(path, size, redirect=redirect)
            if found is not None:
                return found
        raise Unavailable("The audits cannot be read in pages of any size.", "The counts come from the histories.")

    async def _pages(self, path: str, size: int, *, redirect: bool) -> dict[str, list[AuditEntry]] | None:
        """The entries by workitem; None where a page of this size is too large."""
        found: dict[str, list[AuditEntry]] = {}
        cursor = ""
        seen: set[str] = set()
        while cursor not in seen:
            seen.add(cursor)
            more = f"&cursor={quote(cursor, safe='')}" if cursor else ""
            allow = str(redirect).lower()
            reply = await self.exchange.get(f"{path}?pageSize={size}&allowRedirect={allow}{more}", needs=VIEW)
            body = reply.body if isinstance(reply.body, dict) else {}
            if redirect and (reply.status == 302 or "downloadUrl" in body):
                reply = await self._elsewhere(str(body.get("downloadUrl") or reply.headers.get("Location") or ""))
                body = reply.body if isinstance(reply.body, dict) else {}
            elif reply.status in (302, 400, 413) or "downloadUrl" in body:  # too large, however it is told
                return None
            if reply.status != 200 or not isinstance(body.get("entities"), list):
                raise Unavailable(f"Audits could not be read ({reply.status}: {reply.problem}).", "Try again later.")
            for each in _objects(body["entities"]):
                entity = each.get("entity")
                if isinstance(entity, dict) and isinstance(entity.get("id"), str):
                    found.setdefault(entity["id"], []).append(_entry(each))
            cursor = body["cursor"] if isinstance(body.get("cursor"), str) else ""
            if not cursor:
                return found
        raise Unavailable("The audits give the same pages again.", "Try again later.")

    async def _elsewhere(self, url: str) -> Reply:
        """A page that is given as a download, which gets no token."""
        if not self.may_fetch(url):
            raise Unavailable(
                "The audits are given as a download from a host that is not allowed.",
                "Add it to allow_hosts; until then the counts come from the histories.",
            )
        return await self.exchange.fetch(url)


def _entry(log_message: Mapping[str, Any]) -> AuditEntry:
    actor = next((each.get("id") for name in ("user", "client") if isinstance(each := log_message.get(name), dict)), "")
    changes = {
        str(each.get("property")): {"from": each.get("oldValues"), "to": each.get("newValues")}
        for each in _objects(log_message.get("propertyChanges"))
    }
    return AuditEntry(
        id=str(log_message.get("id") or ""),
        action=str(log_message.get("action") or ""),
        actor=str(actor or ""),
        at=str(log_message.get("eventDate") or ""),
        diff=changes,
    )


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
