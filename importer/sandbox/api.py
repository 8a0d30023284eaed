"""The `tasks` API itself: a call in, an answer out. Knows tokens, scopes and pages; no sockets, limits or faults."""

import base64
import binascii
import hmac
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from importer.sandbox import query
from importer.sandbox.answers import Answer, error, oauth_error, success
from importer.sandbox.payload import Problem, decoded, problems
from importer.sandbox.world import Refused, World

MAX_PAGE_SIZE = 100
DEFAULT_PAGE_SIZE = 25
SCOPES = {
    "queue": "queue:view",
    "queues": "queue:view",
    "create": "task:create",
    "find": "task:view",
    "get": "task:view",
    "audits": "audit:view",
}
_PATHS: dict[str, dict[str, str]] = {
    "/oauth/token": {"POST": "token"},
    "/api/v2/queues": {"GET": "queues"},
    "/api/v2/queues/": {"GET": "queue"},
    "/api/v2/tasks": {"POST": "create", "GET": "find"},
    "/api/v2/tasks/": {"GET": "get"},
    "/api/v2/audits": {"GET": "audits"},
}


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request; `argument` is the ID in its path, header names are case-insensitive in `headers`."""

    operation: str
    argument: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    """The one OAuth client of the sandbox."""

    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class _Token:
    until: float
    scopes: tuple[str, ...]


def route(method: str, path: str) -> tuple[str, str] | Answer:
    """The operation and the ID in the path; or the answer 404 for an unknown path, 405 for a wrong method."""
    methods, argument = _PATHS.get(path), ""
    if methods is None or path.endswith("/"):
        prefix, _, argument = path.rpartition("/")
        methods = _PATHS.get(f"{prefix}/") if argument else None
    if methods is None:
        return error(404)
    if method not in methods:
        return error(405, headers={"Allow": ", ".join(sorted(methods))})
    return methods[method], argument


class Api:
    """Answers calls about a world. Its own state is the tokens that it gave out, and when it was last asked for some."""

    def __init__(self, world: World, credentials: Credentials) -> None:
        self.world = world
        self.credentials = credentials
        self._tokens: dict[str, _Token] = {}
        self._log_ins: list[float] = []

    def answer(self, call: Call, now: float) -> Answer:
        """Carry the call out as of `now` (seconds since 1970). Whatever it commits is committed when this returns."""
        try:
            if call.operation == "token":
                return self._token(call, now)
            self._authorise(call, now)
            return self._answer(call, now)
        except Refused as refused:
            found = [Problem(refused.field, refused.message)] if refused.field else []
            return error(refused.status, refused.code, refused.message, found)
        except query.QueryError as problem:
            return error(400, message=str(problem), problems=[Problem("query", str(problem))])
        except OSError as problem:
            return error(500, message=f"the world could not be written: {problem}")

    def expire_tokens(self) -> int:
        """Make every token given out so far invalid; says how many there were."""
        count = len(self._tokens)
        self._tokens.clear()
        return count

    def _answer(self, call: Call, now: float) -> Answer:
        match call.operation:
            case "queue":
                return success(self.world.queue(call.argument).json())
            case "queues":
                named = self.world.queues_named(call.query.get("name", ""))
                return self._page(call, [queue.json() for queue in named])
            case "create":
                return self._create(call, now)
            case "get":
                return success(self.world.json(self.world.task(call.argument), now))
            case "find":
                return self._find(call, now)
            case "audits":
                return self._audits(call, now)
            case unknown:
                raise AssertionError(unknown)

    # Log-in

    def _token(self, call: Call, now: float) -> Answer:
        if self._asked_too_often(now):
            return oauth_error(400, "invalid_request", "rate limit exceeded; ask later for a token", both=True)
        known = self._knows(call.headers.get("Authorization", ""))
        if not known and self.world.scenario.platform_tokens:
            return self._told_apart(call.headers.get("Authorization", ""))
        if not known:
            return oauth_error(401, "invalid_client", "the client ID or the client secret is wrong")
        form = parse_qs(call.body.decode("utf-8", "replace"))
        if form.get("grant_type") != ["client_credentials"]:
            return oauth_error(400, "unsupported_grant_type", "grant_type must be client_credentials")
        settings = self.world.scenario
        token = secrets.token_urlsafe(48)
        self._tokens[token] = _Token(now + settings.token_lifetime_s, settings.scopes)
        shown = settings.scope_told and not settings.platform_tokens
        told = {"scope": " ".join(settings.scopes)} if shown else {}
        lifetime_s = math.ceil(settings.token_lifetime_s)
        return success({"access_token": token, "token_type": "bearer", "expires_in": lifetime_s, **told})

    def _asked_too_often(self, now: float) -> bool:
        most = self.world.scenario.tokens_per_minute
        if most is None:
            return False
        self._log_ins = [*(at for at in self._log_ins if at > now - 60), now]
        return len(self._log_ins) > most

    def _knows(self, authorization: str) -> bool:
        wanted = f"{self.credentials.client_id}:{self.credentials.client_secret}".encode()
        return hmac.compare_digest(_basic(authorization), wanted)

    def _told_apart(self, authorization: str) -> Answer:
        """As Genesys Cloud refuses: an unknown client ID is a 400, a wrong secret a 401."""
        client_id = _basic(authorization).partition(b":")[0]
        if hmac.compare_digest(client_id, self.credentials.client_id.encode()):
            return oauth_error(401, "invalid_client", "authentication failed", both=True)
        return oauth_error(400, "invalid_client", "client not found", both=True)

    def token_is_valid(self, authorization: str, now: float) -> bool:
        """Whether the header `Authorization` carries a token that counts at `now`."""
        return self._token_of(authorization, now) is not None

    def _token_of(self, authorization: str, now: float) -> _Token | None:
        scheme, _, given = authorization.partition(" ")
        token = self._tokens.get(given) if scheme.lower() == "bearer" else None
        return None if token is None or token.until <= now else token

    def end_token(self, token: str) -> None:
        """Make one token invalid."""
        self._tokens.pop(token, None)

    def _authorise(self, call: Call, now: float) -> None:
        token = self._token_of(call.headers.get("Authorization", ""), now)
        if token is None:
            raise Refused(401, "bad.credentials", "the token is invalid or has expired")
        scope = SCOPES[call.operation]
        if scope not in token.scopes:
            raise Refused(403, "app.not.authorized.for.scope", f"the OAuth client lacks the scope {scope}")

    # Tasks and audits

    def _create(self, call: Call, now: float) -> Answer:
        if call.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
            return error(415)
        try:
            payload = decoded(call.body)
        except (ValueError, RecursionError) as problem:
            return error(400, message=f"the body is not JSON: {problem}")
        found = problems(payload)
        if found:
            return error(400, message=found[0].message, problems=found)
        task = self.world.create(payload, now, call.headers.get("Idempotency-Key"))
        return success({"id": task.id, "state": "new", **payload}, 201)

    def _find(self, call: Call, now: float) -> Answer:
        tasks = self.world.find(query.parse(call.query.get("query", "")), now)
        first, size = _window(call)
        shown = [self.world.json(task, now) for task in tasks[first : first + size]]
        return self._paged(shown, first, size, len(tasks))

    def _audits(self, call: Call, now: float) -> Answer:
        entity_id, action = call.query.get("entityId"), call.query.get("action")
        if not entity_id:
            raise Refused(400, "bad.request", "entityId is missing", "entityId")
        entries = self.world.audits(entity_id, now)
        return self._page(call, [entry for entry in entries if action in (None, "", entry["action"])])

    def _page(self, call: Call, entities: Sequence[dict[str, Any]]) -> Answer:
        first, size = _window(call)
        return self._paged(entities[first : first + size], first, size, len(entities))

    def _paged(self, shown: Sequence[dict[str, Any]], first: int, size: int, total: int) -> Answer:
        page: dict[str, Any] = {"entities": shown, "pageNumber": first // size + 1, "pageSize": size}
        if self.world.scenario.totals:
            page |= {"pageCount": -(-total // size), "total": total}
        return success(page)


def _basic(authorization: str) -> bytes:
    """`client_id:client_secret` from a header, as bytes; empty where there is none that can be read."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        return base64.b64decode(encoded.strip(), validate=True) if scheme.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        return b""


def _window(call: Call) -> tuple[int, int]:
    """The offset of the page's first entity and the size of a page, at most 100; Refused with 400 for odd numbers."""
    number, size = _whole(call, "pageNumber", 1), _whole(call, "pageSize", DEFAULT_PAGE_SIZE)
    if size > MAX_PAGE_SIZE:
        raise Refused(400, "bad.request", f"pageSize is at most {MAX_PAGE_SIZE}", "pageSize")
    return (number - 1) * size, size


def _whole(call: Call, name: str, default: int) -> int:
    text = call.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0):
        raise Refused(400, "bad.request", f"{name} must be a whole number from 1 on", name)
    return int(text)
