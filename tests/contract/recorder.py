"""A recording proxy on loopback between a client and a server: it passes everything on, and keeps what it passed.

Spoils nothing; where the server drops a connection, the client's is dropped too. Websockets and downloads go to the
addresses that the server tells, and so past it.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Self

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from yarl import URL

from tests.contract.definition import Side
from tests.contract.judge import Answered, Asked, Breach, Contract, Pair, judged

HOST = "127.0.0.1"
SHUTDOWN_S = 0.5
# Of one connection and not of the message.
_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "proxy-authorization", "host"}
_LIBRARY = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class Recorder:
    """A running recorder: `async with Recorder(server.api_url) as recorder`. `url` stands for the API and for the log-in."""

    url: str

    def __init__(self, target: str) -> None:
        self._target = target.rstrip("/")
        self.pairs: list[Pair] = []
        self._session: ClientSession
        self._runner: web.ServerRunner

    async def __aenter__(self) -> Self:
        # A connection for each exchange: one that is kept might be repeated by the library when it breaks.
        self._session = ClientSession(
            connector=TCPConnector(force_close=True),
            auto_decompress=False,
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None),
        )
        self._runner = web.ServerRunner(
            web.Server(self._handle, handler_cancellation=True, access_log=None), shutdown_timeout=SHUTDOWN_S
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0, backlog=1024)
        await site.start()
        self.url = f"http://{HOST}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
        await self._session.close()

    def breaches(self, contract: Contract | None = None) -> list[Breach]:
        """What is wrong with all that came by so far."""
        return judged(list(self.pairs), contract)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        path, _, query = request.raw_path.partition("?")
        asked = Asked(request.method, path, query, {name.lower(): each for name, each in request.headers.items()}, body)
        try:
            answered, response = await self._passed_on(request, body)
        except (ClientError, ConnectionError, asyncio.CancelledError) as problem:
            self.pairs.append(Pair(asked))
            if isinstance(problem, asyncio.CancelledError):
                raise
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        self.pairs.append(Pair(asked, answered))
        return response

    async def _passed_on(self, request: web.BaseRequest, body: bytes) -> tuple[Answered, web.Response]:
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP]
        async with self._session.request(
            request.method,
            URL(self._target + request.raw_path, encoded=True),
            headers=headers,
            data=body or None,
            allow_redirects=False,
            skip_auto_headers=_LIBRARY,
        ) as answer:
            content = await answer.read()
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP]
            answered = Answered(answer.status, {name.lower(): value for name, value in kept}, content)
            response = web.Response(status=answer.status, body=content)
            response.headers.clear()
            # Of a HEAD the length is that of the body that it has not.
            response.headers.extend(
                (name, value) for name, value in kept if name.lower() != "content-length" or content
            )
            return answered, response


@asynccontextmanager
async def contracted(target: str) -> AsyncIterator[Recorder]:
    """A recorder before a server; on leaving the block without an error, no breach may have been seen."""
    async with Recorder(target) as recorder:
        yield recorder
        assert_no_breach(recorder)


@contextmanager
def recorded(target: str) -> Iterator[Recorder]:
    """A recorder in a thread of its own, for a test that waits for processes."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="recorder", daemon=True)
    thread.start()
    recorder = Recorder(target)
    try:
        asyncio.run_coroutine_threadsafe(recorder.__aenter__(), loop).result(10)
        yield recorder
        asyncio.run_coroutine_threadsafe(recorder.__aexit__(None, None, None), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def assert_no_breach(recorder: Recorder, *, least: int = 1, sides: Collection[Side] = ("request", "answer")) -> None:
    """Fails with all breaches of these sides in words, each once; also where fewer exchanges came by than must have.

    Where the server is told to spoil its answers, only the side "request" can be asked for.
    """
    assert len(recorder.pairs) >= least, f"{len(recorder.pairs)} exchanges came by, at least {least} should have"
    found = [str(breach) for breach in recorder.breaches() if breach.side in sides]
    assert not found, "\n".join(dict.fromkeys(found))
