"""A workitem's JSON as the platform answers it: references in the place of the flat IDs. Pure."""

from collections.abc import Collection
from typing import Any

from importer.sandbox.workitems.divisions import DIVISIONS
from importer.sandbox.workitems.platform import Platform
from importer.sandbox.workitems.world import Version, Workitem

ROOT = "/api/v2/taskmanagement/workitems"
EXPANDS = ("type", "workbin", "status", "queue", "assignee", "reporter", "case", "externalContact")
_PLAIN = (
    *("name", "description", "priority", "dateCreated", "dateModified", "dateDue", "dateExpires", "durationSeconds"),
    *("ttl", "statusCategory", "dateStatusChanged", "dateClosed", "externalTag", "assignmentState"),
    *("dateAssignmentStateChanged", "autoStatusTransition", "customFields"),
)


def workitem(item: Workitem, version: Version, platform: Platform, expands: Collection[str] = ()) -> dict[str, Any]:
    """The whole workitem in one of its versions."""
    values = version.values
    told: dict[str, Any] = {"id": item.id, "selfUri": f"{ROOT}/{item.id}"}
    told |= {key: values[key] for key in _PLAIN if values.get(key) is not None}
    told |= _own(item, version, platform, expands) | _others(version, platform, expands)
    return told


def _own(item: Workitem, version: Version, platform: Platform, expands: Collection[str]) -> dict[str, Any]:
    """What task management itself has: worktype, status, workbin, schema, division."""
    values = version.values
    worktype = platform.world.worktype(item.type_id)
    assert worktype is not None
    status = worktype.status(values["statusId"])
    workbin = platform.world.workbins[values["workbinId"]]
    told: dict[str, Any] = {
        "division": DIVISIONS[values["divisionId"]].json(),
        "type": worktype.reference(named="type" in expands),
        "workbin": workbin.reference(named="workbin" in expands),
    }
    if status is not None:
        told["status"] = status.reference(named="status" in expands)
    if "schemaId" in values:
        versions = platform.world.schemas()[values["schemaId"]]
        told["schema"] = next(each.reference() for each in versions if each.version == values["schemaVersion"])
    return told


def _others(version: Version, platform: Platform, expands: Collection[str]) -> dict[str, Any]:
    """What other services have: queue, users, contact, language, skills, label, script."""
    values, directory = version.values, platform.directory
    told: dict[str, Any] = {"skills": [_ref("routing/skills", each) for each in values.get("skillIds") or ()]}
    if queue_id := values.get("queueId"):
        queue = directory.queue(queue_id)
        name = {"name": queue.name} if queue and "queue" in expands else {}
        told["queue"] = {"id": queue_id, **name, "selfUri": f"/api/v2/routing/queues/{queue_id}"}
    for key in ("assignee", "reporter"):
        if user_id := values.get(f"{key}Id"):
            user = directory.user(user_id)
            name = {"name": user.name} if user and key in expands else {}
            told[key] = {"id": user_id, **name, "selfUri": f"/api/v2/users/{user_id}"}
    if by := values.get("modifiedBy"):
        told["modifiedBy"] = _ref("users", by)
    if contact_id := values.get("externalContactId"):
        contact = directory.contact(contact_id)
        names = {"firstName": contact.first_name, "lastName": contact.last_name} if contact else {}
        shown = names if "externalContact" in expands else {}
        told["externalContact"] = {
            "id": contact_id,
            **shown,
            "selfUri": f"/api/v2/externalcontacts/contacts/{contact_id}",
        }
    places = {"languageId": ("language", "routing/languages"), "scriptId": ("script", "scripts")}
    places |= {"utilizationLabelId": ("utilizationLabel", "routing/utilization/labels")}
    told |= {key: _ref(path, values[name]) for name, (key, path) in places.items() if values.get(name)}
    if agents := values.get("preferredAgentIds"):
        told["preferredAgents"] = [_ref("users", each) for each in agents]
    if scored := values.get("scoredAgents"):
        told["scoredAgents"] = [{"agent": _ref("users", each["id"]), "score": each.get("score", 0)} for each in scored]
    return told


def _ref(path: str, entity_id: str) -> dict[str, str]:
    return {"id": entity_id, "selfUri": f"/api/v2/{path}/{entity_id}"}
