"""The wire facts of the `tasks` target, against the sandbox and a server that answers what it is told."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importer.core.errors import TargetDown
from importer.core.outcomes import Created
from importer.sandbox import query
from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import Limit, Scenario
from importer.sandbox.server import Sandbox
from importer.targets.tasks import _queries
from tests.flow.conftest import Office, ids
from tests.targets.conftest import Stands

HOSTILE = [
    "O'Brien",
    "' or 1 eq 1 or 'a' eq '",
    "''",
    "a%27b",
    "a&pageNumber=9",
    "a+b c#d?e",
    "Größe-ß-日本",
    "x' or id eq 'x",
    "100%",
    "\\'",
]


async def yes() -> bool:
    return True


async def test_tasks_find_hostile_ids_exactly(tmp_path: Path) -> None:
    """Each hostile external ID finds its own task and no other, alone and all at once."""
    hand = HandClock()
    async with Sandbox(Scenario(unique=False, index_lag_s=0, limit=Limit(calls=0)), seed=7, clock=hand) as sandbox:
        office = Office(sandbox, hand, tmp_path)
        run = office.opens(HOSTILE)
        await office.carries_on(run)
        assert office.outcomes(run) == {"created": len(HOSTILE)}
        together = await office.driven(office.target.find([*HOSTILE, "nobody", "' or 'a' eq 'a"]))
        assert {name: [task.external_id for task in found] for name, found in together.items()} == {
            name: [name] for name in HOSTILE
        }
        for name in HOSTILE:
            alone = await office.driven(office.target.find([name]))
            assert list(alone) == [name]
        await office.closes()


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=100)


@settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(texts, st.sampled_from(HOSTILE)), min_size=1, max_size=120))
def test_tasks_queries_say_what_was_asked(values: list[str]) -> None:
    """A parser of the grammar reads back exactly the values, at most 50 terms and 6 kB a query."""
    read: list[str] = []
    for text in _queries("customAttributes.externalId", values):
        terms = query.parse(unquote(text, errors="strict"))
        assert len(terms) <= 50
        assert len(text) <= 6000 or len(terms) == 1
        read += [term.value for term in terms]
    assert read == values


def test_tasks_double_quotes_and_encode_all_in_a_filter() -> None:
    """A quote in an ID is doubled, and all that is no letter, digit or `_.-~` is percent-encoded."""
    (encoded,) = _queries("id", ["O'Brien & 'ß'x"])
    assert re.fullmatch(r"(?:[\w.~-]|%[0-9A-F]{2})+", encoded, re.ASCII)
    assert unquote(encoded) == "id eq 'O''Brien & ''ß''x'"


async def test_tasks_take_no_hit_of_another_id(stands: Stands) -> None:
    """A search that shows a task with another external ID, as one by words would, has not found the one asked for."""

    async def similar(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        tasks = [{"id": f"T-{name}", "customAttributes": {"externalId": name}} for name in ("E-10", "e-1", "E-1 ")]
        return web.json_response({"entities": tasks, "total": 3})

    async with stands(similar) as stand:
        assert await stand.target.find(["E-1"]) == {}


async def test_tasks_look_up_in_batches(stands: Stands) -> None:
    """120 short IDs are three calls; long ones are cut by the bytes of the URL."""

    async def nothing(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return web.json_response({"entities": [], "total": 0})

    async with stands(nothing) as stand:
        await stand.target.find(ids(120))
        assert len(stand.calls()) == 3
        stand.seen.clear()
        await stand.target.find(["ß" * 99 + str(n) for n in range(10)])
        assert max(each.length for each in stand.calls()) < 8000


async def test_tasks_post_the_payload_as_it_is(stands: Stands) -> None:
    """What is sent is the frozen text, byte for byte, with the external ID as the key."""
    payload = '{"description":"Größe, \\"quoted\\"","customAttributes":{"externalId":"E-1"}}'

    async def created(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return web.json_response({"id": "T-1", "state": "new"}, status=200)

    async with stands(created) as stand:
        answer = await stand.target.create(payload, "E-1", yes)
        assert isinstance(answer, Created)
        assert answer.task_id == "T-1"
        (call,) = stand.calls()
        assert call.body == payload.encode()
        assert call.headers["Idempotency-Key"] == "E-1"


async def test_tasks_key_differs_where_the_id_does(stands: Stands) -> None:
    """No two external IDs share an Idempotency-Key, and none breaks the header."""

    async def created(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return web.json_response({"id": "T-1"}, status=201)

    names = [*HOSTILE, "é", quote("é"), "a\tb", "a%09b"]
    async with stands(created) as stand:
        for name in names:
            assert isinstance(await stand.target.create("{}", name, yes), Created)
        assert len({call.headers["Idempotency-Key"] for call in stand.calls()}) == len(names)


def paged(entries: list[dict[str, Any]], totals: bool) -> Any:
    """A server of one list."""

    async def answering(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        number, size = int(request.query["pageNumber"]), int(request.query["pageSize"])
        page: dict[str, Any] = {"entities": entries[(number - 1) * size : number * size]}
        return web.json_response(page | ({"total": len(entries)} if totals else {}))

    return answering


@pytest.mark.parametrize("totals", [True, False])
@pytest.mark.parametrize("number", [0, 1, 24, 25, 26, 50, 60, 1000])
async def test_tasks_page_audits_to_the_true_end(stands: Stands, number: int, totals: bool) -> None:
    """All audit entries come, each once, with no page asked for behind the end that totals tell."""
    entries = [
        {"id": f"A-{n}", "action": "task-update", "timestamp": f"2026-01-01T00:{n // 60:02}:{n % 60:02}Z", "diff": {}}
        for n in range(number)
    ]
    async with stands(paged(entries, totals)) as stand:
        trail = await stand.target.audits("T-1")
        assert [entry.id for entry in trail.entries] == [entry["id"] for entry in entries]
        pages = max(-(-number // 25), 1) if totals else number // 25 + 1
        assert len(stand.calls()) == pages


async def test_tasks_end_a_list_that_never_ends(stands: Stands) -> None:
    """A server that gives the same full page for ever is given up, with the reason."""
    page = json.dumps({"entities": [{"id": f"A-{n}"} for n in range(25)]})

    async def endless(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return web.Response(text=page, content_type="application/json")

    async with stands(endless) as stand:
        with pytest.raises(TargetDown, match="pages"):
            await stand.target.audits("T-1")
        assert len(stand.calls()) <= 1000


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"entities": None},
        {"entities": "none"},
        {"entities": [], "total": 1},
        {"entities": [{"id": "T"}]},
        {"entities": [{"customAttributes": {"externalId": "E-1"}}]},
        [],
    ],
    ids=json.dumps,
)
async def test_tasks_take_no_odd_search_for_not_found(stands: Stands, body: Any) -> None:
    """A search answer that does not say which tasks there are is trouble, never an empty result."""

    async def odd(request: web.BaseRequest, _: bytes) -> web.StreamResponse:
        return web.json_response(body)

    async with stands(odd) as stand:
        with pytest.raises(TargetDown):
            await stand.target.find(["E-1"])
