"""The tightened definition: schemas of every model for requests and for answers, with the rules laid over them.

Judges values, not conversations. With no rules it is the definition as it is.
"""

import copy
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from tests.contract import definition, missing
from tests.contract.definition import Json, Operation, Side
from tests.contract.rules import ABSENT, ADDED, ADDED_VALUES, RULES, Everywhere, Rule

SIDES: tuple[Side, ...] = ("request", "answer")
# Subscriptions are the one body that is a bare list.
TOPICS = {"type": "object", "properties": {"topics": {"type": "array", "items": {"$ref": "#/$defs/ChannelTopic"}}}}
# The definition's own, with a name because it is not known what the platform makes of a null in a request.
NULL = "null is no value"
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?Z")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a value: where in it (a JSON pointer), the words, and the rule, if it is not the definition itself."""

    where: str
    what: str
    rule: str = ""


class Tightened:
    """Schemas of all models under some rules, by side. Times are judged as of `now`, in UTC; without it, they are not."""

    def __init__(self, rules: Sequence[Rule | Everywhere] = RULES) -> None:
        self.now: datetime | None = None
        self._everywhere = [rule for rule in rules if isinstance(rule, Everywhere)]
        self._at: dict[str, list[tuple[str, Rule]]] = {}
        for rule in (rule for rule in rules if isinstance(rule, Rule)):
            for model, path in (split(place) for place in rule.at):
                self._at.setdefault(model, []).append((path, rule))
        # The rule of each schema that it brought, or changed: by the schema's identity and, where it changed it, the keyword.
        self._by: dict[tuple[int, str], str] = {}
        self._models: dict[tuple[Side, str], Json] = {}
        self._validators: dict[tuple[Side, str], Any] = {}
        self._made = extend(Draft202012Validator, self._keywords())  # type: ignore[no-untyped-call] # of the stubs

    def faults(self, side: Side, schema: Json, value: Any, now: datetime | None = None) -> list[Fault]:
        """All that is wrong with a value of a request or an answer; `schema` may refer to models."""
        self.now = now
        found = self._validator(side, schema).iter_errors(value)
        return sorted({self._fault(error) for error in found}, key=lambda fault: (fault.where, fault.what))

    def model(self, side: Side, name: str) -> Json:
        """The schema of a model, with all rules of that side; KeyError where there is none of that name."""
        if (side, name) not in self._models:
            self._models[side, name] = model = json.loads(untightened()[name])
            for path, rule in self._at.get(name, ()):
                if rule.side in (None, side):
                    self._must(_node(model, path), rule)
            for everywhere in self._everywhere:
                if everywhere.side in (None, side):
                    self._lay(everywhere, model)
        return self._models[side, name]

    def _validator(self, side: Side, schema: Json) -> Any:
        key = (side, str(schema))
        if key not in self._validators:
            found: dict[str, Json] = {}
            wanted = referred(schema)
            while wanted:
                name = wanted.pop()
                if name not in found:
                    found[name] = self.model(side, name)
                    wanted |= referred(found[name])
            self._validators[key] = self._made(schema | {"$defs": found})
        return self._validators[key]

    def _lay(self, rule: Everywhere, model: Json) -> None:
        for node in list(_nodes(model)):
            if all(name in node and value in (ABSENT, node[name]) for name, value in rule.where.items()):
                self._must(node, rule)

    def _must(self, node: Json, rule: Rule | Everywhere) -> None:
        if isinstance(rule, Everywhere) and "additionalProperties" in rule.must:
            # Only beside `properties` does it know them.
            if "additionalProperties" not in node:
                node.update(rule.must)
                self._by[id(node), "additionalProperties"] = rule.name
            return
        must = copy.deepcopy(rule.must)
        node.setdefault("allOf", []).append(must)
        self._by |= {(id(part), ""): rule.name for part in _parts(must)}

    def _fault(self, error: ValidationError) -> Fault:
        pointer = "".join(f"/{each}" for each in error.absolute_path)
        rule = self._by.get((id(error.schema), str(error.validator))) or self._by.get((id(error.schema), ""), "")
        if error.validator in ("type", "enum") and error.instance is None:
            rule = NULL
        message = error.message if len(error.message) <= 200 else f"{error.message[:200]}…"
        return Fault(pointer, message, rule)

    def _keywords(self) -> dict[str, Callable[..., Iterator[ValidationError]]]:
        return {
            "moment": _moment,
            "interval": _interval,
            "spansDays": _spans,
            "zoned": _zoned,
            "uniqueBy": _unique_by,
            "covers": _covers,
            "beforeTtl": _before_ttl,
            "daysAhead": self._days_ahead,
            "hoursAhead": self._hours_ahead,
        }

    def _days_ahead(self, _: Any, days: int, value: Any, schema: Json) -> Iterator[ValidationError]:
        at = _at(value)
        if self.now is not None and at is not None and at > self.now + timedelta(days=days):
            yield ValidationError(f"{value!r} is more than {days} days ahead of {self.now:%Y-%m-%dT%H:%M:%SZ}")

    def _hours_ahead(self, _: Any, hours: int, value: Any, schema: Json) -> Iterator[ValidationError]:
        at = _at(value)
        # A second of grace: a request takes time to arrive.
        if self.now is not None and at is not None and at < self.now + timedelta(hours=hours, seconds=-1):
            yield ValidationError(f"{value!r} is not {hours} h ahead of {self.now:%Y-%m-%dT%H:%M:%SZ}")


