"""A channel's websocket: where it may be, what is said there, and when it is taken for dead."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from yarl import URL

from importer.core.outcomes import NotDone
from importer.sandbox.clock import HandClock
from importer.targets.transport import HttpTransport, Timeouts
from importer.targets.workitems.notifications import CHANNELS, QUEUE, Notifications, address_of
from tests.flow.conftest import TurnedClock
from tests.targets.conftest import TOKEN, Answering, Stand, Stands

Speaking = Callable[[web.WebSocketResponse], Awaitable[None]]
QUEUES = ("q1", "q2")
REGION = "https://api.mypurecloud.de"


@pytest.mark.parametrize(
    ("uri", "api"),
    [
        ("wss://streaming.mypurecloud.de/channels/streaming-0-a", REGION),
        ("wss://streaming.mypurecloud.de:443/channels/streaming-0-a", REGION),
        ("wss://streaming.euw2.pure.cloud/channels/a", "https://api.euw2.pure.cloud"),
        ("ws://127.0.0.1:8080/channels/a", "http://127.0.0.1:9090"),
        ("wss://localhost/channels/a", "https://127.0.0.1:9090"),
    ],
)
def test_channel_is_on_the_regions_streaming_host(uri: str, api: str) -> None:
    """The websocket is on TLS at streaming.DOMAIN of the API, or on loopback as the API itself."""
    assert address_of(uri, URL(api)) == URL(uri, encoded=True)


@pytest.mark.parametrize(
    "uri",
    [
        "ws://streaming.mypurecloud.de/channels/a",
        "https://streaming.mypurecloud.de/channels/a",
        "wss://streaming.mypurecloud.ie/channels/a",
        "wss://api.mypurecloud.de/channels/a",
        "wss://streaming.mypurecloud.de.example.org/channels/a",
        "wss://streaming.mypurecloud.de@example.org/channels/a",
        "wss://me:secret@streaming.mypurecloud.de/channels/a",
        "wss://streaming.mypurecloud.de:8443/channels/a",
        "wss://example.org#streaming.mypurecloud.de/channels/a",
        "wss://streaming.mypurecloud.de/channels/a\r\nX-More: 1",
        "ws://127.0.0.1/channels/a",
        "wss://[/channels/a",
        "//streaming.mypurecloud.de/channels/a",
        "",
        None,
        7,
    ],
)
def test_channel_elsewhere_is_refused(uri: object) -> None:
    """Another host, port or scheme, and an address with a user or with what could be read in two ways, is none."""
    assert address_of(uri, URL(REGION)) is None


def test_loopback_api_has_no_channel_elsewhere() -> None:
    """An API on loopback cannot send its caller to another machine."""
    assert address_of("wss://streaming.mypurecloud.de/channels/a", URL("http://127.0.0.1:9090")) is None


def platform(speaking: Speaking) -> Answering:
    """A server whose channels permit every topic, and whose websocket speaks as told."""

    async def answering(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        if request.path == CHANNELS:
            return web.json_response({"id": "c", "connectUri": f"ws://{request.host}/socket"})
        if request.path == "/socket":
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await speaking(socket)
            return socket
        topics = [{"id": f"{QUEUE}{queue}", "state": "Permitted"} for queue in QUEUES]
        return web.json_response({"entities": topics})

    return answering


async def silent(socket: web.WebSocketResponse) -> None:
    """Hears, and says nothing."""
    async for _ in socket:
        pass


def event(topic: str, body: object) -> dict[str, object]:
    """A message of the websocket."""
    return {"topicName": topic, "eventBody": body}


async def until(is_so: Callable[[], bool]) -> None:
    """Returns when it is so."""
    while not is_so():  # noqa: ASYNC110 - the loop's turns are what is waited for
        await asyncio.sleep(0)


class Ear:
    """What listens there, in a time that stands still until it is turned."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.clock = TurnedClock(HandClock())
        self.transport = HttpTransport(Timeouts(10.0, 10.0))
        self.hints = Notifications(stand.exchange, self.clock, self.transport, stand.url)

    def sockets(self) -> int:
        """How many websockets were opened."""
        return [each.path for each in self.stand.seen].count("/socket")


