"""Uploads: a spreadsheet comes in, is looked at by its content, and becomes a draft; and where a draft is gone on with."""

import asyncio
import re
from typing import TYPE_CHECKING, Any

from aiohttp import web

from importer.core.columns import columns_of
from importer.core.errors import FileRefused
from importer.core.unseen import BROKEN, UNSEEN
from importer.drafts.draft import DraftHead
from importer.markup.texts import size
from importer.web import replies
from importer.web.forms import fields, parts
from importer.web.pages.step import PREPARERS, changes, draft_of, drafting, path_of
from importer.web.refusal import Refused
from importer.web.rooms import rooms
from importer.web.route import Route
from importer.web.visitor import who

if TYPE_CHECKING:
    from aiohttp import BodyPartReader

PIECE = 64 * 1024
FORM_ROOM = 64 * 1024  # bytes that a form needs around its file
NAME_MOST = 200
DRAFTS_SHOWN = 50
TOO_LARGE = "F112"


def plain_name(given: str) -> str:
    """What a browser calls a file, as a text that is only ever shown: without folders and characters that hide or steer."""
    own = re.split(r"[/\\]", given)[-1]
    return BROKEN.sub("", UNSEEN.sub("", own)).strip()[:NAME_MOST]


async def new(request: web.Request) -> web.StreamResponse:
    """`/imports/new`: the form, what is read, and drafts that are worked on."""
    return await _form(request)


async def _form(
    request: web.Request, status: int = 200, problem: FileRefused | None = None, name: str = ""
) -> web.Response:
    room = rooms(request)
    limits = rooms(request).settings.upload_limits
    told = [f"at most {size(limits.packed)}" if limits.packed else "", f"{limits.rows:,} rows" if limits.rows else ""]
    values: dict[str, Any] = {
        "columns": columns_of(room.connection.target.limits),
        "limits_told": "Excel (.xlsx, .xlsm) or text (.csv, .tsv), "
        + " and ".join(each for each in told if each)
        + ".",
        "drafts": own_and_newest(await drafting(request).drafts(), who(request).person.name),
        "refused": problem.finding if problem else None,
        "others": problem.others if problem else (),
        "file_name": name,
    }
    return replies.page(request, "upload.html", status=status, **values)


def own_and_newest(drafts: list[DraftHead], name: str) -> list[DraftHead]:
    """All drafts of this person, who may have to throw some away, and the newest of the others; newest first."""
    others = {each.id for each in [each for each in drafts if each.by.name != name][:DRAFTS_SHOWN]}
    return [each for each in drafts if each.by.name == name or each.id in others]


async def upload(request: web.Request) -> web.StreamResponse:
    """`POST /uploads`: streamed; leads on to the first step that is needed. What cannot be taken is told on the form's page."""
    most = rooms(request).settings.upload_limits.packed
    if most is not None and (request.content_length or 0) > most + FORM_ROOM:
        await _proven(request)
        return await _too_large(request, most)
    async for part in parts(request):
        if part.name == "file":
            return await _taken(request, part)
    raise Refused(400, "No file was chosen.", "Go back and choose one.")


async def _proven(request: web.Request) -> None:
    """Reads the CSRF field alone: what is too large by its own word is not read on."""
    async for _ in parts(request):
        return


async def _too_large(request: web.Request, most: int) -> web.Response:
    from importer.core.file_limits import beyond

    reply = await _form(request, 413, beyond(f"it is larger than {size(most)}", "packed"))
    reply.force_close()
    return reply


async def _taken(request: web.Request, part: "BodyPartReader") -> web.StreamResponse:
    name = plain_name(part.filename or "")
    try:
        head = await _stored(request, part, name)
    except FileRefused as problem:
        large = problem.finding.code == TOO_LARGE
        reply = await _form(request, 413 if large else 422, problem, name)
        if not part.at_eof():
            reply.force_close()
        return reply
    return replies.see_other(f"/imports/{head.id}")


async def _stored(request: web.Request, part: "BodyPartReader", name: str) -> DraftHead:
    """The draft. Raises FileRefused also for what is a spreadsheet but cannot be read; then nothing stays behind."""
    desk, patience = drafting(request), rooms(request).house.body_s
    coming = await desk.new(name, who(request).person)
    try:
        while True:
            async with asyncio.timeout(patience):
                piece = await part.read_chunk(PIECE)
            if not piece:
                break
            await coming.write(piece)
        head = await coming.finish()
    except TimeoutError:
        raise Refused(408, "The upload came to a halt.", "Upload the file again.") from None
    finally:
        await coming.discard()
    try:
        await desk.sheets(head.id)
        await desk.first_rows(head.id)
    except FileRefused:
        await desk.discard(head.id)
        raise
    return head


async def onward(request: web.Request) -> web.StreamResponse:
    """`/imports/{id}`: leads to where the draft is."""
    desk = drafting(request)
    head = await desk.head(draft_of(request))
    if head.busy:
        return replies.see_other(path_of(head, "progress"))
    if head.step == "planned" and head.plan:
        return replies.see_other(f"/plans/{head.plan}")
    if head.step == "sheet" and len(await desk.sheets(head.id)) == 1:
        return replies.see_other(path_of(head, "columns"))
    return replies.see_other(path_of(head, head.step if head.step != "planned" else "rows"))


@changes("rows")
async def discard(request: web.Request) -> web.StreamResponse:
    """Throws a draft away, if it is what the person saw."""
    desk, form = drafting(request), await fields(request)
    await desk.discard(draft_of(request), form.revision)
    return replies.see_other("/imports/new")


ROUTES = (
    Route("GET", "/imports/new", new, PREPARERS),
    Route("POST", "/uploads", upload, PREPARERS, multipart=True),
    Route("GET", "/imports/{id}", onward, PREPARERS),
    Route("POST", "/imports/{id}/discard", discard, PREPARERS),
)
