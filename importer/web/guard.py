"""Guard: what every request must pass before a handler sees it."""

import asyncio
from collections import Counter
from typing import Final

from aiohttp import web

from importer.web.forms import CSRF, CSRF_HEADER, PROVEN, fields, prove
from importer.web.refusal import Refused
from importer.web.rooms import Rooms, rooms
from importer.web.route import PUBLIC, Handler, Route
from importer.web.urls import hosts_of
from importer.web.visitor import VISITOR, Visitor

TABLE: Final = web.AppKey("table", dict[web.AbstractRoute, Route])
ENTRY: Final[web.AppKey[Handler]] = web.AppKey("entry")
"""Who takes the token of `/?token=…`, whatever page stands there."""
STREAMS: Final = web.AppKey("streams", Counter[str])


def route_of(request: web.Request) -> Route | None:
    """The line of the table that a request met, if any."""
    return request.app[TABLE].get(request.match_info.route)


@web.middleware
async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses what is not allowed: by host, body, origin, role, CSRF field and number of streams. Raises Refused."""
    room = rooms(request)
    _check_host(request, room)
    if request.method == "GET" and request.path == "/" and "token" in request.query:
        return await request.app[ENTRY](request)
    route = route_of(request)
    if route is None:
        return await handler(request)  # 404 or 405, in our words
    _check_body(request, route)
    if request.method == "POST":
        _check_origin(request, room, route)
    visitor = await _visitor(request, room, route)
    if visitor is not None:
        request[VISITOR] = visitor
    _admit(request, room, route, visitor)
    if request.method == "POST":
        await _check_post(request, room, route, visitor)
    if route.kind == "stream":
        return await _streamed(request, room, handler)
    response = await handler(request)
    if route.multipart and request.method == "POST" and not request.get(PROVEN):
        raise RuntimeError(f"{route.path} took an upload without its CSRF field")
    return response


async def _visitor(request: web.Request, room: Rooms, route: Route) -> Visitor | None:
    """Who asks. What looks the same for everybody asks nobody: a person without a role still gets the style sheet. Raises Refused."""
    if route.roles is PUBLIC and route.kind != "page":
        return None
    return await room.people.visitor(request, by_token=route.kind == "json")


def _check_host(request: web.Request, room: Rooms) -> None:
    """A name that is not ours leads here by somebody's trick with DNS."""
    given = request.headers.getall("Host", [])
    if len(given) != 1 or given[0].lower() not in room.urls.hosts:
        shown = given[0][:100] if given else ""
        raise Refused(403, f"The host {shown!r} is not this machine.", f"Ask {room.urls.base}/.", code="forbidden")


def _check_body(request: web.Request, route: Route) -> None:
    """Nothing is unpacked for strangers, and nothing is read that is too long by its own word."""
    coding = ", ".join(request.headers.getall("Content-Encoding", ["identity"])).strip().lower()
    if coding != "identity":
        raise Refused(415, f"A body coded as {coding[:40]!r} is not taken.", "Send it as it is.")
    if not route.multipart and (request.content_length or 0) > route.body_most:
        most = f"at most {route.body_most // 1024} KiB are taken"
        raise Refused(413, most[0].upper() + most[1:] + ".", "Send less at once.", code="too.large")


def _check_origin(request: web.Request, room: Rooms, route: Route) -> None:
    """A form of another site names that site. Programs send no Origin; forms for programs are none."""
    origins = request.headers.getall("Origin", [])
    site = request.headers.get("Sec-Fetch-Site")
    fine = len(origins) <= 1 and site in (None, "same-origin")
    if fine and origins and origins[0] != "null":
        origin = origins[0].lower()
        fine = origin in room.urls.origins and request.host.lower() in hosts_of(origin)
    elif fine and route.kind != "json":
        fine = site == "same-origin"
    elif fine and origins:
        fine = False
    if not fine:
        raise Refused(403, "This came from another site.", "Use the page's own buttons.", code="foreign.origin")


def _admit(request: web.Request, room: Rooms, route: Route, visitor: Visitor | None) -> None:
    if route.roles is PUBLIC or (visitor is None and route.local and _is_from_here(request, room)):
        return
    if visitor is None:
        raise Refused(
            401,
            "You are not logged in.",
            room.people.again,
            code="not.logged.in",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if not visitor.may(*route.roles):
        needed = " or ".join(sorted(route.roles))
        raise Refused(403, f"This needs the role {needed}.", "Ask somebody who has it.", code="forbidden")


def _is_from_here(request: web.Request, room: Rooms) -> bool:
    """Whether a program of this machine asks, in one-person mode: by a loopback name, and not by way of a proxy."""
    forwarded = any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "Via"))
    return room.people.alone and room.urls.is_local(request.host.lower()) and not forwarded


async def _check_post(request: web.Request, room: Rooms, route: Route, visitor: Visitor | None) -> None:
    if room.house.read_only and not route.harmless:
        raise Refused(403, "This server only shows (--read-only).", "Ask whoever runs it.", code="read.only")
    if route.kind == "json":
        if request.content_type != "application/json":
            raise Refused(415, "send application/json", "See GET /api/schema.")
        return
    if route.multipart:
        if request.content_type != "multipart/form-data":
            raise Refused(415, "Only uploads are taken here.", "Use the page's own buttons.")
        return  # the handler meets the field first: forms.parts
    form = await fields(request)
    if visitor is not None or route.roles is not PUBLIC:
        prove(request, request.headers.get(CSRF_HEADER) or form.text(CSRF))


async def _streamed(request: web.Request, room: Rooms, handler: Handler) -> web.StreamResponse:
    streams, key = request.app[STREAMS], request[VISITOR].key
    if streams[key] >= room.house.streams_each or streams.total() >= room.house.streams:
        raise Refused(
            429,
            "Too many pages follow a run at once.",
            "Close some of them.",
            code="too.many",
            headers={"Retry-After": "10"},
        )
    streams[key] += 1
    try:
        return await handler(request)
    finally:
        streams[key] -= 1
        if not streams[key]:
            del streams[key]


async def put_out(request: web.Request) -> None:
    """Returns once who follows a stream would not be let in any more: logged out, revoked, or past the session's end."""
    room, route = rooms(request), route_of(request)
    while True:
        await asyncio.sleep(room.house.streams_look_s)
        try:
            visitor = await room.people.visitor(request, by_token=False, used=False)
        except Refused:
            return
        if visitor is None or route is None or route.roles is PUBLIC or not visitor.may(*route.roles):
            return


def is_navigation(request: web.Request) -> bool:
    """Whether somebody followed a link of another site: the browser then keeps a Strict cookie back, this once."""
    asked = request.headers
    return (
        request.method == "GET"
        and asked.get("Sec-Fetch-Mode") == "navigate"
        and asked.get("Sec-Fetch-Site") == "cross-site"
    )
