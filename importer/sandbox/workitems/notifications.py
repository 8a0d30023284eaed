"""The calls about notifications: which topics there are, channels, and what they are subscribed to."""

import json
import re
import uuid
from collections.abc import Sequence
from typing import Any

from importer.sandbox.answers import CORRELATION, Answer, success
from importer.sandbox.workitems.channels import CLOSING, METADATA, PREFIX, Channel, Topic
from importer.sandbox.workitems.platform import Operation, Platform, Request
from importer.sandbox.workitems.refusal import Refusal

NOTIFICATIONS = "/api/v2/notifications"
CHANNEL = f"{NOTIFICATIONS}/channels/{{channelId}}"
SUBSCRIPTIONS = f"{CHANNEL}/subscriptions"
UUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
TEMPLATES: dict[str, tuple[str, ...]] = {
    f"{PREFIX}{{id}}": ("workitemId",),
    f"{PREFIX}queues.{{id}}": ("queueId",),
    f"{PREFIX}users.{{id}}": ("userId",),
    "v2.audits.entitytype.{id}.entityid.{id}": ("entityType", "entityId"),
}
"""The topics that can be subscribed, with the names of their places."""
_KNOWN = re.compile(
    rf"{re.escape(PREFIX)}(?:(?:queues|users)\.)?{UUID}|v2\.audits\.entitytype\.\w+\.entityid\.{UUID}|v2\.system\..+"
)


# Topics


def _topics(platform: Platform, request: Request) -> Answer:
    """The optional fields are those of `expand`."""
    needed = platform.scenario.services.topic_permission
    expanded = set(request.query.get("expand", ()))
    entities = []
    for template, places in TEMPLATES.items():
        details: dict[str, Any] = {
            "description": template,
            "enforced": True,
            "visibility": "Public",
            "transports": ["All"],
            "requiresPermissions": [needed] if needed and template.startswith(PREFIX) else [],
            "topicParameters": list(places),
        }
        entities.append({"id": template, **{name: each for name, each in details.items() if name in expanded}})
    return success({"entities": entities})


# Channels


def _make(platform: Platform, request: Request) -> Answer:
    client_id = platform.identity.client_id
    channel = platform.channels.make(client_id, request.now, platform.scenario.services)
    return success(channel.json(_host(request)))


def _list(platform: Platform, request: Request) -> Answer:
    mine = platform.channels.of(platform.identity.client_id, request.now)
    return success({"entities": [channel.json(_host(request)) for channel in mine]})


def _head(platform: Platform, request: Request) -> Answer:
    _channel(platform, request)
    return _empty()


def _channel(platform: Platform, request: Request) -> Channel:
    channel = platform.channels.get(request.arguments["channelId"], request.now)
    if channel is None:
        raise Refusal(404)
    return channel


def _host(request: Request) -> str:
    return request.headers.get("Host", "")


def _empty() -> Answer:
    return Answer(200, b"", {CORRELATION: str(uuid.uuid4())})


# Subscriptions


def _add(platform: Platform, request: Request) -> Answer:
    channel = _channel(platform, request)
    return _subscribed(platform, request, channel, dict(channel.topics))


def _replace(platform: Platform, request: Request) -> Answer:
    return _subscribed(platform, request, _channel(platform, request), {})


def _subscriptions(platform: Platform, request: Request) -> Answer:
    topics = [topic.json() for topic in _channel(platform, request).topics.values() if topic.state == "Permitted"]
    return success({"entities": topics})


def _clear(platform: Platform, request: Request) -> Answer:
    _channel(platform, request).topics.clear()
    return _empty()


def _subscribed(platform: Platform, request: Request, channel: Channel, kept: dict[str, Topic]) -> Answer:
    """Add the body's topics to those kept; one bad topic fails the whole request unless errors are to be ignored.

    It also lengthens the channel's life.
    """
    services = platform.scenario.services
    asked = [_judged(platform, name) for name in _names(request)]
    if request.one("ignoreErrors").casefold() != "true":
        for topic in asked:
            _accept(topic)
    together = {**kept, **{topic.id: topic for topic in asked if topic.state == "Permitted"}}
    if len(together) > services.topics_most:
        raise Refusal(400, "notification.subscription.too.many.subscriptions", "Too many subscriptions")
    channel.topics = together
    channel.expires = request.now + services.channel_life_s
    return success({"entities": [topic.json() for topic in asked]})


def _judged(platform: Platform, name: str) -> Topic:
    if not _KNOWN.fullmatch(name):
        return Topic(name, "Rejected", "The subscription topic is not valid.")
    needed = platform.scenario.services.topic_permission
    if needed and name.startswith(PREFIX) and needed in platform.scenario.workitems.denied_permissions:
        return Topic(name, "Rejected", "Not authorized for this topic.", (needed,))
    return Topic(name)


def _accept(topic: Topic) -> None:
    if topic.missing:
        raise Refusal(403, "notification.unauthorized.topic", "Not authorized for this topic.")
    if topic.state == "Rejected":
        raise Refusal(400, "notification.invalid.topic", "The subscription topic is not valid.")


def _names(request: Request) -> Sequence[str]:
    try:
        topics = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Refusal(400) from None
    if not isinstance(topics, list) or not all(isinstance(topic, dict) for topic in topics):
        raise Refusal(400)
    return [str(topic.get("id", "")) for topic in topics]


# What goes over a websocket besides events


def metadata(message: str) -> dict[str, Any]:
    """A message about the channel itself: a heartbeat or a pong."""
    return {"topicName": METADATA, "eventBody": {"message": message}}


def closing() -> dict[str, Any]:
    """The announcement that the websocket will be closed."""
    return {"topicName": CLOSING, "eventBody": {"message": "The socket will be closed soon; open a new one."}}


OPERATIONS: tuple[Operation, ...] = (
    Operation("topics", "GET", f"{NOTIFICATIONS}/availabletopics", None, _topics),
    Operation("channel_create", "POST", f"{NOTIFICATIONS}/channels", None, _make),
    Operation("channel_list", "GET", f"{NOTIFICATIONS}/channels", None, _list),
    Operation("channel_head", "HEAD", CHANNEL, None, _head),
    Operation("subscription_add", "POST", SUBSCRIPTIONS, None, _add),
    Operation("subscription_replace", "PUT", SUBSCRIPTIONS, None, _replace),
    Operation("subscription_list", "GET", SUBSCRIPTIONS, None, _subscriptions),
    Operation("subscription_clear", "DELETE", SUBSCRIPTIONS, None, _clear),
)
