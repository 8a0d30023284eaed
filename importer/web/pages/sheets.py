"""Sheets: which sheet of a workbook is read, and which of its lines has the headings."""

from aiohttp import web

from importer.core.errors import UsageError
from importer.core.rows import column_letter
from importer.web import replies
from importer.web.forms import Form, fields
from importer.web.pages.step import PREPARERS, changes, draft_of, drafting, last_change, path_of
from importer.web.route import Route
from importer.web.visitor import who

WIDTH_MOST = 10


async def look(request: web.Request) -> web.StreamResponse:
    """`/imports/{id}/sheet`, with `?sheet=NAME` for the first rows of another sheet."""
    return await _page(request, request.query.get("sheet"))


async def _page(request: web.Request, wanted: str | None, problem: UsageError | None = None) -> web.Response:
    desk, draft = drafting(request), draft_of(request)
    head, sheets = await desk.head(draft), await desk.sheets(draft)
    names = [each.name for each in sheets]
    chosen = next((each.name for each in sheets if each.chosen), names[0] if names else "")
    shown = wanted if wanted in names else chosen
    rows = await desk.first_rows(draft, shown or None) if shown != chosen else await desk.first_rows(draft)
    widest = max((len(row.cells) for row in rows), default=0)
    width = min(widest, WIDTH_MOST)
    return replies.page(
        request,
        "sheet.html",
        status=422 if problem else 200,
        head=head,
        sheets=sheets,
        shown=shown,
        rows=rows,
        width=width,
        wider=widest - width,
        letters=[column_letter(index) for index in range(width)],
        last=await last_change(request, draft),
        problem=f"{problem} {problem.fix}".strip() if problem else "",
    )


@changes("sheet")
async def choose(request: web.Request) -> web.StreamResponse:
    """Chooses, and leads on to the columns."""
    desk, draft, form = drafting(request), draft_of(request), await fields(request)
    try:
        head = await desk.choose_sheet(
            draft, form.revision, form.text("sheet") or None, _line(form), who(request).person
        )
    except UsageError as problem:
        return await _page(request, form.text("sheet"), problem)
    return replies.see_other(path_of(head, "columns"))


def _line(form: Form) -> int | None:
    """The line with the headings; another one that was typed beats the one that was ticked. Raises UsageError."""
    if form.text("other_row").strip():
        return form.number("other_row")
    return form.number("header_row") if form.text("header_row") else None


ROUTES = (
    Route("GET", "/imports/{id}/sheet", look, PREPARERS),
    Route("POST", "/imports/{id}/sheet", choose, PREPARERS),
)
