"""runs: one run as it goes on, what can be done with it, and what can be taken along at its end."""

from urllib.parse import quote

from aiohttp import web

from importer.core.errors import UsageError
from importer.desk.picture import Picture, Standing
from importer.web.refusal import Refused
from importer.web.replies import page, see_other
from importer.web.rooms import rooms
from importer.web.route import EVERYONE, Role, Route
from importer.web.visitor import who

DOWNLOADS = (
    ("results.xlsx", "every row that was read, and what became of it"),
    ("rejects.xlsx", "the rows that did not become tasks, to be corrected and handed in again"),
    ("annotated.xlsx", "your own file with the outcome beside each row"),
    ("results.json", "for programs"),
    ("audit.jsonl", "the audit entries of its tasks"),
    ("manifest.json", "what proves later that nothing was altered"),
)
RESTING = (Standing.PAUSED, Standing.STOPPED, Standing.UNFINISHED, Standing.FAILED)
OPERATORS = frozenset({Role.OPERATOR})


async def show(request: web.Request) -> web.StreamResponse:
    """The run."""
    room, picture = rooms(request), pictured(request)
    able = who(request).may(Role.OPERATOR) and not room.house.read_only
    here = picture.standing.is_going_on and not picture.elsewhere
    unfinished = picture.standing in RESTING or (not picture.standing.is_going_on and bool(picture.problem))
    return page(
        request,
        "run.html",
        section="history",
        run=picture,
        watched=picture.standing.is_going_on or picture.standing in RESTING,
        may_rest=able and here,
        may_stop=able and (here or picture.standing is Standing.PAUSED),
        may_resume=able and unfinished,
        failed=await room.keeper.problems(picture.run),
        downloads=DOWNLOADS,
        course=[(point.second, round(point.rows, 2)) for point in picture.points],
    )


async def state(request: web.Request) -> web.StreamResponse:
    """The same for a script that is refused a stream."""
    return web.json_response(pictured(request).record())


async def pause(request: web.Request) -> web.StreamResponse:
    """Lets it rest."""
    run = pictured(request).run
    await rooms(request).keeper.pause(run, who(request).person)
    return see_other(_path(run))


async def resume(request: web.Request) -> web.StreamResponse:
    """Goes on with it."""
    run = pictured(request).run
    await rooms(request).keeper.resume(run, who(request).person)
    return see_other(_path(run))


async def stop(request: web.Request) -> web.StreamResponse:
    """Ends it; what was not sent stays so."""
    run = pictured(request).run
    await rooms(request).keeper.stop(run, who(request).person)
    return see_other(_path(run))


def pictured(request: web.Request) -> Picture:
    """The run that the address names. Raises Refused where there is none."""
    try:
        return rooms(request).keeper.picture(request.match_info["run"])
    except UsageError as problem:
        raise Refused(404, str(problem), "Look for it in the history.", code="not.found") from problem


def _path(run: str) -> str:
    return f"/runs/{quote(run, safe='')}"


ROUTES = (
    Route("GET", "/runs/{run}", show, EVERYONE),
    Route("GET", "/runs/{run}/state", state, EVERYONE, "json"),
    Route("POST", "/runs/{run}/pause", pause, OPERATORS),
    Route("POST", "/runs/{run}/resume", resume, OPERATORS),
    Route("POST", "/runs/{run}/stop", stop, OPERATORS),
)
