"""Progress: a draft while its rows are previewed or made a plan, and what a person who looks on is told."""

from aiohttp import web

from importer.core.errors import DraftBusy, Stale
from importer.drafts.draft import DraftHead
from importer.web import replies
from importer.web.forms import fields
from importer.web.pages.step import PREPARERS, changes, draft_of, drafting, last_change, path_of
from importer.web.rooms import rooms
from importer.web.route import Route
from importer.web.visitor import who


def not_yet(head: DraftHead) -> str | None:
    """Where to look instead while a draft has no preview of how it is now; None where it has one."""
    if head.busy or head.problem:
        return path_of(head, "progress")
    return None if head.previewed_at else path_of(head, "columns")


async def begin_preview(request: web.Request, draft: str, onward: str = "") -> web.StreamResponse:
    """Has all rows previewed, and leads to where that can be seen."""
    await rooms(request).errands.begin(draft, drafting(request).preview(draft, who(request).person))
    return replies.see_other(f"/imports/{draft}/progress" + (f"?onward={onward}" if onward else ""))


async def look(request: web.Request) -> web.StreamResponse:
    """`/imports/{id}/progress`: how far it is, or why it did not end well; else leads on."""
    desk, draft, errands = drafting(request), draft_of(request), rooms(request).errands
    head = await desk.head(draft)
    straight = request.query.get("onward") == "rows"
    busy = head.busy or ("previewing" if errands.under_way(draft) else "")
    problem = errands.problem(draft)
    if not busy and not (problem or head.problem):
        return replies.see_other(await _onward(request, head, straight=straight))
    return replies.page(
        request,
        "progress.html",
        head=head,
        busy=busy,
        problem=replies.told(request, str(problem) if problem else head.problem),
        fix=replies.told(request, problem.fix) if problem else "",
        straight=straight,
    )


async def _onward(request: web.Request, head: DraftHead, *, straight: bool) -> str:
    if head.step == "planned" and head.plan:
        return f"/plans/{head.plan}"
    if not head.previewed_at:
        return path_of(head, "columns")
    if not straight and await drafting(request).unknown_values(head.id):
        return path_of(head, "values")
    return path_of(head, "rows")


@changes("rows")
async def preview(request: web.Request) -> web.StreamResponse:
    """Has the rows previewed (again)."""
    form, draft = await fields(request), draft_of(request)
    head = await drafting(request).head(draft)
    if head.revision != form.revision:
        raise Stale(what="the upload", sent="preview it", now="changed", who=head.changed_by, revision=head.revision)
    return await begin_preview(request, draft)


@changes("rows")
async def plan(request: web.Request) -> web.StreamResponse:
    """Makes the plan, and leads to it."""
    desk, form, draft = drafting(request), await fields(request), draft_of(request)
    head = await desk.head(draft)
    if head.revision != form.revision:
        raise Stale(what="the upload", sent="made a plan", now="changed", who=head.changed_by, revision=head.revision)
    if head.busy:
        raise DraftBusy("This upload is being previewed just now.", "Wait until that is done.")
    await rooms(request).errands.begin(draft, desk.plan(draft, form.revision, who(request).person))
    return replies.see_other(path_of(head, "progress"))


async def news(request: web.Request) -> web.StreamResponse:
    """What others did since a page was made."""
    draft = draft_of(request)
    head = await drafting(request).head(draft)
    seen = request.query.get("revision", "")
    revision = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 16 else head.revision
    last = await last_change(request, draft)
    return replies.page(request, "news.html", head=head, revision=revision, last=last, back=f"/imports/{draft}")


ROUTES = (
    Route("GET", "/imports/{id}/progress", look, PREPARERS),
    Route("GET", "/imports/{id}/news", news, PREPARERS),
    Route("POST", "/imports/{id}/preview", preview, PREPARERS),
    Route("POST", "/imports/{id}/plan", plan, PREPARERS),
)
