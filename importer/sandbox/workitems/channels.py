"""Notification channels: their topics, who listens, and what happened since. Keeps no event; no clock, no sockets."""

import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from importer.sandbox.answers import encoded
from importer.sandbox.life import seeded_id, timestamp
from importer.sandbox.workitems.services import Services
from importer.sandbox.workitems.world import Event, WorkitemWorld

PREFIX = "v2.taskmanagement.workitems."
METADATA = "channel.metadata"
CLOSING = "v2.system.socket_closing"
OVERLAP_S = 0.01
"""A workitem is dated to the millisecond before its creation: so far back is looked again for what was not yet told."""
FIELDS = (
    *("id", "name", "typeId", "queueId", "workbinId", "divisionId", "externalTag", "externalContactId", "description"),
    *("priority", "statusId", "statusCategory", "assignmentState", "assigneeId", "languageId", "skillIds"),
    *("reporterId", "modifiedBy", "dateCreated", "dateModified", "dateAssignmentStateChanged"),
    *("dateClosed", "dateDue", "dateExpires", "durationSeconds", "ttl", "customFields"),
)
"""Those that an event's body has, all of them flat."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of a channel, permitted or rejected for a reason."""

    id: str
    state: Literal["Permitted", "Rejected"] = "Permitted"
    reason: str = ""
    missing: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        """The topic as an answer shows it."""
        refused = {"rejectionReason": self.reason, "missingPermissions": list(self.missing)}
        return {"id": self.id, "state": self.state, **(refused if self.state == "Rejected" else {})}


@dataclass(slots=True)
class Listener:
    """Somebody at a websocket. Its state: until when it was told of events, and which of the last moments those were."""

    since: float
    told: set[tuple[str, int]] = field(default_factory=set)


@dataclass(slots=True)
class Channel:
    """A channel of an OAuth client; it ends at `expires` (seconds since 1970). `listener` is the newest websocket's."""

    id: str
    client_id: str
    made_at: float
    expires: float
    topics: dict[str, Topic] = field(default_factory=dict)
    listener: Listener | None = None

    def json(self, host: str) -> dict[str, Any]:
        """The channel as the API shows it; `host` is where the caller found the API."""
        return {"connectUri": f"ws://{host}/channels/{self.id}", "id": self.id, "expires": timestamp(self.expires)}


@dataclass(slots=True)
class Channels:
    """All channels. Its state: those that live, and how many there ever were."""

    world: WorkitemWorld
    _channels: dict[str, Channel] = field(default_factory=dict)
    _made: int = 0

    def make(self, client_id: str, now: float, services: Services) -> Channel:
        """A new channel; where there are too many, the oldest that nobody listens to makes room for it."""
        self._made += 1
        mine = self.of(client_id, now)
        idle = [channel for channel in mine if channel.listener is None]
        if len(mine) >= services.channels_most and idle:
            del self._channels[idle[0].id]
        channel_id = f"streaming-0-{seeded_id('channel', self._made, now)}"
        self._channels[channel_id] = Channel(channel_id, client_id, now, now + services.channel_life_s)
        return self._channels[channel_id]

    def of(self, client_id: str, now: float) -> list[Channel]:
        """A client's channels, oldest first."""
        return [
            channel for channel in self._channels.values() if channel.client_id == client_id and now < channel.expires
        ]

    def get(self, channel_id: str, now: float) -> Channel | None:
        """The channel, unless it has ended."""
        channel = self._channels.get(channel_id)
        return channel if channel is not None and now < channel.expires else None

    def end(self, channel: Channel) -> None:
        """The channel is no more; its websocket closes."""
        self._channels.pop(channel.id, None)

    def listen(self, channel: Channel, now: float) -> Listener:
        """A websocket opens: it is told what happens from now on; the one before it is no longer the channel's."""
        past = {_key(event) for event in self.world.events(now - OVERLAP_S, now)}
        channel.listener = Listener(now, past)
        return channel.listener

    def leave(self, channel: Channel, listener: Listener) -> None:
        """A websocket closes."""
        if channel.listener is listener:
            channel.listener = None

    def news(self, channel: Channel, listener: Listener, now: float, services: Services) -> list[dict[str, Any]]:
        """The messages about what happened since the last time, in order of time; each is given once."""
        events = list(self.world.events(listener.since - OVERLAP_S, now))
        fresh = [event for event in events if _key(event) not in listener.told]
        listener.told = {_key(event) for event in events if event.version.at > now - OVERLAP_S}
        listener.since = now
        kept = [event for event in fresh if not _is_lost(event, services.events_lost)]
        return [message for event in kept for message in _messages(event, channel.topics)]


def _key(event: Event) -> tuple[str, int]:
    return event.workitem.id, event.version.number


def _is_lost(event: Event, share: float) -> bool:
    return share > 0 and random.Random(str(_key(event))).random() < share


def _messages(event: Event, topics: Mapping[str, Topic]) -> Iterator[dict[str, Any]]:
    body: dict[str, Any] | None = None
    for topic in topics_of(event):
        if topic in topics and topics[topic].state == "Permitted":
            body = body or event_body(event)
            yield {"topicName": topic, "eventBody": body}


def topics_of(event: Event) -> tuple[str, ...]:
    """The topics on which an event is told: the workitem's, its queue's, its assignee's."""
    values = event.version.values
    named = (("", event.workitem.id), ("queues.", values.get("queueId")), ("users.", values.get("assigneeId")))
    return tuple(f"{PREFIX}{kind}{each}" for kind, each in named if each)


def event_body(event: Event) -> dict[str, Any]:
    """The workitem with flat IDs as it is after the event, and what changed."""
    old: Mapping[str, Any] = event.before.values if event.before else {}
    values = {**event.version.values, "id": event.workitem.id}
    changed = [name for name in FIELDS if name != "id" and values.get(name) != old.get(name)]
    told = {name: values[name] for name in FIELDS if values.get(name) is not None}
    if "customFields" in told:
        told["customFields"] = {key: _attribute(value) for key, value in told["customFields"].items()}
    return {
        **told,
        "operation": "edit" if event.before else "add",
        "changes": [
            {"op": "replace" if event.before else "add", "field": name, **_old_and_new(old, values, name)}
            for name in changed
        ],
        "propertyChanges": [
            {"property": name, "oldValues": _texts(old.get(name)), "newValues": _texts(values.get(name))}
            for name in changed
        ],
    }


def _old_and_new(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> dict[str, Any]:
    both = {"oldValue": old.get(name), "newValue": new.get(name)}
    return {key: _text(value) for key, value in both.items() if value is not None}


def _attribute(value: object) -> dict[str, str]:
    """A custom field as events have it; the names of the types are the platform's own."""
    kind = "string"
    if isinstance(value, bool):
        kind = "boolean$"
    elif isinstance(value, int | float):
        kind = "integer" if isinstance(value, int) else "number"
    return {"dataType": kind, "value": _text(value)}


def _text(value: object) -> str:
    return value if isinstance(value, str) else encoded(value).decode()


def _texts(value: object) -> list[str]:
    if value is None:
        return []
    return (
        [str(each) for each in value] if isinstance(value, Collection) and not isinstance(value, str) else [str(value)]
    )
