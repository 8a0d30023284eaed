"""Judges exchanges of a client and a server by the tightened definition: what was asked, and what was answered.

`judged` is the door; a Breach says who broke what. No sockets: `recorder` brings the exchanges.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from tests.contract import definition, missing
from tests.contract.definition import Json, Operation, Parameter, Side
from tests.contract.rules import RULES, Everywhere, Rule
from tests.contract.tighten import NULL, Tightened

CORRELATION = "inin-correlation-id"
# Section 5.1; grade C.
REQUEST_BYTES = 512_000
# What a query answers with `attributes` is only what was asked for, and division views are light; which fields come all
# the same is not known.
PARTIAL = {
    "a queue tells how many members it has",
    "Workitem has what an answer must have",
    "Worktype has what an answer must have",
    "Workbin has what an answer must have",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was sent; header names are in lower case, `query` is the raw text."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer as it came; header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Pair:
    """One exchange; `answered` is None where the connection ended before."""

    asked: Asked
    answered: Answered | None = None

    @property
    def at(self) -> datetime | None:
        """When, by the server's clock, as its answer tells it."""
        date = self.answered.headers.get("date") if self.answered else None
        return parsedate_to_datetime(date).astimezone(UTC) if date else None


@dataclass(frozen=True, slots=True)
class Breach:
    """Who broke what: `side` is whose, `where` a place in it; `open` where it is not known what the platform does with it."""

    operation: str
    side: Side
    where: str
    what: str
    rule: str = ""
    open: bool = False

    def __str__(self) -> str:
        return f"{self.operation}: {self.side} {self.where}: {self.what}" + (f" [{self.rule}]" if self.rule else "")


@dataclass(frozen=True, slots=True)
class Custom:
    """A rule about a whole exchange, in words; yields place and words of each breach."""

    name: str
    source: str
    side: Side
    check: Callable[[Operation, Pair], Iterator[tuple[str, str]]]
    open: bool = False


def judged(pairs: Iterable[Pair], contract: "Contract | None" = None) -> list[Breach]:
    """All breaches of a conversation, in its order; by all rules unless a contract of fewer is given."""
    contract = contract or whole()
    return [breach for pair in pairs for breach in contract.breaches(pair)]


def judged_event(event: Any) -> list[Breach]:
    """All breaches of an event of a workitem, as it came over a websocket."""
    name = missing.EVENTS[".queues." not in str(event.get("topicName"))]
    faults = Tightened().faults("answer", {"$ref": f"#/$defs/event.{name}"}, event)
    return [Breach("event", "answer", fault.where, fault.what, fault.rule) for fault in faults]


