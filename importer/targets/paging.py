"""Paging: lists to their true end, by page number or by cursor. A list that is not whole is trouble, never a short list."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeGuard
from urllib.parse import quote

from importer.core.errors import TargetDown, Unavailable
from importer.targets.exchange import Exchange, denied
from importer.targets.transport import Reply

PAGES_MOST = 1000


async def pages(exchange: Exchange, path: str, size: int, needs: str) -> AsyncIterator[dict[str, Any]]:
    """The entities of all pages. The end is at `total`, at `pageCount`, or at the first page that is not full.

    Where such a page promises more all the same, one more is asked for: a server may give fewer rows a page than it was
    asked for. Raises Unavailable for a list that is not whole: one that gives a page again, or nothing while more is to come.
    """
    seen = 0
    full = True
    known_pages: set[str] = set()
    join = "" if path.endswith("?") else "&" if "?" in path else "?"
    for number in range(1, PAGES_MOST + 1):
        page = _page(await exchange.get(f"{path}{join}pageNumber={number}&pageSize={size}", needs=needs))
        entities = page.get("entities")
        if not isinstance(entities, list) or (full and not entities and _more(page.get("total"), seen)):
            raise Unavailable("A list came without its entries.", "Try again later; importer resume carries on.")
        rows = [each for each in entities if isinstance(each, dict)]
        known = len(known_pages)
        known_pages.add(json.dumps(rows, sort_keys=True))
        if rows and len(known_pages) == known:
            raise Unavailable("A list gives the same pages again.", "Try again later; importer resume carries on.")
        for each in rows:
            yield each
        seen += len(rows)
        if _reached(page.get("total"), seen) or _reached(page.get("pageCount"), number):
            return
        full = len(rows) >= size
        if not rows or not (full or _more(page.get("total"), seen)):
            return
    raise TargetDown(f"A list has more than {PAGES_MOST} pages.", "Ask the service's support.")


async def by_cursor(
    exchange: Exchange, path: str, query: Mapping[str, Any], needs: str
) -> AsyncIterator[dict[str, Any]]:
    """The entities of a query whose cursor `after` goes into the next request's body. Empty pages may carry one.

    Raises Refusal where the query itself is refused; Unavailable for a cursor that comes again.
    """
    cursors = _Cursors()
    while cursors.more:
        body = {**query, "after": cursors.after} if cursors.after else dict(query)
        reply = await exchange.ask(path, json.dumps(body, ensure_ascii=False), needs=needs)
        if reply.status in (400, 409):
            raise Refusal(reply)
        page = _page(reply)
        for each in _entities(page):
            yield each
        cursors.go_on(page)


async def by_cursor_in_url(exchange: Exchange, path: str, needs: str) -> AsyncIterator[dict[str, Any]]:
    """The entities of a GET whose cursor `after` goes into the next URL. Nothing where what it is about is not there (404)."""
    cursors = _Cursors()
    while cursors.more:
        after = f"&after={quote(cursors.after, safe='')}" if cursors.after else ""
        reply = await exchange.get(path + after, needs=needs)
        if reply.status == 404 and not after:
            return
        page = _page(reply)
        for each in _entities(page):
            yield each
        cursors.go_on(page)


class _Cursors:
    """Where a list by cursor stands: what comes next, and what came already."""

    def __init__(self) -> None:
        self.after = ""  # a blank: the first page
        self.more = True
        self._seen: set[str] = set()

    def go_on(self, page: Mapping[str, Any]) -> None:
        """To the next page, if there is one. Raises Unavailable for a cursor that comes again, TargetDown for too many."""
        after = page.get("after")
        if not isinstance(after, str | None):
            raise Unavailable("A list came with a cursor that is none.", "Try again later; importer resume carries on.")
        self.after = after or ""
        self.more = bool(self.after)
        if self.after in self._seen:
            raise Unavailable("A list gives the same pages again.", "Try again later; importer resume carries on.")
        if len(self._seen) >= PAGES_MOST:
            raise TargetDown(f"A list has more than {PAGES_MOST} pages.", "Ask the service's support.")
        self._seen.add(self.after)


class Refusal(Exception):
    """A query that the target does not take: not trouble, but an answer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.problem)
        self.reply = reply

    @property
    def code(self) -> str:
        """The platform's code, or a blank."""
        body = self.reply.body
        return str(body.get("code") or "") if isinstance(body, dict) else ""


def _page(reply: Reply) -> dict[str, Any]:
    if reply.status == 403:  # of a list for which no permission is documented
        raise denied(reply, "")
    if reply.status != 200:
        raise Unavailable(f"A list could not be read ({reply.status}: {reply.problem}).", "Try again later.")
    if not isinstance(reply.body, dict):
        raise Unavailable(f"The answer is not a page ({reply.status}).", "Check that the API's address is right.")
    return reply.body


def _entities(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    entities = page.get("entities")
    if not isinstance(entities, list):
        raise Unavailable("A list came without its entries.", "Try again later; importer resume carries on.")
    return [each for each in entities if isinstance(each, dict)]


def _cursor(page: Mapping[str, Any]) -> str:
    """Where the next page begins; a blank at the end of the list."""
    after = page.get("after")
    if not isinstance(after, str | None):
        raise Unavailable("A list came with a cursor that is none.", "Try again later; importer resume carries on.")
    return after or ""


def _more(total: Any, seen: int) -> bool:
    """Whether a page claims that more is to come."""
    return _is_whole(total) and total > seen


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _reached(limit: Any, count: int) -> bool:
    return _is_whole(limit) and count >= limit
