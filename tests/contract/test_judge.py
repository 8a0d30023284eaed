"""Judging exchanges: each rule about a whole exchange refuses something, and alone."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.contract import missing
from tests.contract.examples import GOOD, changed
from tests.contract.judge import CUSTOMS, REQUEST_BYTES, Answered, Asked, Contract, Pair, judged
from tests.contract.rules import ABSENT, ID, RULES

BEARER = {"authorization": "Bearer token-1"}
SENT = {**BEARER, "content-type": "application/json"}
TOLD = {
    "content-type": "application/json; charset=utf-8",
    "inin-correlation-id": ID,
    "date": "Tue, 24 Nov 2026 12:00:00 GMT",
}
WORKITEMS = "/api/v2/taskmanagement/workitems"
LOG_IN = {
    "authorization": f"Basic {base64.b64encode(b'id:secret').decode()}",
    "content-type": "application/x-www-form-urlencoded",
}
ERROR = changed(GOOD["error"], {"limit": ABSENT})
CUSTOM = {custom.name: custom for custom in CUSTOMS}


def asked(method: str, path: str, body: Any = None, headers: Mapping[str, str] = SENT, query: str = "") -> Asked:
    """A request; a body that is not bytes is sent as JSON."""
    content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return Asked(method, path, query, dict(headers), content)


def answered(status: int, body: Any = None, **headers: str) -> Answered:
    """An answer with the headers that every answer has."""
    content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answered(status, {**TOLD, **headers}, content)


CREATE = asked("POST", WORKITEMS, GOOD["WorkitemCreate"])
READ = asked("GET", f"{WORKITEMS}/{ID}", headers=BEARER)
TOKEN = asked("POST", "/oauth/token", b"grant_type=client_credentials", LOG_IN)
CREATED = answered(201, GOOD["Workitem"])
FOUND = answered(200, GOOD["Workitem"])

DATED = {
    **GOOD["WorkitemCreate"],
    "dateDue": "2026-12-18T00:00:00.000Z",
    "dateExpires": "2026-12-19T00:00:00Z",
    "ttl": 1_798_000_000,
}
GOOD_PAIRS = {
    "create": Pair(CREATE, CREATED),
    "create with dates": Pair(asked("POST", WORKITEMS, DATED), CREATED),
    "read": Pair(READ, FOUND),
    "read with expansion": Pair(replace(READ, query="expands=type&expands=queue"), FOUND),
    "no answer": Pair(CREATE),
    "log-in": Pair(TOKEN, answered(200, GOOD["login.Token"])),
    "unknown client": Pair(TOKEN, answered(400, GOOD["login.Error"])),
    "query": Pair(
        asked("POST", f"{WORKITEMS}/query", GOOD["WorkitemQueryPostRequest"]),
        answered(200, {"entities": [{"id": ID}], "after": "x"}),
    ),
    "empty page with a cursor": Pair(
        asked("POST", f"{WORKITEMS}/query", {"filters": GOOD["WorkitemQueryPostRequest"]["filters"]}),
        answered(200, {"entities": [], "after": "x"}),
    ),
    "deleted": Pair(asked("DELETE", f"{WORKITEMS}/bulk/add/jobs/{ID}", headers=BEARER), answered(204)),
    "subscribed": Pair(
        asked("POST", "/api/v2/notifications/channels/c-1/subscriptions", GOOD["?body"]["topics"]),
        answered(200, {"entities": [GOOD["ChannelTopic"]]}),
    ),
    "daily limit": Pair(
        CREATE,
        answered(
            429,
            {**GOOD["error"], "status": 429, "code": "service.limit.per.day.maximum.created.limit.reached"},
            **{"retry-after": "40000"},
        ),
    ),
    "skills": Pair(
        asked("GET", "/api/v2/routing/skills", headers=BEARER, query="pageSize=25&name=Ger"),
        answered(200, {**GOOD["sdk.SkillEntityListing"], "entities": [GOOD["sdk.RoutingSkill"]]}),
    ),
    "token is there": Pair(asked("HEAD", "/api/v2/tokens/me", headers=BEARER), answered(200)),
    "audits elsewhere": Pair(
        asked("GET", f"/api/v2/audits/query/{ID}/results", headers=BEARER, query="allowRedirect=true&pageSize=500"),
        answered(302, {"downloadUrl": "https://downloads.example.com/1"}),
    ),
}

# By the rule that refuses them; no other one does.
BAD_PAIRS = {
    "the log-in is Basic, all else Bearer": Pair(replace(READ, headers={"authorization": "Basic x"})),
    "the grant is client_credentials and nothing more": Pair(
        asked("POST", "/oauth/token", b"grant_type=client_credentials&scope=workitems", LOG_IN)
    ),
    "a body is JSON, of the log-in a form": Pair(replace(CREATE, headers=BEARER)),
    "a request has at most 512,000 bytes": Pair(replace(CREATE, body=CREATE.body + b" " * REQUEST_BYTES), CREATED),
    "no token in an address": Pair(
        replace(READ, path=f"{WORKITEMS}/{ID}", headers={"authorization": f"Bearer {ID}"}), FOUND
    ),
    "every answer has its correlation ID": Pair(READ, answered(200, GOOD["Workitem"], **{"inin-correlation-id": ""})),
    "Retry-After is whole seconds": Pair(
        READ, answered(429, {**ERROR, "status": 429, "code": "too.many.requests"}, **{"retry-after": "1.5"})
    ),
    "an answer is JSON": Pair(READ, answered(200, GOOD["Workitem"], **{"content-type": "text/plain"})),
    "what was made is answered with 201": Pair(CREATE, answered(200, GOOD["Workitem"])),
    "an error repeats its status": Pair(READ, answered(404, {**ERROR, "code": "not.found"})),
    "an error's code is one that is listed": Pair(CREATE, answered(409, {**ERROR, "status": 409, "code": "duplicate"})),
    "a page is no larger than it says, and there are as many as needed": Pair(
        asked("GET", "/api/v2/routing/skills", headers=BEARER),
        answered(200, {"entities": [], "pageSize": 25, "pageNumber": 1, "total": 26, "pageCount": 1}),
    ),
    "the results of a bulk job agree with its counts of errors": Pair(
        asked("GET", f"{WORKITEMS}/bulk/add/jobs/{ID}/results", headers=BEARER),
        answered(200, {"results": [], "errorCount": 0, "errorIndexes": [0]}),
    ),
    "the counts of a bulk job agree": Pair(
        asked("GET", f"{WORKITEMS}/bulk/add/jobs/{ID}", headers=BEARER),
        answered(200, {**GOOD["BulkJob"], "state": "Succeeded", "successfulCount": 1}),
    ),
    "versions come in the order that was asked for, each once": Pair(
        asked("GET", f"{WORKITEMS}/{ID}/versions", headers=BEARER),
        answered(200, {"entities": [{**GOOD["Workitem"], "version": number} for number in (1, 2)]}),
    ),
    "a wrong secret is a 401, authentication failed": Pair(TOKEN, answered(401, GOOD["login.Error"])),
}


@pytest.mark.parametrize("name", GOOD_PAIRS)
def test_good_exchanges_break_nothing(name: str) -> None:
    """An exchange as the platform's papers have it is no breach."""
    assert judged([GOOD_PAIRS[name]]) == []


