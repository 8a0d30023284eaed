"""Versions of a workitem and their differences: the whole history, whoever looked. Decides; commits nothing."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

from importer.sandbox.answers import Answer, success
from importer.sandbox.workitems import items, query, shown
from importer.sandbox.workitems.platform import Operation, Platform, Request
from importer.sandbox.workitems.refusal import Refusal
from importer.sandbox.workitems.world import Version

_ROOT = "/api/v2/taskmanagement/workitems/{workitemId}"
DELTAS = (
    *(
        "name",
        "description",
        "languageId",
        "utilizationLabelId",
        "priority",
        "skillIds",
        "preferredAgentIds",
        "dateDue",
    ),
    *("dateExpires", "durationSeconds", "statusId", "reporterId", "externalContactId", "assigneeId", "workbinId"),
    *("queueId", "externalTag", "ttl", "dateClosed", "assignmentState", "autoStatusTransition", "customFields"),
    *("dateModified", "modifiedBy", "statusCategory", "scriptId", "dateAssignmentStateChanged", "scoredAgents"),
)
"""The fields that a delta tells."""


def versions(platform: Platform, request: Request) -> Answer:
    """GET versions: whole workitems, newest first unless told."""
    item = items.found(platform, request, "not.found")

    def told(version: Version, before: Version | None) -> dict[str, Any]:  # noqa: ARG001 - one signature for both
        return shown.workitem(item, version, platform) | {"version": version.number}

    return _listed(request, item.versions(request.now), told)


def version(platform: Platform, request: Request) -> Answer:
    """GET one version."""
    item = items.found(platform, request, "not.found")
    text = request.arguments["entityVersion"]
    known = item.versions(request.now)
    if not (text.isascii() and text.isdecimal()):
        raise Refusal(400, "invalid.query.param.value", "Value [{value}] is not valid", {"value": text})
    if not 1 <= int(text[:9]) <= len(known):
        raise Refusal(404, "version.not.found", "Version not found.")
    one = known[int(text) - 1]
    return success(shown.workitem(item, one, platform) | {"version": one.number})


def history(platform: Platform, request: Request) -> Answer:
    """GET history: what each version changed, newest first unless told."""
    item = items.found(platform, request, "not.found")
    return _listed(request, item.versions(request.now), change)


def change(version: Version, before: Version | None) -> dict[str, Any]:
    """One version's entry: `delta` has the old and the new value of each field that it changed."""
    told: dict[str, Any] = {"version": version.number, "delta": delta(version, before)}
    return told | ({"modifiedBy": {"id": version.by, "selfUri": f"/api/v2/users/{version.by}"}} if version.by else {})


def delta(version: Version, before: Version | None) -> dict[str, dict[str, Any]]:
    """Old and new value of each field that a version changed; a value that is absent is left out."""
    old = before.values if before else {}
    found: dict[str, dict[str, Any]] = {}
    for name in DELTAS:
        pair = {"oldValue": old.get(name), "newValue": version.values.get(name)}
        if pair["oldValue"] != pair["newValue"]:
            found[name] = {key: value for key, value in pair.items() if value is not None}
    return found


def _listed(
    request: Request, known: Sequence[Version], told: Callable[[Version, Version | None], dict[str, Any]]
) -> Answer:
    """A page of versions; the cursor names the last version shown, so that new ones do not shift the pages."""
    size = request.whole("pageSize", query.PAGE_DEFAULT, 1, query.PAGE_MOST, as_input=True)
    ascending = _ascending(request)
    ordered = list(known) if ascending else list(reversed(known))
    last = _cursor(request.one("after"))
    if last is not None:
        ordered = [each for each in ordered if (each.number > last if ascending else each.number < last)]
    shown_now = ordered[:size]
    entities = [told(each, known[each.number - 2] if each.number > 1 else None) for each in shown_now]
    page: dict[str, Any] = {"entities": entities, "selfUri": "/api/v2/taskmanagement/workitems"}
    if len(ordered) > size:
        page["after"] = base64.urlsafe_b64encode(f"v{shown_now[-1].number}".encode()).decode()
    return success(page)


def _ascending(request: Request) -> bool:
    order = request.one("sortOrder", "descending")
    if order not in ("ascending", "descending"):
        message = "Value [{value}] is not valid for parameter [sortOrder]. Allowable values are: ascending, descending"
        raise Refusal(400, "invalid.query.param.value", message, {"value": order})
    return order == "ascending"


def _cursor(text: str) -> int | None:
    if not text:
        return None
    try:
        return int(base64.urlsafe_b64decode(text.encode()).decode().removeprefix("v"))
    except (ValueError, binascii.Error):
        raise Refusal(400, "invalid.input.invalid.base64.string", "Wrong cursor (after key) format") from None


OPERATIONS = (
    Operation("workitem_versions", "GET", f"{_ROOT}/versions", "workitems:workitem:view", versions),
    Operation("workitem_version", "GET", f"{_ROOT}/versions/{{entityVersion}}", "workitems:workitem:view", version),
    Operation("workitem_history", "GET", f"{_ROOT}/history", "workitems:workitem:view", history),
)
