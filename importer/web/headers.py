"""Headers: what every answer tells the browser about what a page may do."""

from typing import Final

from aiohttp import web

from importer.web.rooms import rooms

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send `Origin: null` with forms of our own
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "importer",
}
"""Of every answer. A handler may say another Cache-Control or Referrer-Policy; nothing else."""
OWN_WORDS: Final = frozenset({"Cache-Control", "Referrer-Policy"})


TRANSPORT: Final = ("Strict-Transport-Security", "max-age=31536000")
"""Where the page is asked for by https."""


async def headed(request: web.Request, response: web.StreamResponse) -> None:
    """Sets the headers of an answer right before it is begun: event streams too are seen here in time."""
    for name, value in HEADERS.items():
        if name not in OWN_WORDS or name not in response.headers:
            response.headers[name] = value
    if not rooms(request).urls.is_local(request.host.lower()):
        response.headers.setdefault(*TRANSPORT)