def parameters(operation: Operation) -> Json:
    """The parameters of an operation as one object; those that may be repeated are lists."""
    return {
        "type": "object",
        "properties": {
            each.name: {"type": "array", "items": each.schema} if each.many else each.schema
            for each in operation.parameters
        },
        "required": [each.name for each in operation.parameters if each.required],
    }


def referred(schema: Json) -> set[str]:
    """Models that a schema refers to."""
    found = {schema["$ref"].removeprefix("#/$defs/")} if "$ref" in schema else set()
    return found.union(*(referred(part) for part in _parts(schema) if part is not schema and "$ref" in part))


@cache
def untightened() -> dict[str, str]:
    """Every model as the definition or the SDK has it, as JSON: text, so that nobody changes it for all."""
    models: dict[str, Json] = {
        name: definition.schema(each) for name, each in definition.document()["definitions"].items()
    }
    models |= missing.models()
    models |= {f"?{operation.id}": parameters(operation) for operation in missing.both()}
    models |= {"?body": TOPICS, "error": {"$ref": "#/$defs/ErrorBody"}}
    models = json.loads(json.dumps(models))
    _add(models)
    return {name: json.dumps(model) for name, model in models.items()}


def _add(models: dict[str, Json]) -> None:
    for place, schema in ADDED.items():
        model, _, name = place.partition(".")
        models[model]["properties"][name] = dict(schema)
    for place, values in ADDED_VALUES.items():
        model, _, name = place.partition(".")
        models[model]["properties"][name]["enum"] += values


def split(place: str) -> tuple[str, str]:
    """Model and path of a place; KeyError where there is no such model."""
    if place in untightened():
        return place, ""
    model, _, path = place.rpartition(".")
    if model not in untightened():
        raise KeyError(place)
    return model, path


def _node(model: Json, path: str) -> Json:
    """The schema at a path in a model; KeyError where there is none."""
    node = model["properties"][path.removesuffix("[]")] if path else model
    found: Json = node["items"] if path.endswith("[]") else node
    return found


def _nodes(node: Any) -> Iterator[Json]:
    if not isinstance(node, dict):
        return
    yield node
    for each in node.get("properties", {}).values():
        yield from _nodes(each)
    yield from _nodes(node.get("items"))
    yield from _nodes(node.get("additionalProperties"))


def _parts(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _parts(each)


def _at(value: Any) -> datetime | None:
    """The moment of a date-time or of epoch seconds; None for what is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return datetime.fromtimestamp(min(max(value, 0), 32_503_680_000), UTC)
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def _moment(_: Any, __: bool, value: Any, schema: Json) -> Iterator[ValidationError]:
    if isinstance(value, str) and _at(value) is None:
        yield ValidationError(f"{value!r} is not a date-time like 2026-12-18T00:00:00.000Z")


def _interval(_: Any, __: bool, value: Any, schema: Json) -> Iterator[ValidationError]:
    ends = _ends(value)
    if isinstance(value, str) and (ends is None or not ends[0] < ends[1]):
        yield ValidationError(f"{value!r} is not an interval start/end")


def _spans(_: Any, days: int, value: Any, schema: Json) -> Iterator[ValidationError]:
    ends = _ends(value)
    if ends is not None and ends[1] - ends[0] > timedelta(days=days):
        yield ValidationError(f"{value!r} is longer than {days} days")


def _zoned(_: Any, __: bool, value: Any, schema: Json) -> Iterator[ValidationError]:
    if isinstance(value, str) and _ends(value) and not all(_at(each) for each in value.split("/")):
        yield ValidationError(f"{value!r} is not written like 2026-12-18T00:00:00Z/2026-12-19T00:00:00Z")


def _ends(value: Any) -> tuple[datetime, datetime] | None:
    """Both ends of an interval in any ISO-8601, in UTC where it says no zone; None for what is none."""
    if not isinstance(value, str) or value.count("/") != 1:
        return None
    try:
        start, end = (datetime.fromisoformat(each) for each in value.split("/"))
    except ValueError:
        return None
    return start.replace(tzinfo=start.tzinfo or UTC), end.replace(tzinfo=end.tzinfo or UTC)


def _unique_by(_: Any, name: str, value: Any, schema: Json) -> Iterator[ValidationError]:
    if isinstance(value, list):
        keys = [str(each.get(name)) for each in value if isinstance(each, dict)]
        if len(set(keys)) < len(keys):
            yield ValidationError(f"{name} is there twice")


def _covers(_: Any, names: list[str], value: Any, schema: Json) -> Iterator[ValidationError]:
    all_of_it, part = (value.get(name) or [] for name in names) if isinstance(value, dict) else ([], [])
    if (
        isinstance(all_of_it, list)
        and isinstance(part, list)
        and all_of_it
        and not all(each in all_of_it for each in part)
    ):
        yield ValidationError(f"{names[1]} are not all among the {names[0]}")


def _before_ttl(_: Any, names: list[str], value: Any, schema: Json) -> Iterator[ValidationError]:
    end = _at(value.get("ttl")) if isinstance(value, dict) else None
    for name in names if end is not None else ():
        at = _at(value.get(name))
        if at is not None and end is not None and at >= end:
            yield ValidationError(f"{name} {value[name]} is not before ttl, {end:%Y-%m-%dT%H:%M:%SZ}")
