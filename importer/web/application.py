"""Application: the page's aiohttp application, made from its rooms and the table of routes. What is in no table is not there."""

import logging
import secrets
from collections import Counter
from collections.abc import Sequence

from aiohttp import web

from importer.core.errors import ImporterError
from importer.logs import places
from importer.web.connections import watched
from importer.web.guard import ENTRY, STREAMS, TABLE, guarded, is_navigation, route_of
from importer.web.headers import headed
from importer.web.pages import door
from importer.web.refusal import Refused
from importer.web.replies import BESIDE, is_ours, page, refused, wants_part
from importer.web.requests import MalformedRequest
from importer.web.rooms import ROOMS, Rooms, rooms
from importer.web.route import Handler, Route
from importer.web.routes import ROUTES

log = logging.getLogger(__name__)

BODY_MOST = 1024 * 1024
WORDS = {
    404: ("There is no such page.", "Go to the history of imports."),
    405: ("This page cannot be used that way.", "Use the page's own buttons."),
    413: ("That is too large.", "Send less at once."),
}


def application(room: Rooms, routes: Sequence[Route] = ROUTES) -> web.Application:
    """The page. `room.closing` is set when it ends."""
    app = web.Application(client_max_size=BODY_MOST, middlewares=[watched, answered, guarded])
    app[ROOMS], app[STREAMS], app[TABLE] = room, Counter(), {}
    app[ENTRY] = door.login
    for route in routes:
        made = app.router.add_route(route.method, route.path, route.handler)
        app[TABLE][made] = route
        if route.method == "GET" and route.kind != "stream":
            app[TABLE][app.router.add_route("HEAD", route.path, route.handler)] = route
    app.on_response_prepare.append(headed)
    app.on_shutdown.append(_closing)
    return app


async def _closing(app: web.Application) -> None:
    app[ROOMS].closing.set()


@web.middleware
async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns every failure into words: what was wrong and what to do; never more than a number for a bug."""
    route = route_of(request)
    kind = route.kind if route else "page"
    if kind in ("file", "stream") or (route is None and request.path.startswith("/api/")):
        kind = "json" if kind == "stream" or request.path.startswith("/api/") else "page"
    try:
        return await _unless_begun(request, handler)
    except Refused as problem:
        if problem.status == 401 and kind == "page":
            return _log_in(request, problem)
        return refused(request, problem, kind)
    except ImporterError as problem:
        return refused(request, problem, kind)
    except MalformedRequest as problem:
        return refused(request, Refused(400, str(problem), "See GET /api/schema.", code="bad.request"), kind)
    except web.HTTPException as problem:
        if problem.status < 400:
            raise
        what, fix = WORDS.get(problem.status, (problem.reason, "Use the page's own buttons."))
        allow = {"Allow": problem.headers["Allow"]} if "Allow" in problem.headers else {}
        code = {404: "not.found", 413: "too.large"}.get(problem.status, "refused")
        return refused(request, Refused(problem.status, what, fix, code=code, headers=allow), kind)
    except ConnectionError:
        raise  # the browser left
    except Exception as problem:  # noqa: BLE001 - the door of the page: a bug must not take the server down
        return refused(request, _kept(request, problem), kind)


async def _unless_begun(request: web.Request, handler: Handler) -> web.StreamResponse:
    """An answer that fails in its midst ends with its connection: other words would be taken for its rest."""
    try:
        return await handler(request)
    except Exception as problem:
        if request.writer.output_size == 0:
            raise
        if not isinstance(problem, ConnectionError | ImporterError):
            _kept(request, problem)
        raise ConnectionResetError from problem


def _log_in(request: web.Request, problem: Refused) -> web.Response:
    """Where to log in; after a link of another site first the same page again, to which the browser then adds its cookie."""
    if is_navigation(request) and problem.code == "not.logged.in" and "token" not in request.query:
        return page(request, "onward.html", path=request.path_qs)
    told = {"what": str(problem), "fix": problem.fix}
    if wants_part(request):
        reply = page(request, "out.html", status=problem.status, **told)
        reply.headers.update(BESIDE)
    else:
        mode, onward = rooms(request).people.mode, _onward(request)
        reply = page(request, "login.html", status=problem.status, mode=mode, onward=onward, **told)
    reply.headers.update(problem.headers)
    return reply


def _onward(request: web.Request) -> str:
    """Where somebody was who logs in now: a form leads back to its page. A token is repeated nowhere."""
    if request.method == "POST":
        path = "/" + request.headers.get("Referer", "").partition(f"://{request.host}/")[2]
        return path if is_ours(path) else "/"
    return "/" if "token" in request.query else request.path_qs


def _kept(request: web.Request, problem: Exception) -> Refused:
    """A bug: where it happened goes to the log, without any value; the person gets a number to name it by."""
    number = secrets.token_hex(4)
    route = route_of(request)
    where = {"reference": number, "route": route.path if route else "", "method": request.method}
    log.error("page failed", extra={**where, "trace": places(problem)})
    return Refused(
        500,
        f"Something went wrong here; its number is {number}.",
        "Nothing that was sent is lost. Whoever runs this server finds the number in its log.",
        code="failed",
    )
