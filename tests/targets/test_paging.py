"""Lists that come in pages, from servers that count wrongly, repeat themselves or change in between."""

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from importer.core.errors import Unavailable
from tests.targets.conftest import Answering, Stands

Paging = Callable[[int], dict[str, Any]]


def task(number: int) -> dict[str, Any]:
    return {"id": f"T-{number}", "state": "new", "customAttributes": {"externalId": f"E-{number}"}}


def serving(page: Paging) -> Answering:
    """A server that gives what `page` says for a page's number."""

    async def answering(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return web.json_response(page(int(request.query["pageNumber"])))

    return answering


def rows(first: int, last: int) -> list[dict[str, Any]]:
    return [task(number) for number in range(first, last + 1)]


NEVER_WHOLE: dict[str, Paging] = {
    "the same page again": lambda _: {"entities": rows(1, 100), "total": 250},
    "the same page again without a total": lambda _: {"entities": rows(1, 100)},
    "two pages in turn": lambda n: {"entities": rows(1, 100) if n % 2 else rows(101, 200)},
    "an empty page with more to come": lambda n: {"entities": rows(1, 100) if n == 1 else [], "total": 250},
    "nothing with more to come": lambda _: {"entities": [], "total": 3, "pageCount": 1},
}


@pytest.mark.parametrize("page", NEVER_WHOLE.values(), ids=NEVER_WHOLE.keys())
async def test_pages_that_are_not_whole_are_told_as_such(stands: Stands, page: Paging) -> None:
    """A list that repeats or breaks off is incomplete, never taken for all there is; few calls are spent on it."""
    async with stands(serving(page)) as stand:
        with pytest.raises(Unavailable, match="list"):
            await stand.target.find(["E-1", "E-999"])
        assert len(stand.calls()) <= 50


WHOLE: dict[str, tuple[Paging, int]] = {
    "fewer rows a page than asked for": (
        lambda n: {"entities": rows(25 * n - 24, min(25 * n, 60)), "total": 60}, 60,
    ),
    "a total that grows": (lambda n: {"entities": rows(100 * n - 99, 100 * n), "total": 150 if n == 1 else 200}, 200),
    "a total that shrinks": (
        lambda n: {"entities": rows(1, 100) if n == 1 else rows(101, 140), "total": 250 if n == 1 else 140}, 140,
    ),
    "no total and a page that is not full": (lambda n: {"entities": rows(1, 100) if n == 1 else rows(101, 103)}, 103),
    "a total that is too large": (lambda n: {"entities": rows(1, 60) if n == 1 else [], "total": 250}, 60),
    "a total that runs away": (lambda n: {"entities": rows(n, n) if n < 50 else [], "total": n + 1}, 49),
    "a total that is no number": (lambda _: {"entities": rows(1, 3), "total": "3"}, 3),
}  # fmt: skip


@pytest.mark.parametrize(("page", "number"), WHOLE.values(), ids=WHOLE.keys())
async def test_pages_of_a_changing_list_are_all_read(stands: Stands, page: Paging, number: int) -> None:
    """Totals that change and pages smaller than asked for lose nothing: every row comes, once."""
    async with stands(serving(page)) as stand:
        wanted = [f"E-{each}" for each in range(1, 301)]
        found: dict[str, Any] = {}
        for start in range(0, 300, 50):  # as many queries as the target would make of them
            found |= await stand.target.find(wanted[start : start + 50])
    assert sorted(found) == sorted(wanted[:number])
    assert all(len(tasks) == 1 for tasks in found.values())


async def test_pages_of_audits_that_repeat_are_incomplete(stands: Stands) -> None:
    """An audit trail whose pages go round is trouble that is told, and ends after a few calls."""
    entries = [{"id": f"A-{n}", "action": "task-update"} for n in range(25)]
    async with stands(serving(lambda _: {"entities": entries, "total": 60})) as stand:
        with pytest.raises(Unavailable, match="pages"):
            await stand.target.audits("T-1")
        assert len(stand.calls()) == 2
