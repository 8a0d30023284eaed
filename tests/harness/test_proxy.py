"""The fault proxy does what it is told, seen from both of its sides."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.harness.proxy import Line, Plan, Proxy, Request, Trouble, calm, canary, garbled, scripted, seeded

BODY = b'{"externalId":"E-1"}'
POST = b"POST /api/v2/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
GET = b"GET /api/v2/tasks?query=x HTTP/1.1\r\nHost: x\r\n\r\n"
ANSWER = b'HTTP/1.1 201 Created\r\nContent-Length: 11\r\n\r\n{"id":"T1"}'


@dataclass
class Server:
    """What the far side got, connection by connection, and how each of them ended."""

    got: list[bytes] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one whole request; notes what came, whole or not."""
        self.got.append(b"")
        try:
            while data := await reader.read(4096):
                self.got[-1] += data
                if self.got[-1].endswith(BODY) or self.got[-1] == GET:
                    writer.write(ANSWER)
        finally:
            self.ended.set()
            writer.close()


@asynccontextmanager
async def between(plan: Plan) -> AsyncIterator[tuple[Line, Server, Proxy]]:
    """A client's connection to a proxy with that plan, in front of a server."""
    far = Server()
    async with await asyncio.start_server(far.serve, "127.0.0.1", 0) as server:
        async with Proxy(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", plan) as proxy:
            host, port = proxy.url.removeprefix("http://").split(":")
            client = Line(*await asyncio.open_connection(host, int(port)))
            yield client, far, proxy
            client.writer.close()


def first(trouble: Trouble) -> Plan:
    return scripted({1: trouble})


async def test_proxy_passes_on_what_is_not_spoiled() -> None:
    """Several exchanges on one connection come through as they are."""
    async with between(calm) as (client, far, _):
        for request in (POST, GET, POST):
            await client.write(request)
            assert await client.message() == ANSWER
        assert far.got == [POST, GET, POST]


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble("delay", seconds=0.01),
        Trouble("delay", up=True, seconds=0.01),
        Trouble("slow", size=2000),
        Trouble("slow", up=True, size=2000),
        Trouble("slices", size=1),
        Trouble("slices", up=True, size=3),
    ],
    ids=str,
)
async def test_proxy_loses_nothing_by_slowing(trouble: Trouble) -> None:
    """What is delayed, thinned or sliced arrives whole, and the connection goes on."""
    async with between(first(trouble)) as (client, far, proxy):
        for _ in range(2):
            await client.write(POST)
            assert await client.message() == ANSWER
        assert far.got == [POST, POST]
        assert proxy.done.total() == 1


@pytest.mark.parametrize("size", [1, 40, len(POST) - 1, 10_000])
async def test_proxy_cuts_a_request(size: int) -> None:
    """The server gets exactly the first bytes, never all of them, and the client no answer."""
    async with between(first(Trouble("cut", up=True, size=size))) as (client, far, _):
        await client.write(POST)
        with pytest.raises(ConnectionError):
            await client.reader.readexactly(1)
        await far.ended.wait()
        assert far.got == [POST[: min(size, len(POST) - 1)]]


@pytest.mark.parametrize("size", [0, 1, 30, 10_000])
async def test_proxy_cuts_an_answer(size: int) -> None:
    """The server did its work, the client gets exactly the first bytes, never all of them."""
    async with between(first(Trouble("cut", size=size))) as (client, far, _):
        await client.write(POST)
        assert await client.reader.read() == ANSWER[: min(size, len(ANSWER) - 1)]
        assert far.got == [POST]


async def test_proxy_resets_after_the_answer_began() -> None:
    """The server did its work, the client gets a RST and not a byte."""
    async with between(first(Trouble("reset"))) as (client, far, _):
        await client.write(POST)
        with pytest.raises(ConnectionResetError):
            await client.reader.readexactly(1)
        assert far.got == [POST]


async def test_proxy_holds_a_request() -> None:
    """A held request never arrives, even after its client has left."""
    async with between(first(Trouble("hold", up=True))) as (client, far, proxy):
        await client.write(POST)
        client.end()
        assert await client.reader.read() == b""
        assert far.got == []
        assert proxy.done == {"hold up": 1}


