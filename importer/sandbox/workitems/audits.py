"""The calls about audits: asynchronous and realtime queries, their results, and what is audited at all."""

import base64
import binascii
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from importer.sandbox.answers import CORRELATION, JSON, Answer, encoded, success
from importer.sandbox.life import timestamp
from importer.sandbox.workitems.audit_log import LISTED, SERVICE, Question, Transaction
from importer.sandbox.workitems.listings import DEFAULT_PAGE_SIZE
from importer.sandbox.workitems.platform import Operation, Platform, Request
from importer.sandbox.workitems.refusal import Refusal
from importer.sandbox.workitems.services import Services
from importer.sandbox.workitems.world import DAY_S

AUDITS = "/api/v2/audits/query"
DOWNLOADS = "/downloads/"
PERMISSION = "audits:audit:view"
PAGE_SIZE_MOST = 500
INTERVAL_DAYS, BACK_DAYS, REALTIME_DAYS = 30, 365, 14
PROPERTIES = frozenset({"UserId", "TrusteeOrganizationId", "ClientId", "Action", "EntityType", "EntityId"})


# Asynchronous


def _query(platform: Platform, request: Request) -> Answer:
    body = request.json()
    question = _question(body, request.now)
    transaction = platform.audits.ask(question, _words(body), request.now, platform.scenario.services)
    return success(_status(transaction, request.now), 202)


def _get(platform: Platform, request: Request) -> Answer:
    transaction = _transaction(platform, request)
    running = transaction.state(request.now) in ("Queued", "Running")
    return success(_status(transaction, request.now), 202 if running else 200)


def _results(platform: Platform, request: Request) -> Answer:
    """A page of a query that succeeded. What the platform says of one that has not is not known; here it is a 400."""
    transaction = _transaction(platform, request)
    state = transaction.state(request.now)
    if state != "Succeeded":
        raise Refusal(400, "bad.request", "The query is {state}.", {"state": state})
    size = request.whole("pageSize", DEFAULT_PAGE_SIZE, most=PAGE_SIZE_MOST)
    first = _offset(request.one("cursor"), transaction.id)
    entries = platform.audits.results(transaction, platform.identity.client_id)
    shown = entries[first : first + size]
    page: dict[str, Any] = {"id": transaction.id, "pageSize": size}
    if first + size < len(entries):
        page["cursor"] = _cursor(first + size, transaction.id)
    whole = {**page, "entities": [entry.json() for entry in shown]}
    if len(shown) <= platform.scenario.services.audit_large:
        return success(whole)
    return _large(platform, request, page, whole)


def _large(platform: Platform, request: Request, page: Mapping[str, Any], whole: Mapping[str, Any]) -> Answer:
    services = platform.scenario.services
    if request.one("allowRedirect").casefold() == "false":
        if services.audit_large_refused:
            message = "The response is over the size limit. Reduce pageSize"
            raise Refusal(400, "response.entity.too.large", message)
        return success(whole)
    url = platform.audits.offer(encoded(whole))
    headers = {"Content-Type": JSON, CORRELATION: str(uuid.uuid4())}
    location = {"Location": url} if services.audit_location else {}
    return Answer(302, encoded({**page, "downloadUrl": url}), {**headers, **location})


def _transaction(platform: Platform, request: Request) -> Transaction:
    transaction = platform.audits.transactions.get(request.arguments["transactionId"])
    if transaction is None:
        raise Refusal(404)
    return transaction


def _status(transaction: Transaction, now: float) -> dict[str, Any]:
    about = {"id": transaction.id, "state": transaction.state(now), "startDate": timestamp(transaction.at)}
    return {**about, **transaction.told}


