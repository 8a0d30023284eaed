"""Exchange: the conversation with the target: token, pace, what is repeated and what never is. Touches no socket."""

import asyncio
import base64
import logging
import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from multidict import MultiMapping
from yarl import URL

from importer.core.breaker import OUTAGE_LIMIT
from importer.core.budget import REPEAT_COSTS, THROTTLE_COSTS, TIME_OUT_COSTS, RetryBudget
from importer.core.errors import BudgetSpent, Forbidden, LongWait, NotAuthorised, TargetDown, Unavailable
from importer.core.outcomes import Lost, NotDone
from importer.core.waits import back_off_s, retry_after_s
from importer.ports import Clock, Pace, Slot
from importer.targets.transport import Reply, Request, Transport

log = logging.getLogger(__name__)

READ_TRIES = 5
RENEW_BEFORE_S = 30.0
LASTS_MOST_S = 1e9
ASIDE_MOST_S = 60.0
"""So long the answer to a call aside may hold all calls; a longer wait is about such calls alone."""
REPEATABLE = frozenset({408, 500, 502, 503, 504})
RETRY_IN = re.compile(r"\bin \[([0-9]{1,6})\] seconds")  # not the window of "within [60] seconds"
NO_CONTENT = 204
HOLDING = frozenset({429, 503})
"""Statuses whose Retry-After holds all calls."""

