"""Door: logging in by a link, and out."""

import logging

from aiohttp import web

from importer.web.forms import fields
from importer.web.guard import is_navigation
from importer.web.refusal import Refused
from importer.web.replies import is_ours, page, see_other
from importer.web.rooms import rooms
from importer.web.route import EVERYONE, PUBLIC, Route
from importer.web.visitor import known, who

log = logging.getLogger(__name__)


async def login(request: web.Request) -> web.StreamResponse:
    """`/login?token=…` comes in and leaves the token behind; without one, says how to log in."""
    people = rooms(request).people
    if "token" in request.query:
        return await _entered(request, request.query["token"], "/")
    if known(request) is not None:
        return see_other("/")
    raise Refused(401, "You are not logged in.", people.again, code="not.logged.in")


async def typed(request: web.Request) -> web.StreamResponse:
    """The form of the log-in page."""
    form = await fields(request)
    token = form.text("token").strip()
    return await _entered(request, token.rpartition("token=")[2], form.text("onward", "/"))


async def _entered(request: web.Request, token: str, onward: str) -> web.StreamResponse:
    room = rooms(request)
    if room.people.mode == "header":
        raise Refused(401, "Links are not taken here.", room.people.again, code="not.logged.in")
    session = await room.people.proven(token, request.remote)
    path = onward if is_ours(onward) else "/"
    # After a link of another site the browser would not send a Strict cookie along a redirect: so the page itself leads on.
    response = page(request, "onward.html", path=path) if is_navigation(request) else see_other(path)
    response.headers["Referrer-Policy"] = "no-referrer"
    room.people.sessions.begin(request, response, session)
    log.info("page log-in", extra={"person": session.name, "how": session.how})
    return response


async def logout(request: web.Request) -> web.StreamResponse:
    """Ends the session, here and in the browser."""
    room, person = rooms(request), who(request).person
    if room.people.mode == "header":
        raise Refused(400, "You are logged in by your organisation.", "Log out there.")
    response = page(request, "logout.html", user="", role="", csrf="", again=room.people.again)
    room.people.sessions.end(request, response)
    log.info("page log-out", extra={"person": person.name, "how": person.how})
    return response


ROUTES = (
    Route("GET", "/login", login, PUBLIC),
    Route("POST", "/login", typed, PUBLIC, harmless=True),
    Route("POST", "/logout", logout, EVERYONE, harmless=True),
)
