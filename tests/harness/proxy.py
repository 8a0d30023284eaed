"""Fault proxy: stands on loopback between the importer and the sandbox and spoils exchanges as it is told, or by a seed.

It reads a whole request before it does anything, so a fault hits one exchange and not whatever shares its connection. To
the sandbox each exchange is a connection of its own. Knows HTTP only as far as heads, Content-Length and chunks.
"""

import asyncio
import gzip
import json
import random
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Literal, Self

HOST = "127.0.0.1"
WORKITEMS = "/api/v2/taskmanagement/workitems"
CREATES = frozenset({
    ("POST", "/api/v2/tasks"),
    ("POST", WORKITEMS),
    ("POST", f"{WORKITEMS}/bulk/add/jobs"),
    ("PATCH", f"{WORKITEMS}/bulk/add/jobs/*"),
})  # fmt: skip
JOB = re.compile(r"/jobs/[0-9a-fA-F-]{36}")
Kind = Literal[
    "delay",  # the request (up) or the answer waits `seconds`
    "slow",  # `size` bytes a second, in pieces of a twentieth of that
    "slices",  # in pieces of `size` bytes, each a packet of its own
    "cut",  # the connection ends after `size` bytes of the request (up) or of the answer
    "hold",  # nothing comes through until the client has left; up: the request never arrives
    "late",  # the request arrives `seconds` after the client has left
    "reset",  # RST to the client as soon as the answer begins
    "garble",  # `size` bytes of the answer are others
    "twice",  # the answer comes twice
    "half_close",  # our side of the connection is closed after the request (up) or after `size` bytes of the answer
    "bomb",  # the answer is `size` bytes of zeros, packed by gzip
    "huge",  # the answer is JSON of `size` bytes
    "redirect",  # the answer is `status` to `location`
]


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens to one exchange. `up` means on the way to the server; else on the way back, when all was done."""

    kind: Kind
    up: bool = False
    size: int = 0
    seconds: float = 0.0
    status: int = 302
    location: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What a plan is told of an exchange: which one it is, of all and of its kind (both from 1 on)."""

    n: int
    method: str
    path: str
    nth: int
    body: bytes = b""

    @property
    def creates(self) -> bool:
        """Whether it is a POST of a task or a workitem, or makes a job of many or has one begin."""
        return (self.method, self.kind) in CREATES

    @property
    def kind(self) -> str:
        """The path, alike for all jobs."""
        return JOB.sub("/jobs/*", self.path)

    @property
    def external_id(self) -> str:
        """The external ID of the task or single workitem that it creates."""
        body = json.loads(self.body)
        external_id: str = body["externalTag"] if "externalTag" in body else body["customAttributes"]["externalId"]
        return external_id


Plan = Callable[[Request], Trouble | None]


def calm(request: Request) -> Trouble | None:
    """Nothing happens."""
    return None


def scripted(script: dict[int, Trouble]) -> Plan:
    """Trouble for the n-th POSTs of tasks."""
    return lambda request: script.get(request.nth) if request.creates else None


def seeded(seed: int, share: float = 0.3, *, patience_s: float = 0.3) -> Plan:
    """Trouble of every kind for this share of the POSTs and a third of it for reads; log-ins are left alone.

    `patience_s` is the delay and how late something may arrive. The same seed gives the n-th exchange the same trouble.
    """

    def plan(request: Request) -> Trouble | None:
        chance = random.Random(f"{seed}:{request.method}:{request.creates}:{request.nth}")
        if request.path == "/oauth/token" or chance.random() >= (share if request.creates else share / 3):
            return None
        return _any(chance, patience_s)

    return plan


