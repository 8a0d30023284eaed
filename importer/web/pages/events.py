"""events: what happens to a run, as server-sent events. The guard counts the streams; who reads too slowly is let go."""

import asyncio
import json
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from importer.web.guard import put_out
from importer.web.pages.runs import pictured
from importer.web.rooms import rooms
from importer.web.route import EVERYONE, Route

if TYPE_CHECKING:
    from importer.desk.keeper import RunKeeper

WRITE_S = 20.0
"""So long one event may take to be taken."""
LOOK_S = 1.0
"""So often it is looked whether a browser is still there."""
AGAIN_MS = 2000
"""So soon a browser that lost its stream asks for it again."""
ID_MOST = 64


async def events(request: web.Request) -> web.StreamResponse:
    """The stream of one run; goes on after `Last-Event-ID`, where what followed is still known."""
    room, run = rooms(request), pictured(request).run
    last = request.headers.get("Last-Event-ID", "")[:ID_MOST]
    response: EventSourceResponse
    async with sse_response(request, headers={"Cache-Control": "no-store"}) as response:
        following = asyncio.create_task(_followed(response, room.keeper, run, last))
        others = [asyncio.create_task(each) for each in (room.closing.wait(), put_out(request), _left(request))]
        try:
            await asyncio.wait({following, *others}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (following, *others):
                task.cancel()
                with suppress(asyncio.CancelledError, ConnectionError, TimeoutError):
                    await task
    return response


async def _left(request: web.Request) -> None:
    """Returns once nobody is there any more. Of a run that rests nothing is sent, so no write would tell."""
    while (transport := request.transport) is not None and not transport.is_closing():  # noqa: ASYNC110 - aiohttp has no event for it
        await asyncio.sleep(LOOK_S)


async def _followed(response: EventSourceResponse, keeper: "RunKeeper", run: str, last: str) -> None:
    """Sends events until the watcher is let go. Raises TimeoutError where one is not taken, ConnectionError where nobody is there."""
    retry: int | None = AGAIN_MS
    async with aclosing(keeper.watch(run, last)) as watching:
        async for event in watching:
            async with asyncio.timeout(WRITE_S):
                data = json.dumps(event.data, ensure_ascii=False)
                await response.send(data, id=event.id, event=event.name, retry=retry)
            retry = None


ROUTES = (Route("GET", "/runs/{run}/events", events, EVERYONE, "stream"),)
