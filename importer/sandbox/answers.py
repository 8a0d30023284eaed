"""What the server sends back: bodies and headers in the shapes of the contract. Pure but for the random context IDs."""

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from importer.sandbox.payload import Problem

CORRELATION = "ININ-Correlation-Id"
JSON = "application/json; charset=utf-8"
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
CODES = {
    400: ("bad.request", "the request is not valid"),
    401: ("bad.credentials", "the token is invalid or has expired"),
    403: ("missing.any.permissions", "a permission is missing"),
    404: ("not.found", "there is nothing at this address"),
    405: ("method.not.allowed", "this method is not allowed here"),
    408: ("request.timeout", "the request took too long to arrive"),
    409: ("conflict", "the request conflicts with what exists"),
    413: ("request.entity.too.large", "the body is too large"),
    415: ("unsupported.media.type", "the body must be application/json"),
    422: ("unprocessable.entity", "the request cannot be processed"),
    429: ("too.many.requests", "the rate limit is exceeded"),
    500: ("internal.server.error", "the server failed"),
    502: ("bad.gateway", "the gateway got no usable answer"),
    503: ("service.unavailable", "the service is unavailable"),
    504: ("gateway.timeout", "the gateway waited too long"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; the body is sent as it is, under the headers given."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def encoded(value: Any) -> bytes:
    """Compact JSON in UTF-8; what UTF-8 cannot hold becomes a question mark."""
    return _ENCODER.encode(value).encode("utf-8", "replace")


def success(value: Any, status: int = 200) -> Answer:
    """A JSON answer with a fresh correlation ID."""
    return Answer(status, encoded(value), {"Content-Type": JSON, CORRELATION: str(uuid.uuid4())})


def error(
    status: int,
    code: str = "",
    message: str = "",
    problems: Iterable[Problem] = (),
    headers: dict[str, str] | None = None,
) -> Answer:
    """The error body of the API; `contextId` is the correlation ID of the header too.

    Without `code` and `message` it has those that are usual for the status.
    """
    context = str(uuid.uuid4())
    usual = CODES.get(status, ("error", f"status {status}"))
    body = {
        "status": status,
        "code": code or usual[0],
        "message": message or usual[1],
        "contextId": context,
        "errors": [{"field": problem.field, "message": problem.message} for problem in problems],
    }
    return Answer(status, encoded(body), {"Content-Type": JSON, CORRELATION: context, **(headers or {})})


def oauth_error(status: int, kind: str, description: str, *, both: bool = False) -> Answer:
    """The log-in's own error body; with `both` the description stands under the name of RFC 6749 too."""
    headers = {"Content-Type": JSON, CORRELATION: str(uuid.uuid4()), "Cache-Control": "no-store"}
    body = {"error": kind, "description": description}
    if both:
        body["error_description"] = description
    return Answer(status, encoded(body), headers)
