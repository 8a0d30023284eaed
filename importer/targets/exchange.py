"""Exchange: one HTTP conversation with the target. The only module that touches aiohttp's client: session, pace, token, time-outs."""

import asyncio
import base64
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from importer.core.errors import Forbidden, NotAuthorised, TargetDown
from importer.core.outcomes import Lost, NotDone
from importer.core.policy import Outage
from importer.core.waits import back_off_s, retry_after_s
from importer.ports import Clock, Pace, Slot

log = logging.getLogger(__name__)

ANSWER_CAP = 4 * 1024 * 1024
"""Bytes read of one answer; a larger one is unreadable."""
READ_TRIES = 5
RENEW_BEFORE_S = 30.0
REPEATABLE = frozenset({408, 500, 502, 503, 504})


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


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds."""

    total_s: float = 30.0
    connect_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came: `body` is the parsed JSON, or None where it was none."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def correlation_id(self) -> str | None:
        """The platform's ID of the call, which its support asks for."""
        return self.headers.get("ININ-Correlation-Id")

    @property
    def problem(self) -> str:
        """What the answer says went wrong, in one line of at most 300 characters."""
        if not isinstance(self.body, dict):
            return f"HTTP {self.status}"
        parts = [str(self.body.get("message") or self.body.get("description") or self.body.get("code") or "")]
        errors = self.body.get("errors")
        for error in errors if isinstance(errors, list) else []:
            if isinstance(error, dict) and error.get("message") and str(error["message"]) not in parts[0]:
                parts.append(f"{error.get('field') or ''} {error['message']}".strip())
        return " ".join("; ".join(part for part in parts if part).split())[:300] or f"HTTP {self.status}"


