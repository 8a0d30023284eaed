"""Notifications: a websocket tells that workitems of some queues have changed. See ports.Hints."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from yarl import URL

from importer.core.errors import ImporterError, NotAuthorised, TargetDown
from importer.core.outcomes import Lost, NotDone
from importer.core.waits import back_off_s
from importer.hosts import LOOPBACK
from importer.ports import Clock
from importer.targets.exchange import Exchange
from importer.targets.transport import HttpTransport, Reply, Socket

log = logging.getLogger(__name__)

CHANNELS = "/api/v2/notifications/channels"
QUEUE = "v2.taskmanagement.workitems.queues."
CLOSING = "v2.system.socket_closing"
VOID = ("v2.system.no_longer_subscribed.", "v2.system.token_revoked.")
"""Topics that tell that nothing more will come until it is subscribed anew."""
TOPICS_MOST = 1000
NEWS_MOST = 10_000
"""Of more IDs than this that were not yet asked for, the places alone are kept: a queue may hold much that is not ours."""
PING = '{"message":"ping"}'
PING_S = 30.0
SILENT_S = 90.0
"""A websocket on which nothing came for so long, neither a heartbeat nor an answer to a ping, is taken for dead."""
STEADY_S = 60.0
"""A websocket that lasted so long was a good one: the next one is tried soon."""
RETRY_FIRST_S, RETRY_MOST_S = 1.0, 300.0
LEAVE_S = 5.0


class Deaf(Exception):
    """Nothing is heard, and why; `final`: nor will be in this run."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel of our own, and where its websocket is."""

    path: str
    address: URL


