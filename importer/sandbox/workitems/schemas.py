"""Schemas of custom fields: the built-in ones, and what they say of a workitem's values. Decides; does no I/O."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit

from importer.sandbox.life import seeded_id, timestamp
from importer.sandbox.workitems.refusal import Detail, Refusal

MADE_AT = 1_767_225_600.0
"""When all that is built in was made: 2026-01-01."""
CORE_TYPES = (
    "text",
    "longtext",
    "url",
    "identifier",
    "enum",
    "date",
    "datetime",
    "integer",
    "number",
    "checkbox",
    "tag",
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?Z")

Property = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Schema:
    """One version of a schema; `properties` by their full keys, name and core type joined by an underscore."""

    id: str
    name: str
    version: int
    properties: Mapping[str, Property]
    required: tuple[str, ...] = ()
    enabled: bool = True

    def json(self) -> dict[str, Any]:
        """The schema as the platform shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "version": self.version,
            "appliesTo": ["WORKITEM"],
            "enabled": self.enabled,
            "dateCreated": timestamp(MADE_AT),
            "jsonSchema": {
                "$schema": "http://json-schema.org/draft-04/schema#",
                "title": self.name,
                "type": "object",
                "required": list(self.required),
                "properties": {key: dict(value) for key, value in self.properties.items()},
            },
            "selfUri": f"/api/v2/taskmanagement/workitems/schemas/{self.id}",
        }

    def reference(self) -> dict[str, Any]:
        """The schema as worktypes and workitems carry it."""
        uri = f"/api/v2/taskmanagement/workitems/schemas/{self.id}/versions/{self.version}"
        return {"id": self.id, "name": self.name, "version": self.version, "selfUri": uri}

    def check(self, values: Mapping[str, Any]) -> None:
        """Refusal 422 with a detail for each value that does not fit, and for each that is missing."""
        details = [Detail("schema.error.missing.attributes", key) for key in self.required if values.get(key) is None]
        details += [
            Detail("schema.error.invalid.instance", key, entity_name=problem)
            for key, value in values.items()
            for problem in self._problems(key, value)
        ]
        if details:
            shown = ", ".join(f"{each.field}: {each.entity_name or 'is required'}" for each in details)
            message = "Invalid schema instance. {problems}"
            code = "schema.error.invalid.instance"
            if all(each.code == "schema.error.missing.attributes" for each in details):
                code, message = "schema.error.missing.attributes", "Missing attributes. {problems}"
            raise Refusal(422, code, message, {"problems": shown}, tuple(details))

    def _problems(self, key: str, value: Any) -> Iterator[str]:
        wanted = self.properties.get(key)
        if wanted is None:
            yield "is not defined in the schema"
        elif value is not None:
            yield from _KINDS[core_type(key)](wanted, value)


def core_type(key: str) -> str:
    """The core type of a property's full key: what follows its last underscore."""
    return key.rpartition("_")[2]


def _string(wanted: Property, value: Any) -> Iterator[str]:
    if not isinstance(value, str):
        yield "must be a string"
    elif len(value) < wanted.get("minLength", 0):
        yield f"must have at least {wanted['minLength']} characters"
    elif len(value) > wanted.get("maxLength", math.inf):
        yield f"must have at most {wanted['maxLength']} characters"


def _url(wanted: Property, value: Any) -> Iterator[str]:
    problems = list(_string(wanted, value))
    yield from problems
    if not problems and not (urlsplit(value).scheme and urlsplit(value).netloc):
        yield "must be a URL"


def _enum(wanted: Property, value: Any) -> Iterator[str]:
    if value not in wanted.get("enum", ()):
        yield f"must be one of {', '.join(wanted.get('enum', ()))}"


def _shaped(
    pattern: re.Pattern[str], parse: Callable[[str], object], told: str
) -> Callable[[Property, Any], Iterator[str]]:
    def problems(wanted: Property, value: Any) -> Iterator[str]:  # noqa: ARG001 - the signature is the table's
        if not isinstance(value, str) or not pattern.fullmatch(value):
            yield told
            return
        try:
            parse(value)
        except ValueError:
            yield told

    return problems


def _numeric(kinds: tuple[type, ...], told: str) -> Callable[[Property, Any], Iterator[str]]:
    def problems(wanted: Property, value: Any) -> Iterator[str]:
        if isinstance(value, bool) or not isinstance(value, kinds):
            yield told
        elif value < wanted.get("minimum", -math.inf):
            yield f"must be at least {wanted['minimum']}"
        elif value > wanted.get("maximum", math.inf):
            yield f"must be at most {wanted['maximum']}"

    return problems


def _checkbox(wanted: Property, value: Any) -> Iterator[str]:  # noqa: ARG001 - the signature is the table's
    if not isinstance(value, bool):
        yield "must be true or false"


def _tag(wanted: Property, value: Any) -> Iterator[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        yield "must be a list of strings"
        return
    if len(value) < wanted.get("minItems", 0):
        yield f"must have at least {wanted['minItems']} entries"
    if len(value) > wanted.get("maxItems", math.inf):
        yield f"must have at most {wanted['maxItems']} entries"
    if wanted.get("uniqueItems") and len(set(value)) < len(value):
        yield "must not have an entry twice"
    for each in value:
        yield from _string(wanted.get("items", {}), each)


_KINDS: dict[str, Callable[[Property, Any], Iterator[str]]] = {
    "text": _string,
    "longtext": _string,
    "identifier": _string,
    "url": _url,
    "enum": _enum,
    "date": _shaped(_DATE, date.fromisoformat, "must be a date, as 2021-01-01"),
    "datetime": _shaped(_DATETIME, datetime.fromisoformat, "must be a time, as 2021-01-01T00:00:00.000Z"),
    "integer": _numeric((int,), "must be a whole number"),
    "number": _numeric((int, float), "must be a number"),
    "checkbox": _checkbox,
    "tag": _tag,
}


def _property(title: str, kind: str, **limits: Any) -> dict[str, Any]:
    core = {"$ref": f"#/definitions/{kind}"}
    return {"allOf": [core], "title": title, "description": title, **limits}


def _complaint(version: int, **more: Property) -> Schema:
    properties = {
        "subject_text": _property("Subject", "text", minLength=0, maxLength=100),
        "story_longtext": _property("Story", "longtext", minLength=0, maxLength=1000),
        "page_url": _property("Page", "url", minLength=0, maxLength=200),
        "order_identifier": _property("Order", "identifier", minLength=1, maxLength=30),
        "severity_enum": _property("Severity", "enum", enum=["Low", "Medium", "High"]),
        "seen_date": _property("Seen on", "date"),
        "call_back_datetime": _property("Call back at", "datetime"),
        "items_integer": _property("Items", "integer", minimum=0, maximum=1000),
        "amount_number": _property("Amount", "number", minimum=0, maximum=1_000_000),
        "urgent_checkbox": _property("Urgent", "checkbox"),
        "labels_tag": _property("Labels", "tag", items={"minLength": 1, "maxLength": 20}, minItems=0, maxItems=5, uniqueItems=True),
        **more,
    }  # fmt: skip
    return Schema(seeded_id("schema", "Complaint fields"), "Complaint fields", version, properties)


COMPLAINT = _complaint(2)
SCHEMAS: dict[str, tuple[Schema, ...]] = {
    COMPLAINT.id: (
        _complaint(1, severity_enum=_property("Severity", "enum", enum=["Low", "High"])),
        COMPLAINT,
    )
}
"""All versions of each schema, oldest first."""
