"""The official SDK's models as JSON Schema, read from their source: importing all 6,600 of them takes seconds.

The SDK is `PureCloudPlatformClientV2`, for tests only. Names of its models get `sdk.` in front, because it may know more
of a model than the definition does. Says what a model's fields are called and of which type; not which must be there.
"""

import ast
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.contract.definition import Json, Operation, Parameter

PREFIX = "sdk."
_TYPES: dict[str, Json] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "datetime": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "object": {},
}


class NotInSdk(LookupError):
    """The SDK has no such model or operation."""


@cache
def folder() -> Path:
    """Where the SDK's sources are."""
    spec = importlib.util.find_spec("PureCloudPlatformClientV2")
    if spec is None or not spec.submodule_search_locations:
        raise NotInSdk("PureCloudPlatformClientV2 is not installed")
    return Path(spec.submodule_search_locations[0])


def operation(method: str, path: str, api: str, codes: dict[str, frozenset[str]], *statuses: str) -> Operation:
    """The operation as the SDK sends it, found in its module `api`; what it succeeds with is given in `statuses`.

    Raises NotInSdk.
    """
    source = _source(f"apis/{api}.py")
    for piece in re.split(r"\n    def ", source)[1:]:
        if f"resource_path = '{path}'." in piece and f"call_api(resource_path, '{method}'" in piece:
            return _operation(method, path, piece, codes, statuses)
    raise NotInSdk(f"{method} {path} is not in {api}")


def models(first: str) -> dict[str, Json]:
    """Schemas of the model and of all that it refers to, by their prefixed names."""
    found: dict[str, Json] = {}
    wanted = [first]
    while wanted:
        name = wanted.pop()
        if PREFIX + name not in found:
            found[PREFIX + name] = _model(name)
            wanted += re.findall(rf"#/\$defs/{re.escape(PREFIX)}(\w+)", str(found[PREFIX + name]))
    return found


def schema(told: str) -> Json:
    """JSON Schema of a type as the SDK writes it: `str`, `list[Limit]`, `dict(str, object)`, `Limit`."""
    if told in _TYPES:
        return dict(_TYPES[told])
    if told.startswith("list["):
        return {"type": "array", "items": schema(told[len("list[") : -1])}
    if told.startswith("dict("):
        return {"type": "object", "additionalProperties": schema(told[len("dict(") : -1].partition(",")[2].strip())}
    return {"$ref": f"#/$defs/{PREFIX}{told}"}


def _operation(
    method: str, path: str, piece: str, codes: dict[str, frozenset[str]], statuses: tuple[str, ...]
) -> Operation:
    told = {name: (kind, rest) for kind, name, rest in re.findall(r":param ([\w\[\], ()]+?) (\w+): ?(.*)", piece)}
    answer = re.search(r"response_type='([^']+)'", piece)
    errors: dict[str, Json | None] = {status: {"$ref": "#/$defs/ErrorBody"} for status in codes}
    return Operation(
        piece.partition("(")[0],
        method,
        path,
        tuple(_parameters(piece, told)),
        schema(told["body"][0]) if "body" in told else None,
        {**{status: schema(answer[1]) if answer else None for status in statuses}, **errors},
        codes,
    )


def _parameters(piece: str, told: dict[str, tuple[str, str]]) -> Iterator[Parameter]:
    for place, name, variable in re.findall(r"(query|path)_params\['(\w+)'\] = params\['(\w+)'\]", piece):
        kind, rest = told[variable]
        many = kind.startswith("list[")
        of_one = schema(kind[len("list[") : -1] if many else kind)
        yield Parameter(name, place, of_one, "(required)" in rest, many)


def _model(name: str) -> Json:
    tree = ast.parse(_source(f"models/{_modules()[name]}.py"))
    (made,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    tables: dict[str, dict[str, str]] = {}
    allowed: dict[str, list[str]] = {}
    for function in (node for node in made.body if isinstance(node, ast.FunctionDef)):
        for node in ast.walk(function):
            if not isinstance(node, ast.Assign):
                continue
            target = node.targets[0]
            if isinstance(target, ast.Attribute) and target.attr in ("swagger_types", "attribute_map"):
                tables[target.attr] = ast.literal_eval(node.value)
            elif isinstance(target, ast.Name) and target.id == "allowed_values":
                allowed[function.name] = ast.literal_eval(node.value)
    properties = {
        tables["attribute_map"][field]: schema(told)
        | ({"enum": allowed[field]} if field in allowed and told == "str" else {})
        for field, told in tables["swagger_types"].items()
    }
    return {"type": "object", "properties": properties}


@cache
def _modules() -> dict[str, str]:
    """Module of each model by the name of its class."""
    found = re.findall(r"^from \.(\w+) import (\w+)", _source("models/__init__.py"), re.MULTILINE)
    if not found:
        raise NotInSdk("the SDK has no models")
    return {name: module for module, name in found}


@cache
def _source(path: str) -> str:
    try:
        return (folder() / path).read_text("utf-8")
    except FileNotFoundError as missing:
        raise NotInSdk(path) from missing
