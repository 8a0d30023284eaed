"""The page on loopback: a real server on port 0, people of every role, and a caller whose every header is its own."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, ClientSession, DummyCookieJar, web

from importer.clock import SystemClock
from importer.core.plan import Environment
from importer.desk.desk import Desk
from importer.ledgers.lock import SubmissionLock
from importer.ledgers.sqlite import SqliteLedger
from importer.ports import Clock
from importer.sandbox.server import Sandbox
from importer.settings import load
from importer.targets.exchange import Credentials, Endpoints, Exchange
from importer.targets.pace import CallLog, Rate, SharedPace
from importer.targets.tasks import TasksTarget
from importer.targets.transport import HttpTransport
from importer.web.application import application
from importer.web.doorbook import DoorBook
from importer.web.house import House
from importer.web.listener import Listener, bound
from importer.web.offer import Offer, offered
from importer.web.rooms import Rooms
from importer.web.route import Role, Route
from importer.web.routes import ROUTES
from importer.web.server import furnished, page_folder
from importer.wiring import Connection

QUICK = House(refusal_s=0.0, leave_s=0.5)
CHEAP = 2
"""What the slow hash costs here."""
NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read whole."""

    status: int
    headers: Any  # a multi-dict; names in any case
    text: str

    @property
    def cookie(self) -> str:
        """`name=value` of the cookie that was set, or a blank."""
        return str(self.headers.get("Set-Cookie", "")).partition(";")[0]


@dataclass(slots=True)
class Page:
    """A page that is being served, and a caller without any habits: no cookies, no redirects."""

    room: Rooms
    app: web.Application
    listener: Listener
    session: ClientSession

    @property
    def base(self) -> str:
        return f"{self.room.urls.scheme}://127.0.0.1:{self.room.urls.port}"

    async def ask(self, method: str, path: str, cookie: str = "", headers: Any = None, **options: Any) -> Reply:
        """One request. `cookie`: as `Reply.cookie` gives it."""
        sent = {**(headers or {}), **({"Cookie": cookie} if cookie else {})}
        asked = self.session.request(method, self.base + path, headers=sent, allow_redirects=False, **options)
        async with asked as answer:
            return await read(answer)

    async def post(self, path: str, form: Any, cookie: str = "", headers: Any = None, **options: Any) -> Reply:
        """A form of the page itself: with its origin, and with the CSRF field of whoever has the cookie."""
        origin = {"Origin": self.base, **(headers or {})}
        proof = {"csrf": self.csrf(cookie)} if cookie else {}
        return await self.ask("POST", path, cookie, origin, data={**proof, **form}, **options)

    def csrf(self, cookie: str) -> str:
        """The CSRF token that belongs to a cookie."""
        from importer.web.sessions import csrf_of

        return csrf_of(cookie.partition("=")[2])

    async def log_in(self, token: str = "") -> str:
        """The cookie of a new session; without a token, of the one person of the identity `os`."""
        answer = await self.ask("GET", f"/login?token={token or self.room.people.token}")
        assert answer.status == 303, answer.text
        return answer.cookie

    async def comes(self, *roles: Role, name: str = "") -> str:
        """A new person with these roles is named, and logs in by their link; the cookie."""
        named = name or f"{' and '.join(sorted(roles))} {len(self.room.people.book.people())}"
        return await self.log_in(self.room.people.book.add(named, roles, link=True))


async def read(answer: ClientResponse) -> Reply:
    """An answer, read whole."""
    return Reply(answer.status, answer.headers, await answer.text(errors="replace"))


@asynccontextmanager
async def opened(
    folder: Path, *, routes: Sequence[Route] = ROUTES, house: House = QUICK, clock: Clock | None = None,
    sandbox: Sandbox | None = None, connection: Connection | None = None, **settings: Any,
) -> AsyncIterator[Page]:  # fmt: skip
    """The page of a state folder. `settings`: those of `importer serve`, such as identity="token"."""
    async with AsyncExitStack() as stack:
        loaded = load({"sandbox": True, "state_dir": str(folder), **settings})
        offer: Offer = offered(loaded, 0)
        offer = replace(offer, house=replace(house, read_only=offer.house.read_only))
        ledger = SqliteLedger(folder / "ledger.sqlite")
        stack.callback(ledger.close)
        found = connection
        if found is None:
            found = await stack.enter_async_context(_connected(folder, sandbox))
        book = DoorBook(page_folder(folder), clock or SystemClock(), CHEAP)
        stack.callback(book.close)
        sock = bound(offer.address, 0)
        desk = Desk(loaded, ledger, SubmissionLock(folder / "locks", "test"))
        room = furnished(offer, offer.urls(sock.getsockname()[1]), desk, found, book, clock or SystemClock())
        await room.begin()
        stack.push_async_callback(room.close)
        app = application(room, routes)
        listener = await stack.enter_async_context(Listener(app, sock, offer.tls))
        session = await stack.enter_async_context(ClientSession(cookie_jar=DummyCookieJar()))
        yield Page(room, app, listener, session)


@asynccontextmanager
async def _connected(folder: Path, sandbox: Sandbox | None) -> AsyncIterator[Connection]:
    """A target: the sandbox's, or one where nobody answers."""
    rate = Rate(10_000, 1.0)
    calls = CallLog(folder / "pace.sqlite", "me", rate)
    pace = SharedPace(calls, rate, SystemClock())
    endpoints = Endpoints(sandbox.api_url, sandbox.login_url) if sandbox else Endpoints(NOWHERE, NOWHERE)
    credentials = Credentials(sandbox.client_id, sandbox.client_secret) if sandbox else Credentials("id", "s3cr3t")
    target = TasksTarget(Exchange(endpoints, credentials, pace, SystemClock(), HttpTransport()))
    try:
        yield Connection(target, Environment("tasks", endpoints.api, credentials.client_id), lambda _: None)
    finally:
        await target.close()
        calls.close()


def paths_of(routes: Iterable[Route]) -> list[tuple[Route, str]]:
    """Each route with a path that meets it."""
    import re

    return [(route, re.sub(r"\{[^}]*\}", "x", route.path)) for route in routes]


async def asked_bare(page: Page, method: str, path: str, *lines: str) -> int:
    """The status of a request without a body, whose header is sent as it stands: each character is one byte."""
    reader, writer = await asyncio.open_connection("127.0.0.1", page.room.urls.port)
    place = f"Host: 127.0.0.1:{page.room.urls.port}"
    head = [f"{method} {path} HTTP/1.1", place, *lines, "Content-Length: 0", "Connection: close", "", ""]
    writer.write("\r\n".join(head).encode("latin-1"))
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1])