class Contract:
    """The rules under which exchanges are judged; with none, the definition alone. `operations` are all that are known."""

    def __init__(self, rules: Sequence[Rule | Everywhere] = RULES, customs: Sequence[Custom] | None = None) -> None:
        self._customs = CUSTOMS if customs is None else customs
        self._open = {NULL, *(rule.name for rule in rules if rule.open)}
        self._tightened = Tightened(rules)
        self._partial = Tightened([rule for rule in rules if rule.name not in PARTIAL])
        self.operations = missing.both()

    def breaches(self, pair: Pair) -> list[Breach]:
        """What is wrong with one exchange, the request first."""
        operation = self.operation(pair.asked)
        if operation is None:
            return [Breach(f"{pair.asked.method} {pair.asked.path}", "request", "path", "there is no such operation")]
        asked = [*self._asked(operation, pair), *self._custom(operation, pair, "request")]
        if pair.answered is None:
            return asked
        answered = [*self._answered(operation, pair, pair.answered), *self._custom(operation, pair, "answer")]
        known = [breach for breach in asked if not breach.open]
        if known and pair.answered.status < 300:
            what = f"{pair.answered.status} to a request that breaks the contract: {known[0]}"
            answered.append(Breach(operation.id, "answer", "status", what))
        return asked + answered

    def operation(self, asked: Asked) -> Operation | None:
        """The operation that a request is about."""
        fitting = (each for each in self.operations if each.method == asked.method)
        return next((each for each in fitting if each.arguments(asked.path) is not None), None)

    def _asked(self, operation: Operation, pair: Pair) -> Iterator[Breach]:
        asked = pair.asked
        values = _values(operation, asked)
        yield from self._faults(
            operation, "request", "parameters", {"$ref": f"#/$defs/?{operation.id}"}, values, pair.at
        )
        if operation.path == missing.LOG_IN or (operation.body is None and not asked.body):
            return
        if operation.body is None:
            yield Breach(operation.id, "request", "body", "this operation has no body", open=True)
            return
        try:
            body = json.loads(asked.body)
        except ValueError:
            yield Breach(operation.id, "request", "body", "is not JSON")
            return
        if operation.body.get("type") == "array" and isinstance(body, list):
            yield from self._faults(operation, "request", "body", {"$ref": "#/$defs/?body"}, {"topics": body}, pair.at)
        else:
            yield from self._faults(operation, "request", "body", operation.body, body, pair.at)

    def _answered(self, operation: Operation, pair: Pair, answered: Answered) -> Iterator[Breach]:
        status = str(answered.status)
        if status not in operation.answers and not ("default" in operation.answers and answered.status < 300):
            yield Breach(operation.id, "answer", "status", f"{status} is not one of this operation's")
            return
        schema = operation.answers.get(status)
        if schema is None or pair.asked.method == "HEAD":
            return
        try:
            body = json.loads(answered.body)
        except ValueError:
            yield Breach(operation.id, "answer", f"body of {status}", "is not JSON")
            return
        if schema.get("$ref") == "#/$defs/ErrorBody":
            schema = {"$ref": "#/$defs/error"}
        yield from self._faults(
            operation, "answer", f"body of {status}", schema, body, pair.at, partial=_partial(operation, pair)
        )

    def _faults(
        self,
        operation: Operation,
        side: Side,
        place: str,
        schema: Json,
        value: Any,
        now: datetime | None,
        *,
        partial: bool = False,
    ) -> Iterator[Breach]:
        tightened = self._partial if partial else self._tightened
        for fault in tightened.faults(side, schema, value, now):
            where = f"{place}{fault.where}"
            yield Breach(operation.id, side, where, fault.what, fault.rule, fault.rule in self._open)

    def _custom(self, operation: Operation, pair: Pair, side: Side) -> Iterator[Breach]:
        for custom in self._customs:
            if custom.side == side:
                for where, what in custom.check(operation, pair):
                    yield Breach(operation.id, side, where, what, custom.name, custom.open)


@cache
def whole() -> Contract:
    """The contract with all its rules."""
    return Contract()


def _values(operation: Operation, asked: Asked) -> Json:
    """The parameters by name, as the types that they stand for; those that may be repeated as lists."""
    known = {parameter.name: parameter for parameter in operation.parameters}
    values: Json = {}
    for name, text in (operation.arguments(asked.path) or {}).items():
        values[name] = _value(known.get(name), text)
    for name, text in parse_qsl(asked.query, keep_blank_values=True):
        parameter = known.get(name)
        if parameter is not None and parameter.many:
            values.setdefault(name, []).append(_value(parameter, text))
        else:
            values[name] = _value(parameter, text) if name not in values else [values[name], text]
    return values


def _value(parameter: Parameter | None, text: str) -> Any:
    kind = parameter.schema.get("type") if parameter else "string"
    if kind == "integer" and text.removeprefix("-").isdecimal():
        return int(text)
    return text == "true" if kind == "boolean" and text in ("true", "false") else text


def _partial(operation: Operation, pair: Pair) -> bool:
    if "/divisionviews" in operation.path:
        return True
    if operation.method != "POST" or not operation.path.endswith("/query"):
        return False
    try:
        body = json.loads(pair.asked.body)
    except ValueError:
        return False
    return isinstance(body, dict) and bool(body.get("attributes"))


def _authorization(operation: Operation, pair: Pair) -> Iterator[tuple[str, str]]:
    scheme, _, given = pair.asked.headers.get("authorization", "").partition(" ")
    if operation.path != missing.LOG_IN:
        if scheme != "Bearer" or not given:
            yield "header Authorization", "is not a Bearer token"
    elif scheme != "Basic" or not _is_pair(given):
        yield "header Authorization", "is not Basic with client ID and secret"


def _is_pair(encoded: str) -> bool:
    try:
        return b":" in base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return False


