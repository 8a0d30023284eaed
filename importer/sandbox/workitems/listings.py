"""Numbered pages as the platform cuts them. Pure."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from importer.sandbox.workitems.platform import Request

DEFAULT_PAGE_SIZE = 25
BOUND = 2**31 - 1


def listing(
    request: Request, path: str, entities: Sequence[Any], *, most: int = BOUND, last: int = BOUND
) -> dict[str, Any]:
    """The page that the request asks for by `pageNumber` (at most `last`) and `pageSize` (at most `most`).

    A page beyond the end is empty. Refusal 400 for numbers out of bounds.
    """
    number = request.whole("pageNumber", 1, most=last)
    size = request.whole("pageSize", DEFAULT_PAGE_SIZE, most=most)
    first = (number - 1) * size
    pages = -(-len(entities) // size)
    page: dict[str, Any] = {
        "entities": list(entities[first : first + size]),
        "pageSize": size,
        "pageNumber": number,
        "total": len(entities),
        "pageCount": pages,
        "selfUri": _uri(request, path, number),
        "firstUri": _uri(request, path, 1),
        "lastUri": _uri(request, path, max(pages, 1)),
    }
    if number < pages:
        page["nextUri"] = _uri(request, path, number + 1)
    if 1 < number <= pages:
        page["previousUri"] = _uri(request, path, number - 1)
    return page


def _uri(request: Request, path: str, number: int) -> str:
    kept = [(name, value) for name, values in request.query.items() for value in values if name != "pageNumber"]
    return f"{path}?{urlencode([*kept, ('pageNumber', number)])}"
