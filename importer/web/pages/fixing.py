"""Fixing: one cell, many cells, rows left out, and undo. Each leads back to the rows as the person saw them."""

from collections.abc import Iterable
from typing import Any, Literal

from aiohttp import web

from importer.core.errors import Stale, UsageError
from importer.core.findings import Finding
from importer.core.fixes import TEXT_MOST, FixMany
from importer.core.rows import cell_address, column_letter
from importer.core.unseen import BROKEN, UNSEEN
from importer.drafts.draft import ColumnChoice, DraftHead, DraftRow
from importer.markup.texts import visible
from importer.web import replies
from importer.web.forms import Form, fields
from importer.web.pages.cells import mark, sent, text_of, typed
from importer.web.pages.progress import not_yet
from importer.web.pages.step import PREPARERS, changes, draft_of, drafting, last_change
from importer.web.pages.views import View, view_from
from importer.web.refusal import Refused
from importer.web.route import Route
from importer.web.visitor import who

LONG = 60
"""From so many characters on, or with a line break, a cell is fixed in a field of several lines."""
LINES_MOST = 12
TOLD_MOST = 5
"""Rows whose new verdict is told."""
IN_PLACE = {"HX-Retarget": ".cell-form", "HX-Reswap": "outerHTML", "HX-Push-Url": "false"}
"""Tells a script that the field comes back where it is, and not in place of all rows."""
KINDS: dict[str, Literal["blank", "trim", "replace"]] = {"blank": "blank", "trim": "trim", "replace": "replace"}


async def cell(request: web.Request) -> web.StreamResponse:
    """`/imports/{id}/rows/{line}/{column}`: one cell in a field of its own."""
    draft = draft_of(request)
    head = await drafting(request).head(draft)
    if elsewhere := not_yet(head):
        return replies.see_other(elsewhere)
    return await _cell_page(request, head, view_from(draft, request.query.get("view", "")))


