"""The operations on single workitems and the synchronous query. Decides and commits; no sockets."""

from collections.abc import Iterator, Mapping
from typing import Any

from importer.sandbox.answers import Answer, success
from importer.sandbox.workitems import checks, query, shown
from importer.sandbox.workitems.divisions import DIVISIONS
from importer.sandbox.workitems.life import closing
from importer.sandbox.workitems.platform import Operation, Platform, Request
from importer.sandbox.workitems.query import Filter, Rules
from importer.sandbox.workitems.refusal import Refusal
from importer.sandbox.workitems.worktypes import Worktype
from importer.sandbox.workitems.world import ROUNDING_S, Workitem

_ROOT = "/api/v2/taskmanagement/workitems"
_VIEW = "workitems:workitem:view"
ROUTE, ASSIGN = "QueueAssignmentAlerting", "AgentAssignmentAlerting"
SETTABLE_STATES = ("Connected", "Disconnected", "Parked", "Held", "Idle")


def create(platform: Platform, request: Request) -> Answer:
    """POST workitems: 201 with the whole workitem."""
    given = request.json()
    checks.required(given)
    known = checks.shaped(given, checks.SINGLE, request.now, platform)
    values = checks.completed(known, platform, request.now)
    routed = checks.admitted(values, known, platform, request.now)
    made = platform.world.create(values, request.now, routed=routed)
    return success(shown.workitem(made, made.versions(made.created_at)[0], platform), 201)


def get(platform: Platform, request: Request) -> Answer:
    """GET a workitem."""
    item = found(platform, request)
    version = item.versions(request.now)[-1]
    return success(shown.workitem(item, version, platform, expands(request, shown.EXPANDS)))


def expands(request: Request, known: tuple[str, ...]) -> list[str]:
    """The query parameter `expands`, repeated or with commas; Refusal 400 for what cannot be expanded."""
    given = [each for text in request.query.get("expands", ()) for each in text.split(",")]
    for each in given:
        if each not in known:
            message = "Value [{value}] is not valid for parameter [expands]. Allowable values are: {allowed}"
            raise Refusal(400, "invalid.query.param.value", message, {"value": each, "allowed": ", ".join(known)})
    return given


def found(platform: Platform, request: Request, missing: str = "not.found.error") -> Workitem:
    """The workitem that the path names, once it can be seen; Refusal 400, 403, or 404 with the code `missing`."""
    workitem_id = request.arguments["workitemId"]
    checks.uuid("workitemId", workitem_id)
    item = platform.world.workitem(workitem_id)
    hidden_s = platform.scenario.workitems.status_404_after_create_s
    if item is None or item.created_at + hidden_s > request.now + ROUNDING_S:
        raise Refusal(404, missing, "Workitem not found.")
    checks.may(platform, _VIEW, item.values(request.now)["divisionId"])
    return item


def patch(platform: Platform, request: Request) -> Answer:
    """PATCH a workitem: 200 with the whole workitem as it is then."""
    item, given = found(platform, request), request.json()
    values = item.values(request.now)
    if values["assignmentState"] == "Terminated":
        told = "Terminated workitem cannot be updated."
        raise Refusal(409, "pre.check.cannot.update.terminated.workitem", told)
    changes = checks.shaped(given, checks.UPDATE, request.now, platform)
    if not changes:
        raise Refusal(400, "invalid.input.no.attribute.to.update", "No attributes to update.")
    changes, then = _changed(platform, item, values, changes, request.now)
    if all(values.get(key) == value for key, value in changes.items()):
        raise Refusal(400, "invalid.input.no.change", "No changes found in request.")
    platform.world.change(item, changes, request.now, then=then)
    return success(shown.workitem(item, item.versions(request.now)[-1], platform))


def _changed(
    platform: Platform, item: Workitem, values: Mapping[str, Any], asked: Mapping[str, Any], now: float
) -> tuple[dict[str, Any], str]:
    """The values that a PATCH sets, checked, and what then becomes of what was ahead."""
    changes = dict(asked)
    worktype = platform.world.worktype(item.type_id)
    assert worktype is not None
    if "queueId" in changes and "assigneeId" in changes:
        told = "Cannot update user and queue in the same request."
        raise Refusal(400, "invalid.input.update.user.and.queue", told)
    if changes.get("assignmentState", SETTABLE_STATES[0]) not in SETTABLE_STATES:
        code = "invalid.input.assign.state.cannot.be.set"
        raise checks.refused(code, "assignmentState", "Assignment state cannot be set.")
    how = changes.pop("assignmentOperation", None)
    checks.referenced(changes, worktype, platform, queue_id=values.get("queueId"))
    if "workbinId" in changes:
        _moved(platform, changes["workbinId"], values["divisionId"])
    if "customFields" in changes:
        merged = {**(values.get("customFields") or {}), **changes["customFields"]} if changes["customFields"] else {}
        changes["customFields"] = {key: value for key, value in merged.items() if value is not None}
        checks.fields(changes, worktype)
    if "statusId" in changes:
        changes |= _restated(worktype, changes["statusId"])
    if how is None:
        return changes, "stop" if changes.get("statusCategory") == "Closed" else "keep"
    return changes | _assigned(platform, how, values, changes, now), "route" if how == ROUTE else "stop"