Claiming = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Whole base URLs without a slash at the end."""

    api: str
    login: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """OAuth client credentials. The secret is in no repr."""

    client_id: str
    secret: str = field(repr=False)


class Exchange:
    """Sends calls under the pace, with one token for all of them.

    Retries reads with back-off, as far as the run's budget goes; never repeats a POST but after a 401, which proves that it was
    not done. The mutable state is the token with its expiry and number, the budget, and counts of failures and throttlings in a row.
    """

    def __init__(
        self, endpoints: Endpoints, credentials: Credentials, pace: Pace, clock: Clock, transport: Transport
    ) -> None:
        self.endpoints = endpoints
        self._credentials = credentials
        self._pace = pace
        self._clock = clock
        self._transport = transport
        self._token = ""
        self._log_ins = 0
        self._expires = 0.0
        self._renewing = asyncio.Lock()
        self._throttled = 0
        self._unconnected = 0
        self._unread = 0
        self.scopes: frozenset[str] | None = None  # None: the log-in's answer did not list them
        self.lasts_s: float | None = None  # the token's lifetime, where the log-in's answer told it
        self.budget = RetryBudget()

    def beside(self) -> "Exchange":
        """Another conversation with the same target under the same pace: its own log-in, budget and counts. Closed with this one."""
        return Exchange(self.endpoints, self._credentials, self._pace, self._clock, self._transport)

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.close()

    # Log-in

    async def log_in(self, scopes: Sequence[str]) -> None:
        """Fetches a token. Raises NotAuthorised for wrong credentials, or where one of `scopes` is known to be missing."""
        await self._renewed()
        missing = [scope for scope in scopes if self.scopes is not None and scope not in self.scopes]
        if missing:
            raise NotAuthorised(
                f"The OAuth client {self._credentials.client_id} lacks the scope {', '.join(missing)}.",
                "Add it in Genesys Cloud under Admin, Integrations, OAuth, on the client's Scope or Roles page.",
            )

    async def _renewed(self, stale: int = 0) -> tuple[str, int]:
        """The token and the number of its log-in; fetched anew if it is still that of log-in `stale`.

        Once, however many calls wait for it, also where the server gives the same text again.
        """
        async with self._renewing:
            if self._log_ins == stale or self._clock.monotonic() > self._expires:
                await self._fetch_token()
            return self._token, self._log_ins

    async def _fetch_token(self) -> None:
        pair = f"{self._credentials.client_id}:{self._credentials.secret}".encode(errors="surrogateescape")
        headers = {"Authorization": "Basic " + base64.b64encode(pair).decode()}
        form = {"grant_type": "client_credentials"}
        request = Request("POST", URL(self.endpoints.login + "/oauth/token"), headers, form)
        reply = await self._repeated(lambda: self._once(request))
        body = reply.body if isinstance(reply.body, dict) else {}
        if reply.status in (400, 401, 403):
            raise NotAuthorised(f"The log-in was refused ({_told(reply)}).", _log_in_fix(reply))
        token = body.get("access_token")
        if (
            reply.status != 200
            or not isinstance(token, str)
            or not token
            or not (token.isascii() and token.isprintable())
        ):
            raise TargetDown(f"The log-in answered {reply.status} without a token.", "Check the login host.")
        lasts = body.get("expires_in")
        told = lasts if isinstance(lasts, int | float) and not isinstance(lasts, bool) else None
        lasts_s = 3600.0 if told is None else float(max(min(told, LASTS_MOST_S), -LASTS_MOST_S))
        self._token = token
        self.lasts_s = None if told is None else lasts_s
        self._log_ins += 1
        self._expires = self._clock.monotonic() + max(lasts_s - RENEW_BEFORE_S, lasts_s / 2)
        scope = body.get("scope")
        self.scopes = frozenset(scope.split()) if isinstance(scope, str) and scope.strip() else None
        log.info("logged in", extra={"scopes": sorted(self.scopes or ())})

    # Reads

    async def get(self, path: str, *, needs: str) -> Reply:
        """A GET, repeated with back-off while the service has trouble; `path` is already encoded.

        Returns any final answer. Raises NotAuthorised for a second 401, and Forbidden for a 403, naming the scope or permission
        `needs`; where that is blank, a 403 is returned like any answer. Raises Unavailable when the service stays in trouble, BudgetSpent when too much was repeated already.
        """
        return await self._answered(self._read(path), needs)

    async def ask(self, path: str, body: str, *, needs: str) -> Reply:
        """A POST of a JSON text that only reads, such as a query, or that makes what does nothing, such as an idle job.

        It may be repeated, so it is treated like `get`; never for what makes a task or changes one. Returns and raises as `get`.
        """
        headers = {"Content-Type": "application/json"}
        url = URL(self.endpoints.api + path, encoded=True)
        return await self._answered(Request("POST", url, headers, body.encode()), needs)

    async def _answered(self, request: Request, needs: str) -> Reply:
        reply = await self._repeated(lambda: self._authorised(request))
        if reply.status == 403 and needs:
            raise denied(reply, needs)
        return reply

    async def fetch(self, url: str) -> Reply:
        """A GET of a whole, encoded URL elsewhere, which gets no token; repeated like `get`. The caller has judged the host."""
        request = Request("GET", URL(url, encoded=True), {})
        return await self._repeated(lambda: self._once(request))

    async def probe(self, path: str) -> bool:
        """One GET, not repeated: whether the service is at work. Raises NotAuthorised, LongWait."""
        try:
            reply = await self._authorised(self._read(path))
        except Unavailable:  # of the log-in
            return False
        return isinstance(reply, Reply) and reply.status not in (*REPEATABLE, 429) and isinstance(reply.body, dict)

    def _read(self, path: str) -> Request:
        return Request("GET", URL(self.endpoints.api + path, encoded=True), {})

    async def _repeated(self, call: Callable[[], Awaitable[Reply | Lost | NotDone | None]]) -> Reply:
        failures = paid = 0
        while True:
            reply = await call()
            if isinstance(reply, Reply) and reply.status == 429:
                paid = self._pay("429", THROTTLE_COSTS)  # the gate makes the next one wait
                continue
            if isinstance(reply, Reply) and _is_final(reply):
                self._unread = 0
                if paid:  # a read that succeeds at once says nothing of whether rows can be created
                    self.budget.succeeded(paid)
                return reply
            failures += 1
            self._unread += 1
            problem = reply.problem if reply is not None else ""
            if failures >= READ_TRIES or self._unread >= OUTAGE_LIMIT:
                self._unread = 0
                raise Unavailable(
                    f"The service is unavailable: {problem}.", "Try again later; importer resume carries on."
                )
            paid = self._pay(problem, TIME_OUT_COSTS if isinstance(reply, Lost) and reply.timed_out else REPEAT_COSTS)
            await self._clock.sleep(back_off_s(failures))

    def _pay(self, problem: str, cost: int) -> int:
        paid = self.budget.take(cost)
        if not paid:
            raise BudgetSpent(problem)
        return paid

    # Writes

    async def post(
        self, path: str, body: str, headers: Mapping[str, str], claim: Claiming
    ) -> Reply | Lost | NotDone | None:
        """One POST of a JSON text. `claim` runs when the slot is granted; None where it said no, and nothing was sent.

        Never repeats what may have been done. Raises NotAuthorised for a second 401.
        """
        url = URL(self.endpoints.api + path, encoded=True)
        request = Request("POST", url, {"Content-Type": "application/json", **headers}, body.encode())
        reply = await self._authorised(request, claim)
        if isinstance(reply, NotDone):
            self._unconnected += 1
            return replace(reply, wait_s=back_off_s(self._unconnected))
        self._unconnected = 0
        return reply

    async def change(
        self, method: str, path: str, body: str, *, needs: str, claim: Claiming | None = None
    ) -> Reply | None:
        """A PATCH, DELETE or POST that does no harm when it is done twice; repeated like `get`.

        `claim` is asked before each try, when the slot is granted; None where it said no. Returns and raises as `get`.
        """
        headers = {"Content-Type": "application/json"} if body else {}
        url = URL(self.endpoints.api + path, encoded=True)
        request = Request(method, url, headers, body.encode() if body else None)
        unclaimed: list[bool] = []

        async def call() -> Reply | Lost | NotDone | None:
            reply = await self._authorised(request, claim)
            if reply is not None:
                return reply
            unclaimed.append(True)
            return Reply(204, None, {})

        reply = await self._repeated(call)
        if unclaimed:
            return None
        if reply.status == 403:
            raise denied(reply, needs)
        return reply

    async def aside(self, method: str, path: str, body: str = "") -> Reply | Lost | NotDone:
        """A call that a run can do without: not repeated, paid from no budget. Raises NotAuthorised for a second 401, TargetDown."""
        headers = {"Content-Type": "application/json"} if body else {}
        request = Request(method, URL(self.endpoints.api + path, encoded=True), headers, body.encode() or None)
        reply = await self._authorised(request, most_s=ASIDE_MOST_S)
        assert reply is not None  # nothing was claimed
        return reply

    # One call

    async def _authorised(
        self, request: Request, claim: Claiming | None = None, most_s: float = math.inf
    ) -> Reply | Lost | NotDone | None:
        for last in (False, True):
            token, log_in = await self._renewed()
            headers = {**request.headers, "Authorization": f"Bearer {token}"}
            reply = await self._once(replace(request, headers=headers), claim, most_s)
            if not isinstance(reply, Reply) or reply.status != 401:
                return reply
            if last:
                raise NotAuthorised(
                    f"The target refused a token that was just renewed (401: {reply.problem}).",
                    "Check the OAuth client in Genesys Cloud: it may have been deleted or disabled.",
                )
            await self._renewed(
                log_in
            )  # 401 means that nothing was done; `claim` is asked again before the second call
        raise AssertionError

    async def _once(
        self, request: Request, claim: Claiming | None = None, most_s: float = math.inf
    ) -> Reply | Lost | NotDone | None:
        """One request under the pace; its answer may hold all calls, for at most so many seconds."""
        async with self._pace.slot() as slot:
            if claim is not None and not await self._claimed(claim, slot):
                return None
            reply = await self._transport.send(request)
        if isinstance(reply, Reply):
            reply = _as_throttled(reply)
            self._heed(reply, most_s)
        return reply

    async def _claimed(self, claim: Claiming, slot: Slot) -> bool:
        claimed = False
        try:
            claimed = await claim()
        finally:
            if not claimed:
                slot.unused()
        return claimed

    def _heed(self, reply: Reply, most_s: float) -> None:
        """Slows everyone down where the answer says so. Raises LongWait for a wait that is too long to sit out."""
        hinted = _hinted_s(reply.headers)
        if hinted is None and reply.status == 429:
            hinted = _told_s(reply.body)
        if reply.status == 429:
            self._throttled += 1
            wait_s = min(hinted if hinted is not None else back_off_s(self._throttled, first_s=1.0), most_s)
            log.warning("throttled", extra={"wait_s": round(wait_s, 2)})
            self._pace.throttled(wait_s)
            return
        self._throttled = 0
        if reply.status in HOLDING and hinted is not None:
            log.warning("told to wait", extra={"wait_s": round(hinted, 2), "status": reply.status})
            with suppress(LongWait):  # this answer still has to be told; the next call meets the closed gate
                self._pace.throttled(min(hinted, most_s))
        numbers = [_number(reply.headers.get(f"inin-ratelimit-{name}")) for name in ("allowed", "count", "reset")]
        if all(number is not None for number in numbers):
            allowed, count, reset = (number or 0 for number in numbers)
            self._pace.told(allowed, count, float(reset))


def _hinted_s(headers: Mapping[str, str]) -> float | None:
    """What Retry-After asks for. Of several such headers (a gateway adds its own) the longest counts: early by none."""
    told: list[str] = headers.getall("Retry-After", []) if isinstance(headers, MultiMapping) else []
    hints = [retry_after_s(each, headers.get("Date")) for each in told or [headers.get("Retry-After", "")]]
    return max((each for each in hints if each is not None), default=None)


def _told_s(body: object) -> float | None:
    """What the words of a 429 ask for where the header is missing: "Retry the request in [3] seconds"."""
    message = body.get("message") if isinstance(body, dict) else None
    found = RETRY_IN.search(message) if isinstance(message, str) else None
    return float(found[1]) if found else None


def _is_final(reply: Reply) -> bool:
    told = isinstance(reply.body, dict) or reply.status >= 400 or reply.status == NO_CONTENT
    return told and reply.status not in REPEATABLE


def _as_throttled(reply: Reply) -> Reply:
    """A 429 for what the log-in host answers to too many log-ins: a 400 that says so."""
    body = reply.body if reply.status == 400 and isinstance(reply.body, dict) else {}
    limited = str(body.get("error_description") or "").startswith("rate limit exceeded")
    return replace(reply, status=429) if body.get("error") == "invalid_request" and limited else reply


def _told(reply: Reply) -> str:
    """What a log-in host says: its bodies have `error` and `error_description` where the API's have `code` and `message`."""
    body = reply.body if isinstance(reply.body, dict) else {}
    words = [str(body[name]) for name in ("error", "error_description") if body.get(name)]
    return f"{reply.status}: {' '.join(', '.join(words).split())[:300] or reply.problem}"


