"""plans: a plan as the approver decides by it, the decision, and the start of its run."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from importer.core.approval import LeftOut
from importer.core.errors import PlanRefused, SettingsError, UsageError
from importer.core.verdicts import Verdict
from importer.desk.deciding import decide
from importer.desk.reviewing import RowsPage, Standing
from importer.markup.plan_view import PlanView
from importer.quantities import parse_duration, parse_lines
from importer.web.forms import Form, fields
from importer.web.refusal import Refused
from importer.web.replies import page, see_other
from importer.web.rooms import rooms
from importer.web.route import EVERYONE, Role, Route
from importer.web.visitor import who

FIELDS = ("comment", "lines", "reason", "expires", "seen", "on_drift")
NOTHING: Mapping[str, str] = MappingProxyType(dict.fromkeys(FIELDS, ""))
DOWNLOADS = (
    ("preview.xlsx", "Preview workbook", "every row, with its findings"),
    ("preview.html", "Preview as one page", "for mail: no script, no request"),
    ("preview.json", "Preview for programs", "every row with its payload"),
    ("checked.xlsx", "The file, annotated", "as it was, with verdict and advice beside each row"),
    ("plan", "The plan itself", "for importer approve and importer run"),
)


@dataclass(frozen=True, slots=True)
class Typed:
    """The form of the decision as it was sent, and what is wrong with it; both by field."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    told: str = ""
    status: int = 200


async def show(request: web.Request) -> web.StreamResponse:
    """The plan."""
    return await _shown(request, Typed())


async def decision(request: web.Request) -> web.StreamResponse:
    """Approves or rejects exactly the plan that was seen."""
    form, room = await fields(request), rooms(request)
    view, standing = await _seen(request, form)
    person, plan = who(request).person, view.about.plan
    if standing.bars(person):
        raise PlanRefused(standing.bars(person), "Ask somebody else to decide.")
    approved = form.text("decision") == "approve"
    typed = {name: form.text(name) for name in FIELDS}
    errors = dict(_wrong(typed, approved=approved, warnings=view.head.warnings))
    if errors:
        return await _shown(request, Typed(typed, errors, status=422))
    lines = sorted(parse_lines(typed["lines"], "Lines")) if approved else ()
    left_out = [LeftOut(line, typed["reason"]) for line in lines]
    call = partial(decide, room.settings, room.desk.book, plan, person, typed["comment"], approved=approved)
    try:
        await asyncio.to_thread(call, expires=typed["expires"] or None, left_out=left_out, clock=room.clock)
    except UsageError as problem:
        return await _shown(request, Typed(typed, told=str(problem), status=422))
    return see_other(f"{_path(plan)}#decision")


async def start(request: web.Request) -> web.StreamResponse:
    """Opens the plan's run, and has it carried on here."""
    form, room = await fields(request), rooms(request)
    view, _ = await _seen(request, form)
    run = await room.keeper.start(view.about.plan, who(request).person, on_drift=form.text("on_drift"))
    return see_other(f"/runs/{quote(run)}")


async def _seen(request: web.Request, form: Form) -> tuple[PlanView, Standing]:
    """The plan, if it is the one that was decided on. Raises PlanRefused."""
    room, view = rooms(request), await _view(request)
    if form.text("digest") != view.about.digest:
        raise PlanRefused("The plan is not the one that you saw.", "Open it again, and go by what it says now.")
    return view, await room.reviewing.standing(view.about.plan, room.desk)


async def _view(request: web.Request) -> PlanView:
    """The plan that the address names. Raises Refused where there is none."""
    try:
        return await rooms(request).reviewing.view(request.match_info["plan"])
    except UsageError as problem:
        raise Refused(404, str(problem), "Look for it in the history.", code="not.found") from problem


def _wrong(typed: Mapping[str, str], *, approved: bool, warnings: int) -> Iterator[tuple[str, str]]:
    """What a decision lacks: field and problem."""
    if not typed["comment"].strip():
        yield "comment", "A decision needs a comment."
    if not approved:
        return
    if warnings and not typed["seen"]:
        yield "seen", "Tick that you have seen the warnings: these rows would be sent."
    try:
        lines, reason = parse_lines(typed["lines"], "Lines"), typed["reason"].strip()
        if lines and not reason:
            yield "reason", "Leaving rows out needs a reason."
        elif reason and not lines:
            yield "lines", "Say which lines to leave out, or leave the reason blank: all ready rows would be sent."
    except UsageError as problem:
        yield "lines", f"{problem}"
    try:
        parse_duration(typed["expires"] or "1h", "Valid for")
    except SettingsError as problem:
        yield "expires", f"{problem} {problem.fix}"


async def _shown(request: web.Request, typed: Typed) -> web.StreamResponse:
    room, person = rooms(request), who(request).person
    view = await _view(request)
    plan = view.about.plan
    standing = await room.reviewing.standing(plan, room.desk)
    wanted = request.query.get("verdict", "")
    verdict = Verdict(wanted) if wanted in set(Verdict) else None
    shown = await room.reviewing.rows(plan, verdict, _number(request.query.get("page", "")))
    defaults = {**NOTHING, "expires": room.settings.text("approval_expires"), "on_drift": room.settings.on_drift}
    idle = not standing.run and not room.house.read_only
    return page(
        request,
        "plan_page.html",
        status=typed.status,
        view=view,
        standing=standing,
        told=typed.told,
        typed={**defaults, **typed.values},
        errors={**NOTHING, **typed.errors},
        may_decide=idle and who(request).may(Role.APPROVER) and not standing.bars(person),
        may_start=idle and who(request).may(Role.OPERATOR) and standing.refusal is None,
        why_not=standing.bars(person) if who(request).may(Role.APPROVER) else "An approver decides on it.",
        doubts=standing.doubts(person),
        shown=shown,
        wanted=verdict.value if verdict else "",
        verdicts=[("", "all rows"), *((each.value, each.value) for each in Verdict if view.head.counts[each.value])],
        links={each.value: f"{_path(plan)}?verdict={each.value}#rows" for each in Verdict},
        downloads=DOWNLOADS,
        **_around(plan, shown, verdict),
    )


def _around(plan: str, shown: RowsPage, verdict: Verdict | None) -> dict[str, Any]:
    """The links to the pages of rows before and after."""

    def link(number: int) -> str | None:
        query = {"verdict": verdict.value if verdict else "", "page": str(number)}
        return f"{_path(plan)}?{urlencode(query)}#rows" if 1 <= number <= shown.pages else None

    return {"previous": link(shown.number - 1), "next": link(shown.number + 1)}


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def _path(plan: str) -> str:
    return f"/plans/{quote(plan, safe='')}"


ROUTES = (
    Route("GET", "/plans/{plan}", show, EVERYONE),
    Route("POST", "/plans/{plan}/decision", decision, frozenset({Role.APPROVER})),
    Route("POST", "/plans/{plan}/run", start, frozenset({Role.OPERATOR})),
)
