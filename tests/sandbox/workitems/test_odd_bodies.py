"""Bodies that nobody should send: whatever they are, the platform answers with one of its bodies."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importer.sandbox.api import Credentials
from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import Scenario
from importer.sandbox.service import Service
from importer.sandbox.workitems import checks, query, routes
from importer.sandbox.workitems.worktypes import CASE, COMPLAINT_TYPE
from importer.sandbox.world import Identity, World

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5))
IDS = st.sampled_from([CASE.id, COMPLAINT_TYPE.id, CASE.workbin.id, "nope", ""])
VALUES = st.recursive(
    st.one_of(SCALARS, IDS, st.sampled_from(["2027-02-01T00:00:00Z", "typeId", "externalTag", "EQ", "IN", "String"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)
CUSTOM = st.dictionaries(st.sampled_from(sorted(COMPLAINT_TYPE.schema.properties)), VALUES, max_size=3)  # type: ignore[union-attr]
WORKITEMS = st.fixed_dictionaries(
    {"name": st.just("Something") | VALUES, "typeId": IDS},
    optional={**{key: VALUES for key in checks.SINGLE if key not in ("name", "typeId")}, "customFields": CUSTOM},
)
FILTER = st.fixed_dictionaries(
    {
        "name": st.sampled_from(
            [*sorted(query.WORKITEM_NAMES), "customFields.items_integer", "customFields.labels_tag"]
        ),
        "type": st.sampled_from(["String", "Int", 1, None]),
        "operator": st.sampled_from([*query.OPERATORS, [], None]),
        "values": st.lists(st.text(max_size=3) | st.sampled_from(["1", CASE.id]) | VALUES, max_size=3) | VALUES,
    }
)
NEARLY_RIGHT = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["customFields.items_integer", "customFields.labels_tag", "priority", "dateDue"]),
        "type": st.just("String"),
        "operator": st.sampled_from(query.OPERATORS),
        "values": st.lists(st.sampled_from(["1", "2", "a"]), min_size=1, max_size=2),
    }
)
NEARLY_LISTS = st.lists(st.sampled_from(["type", "name", []]), max_size=2)
EQ_TYPE = {"name": "typeId", "type": "String", "operator": "EQ", "values": [COMPLAINT_TYPE.id]}
RIGHT: dict[str, Any] = {"filters": [EQ_TYPE], "pageSize": 10, "pageNumber": 1}


def one_odd(odd: dict[str, Any]) -> dict[str, Any]:
    """A query that is right but for this."""
    return {**RIGHT, **odd}


QUERIES = st.one_of(
    st.lists(NEARLY_RIGHT | FILTER | VALUES, max_size=2).map(lambda some: one_odd({"filters": [EQ_TYPE, *some]})),
    st.fixed_dictionaries({}, optional={"expands": NEARLY_LISTS, "attributes": NEARLY_LISTS}).map(one_odd),
    st.fixed_dictionaries({"sort": st.fixed_dictionaries({"name": st.sampled_from(["dateDue", "priority", []])})}).map(
        one_odd
    ),
    st.sampled_from(
        ["filters", "pageSize", "after", "expands", "attributes", "select", "sort", "queryFilters", "dateIntervalStart"]
    ).flatmap(lambda key: VALUES.map(lambda value: one_odd({key: value}))),
)
NOW = 1_800_000_000.0


def service() -> Service:
    """A sandbox without a socket that has two workitems, one with custom fields and a due date."""
    made = Service(World(Identity.seeded(7), Scenario()), Credentials("client", "secret"), HandClock(NOW))
    platform = made.platform
    fields: dict[str, Any] = {"items_integer": 3, "labels_tag": ["a"], "severity_enum": "Low"}
    for sent in ({"typeId": CASE.id}, {"typeId": COMPLAINT_TYPE.id, "customFields": fields}):
        known = checks.shaped({"name": "Something", "externalTag": "E", **sent}, checks.SINGLE, NOW - 60, platform)
        platform.world.create(checks.completed(known, platform, NOW - 60), NOW - 60, routed=False)
    return made


SERVICE = service()
DOOR, PLATFORM = SERVICE.door, SERVICE.platform
WORKITEM = next(iter(PLATFORM.world.workitems))


def answered(method: str, path: str, body: Any) -> int:
    """The status of an answer that has the form of the platform's."""
    found = DOOR.find(method, f"/api/v2/taskmanagement/{path}")
    assert isinstance(found, routes.Found)
    headers = {"Authorization": "Bearer x", "Content-Type": "application/json"}
    answer = DOOR.answer(found, {}, headers, json.dumps(body).encode(), NOW, known=True)
    told = json.loads(answer.body)
    assert answer.status < 500
    assert answer.status < 300 or (told["status"], told["code"] != "") == (answer.status, True)
    return answer.status


FEW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FEW
@given(WORKITEMS | VALUES)
def test_any_create_is_answered(body: Any) -> None:
    """A create of anything is done or refused."""
    answered("POST", "workitems", body)


@FEW
@given(WORKITEMS | VALUES)
def test_any_patch_is_answered(body: Any) -> None:
    """So is a change to anything."""
    answered("PATCH", f"workitems/{WORKITEM}", body)


@FEW
@given(st.lists(WORKITEMS | VALUES, max_size=3).map(lambda entities: {"entities": entities}) | VALUES)
def test_any_bulk_job_is_answered(body: Any) -> None:
    """So is a job of anything, and where it can be made it can be run."""
    if answered("POST", "workitems/bulk/add/jobs", body) == 201:
        job = next(reversed(PLATFORM.world.bulk_jobs))
        answered("PATCH", f"workitems/bulk/add/jobs/{job}", {"state": "Queued"})


@FEW
@given(QUERIES | VALUES)
def test_any_query_is_answered(body: Any) -> None:
    """So are queries of workitems, worktypes and workbins by anything."""
    for path in ("workitems/query", "worktypes/query", "workbins/query"):
        answered("POST", path, body)


@FEW
@given(QUERIES | VALUES)
def test_any_query_job_is_answered(body: Any) -> None:
    """So is a query job, results and all."""
    if answered("POST", "workitems/query/jobs", body) == 200:
        job_id = next(reversed(PLATFORM.world.query_jobs))
        PLATFORM.world.query_jobs[job_id] = replace(PLATFORM.world.query_jobs[job_id], starts_at=0.0, ends_at=NOW)
        assert answered("GET", f"workitems/query/jobs/{job_id}/results", {}) == 200
