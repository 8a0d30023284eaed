"""Examination: the harmless reads of a preflight, and what their answers tell. Changes nothing at the target."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from importer.core.account import Audited, Bearer, Glance, Grant, LimitsTold, Listing, LogIn, Place
from importer.ports import Clock
from importer.targets.exchange import Exchange
from importer.targets.transport import Reply

TASKS = "/api/v2/taskmanagement"
ROUTING = "/api/v2/routing"
AUDITS = "/api/v2/audits/query"
AUDIT_SERVICE = "TaskManagement"
PAGE = 100
PAGES_MOST = 20
"""So many pages of worktypes or queues are read, each of at most PAGE."""
DIVISIONS_A_CALL = 25
"""The platform's page of divisions, unless told."""


@dataclass(frozen=True, slots=True)
class Read:
    """A call that reads. With a `body` it is a POST."""

    path: str
    body: Mapping[str, Any] | None = None


def _nobody() -> str:
    """The ID of nothing: made anew, so that nothing has it."""
    return str(uuid.uuid4())


def _of_nothing(path: str) -> Callable[[], Read]:
    return lambda: Read(path.replace("{id}", _nobody()))


def _count() -> Read:
    return Read(f"{TASKS}/workitems/query", {"filters": [_equals("typeId", _nobody())], "select": "Count"})


def _equals(name: str, *values: str, operator: str = "EQ") -> dict[str, Any]:
    return {"name": name, "type": "String", "operator": operator, "values": list(values)}


def _search() -> Read:
    nobody = {"type": "EXACT", "fields": ["email"], "value": f"{_nobody()}@example.invalid"}
    return Read("/api/v2/users/search", {"query": [nobody], "pageSize": 1, "pageNumber": 1})


READS: Mapping[str, Callable[[], Read]] = {
    "workitems:workitem:view": _count,
    "workitems:worktype:view": lambda: Read(f"{TASKS}/worktypes/query", {"filters": [], "pageSize": 1}),
    "workitems:workbin:view": lambda: Read(f"{TASKS}/workbins/query", {"filters": [], "pageSize": 1}),
    "workitems:status:view": _of_nothing(f"{TASKS}/worktypes/{{id}}/statuses"),
    "workitems:workitemSchema:view": lambda: Read(f"{TASKS}/workitems/schemas"),
    "workitems:queryJob:view": _of_nothing(f"{TASKS}/workitems/query/jobs/{{id}}"),
    "workitems:queryJobResults:view": _of_nothing(f"{TASKS}/workitems/query/jobs/{{id}}/results"),
    "workitems:bulkAddJob:view": _of_nothing(f"{TASKS}/workitems/bulk/add/jobs/{{id}}"),
    "workitems:bulkAddJobResults:view": _of_nothing(f"{TASKS}/workitems/bulk/add/jobs/{{id}}/results"),
    "routing:queue:view": lambda: Read(f"{ROUTING}/queues?pageSize=1&pageNumber=1"),
    "routing:skill:view": lambda: Read(f"{ROUTING}/skills?pageSize=1&pageNumber=1"),
    "routing:wrapupCode:view": lambda: Read(f"{ROUTING}/wrapupcodes?pageSize=1&pageNumber=1"),
    "languages": lambda: Read(f"{ROUTING}/languages?pageSize=1&pageNumber=1"),
    "directory:user:view": _search,
    "audits:audit:view": lambda: Read(f"{AUDITS}/servicemapping"),
    # The founding API has scopes instead.
    "queue:view": lambda: Read("/api/v2/queues?pageNumber=1&pageSize=1"),
    "task:view": lambda: Read(f"/api/v2/tasks?query={quote(_sought(), safe='')}&pageNumber=1&pageSize=1"),
    "audit:view": lambda: Read(f"/api/v2/audits?entityId={_nobody()}&pageNumber=1&pageSize=1"),
}
"""A harmless read by the permission that it needs: of one small page, or of what does not exist."""


def _sought() -> str:
    return f"customAttributes.externalId eq '{_nobody()}'"


