"""Sessions: the cookie of somebody who is logged in, and the CSRF token that belongs to it."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from aiohttp import web

from importer.web.doorbook import DoorBook, Session
from importer.web.urls import Urls

COOKIE_MOST = 200


@dataclass(frozen=True, slots=True)
class Sessions:
    """A session's secret is 256 random bits; its hash alone is kept. It ends by logging out, idling, age, or revocation."""

    book: DoorBook
    urls: Urls
    idle_s: float
    most_s: float
    each: int  # of one person

    def found(self, request: web.Request, *, used: bool = True) -> tuple[str, Session] | None:
        """The secret and the person of the request's cookie. A cookie in plain http that should be a secure one is none."""
        secret = request.cookies.get(self._name(request), "")
        if not secret or len(secret) > COOKIE_MOST:
            return None
        session = self.book.session(secret, self.idle_s, self.most_s, used=used)
        return (secret, session) if session else None

    def begin(self, request: web.Request, response: web.Response, session: Session) -> None:
        """Logs in: always by a new secret, whatever the browser had; what it had ends."""
        self.end(request)
        self.book.sweep(self.idle_s, self.most_s)
        secret = self.book.begin(session, self.each)
        response.set_cookie(
            self._name(request),
            secret,
            max_age=int(self.most_s),
            path="/",
            httponly=True,
            secure=self._is_secure(request),
            samesite="Strict",
        )

    def end(self, request: web.Request, response: web.Response | None = None) -> None:
        """Logs out, here and in the browser."""
        name = self._name(request)
        if secret := request.cookies.get(name, ""):
            self.book.end(secret)
        if response is not None:
            response.del_cookie(name, path="/", httponly=True, secure=self._is_secure(request), samesite="Strict")

    def _name(self, request: web.Request) -> str:
        # Cookies do not know ports: two importers on one machine must not log each other out.
        name = f"importer-{self.urls.port}"
        return f"__Host-{name}" if self._is_secure(request) else name

    def _is_secure(self, request: web.Request) -> bool:
        return not self.urls.is_local(request.host.lower())


def csrf_of(secret: str) -> str:
    """The CSRF token of a session; the session cannot be told from it."""
    return urlsafe_b64encode(hmac.digest(secret.encode(), b"csrf", hashlib.sha256)).decode().rstrip("=")