def _moved(platform: Platform, workbin_id: str, division_id: str) -> None:
    workbin = platform.world.workbins.get(workbin_id)
    if workbin is None:
        raise Refusal(404, "not.found.error", "Workitem type or Workbin not found.")
    if workbin.division.id != division_id:
        told = "A workitem cannot be moved to a Workbin from another division."
        raise Refusal(409, "pre.check.workitem.division.cannot.be.changed", told)


def _restated(worktype: Worktype, status_id: str) -> dict[str, Any]:
    """What a status sets besides itself."""
    status = worktype.status(status_id)
    if status is None:
        raise checks.refused("invalid.input.undefined.status", "statusId", "Undefined status.")
    ended = {"assignmentState": "Terminated"} if status.category == "Closed" and status.terminates else {}
    return {"statusCategory": status.category, **ended}


def _assigned(
    platform: Platform, how: str, values: Mapping[str, Any], changes: Mapping[str, Any], now: float
) -> dict[str, str]:
    """What an assignment operation sets."""
    if how == ROUTE:
        queue_id = changes.get("queueId", values.get("queueId"))
        if queue_id is None:
            code = "invalid.input.missing.queue.in.workitem"
            raise checks.refused(code, "queueId", "No queueId provided in the Workitem.")
        checks.room(platform, queue_id, now)
        return {"assignmentState": "AcdStarted"}
    if how != ASSIGN:
        raise checks.refused("invalid.value", "assignmentOperation", "Value [{value}] is not valid", value=how)
    if "assigneeId" not in changes:
        told = "Cannot perform assignment without an assignee."
        raise checks.refused("invalid.input.missing.assignee", "assigneeId", told)
    return {"assignmentState": "Alerting"}


def terminate(platform: Platform, request: Request) -> Answer:
    """POST terminate: 200 with the workitem, Closed and Terminated."""
    item = found(platform, request)
    values = item.values(request.now)
    worktype = platform.world.worktype(item.type_id)
    assert worktype is not None
    if values["assignmentState"] == "Terminated":
        told = "Terminated workitem cannot be updated."
        raise Refusal(409, "pre.check.cannot.update.terminated.workitem", told)
    given = request.json() if request.body.strip() else {}
    changes = closing(worktype) | {"assignmentState": "Terminated"}
    if "statusId" in given:
        status = worktype.status(str(given["statusId"]).lower())
        if status is None or status.category != "Closed":
            raise checks.refused("invalid.input.undefined.status", "statusId", "Undefined status.")
        changes |= {"statusId": status.id}
    platform.world.change(item, changes, request.now, then="stop")
    return success(shown.workitem(item, item.versions(request.now)[-1], platform))


# The query


def rules(platform: Platform, names: frozenset[str], *, typed: bool) -> Rules:
    """What filters over workitems may say, as the settings have it."""
    settings = platform.scenario.workitems
    refused = frozenset() if settings.in_external_tag else frozenset({"externalTag"})
    blind = frozenset() if settings.tag_case_sensitive else frozenset({"externalTag"})
    return Rules(names, settings.in_values_max, refused, custom=typed, typed=typed, case_blind=blind)


def search(platform: Platform, request: Request) -> Answer:
    """POST workitems/query: a page of entities, or the count."""
    body = request.json()
    may_view(platform)
    if "filters" not in body:
        raise query.refused("invalid.query.missing.filters", "Missing filters.")
    conditions = query.filters(body["filters"], rules(platform, query.WORKITEM_NAMES, typed=True))
    query.mandatory(conditions)
    size, at = query.page_size(body), query.cursor(body.get("after"))
    wanted, attributes = expanded(body)
    items = in_order(matches(platform, conditions, request.now), body.get("sort"), request.now)
    if body.get("select") is not None:
        if body["select"] != "Count":
            raise query.refused("invalid.query", "Invalid query: select is Count or absent.", "select")
        return success({"count": len(items), "selfUri": f"{_ROOT}/query"})
    settings = platform.scenario.workitems
    page = query.page(len(items), at, size, empties=settings.empty_pages, fill=settings.page_fill)
    told = [
        shown.workitem(item, item.versions(request.now)[-1], platform, wanted) for item in items[page.first : page.last]
    ]
    after = {} if page.after is None else {"after": page.after}
    return success({"entities": query.selected(told, attributes), **after, "selfUri": f"{_ROOT}/query"})


