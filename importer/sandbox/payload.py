"""Judges the body of a POST against the schema of a task. Decides; does no I/O."""

import json
import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

TYPES = ("call", "callback", "chat", "email", "message", "workitem")
MAX_DESCRIPTION = 255
"""Characters, not bytes."""
MAX_PRIORITY = 99

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]00:00)")
_FIELDS = frozenset({"type", "description", "state", "routingData", "customAttributes"})


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field; `field` is its dotted path, empty for the body as a whole."""

    field: str
    message: str


def decoded(body: bytes) -> Any:
    """The JSON value of a body in UTF-8; raises ValueError for all else, NaN and lone surrogates too."""
    value = _DECODER.decode(body.decode("utf-8"))
    if b"\\ud" in body or b"\\uD" in body:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def problems(payload: object) -> list[Problem]:
    """What breaks the schema, in the order of its fields; empty if nothing does."""
    if not isinstance(payload, dict):
        return [Problem("", "the body must be a JSON object")]
    found = [Problem(name, f"{name} is not a field of a task") for name in payload if name not in _FIELDS]
    if payload.get("type") not in TYPES:
        found.append(Problem("type", f"type must be one of {', '.join(TYPES)}"))
    description = payload.get("description")
    if not isinstance(description, str) or not 1 <= len(description) <= MAX_DESCRIPTION:
        found.append(Problem("description", f"description must be a string of 1 to {MAX_DESCRIPTION} characters"))
    if payload.get("state", "new") != "new":
        found.append(Problem("state", "state of a task to be created must be new"))
    return found + _routing(payload.get("routingData")) + _attributes(payload.get("customAttributes", {}))


def _routing(routing: object) -> list[Problem]:
    if not isinstance(routing, dict):
        return [Problem("routingData", "routingData must be an object with a queueId")]
    found = []
    for name in routing.keys() - {"queueId", "priority"}:
        found.append(Problem(f"routingData.{name}", f"{name} is not a field of routingData"))
    queue_id = routing.get("queueId")
    if not isinstance(queue_id, str) or not _UUID.fullmatch(queue_id):
        found.append(Problem("routingData.queueId", "queueId must be a UUID"))
    priority = routing.get("priority", 0)
    if type(priority) is not int:
        found.append(Problem("routingData.priority", "priority must be an integer"))
    elif not 0 <= priority <= MAX_PRIORITY:
        found.append(Problem("routingData.priority", f"priority must be between 0 and {MAX_PRIORITY}"))
    return found


def _attributes(attributes: object) -> list[Problem]:
    if not isinstance(attributes, dict):
        return [Problem("customAttributes", "customAttributes must be an object")]
    found = [
        Problem(f"customAttributes.{name}", f"{name} must be a string, a number or a boolean")
        for name, value in attributes.items()
        if not isinstance(value, str | int | float)
    ]
    external_id = attributes.get("externalId", "-")
    if not isinstance(external_id, str) or not external_id:
        found.append(Problem("customAttributes.externalId", "externalId must be a string that is not empty"))
    if "createdAt" in attributes and not _is_time(attributes["createdAt"]):
        found.append(Problem("customAttributes.createdAt", "createdAt must be a time as in RFC 3339, in UTC"))
    return found


def _is_time(value: object) -> bool:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        return False
    try:
        return datetime.fromisoformat(value.upper()).utcoffset() == timedelta(0)
    except ValueError:
        return False


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refused(text)


def _refused(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refused, parse_float=_finite)
