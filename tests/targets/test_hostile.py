"""Hostile IDs at the target: in the search filter, in paths, in headers."""

from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from importer.sandbox import query
from importer.targets.tasks import _queries
from tests.hostile import hostile
from tests.targets.conftest import Stands

TEXTS = tuple(text for text in hostile(500) if text.encode("utf-8", "ignore").decode() == text)
"""Those that can be sent: half a surrogate pair makes a row invalid long before."""
GRAMMAR = st.lists(
    st.sampled_from(["'", "''", " or ", "id eq ", "customAttributes.externalId eq ", "x", " ", "%27", "\\", "(", ")", "\n", "\0", "é", "&", "#"]),
    min_size=1, max_size=12,
).map("".join)  # fmt: skip


@settings(max_examples=2000, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example("' or 1 eq 1 or 'a' eq '")
@example("O'Brien-7")
@given(st.one_of(st.text(st.characters(codec="utf-8"), min_size=1, max_size=100), GRAMMAR, st.sampled_from(TEXTS)))
def test_filter_matches_exactly_the_id_it_was_made_of(external_id: str) -> None:
    """2,000 IDs: the server's own parser reads one term with that very value, and of tasks all around it finds that one."""
    (encoded,) = _queries("customAttributes.externalId", [external_id])
    assert not set(encoded) & set("&#+?'\" \r\n")
    (term,) = query.parse(unquote(encoded, errors="strict"))
    assert (term.field, term.value) == (query.EXTERNAL_ID, external_id)
    others = {
        external_id + "'",
        "'" + external_id,
        external_id[1:],
        external_id.replace("'", "''"),
        external_id + " ",
        "x",
    }
    assert {other for other in others | {external_id} if other == term.value} == {external_id}


def test_filter_of_all_hostile_ids_together_names_each_once() -> None:
    """500 hostile IDs in batches: no term swallows its neighbour."""
    read = [
        term.value
        for text in _queries("customAttributes.externalId", TEXTS)
        for term in query.parse(unquote(text, errors="strict"))
    ]
    assert read == list(TEXTS)


PATH_IDS = (
    "../x",
    "..",
    ".",
    "a/b",
    "a?b=c",
    "a#b",
    "%2f",
    "%2e%2e%2f",
    "a b",
    "a\r\nX: y",
    "a\0b",
    "ü",
    "//evil.example/x",
    "a;b",
    "@x",
    "\\x",
)


@pytest.mark.parametrize("task_id", PATH_IDS)
async def test_path_holds_an_id_as_one_segment(stands: Stands, task_id: str) -> None:
    """An ID that a server gave stays one segment of the path below /api/v2/tasks/, whatever it holds."""
    raw: list[str] = []

    async def nothing(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        raw.append(request.raw_path)
        return web.json_response({"entities": [], "total": 0} if "query" in request.query else {}, status=200)

    async with stands(nothing) as stand:
        assert await stand.target.states([task_id]) == {}
    path = raw[-1]
    assert path.startswith("/api/v2/tasks/")
    segment = path.removeprefix("/api/v2/tasks/")
    assert segment not in (".", "..", "")
    assert not set(segment) & set("/?#\\ \r\n\0")
    assert unquote(segment).strip() == task_id.strip()


@pytest.mark.parametrize("name", ["../admin", "a&pageNumber=9", "x' or 'a", "a#b", "a\r\nX: y", "%2f", "..", "٣"])
async def test_path_of_a_queue_search_holds_its_name_as_one_value(stands: Stands, name: str) -> None:
    """A queue's name from a cell is the value of one parameter and nothing else."""
    seen: list[Any] = []

    async def nothing(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        seen.append((request.path, dict(request.query)))
        return web.json_response({"entities": [], "total": 0})

    async with stands(nothing) as stand:
        await stand.target.queues([name])
    assert seen[0] == ("/api/v2/queues", {"name": name, "pageNumber": "1", "pageSize": "100"})


async def yes() -> bool:
    return True


async def test_header_of_a_hostile_id_is_one_line_of_ascii(stands: Stands) -> None:
    """The idempotency key of any ID is one printable header; different IDs have different keys."""

    async def fine(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return web.json_response({"id": "T"}, status=201)

    async with stands(fine) as stand:
        for text in TEXTS[:200]:
            await stand.target.create("{}", text, yes)
        keys = [each.headers["Idempotency-Key"] for each in stand.calls()]
    assert len(keys) == 200
    assert all(key.isascii() and key.isprintable() for key in keys)
    assert len(set(keys)) == 200
