"""Columns: what each column of the person's sheet becomes."""

from dataclasses import replace

from aiohttp import web

from importer.core.columns import COLUMN_OF
from importer.core.errors import FileRefused, UsageError
from importer.drafts.draft import Columns
from importer.web import replies
from importer.web.forms import Form, fields
from importer.web.pages.progress import begin_preview
from importer.web.pages.step import PREPARERS, changes, draft_of, drafting, last_change
from importer.web.route import Route
from importer.web.visitor import who

FIELD = "column-"


async def look(request: web.Request) -> web.StreamResponse:
    """`/imports/{id}/columns`."""
    return await _page(request, {})


async def _page(request: web.Request, chosen: dict[int, str], problem: UsageError | None = None) -> web.Response:
    """The columns, with what the person chose and is not kept. The head is read first: what is shown is no older than its revision."""
    draft = draft_of(request)
    head = await drafting(request).head(draft)
    columns = _as_chosen(await drafting(request).columns(draft), chosen)
    return replies.page(
        request,
        "columns.html",
        status=422 if problem else 200,
        head=head,
        columns=columns,
        names={field: column.name for field, column in COLUMN_OF.items()},
        last=await last_change(request, draft),
        problem=f"{problem} {problem.fix}".strip() if problem else "",
    )


@changes("columns")
async def choose(request: web.Request) -> web.StreamResponse:
    """Chooses, and has all rows previewed. What does not fit is told beside what the person chose."""
    desk, draft, form = drafting(request), draft_of(request), await fields(request)
    chosen, person = _chosen(form), who(request).person
    try:
        await desk.choose_columns(draft, form.revision, chosen, person, remember="remember" in form)
    except FileRefused:
        raise
    except UsageError as problem:
        return await _page(request, chosen, problem)
    return await begin_preview(request, draft)


def _chosen(form: Form) -> dict[int, str]:
    """What the selects say: {column: field}."""
    pairs = ((name.removeprefix(FIELD), value) for name, value in form if name.startswith(FIELD))
    return {int(number): value for number, value in pairs if number.isascii() and number.isdigit() and len(number) < 6}


def _as_chosen(columns: Columns, chosen: dict[int, str]) -> Columns:
    """The same columns with what the person chose."""
    if not chosen:
        return columns
    changed = tuple(
        replace(each, field=chosen[each.index] or None, how="mapped" if chosen[each.index] else "not used")
        if each.index in chosen
        else each
        for each in columns.columns
    )
    fed = {each.field for each in changed}
    missing = tuple(each for each in columns.fields if each.required and each.field not in fed)
    return replace(columns, columns=changed, missing=missing)


ROUTES = (
    Route("GET", "/imports/{id}/columns", look, PREPARERS),
    Route("POST", "/imports/{id}/columns", choose, PREPARERS),
)
