"""Notification channels, their subscriptions, and what comes over the websocket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from importer.sandbox.clock import HandClock
from importer.sandbox.queues import queue_id
from importer.sandbox.scenario import Scenario
from importer.sandbox.workitems.services import Services
from importer.sandbox.workitems.settings import WorkitemSettings
from tests.sandbox.conftest import UNLIMITED, Caller
from tests.sandbox.workitems.conftest import WORKITEMS, made

CHANNELS = "/api/v2/notifications/channels"
TOPIC = "v2.taskmanagement.workitems."
QUEUE = f"{TOPIC}queues.{queue_id('Claims')}"
NOBODY = "00000000-0000-4000-8000-000000000000"
FORBIDDEN = Scenario(
    limit=UNLIMITED,
    services=Services(topic_permission="some:workitem:view"),
    workitems=WorkitemSettings(denied_permissions=("some:workitem:view",)),
)


async def opened(caller: Caller) -> dict[str, Any]:
    """A new channel."""
    status, channel = await caller.call("POST", CHANNELS)
    assert status == 200
    return dict(channel)


async def subscribed(
    caller: Caller, channel: dict[str, Any], *topics: str, method: str = "POST", **query: str
) -> tuple[int, Any]:
    """Subscribe to topics."""
    path = f"{CHANNELS}/{channel['id']}/subscriptions"
    return await caller.call(method, path, json=[{"id": topic} for topic in topics], params=query)


async def topics(caller: Caller, channel: dict[str, Any]) -> list[str]:
    """What a channel is subscribed to."""
    _, listed = await caller.call("GET", f"{CHANNELS}/{channel['id']}/subscriptions")
    return [each["id"] for each in listed["entities"]]


@asynccontextmanager
async def listening(
    caller: Caller, clock: HandClock, channel: dict[str, Any]
) -> AsyncIterator[ClientWebSocketResponse]:
    """A websocket that the sandbox has begun to serve."""
    async with caller.session.ws_connect(channel["connectUri"]) as socket:
        await clock.until_asleep(1)
        yield socket


async def ping(socket: ClientWebSocketResponse) -> None:
    await socket.send_json({"message": "ping"})


async def until_pong(socket: ClientWebSocketResponse) -> list[dict[str, Any]]:
    """All that comes before the answer to a ping that is sent now."""
    await ping(socket)
    messages = []
    while (message := await socket.receive_json())["eventBody"].get("message") != "pong":
        messages.append(message)
    return messages


async def told(socket: ClientWebSocketResponse, clock: HandClock, seconds: float) -> list[dict[str, Any]]:
    """All that comes while so much time passes."""
    clock.advance(seconds)
    await clock.until_asleep(1)
    return await until_pong(socket)


# Channels and subscriptions


async def test_channel_has_an_address_and_an_end(caller: Caller, clock: HandClock) -> None:
    """A channel names its websocket and when it ends; it is listed and can be checked until then."""
    channel = await opened(caller)
    assert channel["connectUri"] == f"{caller.sandbox.api_url}/channels/{channel['id']}".replace("http:", "ws:")
    assert (await caller.call("GET", CHANNELS))[1]["entities"] == [channel]
    clock.advance(86_398)
    assert (await caller.send("HEAD", f"{CHANNELS}/{channel['id']}")).status == 200
    clock.advance(2)
    await caller.log_in()
    assert (await caller.send("HEAD", f"{CHANNELS}/{channel['id']}")).status == 404


async def test_subscribing_lengthens_a_channels_life(caller: Caller, clock: HandClock) -> None:
    """Who subscribes again keeps the channel for another day."""
    channel = await opened(caller)
    clock.advance(80_000)
    await subscribed(caller, channel, QUEUE)
    clock.advance(80_000)
    await caller.log_in()
    assert await topics(caller, channel) == [QUEUE]


async def test_twenty_first_channel_ends_the_oldest(caller: Caller) -> None:
    """A client has at most 20 channels: one more ends the oldest that nobody listens to."""
    channels = [await opened(caller) for _ in range(21)]
    listed = (await caller.call("GET", CHANNELS))[1]["entities"]
    assert [each["id"] for each in listed] == [each["id"] for each in channels[1:]]


async def test_subscriptions_are_added_replaced_and_cleared(caller: Caller) -> None:
    """POST adds topics, PUT replaces them all, DELETE leaves none."""
    channel, one, two = await opened(caller), f"{TOPIC}{NOBODY}", f"{TOPIC}users.{NOBODY}"
    await subscribed(caller, channel, QUEUE)
    status, answer = await subscribed(caller, channel, one)
    assert (status, answer["entities"]) == (200, [{"id": one, "state": "Permitted"}])
    assert await topics(caller, channel) == [QUEUE, one]
    await subscribed(caller, channel, two, method="PUT")
    assert await topics(caller, channel) == [two]
    await caller.send("DELETE", f"{CHANNELS}/{channel['id']}/subscriptions")
    assert await topics(caller, channel) == []


async def test_one_bad_topic_fails_the_whole_request(caller: Caller) -> None:
    """An invalid topic among good ones is a 400, and none is subscribed."""
    channel = await opened(caller)
    status, error = await subscribed(caller, channel, QUEUE, f"{TOPIC}worktypes.{NOBODY}")
    assert (status, error["code"]) == (400, "notification.invalid.topic")
    assert await topics(caller, channel) == []


async def test_errors_can_be_ignored(caller: Caller) -> None:
    """With `ignoreErrors`, a bad topic is rejected for a reason and the good ones are subscribed."""
    channel = await opened(caller)
    _, answer = await subscribed(caller, channel, QUEUE, "v2.nothing", ignoreErrors="true")
    assert [each["state"] for each in answer["entities"]] == ["Permitted", "Rejected"]
    assert answer["entities"][1]["rejectionReason"]
    assert await topics(caller, channel) == [QUEUE]


@pytest.mark.parametrize("scenario", [FORBIDDEN])
async def test_topic_without_permission_is_rejected(caller: Caller) -> None:
    """A topic whose permission is missing is a 403; where errors are ignored, the answer names the permission."""
    channel = await opened(caller)
    assert (await subscribed(caller, channel, QUEUE))[0] == 403
    _, answer = await subscribed(caller, channel, QUEUE, ignoreErrors="true")
    assert answer["entities"][0]["missingPermissions"] == ["some:workitem:view"]


async def test_channel_takes_a_thousand_topics(caller: Caller) -> None:
    """The thousandth topic is taken, the next is a 400."""
    channel = await opened(caller)
    many = [f"{TOPIC}{NOBODY[:-4]}{n:04}" for n in range(1001)]
    assert (await subscribed(caller, channel, *many[:1000]))[0] == 200
    status, error = await subscribed(caller, channel, many[1000])
    assert (status, error["code"]) == (400, "notification.subscription.too.many.subscriptions")


async def test_available_topics_tell_what_is_asked(caller: Caller) -> None:
    """Topics are listed with their templates; details come where they are expanded."""
    path = "/api/v2/notifications/availabletopics"
    _, plain = await caller.call("GET", path)
    _, more = await caller.call("GET", path, params=[("expand", "transports"), ("expand", "topicParameters")])
    assert {"id": f"{TOPIC}queues.{{id}}"} in plain["entities"]
    topic = next(each for each in more["entities"] if each["id"] == f"{TOPIC}queues.{{id}}")
    assert (topic["transports"], topic["topicParameters"]) == (["All"], ["queueId"])


# The websocket


async def test_events_come_as_states_change(caller: Caller, clock: HandClock) -> None:
    """Each version after the first comes once, in order, as a flat body with what changed."""
    channel, workitem = await opened(caller), await made(caller, externalTag="E-1")
    await subscribed(caller, channel, f"{TOPIC}{workitem['id']}")
    async with listening(caller, clock, channel) as socket:
        messages = await told(socket, clock, 100)
    _, history = await caller.call("GET", f"{WORKITEMS}/{workitem['id']}/history", params={"pageSize": "200"})
    bodies = [message["eventBody"] for message in messages if message["topicName"].startswith(TOPIC)]
    assert len(bodies) == len(history["entities"]) - 1 > 0
    assert {body["externalTag"] for body in bodies} == {"E-1"}
    assert bodies[0]["assignmentState"] == "AcdStarted"
    change = {"op": "replace", "field": "assignmentState", "oldValue": "Idle", "newValue": "AcdStarted"}
    assert change in bodies[0]["changes"]
    assert bodies[-1]["assignmentState"] == "Terminated"
    assert isinstance(bodies[0]["typeId"], str)


async def test_queue_topic_tells_of_creations(caller: Caller, clock: HandClock) -> None:
    """A workitem that is created in a queue comes on the queue's topic, with its tag, as added."""
    channel = await opened(caller)
    await subscribed(caller, channel, f"{TOPIC}queues.{queue_id('Billing')}")
    async with listening(caller, clock, channel) as socket:
        clock.advance(1)
        workitem = await made(caller, queueId=queue_id("Billing"), externalTag="E-2")
        await made(caller, queueId=queue_id("Onboarding"))
        messages = await told(socket, clock, 0.2)
    added = [each["eventBody"] for each in messages if each["eventBody"].get("operation") == "add"]
    assert [(each["id"], each["externalTag"]) for each in added] == [(workitem["id"], "E-2")]