class Examination:
    """See flow.doctor.Examiner. The mutable state is how far the server's clock is off, by its last answer."""

    def __init__(self, exchange: Exchange, clock: Clock) -> None:
        self._exchange = exchange
        self._clock = clock
        self.clock_off_s: float | None = None

    async def log_in(self) -> LogIn:
        began, spent = self._clock.monotonic(), self._exchange.budget.spent
        await self._exchange.log_in(())
        took_s = self._clock.monotonic() - began
        repeats = self._exchange.budget.spent - spent
        return LogIn(took_s, self._exchange.lasts_s, self._exchange.scopes, repeats)

    async def bearer(self) -> tuple[Glance, Bearer]:
        reply = await self._reply(Read("/api/v2/tokens/me"))
        body = _table(reply.body)
        organization, client = _table(body.get("organization")), _table(body.get("OAuthClient"))
        roles = (_table(each) for each in _list(client.get("roleDivisions")))
        grants = tuple(Grant(_text(each.get("roleId")), _text(each.get("divisionId"))) for each in roles)
        return _glance(reply), Bearer(
            organization=_text(organization.get("name")),
            organization_id=_text(organization.get("id")),
            client=_text(client.get("name")),
            client_id=_text(client.get("id")),
            grants=grants,
        )

    async def divisions(self, ids: Sequence[str]) -> Mapping[str, str]:
        """The names of divisions by ID, as far as they can be read."""
        names: dict[str, str] = {}
        for first in range(0, len(ids), DIVISIONS_A_CALL):
            wanted = "&".join(f"id={quote(each, safe='')}" for each in ids[first : first + DIVISIONS_A_CALL])
            reply = await self._reply(Read(f"/api/v2/authorization/divisions?{wanted}"))
            for each in map(_table, _list(_table(reply.body).get("entities"))):
                names[_text(each.get("id"))] = _text(each.get("name"))
        return names

    async def glance(self, permission: str) -> Glance:
        """One read that needs the permission; raises KeyError where there is none that is harmless."""
        return _glance(await self._reply(READS[permission]()))

    async def takes_in(self) -> Glance:
        """Whether externalTag can be asked for with IN: 200 if so."""
        several = _equals("externalTag", _nobody(), _nobody(), operator="IN")
        filters = [_equals("typeId", _nobody()), several]
        return _glance(await self._reply(Read(f"{TASKS}/workitems/query", {"filters": filters, "pageSize": 1})))

    async def limits(self, namespace: str) -> LimitsTold:
        reply = await self._reply(Read(f"/api/v2/organizations/limits/namespaces/{quote(namespace, safe='')}"))
        told = map(_table, _list(_table(reply.body).get("entities")))
        numbers = {_text(each.get("key")): _whole(each.get("value")) for each in told}
        return LimitsTold(_glance(reply), {key: number for key, number in numbers.items() if number is not None})

    async def audited(self, *, realtime: bool) -> Audited:
        reply = await self._reply(Read(f"{AUDITS}/realtime/servicemapping" if realtime else f"{AUDITS}/servicemapping"))
        services = map(_table, _list(_table(reply.body).get("services")))
        found = next((each for each in services if each.get("name") == AUDIT_SERVICE), None)
        if found is None:
            return Audited(_glance(reply), None)
        entities = map(_table, _list(found.get("entities")))
        return Audited(_glance(reply), tuple(_text(each.get("name")) for each in entities))

    async def worktypes(self) -> Listing:
        places: list[Place] = []
        body: dict[str, Any] = {"filters": [], "pageSize": PAGE}
        for _ in range(PAGES_MOST):
            reply = await self._reply(Read(f"{TASKS}/worktypes/query", body))
            places += _places(reply)
            after = _text(_table(reply.body).get("after"))
            if not after:
                return Listing(_glance(reply), tuple(places))
            body = {**body, "after": after}
        return Listing(_glance(reply), tuple(places), more=True)

    async def queues(self) -> Listing:
        places: list[Place] = []
        for number in range(1, PAGES_MOST + 1):
            reply = await self._reply(Read(f"{ROUTING}/queues?pageSize={PAGE}&pageNumber={number}"))
            places += _places(reply)
            if number >= (_whole(_table(reply.body).get("pageCount")) or 0):
                return Listing(_glance(reply), tuple(places))
        return Listing(_glance(reply), tuple(places), more=True)

    async def _reply(self, read: Read) -> Reply:
        if read.body is None:
            reply = await self._exchange.get(read.path, needs="")
        else:
            reply = await self._exchange.ask(read.path, json.dumps(read.body), needs="")
        self._heed_date(reply)
        return reply

    def _heed_date(self, reply: Reply) -> None:
        try:
            dated = parsedate_to_datetime(reply.headers.get("Date", ""))
        except ValueError:
            return
        if dated.tzinfo is not None:
            self.clock_off_s = (self._clock.now() - dated).total_seconds()


def _glance(reply: Reply) -> Glance:
    body = _table(reply.body)
    count = next((number for key in ("total", "count") if (number := _whole(body.get(key))) is not None), None)
    if reply.status < 400:
        return Glance(reply.status, count=count)
    words = ", ".join(part for part in (_text(body.get("code")), reply.problem) if part)
    asked = f"; support asks for {reply.correlation_id}" if reply.correlation_id else ""
    return Glance(reply.status, f"{reply.status}: {words}{asked}")


def _places(reply: Reply) -> list[Place]:
    found = []
    for each in map(_table, _list(_table(reply.body).get("entities"))):
        division = _table(each.get("division"))
        division_id = _text(division.get("id"))
        found.append(Place(_text(each.get("name")), division_id, _text(division.get("name")) or division_id))
    return found


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
