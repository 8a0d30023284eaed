"""API: the preview endpoint for programs: POST /api/preview and GET /api/schema. No side effects."""

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from importer.flow.facts import Lookups
from importer.flow.run import PREVIEW_SCOPES
from importer.web.openapi import described as openapi_of
from importer.web.refusal import Refused
from importer.web.requests import MalformedRequest, judged, schema
from importer.web.rooms import rooms
from importer.web.route import EVERYONE, Route

if TYPE_CHECKING:
    from importer.ports import Clock, Ledger
    from importer.wiring import Connection

BODY_MOST = 1024 * 1024
REQUESTS_MOST = 1000


async def preview(request: web.Request) -> web.StreamResponse:
    """Verdicts for one task request or a list."""
    room = rooms(request)
    return await previewed(request, room.connection, room.desk.book, room.clock)


async def described(request: web.Request) -> web.StreamResponse:
    """What `preview` takes and gives."""
    return schema_of(rooms(request).connection)


async def previewed(
    request: web.Request, connection: "Connection", ledger: "Ledger", clock: "Clock"
) -> web.StreamResponse:
    """The same for one target. Raises MalformedRequest, Refused, NotAuthorised, TargetDown."""
    body, many = await _body(request)
    lookups = Lookups(connection.target, ledger, connection.environment, clock)
    await connection.target.log_in(PREVIEW_SCOPES)
    answers = await judged(body, lookups, connection.target.limits)
    return web.json_response(answers if many else answers[0])


def schema_of(connection: "Connection") -> web.StreamResponse:
    """The JSON Schema for one target."""
    return web.json_response(schema(connection.target.limits), content_type="application/schema+json")


async def _body(request: web.Request) -> tuple[list[Any], bool]:
    """The requests, and whether they came as a list. Raises MalformedRequest, Refused, HTTPException."""
    if request.content_type != "application/json":
        raise Refused(415, "send application/json", "See GET /api/schema.")
    data = await request.read()
    try:
        body = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:
        raise MalformedRequest(f"the body is not JSON: {problem}") from problem
    requests = body if isinstance(body, list) else [body]
    if not requests:
        raise MalformedRequest("the list is empty")
    if len(requests) > REQUESTS_MOST:
        raise Refused(
            413, f"at most {BODY_MOST // 1024} KiB and {REQUESTS_MOST} requests are taken", "Send fewer requests at once.",
            code="too.large",
        )  # fmt: skip
    return requests, isinstance(body, list)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


async def openapi(request: web.Request) -> web.StreamResponse:
    """What programs may ask, as OpenAPI."""
    return web.json_response(openapi_of(rooms(request).connection.target.limits))


ROUTES = (
    Route("POST", "/api/preview", preview, EVERYONE, "json", harmless=True, local=True, body_most=BODY_MOST),
    Route("GET", "/api/schema", described, EVERYONE, "json", local=True),
    Route("GET", "/api/openapi.json", openapi, EVERYONE, "json", local=True),
)