async def _cell_page(
    request: web.Request,
    head: DraftHead,
    view: View,
    *,
    mine: str | None = None,
    stale: Stale | None = None,
    seen: str = "",
) -> web.Response:
    """The field. With `stale`, it has what the person typed, beside what stands there now; `seen` is the mark of what they saw."""
    line, index = _place(request)
    row, column = await drafting(request).row(head.id, line), await _column(request, head, index)
    text = text_of(row, index)
    value = typed(text) if mine is None else mine
    values: dict[str, Any] = {
        "head": head,
        "view": view,
        "revision": head.revision,
        "line": line,
        "column": index,
        "letter": column_letter(index),
        "heading": column.heading,
        "where": cell_address(head.sheet, index, line),
        "value": value,
        "seen": mark(text),
        "long": len(value) > LONG or "\n" in value or column.field == "description",
        "lines": min(max(value.count("\n") + 1, len(value) // LONG + 1, 2), LINES_MOST),
        "findings": _of_cell(row, index),
        "unseen": visible(text) if UNSEEN.search(text.replace("\n", "")) or BROKEN.search(text) else "",
        "hint": "Characters that cannot be typed are left out of the field." if value != text and mine is None else "",
        "known": await _known(request, head, column),
        "theirs": text if stale else None,
        "as_before": mark(text) == seen,
        "who": stale.who if stale else "",
        "last": await last_change(request, head.id),
    }
    reply = replies.page(request, "cell.html", status=409 if stale else 200, **values)
    if stale:
        reply.headers.update(IN_PLACE)
    return reply


def _place(request: web.Request) -> tuple[int, int]:
    """Line and 0-based column of the address. Raises Refused."""
    line, column = request.match_info["line"], request.match_info["column"]
    if not all(each.isascii() and each.isdigit() and len(each) < 8 for each in (line, column)):
        raise Refused(404, "There is no such cell.", "Choose one in the table of rows.", code="not.found")
    return int(line), int(column)


async def _column(request: web.Request, head: DraftHead, index: int) -> ColumnChoice:
    columns = (await drafting(request).columns(head.id)).columns
    found = next((each for each in columns if each.index == index), None)
    if found is None:
        raise Refused(404, "There is no such column.", "Choose a cell in the table of rows.", code="not.found")
    return found


def _of_cell(row: DraftRow, column: int) -> list[Finding]:
    address = cell_address(None, column, row.line)
    return [each for each in row.findings if each.cell and each.cell.rpartition("!")[2] == address]


async def _known(request: web.Request, head: DraftHead, column: ColumnChoice) -> list[str]:
    """Names that may be meant: queues of this draft, for a cell that names a queue."""
    if column.field != "queue":
        return []
    return sorted({str(each["queue"]) for each in await drafting(request).queues(head.id) if each["id"]})


@changes("rows")
async def fix(request: web.Request) -> web.StreamResponse:
    """Saves one cell. Where somebody else changed it, the field comes back with both texts."""
    desk, form, draft = drafting(request), await fields(request), draft_of(request)
    line, column = _place(request)
    view, new = view_from(draft, form.text("view")), sent(form.text("value"))
    row, head = await desk.row(draft, line), await desk.head(draft)
    now, seen = text_of(row, column), form.text("seen")
    if mark(now) != seen:
        stale = Stale(
            what=cell_address(head.sheet, column, line), sent=new, now=now, who=head.changed_by, revision=head.revision
        )
        return await _cell_page(request, head, view, mine=new, stale=stale, seen=seen)
    if new == sent(now):
        return replies.see_other(view.path + f"#r-{line}")
    try:
        changed = await desk.fix(draft, form.revision, line, column, now, new, who(request).person)
    except Stale as stale:
        return await _cell_page(request, await desk.head(draft), view, mine=new, stale=stale, seen=seen)
    return await _back(request, view, draft, [each.line for each in changed] or [line], line)


@changes("rows")
async def many(request: web.Request) -> web.StreamResponse:
    """`/imports/{id}/many?kind=…`: how many cells a change of many would touch, before it is made."""
    draft, asked = draft_of(request), request.query
    head = await drafting(request).head(draft)
    if elsewhere := not_yet(head):
        return replies.see_other(elsewhere)
    wanted = _many(asked.get("kind", ""), asked.get("column", ""), asked.get("old", ""), asked.get("new", ""))
    column = await _column(request, head, wanted.column)
    return replies.page(
        request,
        "many.html",
        head=head,
        view=view_from(draft, asked.get("view", "")),
        many=wanted,
        words=_sentence(wanted.words(column.heading or column.letter)),
        cells_changed=await drafting(request).would_change(draft, wanted),
        last=await last_change(request, draft),
    )


def _many(kind: str, column: str, old: str, new: str) -> FixMany:
    """The change that a form asks for. Raises UsageError."""
    if kind not in KINDS or not (column.isascii() and column.isdigit() and len(column) < 6):
        raise UsageError("This change is not known.", "Choose what to change, and in which column.")
    if max(len(old), len(new)) > TEXT_MOST:
        raise UsageError(f"A cell holds at most {TEXT_MOST:,} characters.", "Shorten it.")
    if kind == "blank" and not new.strip():
        raise UsageError("It is not said what blank cells shall say.", "Type it.")
    if kind == "replace" and not old:
        raise UsageError("It is not said which value is replaced.", "Type what the cells say now.")
    found = KINDS[kind]
    return FixMany(found, int(column), new="" if found == "trim" else new, old=old if found == "replace" else "")


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


@changes("rows")
async def fix_many(request: web.Request) -> web.StreamResponse:
    """Changes many cells: one of those that were offered, or the one that was asked for."""
    desk, form, draft = drafting(request), await fields(request), draft_of(request)
    if "offer" in form:
        offers = await desk.offers(draft)
        wanted = offers[form.number("offer")].many if form.number("offer") < len(offers) else None
        if wanted is None:
            head = await desk.head(draft)
            raise Stale(
                what="the changes on offer",
                sent="one of them",
                now="others",
                who=head.changed_by,
                revision=head.revision,
            )
    else:
        wanted = _many(form.text("kind"), form.text("column"), form.text("old"), form.text("new"))
    await desk.fix_many(draft, form.revision, wanted, who(request).person)
    return await _back(request, view_from(draft, form.text("view")), draft)


@changes("rows")
async def skip(request: web.Request) -> web.StreamResponse:
    """Leaves rows out."""
    desk, form, draft = drafting(request), await fields(request), draft_of(request)
    lines, reason = _lines(form), form.text("reason").strip()
    if not lines:
        raise UsageError("No row was ticked.", "Tick the rows that are not to be sent.")
    if not reason:
        raise UsageError("It is not said why these rows are left out.", "Give a reason.")
    await desk.skip(draft, form.revision, lines, reason, who(request).person)
    return await _back(request, view_from(draft, form.text("view")), draft, lines)


def _lines(form: Form) -> list[int]:
    return [int(each) for each in form.all("line") if each.isascii() and each.isdigit() and len(each) < 8]


@changes("rows")
async def undo(request: web.Request) -> web.StreamResponse:
    """Takes a change back."""
    desk, form, draft = drafting(request), await fields(request), draft_of(request)
    await desk.undo(draft, form.revision, form.number("batch"), who(request).person)
    return await _back(request, view_from(draft, form.text("view")), draft)


async def _back(
    request: web.Request, view: View, draft: str, lines: Iterable[int] = (), line: int | None = None
) -> web.StreamResponse:
    """To the rows, where it is told what was done."""
    last = await last_change(request, draft)
    told = ",".join(str(each) for each in list(lines)[:TOLD_MOST])
    pairs = [view.query, f"done={last.id}" if last else "", f"of={told}" if told else ""]
    query = "&".join(each for each in pairs if each)
    anchor = f"#r-{line}" if line else "#done"
    return replies.see_other(f"/imports/{draft}/rows?{query}{anchor}")


async def fixes_file(request: web.Request) -> web.StreamResponse:
    """The changes as a file for the command line."""
    body = await drafting(request).fixes_file(draft_of(request))
    return _file(body, "application/json", "fixes.json")


async def mapping_file(request: web.Request) -> web.StreamResponse:
    """Columns and values as a mapping for the command line."""
    body = await drafting(request).mapping_file(draft_of(request))
    return _file(body, "application/toml", "mapping.toml")


def _file(body: bytes, kind: str, name: str) -> web.Response:
    return web.Response(body=body, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


ROUTES = (
    Route("GET", "/imports/{id}/rows/{line}/{column}", cell, PREPARERS),
    Route("POST", "/imports/{id}/rows/{line}/{column}", fix, PREPARERS),
    Route("GET", "/imports/{id}/many", many, PREPARERS),
    Route("POST", "/imports/{id}/many", fix_many, PREPARERS),
    Route("POST", "/imports/{id}/skip", skip, PREPARERS),
    Route("POST", "/imports/{id}/undo", undo, PREPARERS),
    Route("GET", "/imports/{id}/fixes.json", fixes_file, PREPARERS, kind="file"),
    Route("GET", "/imports/{id}/mapping.toml", mapping_file, PREPARERS, kind="file"),
)