class Exchange:
    """Sends calls under the pace, with one token for all of them.

    Retries reads with back-off; never repeats a POST but after a 401, which proves that it was not done. The mutable
    state is the session, the token with its generation, and two counts of failures in a row.
    """

    def __init__(
        self, endpoints: Endpoints, credentials: Credentials, pace: Pace, clock: Clock, timeouts: Timeouts | None = None
    ) -> None:
        self._endpoints = endpoints
        self._credentials = credentials
        self._pace = pace
        self._clock = clock
        self._timeouts = timeouts or Timeouts()
        self._session: aiohttp.ClientSession | None = None
        self._token = ""
        self._expires = 0.0
        self._renewing = asyncio.Lock()
        self._throttled = 0
        self.scopes: frozenset[str] | None = None  # None: the log-in's answer did not list them
        self.posts = Outage()
        self.reads = Outage()

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # Log-in

    async def log_in(self, scopes: Sequence[str]) -> None:
        """Fetches a token. Raises NotAuthorised for wrong credentials, or where one of `scopes` is known to be missing."""
        await self._renewed("")
        missing = [scope for scope in scopes if self.scopes is not None and scope not in self.scopes]
        if missing:
            raise NotAuthorised(
                f"The OAuth client {self._credentials.client_id} lacks the scope {', '.join(missing)}.",
                "Add it in Genesys Cloud under Admin, Integrations, OAuth, on the client's Scope or Roles page.",
            )

    async def _renewed(self, stale: str) -> str:
        """The token, fetched anew if it is still `stale`: once, however many calls wait for it."""
        async with self._renewing:
            if self._token == stale or self._clock.monotonic() > self._expires:
                await self._fetch_token()
            return self._token

    async def _fetch_token(self) -> None:
        pair = f"{self._credentials.client_id}:{self._credentials.secret}".encode()
        headers = {"Authorization": "Basic " + base64.b64encode(pair).decode()}
        form = {"grant_type": "client_credentials"}
        url = URL(self._endpoints.login + "/oauth/token")
        reply = await self._repeated(lambda: self._once("POST", url, headers, form))
        body = reply.body if isinstance(reply.body, dict) else {}
        if reply.status in (400, 401, 403):
            raise NotAuthorised(
                f"The log-in was refused ({reply.status}: {body.get('error') or reply.problem}).",
                "Check GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and the region.",
            )
        token = body.get("access_token")
        if reply.status != 200 or not isinstance(token, str) or not token:
            raise TargetDown(f"The log-in answered {reply.status} without a token.", "Check the login host.")
        lasts = body.get("expires_in")
        lasts_s = float(lasts) if isinstance(lasts, int | float) and not isinstance(lasts, bool) else 3600.0
        self._token = token
        self._expires = self._clock.monotonic() + max(lasts_s - RENEW_BEFORE_S, lasts_s / 2)
        scope = body.get("scope")
        self.scopes = frozenset(scope.split()) if isinstance(scope, str) and scope.strip() else None
        log.info("logged in", extra={"scopes": sorted(self.scopes or ())})

    # Reads

    async def get(self, path: str, *, needs: str) -> Reply:
        """A GET, repeated with back-off while the service has trouble; `path` is already encoded.

        Returns any final answer. Raises NotAuthorised for a second 401, and for a 403, naming the scope `needs`;
        TargetDown when the service stays in trouble.
        """
        url = URL(self._endpoints.api + path, encoded=True)
        reply = await self._repeated(lambda: self._authorised("GET", url, {}, None))
        if reply.status == 403:
            raise denied(reply, needs)
        return reply

    async def _repeated(self, call: Callable[[], Awaitable[Reply | Lost | NotDone | None]]) -> Reply:
        failures = 0
        while True:
            reply = await call()
            if isinstance(reply, Reply) and reply.status == 429:
                continue  # the gate makes the next one wait
            if (
                isinstance(reply, Reply)
                and reply.status not in REPEATABLE
                and (isinstance(reply.body, dict) or reply.status >= 400)
            ):
                self.reads.answered()
                return reply
            failures += 1
            problem = reply.problem if reply is not None else ""
            self.reads.failed(problem)
            if failures >= READ_TRIES or self.reads.is_on:
                raise TargetDown(
                    f"The service is unavailable: {problem}.", "Try again later; importer resume carries on."
                )
            hinted = self._hint(reply) if isinstance(reply, Reply) else None
            await self._clock.sleep(hinted if hinted is not None else back_off_s(failures))

    # Writes

    async def post(
        self, path: str, body: str, headers: Mapping[str, str], claim: Callable[[], Awaitable[bool]]
    ) -> Reply | Lost | NotDone | None:
        """One POST of a JSON text. `claim` runs when the slot is granted; None where it said no, and nothing was sent.

        Never repeats what may have been done. Raises NotAuthorised for a second 401.
        """
        url = URL(self._endpoints.api + path, encoded=True)
        sent = {"Content-Type": "application/json", **headers}
        reply = await self._authorised("POST", url, sent, body.encode(), claim)
        if isinstance(reply, Lost) or (isinstance(reply, Reply) and reply.status in REPEATABLE):
            self.posts.failed(reply.problem)
        elif isinstance(reply, NotDone):
            self.posts.failed(reply.problem)
            return NotDone(reply.problem, back_off_s(self.posts.failures))
        elif reply is not None:
            self.posts.answered()
        return reply

    # One call

    async def _authorised(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: Any,
        claim: Callable[[], Awaitable[bool]] | None = None,
    ) -> Reply | Lost | NotDone | None:
        for last in (False, True):
            token = await self._renewed("")
            reply = await self._once(method, url, {**headers, "Authorization": f"Bearer {token}"}, body, claim)
            if not isinstance(reply, Reply) or reply.status != 401:
                return reply
            if last:
                raise NotAuthorised(
                    f"The target refused a token that was just renewed (401: {reply.problem}).",
                    "Check the OAuth client in Genesys Cloud: it may have been deleted or disabled.",
                )
            claim = None  # the row is claimed already; 401 means that nothing was done
            await self._renewed(token)
        raise AssertionError

    async def _once(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: Any,
        claim: Callable[[], Awaitable[bool]] | None = None,
    ) -> Reply | Lost | NotDone | None:
        """One request under the pace. What a failure proves decides between Lost and NotDone."""
        async with self._pace.slot() as slot:
            if claim is not None and not await self._claimed(claim, slot):
                return None
            try:
                async with asyncio.timeout(self._timeouts.total_s + self._timeouts.connect_s):
                    reply = await self._sent(method, url, headers, body)
            except aiohttp.ClientSSLError as problem:
                raise TargetDown(f"The server's certificate is not trusted: {problem}.", "Check the host.") from problem
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as problem:
                return NotDone(f"no connection to {url.host}: {_words(problem)}")
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
                return Lost(f"the answer was lost: {_words(problem)}")
        self._heed(reply)
        return reply

    async def _claimed(self, claim: Callable[[], Awaitable[bool]], slot: Slot) -> bool:
        claimed = False
        try:
            claimed = await claim()
        finally:
            if not claimed:
                slot.unused()
        return claimed

    async def _sent(self, method: str, url: URL, headers: Mapping[str, str], body: Any) -> Reply:
        session = self._opened()
        async with session.request(method, url, headers=headers, data=body, allow_redirects=False) as response:
            data = await _capped(response)
            return Reply(response.status, _json(data), response.headers)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._timeouts.total_s, sock_connect=self._timeouts.connect_s)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=10.0),
                timeout=timeout,
                headers={
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                    "User-Agent": "genesys-task-importer",
                },
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session

    def _heed(self, reply: Reply) -> None:
        """Slows everyone down where the answer says so. Raises TargetDown for a wait that is too long to sit out."""
        if reply.status == 429:
            self._throttled += 1
            hinted = self._hint(reply)
            wait_s = hinted if hinted is not None else back_off_s(self._throttled, first_s=1.0)
            log.warning("throttled", extra={"wait_s": round(wait_s, 2)})
            self._pace.throttled(wait_s)
            return
        self._throttled = 0
        numbers = [_number(reply.headers.get(f"inin-ratelimit-{name}")) for name in ("allowed", "count", "reset")]
        if all(number is not None for number in numbers):
            allowed, count, reset = (number or 0 for number in numbers)
            self._pace.told(allowed, count, float(reset))

    @staticmethod
    def _hint(reply: Reply) -> float | None:
        return retry_after_s(reply.headers.get("Retry-After"), reply.headers.get("Date"))


def denied(reply: Reply, needs: str) -> Forbidden:
    """What a 403 means."""
    return Forbidden(
        f"The target refuses this call (403: {reply.problem}); it needs the scope {needs}.",
        f"Add {needs} to the OAuth client in Genesys Cloud, then run importer resume.",
    )


async def _capped(response: aiohttp.ClientResponse) -> bytes:
    """The body. Raises ValueError beyond ANSWER_CAP."""
    data = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        data += chunk
        if len(data) > ANSWER_CAP:
            raise ValueError(f"the answer is larger than {ANSWER_CAP} bytes")
    return bytes(data)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None


def _words(problem: BaseException) -> str:
    """An exception in words: time-outs have none of their own."""
    if isinstance(problem, TimeoutError):
        return "time-out"
    return str(problem)[:200] or type(problem).__name__
