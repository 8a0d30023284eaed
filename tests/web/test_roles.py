"""Every route × every role: who is let in, and what everybody else is told."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from importer.sandbox.scenario import Limit, Scenario
from importer.sandbox.server import Sandbox
from importer.web.route import PUBLIC, Role, Route
from importer.web.routes import ROUTES
from tests.web import house
from tests.web.rooms import ALL

TOGETHER = pytest.mark.asyncio(loop_scope="module")

ROLES: tuple[Role | None, ...] = (None, *Role)
CELLS = [(route, role) for route in ALL for role in ROLES if not route.path.startswith("/t/flood")]


@dataclass(frozen=True, slots=True)
class Crowd:
    """A page, the link of somebody of each role, and the cookie of their session."""

    page: house.Page
    tokens: dict[Role, str]
    cookies: dict[Role, str]

    async def cookie(self, role: Role | None, route: Route) -> str:
        """A session of its own where the route ends it."""
        if role is None:
            return ""
        return await self.page.log_in(self.tokens[role]) if route.path == "/logout" else self.cookies[role]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crowd(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crowd]:
    """One page for all cells of the table."""
    async with (
        Sandbox(Scenario(limit=Limit(calls=0))) as sandbox,
        house.opened(tmp_path_factory.mktemp("page"), routes=ALL, identity="token", sandbox=sandbox) as page,
    ):
        book = page.room.people.book
        tokens = {role: book.add(role, [role], link=True) for role in Role}
        cookies = {role: await page.log_in(token) for role, token in tokens.items()}
        yield Crowd(page, tokens, cookies)


def named(value: object) -> str:
    """A cell's name in the list of tests."""
    return f"{value.method} {value.path}" if isinstance(value, Route) else str(value or "anonymous")


async def asked(crowd: Crowd, route: Route, cookie: str) -> tuple[int, str]:
    """The status, and the text unless it is a stream that does not end."""
    page, path = crowd.page, re.sub(r"\{[^}]*\}", "x", route.path)
    csrf = {"csrf": page.csrf(cookie)} if cookie else {}
    body = {} if route.method == "GET" else {"json": {}} if route.kind == "json" else {"data": csrf}
    headers = {"Origin": page.base, "Cookie": cookie, "X-CSRF-Token": csrf.get("csrf", "")}
    if route.multipart:
        boundary = "multipart/form-data; boundary=b"
        field = f'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{csrf.get("csrf", "")}\r\n--b--\r\n'
        headers, body = {**headers, "Content-Type": boundary}, {"data": field}  # type: ignore[dict-item]
    async with page.session.request(
        route.method,
        page.base + path,
        headers=headers,
        allow_redirects=False,
        **body,  # type: ignore[arg-type]
    ) as answer:
        return answer.status, "" if answer.content_type == "text/event-stream" else await answer.text(errors="replace")


@TOGETHER
@pytest.mark.parametrize(("route", "role"), CELLS, ids=named)
async def test_route_lets_in_its_roles_alone(crowd: Crowd, route: Route, role: Role | None) -> None:
    """Nobody gets past 401 unknown, or past 403 without one of the route's roles; who has one is not stopped at the door."""
    status, text = await asked(crowd, route, await crowd.cookie(role, route))
    if route.roles is PUBLIC:
        assert status != 403 or route.path == "/login"
    elif role is None:
        assert status == 401
        assert "not logged in" in text
    elif role not in route.roles:
        assert status == 403
        assert all(each in text for each in route.roles)
    else:
        assert status not in (401, 403)


def test_routes_are_public_by_name_alone() -> None:
    """What anybody may ask for is a short list that is written down here."""
    public = {(route.method, route.path) for route in ROUTES if route.roles is PUBLIC}
    assert public == {
        ("GET", "/login"), ("POST", "/login"), ("GET", "/static/{name:.+}"), ("GET", "/favicon.ico"), ("GET", "/healthz"),
    }  # fmt: skip


def test_routes_that_need_no_log_in_here_have_no_side_effects() -> None:
    """In one-person mode programs of this machine may ask for verdicts, their description and numbers, and for nothing else."""
    assert {route.path for route in ROUTES if route.local} == {
        "/api/preview", "/api/schema", "/api/openapi.json", "/metrics",
    }  # fmt: skip


@TOGETHER
async def test_what_is_in_no_table_is_not_there(crowd: Crowd) -> None:
    """Any other path is 404, whoever asks; another method is 405 and says which is right."""
    for cookie in ("", *crowd.cookies.values()):
        assert (await crowd.page.ask("GET", "/admin", cookie)).status == 404
        assert (await crowd.page.ask("DELETE", "/healthz", cookie)).status == 405
    assert "GET" in (await crowd.page.ask("PUT", "/healthz")).headers["Allow"]


@TOGETHER
async def test_roles_change_at_once(crowd: Crowd) -> None:
    """Whoever is revoked and named anew with another role is out, and comes in again as what they are now."""
    book = crowd.page.room.people.book
    cookie = await crowd.page.comes(Role.APPROVER, name="Ada")
    assert (await crowd.page.ask("GET", "/t/approvers", cookie)).status == 200
    book.revoke("ada")
    assert (await crowd.page.ask("GET", "/t/approvers", cookie)).status == 401
    again = await crowd.page.comes(Role.PREPARER, name="Ada")
    assert (await crowd.page.ask("GET", "/t/approvers", again)).status == 403
