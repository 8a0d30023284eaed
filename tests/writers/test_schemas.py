"""Each schema ships, is itself valid, and refuses what does not fit."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from importer.schemas import NAMES, schema

COUNTS = {"read": 0} | dict.fromkeys(
    ("created", "existing", "failed", "unknown", "not_sent", "invalid", "duplicate", "skipped"), 0
)
RUN: dict[str, Any] = {
    "schema": "importer.run/1", "run": "r", "plan": "p", "counts": COUNTS, "reports": {"results_xlsx": "/x"},
    "exit_code": 0, "seconds": 1.5,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_valid_and_says_its_name(name: str) -> None:
    """A schema is a schema, and its `schema` member is the name it is found by."""
    found = schema(name)
    Draft202012Validator.check_schema(found)
    assert found["properties"]["schema"] == {"const": name}


def test_schema_of_a_run_counts_every_outcome() -> None:
    """A run object without one of the counts, or with a count too many, does not fit."""
    validator = Draft202012Validator(schema("importer.run/1"))
    validator.validate(RUN)
    assert not validator.is_valid(RUN | {"counts": {**COUNTS, "ready": 0}})
    assert not validator.is_valid(RUN | {"counts": {"read": 0}})


def test_schema_of_resume_holds_runs() -> None:
    """Each element of `runs` is a run object; none is fine."""
    validator = Draft202012Validator(schema("importer.resume/1"))
    validator.validate({"schema": "importer.resume/1", "runs": [RUN], "exit_code": 0})
    validator.validate({"schema": "importer.resume/1", "runs": [], "exit_code": 0})
    assert not validator.is_valid({"schema": "importer.resume/1", "runs": [{}], "exit_code": 0})
