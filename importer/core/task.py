"""TaskRequest: a row that has the right shape. One annotated field per column; the limits belong to the target."""

import re
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BeforeValidator, Field, StringConstraints, TypeAdapter
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from importer.core.limits import Limits
from importer.core.moments import Unreadable, duration, moment
from importer.core.unseen import UNSEEN_CHARACTERS

VISIBLE_ONLY = "^[^" + UNSEEN_CHARACTERS + "]*$"
WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
IS_UUID = re.compile(UUID)
IS_EMAIL = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;.]{2,}")
BETWEEN_SKILLS = re.compile(r"[;,\r\n]+")


class TaskRequest(TypedDict):
    """A task to be, before its names are looked up. `attributes` holds custom attributes by name, never blank.

    What a target does not take is not there. An optional field that is blank is left out, but for `queue` and
    `description`, which are then empty texts.
    """

    external_id: str
    queue: str  # a name or an ID, as written
    description: str
    attributes: dict[str, str]
    priority: NotRequired[int]
    type: NotRequired[str]  # tasks alone; the others below are workitems' alone
    name: NotRequired[str]
    worktype: NotRequired[str]  # like workbin, skills, language, wrapup_code: a name or an ID, as written
    workbin: NotRequired[str]
    skills: NotRequired[list[str]]  # never empty, each once
    language: NotRequired[str]
    wrapup_code: NotRequired[str]
    assignee: NotRequired[str]  # an e-mail address or an ID
    external_contact: NotRequired[str]  # an ID
    due: NotRequired[str]  # UTC, as `2026-12-18T23:59:59.000Z`; like expires
    expires: NotRequired[str]
    duration: NotRequired[int]  # seconds


def whole_number(text: str) -> int | str:
    """An int from plain digits; anything else is left for pydantic to refuse (`1_000`, `٣`, `1e2` are no numbers here)."""
    return int(text) if WHOLE.fullmatch(text) else text


@cache
def request_type(limits: Limits) -> Any:
    """The TypedDict of task requests within `limits`: pydantic validates it 4 times faster than a model a row."""
    shapes = _shapes(limits)
    blank = {"priority", "type"} if limits.priority_default is not None else frozenset[str]()
    needed = {*limits.required, *blank, "queue", "description", "attributes"}
    fields = {
        field: shapes[field] if field in needed else NotRequired[shapes[field]]
        for field in (*limits.fields, "attributes")
    }
    # A TypedDict made from data: its fields depend on the target's limits.
    return TypedDict("TaskRequestWithinLimits", fields)  # type: ignore[operator]  # mypy knows literal fields only


def _shapes(limits: Limits) -> dict[str, Any]:
    """What each field is made of, for any target."""
    text = Annotated[str, StringConstraints(strict=True, min_length=1, pattern=VISIBLE_ONLY)]
    maybe = Annotated[str, StringConstraints(strict=True, pattern=VISIBLE_ONLY)]
    reference = Annotated[text, Field(max_length=limits.reference)]
    optional = {field: field not in limits.required for field in ("queue", "description")}
    queue_text = maybe if optional["queue"] else text
    shapes: dict[str, Any] = {
        "external_id": Annotated[text, Field(max_length=limits.external_id)],
        "queue": Annotated[queue_text, Field(max_length=limits.queue)],
        "priority": Annotated[int, Field(strict=True, ge=limits.priority_low, le=limits.priority_high)],
        "description": Annotated[
            str,
            StringConstraints(strict=True, min_length=int(not optional["description"]), max_length=limits.description),
        ],
        "name": Annotated[text, Field(min_length=limits.name_low, max_length=limits.name)],
        **dict.fromkeys(("worktype", "workbin", "language", "wrapup_code"), reference),
        "skills": Annotated[list[reference], BeforeValidator(skill_names), Field(max_length=limits.skills)],
        "assignee": Annotated[reference, BeforeValidator(_person)],
        "external_contact": Annotated[reference, BeforeValidator(_contact)],
        **dict.fromkeys(("due", "expires"), Annotated[str, BeforeValidator(_moment_in(limits.time_zone))]),
        "duration": Annotated[int, BeforeValidator(_seconds), Field(ge=0, le=limits.duration)],
        "attributes": dict[str, Annotated[str, StringConstraints(strict=True, max_length=limits.attribute)]],
    }
    if limits.types:
        shapes["type"] = Literal[limits.types]
    return shapes


@cache
def validator(limits: Limits) -> Callable[[Any], TaskRequest]:
    """Checks one request: returns it validated, or raises pydantic's ValidationError with all that is wrong.

    Skills, dates and durations come as texts. What is none is told by an error whose type is the catalogue's code.
    """
    checked: Callable[[Any], TaskRequest] = TypeAdapter(request_type(limits)).validator.validate_python
    return checked


def skill_names(text: Any) -> Any:
    """The skills of a cell, in order, each once, without regard to case; they stand between ; or , or line breaks."""
    if not isinstance(text, str):
        return text
    names: dict[str, str] = {}
    for part in BETWEEN_SKILLS.split(text):
        if name := part.strip():
            names.setdefault(name.casefold(), name)
    if not names:
        raise PydanticCustomError("V252", "V252")
    return list(names.values())


def _person(text: Any) -> Any:
    if isinstance(text, str) and not IS_UUID.fullmatch(text) and not IS_EMAIL.fullmatch(text):
        raise PydanticCustomError("V241", "V241")
    return text


def _contact(text: Any) -> Any:
    if isinstance(text, str) and not IS_UUID.fullmatch(text):
        raise PydanticCustomError("V242", "V242")
    return text


def _moment_in(time_zone: str) -> Callable[[Any], Any]:
    def read(text: Any) -> Any:
        return _read(lambda words: moment(words, time_zone), text)

    return read


def _seconds(text: Any) -> Any:
    return _read(duration, text)


def _read(reader: Callable[[str], str | int], text: Any) -> Any:
    """What the reader makes of a text; anything else is pydantic's to judge."""
    if not isinstance(text, str):
        return text
    try:
        return reader(text)
    except Unreadable as problem:
        # The code is one of the catalogue's: pydantic wants it as a literal, which it is not.
        raise PydanticCustomError(problem.code, problem.code) from None
