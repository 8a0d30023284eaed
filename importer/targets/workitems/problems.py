"""Problems: the platform's error bodies in words, and what the answer to a create proves."""

from collections.abc import Mapping
from typing import Any

from importer.core.errors import LongWait
from importer.core.outcomes import THROTTLED, Answer, Created, Lost, NotDone, Refused
from importer.core.states import state_of
from importer.targets.exchange import denied
from importer.targets.transport import Reply

REASON_MOST = 300
CODE_MOST = 80
NAMED_MOST = 5
ADD = "workitems:workitem:add"

ROW_FORBIDDEN = frozenset({
    "assignee.missing.any.permissions",
    "assignee.missing.any.division.permissions",
    "missing.division.permission",
    "missing.any.division.permissions",
})  # fmt: skip
"""Codes of a 403 that is about what one row names: its assignee, or the division of its queue or worktype."""

WORDS = {
    "service.limit.acd.started.maximum.limit.reached": "the queue has as many workitems waiting for an agent as the organisation allows",
    "assignee.missing.any.permissions": "the assignee may not have workitems",
    "assignee.missing.any.division.permissions": "the assignee may not have workitems of this division",
    "missing.division.permission": "the OAuth client's role does not reach this division",
    "missing.any.division.permissions": "the OAuth client's role does not reach this division",
    "workitem.queue.division.mismatch": "queue and worktype are in different divisions",
    "workitem.script.division.mismatch": "script and worktype are in different divisions",
    "pre.check.workitem.division.mismatch": "workbin and worktype are in different divisions",
    "workitem.external.contact.division.mismatch": "external contact and worktype are in different divisions",
    "wrapup.not.in.queue": "the queue does not have this wrap-up code",
    "wrapup.no.queue": "a wrap-up code needs a queue",
    "routing.skill.ids.not.found": "a skill does not exist any more",
    "queue.ids.not.found": "the queue does not exist any more",
    "not.found.error": "the worktype or workbin does not exist any more",
    "pre.check.date.too.soon": "a date is too soon",
}
"""What codes mean to people; the platform's own words follow."""


def reason(reply: Reply) -> str:
    """Why the platform refuses, in one line of at most 300 characters: its words, the fields, its code."""
    body = reply.body
    if not isinstance(body, dict):
        return reply.problem
    code = str(body.get("code") or "")[:CODE_MOST]
    parts = [WORDS.get(code, ""), str(body.get("message") or "")]
    parts += [_detail(each) for each in _objects(body.get("details"))[:NAMED_MOST]]
    parts += [str(each.get("message") or "") for each in _objects(body.get("errors"))[:NAMED_MOST]]
    words = "; ".join(dict.fromkeys(part for part in parts if part))
    told = " ".join(words.split())[:REASON_MOST] or f"HTTP {reply.status}"
    return f"{told} ({code})" if code else told


def cause(reply: Reply) -> str:
    """The same for all rows that are refused for one reason: status, code and fields, no value of a row."""
    body = reply.body if isinstance(reply.body, dict) else {}
    fields = sorted({str(each.get("fieldName") or "") for each in _objects(body.get("details"))})[:NAMED_MOST]
    return " ".join([str(reply.status), str(body.get("code") or "")[:CODE_MOST], *fields]).strip()


def code_of(reply: Reply) -> str:
    """The platform's code of an answer, or a blank."""
    return str(reply.body.get("code") or "") if isinstance(reply.body, dict) else ""


def correlation_of(reply: Reply) -> str | None:
    """The ID that support asks for: the header, else the body's contextId."""
    told = reply.body.get("contextId") if isinstance(reply.body, dict) else None
    return reply.correlation_id or (told[:CODE_MOST] if isinstance(told, str) and told.isprintable() else None)


def answer(reply: Reply) -> Answer:
    """What the answer to the POST of one workitem proves. Raises Forbidden, and LongWait for a limit of the day.

    409 never means a duplicate here: it is about divisions, dates, wrap-up codes or a full queue.
    """
    body: Mapping[str, Any] = reply.body if isinstance(reply.body, dict) else {}
    code, correlation = code_of(reply), correlation_of(reply)
    if reply.status in (200, 201):
        return created(body, reply.status, correlation)
    if reply.status == 403 and code not in ROW_FORBIDDEN:
        raise denied(reply, ADD)
    if code.startswith("service.limit.per.day"):
        raise day_limit(reply)
    if reply.status == 429:
        return NotDone(THROTTLED, throttled=True)
    if 400 <= reply.status < 500 and reply.status != 408:
        return Refused(reply.status, reason(reply), correlation, cause(reply))
    return Lost(f"{reply.status}: {reply.problem}", reply.status, correlation)


def created(body: Mapping[str, Any], status: int, correlation: str | None) -> Answer:
    """A workitem that was made; without its ID it may have been."""
    task_id = body.get("id")
    if isinstance(task_id, str) and task_id:
        return Created(
            task_id, state_of(body.get("statusCategory"), body.get("assignmentState")), dict(body), correlation
        )
    return Lost(f"the answer {status} has no workitem's ID", status, correlation)


def day_limit(reply: Reply) -> LongWait:
    """The organisation has used up a limit of the day; nothing more can be created until it is reset."""
    return LongWait(
        f"The organisation has reached a limit of the day: {reason(reply)}.",
        "Nothing is lost: importer resume carries on when the day is over, or once the limit is raised.",
    )


def _detail(detail: Mapping[str, Any]) -> str:
    named = [str(detail[name]) for name in ("fieldName", "errorCode") if detail.get(name)]
    return ": ".join(named)


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
