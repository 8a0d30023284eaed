"""Route: one line of the table of everything that the page answers, and who may ask for it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, Literal

from aiohttp import web


class Role(StrEnum):
    """What a person may do on the page."""

    PREPARER = "preparer"
    APPROVER = "approver"
    OPERATOR = "operator"


class Public(Enum):
    """The type of PUBLIC."""

    PUBLIC = "public"


PUBLIC: Final = Public.PUBLIC
"""Whoever reaches the server, logged in or not."""
EVERYONE: Final = frozenset(Role)
"""Whoever is logged in, with any role."""

Kind = Literal["page", "json", "file", "stream"]
"""page: HTML, refusals too. json: JSON, refusals too. file: a download. stream: server-sent events."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FORM_MOST = 256 * 1024
"""Bytes of a form; uploads count their own."""


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path (as aiohttp writes it, such as `/runs/{id}`), who answers, and for whom.

    A person needs one of `roles`; without it the answer is 403 and names them. What is in no table is 404.
    """

    method: Literal["GET", "POST"]
    path: str
    handler: Handler
    roles: frozenset[Role] | Literal[Public.PUBLIC]
    kind: Kind = "page"
    multipart: bool = False  # an upload: the handler reads it by forms.parts, which checks the CSRF field
    harmless: bool = False  # a POST that changes nothing of the work: allowed with --read-only
    local: bool = False  # under the identity `os`, programs of this machine may ask without logging in
    body_most: int = FORM_MOST  # bytes; an upload counts its own