def expanded(body: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """`expands` and `attributes` of a query; the latter must have all of the former."""
    wanted, attributes = ([] if body.get(key) is None else body[key] for key in ("expands", "attributes"))
    if not _texts(wanted) or not _texts(attributes) or not set(wanted) <= set(shown.EXPANDS):
        raise query.refused("invalid.query", "Invalid query: expands or attributes are wrong.", "expands")
    if attributes and not set(wanted) <= set(attributes):
        told = "Invalid value for attributes. 'attributes' list must contain all fields specified in 'expands' list."
        raise query.refused("invalid.input.attributes.missing.expands", told, "attributes")
    return wanted, attributes


def may_view(platform: Platform) -> None:
    """Refusal 403 where the client may view workitems in no division at all."""
    denied = platform.scenario.workitems.denied_divisions.get(_VIEW, ())
    if all(division.name in denied for division in DIVISIONS.values()):
        told = "No permission in any division to perform the query."
        raise Refusal(403, "workitem.missing.any.division.permissions", told)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def matches(platform: Platform, conditions: tuple[Filter, ...], now: float) -> list[Workitem]:
    """The workitems that the index knows by `now` and that fulfil all conditions, oldest first, each once."""
    return list({item.id: item for item in _matches(platform, conditions, now)}.values())


def _matches(platform: Platform, conditions: tuple[Filter, ...], now: float) -> Iterator[Workitem]:
    world = platform.world
    until = world.indexed(now)
    denied = platform.scenario.workitems.denied_divisions.get(_VIEW, ())
    for item in _candidates(platform, conditions):
        if item.created_at > until:
            continue
        values = {**item.values(until), "id": item.id}
        if denied and not _visible(platform, values["divisionId"]):
            continue
        if all(each.fits(_folded(platform, each, values)) for each in conditions):
            yield item


def _candidates(platform: Platform, conditions: tuple[Filter, ...]) -> list[Workitem]:
    """Those that an exact condition leaves; a tag may have changed since, so it is only an index while none can."""
    world = platform.world
    for each in conditions:
        if each.name == "id" and each.operator in ("EQ", "IN"):
            return [item for value in each.values if (item := world.workitem(value))]
        if (
            each.name == "externalTag"
            and each.operator in ("EQ", "IN")
            and platform.scenario.workitems.tag_case_sensitive
        ):
            return sorted(
                {item.id: item for value in each.values for item in world.tagged(value)}.values(), key=_number
            )
    for each in conditions:
        if each.operator == "EQ" and each.name in ("typeId", "workbinId"):
            return list(world.candidates(each.name, each.values[0]))
    return list(world.workitems.values())


def _number(item: Workitem) -> int:
    return item.number


def _visible(platform: Platform, division_id: str) -> bool:
    try:
        checks.may(platform, _VIEW, division_id)
    except Refusal:
        return False
    return True


def _folded(platform: Platform, condition: Filter, values: Mapping[str, Any]) -> Any:
    value = query.attribute(values, condition.name)
    blind = condition.name == "externalTag" and not platform.scenario.workitems.tag_case_sensitive
    return value.casefold() if blind and isinstance(value, str) else value


def in_order(items: list[Workitem], sort: object, now: float) -> list[Workitem]:
    """Sorted as a query asks; as they were created where it does not."""
    if sort is None or sort == {}:
        return items
    if not isinstance(sort, dict) or "name" not in sort:
        raise query.refused("invalid.query", "Invalid query: sort has a name.", "sort")
    name = sort["name"]
    if name not in ("dateDue", "priority", "dateCreated"):
        raise query.refused("invalid.query", "Invalid query: cannot sort by {name}.", "sort", name=name)
    descending = sort.get("ascending") is False

    def key(item: Workitem) -> tuple[bool, Any]:
        value = item.values(now).get(name)
        return value is None, "" if value is None else value

    return sorted(items, key=key, reverse=descending)


OPERATIONS = (
    Operation("workitem_create", "POST", _ROOT, "workitems:workitem:add", create),
    Operation("workitem_get", "GET", f"{_ROOT}/{{workitemId}}", _VIEW, get),
    Operation("workitem_patch", "PATCH", f"{_ROOT}/{{workitemId}}", "workitems:workitem:edit", patch),
    Operation(
        "workitem_terminate", "POST", f"{_ROOT}/{{workitemId}}/terminate", "workitems:workitem:terminate", terminate
    ),
    Operation("workitem_query", "POST", f"{_ROOT}/query", _VIEW, search),
)