class Notifications:
    """See ports.Hints: places are queues. What an event says of a workitem is not even read, but for its ID.

    The mutable state is the channel, the queues that are heard at the moment, and the news that was not yet asked for.
    """

    def __init__(self, exchange: Exchange, clock: Clock, transport: HttpTransport, api_url: str) -> None:
        self._exchange = exchange
        self._clock = clock
        self._transport = transport
        self._api = URL(api_url)
        self._channel: Channel | None = None
        self._heard: frozenset[str] = frozenset()
        self._news: set[str] = set()
        self._last = 0.0
        self.problem = ""

    def place(self, payload: Mapping[str, Any]) -> str:
        return str(payload.get("queueId") or "")

    def hears(self, place: str) -> bool:
        return place in self._heard

    def news(self) -> frozenset[str]:
        news, self._news = frozenset(self._news), set()
        return news

    @asynccontextmanager
    async def listening(self, places: Sequence[str]) -> AsyncIterator[None]:
        if len(places) > TOPICS_MOST:
            log.warning("more queues than a channel takes", extra={"queues": len(places), "heard": TOPICS_MOST})
        keeping = asyncio.create_task(self._keep(places[:TOPICS_MOST]))
        try:
            yield
        except asyncio.CancelledError:
            self._channel = None  # whoever leaves at once leaves it as it is: it ends by itself
            raise
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])
            failed = None if keeping.cancelled() else keeping.exception()
            if failed is not None:  # a bug, but none that a run should fail of
                log.error("listening failed", exc_info=failed)
            await self._leave()

    # One websocket after the other

    async def _keep(self, queues: Sequence[str]) -> None:
        """Listens until it is cancelled, or for good refused; after a loss again, with back-off."""
        failures = 0
        while True:
            began = self._clock.monotonic()
            reason, final = "", False
            try:
                await self._attend(queues)
            except (Deaf, NotAuthorised, TargetDown) as problem:
                reason = str(problem)
                final = problem.final if isinstance(problem, Deaf) else isinstance(problem, NotAuthorised)
                log.warning("no notifications", extra={"problem": reason, "final": final})
            finally:
                self._news |= self._heard  # from here on everything may be missed
                self._heard = frozenset()
            failures = 1 if self._clock.monotonic() - began >= STEADY_S else failures + 1
            if final or failures > 1:  # one loss is soon made good
                self.problem = reason
            if final:
                return
            await self._clock.sleep(back_off_s(failures, first_s=RETRY_FIRST_S, most_s=RETRY_MOST_S))

    async def _attend(self, queues: Sequence[str]) -> None:
        """One websocket, from its opening until the server announces its end. Raises Deaf where it ends otherwise."""
        channel = self._channel = self._channel or await self._made()
        permitted = await self._subscribed(channel, queues)
        socket = await self._transport.connect(channel.address)
        if isinstance(socket, NotDone):
            self._channel = None
            raise Deaf(socket.problem)
        self._last = self._clock.monotonic()
        pinging = asyncio.create_task(self._ping(socket))
        try:
            self._heard, self.problem = permitted, ""
            log.info("listening", extra={"queues": len(permitted)})
            self._news |= permitted  # what happened before is told to nobody
            async for message in socket.messages():
                self._last = self._clock.monotonic()
                if self._is_end(message):
                    return
        finally:
            pinging.cancel()
            await socket.close()
        self._channel = None  # who took it may keep it
        raise Deaf("the websocket was closed")

    async def _ping(self, socket: Socket) -> None:
        while self._clock.monotonic() - self._last < SILENT_S:
            await socket.say(PING)
            await self._clock.sleep(PING_S)
        await socket.close()

    def _is_end(self, message: Any) -> bool:
        """Notes a message; whether it announces the end of the websocket. What cannot be read is passed over."""
        told = message if isinstance(message, dict) else {}
        topic, body = str(told.get("topicName")), told.get("eventBody")
        if topic.startswith(VOID):
            raise Deaf("the subscription has ended")
        task_id = body.get("id") if isinstance(body, dict) and topic.startswith(QUEUE) else None
        if isinstance(task_id, str):
            self._news.add(task_id)
        if len(self._news) > NEWS_MOST:
            self._news = set(self._heard)
        return topic == CLOSING

    # Calls

    async def _made(self) -> Channel:
        body = _body(await self._exchange.aside("POST", CHANNELS), "A channel")
        address = address_of(body.get("connectUri"), self._api)
        if address is None:
            raise Deaf("the channel's address is none of this region's", final=True)
        return Channel(f"{CHANNELS}/{quote(str(body.get('id')), safe='')}/subscriptions", address)

    async def _subscribed(self, channel: Channel, queues: Sequence[str]) -> frozenset[str]:
        """The queues that are heard; also lengthens the channel's life."""
        topics = json.dumps([{"id": QUEUE + queue} for queue in queues])
        reply = await self._exchange.aside("POST", f"{channel.path}?ignoreErrors=true", topics)
        if isinstance(reply, Reply) and reply.status == 404:
            self._channel = None
            raise Deaf("the channel is gone")
        entities = _body(reply, "A subscription").get("entities")
        told = [each for each in entities if isinstance(each, dict)] if isinstance(entities, list) else []
        rejected = [each for each in told if each.get("state") != "Permitted"]
        for each in rejected:
            reason, missing = each.get("rejectionReason"), each.get("missingPermissions")
            log.warning("topic rejected", extra={"topic": each.get("id"), "reason": reason, "missing": missing})
        permitted = {str(each.get("id")).removeprefix(QUEUE) for each in told if each not in rejected}
        heard = frozenset(queues) & permitted
        if not heard:
            raise Deaf(f"no queue may be heard{_missing(rejected)}", final=True)
        return heard

    async def _leave(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            with suppress(ImporterError, TimeoutError):  # it ends by itself, only later
                async with asyncio.timeout(LEAVE_S):
                    await self._exchange.aside("DELETE", channel.path)


def address_of(uri: Any, api: URL) -> URL | None:
    """Where a channel's websocket is, if it may be there: TLS on the region's streaming host, or on loopback as the API itself."""
    if not isinstance(uri, str) or not re.fullmatch("[!-~]+", uri):
        return None
    try:
        url = URL(uri, encoded=True)
        host, port = url.host or "", url.explicit_port
    except ValueError:
        return None
    if url.user is not None or url.password is not None:
        return None
    if LOOPBACK.fullmatch(api.host or ""):
        return url if url.scheme in ("ws", "wss") and LOOPBACK.fullmatch(host) else None
    streaming = f"streaming.{(api.host or '').removeprefix('api.')}"
    return url if url.scheme == "wss" and host == streaming and port in (None, 443) else None


def _body(reply: Reply | Lost | NotDone, what: str) -> Mapping[str, Any]:
    """The answer's body. Raises Deaf, for good where the platform refuses."""
    if not isinstance(reply, Reply):
        raise Deaf(reply.problem)
    if reply.status < 300 and isinstance(reply.body, dict):
        return reply.body
    raise Deaf(f"{what} was refused ({reply.status}: {reply.problem})", final=400 <= reply.status < 500)


def _missing(rejected: Sequence[Mapping[str, Any]]) -> str:
    """The permissions that rejected topics name."""
    lists = [each.get("missingPermissions") for each in rejected]
    names = sorted({str(name) for each in lists if isinstance(each, list) for name in each})
    return f"; it needs {', '.join(names)[:200]}" if names else ""
