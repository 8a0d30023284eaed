"""Forms: what a person sent, read to a cap, with its CSRF field checked."""

import asyncio
import hmac
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp import web

from importer.core.errors import UsageError
from importer.web.refusal import Refused
from importer.web.rooms import rooms
from importer.web.route import FORM_MOST
from importer.web.visitor import known

if TYPE_CHECKING:
    from aiohttp import BodyPartReader, MultipartReader

CSRF = "csrf"
CSRF_HEADER = "X-CSRF-Token"
REVISION = "revision"
FIELDS_MOST = 5_000
TOKEN_MOST = 200  # bytes of a CSRF field
PARTS_MOST = 100  # of an upload


class Form:
    """The fields of a form, in their order; a name may come more than once."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Name and value of each field."""
        return iter(self._pairs)

    def __contains__(self, name: str) -> bool:
        return any(name == each for each, _ in self._pairs)

    def text(self, name: str, default: str = "") -> str:
        """The first value of a field, as it was sent; line breaks as `\\n`."""
        value = next((value for each, value in self._pairs if each == name), default)
        return value.replace("\r\n", "\n")

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return [value.replace("\r\n", "\n") for each, value in self._pairs if each == name]

    def number(self, name: str) -> int:
        """A whole number, zero or more. Raises UsageError."""
        value = self.text(name).strip()
        if not (value.isascii() and value.isdigit() and len(value) <= 15):
            raise UsageError(f"The field {name} is not a number.", "Open the page again, and send it once more.")
        return int(value)

    @property
    def revision(self) -> int:
        """The revision that the person saw. Raises UsageError."""
        return self.number(REVISION)


FORM = web.RequestKey("form", Form)
PROVEN = web.RequestKey("proven", bool)


async def fields(request: web.Request) -> Form:
    """The form that was sent. The guard has checked its CSRF field. Raises Refused: too large, too slow, not a form."""
    form = request.get(FORM)
    if form is None:
        form = request[FORM] = Form(_parsed(await _body(request)))
    return form


async def _body(request: web.Request) -> bytes:
    most = FORM_MOST
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refused(415, "Only forms are taken here.", "Use the page's own buttons.")
    if (request.content_length or 0) > most:
        raise _too_large(most)
    body = bytearray()
    try:
        async with asyncio.timeout(rooms(request).house.body_s):
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > most:
                    raise _too_large(most)
    except TimeoutError:
        raise Refused(408, "The form came too slowly.", "Send it again.") from None
    return bytes(body)


def _too_large(most: int) -> Refused:
    return Refused(413, f"The form is too large: at most {most // 1024} KiB are taken.", "Change fewer at once.")


def _parsed(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MOST, separator="&"
        )
    except ValueError:  # UnicodeDecodeError is one
        raise Refused(400, "The form cannot be read.", "Open the page again, and send it once more.") from None


def is_proven(request: web.Request, token: str) -> bool:
    """Whether a CSRF token is that of this visitor's session."""
    visitor = known(request)
    return visitor is not None and hmac.compare_digest(token.encode("utf-8", "replace"), visitor.csrf.encode())


async def parts(request: web.Request) -> "AsyncIterator[BodyPartReader]":
    """The parts of an upload, after its first one, which must be the CSRF field (or the header X-CSRF-Token). Nothing is stored.

    Each part must be read before the next is asked for. Raises Refused; its first part is read before anything else is.
    """
    from aiohttp.http_exceptions import HttpProcessingError

    token, count = request.headers.get(CSRF_HEADER, ""), 0
    _unwarned()
    try:
        reader = await request.multipart()
        while (part := await _next(request, reader)) is not None:
            first, count = count == 0, count + 1
            if count > PARTS_MOST:
                raise _unreadable()
            if first and part.name == CSRF:
                token = (await part.read_chunk(TOKEN_MOST)).decode("ascii", "replace")
                prove(request, token)
            else:
                if first:
                    prove(request, token)
                yield part
            await _read_out(part)
    except (ValueError, HttpProcessingError) as problem:
        raise _unreadable() from problem


async def _next(request: web.Request, reader: "MultipartReader") -> "BodyPartReader | None":
    """The next part; what stands before it may take no longer than a form. Raises Refused, ValueError, HttpProcessingError."""
    from aiohttp import BodyPartReader

    try:
        async with asyncio.timeout(rooms(request).house.body_s):
            part = await reader.next()
    except TimeoutError:
        raise Refused(408, "The upload came too slowly.", "Send it again.") from None
    except RuntimeError as problem:  # how the library tells of a character set that is none
        raise _unreadable() from problem
    if part is not None and not isinstance(part, BodyPartReader):
        raise _unreadable()
    return part


def _unwarned() -> None:
    """What was sent is printed nowhere: of a name that it cannot read the library warns, with the name as it came."""
    from aiohttp import BadContentDispositionHeader, BadContentDispositionParam

    for kind in (BadContentDispositionHeader, BadContentDispositionParam):
        warnings.filterwarnings("ignore", category=kind)


async def _read_out(part: "BodyPartReader") -> None:
    """Reads what nobody wanted of a part, which cannot be much. Raises Refused."""
    size = 0
    while piece := await part.read_chunk():
        size += len(piece)
        if size > FORM_MOST:
            raise Refused(413, "The upload holds more than its file.", "Choose the file again.", code="too.large")


def _unreadable() -> Refused:
    return Refused(400, "The upload cannot be read.", "Choose the file again.")


def prove(request: web.Request, token: str) -> None:
    """Marks the request as made from a page of ours. Raises Refused."""
    if not is_proven(request, token):
        raise Refused(
            403,
            "This page was opened before you logged in, or by somebody else.",
            "Open it again, and send it once more.",
        )
    request[PROVEN] = True
