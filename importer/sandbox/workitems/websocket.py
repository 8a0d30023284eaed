"""A channel's websocket: events, heartbeats, pongs, and the news that it will be closed."""

import asyncio
import json
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web

from importer.sandbox.clock import Clock
from importer.sandbox.workitems.channels import Channel, Listener
from importer.sandbox.workitems.notifications import closing, metadata
from importer.sandbox.workitems.platform import Platform

PATH = "/channels/"
TICK_S = 0.1
"""So often it is looked what has happened."""
HEARTBEAT = "WebSocket Heartbeat"


async def converse(platform: Platform, clock: Clock, request: web.BaseRequest) -> web.StreamResponse:
    """Serve the websocket of the channel in the path until either side closes it; 404 where there is no channel.

    It needs no authorization: who knows the channel's ID may listen.
    """
    channel = platform.channels.get(request.path.removeprefix(PATH), clock.now())
    if channel is None:
        return web.Response(status=404)
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    listener = platform.channels.listen(channel, clock.now())
    speaker = _Speaker(platform, clock, channel, listener, socket)
    try:
        async with asyncio.TaskGroup() as group:
            speaking = group.create_task(speaker.speak())
            await _answer(socket)
            speaking.cancel()
    finally:
        platform.channels.leave(channel, listener)
    return socket


async def _answer(socket: web.WebSocketResponse) -> None:
    """A pong for each ping; anything else is not answered. Returns when the socket is closed."""
    async for message in socket:
        if message.type is WSMsgType.TEXT and _is_ping(message.data):
            with suppress(ConnectionError):  # the listener left
                await _send(socket, metadata("pong"))


def _is_ping(text: str) -> bool:
    try:
        said = json.loads(text)
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("message") == "ping"


async def _send(socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
    await socket.send_str(json.dumps(message))


class _Speaker:
    """Says what there is to say. Its state: when the next heartbeat is due, and when it announced the end."""

    def __init__(
        self, platform: Platform, clock: Clock, channel: Channel, listener: Listener, socket: web.WebSocketResponse
    ) -> None:
        self._platform, self._clock = platform, clock
        self._channel, self._listener, self._socket = channel, listener, socket
        self._opened = clock.now()
        self._heartbeat_at = self._opened + platform.scenario.services.heartbeat_s
        self._announced_at: float | None = None

    async def speak(self) -> None:
        """Until the channel is another's, has ended, or the time after the announcement is over."""
        with suppress(ConnectionError):  # the listener left
            while self._may_go_on():
                await self._tell()
                await self._clock.sleep(TICK_S)
            await self._socket.close()

    def _may_go_on(self) -> bool:
        now = self._clock.now()
        grace_s = self._platform.scenario.services.closing_grace_s
        if self._announced_at is not None and now >= self._announced_at + grace_s:
            return False
        is_alive = self._platform.channels.get(self._channel.id, now) is self._channel
        return is_alive and self._channel.listener is self._listener

    async def _tell(self) -> None:
        now, services = self._clock.now(), self._platform.scenario.services
        for message in self._platform.channels.news(self._channel, self._listener, now, services):
            await _send(self._socket, message)
        if now >= self._heartbeat_at:
            self._heartbeat_at = now + services.heartbeat_s
            await _send(self._socket, metadata(HEARTBEAT))
        after_s = services.closing_after_s
        if after_s is not None and self._announced_at is None and now >= self._opened + after_s:
            self._announced_at = now
            await _send(self._socket, closing())
