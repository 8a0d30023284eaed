"""The seam of the platform's operations: a request comes in, a platform to ask, an answer goes out. No sockets."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from importer.sandbox.answers import Answer
from importer.sandbox.scenario import Scenario
from importer.sandbox.workitems.audit_log import AuditLog
from importer.sandbox.workitems.channels import Channels
from importer.sandbox.workitems.organization import Organization
from importer.sandbox.workitems.refusal import Refusal
from importer.sandbox.workitems.world import WorkitemWorld


class Identified(Protocol):
    """Who the world is; see `importer.sandbox.world.Identity`."""

    @property
    def id(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def client_id(self) -> str: ...


def _refused(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


@dataclass(frozen=True, slots=True)
class Request:
    """One call of an operation.

    `arguments` are the values of the path's places, `query` the query parameters with all their values, `now` is in
    seconds since 1970, `client_id` whose token it came with, `body` the bytes as they were sent.
    """

    arguments: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes
    now: float
    client_id: str = ""

    def one(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return next(iter(self.query.get(name, ())), default)

    def whole(self, name: str, default: int, least: int = 1, most: int = 2**31 - 1, *, as_input: bool = False) -> int:
        """A whole number from the query; Refusal 400 for anything else, or out of bounds.

        `as_input` says that the operation has codes of its own for a number out of bounds; not all have.
        """
        text = self.one(name, str(default))
        told = {"value": text, "parameter": name}
        message = "Value [{value}] is not valid for parameter [{parameter}]."
        try:
            number = int(text)
        except ValueError:
            raise Refusal(400, "invalid.query.param.value", message, told) from None
        if least <= number <= most:
            return number
        code = f"invalid.input.int.value.too.{'high' if number > most else 'low'}"
        bounds = f"{message} Allowable values are: {least} to {most}"
        raise Refusal(400, code if as_input else "invalid.query.param.value", bounds, told)

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; Refusal 415 for another media type, 400 for anything but an object."""
        media = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media != "application/json":
            raise Refusal(415)
        try:
            value = json.loads(self.body, parse_constant=_refused)
        except (ValueError, RecursionError):
            raise Refusal(400) from None
        if not isinstance(value, dict):
            raise Refusal(400)
        return value


def _nothing(token: str) -> None:
    """Where there are no tokens."""


@dataclass(slots=True)
class Platform:
    """What operations act upon. `scenario` is read anew at each use: settings can change while the sandbox runs."""

    world: WorkitemWorld
    directory: Organization
    audits: AuditLog
    channels: Channels
    end_token: Callable[[str], None] = field(kw_only=True, default=_nothing)
    """Makes this access token invalid."""
    _scenario: Callable[[], Scenario] = field(kw_only=True)
    _identity: Callable[[], Identified] = field(kw_only=True)

    @property
    def scenario(self) -> Scenario:
        return self._scenario()

    @property
    def identity(self) -> Identified:
        """The organisation's ID, the seed, and the client ID of the one OAuth client."""
        return self._identity()


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the platform; `permission` None means that every token may call it."""

    name: str
    method: str
    pattern: str
    permission: str | None
    answer: Callable[[Platform, Request], Answer]
