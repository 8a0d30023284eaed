"""Identity: who is asking, in the three ways that are offered: `os`, `token` and `header`."""

import asyncio
import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Literal

from aiohttp import web

from importer.core.approval import Person
from importer.ports import Clock
from importer.web.doorbook import DoorBook, Known, Session, fast_hash, is_same
from importer.web.house import House
from importer.web.refusal import Refused
from importer.web.route import EVERYONE
from importer.web.sessions import Sessions, csrf_of
from importer.web.visitor import Visitor

Mode = Literal["os", "token", "header"]
MODES: tuple[Mode, ...] = ("os", "token", "header")
TOKEN_MOST = 200
ADDRESSES_MOST = 10_000
VERIFIED_MOST = 100

NOT_TAKEN = "This link or token is not valid, or not any more."
AGAIN = {
    "os": "Open the address that importer serve printed when it started.",
    "token": "Open your personal link again; whoever runs this server makes a new one by importer serve user add.",
    "header": "Log in where your organisation does; this page learns from there who you are.",
}


@dataclass(frozen=True, slots=True)
class Proxy:
    """Who is believed about who somebody is: a header, from these addresses alone."""

    header: str
    trusted: tuple[IPv4Network | IPv6Network, ...]

    def trusts(self, address: str | None) -> bool:
        """Whether a connection comes from a trusted proxy."""
        try:
            found = ip_address(address or "")
        except ValueError:
            return False
        plain = getattr(found, "ipv4_mapped", None) or found
        return any(plain in network for network in self.trusted)


@dataclass(slots=True)
class _Tries:
    """Tokens that were not taken, by address: moments, oldest first."""

    of: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)
    all: deque[float] = field(default_factory=deque)


class People:
    """Finds the visitor of a request. One-person mode (`os`) has one visitor with all roles, known by a token of this start."""

    def __init__(
        self, mode: Mode, book: DoorBook, sessions: Sessions, clock: Clock, house: House, *,
        person: Callable[[], Person], proxy: Proxy | None = None,
    ) -> None:  # fmt: skip
        self.mode = mode
        self.book = book
        self.sessions = sessions
        self.token = secrets.token_urlsafe(32) if mode == "os" else ""
        """What the printed address carries, in one-person mode."""
        self._clock = clock
        self._house = house
        self._person = person
        self._proxy = proxy
        self._tries = _Tries()
        self._verified: OrderedDict[bytes, str] = OrderedDict()  # hashes of tokens that were taken -> whose
        self._hashing = asyncio.Semaphore(2)  # a slow hash takes memory: so many at once, whoever asks

    @property
    def alone(self) -> bool:
        """Whether one person plays all parts, so that the page cannot prove two."""
        return self.mode == "os"

    @property
    def again(self) -> str:
        """What somebody does who is not logged in."""
        return AGAIN[self.mode]

    def trusts(self, address: str | None) -> bool:
        """Whether a connection comes from a trusted proxy."""
        return self._proxy is not None and self._proxy.trusts(address)

    async def visitor(self, request: web.Request, *, by_token: bool, used: bool = True) -> Visitor | None:
        """Who asks. `by_token`: also by `Authorization: Bearer TOKEN`, as programs do. Raises Refused.

        Not `used`: it is only looked whether somebody is still in, which keeps no session from idling.
        """
        if self.mode == "header":
            return self._of_header(request)
        bearer = request.headers.get("Authorization", "")
        if by_token and bearer[:7].lower() == "bearer ":
            return self._in(await self.proven(bearer[7:].strip(), request.remote), "")
        found = self.sessions.found(request, used=used)
        return self._in(found[1], found[0]) if found else None

    def _in(self, session: Session, secret: str) -> Visitor | None:
        csrf = csrf_of(secret) if secret else ""
        if session.how not in ("token", "header"):
            return Visitor(Person(session.name, session.how), EVERYONE, csrf, session.name) if self.alone else None
        known = self.book.of(session.person)
        return Visitor(Person(known.name, "token"), known.roles, csrf, known.id) if known else None

    def _of_header(self, request: web.Request) -> Visitor | None:
        assert self._proxy is not None
        values = request.headers.getall(self._proxy.header, [])
        if not self._proxy.trusts(request.remote) or len(values) != 1 or not values[0].strip():
            return None
        known: Known | None = self.book.named(values[0])
        if known is None:
            raise Refused(
                403, "You have no role here.", "Ask whoever runs this server: importer serve user add NAME --no-link."
            )
        key = self.book.key("header")
        csrf = urlsafe_b64encode(hmac.digest(key, f"csrf {known.id}".encode(), hashlib.sha256)).decode().rstrip("=")
        return Visitor(Person(known.name, "header"), known.roles, csrf, known.id)

    async def proven(self, token: str, address: str | None) -> Session:
        """Whose token this is. Raises Refused: the same words after the same time for every token that is not taken."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._house.refusal_s
        moment = self._tried(address or "") if fast_hash(token[:TOKEN_MOST]) not in self._verified else None
        session = await self._checked(token)
        if session is not None:
            self._forgiven(address or "", moment)
            return session
        await asyncio.sleep(max(0.0, until - loop.time()))
        raise Refused(401, NOT_TAKEN, self.again, code="not.logged.in", headers={"WWW-Authenticate": "Bearer"})

    async def _checked(self, token: str) -> Session | None:
        token = token[:TOKEN_MOST]
        if self.mode == "os":
            person = self._person()
            fits = is_same(fast_hash(token), fast_hash(self.token))
            return Session("", person.name, person.how) if fits else None
        identity, _, secret = token.partition(".")
        quick = fast_hash(token)
        if quick not in self._verified:
            salt, wanted = self.book.secret_of(identity)
            async with self._hashing:
                found = await asyncio.to_thread(self.book.slow_hash, secret, salt)
            if not is_same(found, wanted):
                return None
            self._verified[quick] = identity
            if len(self._verified) > VERIFIED_MOST:
                self._verified.popitem(last=False)
        known = self.book.of(identity)  # after the hash: somebody may have been revoked meanwhile
        return Session(known.id, known.name, "token") if known else None

    def _tried(self, address: str) -> float:
        """Counts a token before it is looked at, so that many at once count too. Raises Refused after too many that were not taken."""
        now, tries = self._clock.monotonic(), self._tries
        own = tries.of.setdefault(address, deque())
        tries.of.move_to_end(address)
        for moments, most in ((own, self._house.tries), (tries.all, self._house.tries_all)):
            while moments and moments[0] <= now - self._house.tries_s:
                moments.popleft()
            if len(moments) >= most:
                wait = int(moments[0] + self._house.tries_s - now) + 1
                raise Refused(
                    429, "Too many links or tokens were not valid.", f"Wait {wait // 60 + 1} minutes, then try again.",
                    code="too.many.tries", headers={"Retry-After": str(wait)},
                )  # fmt: skip
        own.append(now)
        tries.all.append(now)
        if len(tries.of) > ADDRESSES_MOST:
            tries.of.popitem(last=False)
        return now

    def _forgiven(self, address: str, moment: float | None) -> None:
        for moments in (self._tries.of.get(address, deque()), self._tries.all):
            if moment is not None and moment in moments:
                moments.remove(moment)
