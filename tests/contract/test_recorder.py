"""The recorder: it changes nothing, and sees all."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

import pytest
from aiohttp import ClientError, ClientSession, web

from tests.contract.recorder import HOST, Recorder, assert_no_breach, contracted, recorded


async def _answer(request: web.BaseRequest) -> web.StreamResponse:
    match request.path:
        case "/drop":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        case "/none":
            return web.Response(status=204)
        case "/away":
            return web.json_response({}, status=302, headers={"Location": "http://127.0.0.1:9/"})
    body = (await request.read()).decode()
    told = {"path": request.raw_path, "headers": dict(request.headers), "body": body}
    return web.json_response(told, status=201, headers={"Retry-After": "3"})


@asynccontextmanager
async def serving(handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """A server on port 0; yields its URL."""
    runner = web.ServerRunner(web.Server(handler, access_log=None, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    yield f"http://{HOST}:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def server() -> AsyncIterator[str]:
    """A server that tells what it was asked."""
    async with serving(_answer) as url:
        yield url


async def test_recorder_passes_everything_on(server: str) -> None:
    """Path, query, body and headers arrive as they were sent, and the answer's come back; both are kept."""
    async with Recorder(server) as recorder, ClientSession() as session:
        headers = {"Authorization": "Bearer x", "Content-Type": "application/json"}
        async with session.post(f"{recorder.url}/a%20b?q=%C3%A4&q=2", data=b'{"a": 1}', headers=headers) as answer:
            told = await answer.json()
    assert (answer.status, answer.headers["Retry-After"]) == (201, "3")
    assert (told["path"], told["body"]) == ("/a%20b?q=%C3%A4&q=2", '{"a": 1}')
    assert told["headers"]["Authorization"] == "Bearer x"
    (pair,) = recorder.pairs
    assert (pair.asked.path, pair.asked.query, pair.asked.body) == ("/a%20b", "q=%C3%A4&q=2", b'{"a": 1}')
    assert pair.answered is not None
    assert (pair.answered.status, pair.answered.headers["retry-after"]) == (201, "3")


async def test_recorder_follows_no_redirect(server: str) -> None:
    """A redirect goes back to the client as it is."""
    async with Recorder(server) as recorder, ClientSession() as session:
        async with session.get(f"{recorder.url}/away", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (302, "http://127.0.0.1:9/")


async def test_recorder_passes_an_empty_answer_on(server: str) -> None:
    """An answer without a body stays one, also that of a HEAD."""
    async with Recorder(server) as recorder, ClientSession() as session:
        async with session.delete(f"{recorder.url}/none") as answer:
            assert (answer.status, await answer.read()) == (204, b"")
        async with session.head(f"{recorder.url}/some") as answer:
            assert (answer.status, await answer.read()) == (201, b"")


async def test_recorder_drops_what_the_server_drops(server: str) -> None:
    """Where the server drops the connection, the client's is dropped, and the exchange is kept as unanswered."""
    async with Recorder(server) as recorder, ClientSession() as session:
        with pytest.raises(ClientError):
            await session.post(f"{recorder.url}/drop", data=b"{}")
    assert [pair.answered for pair in recorder.pairs] == [None]


async def test_recorder_sees_a_request_whose_client_has_left() -> None:
    """A request that its client gave up is kept as unanswered."""
    came = asyncio.Event()

    async def hang(request: web.BaseRequest) -> web.StreamResponse:
        came.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with serving(hang) as server, Recorder(server) as recorder, ClientSession() as session:
        asking = asyncio.ensure_future(session.post(f"{recorder.url}/hang", data=b"{}"))
        await came.wait()
        asking.cancel()
    assert [pair.answered for pair in recorder.pairs] == [None]


async def test_recorder_without_an_exchange_is_no_proof(server: str) -> None:
    """That nothing came by is no proof of a kept contract."""
    async with Recorder(server) as recorder:
        with pytest.raises(AssertionError, match="0 exchanges"):
            assert_no_breach(recorder)


async def test_contracted_block_fails_with_the_breaches(server: str) -> None:
    """A block whose exchanges break the contract ends in their words."""
    with pytest.raises(AssertionError, match="no such operation"):
        async with contracted(server) as recorder, ClientSession() as session:
            await session.get(f"{recorder.url}/api/v2/tasks")


async def test_breaches_can_be_asked_for_by_side(server: str) -> None:
    """Where a server is told to spoil its answers, the client's requests are judged all the same, and alone."""
    async with Recorder(server) as recorder, ClientSession() as session:
        headers = {"Authorization": "Bearer x"}
        await session.get(f"{recorder.url}/api/v2/taskmanagement/workitems/schemas", headers=headers)
        assert_no_breach(recorder, sides=["request"])
        with pytest.raises(AssertionError, match="201 is not one of this operation's"):
            assert_no_breach(recorder)


class _Quiet(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the library
        """Nothing is logged."""


def test_recorder_runs_beside_a_test_that_blocks() -> None:
    """A test that waits for processes has its recorder in a thread."""
    with ThreadingHTTPServer((HOST, 0), _Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        with recorded(f"http://{HOST}:{server.server_port}") as recorder:
            with urlopen(f"{recorder.url}/api/v2/tasks") as answer:
                assert answer.status == 204
        server.shutdown()
        thread.join()
    assert [pair.asked.path for pair in recorder.pairs] == ["/api/v2/tasks"]
