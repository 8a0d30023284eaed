"""Rows: the preview on the page: counts, findings, a hundred rows at a time, and what was changed in them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from importer.core.errors import UsageError
from importer.core.findings import shorten
from importer.core.report import Cause
from importer.core.rows import column_letter
from importer.core.verdicts import Verdict
from importer.drafts.draft import Batch, DraftHead, Offer
from importer.markup.texts import line as in_line
from importer.markup.texts import number
from importer.web import replies
from importer.web.pages.cells import ColumnShown, columns_shown, row_shown
from importer.web.pages.progress import not_yet
from importer.web.pages.step import PREPARERS, draft_of, drafting, path_of
from importer.web.pages.views import View, view_of
from importer.web.route import Route

QUEUES_SHOWN = 10
BATCHES_SHOWN = 50
TOLD_MOST = 5
"""Rows whose new verdict is told after a change."""


async def look(request: web.Request) -> web.StreamResponse:
    """`/imports/{id}/rows`, filtered by its query."""
    draft = draft_of(request)
    head = await drafting(request).head(draft)
    if elsewhere := not_yet(head):
        return replies.see_other(elsewhere)
    values = await _values(request, head, view_of(draft, request.query))
    return replies.page(request, "rows.html", **values)


async def _values(request: web.Request, head: DraftHead, view: View) -> dict[str, Any]:
    """Everything that the page shows."""
    desk = drafting(request)
    found = await desk.page(head.id, view.which)
    columns = columns_shown(await desk.columns(head.id), found.headings, wide=view.wide)
    batches, unknown = await desk.fixes(head.id), await desk.unknown_values(head.id)
    queues = sorted(await desk.queues(head.id), key=lambda queue: -int(queue["rows"]))
    causes, counts = await desk.causes(head.id), await desk.counts(head.id)
    base = path_of(head, "rows")
    return {
        "head": head,
        "view": view,
        "which": view.which,
        "page": found,
        "shown": columns,
        "rows": [row_shown(row, columns, base) for row in found.rows],
        "hidden": max(len(found.headings) - len(columns), 0),
        "counts": counts,
        "links": {verdict.value: view.url(verdict=verdict.value, number=1, line=None) for verdict in Verdict},
        "bars": [_bar(queue) for queue in queues[:QUEUES_SHOWN]],
        "queues_left": len(queues) - len(queues[:QUEUES_SHOWN]),
        "causes": causes,
        "notes": await desk.file_findings(head.id),
        "offers": [(each.many, _offer(each, columns)) for each in await desk.offers(head.id)],
        "many_columns": [(str(each.index), in_line(each.heading, 60) or each.letter) for each in columns if each.used],
        "verdicts": [("", "any"), *((verdict.value, f"{verdict.value} ({number(counts[verdict.value])})") for verdict in Verdict)],
        "codes": _codes(causes, view),
        "found_columns": _headings(causes, view),
        "batches": batches[:BATCHES_SHOWN],
        "batches_left": len(batches) - len(batches[:BATCHES_SHOWN]),
        "last": next(iter(batches), None),
        "unknown": len(unknown),
        "unknown_rows": sum(each.rows for each in unknown),
        **await _done(request, head, batches),
    }  # fmt: skip


def _bar(queue: dict[str, Any]) -> tuple[str, int, str]:
    lost = not queue["id"]
    name = str(queue["queue"]) or "(blank)"
    return (f"{name}, not found" if lost and queue["queue"] else name, int(queue["rows"]), "bad" if lost else "plain")


def _offer(offer: Offer, columns: Sequence[ColumnShown]) -> str:
    """What a change of many cells does: `Trim 12 values of “Type”`; of blank cells up to what the person says: `Set all 48 … to`."""
    many, cells = offer.many, number(offer.cells)
    column = next((each for each in columns if each.index == many.column), None)
    name = (column.heading or column.letter) if column else f"column {column_letter(many.column)}"
    match many.kind:
        case "blank":
            return f"Set all {cells} blank cells of “{name}” to"
        case "trim":
            return f"Trim {cells} {'value' if offer.cells == 1 else 'values'} of “{name}”"
        case "replace":
            return f"Replace “{many.old}” by “{many.new}” in {cells} {'row' if offer.cells == 1 else 'rows'}"


def _codes(causes: Sequence[Cause], view: View) -> list[tuple[str, str]]:
    told = {view.which.code: view.which.code} if view.which.code else {}
    for cause in causes:
        if told.get(cause.code, cause.code) == cause.code:
            told[cause.code] = f"{cause.code} {in_line(shorten(cause.message, 60))}"
    return [("", "any"), *sorted(told.items())]


def _headings(causes: Sequence[Cause], view: View) -> list[tuple[str, str]]:
    counted = Counter(cause.heading for cause in causes if cause.heading)
    if view.which.heading:
        counted.setdefault(view.which.heading, 0)
    return [("", "any"), *((heading, in_line(heading, 60)) for heading in sorted(counted))]


async def _done(request: web.Request, head: DraftHead, batches: Sequence[Batch]) -> dict[str, Any]:
    """What was just changed, with the new verdicts of its rows: named by the address that a change leads back to."""
    asked = request.query.get("done", "")
    done = next((each for each in batches if str(each.id) == asked), None)
    if done is None:
        return {"done": None, "done_lines": []}
    lines = []
    for each in request.query.get("of", "").split(",")[:TOLD_MOST]:
        if each.isascii() and each.isdigit() and len(each) < 8:
            try:
                lines.append((int(each), (await drafting(request).row(head.id, int(each))).verdict))
            except UsageError:
                continue
    return {"done": done, "done_lines": lines}


ROUTES = (Route("GET", "/imports/{id}/rows", look, PREPARERS),)
