"""The rules for what a workitem may be, with the platform's error codes. Decides; commits nothing."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from importer.sandbox.life import timestamp
from importer.sandbox.workitems.divisions import DIVISIONS
from importer.sandbox.workitems.life import routes
from importer.sandbox.workitems.platform import Platform
from importer.sandbox.workitems.refusal import Detail, LimitHit, Refusal
from importer.sandbox.workitems.worktypes import Worktype
from importer.sandbox.workitems.world import DAY_S

Fields = Mapping[str, Any]
YEAR_S = 365 * DAY_S
HOUR_S = 3600.0
PRIORITY_MOST = 25_000_000
NAME_LEAST, NAME_MOST, DESCRIPTION_MOST, SCORED_MOST = 3, 256, 512, 20
_UUID = re.compile(r"[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?Z")

COMMON: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "typeId": str,
    "priority": int,
    "dateDue": str,
    "dateExpires": str,
    "durationSeconds": int,
    "ttl": int,
    "statusId": str,
    "workbinId": str,
    "autoStatusTransition": bool,
    "description": str,
    "customFields": dict,
    "queueId": str,
    "assigneeId": str,
    "externalContactId": str,
    "externalTag": str,
    "skillIds": list,
    "languageId": str,
    "scriptId": str,
}
"""The fields of WorkitemCommonCreate, which are those of a bulk job."""
SINGLE = COMMON | {"wrapupCode": str, "utilizationLabelId": str, "scoredAgents": list, "preferredAgentIds": list}
"""The fields of WorkitemCreate."""
UPDATE = {key: kind for key, kind in SINGLE.items() if key not in ("typeId", "wrapupCode")} | {
    "dateClosed": str,
    "assignmentState": str,
    "assignmentOperation": str,
}
"""The fields of WorkitemUpdate."""
_IDS = (
    *("typeId", "workbinId", "queueId", "assigneeId", "externalContactId", "languageId", "scriptId", "statusId"),
    *("wrapupCode", "utilizationLabelId"),
)
_ID_LISTS = ("skillIds", "preferredAgentIds")
_REQUIRED = ("name", "typeId")


def refused(code: str, name: str, message: str, status: int = 400, **params: object) -> Refusal:
    """A refusal about one field, which its details and `{name}` name."""
    return Refusal(status, code, message, {"name": name, **params}, (Detail(code, name),))


# What can be told from the fields alone


def shaped(
    given: Fields, fields: Mapping[str, type | tuple[type, ...]], now: float, platform: Platform
) -> dict[str, Any]:
    """The fields that are known, without nulls; Refusal 400 or 409 for the first whose form or bounds are wrong."""
    known = {key: value for key, value in given.items() if key in fields and value is not None}
    settings = platform.scenario.workitems
    strange = [key for key in given if key not in fields]
    if strange and settings.unknown_property == "refused":
        message = "Value [{name}] is not a valid property for object [Workitem]"
        raise refused("invalid.property", strange[0], message)
    for key, value in known.items():
        _typed(key, value, fields[key])
    _lengths(known, settings.tag_length_max)
    _numbers(known)
    _dates(known, now, past_due=settings.past_due == "taken")
    return _lowered(known)


def required(given: Fields) -> None:
    """Refusal 400 where a field is missing that a create must have."""
    for key in _REQUIRED:
        if given.get(key) is None:
            raise refused("invalid.input.missing.required.field", key, "Required field not supplied in payload: {name}")


def _typed(key: str, value: object, kind: type | tuple[type, ...]) -> None:
    whole_but_bool = kind is int and isinstance(value, bool)
    if not isinstance(value, kind) or whole_but_bool:
        raise refused("invalid.input.wrong.attribute.type", key, "{name} has the wrong type.")
    if key in _IDS:
        uuid(key, value)
    if key in _ID_LISTS and isinstance(value, list):
        for each in value:
            uuid(key, each)
    if key == "scoredAgents" and isinstance(value, list):
        _scored(value)
    if isinstance(value, int) and not -(2**31) <= value < 2**31:
        raise refused("invalid.input.wrong.attribute.type", key, "{name} is not a 32-bit integer.")


def uuid(key: str, value: object, code: str = "invalid.input.invalid.uuid") -> None:
    """Refusal 400 with this code for anything but a UUID."""
    if value == "":
        raise refused("invalid.input.empty.value", key, "{name} must not be empty.")
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise refused(code, key, "{name} is not a valid UUID: {value}", value=value)


def _scored(agents: list[Any]) -> None:
    if len(agents) > SCORED_MOST:
        raise refused("invalid.input.list.value.too.long", "scoredAgents", "{name} has too many entries.")
    for agent in agents:
        if not isinstance(agent, dict):
            raise refused("invalid.input.wrong.attribute.type", "scoredAgents", "{name} has the wrong type.")
        uuid("scoredAgents", agent.get("id"))
        score = agent.get("score", 0)
        if not isinstance(score, int) or not 0 <= score <= 100:
            raise refused("invalid.input.int.value.too.high", "scoredAgents", "{name}: a score is from 0 to 100.")
    if len({agent["id"] for agent in agents}) < len(agents):
        raise refused("invalid.input.duplicate.scored.agents", "scoredAgents", "{name} has an agent twice.")


def _lengths(known: Fields, tag_most: int) -> None:
    bounds = {"name": (NAME_LEAST, NAME_MOST), "description": (0, DESCRIPTION_MOST), "externalTag": (0, tag_most)}
    for key, (least, most) in bounds.items():
        if key not in known:
            continue
        length = len(known[key])
        if length < least:
            code = "invalid.input.string.value.too.short"
            raise refused(code, key, "{name} must have at least {least} characters.", least=least)
        if length > most:
            code = "invalid.input.string.value.too.long"
            raise refused(code, key, "{name} must have at most {most} characters.", most=most)


def _numbers(known: Fields) -> None:
    bounds = {"priority": (-PRIORITY_MOST, PRIORITY_MOST), "durationSeconds": (0, int(YEAR_S))}
    for key, (least, most) in bounds.items():
        if key in known and known[key] < least:
            raise refused("invalid.input.int.value.too.low", key, "{name} must be at least {least}.", least=least)
        if key in known and known[key] > most:
            raise refused("invalid.input.int.value.too.high", key, "{name} must be at most {most}.", most=most)


def _dates(known: Fields, now: float, *, past_due: bool) -> None:
    due, expires = (seconds(key, known[key]) if key in known else None for key in ("dateDue", "dateExpires"))
    ttl = known.get("ttl")
    for key, at in (("dateDue", due), ("dateExpires", expires)):
        if at is None:
            continue
        if at < now and key == "dateDue" and not past_due:
            raise refused(
                "invalid.input.date.below.min", key, "{name} must not be in the past: {value}", value=known[key]
            )
        if at > now + YEAR_S:
            raise refused(
                "invalid.input.date.above.max", key, "{name} is more than 365 days ahead: {value}", value=known[key]
            )
    if ttl is not None and ttl < now:
        raise refused("invalid.input.timestamp.below.min", "ttl", "{name} must not be in the past: {value}", value=ttl)
    if ttl is not None and ttl > now + YEAR_S:
        raise refused(
            "invalid.input.timestamp.above.max", "ttl", "{name} is more than 365 days ahead: {value}", value=ttl
        )
    if expires is not None and expires < now + HOUR_S:
        message = "{name} must be at least one hour from now: {value}"
        raise refused("pre.check.date.too.soon", "dateExpires", message, 409, value=known["dateExpires"])
    if due is not None and ttl is not None and due >= ttl:
        _exceeds("pre.check.value.greater.than.or.equal", "dateDue", known["dateDue"], ttl)
    if expires is not None and ttl is not None and expires > ttl:
        _exceeds("pre.check.value.greater.than", "dateExpires", known["dateExpires"], ttl)


def _exceeds(code: str, name: str, value: str, ttl: int) -> None:
    message = "{name1} cannot be greater than {name2}. {name1}: {value1}, {name2}: {value2}"
    params = {"name1": name, "name2": "ttl", "value1": value, "value2": timestamp(ttl)}
    raise Refusal(409, code, message, params, (Detail(code, name),))


def seconds(key: str, value: str) -> float:
    """A time of the API in seconds since 1970; Refusal 400 invalid.date for anything else."""
    try:
        if _TIME.fullmatch(value):
            return datetime.fromisoformat(value).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        pass
    message = "Dates must be specified as ISO-8601 strings. For example: yyyy-MM-ddTHH:mm:ss.SSSZ"
    raise refused("invalid.date", key, message)


def _lowered(known: dict[str, Any]) -> dict[str, Any]:
    """IDs in lower case, dates with milliseconds, as the platform answers them."""
    for key in _IDS:
        if key in known:
            known[key] = known[key].lower()
    for key in _ID_LISTS:
        if key in known:
            known[key] = [each.lower() for each in known[key]]
    for key in ("dateDue", "dateExpires", "dateClosed"):
        if key in known:
            known[key] = timestamp(seconds(key, known[key]))
    return known


# What depends on what exists


def completed(known: Fields, platform: Platform, now: float) -> dict[str, Any]:
    """The values of a new workitem, defaults of its worktype included; Refusal with 400, 403, 404, 409 or 422."""
    worktype = platform.world.worktype(known["typeId"])
    if worktype is None:
        raise refused("not.found.error", "typeId", "Worktype or Workbin not found.", 404)
    may(platform, "workitems:workitem:add", worktype.division.id)
    workbin = platform.world.workbins.get(known.get("workbinId", worktype.workbin.id))
    if workbin is None:
        raise refused("not.found.error", "workbinId", "Worktype or Workbin not found.", 404)
    if workbin.division.id != worktype.division.id:
        code = "pre.check.workitem.division.mismatch"
        raise refused(code, "workbinId", "A Workitem's Workbin and Worktype must belong to the same division.", 409)
    values = _defaults(worktype, now) | dict(known)
    _placed(values, known, worktype, platform)
    referenced(known, worktype, platform, queue_id=values.get("queueId"))
    fields(values, worktype)
    if worktype.schema is not None:
        values |= {"schemaId": worktype.schema.id, "schemaVersion": worktype.schema.version}
    return {key: value for key, value in values.items() if value is not None}


def admitted(
    values: Fields,
    known: Fields,
    platform: Platform,
    now: float,
    *,
    made: int = 0,
    routing: Mapping[str, int] = MappingProxyType({}),
) -> bool:
    """Whether the workitem is routed at once; Refusal where the day's creates or a queue's routing are at their limits.

    `made` and `routing` (by queue) count those that the same call makes before it.
    """
    settings = platform.scenario.workitems
    most = settings.created_per_day
    if most is not None and platform.world.created_since(now - DAY_S) + made >= most:
        raise day_is_full(platform, now)
    worktype = platform.world.worktype(values["typeId"])
    assert worktype is not None
    routed = routes(worktype, values, platform.world.life, explicit_queue="queueId" in known)
    if routed:
        room(platform, values["queueId"], now, already=routing.get(values["queueId"], 0))
    return routed


def room(platform: Platform, queue_id: str, now: float, *, already: int = 0) -> None:
    """Refusal 409 where as many workitems are routing in a queue as may."""
    limit = platform.scenario.workitems.acd_started_per_queue
    if limit is None or platform.world.routing_in(queue_id, now) + already < limit:
        return
    code = "service.limit.acd.started.maximum.limit.reached"
    told = "Reached maximum number of routing (assignmentState: AcdStarted) workitems for queue"
    hit = LimitHit("acd.started.maximum", "task.management", limit)
    raise Refusal(409, code, told, {}, (Detail(code, "queueId", queue_id),), hit)


def day_is_full(platform: Platform, now: float) -> Refusal:
    """The answer where as many workitems were created as a day may see: 429 with hours of Retry-After, or 400."""
    settings = platform.scenario.workitems
    assert settings.created_per_day is not None
    oldest = platform.world.oldest_since(now - DAY_S)
    wait_s = max(1, math.ceil((oldest or now) + DAY_S - now))
    headers = {"Retry-After": str(wait_s)} if settings.created_per_day_status == 429 else {}
    hit = LimitHit("workitems.created.per.day", "task.management", settings.created_per_day)
    code = "service.limit.per.day.maximum.created.limit.reached"
    message = "Reached maximum amount of workitems created per day"
    return Refusal(settings.created_per_day_status, code, message, {}, (Detail(code),), hit, headers)


def may(platform: Platform, permission: str, division_id: str) -> None:
    """Refusal 403 where the client lacks a permission in a division."""
    from_names = platform.scenario.workitems.denied_divisions.get(permission, ())
    if from_names and division_id in DIVISIONS and DIVISIONS[division_id].name in from_names:
        message = "Unable to perform the requested action. You are missing the following permission '{permission}' in the provided division(s)."
        raise Refusal(403, "missing.division.permission", message, {"permission": permission})


def referenced(known: Fields, worktype: Worktype, platform: Platform, *, queue_id: str | None) -> None:
    """Refusal where a queue, skill, language, label, user, contact, script or wrap-up code is missing or out of place."""
    directory = platform.directory
    here = worktype.division.id
    if "queueId" in known:
        queue = directory.queue(known["queueId"])
        if queue is None:
            raise refused(
                "queue.ids.not.found", "queueId", "Queue ID does not exist: {value}", 404, value=known["queueId"]
            )
        if queue.division_id != here:
            raise refused(
                "workitem.queue.division.mismatch", "queueId", "Queue is in a different division from workitem."
            )
    for skill in known.get("skillIds", ()):
        if not directory.has_skill(skill):
            raise refused(
                "routing.skill.ids.not.found", "skillIds", "Skill IDs do not exist: {value}", 404, value=skill
            )
    if "languageId" in known and not directory.has_language(known["languageId"]):
        raise refused("not.found", "languageId", "The requested resource was not found.", 404)
    if "utilizationLabelId" in known and not directory.has_label(known["utilizationLabelId"]):
        raise refused(
            "utilization.label.id.not.found", "utilizationLabelId", "Utilization label ID does not exist", 404
        )
    if "scriptId" in known and directory.script_division(known["scriptId"]) != here:
        raise refused(
            "workitem.script.division.mismatch", "scriptId", "Workitem must be in the same division as the script."
        )
    _people(known, worktype, platform)
    _wrapped(known, platform, queue_id)


def _people(known: Fields, worktype: Worktype, platform: Platform) -> None:
    here = worktype.division.id
    if "assigneeId" in known:
        user = platform.directory.user(known["assigneeId"])
        code, told = (
            "assignee.missing.any.division.permissions",
            "Assignee does not have permissions assigned in the division",
        )
        if user is None:
            code, told = "assignee.missing.any.permissions", "Assignee does not have permissions assigned"
        if user is None or here not in user.divisions:
            raise refused(code, "assigneeId", told, 403)
    if "externalContactId" in known:
        contact = platform.directory.contact(known["externalContactId"])
        if contact is None:
            raise refused("not.found", "externalContactId", "The requested resource was not found.", 404)
        free = contact.division_id is None and worktype.contacts_without_division
        if not free and contact.division_id != here:
            code = "workitem.external.contact.division.mismatch"
            told = "Workitem must be in the same division as the external contact."
            raise refused(code, "externalContactId", told, 409)


def _wrapped(known: Fields, platform: Platform, queue_id: str | None) -> None:
    if "wrapupCode" not in known:
        return
    queue = platform.directory.queue(queue_id) if queue_id else None
    if queue is None:
        raise refused("wrapup.no.queue", "wrapupCode", "There is no queue for the workitem or its worktype.", 409)
    if known["wrapupCode"] not in queue.wrapup_codes:
        raise refused("wrapup.not.in.queue", "wrapupCode", "Wrapup code is not configured in the queue.", 409)


def fields(values: Fields, worktype: Worktype) -> None:
    """Refusal 422 where custom fields do not fit the worktype's schema."""
    custom = values.get("customFields")
    if worktype.schema is None:
        if custom:
            told = "Worktype for this workitem does not have a schema defined."
            raise refused("schema.error.worktype.no.schema", "customFields", told, 422)
        return
    if custom and not worktype.schema.enabled:
        raise refused("schema.error.schema.disabled", "customFields", "Schema disabled.", 422)
    worktype.schema.check(custom or {})