def _any(chance: random.Random, patience_s: float) -> Trouble:
    at = chance.randrange(1, 900)
    return chance.choice(
        (
            Trouble("delay", up=chance.random() < 0.5, seconds=chance.uniform(0, patience_s)),
            Trouble("slow", size=chance.randrange(2_000, 20_000)),
            Trouble("slices", size=chance.randrange(1, 40)),
            Trouble("cut", up=True, size=at),
            Trouble("cut", size=at // 2),
            Trouble("hold", up=chance.random() < 0.5),
            Trouble("late", seconds=chance.uniform(0, patience_s)),
            Trouble("reset"),
            Trouble("garble", size=chance.randrange(1, 30), seconds=chance.random()),
            Trouble("twice"),
            Trouble("half_close", up=chance.random() < 0.5, size=at // 2),
            Trouble("bomb", size=20_000_000),
            Trouble("huge", size=5_000_000),
            Trouble("redirect", status=chance.choice((301, 302, 307)), location="http://127.0.0.1:9/"),
        )
    )


class Gone(Exception):
    """One of the two has left."""


@dataclass(slots=True)
class Line:
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def message(self) -> bytes:
        """A whole HTTP message; empty where the other side has left before it began. Raises Gone in the middle of one."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            return head + await self._body(_fields(head))
        except asyncio.IncompleteReadError as problem:
            if problem.partial:
                raise Gone from problem
            return b""
        except (ConnectionError, asyncio.LimitOverrunError) as problem:
            raise Gone from problem

    async def _body(self, fields: dict[str, str]) -> bytes:
        if fields.get("transfer-encoding", "").lower() != "chunked":
            # More than a message may have said: the body is then what comes until the end.
            return await self.reader.readexactly(int(fields.get("content-length", "0")))
        body = b""
        while True:
            size = await self.reader.readuntil(b"\r\n")
            rest = await self.reader.readexactly(int(size.partition(b";")[0], 16) + 2)
            body += size + rest
            if rest == b"\r\n":
                return body

    async def write(self, data: bytes) -> None:
        """Raises Gone."""
        try:
            self.writer.write(data)
            await self.writer.drain()
        except (ConnectionError, RuntimeError) as problem:
            raise Gone from problem

    async def pieces(self, data: bytes, size: int, pause_s: float = 0.0) -> None:
        """Writes in pieces, each on its way before the next one follows. Raises Gone."""
        for start in range(0, len(data), max(size, 1)):
            await self.write(data[start : start + max(size, 1)])
            await asyncio.sleep(pause_s)

    async def until_left(self) -> None:
        """Returns when the other side has closed; what it still says is dropped."""
        with suppress(ConnectionError):
            while await self.reader.read(65_536):
                pass

    def end(self) -> None:
        """Says that nothing more comes, and still listens."""
        with suppress(OSError, RuntimeError):
            self.writer.write_eof()

    def reset(self) -> None:
        """Drops the connection with a RST."""
        connection = self.writer.get_extra_info("socket")
        if connection is not None:
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Proxy:
    """A running proxy: `async with Proxy(url, plan) as proxy`. `url` is its own; `done` counts the troubles by kind."""

    url: str

    def __init__(self, target: str, plan: Plan = calm) -> None:
        self._host, _, port = target.removeprefix("http://").partition(":")
        self._port = int(port)
        self.plan = plan
        self.done: Counter[str] = Counter()
        self.requests: list[Request] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        server = await asyncio.start_server(self._serve, HOST, 0, limit=1 << 20)
        self._open.push_async_callback(self._close, server)
        self.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def _close(self, server: asyncio.Server) -> None:
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._exchanges(Line(reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _exchanges(self, client: Line) -> None:
        """One connection of a client, exchange by exchange, until somebody ends it."""
        try:
            while request := await client.message():
                if not await self._exchange(client, request):
                    break
        except Gone:
            pass
        finally:
            client.writer.close()

    async def _exchange(self, client: Line, request: bytes) -> bool:
        """One request and its answer; False where the client's connection is of no more use."""
        trouble = self.plan(self._known(request))
        if trouble is not None:
            self.done[f"{trouble.kind} up" if trouble.up else trouble.kind] += 1
        if trouble is not None and trouble.kind in ("hold", "late") and (trouble.up or trouble.kind == "late"):
            await client.until_left()
            if trouble.kind == "hold":
                return False
            await asyncio.sleep(trouble.seconds)
        try:
            server = Line(*await asyncio.open_connection(self._host, self._port, limit=1 << 20))
        except OSError:
            client.reset()
            return False
        try:
            if not await _asked(server, request, trouble):
                client.reset()
                return False
            return await _told(client, await server.message(), trouble)
        finally:
            server.writer.close()

    def _known(self, request: bytes) -> Request:
        method, target, _ = request.partition(b"\r\n")[0].decode("latin-1").split(" ", 2)
        path = target.partition("?")[0]
        kind = JOB.sub("/jobs/*", path)
        nth = sum((each.method, each.kind) == (method, kind) for each in self.requests) + 1
        self.requests.append(Request(len(self.requests) + 1, method, path, nth, request.partition(b"\r\n\r\n")[2]))
        return self.requests[-1]


async def _asked(server: Line, request: bytes, trouble: Trouble | None) -> bool:
    """Brings the request to the server; False where it is cut on the way."""
    if trouble is None or not trouble.up:
        await server.write(request)
        return True
    match trouble.kind:
        case "delay":
            await asyncio.sleep(trouble.seconds)
        case "slow":
            await server.pieces(request, max(trouble.size // 20, 1), 0.05)
            return True
        case "slices":
            await server.pieces(request, trouble.size)
            return True
        case "cut":
            # Never the whole: a request that is whole is a matter of its answer.
            await server.write(request[: min(trouble.size, len(request) - 1)])
            return False
    await server.write(request)
    if trouble.kind == "half_close":
        server.end()
    return True


async def _told(client: Line, answer: bytes, trouble: Trouble | None) -> bool:
    """Brings the answer to the client, or what the trouble makes of it; False where the connection is used up."""
    if trouble is None or (trouble.up and trouble.kind != "half_close") or trouble.kind == "late":
        await client.write(answer)
        return bool(answer)
    match trouble.kind:
        case "delay":
            await asyncio.sleep(trouble.seconds)
        case "slow":
            await client.pieces(answer, max(trouble.size // 20, 1), 0.05)
            return True
        case "slices":
            await client.pieces(answer, trouble.size)
            return True
        case "cut":
            await client.write(answer[: min(trouble.size, len(answer) - 1)])
            return False
        case "hold":
            await client.until_left()
            return False
        case "reset":
            client.reset()
            return False
        case "half_close":
            await client.write(answer if trouble.up else answer[: trouble.size])
            client.end()
            await client.until_left()
            return False
        case "twice":
            await client.write(answer + answer)
            return True
        case _:
            answer = _changed(answer, trouble)
    await client.write(answer)
    return trouble.kind == "delay"


def _changed(answer: bytes, trouble: Trouble) -> bytes:
    match trouble.kind:
        case "garble":
            return garbled(answer, trouble.size, trouble.seconds)
        case "bomb":
            return made(201, packed(trouble.size), "Content-Encoding: gzip")
        case "huge":
            return made(201, b'{"padding":"' + b"x" * (trouble.size - 14) + b'"}')
        case "redirect":
            return made(trouble.status, b"", f"Location: {trouble.location}")
        case kind:
            raise AssertionError(kind)


@cache
def packed(size: int) -> bytes:
    """So many zeros, packed."""
    return gzip.compress(bytes(size))


def garbled(data: bytes, size: int, where: float) -> bytes:
    """`size` bytes of `data`, from that share of it on, with all their bits turned."""
    at = int(where * len(data))
    return data[:at] + bytes(byte ^ 0xFF for byte in data[at : at + size]) + data[at + size :]


def made(status: int, body: bytes, *lines: str) -> bytes:
    """An HTTP answer."""
    head = [f"HTTP/1.1 {status} Spoiled", "Content-Type: application/json", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


def _fields(head: bytes) -> dict[str, str]:
    """Header fields by lower-case name."""
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}


@contextmanager
def proxied(target: str, plan: Plan = calm) -> Iterator[Proxy]:
    """A proxy in a thread of its own, for a test that waits for processes."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="proxy", daemon=True)
    thread.start()
    proxy = Proxy(target, plan)
    try:
        asyncio.run_coroutine_threadsafe(proxy.__aenter__(), loop).result(10)
        yield proxy
        asyncio.run_coroutine_threadsafe(proxy.__aexit__(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def canary() -> Iterator[tuple[str, Sequence[bytes]]]:
    """A listener that nobody should call: its URL, and what came."""
    heard: list[bytes] = []
    with socket.create_server((HOST, 0)) as listener:

        def listen() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        heard.append(connection.recv(4096))

        thread = threading.Thread(target=listen, name="canary", daemon=True)
        thread.start()
        yield f"http://{HOST}:{listener.getsockname()[1]}/", heard
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
