"""Listener: the socket of the page, and its orderly end."""

import asyncio
import errno
import socket
from typing import TYPE_CHECKING

from aiohttp import web

from importer.core.errors import UsageError
from importer.web.connections import OPEN, Connections, Watched
from importer.web.rooms import ROOMS

if TYPE_CHECKING:
    import ssl

BACKLOG = 256
IDLE_S = 75.0
"""aiohttp's own patience with a connection between two requests: ours ends sooner."""


def bound(address: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises UsageError where it cannot be had."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=BACKLOG)
    except OSError as problem:
        if problem.errno == errno.EADDRNOTAVAIL:
            raise UsageError(f"{address} is no address of this machine.", "Choose another with --bind.") from problem
        raise UsageError(f"Port {port} cannot be used: {problem.strerror}.", "Choose another with --port.") from problem


class Listener:
    """Answers on a socket, `async with`; every connection is watched. Owns the socket."""

    def __init__(self, app: web.Application, sock: socket.socket, tls: "ssl.SSLContext | None" = None) -> None:
        room = app[ROOMS]
        self.connections = Connections(room.house, room.people.trusts)
        app[OPEN] = self.connections
        self._house = room.house
        self._sock = sock
        self._tls = tls
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=room.house.leave_s)
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Listener":
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        timeouts = {"ssl_handshake_timeout": self._house.header_s} if self._tls else {}
        self._server = await loop.create_server(
            self._watched, sock=self._sock, ssl=self._tls, backlog=BACKLOG, **timeouts
        )  # type: ignore[call-overload] # the time-out may not be given without a certificate
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._runner.cleanup()

    def _watched(self) -> Watched:
        manager = self._runner.server
        assert manager is not None
        # Nothing is unpacked: a body that is packed has been refused, but not before it began to arrive.
        return Watched(
            self.connections, manager, loop=asyncio.get_running_loop(), access_log=None, auto_decompress=False,
            keepalive_timeout=IDLE_S, lingering_time=min(5.0, self._house.body_s),
        )  # fmt: skip
