"""Values: what cells name and the target does not know; one choice settles all rows that say the same."""

import hashlib

from aiohttp import web

from importer.core.errors import UsageError
from importer.drafts.draft import UnknownValue
from importer.web import replies
from importer.web.forms import Form, fields
from importer.web.pages.progress import begin_preview, not_yet
from importer.web.pages.step import PREPARERS, changes, draft_of, drafting, last_change, path_of
from importer.web.route import Route
from importer.web.visitor import who

LEAVE, OTHER, SUGGESTED, KNOWN = "leave", "other", "suggestion-", "known-"
FEW = 8
"""So many names that are known are shown one by one; among more, a person types."""


async def look(request: web.Request) -> web.StreamResponse:
    """`/imports/{id}/values`."""
    desk, draft = drafting(request), draft_of(request)
    head = await desk.head(draft)
    if elsewhere := not_yet(head):
        return replies.see_other(elsewhere)
    return await _page(request)


async def _page(request: web.Request, problem: str = "") -> web.Response:
    draft = draft_of(request)
    head = await drafting(request).head(draft)  # first: what is shown is no older than its revision
    unknown = await drafting(request).unknown_values(draft)
    lists = {each.field: (each.name, each.field, each.known) for each in unknown}
    return replies.page(
        request,
        "values.html",
        status=422 if problem else 200,
        head=head,
        unknown=unknown,
        keys=[_key(each) for each in unknown],
        fields=list(lists.values()),
        few=FEW,
        last=await last_change(request, draft),
        problem=problem,
    )


@changes("values")
async def choose(request: web.Request) -> web.StreamResponse:
    """Takes the choices, and has all rows previewed again where there are any."""
    desk, draft, form = drafting(request), draft_of(request), await fields(request)
    unknown = await desk.unknown_values(draft)
    try:
        meanings = _meanings(form, unknown)
    except UsageError as problem:
        return await _page(request, f"{problem} {problem.fix}")
    head = await desk.choose_values(draft, form.revision, meanings, who(request).person)
    if not meanings:
        return replies.see_other(path_of(head, "rows"))
    return await begin_preview(request, draft, onward="rows")


def _key(unknown: UnknownValue) -> str:
    """Names a value in a form: forms cannot carry every character."""
    return hashlib.sha256(f"{unknown.field}\n{unknown.value}".encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _meanings(form: Form, unknown: list[UnknownValue]) -> dict[tuple[str, str], str]:
    """What was chosen: {(field, value): meaning}. Raises UsageError for another value that is blank."""
    by_key = {_key(each): each for each in unknown}
    meanings: dict[tuple[str, str], str] = {}
    for number in range(len(unknown)):
        each, choice = by_key.get(form.text(f"value-{number}")), form.text(f"means-{number}", LEAVE)
        written = form.text(f"other-{number}").strip()
        if each is None or (choice == LEAVE and not written):
            continue
        meaning = written if choice in (LEAVE, OTHER) else _named(each, choice)
        if not meaning:
            raise UsageError(f"What “{each.value[:80]}” means was left blank.", "Name it, or leave the value as it is.")
        meanings[each.field, each.value] = meaning
    return meanings


def _named(unknown: UnknownValue, choice: str) -> str:
    """The name that a radio button stands for; a blank for none."""
    kind, _, number = choice.rpartition("-")
    names = {SUGGESTED: unknown.suggestions, KNOWN: unknown.known}.get(f"{kind}-", ())
    fine = number.isascii() and number.isdigit() and len(number) < 5 and int(number) < len(names)
    return names[int(number)] if fine else ""


ROUTES = (
    Route("GET", "/imports/{id}/values", look, PREPARERS),
    Route("POST", "/imports/{id}/values", choose, PREPARERS),
)
