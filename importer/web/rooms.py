"""Rooms: what the handlers of the page work with, made once per server."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from importer.desk.desk import Desk
from importer.ports import Clock
from importer.settings import Settings
from importer.web.errands import Errands
from importer.web.house import House
from importer.web.urls import Urls

if TYPE_CHECKING:
    import jinja2

    from importer.desk.drafting import Drafting
    from importer.desk.keeper import RunKeeper
    from importer.desk.reviewing import Reviewing
    from importer.web.identity import People
    from importer.wiring import Connection


@dataclass(frozen=True, slots=True)
class Rooms:
    """In a handler: `rooms(request).desk`."""

    settings: Settings
    desk: Desk
    connection: "Connection"
    people: "People"
    urls: Urls
    templates: "jinja2.Environment"
    clock: Clock
    drafting: "Drafting"
    keeper: "RunKeeper"
    reviewing: "Reviewing"
    house: House = field(default_factory=House)
    errands: Errands = field(default_factory=Errands)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server begins to end: event streams watch it."""

    async def begin(self) -> None:
        """Goes on with what was going on when the last server ended."""
        await self.drafting.begin()
        await self.keeper.begin()

    async def close(self) -> None:
        """Lets calls in flight land, and everything rest where the next server finds it."""
        await self.errands.close()
        await self.keeper.close()


ROOMS = web.AppKey("rooms", Rooms)


def rooms(request: web.Request) -> Rooms:
    """The rooms of the server that was asked."""
    return request.app[ROOMS]
