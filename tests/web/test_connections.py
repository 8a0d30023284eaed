"""Connections: who neither asks nor listens is cut, who is many is bounded, and everybody else is served meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import ClientError

from importer.web.house import House
from importer.web.route import Role
from tests.web import house
from tests.web.rooms import ALL

SHORT = House(header_s=0.2, body_s=0.2, write_s=0.2, refusal_s=0.0, leave_s=0.2)
PATIENT_S = 10.0
"""Longer than any deadline here, and shorter than those of the house: what is not cut by then never is."""

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[house.Page]:
    """A page with short deadlines."""
    async with house.opened(tmp_path, routes=ALL, identity="token", house=SHORT) as served:
        yield served


@asynccontextmanager
async def raw(page: house.Page, data: bytes = b"") -> AsyncIterator[Ends]:
    """A bare connection, on which `data` was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", page.room.urls.port)
    try:
        writer.write(data)
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def cut(ends: Ends) -> bytes:
    """What came until the server closed the connection; fails where it does not."""
    try:
        async with asyncio.timeout(PATIENT_S):
            return await ends[0].read()
    except ConnectionError:
        return b""
    except TimeoutError:
        raise AssertionError("the connection is still open") from None


async def open_after(page: house.Page, count: int) -> None:
    """Returns when no more than `count` connections are open."""
    try:
        async with asyncio.timeout(PATIENT_S):
            while len(page.listener.connections) > count:  # noqa: ASYNC110 - the server tells nobody of it
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{len(page.listener.connections)} connections are still open") from None


async def lives(page: house.Page) -> bool:
    """Whether somebody who asks is answered."""
    try:
        async with asyncio.timeout(PATIENT_S):
            return (await page.ask("GET", "/healthz")).status == 200
    except (ClientError, TimeoutError):
        return False


