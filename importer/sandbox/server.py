"""The sandbox on a socket: 127.0.0.1 only, as a context manager for tests and as a process of its own."""

import asyncio
import json
import os
import secrets
import signal
import socket
import struct
import sys
import threading
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from importer.sandbox.answers import Answer, error
from importer.sandbox.api import Credentials
from importer.sandbox.clock import Clock, WallClock
from importer.sandbox.control import control
from importer.sandbox.journal import Journal
from importer.sandbox.scenario import Fault, QueueStatus, Scenario, ScenarioError, load
from importer.sandbox.service import Service, Visit
from importer.sandbox.workitems import audits, websocket
from importer.sandbox.world import Identity, World
from importer.sandbox.worldfile import WorldFile, WorldFileError, restore

HOST = "127.0.0.1"
SHUTDOWN_S = 0.5


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """How to start a sandbox process; `port` 0 takes a free one, `scenario` is a file or a built-in name."""

    port: int = 0
    seed: int | None = None
    scenario: str | None = None
    world: Path | None = None
    journal: Path | None = None
    until_stdin_closes: bool = False


class Sandbox:
    """A running sandbox: `async with Sandbox(...) as sandbox`. Leaving the block closes socket and world file.

    Raises WorldFileError on entry if the world file cannot be used, OSError if the port is taken. From entry on
    `api_url` and `login_url` (without a slash at the end), `client_id`, `client_secret`, `world` and `service` can be
    read.
    """

    world: World
    service: Service
    client_id: str
    client_secret: str
    api_url: str
    login_url: str

    def __init__(
        self,
        scenario: Scenario | None = None,
        *,
        seed: int | None = None,
        clock: Clock | None = None,
        world: Path | None = None,
        journal: Path | None = None,
        port: int = 0,
        client_id: str | None = None,
        client_secret: str | None = None,
    ) -> None:
        self._scenario = scenario or Scenario()
        self._seed = seed
        self._path = world
        self._journal = journal
        self._port = port
        self._given = client_id, client_secret
        self.clock: Clock = clock or WallClock()
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            # What opens is closed again if a later step of the start fails.
            self.world = self._world(stack)
            self.client_id = self._given[0] or self.world.identity.client_id
            self.world.identity = replace(self.world.identity, client_id=self.client_id)
            self.client_secret = self._given[1] or secrets.token_urlsafe(24)
            self.service = Service(self.world, Credentials(self.client_id, self.client_secret), self.clock)
            if self._journal is not None:
                self.service.noted_by(stack.enter_context(Journal(self._journal)).note)
            await self._listen(stack)
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    # Verbs for the world

    def tokens_expire(self) -> None:
        """Every token given out so far is invalid from now on."""
        self.service.api.expire_tokens()

    def queue_turns(self, name: str, status: QueueStatus) -> None:
        """The queue of this name is open, closed or in transition from now on."""
        self.world.turn_queue(name, status)

    def breaks(self, *rules: Fault) -> None:
        """These faults replace all earlier ones; their counts start at 1."""
        self.service.set_faults(rules)

    def change(self, **settings: Any) -> None:
        """Change settings by their names in a scenario; raises ScenarioError."""
        self.service.change(settings)

    def journal(self) -> dict[str, Any]:
        """What `GET /sandbox/journal` answers."""
        return self.service.journal()

    # The socket

    def _world(self, stack: AsyncExitStack) -> World:
        if self._path is None:
            return World(Identity.seeded(self._seed), self._scenario)
        file = stack.enter_context(WorldFile(self._path))
        return restore(file, self._seed, self._scenario, self.clock)

    async def _listen(self, stack: AsyncExitStack) -> None:
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, HOST, self._port, backlog=1024).start()
        # Downloads are elsewhere, so that a client can be seen to tell the two hosts apart.
        await web.TCPSite(runner, HOST, 0).start()
        api, downloads = (f"http://{HOST}:{address[1]}" for address in runner.addresses)
        self.api_url = self.login_url = api
        self.service.platform.audits.downloads_at = downloads

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith("/sandbox/"):
            answer = control(self.service, request.method, request.path, await request.read())
            return self._response(answer, answer.headers)
        if request.path.startswith(websocket.PATH):
            return await websocket.converse(self.service.platform, self.clock, request)
        if request.path.startswith(audits.DOWNLOADS):
            answer = audits.download(self.service.platform, request.path, request.headers)
            return self._response(answer, answer.headers)
        visit, answer_now = self.service.arrive(request.method, request.path)
        try:
            answer = answer_now or await self._process(request, visit)
        except (asyncio.CancelledError, ConnectionError, web.PayloadAccessError):
            self.service.lost(visit)  # the client left, or sent half a call
            raise
        if visit.fault is not None and visit.fault.kind.startswith("reset_"):
            _reset(request)
            self.service.lost(visit)
            return web.Response()
        return await self._handed_over(request, visit, answer)

    async def _handed_over(self, request: web.BaseRequest, visit: Visit, answer: Answer) -> web.StreamResponse:
        """Hands the answer to the socket here, not in the library's epilogue, so that the journal knows whether it was."""
        response = self._response(answer, self.service.depart(visit, answer))
        if visit.fault is not None and visit.fault.kind == "short":
            response.force_close()
        before = self.clock.monotonic()
        sent = False
        try:
            await response.prepare(request)
            await response.write_eof()
            sent = True
        except ConnectionError:
            pass  # the library meets it again and closes the connection
        finally:
            self.service.answered(visit, before, response.headers.get("Retry-After"), sent=sent)
        return response

    async def _process(self, request: web.BaseRequest, visit: Visit) -> Answer:
        """Read and carry out a call. A hang ends early, by cancellation, with the sandbox or when the client leaves."""
        try:
            if self.service.faults.needs_row(visit.operation):
                self.service.read(visit, await request.read())
            kind = visit.fault.kind if visit.fault else ""
            if kind == "reset_before":
                return error(500)
            if visit.fault and kind == "hang":
                await self.clock.sleep(visit.fault.seconds)
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return error(413)
        if not self.service.faults.needs_row(visit.operation):
            self.service.read(visit, body)
        if kind == "reset_late":
            self.service.postpone(visit, request.query, request.headers, body)
            return error(500)
        answer = self.service.process(visit, request.query, request.headers, body)
        if visit.fault and kind == "hang_after":
            await self.clock.sleep(visit.fault.seconds)
        return answer

    def _response(self, answer: Answer, headers: dict[str, str]) -> web.Response:
        dated = {**headers, "Date": formatdate(self.clock.now(), usegmt=True), "Server": "sandbox"}
        return web.Response(status=answer.status, body=answer.body, headers=dated)


