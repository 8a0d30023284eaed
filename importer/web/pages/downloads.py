"""downloads: files that a person takes along. They are written beside the loop, and sent as attachments."""

import asyncio
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from aiohttp import web

from importer.core.errors import UsageError
from importer.desk.papers import PLAN_PAPERS, RUN_PAPERS, plan_paper, run_paper
from importer.web.refusal import Refused
from importer.web.rooms import Rooms, rooms
from importer.web.route import EVERYONE, Route

TYPES = {
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".json": "application/json", ".jsonl": "application/x-ndjson", ".csv": "text/csv", ".html": "text/html",
    ".plan": "application/zip",
}  # fmt: skip


async def template(request: web.Request) -> web.StreamResponse:
    """A workbook to fill in, with the target's names in its lists."""
    room = rooms(request)
    await room.connection.target.log_in(["queue:view"])
    choices, own_fields = await room.connection.target.choices()
    with tempfile.TemporaryDirectory(dir=room.settings.state_dir, prefix=".template-") as folder:
        from importer.writers.template_xlsx import write_template

        name = f"{room.connection.target.name}-template.xlsx"
        limits = room.connection.target.limits
        path = await asyncio.to_thread(write_template, Path(folder) / name, choices, limits, own_fields)
        body = await asyncio.to_thread(path.read_bytes)
    return web.Response(body=body, headers=_headers(name, Path(name)))


async def download(request: web.Request) -> web.StreamResponse:
    """One paper of a plan or a run; one that is not there is written first."""
    name, owner = request.match_info["kind"], request.match_info["id"]
    write = _paper(rooms(request), name, owner)
    if write is None:
        raise Refused(404, "There is no such download.", "Take one of those that the page offers.", code="not.found")
    try:
        path = await asyncio.to_thread(write)
    except UsageError as problem:
        raise Refused(404, str(problem), problem.fix, code="not.found") from problem
    return web.FileResponse(path, headers=_headers(_called(owner, name, path), path))


def _paper(room: Rooms, name: str, owner: str) -> Callable[[], Path] | None:
    if name in PLAN_PAPERS:
        link = f"{room.urls.public}/plans/{owner}" if name == "preview.html" and room.urls.public else ""
        return partial(plan_paper, room.desk.settings, owner, name, link)
    if name in RUN_PAPERS:
        return partial(run_paper, room.desk.settings, owner, name, going_on=room.keeper.carries(owner))
    return None


def _called(owner: str, name: str, path: Path) -> str:
    """The file's name at the person's: whose it is, then what it is. An owner is an ID, or nothing was found."""
    return path.name if name == "plan" else f"{owner}-{Path(name).stem}{path.suffix}"  # .xlsm stays .xlsm


def _headers(name: str, path: Path) -> dict[str, str]:
    plain = "".join(each if each.isascii() and (each.isalnum() or each in "-_. ") else "_" for each in name)
    kind = TYPES.get(path.suffix, "application/octet-stream")
    return {"Content-Disposition": f'attachment; filename="{plain}"', "Content-Type": kind}


ROUTES = (
    Route("GET", "/downloads/template", template, EVERYONE, "file"),
    Route("GET", "/downloads/{kind}/{id}", download, EVERYONE, "file"),
)