async def test_events_while_nobody_listens_are_lost(caller: Caller, clock: HandClock) -> None:
    """What happens before the websocket opens is not told later."""
    channel, workitem = await opened(caller), await made(caller)
    await subscribed(caller, channel, f"{TOPIC}{workitem['id']}")
    clock.advance(100)
    async with listening(caller, clock, channel) as socket:
        assert await told(socket, clock, 10) == []


@pytest.mark.parametrize("scenario", [Scenario(limit=UNLIMITED, services=Services(events_lost=1))])
async def test_events_can_be_lost(caller: Caller, clock: HandClock) -> None:
    """Where it is set so, events never arrive, though all is subscribed and open."""
    channel, workitem = await opened(caller), await made(caller)
    await subscribed(caller, channel, f"{TOPIC}{workitem['id']}")
    async with listening(caller, clock, channel) as socket:
        assert await told(socket, clock, 20) == []


async def test_websocket_beats_and_answers_pings(caller: Caller, clock: HandClock) -> None:
    """A heartbeat comes every 30 seconds; a ping is answered by a pong."""
    channel = await opened(caller)
    async with listening(caller, clock, channel) as socket:
        assert await told(socket, clock, 29) == []
        beats = await told(socket, clock, 1)
    assert beats == [{"topicName": "channel.metadata", "eventBody": {"message": "WebSocket Heartbeat"}}]


