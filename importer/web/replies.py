"""Replies: a page, or the part of one that a script asked for; a redirect; a refusal as a page or as JSON."""

import os
from typing import Any, Final

from aiohttp import web

from importer.core.errors import ImporterError, Stale
from importer.web.refusal import Refused, status_of
from importer.web.rooms import rooms
from importer.web.route import EVERYONE
from importer.web.visitor import Visitor, known

PARTIAL = "HX-Request-Type"  # htmx 4
SCRIPTED = "HX-Request"  # htmx 2, which has no other sign of what it wants
BESIDE: Final = {"HX-Retarget": "#told", "HX-Reswap": "innerHTML", "HX-Push-Url": "false"}
"""Where a script puts what is wrong: not in the place of what it asked for, so that what was filled in stays."""


def page(
    request: web.Request, template: str, /, *, status: int = 200, part: str = "part", **values: Any
) -> web.Response:
    """A page; only its block `part` where a script asks for that.

    Templates also know: `user`, `role`, `may` (names of the visitor's roles), `csrf`, `read_only`, `alone` (the identity is
    `os`: one person plays all parts), `may_leave` (there is a log-out), `path` (of the request).
    """
    found = rooms(request).templates.get_template(template)
    known_values = {**_about(request), **values}
    if wants_part(request) and part in found.blocks:
        context = found.new_context(known_values)
        next(iter(found.root_render_func(context)), None)  # runs the imports at the top of the template, no more
        text = "".join(found.blocks[part](context))
    else:
        text = found.render(known_values)
    return web.Response(
        text=text, status=status, content_type="text/html", charset="utf-8", headers={"Vary": f"{PARTIAL}, {SCRIPTED}"}
    )


def wants_part(request: web.Request) -> bool:
    """Whether a script asks for a part of the page rather than for all of it."""
    asked = request.headers.get(PARTIAL)
    return asked == "partial" if asked is not None else request.headers.get(SCRIPTED) == "true"


def _about(request: web.Request) -> dict[str, Any]:
    room, visitor = rooms(request), known(request)
    return {
        "user": visitor.person.name if visitor else "",
        "role": _roles(visitor) if visitor else "",
        "may": {role.value for role in visitor.roles} if visitor else set(),
        "csrf": visitor.csrf if visitor else "",
        "read_only": room.house.read_only,
        "alone": room.people.alone,
        "may_leave": room.people.mode != "header",
        "path": request.path,
    }


def _roles(visitor: Visitor) -> str:
    return "all roles" if visitor.roles == EVERYONE else ", ".join(sorted(visitor.roles))


def see_other(path: str) -> web.Response:
    """Sends the browser on to a path of ours by GET, so that reloading sends nothing again."""
    if not is_ours(path):
        raise ValueError("a redirect leads to a path of this server alone")
    return web.Response(status=303, headers={"Location": path})


def is_ours(path: str) -> bool:
    """Whether a text is a path on this server, and can be nothing else to any browser."""
    plain = path.isascii() and path.isprintable() and "\\" not in path
    return plain and path.startswith("/") and not path.startswith("//")


TITLES = {
    401: "Log in", 403: "Not allowed", 404: "Not found", 405: "Not possible", 409: "Not done", 413: "Too large",
    429: "Too many at once", 500: "Something went wrong", 502: "Not authorised", 503: "Not available just now",
}  # fmt: skip


def told(request: web.Request, text: str) -> str:
    """What goes wrong, as whoever looks at the page may know it: a file by its name, without the folders of this machine."""
    return text.replace(f"{rooms(request).settings.state_dir}{os.sep}", "")


def refused(request: web.Request, problem: Refused | ImporterError, kind: str) -> web.Response:
    """What was wrong and what to do, as JSON or as a page."""
    if isinstance(problem, Refused):
        status, code, headers = problem.status, problem.code, problem.headers
    else:
        (status, code), headers = status_of(problem), {}
    if kind == "json":
        reply = json_problem(status, code, told(request, str(problem)), told(request, problem.fix))
    else:
        stale = problem if isinstance(problem, Stale) else None
        words: dict[str, Any] = {
            "title": TITLES.get(status, "Not done"),
            "what": told(request, str(problem)),
            "fix": told(request, problem.fix),
            "stale": stale,
        }
        reply = page(request, "problem.html", status=status, **words)
        reply.headers.update(BESIDE if wants_part(request) else {})
    reply.headers.update(headers)
    return reply


def json_problem(status: int, code: str, message: str, fix: str) -> web.Response:
    """A refusal for programs."""
    return web.json_response({"status": status, "code": code, "message": message, "fix": fix}, status=status)