def _log_in_fix(reply: Reply) -> str:
    """The platform answers 400 to a client that it does not know and 401 to a wrong secret."""
    error = reply.body.get("error") if isinstance(reply.body, dict) else None
    if error == "invalid_client" and reply.status == 400:
        return "Check GENESYS_CLIENT_ID, and the region: a client is known in one region alone."
    if error == "invalid_client" and reply.status == 401:
        return "Check GENESYS_CLIENT_SECRET and that it belongs to GENESYS_CLIENT_ID, and the region."
    return "Check GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and the region."


def denied(reply: Reply, needs: str) -> Forbidden:
    """What a 403 means. `needs` is a scope (`task:view`), a permission of a role (`workitems:workitem:view`), or a blank where the
    platform names none.
    """
    code = str(reply.body.get("code") or "") if isinstance(reply.body, dict) else ""
    if not needs:
        fix = "Ask for the permission in Genesys Cloud, or leave out what needs this list; importer doctor tells more."
        return Forbidden(f"The target refuses this call (403: {reply.problem}).", fix, code)
    is_permission = needs.count(":") > 1
    kind = "permission" if is_permission else "scope"
    place = "a role of the OAuth client, for the divisions of these rows," if is_permission else "the OAuth client"
    return Forbidden(
        f"The target refuses this call (403: {reply.problem}); it needs the {kind} {needs}.",
        f"Add {needs} to {place} in Genesys Cloud, then run importer resume.",
        code,
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None
