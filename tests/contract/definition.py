"""The platform's own definition of the workitems operations, as it is: paths, bodies, parameters and codes, without its prose.

The copy `definition.json` is made by `python -m tests.contract.definition ORIGINAL` of the subset that the facts name in their
sections 0 and 15: the official Swagger 2.0 definition as republished by github.com/api-evangelist/genesys (commit b692e35,
files of 2026-07-23). Loosens and tightens nothing.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

HERE = Path(__file__).parent
COPY = HERE / "definition.json"
ORIGINAL = HERE.parents[2] / "shared" / "genesys" / "workitems-openapi.json"
CODES = "x-inin-error-codes"
PERMISSIONS = "x-inin-requires-permissions"

Json = dict[str, Any]
Side = Literal["request", "answer"]

# What no test reads: prose, and what is the same for every operation.
_PROSE = (
    "description",
    "summary",
    "tags",
    "externalDocs",
    "example",
    "produces",
    "security",
    "x-purecloud-method-name",
)
# Names of these are free: a property may well be called `description`.
_NAMED = ("properties", "paths", "definitions", "responses")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One query or path parameter. `schema` is JSON Schema of one value; `many` means that it may be repeated."""

    name: str
    place: Literal["query", "path"]
    schema: Json
    required: bool = False
    many: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: schemas are JSON Schema; `answers` has None for a status without a body, `codes` those that it lists."""

    id: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    body: Json | None
    answers: dict[str, Json | None]
    codes: dict[str, frozenset[str]]
    permissions: tuple[str, ...] = ()

    def arguments(self, path: str) -> dict[str, str] | None:
        """The path's parameters, decoded; None where it is another operation's."""
        found = _pattern(self.path).fullmatch(path)
        return None if found is None else {name: unquote(value) for name, value in found.groupdict().items()}


@cache
def _pattern(path: str) -> re.Pattern[str]:
    """Matches a whole path, one group for each parameter in it."""
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))


def reduced(original: Json) -> Json:
    """The definition without prose; of each code only its key."""
    kept = {name: original[name] for name in ("swagger", "info", "host", "schemes", "consumes")}
    kept["info"] = {name: original["info"][name] for name in ("title", "version")}
    return kept | {part: _named(original[part]) for part in ("paths", "responses", "definitions")}


def restored(copy: Json) -> Json:
    """A Swagger 2.0 document again, for tools that want a description of each response and know of tokens."""
    login = {
        "type": "oauth2",
        "flow": "implicit",
        "authorizationUrl": "https://login.mypurecloud.com/authorize",
        "scopes": {},
    }
    document: Json = json.loads(json.dumps(copy)) | {
        "produces": ["application/json"],
        "securityDefinitions": {"PureCloud OAuth": login},
        "security": [{"PureCloud OAuth": []}],
    }
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    answers = [answer for operation in operations for answer in operation["responses"].values()]
    for answer in [*answers, *document["responses"].values()]:
        if "$ref" not in answer:
            answer["description"] = ""
    return document


def _named(parts: Json) -> Json:
    return {name: _without_prose(part) for name, part in parts.items()}


def _without_prose(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_prose(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept: Json = {}
    for name, value in node.items():
        if name in _NAMED:
            kept[name] = _named(value)
        elif name == CODES:
            kept[name] = sorted(value)
        elif name not in _PROSE:
            kept[name] = _without_prose(value)
    return kept


@cache
def document() -> Json:
    """The copy; not to be changed."""
    loaded: Json = json.loads(COPY.read_text("utf-8"))
    return loaded


@cache
def operations() -> tuple[Operation, ...]:
    """All operations of the copy; those whose path has no parameters first, so that the first match is the right one."""
    return tuple(sorted(_operations(document()), key=lambda operation: operation.path.count("{")))


def schema(swagger: Json) -> Json:
    """JSON Schema of a Swagger schema; what stands beside a `$ref` counts for nothing, as in Swagger."""
    if "$ref" in swagger:
        return {"$ref": swagger["$ref"].replace("#/definitions/", "#/$defs/")}
    changed: Json = {name: value for name, value in swagger.items() if name != "properties"}
    for name in ("items", "additionalProperties"):
        if isinstance(changed.get(name), dict):
            changed[name] = schema(changed[name])
    if "properties" in swagger:
        changed["properties"] = {name: _property(value) for name, value in swagger["properties"].items()}
    return changed


def _property(swagger: Json) -> Json:
    # Read-only is a matter of the property and not of the definition that it refers to.
    return schema(swagger) | ({"readOnly": True} if swagger.get("readOnly") else {})


def _operations(whole: Json) -> Iterator[Operation]:
    for path, item in whole["paths"].items():
        for method, entry in item.items():
            answers = {status: _resolved(whole, answer) for status, answer in entry["responses"].items()}
            bodies = [schema(each["schema"]) for each in entry["parameters"] if each["in"] == "body"]
            yield Operation(
                entry["operationId"],
                method.upper(),
                path,
                tuple(_parameter(each) for each in entry["parameters"] if each["in"] != "body"),
                bodies[0] if bodies else None,
                {status: schema(each["schema"]) if "schema" in each else None for status, each in answers.items()},
                {status: frozenset(each.get(CODES, ())) for status, each in answers.items()},
                tuple(entry.get(PERMISSIONS, {}).get("permissions", ())),
            )


def _resolved(whole: Json, answer: Json) -> Json:
    resolved: Json = whole["responses"][answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer
    return resolved


def _parameter(entry: Json) -> Parameter:
    many = entry["type"] == "array"
    of_one = entry["items"] if many else entry
    kept = {
        name: of_one[name] for name in ("type", "format", "enum", "pattern", "minimum", "maximum") if name in of_one
    }
    return Parameter(entry["name"], entry["in"], kept, entry["required"], many)


if __name__ == "__main__":
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else ORIGINAL
    text = json.dumps(reduced(json.loads(source.read_text("utf-8"))), separators=(",", ":"), sort_keys=True)
    COPY.write_text(text + "\n", "utf-8")