def _grant(operation: Operation, pair: Pair) -> Iterator[tuple[str, str]]:
    if operation.path == missing.LOG_IN:
        form = dict(parse_qsl(pair.asked.body.decode("utf-8", "replace"), keep_blank_values=True))
        if form != {"grant_type": "client_credentials"}:
            yield "body", "is not just grant_type=client_credentials"


def _media_type(operation: Operation, pair: Pair) -> Iterator[tuple[str, str]]:
    wanted = "application/x-www-form-urlencoded" if operation.path == missing.LOG_IN else "application/json"
    given = pair.asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    if pair.asked.body and given != wanted:
        yield "header Content-Type", f"is not {wanted}"


def _size(operation: Operation, pair: Pair) -> Iterator[tuple[str, str]]:
    if len(pair.asked.body) > REQUEST_BYTES:
        yield "body", f"has {len(pair.asked.body)} bytes, more than {REQUEST_BYTES}"


def _secrets_in_address(operation: Operation, pair: Pair) -> Iterator[tuple[str, str]]:
    token = pair.asked.headers.get("authorization", "").rpartition(" ")[2]
    if token and token in f"{pair.asked.path}?{pair.asked.query}":
        yield "address", "holds what belongs into the header Authorization"


def _correlated(operation: Operation, pair: Pair) -> Iterator[tuple[str, str]]:
    if pair.answered is not None and not pair.answered.headers.get(CORRELATION):
        yield "header ININ-Correlation-Id", "is not there"


def _whole_seconds(operation: Operation, pair: Pair) -> Iterator[tuple[str, str]]:
    told = pair.answered.headers.get("retry-after") if pair.answered else None
    if told is not None and not told.isdecimal():
        yield "header Retry-After", f"{told!r} is not a whole number of seconds"


def _answer_media_type(operation: Operation, pair: Pair) -> Iterator[tuple[str, str]]:
    if pair.answered is not None and pair.answered.body:
        given = pair.answered.headers.get("content-type", "").partition(";")[0].strip().lower()
        if given != "application/json":
            yield "header Content-Type", f"{given!r} is not application/json"


def _creates(operation: Operation, pair: Pair) -> Iterator[tuple[str, str]]:
    if pair.answered is not None and pair.answered.status == 200 and operation.id in CREATES:
        yield "status", "is 200 where the platform answers 201"


CREATES = ("postTaskmanagementWorkitems", "postTaskmanagementWorkitemsBulkAddJobs")


def _error_body(operation: Operation, pair: Pair) -> Json | None:
    if pair.answered is None or pair.answered.status < 400 or operation.path == missing.LOG_IN:
        return None
    try:
        body = json.loads(pair.answered.body)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _status_repeated(operation: Operation, pair: Pair) -> Iterator[tuple[str, str]]:
    body = _error_body(operation, pair)
    if body is not None and pair.answered is not None and body.get("status") != pair.answered.status:
        yield "body/status", f"{body.get('status')} is not {pair.answered.status}"


def _code_listed(operation: Operation, pair: Pair) -> Iterator[tuple[str, str]]:
    body = _error_body(operation, pair)
    if (
        body is not None
        and pair.answered is not None
        and body.get("code") not in codes(operation, pair.answered.status)
    ):
        yield "body/code", f"{body.get('code')!r} is not a code of this operation's {pair.answered.status}"


def codes(operation: Operation, status: int) -> frozenset[str]:
    """Codes that an error of this status may have: the operation's own, and those of any operation."""
    listed = operation.codes.get(str(status), frozenset()) | missing.COMMON.get(str(status), frozenset())
    if operation in missing.operations():
        # The SDK lists no codes; what no operation at all has is none, though.
        listed |= frozenset().union(*(each.codes.get(str(status), frozenset()) for each in definition.operations()))
    if status == 429:
        # Section 5.3: the definition has them under 400, the platform answers 429.
        listed |= {code for code in operation.codes.get("400", ()) if code.startswith("service.limit.")}
    return listed


