"""A tiny server that answers what it is told, and an exchange that talks to it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import pytest
from aiohttp import web

from importer.sandbox.clock import HandClock
from importer.targets.exchange import Credentials, Endpoints, Exchange
from importer.targets.tasks import TasksTarget
from importer.targets.transport import HttpTransport, Timeouts
from tests.flow.conftest import FreePace, TurnedClock

SECRET = "canary-secret-4711"
TOKEN = "canary-token-0815"

Answering = Callable[[web.BaseRequest, bytes], Awaitable[web.StreamResponse]]


@dataclass
class Seen:
    """One request as the server saw it."""

    method: str
    path: str
    query: Mapping[str, str]
    length: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Stand:
    """The server's address, what it saw, and a target that calls it."""

    url: str
    target: TasksTarget
    exchange: Exchange
    clock: TurnedClock
    seen: list[Seen] = field(default_factory=list)

    def calls(self) -> list[Seen]:
        """What came besides log-ins."""
        return [each for each in self.seen if each.path != "/oauth/token"]


class Stands(Protocol):
    """Starts a stand; a call is given up after `patience_s` seconds of real time."""

    def __call__(self, answering: Answering, patience_s: float = ...) -> AbstractAsyncContextManager[Stand]: ...


class ForwardClock(TurnedClock):
    """Whoever sleeps wakes at once, and time has moved on."""

    async def sleep(self, seconds: float) -> None:
        self.hand.advance(max(seconds, 0.0))


async def log_in(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    """Gives a token."""
    return web.json_response({"access_token": TOKEN, "token_type": "bearer", "expires_in": 86399})


PATIENCE_S = 20.0
"""Real time: no answer is taken for lost because the machine is busy."""


@pytest.fixture
def stands() -> Stands:
    """Starts a server that answers as told, and logs everyone in."""

    @asynccontextmanager
    async def started(answering: Answering, patience_s: float = PATIENCE_S) -> AsyncIterator[Stand]:
        seen: list[Seen] = []

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            body = await request.read()
            path = request.path
            seen.append(Seen(request.method, path, request.query, len(request.raw_path), request.headers, body))
            return await (log_in if path == "/oauth/token" else answering)(request, body)

        runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        clock = ForwardClock(HandClock())
        pace = FreePace(clock)
        exchange = Exchange(
            Endpoints(url, url), Credentials("me", SECRET), pace, clock, HttpTransport(Timeouts(patience_s, patience_s))
        )
        target = TasksTarget(exchange)
        try:
            yield Stand(url, target, exchange, clock, seen)
        finally:
            await target.close()
            await runner.cleanup()

    return started