def _defaults(worktype: Worktype, now: float) -> dict[str, Any]:
    status = worktype.statuses[0]
    ahead = {"dateDue": worktype.due_s, "dateExpires": worktype.expires_s}
    return {
        "priority": worktype.priority,
        "durationSeconds": worktype.duration_s,
        **{key: timestamp(now + seconds_ahead) for key, seconds_ahead in ahead.items() if seconds_ahead is not None},
        "ttl": math.floor(now) + worktype.ttl_s,
        "autoStatusTransition": True,
        "workbinId": worktype.workbin.id,
        "queueId": worktype.queue,
        "divisionId": worktype.division.id,
        "statusId": status.id,
        "assignmentState": "Idle",
    }


def _placed(values: dict[str, Any], known: Fields, worktype: Worktype, platform: Platform) -> None:
    """Its status, and its queue where the worktype routes."""
    status = worktype.status(values["statusId"])
    if status is None:
        raise refused(
            "invalid.input.undefined.status", "statusId", "Undefined status: {value}", value=values["statusId"]
        )
    values["statusCategory"] = status.category
    if status.category == "Closed" and status.terminates:
        values["assignmentState"] = "Terminated"
    if worktype.assignment_enabled and values["queueId"] is None:
        raise refused("invalid.input.missing.queue", "queueId", "No queueId provided.")
    contradicts = "dateDue" in values and "ttl" in known and "dateDue" not in known
    if contradicts and seconds("dateDue", values["dateDue"]) >= values["ttl"]:
        _exceeds("pre.check.value.greater.than.or.equal", "dateDue", values["dateDue"], values["ttl"])
    if platform.directory.queue(values["queueId"] or "") is None and "queueId" not in known:
        values["queueId"] = None


def problems(entities: Iterable[Fields], now: float, platform: Platform) -> Iterator[tuple[int, Refusal]]:
    """What is wrong with entities of a bulk job before anything is looked up, by their index."""
    for index, entity in enumerate(entities):
        try:
            required(entity)
            shaped(entity, COMMON, now, platform)
        except Refusal as refusal:
            yield index, refusal