async def test_proxy_holds_an_answer() -> None:
    """The server did its work; the client gets nothing until it leaves."""
    async with between(first(Trouble("hold"))) as (client, far, _):
        await client.write(POST)
        client.end()
        assert await client.reader.read() == b""
        assert far.got == [POST]


async def test_proxy_brings_a_request_late() -> None:
    """A late request arrives whole after its client has left."""
    async with between(first(Trouble("late", seconds=0.01))) as (client, far, _):
        await client.write(POST)
        client.writer.close()
        await far.ended.wait()
        assert far.got == [POST]


async def test_proxy_garbles_an_answer() -> None:
    """As many bytes as told are others, the length stays."""
    async with between(first(Trouble("garble", size=3, seconds=0.9))) as (client, _, _):
        await client.write(POST)
        told = await client.reader.read()
        assert len(told) == len(ANSWER)
        assert sum(mine != theirs for mine, theirs in zip(told, ANSWER, strict=True)) == 3
    assert garbled(garbled(ANSWER, 5, 0.5), 5, 0.5) == ANSWER


async def test_proxy_gives_an_answer_twice() -> None:
    """The second answer lies on the connection before anything was asked."""
    async with between(first(Trouble("twice"))) as (client, far, _):
        await client.write(POST)
        assert [await client.message(), await client.message()] == [ANSWER, ANSWER]
        assert far.got == [POST]


@pytest.mark.parametrize("size", [0, 12])
async def test_proxy_half_closes_towards_the_client(size: int) -> None:
    """The client reads the end of the stream after those bytes, and can still write."""
    async with between(first(Trouble("half_close", size=size))) as (client, _, _):
        await client.write(POST)
        assert await client.reader.read() == ANSWER[:size]
        await client.write(POST)
        assert not client.writer.is_closing()


async def test_proxy_half_closes_towards_the_server() -> None:
    """The server reads the end of the stream behind the request, and can still answer."""
    async with between(first(Trouble("half_close", up=True))) as (client, far, _):
        await client.write(POST)
        assert await client.reader.read() == ANSWER
        await far.ended.wait()
        assert far.got == [POST]


async def test_proxy_answers_with_a_bomb() -> None:
    """The answer is small on the wire and as large as told unpacked."""
    async with between(first(Trouble("bomb", size=1_000_000))) as (client, far, _):
        await client.write(POST)
        head, _, packed = (await client.reader.read()).partition(b"\r\n\r\n")
        assert b"Content-Encoding: gzip" in head
        assert len(packed) < 10_000
        assert len(gzip.decompress(packed)) == 1_000_000
        assert far.got == [POST]


async def test_proxy_answers_with_many_bytes() -> None:
    """The answer is JSON of the size told."""
    async with between(first(Trouble("huge", size=5_000))) as (client, _, _):
        await client.write(POST)
        assert len((await client.reader.read()).partition(b"\r\n\r\n")[2]) == 5_000


@pytest.mark.parametrize("status", [301, 302, 307])
async def test_proxy_redirects(status: int) -> None:
    """The answer names another place; the canary there hears who follows."""
    with canary() as (url, heard):
        async with between(first(Trouble("redirect", status=status, location=url))) as (client, far, _):
            await client.write(POST)
            head = (await client.reader.read()).decode()
            assert head.startswith(f"HTTP/1.1 {status} ")
            assert f"Location: {url}\r\n" in head
            assert far.got == [POST]
        host, port = url.removeprefix("http://").removesuffix("/").split(":")
        assert list(heard) == []
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"I follow")
        await writer.drain()
        assert await reader.read() == b""
        writer.close()
    assert list(heard) == [b"I follow"]


def test_proxy_plan_repeats_by_its_seed() -> None:
    """The same seed spoils the same exchanges in the same way; another one others."""

    def troubles(seed: int) -> list[Trouble | None]:
        return [seeded(seed)(Request(n, "POST", "/api/v2/tasks", n)) for n in range(1, 200)]

    assert troubles(1) == troubles(1)
    assert troubles(1) != troubles(2)
    assert 30 < sum(trouble is not None for trouble in troubles(1)) < 90


def test_proxy_plan_leaves_log_ins_alone() -> None:
    """No seed spoils a log-in: that is another matter."""
    assert {seeded(seed, 1.0)(Request(1, "POST", "/oauth/token", 1)) for seed in range(50)} == {None}