@pytest.mark.parametrize("name", CUSTOM)
def test_rule_of_exchanges_refuses_what_nothing_else_does(name: str) -> None:
    """Each rule about exchanges refuses one that is no breach when this rule is taken away."""
    pair = BAD_PAIRS[name]
    assert {breach.rule for breach in judged([pair])} == {name}
    without = Contract(RULES, [custom for custom in CUSTOMS if custom.name != name])
    assert judged([pair], without) == []


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        (Pair(asked("GET", "/api/v2/tasks", headers=BEARER)), "no such operation"),
        (Pair(asked("PUT", f"{WORKITEMS}/{ID}", GOOD["WorkitemUpdate"])), "no such operation"),
        (Pair(replace(CREATE, body=b"{")), "body: is not JSON"),
        (Pair(CREATE, answered(201, b"<html>")), "body of 201: is not JSON"),
        (Pair(CREATE, answered(502, ERROR)), "502 is not one of this operation's"),
        (Pair(CREATE, answered(201, {})), "'id' is a required property"),
        (Pair(replace(READ, query="expands=everything"), FOUND), "is not one of"),
        (Pair(replace(READ, body=b"{}"), FOUND), "this operation has no body"),
        (
            Pair(asked("GET", "/api/v2/routing/queues", headers=BEARER, query="pageSize=many")),
            "is not of type 'integer'",
        ),
    ],
)
def test_breach_says_what_it_is(pair: Pair, told: str) -> None:
    """What breaks the contract is told in words, with the operation and the place."""
    assert any(told in str(breach) for breach in judged([pair])), judged([pair])


def test_success_for_a_bad_request_is_the_servers_breach() -> None:
    """A server that makes a workitem of a request that the platform refuses breaks the contract, too."""
    pair = Pair(asked("POST", WORKITEMS, {**GOOD["WorkitemCreate"], "name": "ab"}), CREATED)
    assert [breach.side for breach in judged([pair])] == ["request", "answer"]


def test_success_for_what_nobody_knows_is_no_breach_of_the_server() -> None:
    """What the platform does with an unknown field is not known, so a server may take it; a client must not send it."""
    pair = Pair(asked("POST", WORKITEMS, {**GOOD["WorkitemCreate"], "externalId": "E-1"}), CREATED)
    assert [breach.side for breach in judged([pair])] == ["request"]


def test_dates_are_judged_by_the_servers_clock() -> None:
    """Whether a date is too far ahead is asked as of the answer's own date."""
    later = answered(400, {**ERROR, "code": "invalid.input.date.below.min"}, date="Tue, 24 Nov 2099 12:00:00 GMT")
    create = asked("POST", WORKITEMS, DATED)
    assert any("an hour ahead" in breach.rule for breach in judged([Pair(create, later)]))


def test_every_known_operation_can_be_asked_for() -> None:
    """No operation hides another: each path leads to the operation that it is of."""
    contract = Contract()
    for operation in missing.both():
        path = operation.path
        for parameter in operation.parameters:
            path = path.replace(f"{{{parameter.name}}}", ID)
        assert contract.operation(Asked(operation.method, path)) is operation


def test_breach_shows_no_secret() -> None:
    """Words about a breach hold no token, secret or credentials."""
    secret = "s3cr3t-s3cr3t"
    bearer = {"authorization": f"Bearer {secret}"}
    basic = {"authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    pairs = [
        Pair(
            asked("POST", "/oauth/token", f"client_secret={secret}".encode(), bearer),
            answered(200, {"access_token": secret}),
        ),
        Pair(
            asked("POST", "/oauth/token", f"client_secret={secret}".encode(), basic), answered(200, {"access_token": 1})
        ),
        Pair(asked("GET", f"{WORKITEMS}/{ID}", headers={"authorization": secret}, query=f"x={secret}")),
    ]
    told = "\n".join(str(breach) for breach in judged(pairs))
    assert told
    assert secret not in told.replace("x=", "")
