"""Transport: one HTTP request and what its failure proves. The only module that touches aiohttp's client."""

import asyncio
import base64
import json
import math
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from importer.core.errors import TargetDown
from importer.core.outcomes import TIME_OUT, Lost, NotDone
from importer.core.unseen import BROKEN

ANSWER_CAP = 4 * 1024 * 1024
"""Bytes read of one answer; a larger one is unreadable."""
DEPTH_MOST = 64
"""Levels of lists and objects in an answer; what is deeper could not be written again."""
ID_MOST = 100
CLOSE_S = 1.0
"""So long the other side of a websocket may take to agree that it is closed."""
SECRET_LEAST = 6
"""Characters of a secret that is taken out of answers; shorter ones are parts of words."""
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds."""

    total_s: float = 30.0
    connect_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent. `url` is encoded already."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: Any = None  # bytes, or a form's fields


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came: `body` is the parsed JSON, or None where it was none."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def correlation_id(self) -> str | None:
        """The platform's ID of the call, which its support asks for; at most ID_MOST characters that can be written."""
        found = self.headers.get("ININ-Correlation-Id")
        return None if found is None else _writable(found[:ID_MOST])

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

    @property
    def cause(self) -> str:
        """Why the answer refuses, without any value of a row: status, code, and the fields that it names."""
        body = self.body if isinstance(self.body, dict) else {}
        errors = body.get("errors")
        fields = (
            {str(each.get("field")) for each in errors if isinstance(each, dict)} if isinstance(errors, list) else ()
        )
        return " ".join([str(self.status), str(body.get("code") or "")[:80], *sorted(fields)[:5]]).strip()


class Transport(Protocol):
    """Sends requests one by one; never repeats one."""

    async def send(self, request: Request) -> Reply | Lost | NotDone:
        """The answer, or what its lack proves: NotDone where no byte can have arrived, else Lost.

        Raises TargetDown for a server that is not trusted.
        """
        ...

    async def close(self) -> None:
        """Closes the connections."""
        ...


def trusting(ca_file: Path | None = None) -> ssl.SSLContext:
    """Certificates and host names are verified, always; TLS 1.2 at least. With `ca_file`, its authorities alone are trusted.

    Not `ssl.create_default_context`: that one writes the session's keys into a file where SSLKEYLOGFILE is set. Raises
    OSError (SSLError is one) for a file that cannot be read or holds no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=ca_file)
    return context


class Socket:
    """A websocket that is open."""

    def __init__(self, socket: "aiohttp.ClientWebSocketResponse[bool]") -> None:
        self._socket = socket

    async def messages(self) -> AsyncIterator[Any]:
        """What is said, as JSON values (None for what is none), until the websocket is closed or lost."""
        while (message := await self._socket.receive()).type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            yield json_of(message.data.encode() if isinstance(message.data, str) else b"")

    async def say(self, text: str) -> None:
        """Sends a text, or nothing where the websocket was lost: `messages` ends then."""
        with suppress(ConnectionError):
            await self._socket.send_str(text)

    async def close(self) -> None:
        """Closes it; may be repeated."""
        await self._socket.close()


class HttpTransport:
    """See Transport. The mutable state is the session, opened by the first request; `timeouts` may change between calls."""

    def __init__(
        self,
        timeouts: Timeouts | None = None,
        trust: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """`resolver` finds addresses; None: the system's."""
        self.timeouts = timeouts or Timeouts()
        self._trust = trust
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, request: Request) -> Reply | Lost | NotDone:
        try:
            async with asyncio.timeout(self.timeouts.total_s + self.timeouts.connect_s):
                return await self._sent(request)
        except aiohttp.ClientSSLError as problem:
            raise TargetDown(
                f"There is no trusted connection to {request.url.host}, so nothing was sent: {_words(problem)}.",
                "Check the host and this machine's clock; for an authority of your own set IMPORTER_CA_FILE. "
                "importer resume carries on.",
            ) from problem
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as problem:
            return NotDone(f"no connection to {request.url.host}: {_words(problem)}")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
            return Lost(f"the answer was lost: {_words(problem)}", timed_out=isinstance(problem, TimeoutError))

    async def connect(self, url: URL) -> Socket | NotDone:
        """A websocket, trusted like any other connection; it carries no credentials and follows no redirect."""
        try:
            async with asyncio.timeout(self.timeouts.total_s + self.timeouts.connect_s):
                return Socket(
                    await self._opened().ws_connect(
                        url, timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S), max_msg_size=ANSWER_CAP
                    )
                )
        except aiohttp.ClientResponseError as problem:  # its words would tell the URL, which is the right to listen
            return NotDone(f"no websocket at {url.host}: HTTP {problem.status}")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
            return NotDone(f"no websocket at {url.host}: {_words(problem)}")

    async def _sent(self, request: Request) -> Reply:
        session = self._opened()
        async with session.request(
            request.method, request.url, headers=request.headers, data=request.body, allow_redirects=False
        ) as response:
            data = _without(await _capped(response), request.headers)
            return Reply(response.status, json_of(data), response.headers)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A connection of its own for each request: on one that was used before, bytes that came late or twice (a repeated
            # answer) would pass for the answer to the next request, and a POST could meet a connection that was just closed.
            connector = aiohttp.TCPConnector(
                limit=0, force_close=True, ssl=self._trust or True, resolver=self._resolver
            )
            timeout = aiohttp.ClientTimeout(total=self.timeouts.total_s, sock_connect=self.timeouts.connect_s)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                headers={
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                    "User-Agent": "genesys-task-importer",
                },
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=[_no_redirects()],
                trust_env=False,
            )
        return self._session


