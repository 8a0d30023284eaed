"""Task requests that come as JSON, judged like rows of a spreadsheet, by the same code."""

from collections.abc import Mapping, Sequence
from typing import Any

from importer.core.columns import ATTRIBUTE_PREFIXES, Header, columns_of, match_headings
from importer.core.findings import Severity
from importer.core.limits import Limits
from importer.core.mapping import Mapping as ColumnMapping
from importer.core.plan import findings_record
from importer.core.rows import Line, Row
from importer.core.shape import Shaper
from importer.core.task import request_type
from importer.core.verdicts import Judged, Seen, Verdict, judge_shape
from importer.flow.facts import Lookups

WIRE: dict[str, str] = {"externalId": "external_id", "queueId": "queue"}
"""The founding document's spellings."""
REPEATS = frozenset({"D401", "D402", "D403"})
RESERVED = frozenset({"externalId", "source", "createdAt", "importRun"})
KNOWN = frozenset({*WIRE, "attributes", "state", "routingData", "customAttributes"})
"""What a request may have besides the target's fields."""


class MalformedRequest(ValueError):
    """The body is not what was asked for; the text says what is wrong."""


async def judged(bodies: Sequence[Any], lookups: Lookups, limits: Limits) -> list[dict[str, Any]]:
    """The answer for each request, in order. Raises MalformedRequest, NotAuthorised, TargetDown."""
    seen = Seen()
    rows: list[tuple[Judged, Shaper]] = []
    for number, body in enumerate(bodies, 1):
        fields, attributes = _read(body, limits, number)
        shaper, row = _as_row(fields, attributes, limits, number)
        rows.append((judge_shape(shaper(row), seen, shaper), shaper))
    facts = await lookups.facts([shaped for shaped, _ in rows])
    return [_answer(lookups.judged(shaped, facts, shaper)) for shaped, shaper in rows]


def _read(body: Any, limits: Limits, number: int) -> tuple[dict[str, str], dict[str, str]]:
    """The fields and attributes of one request, as the texts that a spreadsheet would show."""
    if not isinstance(body, dict):
        raise MalformedRequest(f"request {number} is not an object")
    unknown = [name for name in body if name not in KNOWN and name not in limits.fields]
    if unknown:
        raise MalformedRequest(f"request {number} has unknown fields: {', '.join(unknown[:8])}")
    fields: dict[str, Any] = {WIRE.get(str(name), str(name)): value for name, value in body.items()}
    wire = _table(fields.pop("customAttributes", {}), number, "customAttributes")
    fields |= {
        WIRE.get(n, n): value for n, value in _table(fields.pop("routingData", {}), number, "routingData").items()
    }
    attributes = _table(fields.pop("attributes", {}), number, "attributes")
    attributes |= {name: value for name, value in wire.items() if name not in RESERVED}
    if "externalId" in wire:
        fields.setdefault("external_id", wire["externalId"])
    fields.pop("state", None)
    texts = {name: _text(value, number, name) for name, value in fields.items()}
    return texts, {name: _text(value, number, name) for name, value in attributes.items()}


def _table(value: Any, number: int, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedRequest(f"request {number}: {name} is not an object")
    return dict(value)


def _text(value: Any, number: int, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise MalformedRequest(f"request {number}: {name} is neither a text nor a number")
    return str(value)


def _as_row(
    fields: Mapping[str, str], attributes: Mapping[str, str], limits: Limits, number: int
) -> tuple[Shaper, Row]:
    """A sheet of one row with just the headings that the request has."""
    names = {column.field: column.name for column in columns_of(limits)}
    headings = [*names.values(), *(f"{ATTRIBUTE_PREFIXES[0]} {name}" for name in attributes)]
    cells = [*(fields.get(field, "") for field in names), *attributes.values()]
    header: Header = match_headings(Row(Line(0), headings), ColumnMapping(), limits)
    return Shaper(header, ColumnMapping(), limits), Row(Line(number), cells)


def _answer(judged: Judged) -> dict[str, Any]:
    """`suggestedId` is the task that exists already, or null."""
    findings = findings_record(judged.findings)
    for each in findings:
        each.pop("cell", None)
        each["request"] = each.pop("line", None)
    return {
        "valid": judged.verdict in (Verdict.READY, Verdict.EXISTING),
        "duplicate": any(each.code in REPEATS for each in judged.findings),
        "verdict": judged.verdict.value,
        "warnings": [each.message for each in judged.findings if each.severity is Severity.WARNING],
        "suggestedId": judged.task_id,
        "findings": findings,
    }


def schema(limits: Limits) -> dict[str, Any]:
    """The JSON Schema of what POST /api/preview takes; `$defs` also describes what it gives."""
    from pydantic import TypeAdapter

    request = TypeAdapter(request_type(limits)).json_schema()
    request["title"] = "TaskRequest"
    request["required"] = [column.field for column in columns_of(limits) if column.required]
    request["additionalProperties"] = False
    for column in columns_of(limits):
        request["properties"][column.field]["description"] = column.help
    if limits.priority_default is not None:
        request["properties"]["priority"]["default"] = limits.priority_default
    if limits.types:
        request["properties"]["type"]["default"] = limits.type_default
    text, flag = {"type": "string"}, {"type": "boolean"}
    answer = {
        "type": "object",
        "properties": {
            "valid": flag, "duplicate": flag, "verdict": {"enum": [each.value for each in Verdict]},
            "warnings": {"type": "array", "items": text}, "suggestedId": {"type": ["string", "null"]},
            "findings": {"type": "array", "items": {"type": "object"}},
        },
        "required": ["valid", "duplicate", "verdict", "warnings", "suggestedId", "findings"],
    }  # fmt: skip
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What POST /api/preview takes: one task request or a list",
        "oneOf": [{"$ref": "#/$defs/TaskRequest"}, {"type": "array", "items": {"$ref": "#/$defs/TaskRequest"}}],
        "$defs": {"TaskRequest": request, "Answer": answer},
    }
