"""Static: the files that pages load. They are read once; nothing else of the disk can be asked for."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aiohttp import web

from importer.markup import LOOK, look
from importer.web.refusal import Refused
from importer.web.route import PUBLIC, Route

FOLDER = Path(__file__).parent.parent / "static"
TYPES = {
    ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".json": "application/json",
    ".txt": "text/plain", ".png": "image/png",
}  # fmt: skip
"""What may be served, and as what."""


@dataclass(frozen=True, slots=True)
class File:
    """A file in memory."""

    body: bytes
    content_type: str
    tag: str


@cache
def files() -> dict[str, File]:
    """Every file by its path below /static/."""
    found = {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()}
    found[LOOK] = look().encode()
    return {
        name: File(body, TYPES[Path(name).suffix], hashlib.sha256(body).hexdigest()[:32])
        for name, body in found.items()
        if Path(name).suffix in TYPES
    }


async def static(request: web.Request) -> web.StreamResponse:
    """One file. Browsers ask each time whether it changed, so that a new version of ours is seen at once."""
    return _served(request, files().get(request.match_info["name"]))


async def icon(request: web.Request) -> web.StreamResponse:
    """What browsers ask for on their own."""
    return _served(request, files().get("favicon.svg"))


def _served(request: web.Request, file: File | None) -> web.StreamResponse:
    if file is None:
        raise Refused(404, "There is no such file.", "Load the page again.", code="not.found")
    headers = {"ETag": f'"{file.tag}"', "Cache-Control": "no-cache"}
    if any(each.value in (file.tag, "*") for each in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    charset = None if file.content_type == "image/png" else "utf-8"
    return web.Response(body=file.body, content_type=file.content_type, charset=charset, headers=headers)


ROUTES = (
    Route("GET", "/static/{name:.+}", static, PUBLIC, "file"),
    Route("GET", "/favicon.ico", icon, PUBLIC, "file"),
)
