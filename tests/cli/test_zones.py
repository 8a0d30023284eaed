"""What is written does not depend on the time zone in which the machine stands."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Shell

HEAD = "External ID,Queue,Priority,Type,Description"


def times(value: Any) -> list[datetime]:
    """Every text in a JSON value that is a date with a time."""
    if isinstance(value, dict):
        return [each for inner in value.values() for each in times(inner)]
    if isinstance(value, list):
        return [each for inner in value for each in times(inner)]
    if isinstance(value, str) and len(value) >= 19 and value[10:11] == "T":
        return [datetime.fromisoformat(value)]
    return []


@pytest.mark.parametrize(
    "zone",
    [
        "America/St_Johns",
        *(pytest.param(each, marks=pytest.mark.nightly) for each in ("Pacific/Kiritimati", "EST5EDT,M3.2.0,M11.1.0")),
    ],
)
def test_times_in_results_are_utc_in_any_zone(importer: Shell, zone: str) -> None:
    """In zones far from UTC, and in one that changes its hour, every time in results.json and `runs` is aware and says the truth."""
    importer.environment = {"TZ": zone}
    file = importer.file("tasks.csv", HEAD, "E-1,General Inquiry,50,email,a text")
    before = datetime.now(UTC)
    ended = importer("run", file, "--sandbox", "--yes", "--track", "created", "--format", "json")
    assert ended.code == 0, ended.err
    found = times(json.loads(Path(ended.json["reports"]["results_json"]).read_text("utf-8")))
    found += times(importer("runs", "--format", "json").json)
    assert len(found) >= 2
    assert all(each.utcoffset() is not None for each in found)
    slack = timedelta(minutes=5)
    assert all(before - slack <= each <= datetime.now(UTC) + slack for each in found)