def head(page: house.Page, *lines: str, method: str = "GET", path: str = "/healthz") -> bytes:
    """The beginning of a request, without the blank line that ends its header."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{page.room.urls.port}", *lines, ""]).encode()


@pytest.mark.parametrize("begun", ["nothing", "half a line", "half a header"])
async def test_half_open_connection_is_cut(page: house.Page, begun: str) -> None:
    """A connection that says nothing, or never ends its header, is closed without an answer."""
    data = {"nothing": b"", "half a line": b"GET / HT", "half a header": head(page, "X-A: b")}[begun]
    async with raw(page, data) as ends:
        assert await cut(ends) == b""


async def test_header_that_drips_is_cut(page: house.Page) -> None:
    """A byte now and then does not prolong the time for a header."""
    async with raw(page, head(page)) as (reader, writer):

        async def drips() -> None:
            with suppress(ConnectionError):
                while True:
                    writer.write(b"X-A: b\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drips())
        try:
            assert await cut((reader, writer)) == b""
        finally:
            dripping.cancel()


async def test_body_that_rests_is_cut(page: house.Page) -> None:
    """A body that stops coming ends the connection: that of a form, and that of an upload."""
    cookie = await page.comes(Role.PREPARER)
    same = (f"Origin: {page.base}", f"Cookie: {cookie}", "Content-Length: 1000")
    form = head(page, *same, "Content-Type: application/x-www-form-urlencoded", method="POST", path="/t/form")
    file = head(page, *same, "Content-Type: multipart/form-data; boundary=b", method="POST", path="/t/upload")
    async with raw(page, form + b"\r\na=1") as one, raw(page, file + b"\r\n--b\r\n") as other:
        await asyncio.gather(cut(one), cut(other))
    assert page.listener.connections.cut >= 1


async def test_handler_that_takes_its_time_is_not_cut(page: house.Page) -> None:
    """Deadlines are for those who do not ask and do not listen, not for those who wait for an answer."""
    async with raw(page, head(page, "Connection: close", path="/t/wait") + b"\r\n") as ends:
        assert (await cut(ends)).startswith(b"HTTP/1.1 200")


async def test_requests_sent_along_with_another_are_not_cut(page: house.Page) -> None:
    """The second of two requests in one packet has its time too."""
    both = head(page) + b"\r\n" + head(page, "Connection: close", path="/t/wait") + b"\r\n"
    async with raw(page, both) as ends:
        assert (await cut(ends)).count(b"HTTP/1.1 200") == 2


async def test_event_stream_is_not_cut(page: house.Page) -> None:
    """Who follows a run stays connected though nothing is sent for longer than any deadline."""
    cookie = await page.comes(Role.PREPARER)
    async with raw(page, head(page, f"Cookie: {cookie}", path="/t/stream") + b"\r\n") as (reader, _):
        assert b"200" in await reader.readline()
        async with raw(page) as ends:
            await cut(ends)  # so that a deadline has passed
        async with raw(page) as ends:
            await cut(ends)
        assert not reader.at_eof()


async def test_reader_that_does_not_read_is_cut(page: house.Page) -> None:
    """An answer that nobody takes ends with its connection."""
    cookie = await page.comes(Role.PREPARER)
    async with raw(page, head(page, f"Cookie: {cookie}", path="/t/flood") + b"\r\n"):
        await open_after(page, 1)  # the caller's own may stay
        await open_after(page, 0)


async def test_many_half_open_connections_do_not_keep_the_page(tmp_path: Path) -> None:
    """200 half-open connections leave room for somebody who asks, before any deadline; then they are all cut."""
    limits = House(header_s=0.5, connections=100, connections_each=50, refusal_s=0.0, leave_s=0.2)
    async with house.opened(tmp_path, routes=ALL, house=limits) as page, AsyncExitStack() as stack:
        halves = [await stack.enter_async_context(raw(page, head(page))) for _ in range(200)]
        assert await lives(page)
        assert len(page.listener.connections) <= 50
        await _all_cut(halves)
        assert await lives(page)


async def _all_cut(many: Iterable[Ends]) -> None:
    for ends in many:
        await cut(ends)


async def test_connections_that_are_answered_are_not_pushed_out(tmp_path: Path) -> None:
    """Where all room is taken by requests that are being answered, a new connection is refused, not an old one cut."""
    limits = House(connections_each=2, connections=10, streams_each=6, refusal_s=0.0, leave_s=0.2)
    async with house.opened(tmp_path, routes=ALL, identity="token", house=limits) as page, AsyncExitStack() as stack:
        cookie = await page.comes(Role.PREPARER)
        await page.session.close()
        await open_after(page, 0)
        asked = head(page, f"Cookie: {cookie}", path="/t/stream") + b"\r\n"
        streams = [await stack.enter_async_context(raw(page, asked)) for _ in range(2)]
        for reader, _ in streams:
            assert b"200" in await reader.readline()
        async with raw(page, head(page) + b"\r\n") as third:
            assert await cut(third) == b""
        assert not any(reader.at_eof() for reader, _ in streams)


async def test_proxy_may_have_many_connections(tmp_path: Path) -> None:
    """All visitors of a trusted proxy come from one address: the limit of an address is not for it."""
    limits = House(connections_each=1, refusal_s=0.0, leave_s=0.2)
    async with (
        house.opened(tmp_path, routes=ALL, identity="header", trusted="127.0.0.1", house=limits) as page,
        AsyncExitStack() as stack,
    ):
        for _ in range(5):
            await stack.enter_async_context(raw(page, head(page)))
        assert (await page.ask("GET", "/healthz")).status == 200
        assert len(page.listener.connections) == 6


async def test_server_ends_although_somebody_follows(tmp_path: Path) -> None:
    """Event streams end with the server, and half-open connections do not hold it up."""
    async with AsyncExitStack() as stack:
        async with house.opened(tmp_path, routes=ALL, identity="token") as page:
            cookie = await page.comes(Role.PREPARER)
            asked = head(page, f"Cookie: {cookie}", path="/t/stream") + b"\r\n"
            stream = await stack.enter_async_context(raw(page, asked))
            assert b"200" in await stream[0].readline()
            half = await stack.enter_async_context(raw(page, head(page)))
        await _all_cut([stream, half])