def serve(options: SandboxOptions) -> int:
    """Run a sandbox until SIGTERM, SIGINT or (if asked for) the end of stdin; gives the exit code.

    Prints one JSON line on stdout when it takes calls. Trouble at the start is told on stderr, with exit code 2.
    """
    try:
        scenario = load(options.scenario) if options.scenario else Scenario()
        return asyncio.run(_run(options, scenario))
    except (ScenarioError, WorldFileError, OSError, OverflowError) as problem:
        print(f"sandbox: {problem}", file=sys.stderr)  # noqa: T201 - the door of a process
        return 2


async def _run(options: SandboxOptions, scenario: Scenario) -> int:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    if options.until_stdin_closes:
        _stop_at_end_of_stdin(stop)
    client_id, secret = _given("CLIENT_ID"), _given("CLIENT_SECRET")
    async with Sandbox(
        scenario,
        seed=options.seed,
        world=options.world,
        journal=options.journal,
        port=options.port,
        client_id=client_id,
        client_secret=secret,
    ) as sandbox:
        print(json.dumps(_greeting(sandbox)), flush=True)  # noqa: T201 - the line that the starter waits for
        await stop.wait()
    return 0


def _given(name: str) -> str | None:
    return os.environ.get(f"GENESYS_{name}") or os.environ.get(f"SANDBOX_{name}") or None


def _greeting(sandbox: Sandbox) -> dict[str, str | int]:
    return {
        "api_url": sandbox.api_url,
        "login_url": sandbox.login_url,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "world": sandbox.world.id,
        "pid": os.getpid(),
    }


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))


def _stop_at_end_of_stdin(stop: asyncio.Event) -> None:
    """Watch stdin from a daemon thread: an event loop cannot wait for every kind of file."""
    loop = asyncio.get_running_loop()

    def watch() -> None:
        with suppress(OSError, RuntimeError):
            while os.read(0, 65_536):
                pass
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, name="stdin", daemon=True).start()


def _reset(request: web.BaseRequest) -> None:
    """Drop the connection with a RST, so that the client cannot take it for an orderly end."""
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
