"""history: everything that was uploaded, planned and run here, newest first."""

from urllib.parse import urlencode

from aiohttp import web

from importer.desk.history import WORDS, listed
from importer.web.replies import page, told
from importer.web.rooms import rooms
from importer.web.route import EVERYONE, Route

TEXT_MOST = 100


async def show(request: web.Request) -> web.StreamResponse:
    """A page of the history, all of it or what was asked for."""
    room, query = rooms(request), request.query
    word = query.get("state", "") if query.get("state", "") in WORDS else ""
    text = query.get("text", "")[:TEXT_MOST]
    number = query.get("page", "1")
    wanted = int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1
    found = await listed(room.desk, room.drafting, room.keeper, word=word, text=text, number=wanted)

    problem = found.problem

    def link(other: int) -> str | None:
        asked = {name: value for name, value in (("state", word), ("text", text), ("page", str(other))) if value}
        return f"/?{urlencode(asked)}" if 1 <= other <= found.pages else None

    return page(
        request,
        "history.html",
        section="history",
        found=found,
        problem=told(request, f"{problem} {problem.fix}") if problem else "",
        word=word,
        text=text,
        words=[("", "all"), *((each, each) for each in found.words)],
        previous=link(found.number - 1),
        next=link(found.number + 1),
    )


ROUTES = (Route("GET", "/", show, EVERYONE),)
