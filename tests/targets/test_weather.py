"""One call in bad weather: names that do not resolve, addresses that are dead, tokens that expire, cuts, odd bytes."""

import asyncio
import gzip
import json
import resource
import socket
import struct
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
import trustme
from aiohttp import web

from importer.core.errors import TargetDown
from importer.core.outcomes import Created, Lost, NotDone
from importer.sandbox.clock import HandClock
from importer.targets.exchange import Credentials, Endpoints, Exchange
from importer.targets.tasks import TasksTarget
from importer.targets.transport import HttpTransport, Timeouts
from tests.flow.conftest import FreePace
from tests.names import Names
from tests.targets.conftest import SECRET, ForwardClock, Stand, Stands
from tests.tls import listening, server_context

NOBODY = "127.0.0.9"
"""A loopback address on which these tests have no server."""


async def yes() -> bool:
    return True


async def fine(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    """A created task, or an empty list."""
    if request.method == "POST":
        return web.json_response({"id": "T-1", "state": "new"}, status=201)
    return web.json_response({"entities": [], "total": 0})


# Names


@asynccontextmanager
async def named(url: str, names: Names) -> AsyncIterator[TasksTarget]:
    """A target that calls the server at `url` by a name."""
    clock = ForwardClock(HandClock())
    address = url.replace("127.0.0.1", "api.test")
    transport = HttpTransport(Timeouts(5.0, 5.0), resolver=names)
    target = TasksTarget(
        Exchange(Endpoints(address, address), Credentials("me", SECRET), FreePace(clock), clock, transport)
    )
    try:
        yield target
    finally:
        await target.close()


async def test_name_that_does_not_resolve_is_asked_again_by_a_log_in(stands: Stands) -> None:
    """A log-in outlasts a name service that is away for three tries."""
    names = Names("127.0.0.1", failures=3)
    async with stands(fine) as stand, named(stand.url, names) as target:
        await target.log_in(())
        assert [each.path for each in stand.seen] == ["/oauth/token"]
    assert names.asked == 4


async def test_name_that_does_not_resolve_proves_that_nothing_was_sent(stands: Stands) -> None:
    """A POST whose host has no address is certainly not done."""
    names = Names("127.0.0.1")
    async with stands(fine) as stand, named(stand.url, names) as target:
        await target.log_in(())
        await target.close()
        names.failures = 99
        assert isinstance(await target.create("{}", "E-1", yes), NotDone)
        assert len(stand.calls()) == 0


@pytest.mark.parametrize("addresses", [(NOBODY, "127.0.0.1"), ("127.0.0.1", NOBODY)])
async def test_name_with_a_dead_address_is_reached_at_the_other(stands: Stands, addresses: tuple[str, str]) -> None:
    """Of two addresses one is dead: log-in and POST reach the other, each once."""
    async with stands(fine) as stand, named(stand.url, Names(*addresses)) as target:
        await target.log_in(())
        assert isinstance(await target.create("{}", "E-1", yes), Created)
        assert [each.path for each in stand.seen] == ["/oauth/token", "/api/v2/tasks"]


# Log-in and token


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_log_in_follows_no_redirect(stands: Stands, status: int) -> None:
    """A log-in that is sent elsewhere ends as trouble; the other place never sees the credentials."""
    async with stands(fine) as thief:

        async def redirects(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
            return web.Response(status=status, headers={"Location": thief.url + "/oauth/token"})

        async with stands(redirects) as stand:
            clock = ForwardClock(HandClock())
            endpoints = Endpoints(stand.url, stand.url + "/other")
            exchange = Exchange(endpoints, Credentials("me", SECRET), FreePace(clock), clock, HttpTransport())
            with pytest.raises(TargetDown):
                await exchange.log_in(())
            await exchange.close()
        assert thief.seen == []


CALLS: dict[str, Callable[[TasksTarget, int], Awaitable[object]]] = {
    "create": lambda target, n: target.create("{}", f"E-{n}", yes),
    "find": lambda target, n: target.find([f"E-{n}"]),
    "audits": lambda target, n: target.audits(f"T-{n}"),
}


@pytest.mark.parametrize("kind", CALLS)
async def test_token_that_expires_with_50_calls_in_flight_is_renewed_once(stands: Stands, kind: str) -> None:
    """50 calls get a 401 at one time: exactly one asks for a new token, and each is made once more, no oftener."""
    arrived = 0
    all_here = asyncio.Event()

    async def expires(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        nonlocal arrived
        arrived += 1
        if arrived > 50:
            return await fine(request, body)
        if arrived == 50:
            all_here.set()
        await all_here.wait()
        return web.json_response({"code": "unauthorized"}, status=401)

    async with stands(expires) as stand:
        patient = HttpTransport(Timeouts(60.0, 60.0))
        exchange = Exchange(
            Endpoints(stand.url, stand.url), Credentials("me", SECRET), FreePace(stand.clock), stand.clock, patient
        )
        target = TasksTarget(exchange)
        await target.log_in(())
        answers = await asyncio.gather(*(CALLS[kind](target, n) for n in range(50)))
        await target.close()
        assert sum(each.path == "/oauth/token" for each in stand.seen) == 2
        assert len(stand.calls()) == 100
        assert not [answer for answer in answers if isinstance(answer, Lost | NotDone)]


async def test_api_host_that_is_not_trusted_gets_no_token(stands: Stands) -> None:
    """Where the log-in's host is fine and the API's is not to be trusted, no POST and no token leave."""
    authority = trustme.CA()
    async with stands(fine) as stand:
        with listening(server_context(authority.issue_cert("127.0.0.1"))) as server:
            clock = ForwardClock(HandClock())
            endpoints = Endpoints(server.url, stand.url)
            exchange = Exchange(endpoints, Credentials("me", SECRET), FreePace(clock), clock, HttpTransport())
            await exchange.log_in(())
            with pytest.raises(TargetDown, match="trusted"):
                await TasksTarget(exchange).create("{}", "E-1", yes)
            await exchange.close()
        assert b"".join(server.read) == b""
        assert server.connections == 1


# Waiting


@pytest.mark.parametrize("headers", [("2", "30"), ("30", "2"), ("nonsense", "30"), ("30", "nonsense"), ("-1", "30")])
async def test_retry_after_that_comes_twice_is_early_by_none(stands: Stands, headers: tuple[str, str]) -> None:
    """Of two Retry-After headers the longest that makes sense counts."""
    answers = [429, 200]

    async def twice(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        response = web.json_response({"entities": [], "total": 0}, status=answers.pop(0))
        if response.status == 429:
            for each in headers:
                response.headers.add("Retry-After", each)
        return response

    async with stands(twice) as stand:
        began = stand.clock.monotonic()
        await stand.target.find(["E-1"])
        assert stand.clock.monotonic() - began == pytest.approx(30.0)


def test_time_outs_are_those_promised() -> None:
    """A call is given up after 30 s at most, a connection after 5 s."""
    assert Timeouts().total_s <= 30.0
    assert Timeouts().connect_s <= 5.0


# Cuts


@asynccontextmanager
async def cutting(up: int | None, down: int | None) -> AsyncIterator[tuple[str, list[int]]]:
    """A server that resets a POST's connection after `up` bytes of the request were read or `down` bytes of the answer sent."""
    body = json.dumps({"id": "T-1", "state": "new"}).encode()
    answer = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )
    resets: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if up is not None:
            if up:
                await reader.readexactly(up)
        else:
            await reader.readuntil(b"\r\n\r\n{}")
            writer.write(answer[:down])
            await writer.drain()
        resets.append(1)
        # With linger at zero the kernel sends a reset instead of an orderly end.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", resets


CUTS = [*((up, None) for up in (0, 1, 20, 150, 200)), *((None, down) for down in (0, 1, 12, 40, 90, 100))]


@pytest.mark.parametrize(("up", "down"), CUTS)
async def test_post_whose_connection_is_reset_is_in_doubt(stands: Stands, up: int | None, down: int | None) -> None:
    """Before, in the middle of or after the request, and at any byte of the answer: lost, and sent once."""
    async with stands(fine) as stand, cutting(up, down) as (url, resets):
        clock = ForwardClock(HandClock())
        transport = HttpTransport(Timeouts(5.0, 5.0))
        target = TasksTarget(
            Exchange(Endpoints(url, stand.url), Credentials("me", SECRET), FreePace(clock), clock, transport)
        )
        await target.log_in(())
        assert isinstance(await target.create("{}", "E-1", yes), Lost)
        await target.close()
        assert len(resets) == 1


# Handles


@contextmanager
def no_handles() -> Iterator[None]:
    """This process can open nothing more; what is open stays so."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_handles_that_run_out_make_no_row_doubtful(stands: Stands) -> None:
    """Without a handle for a connection a POST is certainly not done and reads end in time; afterwards all goes on."""
    async with stands(fine) as stand:
        await stand.target.log_in(())
        await stand.target.close()
        with no_handles():
            assert isinstance(await stand.target.create("{}", "E-1", yes), NotDone)
            with pytest.raises(TargetDown):
                await stand.target.find(["E-1"])
            with pytest.raises(TargetDown):
                await stand.target.audits("T-1")
        assert stand.calls() == []
        assert isinstance(await stand.target.create("{}", "E-1", yes), Created)


# Memory

GROWTH_MOST = 50_000_000
BOMB = gzip.compress(b" " * 200_000_000, compresslevel=1)
FLOODS = {
    "a gzip bomb of 200 MB": (BOMB, {"Content-Encoding": "gzip"}),
    "5 MB": (b'{"id": "' + b"x" * 5_000_000 + b'"}', {}),
    "4 MB of brackets": (b"[" * 4_000_000, {}),
}


async def _post(stand: Stand) -> None:
    assert isinstance(await stand.target.create("{}", "E-1", yes), Lost)


async def _look(stand: Stand) -> None:
    with pytest.raises(TargetDown):
        await stand.target.find(["E-1"])


async def _audit(stand: Stand) -> None:
    with pytest.raises(TargetDown):
        await stand.target.audits("T-1")


@pytest.mark.parametrize("call", [_post, _look, _audit])
@pytest.mark.parametrize(("flood", "headers"), FLOODS.values(), ids=FLOODS.keys())
async def test_answer_that_floods_takes_less_than_50_mb(
    stands: Stands, call: Callable[[Stand], Awaitable[None]], flood: bytes, headers: dict[str, str]
) -> None:
    """A bomb or a huge answer costs a POST its answer and a read its repeats, and never more than 50 MB."""

    async def floods(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return web.Response(body=flood, status=201, headers={"Content-Type": "application/json", **headers})

    async with stands(floods) as stand:
        await stand.target.log_in(())
        tracemalloc.start()
        try:
            await call(stand)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < GROWTH_MOST
