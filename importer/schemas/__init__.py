"""JSON Schemas of what the importer prints and writes, by the name in the `schema` member."""

import json
from importlib.resources import files
from typing import Any

NAMES = (
    "importer.check/1",
    "importer.preview/1",
    "importer.run/1",
    "importer.resume/1",
    "importer.reconcile/1",
    "importer.ledger/1",
    "importer.doctor/1",
    "importer.results/1",
    "importer.preview-report/1",
    "importer.fixes/1",
)


def schema(name: str) -> dict[str, Any]:
    """The schema of that name, such as `importer.run/1`. Raises KeyError for one that does not exist."""
    if name not in NAMES:
        raise KeyError(name)
    text = files(__package__).joinpath(name.replace("/", "-") + ".json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