def _log_in_error(operation: Operation, pair: Pair) -> Iterator[tuple[str, str]]:
    if operation.path != missing.LOG_IN or pair.answered is None or pair.answered.status not in (400, 401):
        return
    try:
        body = json.loads(pair.answered.body)
    except ValueError:
        return
    if pair.answered.status == 401 and body.get("error") != "invalid_client":
        yield "body/error", "of a 401 is not invalid_client"
    if pair.answered.status == 401 and body.get("description") != "authentication failed":
        yield "body/description", "of a 401 is not 'authentication failed'"


def _told(operation: Operation, pair: Pair) -> Json:
    """The body of a success, if it is an object."""
    if pair.answered is None or pair.answered.status >= 300 or not pair.answered.body:
        return {}
    try:
        body = json.loads(pair.answered.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _page_fits(operation: Operation, pair: Pair) -> Iterator[tuple[str, str]]:
    body = _told(operation, pair)
    entities, size = body.get("entities"), body.get("pageSize")
    if not isinstance(entities, list) or not isinstance(size, int) or size < 1:
        return
    if len(entities) > size:
        yield "body/entities", f"are {len(entities)} on a page of {size}"
    total, count = body.get("total"), body.get("pageCount")
    if isinstance(total, int) and isinstance(count, int) and count != -(-total // size):
        yield "body/pageCount", f"is {count} for {total} entities on pages of {size}"


def _results_agree(operation: Operation, pair: Pair) -> Iterator[tuple[str, str]]:
    body = _told(operation, pair)
    if isinstance(body.get("results"), list) and "errorIndexes" in body:
        errors = sum("error" in each for each in body["results"])
        if not errors == body.get("errorCount") == len(body["errorIndexes"]):
            yield "body/errorCount", f"{body.get('errorCount')}, {len(body['errorIndexes'])} indexes, {errors} errors"


def _counts_agree(operation: Operation, pair: Pair) -> Iterator[tuple[str, str]]:
    body = _told(operation, pair)
    names = ("totalCount", "successfulCount", "failedCount")
    if all(isinstance(body.get(name), int) for name in names):
        total, done = body["totalCount"], body["successfulCount"] + body["failedCount"]
        if done > total or (body.get("state") == "Succeeded" and done != total):
            yield "body/totalCount", f"is {total} where {done} are done, and the job {body.get('state')}"


def _in_order(operation: Operation, pair: Pair) -> Iterator[tuple[str, str]]:
    if operation.id not in ("getTaskmanagementWorkitemHistory", "getTaskmanagementWorkitemVersions"):
        return
    numbers = [each.get("version") for each in _told(operation, pair).get("entities", ()) if isinstance(each, dict)]
    ascending = dict(parse_qsl(pair.asked.query)).get("sortOrder") == "ascending"
    if numbers != sorted({each for each in numbers if isinstance(each, int)}, reverse=not ascending):
        yield "body/entities", f"versions {numbers} are not in {'ascending' if ascending else 'descending'} order"


CUSTOMS: tuple[Custom, ...] = (
    Custom("the log-in is Basic, all else Bearer", "3.1", "request", _authorization),
    Custom("the grant is client_credentials and nothing more", "3.1", "request", _grant),
    Custom("a body is JSON, of the log-in a form", "3.1, 4.3 (415)", "request", _media_type),
    Custom("a request has at most 512,000 bytes", "5.1", "request", _size, open=True),
    Custom("no token in an address", "3.1", "request", _secrets_in_address, open=True),
    Custom("every answer has its correlation ID", "4.2", "answer", _correlated),
    Custom("Retry-After is whole seconds", "5.2", "answer", _whole_seconds),
    Custom("an answer is JSON", "definition", "answer", _answer_media_type),
    Custom("what was made is answered with 201", "6.1, 6.11", "answer", _creates),
    Custom("an error repeats its status", "4.1", "answer", _status_repeated),
    Custom("an error's code is one that is listed", "4.3", "answer", _code_listed),
    Custom("a page is no larger than it says, and there are as many as needed", "9", "answer", _page_fits),
    Custom("the results of a bulk job agree with its counts of errors", "6.11", "answer", _results_agree),
    Custom("the counts of a bulk job agree", "6.11", "answer", _counts_agree),
    Custom("versions come in the order that was asked for, each once", "6.9", "answer", _in_order),
    Custom("a wrong secret is a 401, authentication failed", "3.3", "answer", _log_in_error),
)
