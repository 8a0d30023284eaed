"""Connections: cuts those that neither ask nor listen, and bounds how many there are."""

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import web

from importer.web.headers import HEADERS
from importer.web.route import Handler

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.web.house import House


class Connections:
    """The open connections of a server, oldest first.

    A connection that is not being answered must bring a whole request header within `header_s`. A body that is not
    complete must grow within `body_s`, unless we do not read; an answer must be taken within `write_s`. Where there is no
    room for another connection, the oldest one that asks nothing makes room.
    """

    def __init__(self, house: "House", is_trusted: "Callable[[str | None], bool]") -> None:
        self.house = house
        self._is_trusted = is_trusted
        self._open: dict[Watched, None] = {}
        self.cut = 0  # how many were cut so far

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, new: "Watched") -> bool:
        """Counts a new connection in, unless there are too many that are being answered."""
        address = new.address
        if not self._is_trusted(address):
            same = [each for each in self._open if each.address == address]
            if len(same) >= self.house.connections_each and not self._room(same):
                return False
        if len(self._open) >= self.house.connections and not self._room(list(self._open)):
            return False
        self._open[new] = None
        return True

    def _room(self, among: "list[Watched]") -> bool:
        idle = next((each for each in among if not each.is_busy), None)
        if idle is not None:
            idle.cut()
        return idle is not None

    def leave(self, gone: "Watched") -> None:
        """Counts a connection out."""
        self._open.pop(gone, None)


OPEN = web.AppKey("open", Connections)


class Watched(web.RequestHandler):
    """aiohttp's protocol of one connection, under a watch of ours: aiohttp itself waits for ever for half a body."""

    __slots__ = ("_connections", "_deadline", "_request", "_unread", "address")

    def __init__(self, connections: Connections, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._connections = connections
        self._deadline: asyncio.TimerHandle | None = None  # of the header, or of the body's next byte
        self._unread: asyncio.TimerHandle | None = None  # of an answer that is not taken
        self._request: web.BaseRequest | None = None  # the one that is being answered
        self.address: str | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self._request is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if isinstance(peer, tuple) else None
        super().connection_made(transport)
        if self._connections.admit(self):
            self._wait_for_header()
        else:
            self.cut()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop()
        if self._unread is not None:
            self._unread.cancel()
        self._connections.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._request is not None and self._deadline is not None:
            self._wait_for_body()

    def began(self, request: web.BaseRequest) -> None:
        """A request's header is complete, and a handler has it; until its task ends, answer and all."""
        self._request = request
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(lambda _: self._ended(request))
        if request.body_exists and not request.content.is_eof():
            self._wait_for_body()
        else:
            self._stop()

    def _ended(self, request: web.BaseRequest) -> None:
        if self._request is not request:
            return  # the next one, sent along with it, has begun
        self._request = None
        if self.transport is not None:
            self._wait_for_header()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = asyncio.get_running_loop().call_later(self._connections.house.write_s, self.cut)

    def resume_writing(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """What is no HTTP, or failed outside of the application: aiohttp's own words would repeat what was sent."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun") from exc
        reply = web.Response(status=status, text=f"{status}\n", headers=HEADERS)
        reply.force_close()
        return reply

    def cut(self) -> None:
        """Ends the connection without another word."""
        if isinstance(self.transport, asyncio.Transport):
            self._connections.cut += 1
            self._connections.leave(self)
            self.transport.abort()

    def _wait_for_header(self) -> None:
        self._wait(self._connections.house.header_s, self.cut)

    def _wait_for_body(self) -> None:
        self._wait(self._connections.house.body_s, self._body_is_late)

    def _body_is_late(self) -> None:
        request, transport = self._request, self.transport
        if request is None or request.content.is_eof():
            self._stop()
        elif isinstance(transport, asyncio.Transport) and not transport.is_reading():
            self._wait_for_body()  # we hold it up ourselves
        else:
            self.cut()

    def _wait(self, seconds: float, then: "Callable[[], None]") -> None:
        self._stop()
        self._deadline = asyncio.get_running_loop().call_later(seconds, then)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


@web.middleware
async def watched(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tells the connection that its request is being answered."""
    if isinstance(request.protocol, Watched):
        request.protocol.began(request)
    return await handler(request)
