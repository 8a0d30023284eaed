"""Custom fields: what a worktype's schema says of them, and the JSON value that a cell's text stands for."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from importer.core.findings import listed
from importer.core.moments import Unreadable, calendar_day, moment
from importer.core.names import did_you_mean
from importer.core.task import VISIBLE_ONLY, whole_number
from importer.core.unseen import CONTROL, unseen

KINDS = (
    "text", "longtext", "url", "identifier", "enum", "date", "datetime", "integer", "number", "checkbox", "tag",
)  # fmt: skip
"""The platform's core types. A field's key is its name, `_` and one of them."""

YES = frozenset({"true", "yes", "y", "1", "wahr", "ja", "vrai", "oui", "verdadero", "sí", "si"})
NO = frozenset({"false", "no", "n", "0", "falsch", "nein", "faux", "non", "falso"})
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,15})?")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/]\S*")
_BETWEEN_TAGS = re.compile(r"[;\r\n]+")
_ONE_LINE = re.compile(VISIBLE_ONLY)

Value = str | int | float | bool | list[str]


@dataclass(frozen=True, slots=True)
class CustomField:
    """One custom field. `low` and `high` bound characters of a text, a number's value or the entries of a tag list."""

    name: str  # the key that is sent: `claim_id_identifier`
    heading: str  # the column's heading
    kind: str  # one of KINDS
    choices: tuple[str, ...] = ()  # of an enum
    required: bool = False
    help: str = ""
    low: float | None = None
    high: float | None = None
    entry_low: int | None = None  # characters of one entry of a tag list
    entry_high: int | None = None
    unique: bool = False  # whether the entries of a tag list must differ


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a text is no value of its field: a code of the catalogue and what its message needs, the value aside."""

    code: str
    facts: Mapping[str, Any]


def custom_fields(schema: Mapping[str, Any]) -> tuple[CustomField, ...]:
    """The fields of a DataSchema, in its order; nothing of a schema that has none, or none that can be read.

    A field of a core type that is not known here counts as text: it is sent as it stands and the platform judges it.
    """
    document = schema.get("jsonSchema")
    properties = document.get("properties") if isinstance(document, Mapping) else None
    if not isinstance(document, Mapping) or not isinstance(properties, Mapping):
        return ()
    required = document.get("required")
    needed = {str(name) for name in required} if isinstance(required, list) else set()
    return tuple(
        _field(str(name), each, required=name in needed)
        for name, each in properties.items()
        if isinstance(each, Mapping)
    )


def _field(name: str, schema: Mapping[str, Any], *, required: bool) -> CustomField:
    stem, _, suffix = name.rpartition("_")
    kind = suffix if stem and suffix in KINDS else "text"
    ends = {"integer": ("minimum", "maximum"), "number": ("minimum", "maximum"), "tag": ("minItems", "maxItems")}
    low, high = ends.get(kind, ("minLength", "maxLength"))
    items = schema.get("items")
    entry = items if isinstance(items, Mapping) else {}
    entry_low, entry_high = _bound(entry.get("minLength")), _bound(entry.get("maxLength"))
    choices = schema.get("enum")
    field = CustomField(
        name=name,
        heading=_words(schema.get("title")) or name,
        kind=kind,
        choices=tuple(str(each) for each in choices) if kind == "enum" and isinstance(choices, list) else (),
        required=required,
        low=_bound(schema.get(low)),
        high=_bound(schema.get(high)),
        entry_low=None if entry_low is None else int(entry_low),
        entry_high=None if entry_high is None else int(entry_high),
        unique=schema.get("uniqueItems") is True,
    )
    return _helped(field, _words(schema.get("description")))


def _words(text: Any) -> str:
    return text.strip() if isinstance(text, str) else ""


def _bound(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


_KINDS_IN_WORDS = {
    "text": "A text.", "longtext": "A longer text.", "url": "A web address.", "identifier": "An identifier.",
    "enum": "One of a list.", "date": "A date, such as 2026-12-18.", "datetime": "A date and time, such as 2026-12-18 17:00.",
    "integer": "A whole number.", "number": "A number, such as 12.5.", "checkbox": "yes or no.",
    "tag": "A list, with ; between its entries.",
}  # fmt: skip


def _helped(field: CustomField, words: str) -> CustomField:
    limits = ""
    if field.kind == "enum" and field.choices:
        limits = f"Choices: {_choices(field)}."
    elif field.kind not in ("enum", "date", "datetime", "checkbox") and (field.low, field.high) != (None, None):
        unit = {"integer": "", "number": "", "tag": " entries"}.get(field.kind, " characters")
        limits = f"{_range(field)}{unit}.".capitalize()
    return replace(field, help=" ".join(part for part in (words, _KINDS_IN_WORDS[field.kind], limits) if part))


# Values


def judge_value(field: CustomField, text: str, time_zone: str) -> Value | Problem | None:
    """The JSON value of a cell's text, None where it is blank and may be, or the Problem with it.

    A date and time without an offset is one in `time_zone`. Raises SettingsError for an unknown time zone.
    """
    text = text.strip()
    if not text:
        return _problem(field, "V350") if field.required else None
    read = _READERS.get(field.kind)
    if read is not None:
        return read(field, text)
    try:
        return calendar_day(text) if field.kind == "date" else moment(text, time_zone)
    except Unreadable as problem:
        return _problem(field, problem.code, time_zone=time_zone)


def _problem(field: CustomField, code: str, **facts: Any) -> Problem:
    return Problem(code, {"name": field.heading, **facts})


def _text(field: CustomField, text: str) -> Value | Problem:
    strange = CONTROL.search(text) if field.kind == "longtext" else not _ONE_LINE.fullmatch(text)
    if strange and unseen(text):
        return _problem(field, "V203", characters=unseen(text))
    if _outside(len(text), field.low, field.high):
        return _length(field, len(text), field.low, field.high)
    if field.kind == "url" and not _URL.fullmatch(text):
        return _problem(field, "V353")
    return text


def _enum(field: CustomField, text: str) -> Value | Problem:
    alike = [each for each in field.choices if each.casefold() == text.casefold()]
    if text in field.choices or not field.choices:
        return text
    if len(alike) == 1:
        return alike[0]
    return _problem(field, "V352", suggestion=did_you_mean(text, field.choices), choices=_choices(field))


def _integer(field: CustomField, text: str) -> Value | Problem:
    number = whole_number(text)
    return _bounded(field, number) if isinstance(number, int) else _problem(field, "V355")


def _number(field: CustomField, text: str) -> Value | Problem:
    if not _NUMBER.fullmatch(text):
        return _problem(field, "V356")
    return _bounded(field, float(text) if "." in text else int(text))


def _bounded(field: CustomField, number: float) -> Value | Problem:
    if _outside(number, field.low, field.high):
        return _problem(field, "V357", low=_shown(field.low, "any"), high=_shown(field.high, "any"))
    return number


def _checkbox(field: CustomField, text: str) -> Value | Problem:
    word = text.casefold()
    return word in YES if word in YES | NO else _problem(field, "V358")


def _tags(field: CustomField, text: str) -> Value | Problem:
    entries = [each.strip() for each in _BETWEEN_TAGS.split(text) if each.strip()]
    if field.unique:
        entries = list(dict.fromkeys(entries))
    for each in entries:
        if unseen(each):
            return _problem(field, "V203", characters=unseen(each))
        if _outside(len(each), field.entry_low, field.entry_high):
            return _length(field, len(each), field.entry_low, field.entry_high)
    if not entries or _outside(len(entries), field.low, field.high):
        low, high = max(1, int(field.low or 0)), _shown(field.high, "any number")
        return _problem(field, "V359", count=len(entries), low=low, high=high)
    return entries


_READERS: dict[str, Callable[[CustomField, str], Value | Problem]] = {
    **dict.fromkeys(("text", "longtext", "url", "identifier"), _text),
    "enum": _enum,
    "integer": _integer,
    "number": _number,
    "checkbox": _checkbox,
    "tag": _tags,
}


def _length(field: CustomField, length: int, low: float | None, high: float | None) -> Problem:
    return _problem(field, "V351", length=length, low=_shown(low, "0"), high=_shown(high, "any number"))


def _outside(number: float, low: float | None, high: float | None) -> bool:
    return (low is not None and number < low) or (high is not None and number > high)


def _shown(bound: float | None, none: str) -> str:
    return none if bound is None else f"{bound:,}" if isinstance(bound, int) else f"{bound:,.15g}"


def _range(field: CustomField) -> str:
    if field.high is None:
        return f"at least {_shown(field.low, '')}"
    return (
        f"at most {_shown(field.high, '')}"
        if field.low is None
        else f"{_shown(field.low, '')} to {_shown(field.high, '')}"
    )


def _choices(field: CustomField) -> str:
    return listed(field.choices, most=12)
