"""Server: the page and the preview endpoint of one state folder, until Ctrl-C or SIGTERM."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from importer import wiring
from importer.desk.desk import Desk
from importer.desk.drafting import Drafting
from importer.desk.keeper import RunKeeper
from importer.desk.reviewing import Reviewing
from importer.folders import private_folder, private_opener
from importer.markup import environment
from importer.web.application import application
from importer.web.doorbook import DoorBook
from importer.web.identity import People
from importer.web.listener import Listener, bound
from importer.web.offer import Offer
from importer.web.rooms import Rooms
from importer.web.sessions import Sessions

if TYPE_CHECKING:
    from importer.ports import Clock
    from importer.web.urls import Urls
    from importer.wiring import Connection

TEMPLATES = Path(__file__).parent / "templates"


def furnished(
    offer: Offer, urls: "Urls", desk: Desk, connection: "Connection", book: DoorBook, clock: "Clock"
) -> Rooms:
    """The rooms of one server."""

    sessions = Sessions(book, urls, offer.session_idle_s, offer.session_most_s, offer.house.sessions_each)
    people = People(offer.mode, book, sessions, clock, offer.house, person=wiring.person, proxy=offer.proxy)
    desk = replace(desk, identity=offer.mode)
    return Rooms(
        settings=desk.settings, desk=desk, connection=connection, people=people, urls=urls,
        templates=environment(TEMPLATES), clock=clock, house=offer.house,
        drafting=Drafting(desk.settings, desk, connection), keeper=RunKeeper(desk, connection, clock),
        reviewing=Reviewing(desk.settings),
    )  # fmt: skip


def page_folder(state_dir: Path) -> Path:
    """Where the page keeps what outlives it."""
    return state_dir / "page"


def serve(offer: Offer, desk: Desk, connection: "Connection", *, browser: bool = False) -> int:
    """Serves until Ctrl-C or SIGTERM. The caller holds the page's lock. Raises UsageError where the port is taken."""
    book = DoorBook(page_folder(desk.settings.state_dir), wiring.clock())
    try:
        code: int = connection.run(_serve(offer, desk, connection, book, browser=browser))
        return code
    finally:
        book.close()


async def _serve(offer: Offer, desk: Desk, connection: "Connection", book: DoorBook, *, browser: bool) -> int:
    sock = bound(offer.address, offer.port)
    urls = offer.urls(sock.getsockname()[1])
    room = furnished(offer, urls, desk, connection, book, wiring.clock())
    stopped = asyncio.Event()
    await room.begin()
    try:
        async with Listener(application(room), sock, offer.tls), _signals(stopped):
            _told(room, offer)
            if browser:
                await asyncio.to_thread(_opened, room)
            await stopped.wait()
    finally:
        _opener(room).unlink(missing_ok=True)
        await room.close()
    return 0


def _told(room: Rooms, offer: Offer) -> None:
    """The first line is for programs, the second for people; only the latter holds the key of this start, in one-person mode."""
    urls = room.urls
    place = f"{urls.scheme}://{f'[{urls.address}]' if ':' in urls.address else urls.address}:{urls.port}"
    print(f"listening on {place} (POST /api/preview, GET /api/schema); Ctrl-C ends")  # noqa: T201
    print(f"page {_address(room)}", flush=True)  # noqa: T201
    if offer.mode != "os" and not room.people.book.people():
        hint = "Nobody may come in yet: importer serve user add NAME --role preparer"
        print(hint, file=sys.stderr, flush=True)  # noqa: T201


def _address(room: Rooms) -> str:
    return f"{room.urls.base}/?token={room.people.token}" if room.people.token else f"{room.urls.base}/"


def _opener(room: Rooms) -> Path:
    return page_folder(room.settings.state_dir) / "open.html"


def _opened(room: Rooms) -> None:
    """Opens the browser by way of a file: an address with its token in a command line could be read by others on the machine."""
    import webbrowser

    path = _opener(room)
    private_folder(path.parent)
    with open(path, "w", encoding="utf-8", opener=private_opener) as file:
        file.write(room.templates.get_template("onward.html").render(path=_address(room)))
    webbrowser.open(path.as_uri())


@contextlib.asynccontextmanager
async def _signals(stopped: asyncio.Event) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM) if sys.platform != "win32" else ()
    for number in numbers:
        loop.add_signal_handler(number, stopped.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
