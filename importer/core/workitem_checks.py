"""Checks of workitems: what a row names beside its queue, divisions, dates and custom fields. Pure rules; each guards itself."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from importer.core.checks import Subject
from importer.core.custom_fields import CustomField, Problem, judge_value
from importer.core.facts import Reference
from importer.core.findings import Finding, listed
from importer.core.names import did_you_mean
from importer.core.task import TaskRequest

AHEAD_MOST = timedelta(days=365)
EXPIRES_LEAST = timedelta(hours=1)
KINDS = {
    "worktype": "worktype",
    "workbin": "workbin",
    "language": "language",
    "wrapup_code": "wrap-up code",
    "assignee": "person",
    "skills": "skill",
}
"""Fields that name something, and what people call it."""


def named_exist(subject: Subject) -> Iterator[Finding]:
    """All that a row names is there, once, and in use."""
    for field, text in named(subject.request):
        found = subject.facts.references.get((field, text), ())
        kind = KINDS[field]
        if not found:
            suggestion = did_you_mean(text, subject.facts.suggestions.get(field, ()))
            yield subject.tell("Q511", field, text, kind=kind, suggestion=suggestion)
        elif len(found) > 1:
            ids = listed(each.id for each in found)
            yield subject.tell("Q512", field, text, kind=kind, count=len(found), ids=ids)
        elif not found[0].active:
            yield subject.tell("Q513", field, text, kind=kind)


def divisions_agree(subject: Subject) -> Iterator[Finding]:
    """Queue, workbin and worktype are in one division."""
    worktype = _one(subject, "worktype")
    if worktype is None or not worktype.division:
        return
    there = {"division": worktype.division_name, "worktype": worktype.name}
    queue, workbin = subject.queue, _one(subject, "workbin")
    if queue is not None and queue.division and queue.division != worktype.division:
        yield subject.tell("Q514", "queue", queue.name, kind="queue", other=queue.division_name, **there)
    if workbin is not None and workbin.division and workbin.division != worktype.division:
        yield subject.tell("Q514", "workbin", workbin.name, kind="workbin", other=workbin.division_name, **there)


def wrapup_has_a_queue(subject: Subject) -> Iterator[Finding]:
    """A wrap-up code is one of a queue, the row's or the worktype's."""
    worktype = _one(subject, "worktype")
    code = subject.request.get("wrapup_code")
    if code and not subject.request["queue"] and worktype is not None and not worktype.queue:
        yield subject.tell("Q519", "wrapup_code", code)


def dates_are_near(subject: Subject) -> Iterator[Finding]:
    """Due and expiry are at most 365 days ahead, the expiry at least an hour; the platform counts from the create."""
    now = subject.facts.now
    if now is None:
        return
    for field, name in (("due", "Due"), ("expires", "Expires")):
        text = subject.request.get(field)
        if isinstance(text, str) and datetime.fromisoformat(text) > now + AHEAD_MOST:
            yield subject.tell("Q515", field, text, name=name)
    due, expires = subject.request.get("due"), subject.request.get("expires")
    if due and datetime.fromisoformat(due) < now:
        yield subject.tell("Q517", "due", due)
    if expires and datetime.fromisoformat(expires) < now + EXPIRES_LEAST:
        yield subject.tell("Q516", "expires", expires)


def custom_fields_fit(subject: Subject) -> Iterator[Finding]:
    """Custom fields are those of the worktype's schema, with values of their types."""
    worktype = _one(subject, "worktype")
    if worktype is None or worktype.fields is None:
        return
    fields = {each.name: each for each in worktype.fields}
    given = subject.request["attributes"]
    for name, text in given.items():
        if name not in fields:
            suggestion = did_you_mean(name, tuple(fields))
            yield subject.tell("Q518", name, text, name=name, worktype=worktype.name, suggestion=suggestion)
    for name, field in fields.items():
        if name in given or field.required:
            yield from _judged(subject, field, given.get(name, ""))


def _judged(subject: Subject, field: CustomField, text: str) -> Iterator[Finding]:
    value = judge_value(field, text, subject.facts.time_zone)
    if isinstance(value, Problem):
        yield subject.tell(value.code, field.name, text, **value.facts)


def named(request: TaskRequest) -> Iterator[tuple[str, str]]:
    """What a request names beside its queue: field and text as written."""
    for field in KINDS:
        text = request.get(field)
        if isinstance(text, str):
            yield field, text
    for skill in request.get("skills", []):
        yield "skills", skill


def _one(subject: Subject, field: str) -> Reference | None:
    text = subject.request.get(field)
    found = subject.facts.references.get((field, text), ()) if isinstance(text, str) else ()
    return found[0] if len(found) == 1 else None


WORKITEM_CHECKS = (named_exist, divisions_agree, wrapup_has_a_queue, dates_are_near, custom_fields_fit)