def _words(body: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer repeats of a query."""
    return {name: body[name] for name in ("interval", "serviceName", "filters", "sort") if name in body}


def _cursor(offset: int, transaction_id: str) -> str:
    return base64.urlsafe_b64encode(f"{transaction_id}:{offset}".encode()).decode()


def _offset(cursor: str, transaction_id: str) -> int:
    if not cursor:
        return 0
    try:
        whose, _, offset = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
        if whose == transaction_id:
            return int(offset)
    except (binascii.Error, ValueError):
        pass
    raise Refusal(400, "bad.request", "The cursor is not one of this query.")


# Realtime


def _realtime(platform: Platform, request: Request) -> Answer:
    body = request.json()
    question = _question(body, request.now)
    services = platform.scenario.services
    _in_time(question, services)
    wait_s = platform.audits.takes_off(request.now, services)
    if wait_s:
        message = "Rate limit exceeded the maximum. Retry the request in [{seconds}] seconds"
        headers = {"Retry-After": str(int(wait_s))}
        raise Refusal(429, "too.many.requests.retry.after", message, {"seconds": int(wait_s)}, headers=headers)
    entries = platform.audits.entries(question, request.now, services, platform.identity.client_id)
    recent = [entry for entry in entries if entry.at >= request.now - REALTIME_DAYS * DAY_S]
    size = _counted(body, "pageSize", DEFAULT_PAGE_SIZE, PAGE_SIZE_MOST)
    number = _counted(body, "pageNumber", 1)
    shown = [entry.json() for entry in recent[(number - 1) * size : number * size]]
    counts = {"total": len(recent), "pageCount": -(-len(recent) // size)}
    return success({"entities": shown, "pageSize": size, "pageNumber": number, **counts})


def _in_time(question: Question, services: Services) -> None:
    days = services.audit_realtime_days
    if days is not None and question.end - question.start > days * DAY_S:
        raise Refusal(504)


def _related(platform: Platform, request: Request) -> Answer:
    """All entries of the action to which that of `auditId` belongs, itself included."""
    wanted = request.json().get("auditId")
    if not isinstance(wanted, str):
        raise _missing("auditId")
    question = Question(request.now - REALTIME_DAYS * DAY_S, request.now, SERVICE, (), descending=False)
    services = platform.scenario.services
    entries = platform.audits.entries(question, request.now, services, platform.identity.client_id)
    actions = {entry.action_key for entry in entries if entry.id == wanted}
    if not actions:
        raise Refusal(404)
    return success({"entities": [entry.json() for entry in entries if entry.action_key in actions]})


def _counted(body: Mapping[str, Any], name: str, default: int, most: int = 2**31 - 1) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise Refusal(400, "invalid.value", "{name} is a number from 1 to {most}", {"name": name, "most": most})
    return value


# What can be asked


def _mapping(platform: Platform, request: Request) -> Answer:  # noqa: ARG001 - the seam's signature
    services = platform.scenario.services
    listed = {**LISTED, services.workitem_entity: ("Create", "Update")} if services.workitem_audits else LISTED
    entities = [{"name": name, "actions": list(actions)} for name, actions in listed.items()]
    return success({"services": [{"name": SERVICE, "entities": entities}]})


def _question(body: Mapping[str, Any], now: float) -> Question:
    """What a body asks; Refusal 400 where it breaks a rule."""
    start, end = _interval(body.get("interval"), now)
    service = body.get("serviceName")
    if service not in (None, SERVICE):
        raise Refusal(400, "invalid.value", "{service} is not a service", {"service": service})
    filters = tuple(_filter(each) for each in body.get("filters") or ())
    names = {name for name, _ in filters}
    if "EntityId" in names and "EntityType" not in names:
        raise Refusal(400, "bad.request", "A filter on EntityId needs a filter on EntityType.")
    sort = body.get("sort") or [{}]
    descending = isinstance(sort[0], dict) and sort[0].get("sortOrder") == "descending"
    return Question(start, end, service, filters, descending)


def _filter(given: object) -> tuple[str, str]:
    if not isinstance(given, dict) or given.get("property") not in PROPERTIES:
        raise Refusal(400, "invalid.value", "A filter's property is one of {known}", {"known": sorted(PROPERTIES)})
    if not isinstance(given.get("value"), str):
        raise _missing("value")
    return given["property"], given["value"]


def _interval(text: object, now: float) -> tuple[float, float]:
    if not isinstance(text, str):
        raise _missing("interval")
    try:
        start, end = (_moment(part) for part in text.split("/"))
    except ValueError:
        message = "Dates must be specified as ISO-8601 strings. For example: yyyy-MM-ddTHH:mm:ss.SSSZ"
        raise Refusal(400, "invalid.date", message) from None
    if not start < end or end - start > INTERVAL_DAYS * DAY_S:
        raise Refusal(
            400, "bad.request", "The interval is more than none and at most {days} days.", _days(INTERVAL_DAYS)
        )
    if start < now - BACK_DAYS * DAY_S:
        raise Refusal(400, "bad.request", "The interval begins at most {days} days ago.", _days(BACK_DAYS))
    return start, end


def _moment(text: str) -> float:
    """Seconds since 1970; a moment without a zone is in UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _days(days: int) -> dict[str, object]:
    return {"days": days}


def _missing(name: str) -> Refusal:
    return Refusal(400, "constraint.validation", "{name} must be given", {"name": name})


# Downloads


def download(platform: Platform, path: str, headers: Mapping[str, str]) -> Answer:
    """What a download answers: a signed address takes no other authorization, that is a 400."""
    if "Authorization" in headers:
        message = "Only one auth mechanism allowed: the address is signed"
        return Answer(400, encoded({"code": "InvalidArgument", "message": message}), {"Content-Type": JSON})
    content = platform.audits.downloads.get(path.removeprefix(DOWNLOADS))
    if content is None:
        return Answer(404, encoded({"code": "NoSuchKey"}), {"Content-Type": JSON})
    return Answer(200, content, {"Content-Type": JSON})


OPERATIONS: tuple[Operation, ...] = (
    Operation("audit_query", "POST", AUDITS, PERMISSION, _query),
    Operation("audit_get", "GET", f"{AUDITS}/{{transactionId}}", PERMISSION, _get),
    Operation("audit_results", "GET", f"{AUDITS}/{{transactionId}}/results", PERMISSION, _results),
    Operation("audit_realtime", "POST", f"{AUDITS}/realtime", PERMISSION, _realtime),
    Operation("audit_related", "POST", f"{AUDITS}/realtime/related", PERMISSION, _related),
    Operation("audit_mapping", "GET", f"{AUDITS}/servicemapping", PERMISSION, _mapping),
    Operation("audit_realtime_mapping", "GET", f"{AUDITS}/realtime/servicemapping", PERMISSION, _mapping),
)
