"""Rooms of a test: routes that do one thing each, to try the guard on."""

import asyncio

from aiohttp import web

from importer.core.errors import (
    AlreadyRunning,
    ImporterError,
    NotAuthorised,
    PlanRefused,
    Stale,
    TargetDown,
    UsageError,
)
from importer.web.forms import fields, parts
from importer.web.replies import page, see_other
from importer.web.rooms import rooms
from importer.web.route import EVERYONE, PUBLIC, Role, Route
from importer.web.routes import ROUTES
from importer.web.visitor import who

WORDS = "the secret text of a cell"
TROUBLES: dict[str, ImporterError] = {
    "usage": UsageError("That is wrong.", "Write it so."),
    "refused": PlanRefused("It was altered.", "Preview it again."),
    "access": NotAuthorised("The log-in was refused.", "Look at the secret."),
    "down": TargetDown("Nobody answers.", "Wait."),
    "running": AlreadyRunning("Another runs.", "Wait."),
    "stale": Stale(what="Tasks!C17", sent="mine", now="theirs", who="Ada", revision=4),
}


async def said(request: web.Request) -> web.StreamResponse:
    """Who asks, and the form's fields."""
    form = await fields(request)
    return web.json_response({"who": who(request).person.name, "form": list(form)})


async def uploaded(request: web.Request) -> web.StreamResponse:
    """How many bytes came."""
    size = 0
    async for part in parts(request):
        while piece := await part.read_chunk():
            size += len(piece)
    return web.json_response({"bytes": size})


async def careless(request: web.Request) -> web.StreamResponse:
    """An upload that is read without its CSRF field."""
    await request.read()
    return web.Response(text="done")


async def shown(request: web.Request) -> web.StreamResponse:
    return page(request, "logout.html", again="again")


async def followed(request: web.Request) -> web.StreamResponse:
    """An event stream that lasts as long as the server."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(b": here\n\n")
    await rooms(request).closing.wait()
    return response


async def flooded(request: web.Request) -> web.StreamResponse:
    """An answer without an end."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65_536)


async def broken(_: web.Request) -> web.StreamResponse:
    raise RuntimeError(WORDS)


async def halfway(request: web.Request) -> web.StreamResponse:
    """Fails after it began to answer."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(b"data: 1\n\n")
    raise RuntimeError(WORDS)


async def troubled(request: web.Request) -> web.StreamResponse:
    raise TROUBLES[request.match_info["name"]]


async def field(request: web.Request) -> web.StreamResponse:
    """What a form of this visitor carries."""
    return web.Response(text=who(request).csrf)


async def moved(_: web.Request) -> web.StreamResponse:
    return see_other("/t/shown")


async def waited(_: web.Request) -> web.StreamResponse:
    """Takes its time: longer than any deadline of these tests."""
    await asyncio.sleep(0.6)
    return web.Response(text="done")


TRIED = (
    Route("POST", "/t/form", said, EVERYONE),
    Route("POST", "/t/upload", uploaded, EVERYONE, multipart=True),
    Route("POST", "/t/careless", careless, EVERYONE, multipart=True),
    Route("POST", "/t/json", shown, EVERYONE, "json"),
    Route("GET", "/t/shown", shown, EVERYONE),
    Route("GET", "/t/approvers", shown, frozenset({Role.APPROVER})),
    Route("GET", "/t/stream", followed, EVERYONE, "stream"),
    Route("GET", "/t/flood", flooded, EVERYONE, "file"),
    Route("GET", "/t/halfway", halfway, EVERYONE, "stream"),
    Route("GET", "/t/bug", broken, EVERYONE),
    Route("GET", "/t/api/bug", broken, EVERYONE, "json"),
    Route("GET", "/t/trouble/{name}", troubled, EVERYONE),
    Route("GET", "/t/api/trouble/{name}", troubled, EVERYONE, "json"),
    Route("GET", "/t/field", field, EVERYONE),
    Route("GET", "/t/moved", moved, EVERYONE),
    Route("GET", "/t/wait", waited, PUBLIC),
)
ALL = (*ROUTES, *TRIED)
