"""Step: what the pages of one upload share: its draft, who changed it last, and what is told when somebody else was faster."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final

from aiohttp import web

from importer.core.errors import DraftBusy, FileRefused, ImporterError, NoSuchDraft, Stale, UsageError
from importer.desk.drafting import Drafting
from importer.drafts.draft import Batch, DraftHead
from importer.web import replies
from importer.web.refusal import status_of
from importer.web.rooms import rooms
from importer.web.route import Handler, Role

PREPARERS: Final = frozenset({Role.PREPARER})


def drafting(request: web.Request) -> Drafting:
    """What uploads are worked on with."""
    found = rooms(request).drafting
    assert found is not None
    return found


def draft_of(request: web.Request) -> str:
    """The draft that an address names."""
    return request.match_info["id"]


async def last_change(request: web.Request, draft: str) -> Batch | None:
    """The newest change of a draft's rows."""
    return await drafting(request).last_change(draft)


def path_of(head: DraftHead, step: str) -> str:
    """The address of a step."""
    return f"/imports/{head.id}/{step}"


def changes(at: str) -> Callable[[Handler], Handler]:
    """A handler that changes a draft. Where somebody was faster, the answer is 409 with both values and a way on; `at` is the step."""

    def wrapped(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Handler:
        @wraps(handler)
        async def told(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except Stale as stale:
                return replies.page(request, "stale.html", status=409, stale=stale, **await _where(request, at))
            except (NoSuchDraft, FileRefused):
                raise
            except (UsageError, DraftBusy) as problem:
                return await _not_done(request, problem, at)

        return told

    return wrapped


async def _where(request: web.Request, at: str) -> dict[str, Any]:
    draft = draft_of(request)
    head = await drafting(request).head(draft)
    return {"head": head, "last": await last_change(request, draft), "at": at, "back": path_of(head, at)}


async def _not_done(request: web.Request, problem: ImporterError, at: str) -> web.Response:
    """What is wrong, on a page that leads back; to a script, what is wrong alone, so that what was filled in stays."""
    status, _ = status_of(problem)
    where = await _where(request, at)
    reply = replies.page(request, "refused.html", status=status, what=str(problem), fix=problem.fix, **where)
    reply.headers.update(replies.BESIDE)
    return reply
