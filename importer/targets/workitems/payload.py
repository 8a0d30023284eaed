"""Payload: a task request as the body of a create, and what two workitems are compared by."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from importer.core.custom_fields import Problem, judge_value
from importer.core.facts import Content, Facts, Reference
from importer.core.task import TaskRequest

PLAIN = {"name": "name", "description": "description", "priority": "priority", "due": "dateDue",
         "expires": "dateExpires", "duration": "durationSeconds", "external_contact": "externalContactId"}  # fmt: skip
NAMED = {"worktype": "typeId", "workbin": "workbinId", "language": "languageId", "assignee": "assigneeId",
         "wrapup_code": "wrapupCode"}  # fmt: skip
SINGLE_ONLY = frozenset({"wrapupCode", "utilizationLabelId", "scoredAgents", "preferredAgentIds"})
"""Fields of a create that a bulk job does not take."""
READ = {"worktype": "type", "workbin": "workbin", "queue": "queue", "language": "language", "assignee": "assignee",
        "external_contact": "externalContact"}  # fmt: skip
"""Where a workitem that is read shows what a create calls `…Id`."""
IDS = ("queue", *NAMED, "external_contact")
DATES = frozenset({"dateDue", "dateExpires"})


def payload(request: TaskRequest, facts: Facts, time_zone: str) -> dict[str, Any]:
    """The body of a create. Blank fields are left out: the worktype's defaults hold. A name that is not known stays a name."""
    made: dict[str, Any] = {"externalTag": request["external_id"]}
    made |= {key: request[name] for name, key in PLAIN.items() if request.get(name) not in (None, "")}  # type: ignore[literal-required]
    made |= {key: _id(facts, name, request[name]) for name, key in NAMED.items() if name in request}  # type: ignore[literal-required]
    if request["queue"]:
        found = facts.queues.get(request["queue"], ())
        made["queueId"] = found[0].id if len(found) == 1 else request["queue"]
    if request.get("skills"):
        made["skillIds"] = [_id(facts, "skills", skill) for skill in request["skills"]]
    custom = _custom(request, facts, time_zone)
    return {**made, "customFields": custom} if custom else made


def worktype(request: TaskRequest, facts: Facts) -> Reference | None:
    """The one worktype that a request names; None where there is none, or more than one."""
    found = facts.references.get(("worktype", request.get("worktype", "")), ())
    return found[0] if len(found) == 1 else None


def content(body: Mapping[str, Any]) -> Content:
    """Fields by our names, of a create's body or of a workitem that is read; what it leaves out is left out here."""
    told = {name: _moment(key, body[key]) for name, key in PLAIN.items() if key in body}
    told |= {
        name: body[key] for name, key in (*NAMED.items(), ("queue", "queueId")) if key in body and name != "wrapup_code"
    }
    for name, key in READ.items():
        shown = body.get(key)
        if isinstance(shown, dict) and shown.get("id"):
            told[name] = shown["id"]
    told |= {name: told[name].lower() for name in IDS if isinstance(told.get(name), str)}  # as the platform shows them
    custom = body.get("customFields")
    if isinstance(custom, dict):
        told |= {f"attribute {name}": value for name, value in custom.items()}
    return told


def _id(facts: Facts, kind: str, text: str) -> str:
    found = facts.references.get((kind, text), ())
    return found[0].id if len(found) == 1 else text


def _custom(request: TaskRequest, facts: Facts, time_zone: str) -> dict[str, Any]:
    """Custom fields with values of their types; what is wrong or unknown stays as it was read, and its row is not sent."""
    known = worktype(request, facts)
    fields = {each.name: each for each in (known.fields if known else ()) or ()}
    made: dict[str, Any] = {}
    for name, text in request["attributes"].items():
        value = judge_value(fields[name], text, time_zone) if name in fields else text
        made[name] = text if isinstance(value, Problem) else value
    return made


def _moment(key: str, value: Any) -> Any:
    """A date in one form, so that two ways to write one moment are equal."""
    if key not in DATES or not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value).isoformat()
    except ValueError:
        return value