def _no_redirects() -> aiohttp.TraceConfig:
    """No request is redirected; a websocket's has no other way to say so."""

    async def refused(*_: object) -> None:
        raise ValueError("it was redirected")

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(refused)
    return trace


async def _capped(response: aiohttp.ClientResponse) -> bytes:
    """The body. Raises ValueError beyond ANSWER_CAP."""
    data = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        data += chunk
        if len(data) > ANSWER_CAP:
            raise ValueError(f"the answer is larger than {ANSWER_CAP} bytes")
    return bytes(data)


def _without(data: bytes, headers: Mapping[str, str]) -> bytes:
    """The body without the credentials of its own request: some servers and proxies repeat headers in what they say of an error."""
    _, _, sent = headers.get("Authorization", "").partition(" ")
    words = [sent.encode(errors="replace")]
    with suppress(ValueError):
        words.append(base64.b64decode(sent, validate=True).partition(b":")[2])
    escaped = [json.dumps(word.decode(errors="surrogateescape"))[1:-1].encode() for word in words]
    for word in (*words, *escaped):
        if len(word) >= SECRET_LEAST:
            data = data.replace(word, b"***")
    return data


def json_of(data: bytes) -> Any:
    """The JSON value of a body; None where it is none, or none that can be passed on.

    Stricter than the standard parser: no NaN, no number beyond a float, at most DEPTH_MOST levels. Half a surrogate
    pair, which no file or ledger can hold, becomes `?`.
    """
    try:
        value = json.loads(data, parse_constant=_no_number, parse_float=_finite)
        if _HALF.search(data):
            value = json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    return value if _is_flat(value) else None


def _no_number(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is too large")
    return number


def _is_flat(value: Any) -> bool:
    level = [value]
    for _ in range(DEPTH_MOST):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return True
    return False


def _words(problem: BaseException) -> str:
    """An exception in words: time-outs have none of their own."""
    if isinstance(problem, TimeoutError):
        return TIME_OUT
    return _writable(str(problem)[:200]) or type(problem).__name__


def _writable(text: str) -> str:
    """A header, or what quotes one: bytes that are no UTF-8 came as halves of surrogate pairs, which no ledger can hold."""
    return BROKEN.sub("?", text)