@asynccontextmanager
async def listening(stand: Stand) -> AsyncIterator[Ear]:
    """Somebody listens while the context lasts."""
    ear = Ear(stand)
    try:
        async with ear.hints.listening(QUEUES):
            yield ear
    finally:
        await ear.transport.close()


async def test_only_ids_of_events_are_news(stands: Stands) -> None:
    """Heartbeats, topics of others and what cannot be read are passed over; an event's ID is news."""

    async def speaking(socket: web.WebSocketResponse) -> None:
        for odd in ("no JSON", "[]", "null", '{"topicName": 7}', '{"eventBody": {"id": "x"}}'):
            await socket.send_str(odd)
        await socket.send_bytes(b"\x00")
        await socket.send_json(event("channel.metadata", {"message": "WebSocket Heartbeat"}))
        await socket.send_json(event("v2.users.u.presence", {"id": "x"}))
        bodies: tuple[object, ...] = (None, [], {}, {"id": None}, {"id": 7}, {"id": "item", "statusCategory": "Closed"})
        for body in bodies:
            await socket.send_json(event(f"{QUEUE}q1", body))
        await socket.send_json(event(f"{QUEUE}q1", {"id": "last"}))
        await silent(socket)

    async with stands(platform(speaking)) as stand:
        news: set[str] = set()
        async with listening(stand) as ear:
            while "last" not in news:
                news |= ear.hints.news()
                await asyncio.sleep(0)
            assert ear.sockets() == 1
    assert news == {*QUEUES, "item", "last"}


async def test_websocket_has_no_credentials(stands: Stands) -> None:
    """The handshake carries no Authorization header and no token."""
    async with stands(platform(silent)) as stand:
        async with listening(stand) as ear:
            await until(lambda: ear.hints.hears("q1"))
        handshake = next(each for each in stand.seen if each.path == "/socket")
        assert "Authorization" not in handshake.headers
        assert not any(TOKEN in value for value in handshake.headers.values())


async def test_redirected_websocket_is_not_followed(stands: Stands) -> None:
    """A handshake that is answered with a redirect calls nobody else."""

    async def answering(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with stands(answering) as stand:
        transport = HttpTransport(Timeouts(10.0, 10.0))
        assert isinstance(await transport.connect(URL(stand.url.replace("http:", "ws:") + "/socket")), NotDone)
        await transport.close()
        assert [each.path for each in stand.calls()] == ["/socket"]


@pytest.mark.parametrize("topic", ["v2.system.no_longer_subscribed.c", "v2.system.token_revoked.t"])
async def test_ended_subscription_is_made_anew(stands: Stands, topic: str) -> None:
    """When the server tells that nothing more will come, it is subscribed again a second later, and nobody is told."""
    left: list[bool] = []

    async def speaking(socket: web.WebSocketResponse) -> None:
        await socket.send_json(event(topic, {}))
        await silent(socket)
        left.append(True)

    async with stands(platform(speaking)) as stand, listening(stand) as ear:
        await until(lambda: bool(left) and not ear.hints.hears("q1"))
        assert ear.hints.problem == ""
        await until(ear.clock.turn)
        await until(lambda: ear.sockets() == 2)
        assert ear.clock.monotonic() == 1.0


async def test_silent_websocket_is_taken_for_dead(stands: Stands) -> None:
    """Where nothing comes for 90 seconds, three pings or not, another websocket is opened."""
    pings: list[str] = []
    left: list[bool] = []

    async def speaking(socket: web.WebSocketResponse) -> None:
        async for message in socket:
            pings.append(message.data)
        left.append(True)

    async with stands(platform(speaking)) as stand, listening(stand) as ear:
        for number in (1, 2, 3):
            await until(lambda number=number: len(pings) == number)  # type: ignore[misc]
            assert ear.hints.hears("q1")
            await until(ear.clock.turn)
        await until(lambda: bool(left) and not ear.hints.hears("q1"))
        await until(ear.clock.turn)
        await until(lambda: ear.sockets() == 2)
        assert ear.clock.monotonic() == 91.0
    assert set(pings) == {'{"message":"ping"}'}