@pytest.mark.parametrize(
    "scenario", [Scenario(limit=UNLIMITED, services=Services(closing_after_s=20, closing_grace_s=5))]
)
async def test_websocket_announces_its_end(caller: Caller, clock: HandClock) -> None:
    """A websocket that will be closed is told so, and is closed after the time of grace."""
    channel = await opened(caller)
    async with listening(caller, clock, channel) as socket:
        messages = await told(socket, clock, 20)
        assert [message["topicName"] for message in messages] == ["v2.system.socket_closing"]
        clock.advance(5)
        assert (await socket.receive()).type is WSMsgType.CLOSE


async def test_second_websocket_disconnects_the_first(caller: Caller, clock: HandClock) -> None:
    """A channel has one websocket: the next one that opens is the one that is told."""
    channel = await opened(caller)
    async with listening(caller, clock, channel) as first, caller.session.ws_connect(channel["connectUri"]) as second:
        await until_pong(second)
        clock.advance(1)
        assert (await first.receive()).type is WSMsgType.CLOSE
        assert await until_pong(second) == []


async def test_unknown_channel_has_no_websocket(caller: Caller) -> None:
    """Who asks for a channel that there is not gets a 404."""
    with pytest.raises(WSServerHandshakeError) as caught:
        await caller.session.ws_connect(f"{caller.sandbox.api_url}/channels/none")
    assert caught.value.status == 404
