"""Addresses: whatever stands in a path of the table of routes, nothing but what is ours by its whole ID is found; and read-only by role."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from yarl import URL

from importer.core.approval import Person
from importer.sandbox.scenario import Limit, Scenario
from importer.sandbox.server import Sandbox
from importer.web.route import PUBLIC, Role, Route
from importer.web.routes import ROUTES
from tests.web import house

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANNA = Person("anna", "token")
FILE = b"External ID,Queue,Description\nA-1,Billing,one\n"
CANARY = "canary-of-another-folder"
PARAMETER = re.compile(r"\{(\w+)(:[^}]*)?\}")
PARAMETERS = [(route, found[1]) for route in ROUTES for found in PARAMETER.finditer(route.path)]


@dataclass(frozen=True, slots=True)
class Site:
    """A page with a draft, a plan and a run, people of each role, and things of other folders that nobody may reach."""

    page: house.Page
    everybody: str  # the cookie of a person with all roles
    cookies: dict[Role, str]
    draft: str
    plan: str
    run: str
    outside: Path

    def own(self, route: Route, name: str) -> str:
        """What fits where a parameter stands."""
        if route.path.startswith("/imports"):
            return {"id": self.draft, "line": "2", "column": "1"}[name]
        known = {"plan": self.plan, "run": self.run, "id": self.plan, "kind": "preview.json", "name": "look.css"}
        return known[name]

    def hostile(self, own: str) -> Iterator[str]:
        """Segments of a path, coded as they are sent."""
        up, there = "..%2f" * 8, str(self.outside).replace("/", "%2f")
        yield from (f"{there}%2f{name}" for name in ("copied.plan", self.draft, "secret.txt", "plans", "ledger.sqlite"))
        yield from (
            f"{up}{there[3:]}%2fcopied.plan",
            f"{up}etc%2fpasswd",
            "%2fetc%2fpasswd",
            "..%2f",
            "..%5c..%5cx",
            "%2e%2e",
        )
        yield from (
            f"..%2fplans%2f{self.plan}",
            f"..%2f{self.plan}",
            f".%2f{own}",
            f"{own}%2f..%2f{own}",
            f"{own}%2f",
            f"{own}.plan",
        )
        yield from (
            "%00",
            f"{own}%00",
            f"{own}%00.plan",
            f"{own}%0a",
            f"{own}%0d%0aSet-Cookie:%20a=b",
            f"%20{own}",
            f"{own}%20",
        )
        yield from (
            "x" * 300,
            "%C3%BC" * 300,
            "%ff%fe",
            "%ed%a0%80",
            "%E2%80%AE",
            "~",
            "-rf",
            "*",
            "?",
            "%3f",
            "%5b%5d",
            "CON",
            "nul.txt",
        )
        yield from (
            "'%20or%20'1'='1",
            "%27;%20DROP%20TABLE%20rows;%20--",
            "%25",
            "_",
            "%25%25",
            "1e9",
            "-1",
            "9" * 30,
            "%D9%A3",
        )
        yield from (
            own[:-1] or "%25",
            own[:4] if len(own) > 4 else "%25",
            own.upper() + "X",
            f"{own}%2520",
            f"%2561{own[1:]}",
        )
        yield from (
            "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
            "%7B%7B7*7%7D%7D",
            "javascript:alert(1)",
            "http:%2f%2fevil.example%2fx",
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One for all addresses."""
    folder = tmp_path_factory.mktemp("site")
    given: dict[str, Any] = {"identity": "token", "out": str(folder / "out"), "rate": "1000/s", "track": "none"}
    async with (
        Sandbox(Scenario(limit=Limit(calls=0), index_lag_s=0)) as sandbox,
        house.opened(folder / "state", sandbox=sandbox, four_eyes="no", **given) as page,
    ):
        plans = [await planned(page, FILE.replace(b"A-1", name)) for name in (b"A-1", b"A-2")]
        run = await page.room.keeper.start(plans[0][1], ANNA)
        while page.room.keeper.picture(run).standing.is_going_on:  # noqa: ASYNC110 - a person, too, looks again and again
            await asyncio.sleep(0.01)
        outside = folder / "outside"
        shutil.copytree(folder / "state", outside)
        shutil.copytree(outside / "drafts" / plans[1][0], outside / plans[1][0])
        shutil.copy(outside / "plans" / f"{plans[1][1]}.plan", outside / "copied.plan")
        (outside / "secret.txt").write_text(CANARY, "utf-8")
        cookies = {role: await page.comes(role) for role in Role}
        yield Site(page, await page.comes(*Role), cookies, plans[1][0], plans[1][1], run, outside)


async def planned(page: house.Page, data: bytes) -> tuple[str, str]:
    """A draft and the plan that was made of it."""
    drafting = page.room.drafting
    upload = await drafting.new("tasks.csv", ANNA)
    await upload.write(data)
    head = await drafting.preview((await upload.finish()).id)
    return head.id, (await drafting.plan(head.id, head.revision, ANNA)).about.plan


async def asked(site: Site, route: Route, path: str, cookie: str) -> house.Reply:
    """What a route says to a path that is sent as it stands."""
    page = site.page
    headers = {"Origin": page.base, "Cookie": cookie, "X-CSRF-Token": page.csrf(cookie)}
    body: dict[str, Any] = {"data": {"csrf": page.csrf(cookie), "revision": "1"}} if route.method == "POST" else {}
    if route.multipart:
        headers["Content-Type"], body = "multipart/form-data; boundary=b", {"data": b"--b--\r\n"}
    elif route.kind == "json" and route.method == "POST":
        body = {"json": {}}
    url = URL(page.base + path, encoded=True)
    call = page.session.request(route.method, url, headers=headers, allow_redirects=False, **body)
    async with call as answer:
        if answer.content_type == "text/event-stream":
            return house.Reply(answer.status, answer.headers, "")
        return await house.read(answer)


def titled(value: object) -> str:
    """A case's name."""
    return f"{value.method} {value.path}" if isinstance(value, Route) else str(value)


@pytest.mark.parametrize(("route", "name"), PARAMETERS, ids=titled)
async def test_path_finds_nothing_by_anything_but_a_whole_id(site: Site, route: Route, name: str) -> None:
    """Paths, prefixes, NUL, 300 characters and codes in codes: each is not found in words, never a fault or somebody else's file."""
    for text in site.hostile(site.own(route, name)):
        segments = {each[1]: site.own(route, each[1]) for each in PARAMETER.finditer(route.path)} | {name: text}
        path = PARAMETER.sub(lambda found, known=segments: known[found[1]], route.path)  # type: ignore[misc]
        reply = await asked(site, route, path, site.everybody)
        assert reply.status in (400, 404, 405), (path, reply.status)
        assert CANARY not in reply.text, path
        assert "root:" not in reply.text, path
        assert "Set-Cookie" not in reply.headers, path
        assert "<script>alert" not in reply.text or reply.headers["Content-Type"].startswith("application/json"), path
        assert str(site.outside) not in reply.text or str(site.outside) in path.replace("%2f", "/"), path


@pytest.mark.parametrize("other", ["draft", "plan", "run"])
@pytest.mark.parametrize(("route", "name"), PARAMETERS, ids=titled)
async def test_id_of_something_else_finds_nothing(site: Site, route: Route, name: str, other: str) -> None:
    """The ID of a run is no plan's, that of a plan is no draft's, and so on."""
    text = getattr(site, other)
    if text == site.own(route, name) or (route.path.startswith("/downloads") and name == "id"):
        return  # its own
    segments = {each[1]: site.own(route, each[1]) for each in PARAMETER.finditer(route.path)} | {name: text}
    path = PARAMETER.sub(lambda found: segments[found[1]], route.path)
    assert (await asked(site, route, path, site.everybody)).status in (400, 404)


@pytest.mark.parametrize("kind", ["results.json", "rejects.xlsx", "manifest.json", "preview.json", "plan"])
async def test_download_needs_the_whole_id(site: Site, kind: str) -> None:
    """A beginning of an ID stands for nothing on the page, though on the command line it does."""
    whole = site.plan if kind in ("preview.json", "plan") else site.run
    found = await site.page.ask("GET", f"/downloads/{kind}/{whole}", site.everybody)
    assert (found.status, found.headers["Content-Disposition"].partition(";")[0]) == (200, "attachment")
    assert (await site.page.ask("GET", f"/downloads/{kind}/{whole[:-1]}", site.everybody)).status == 404
    other = site.run if whole == site.plan else site.plan
    assert (await site.page.ask("GET", f"/downloads/{kind}/{other}", site.everybody)).status == 404


QUERIES = ("/", "/imports/new", "/plans/{plan}", "/runs/{run}", "/imports/{id}/rows", "/imports/{id}/sheet", "/imports/{id}/news",
           "/imports/{id}/many", "/imports/{id}/columns", "/imports/{id}/progress", "/imports/{id}/rows/2/1", "/login")  # fmt: skip
NAMES = ("page", "state", "text", "verdict", "code", "column", "line", "fixed", "all", "of", "done", "view", "sheet", "revision", "onward",
         "next", "kind", "old", "new", "tab", "sort")  # fmt: skip


@pytest.mark.parametrize("path", QUERIES)
async def test_query_of_an_address_is_never_a_fault(site: Site, path: str) -> None:
    """Whatever a query holds, the page answers, leads to no other site, and shows it as text."""
    full = path.format(plan=site.plan, run=site.run, id=site.draft)
    texts = ("%00", "%ff", "%ed%a0%80", "-1", "9" * 40, "%D9%A3", "1e9", "x" * 3000, "%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
             "//evil.example", "http://evil.example", "%0d%0aSet-Cookie:a=b", "' OR 1=1 --", "%25%5f*", "view=view=view", "")  # fmt: skip
    for text in texts:
        for query in ("&".join(f"{name}={text.replace(' ', '%20')}" for name in NAMES), text.replace(" ", "%20")):
            reply = await asked(site, Route("GET", path, _nobody, PUBLIC), f"{full}?{query}", site.everybody)
            assert reply.status < 500, (full, query)
            assert "<script>alert" not in reply.text
            assert not re.search(r'(href|action|src)="(http:|//)', reply.text)
            assert reply.headers.get("Location", "/").startswith("/")
            assert not reply.headers.get("Location", "/").startswith("//")
            assert not reply.headers.get("Set-Cookie", "").startswith("a=b")


async def _nobody(_: Any) -> Any:
    raise AssertionError


ONLY_SHOWS = "only shows (--read-only)"
ROLES: tuple[Role | None, ...] = (None, *Role)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def closed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[Role | None, Any]]:
    """A page that only shows, and a cookie for each role."""
    folder = tmp_path_factory.mktemp("closed")
    async with (
        Sandbox(Scenario(limit=Limit(calls=0))) as sandbox,
        house.opened(folder, identity="token", read_only=True, sandbox=sandbox) as page,
    ):
        yield {None: "", **{role: await page.comes(role) for role in Role}, "page": page}  # type: ignore[dict-item]


@pytest.mark.parametrize("role", ROLES, ids=titled)
@pytest.mark.parametrize("route", [each for each in ROUTES if each.method == "POST"], ids=titled)
async def test_read_only_page_changes_nothing_for_anybody(
    closed: dict[Any, Any], route: Route, role: Role | None
) -> None:
    """With --read-only every route that changes the work is 403 for each role, in its words; strangers are still strangers."""
    page, cookie = closed["page"], closed[role]
    site = Site(page, cookie, {}, "x", "x", "x", Path("/"))
    reply = await asked(site, route, PARAMETER.sub("x", route.path), cookie)
    if route.harmless:
        assert ONLY_SHOWS not in reply.text
        if route.path == "/logout" and role is not None:
            closed[role] = await page.comes(role)
    elif role is None:
        assert reply.status == 401
    else:
        assert reply.status == 403
        assert (ONLY_SHOWS in reply.text) is (role in route.roles)  # type: ignore[operator]


async def test_one_person_page_lets_no_stranger_in(tmp_path: Path) -> None:
    """In one-person mode too, a program of this machine without the printed key gets 401 on every route but those that are named."""
    async with house.opened(tmp_path) as page:
        site = Site(page, "", {}, "x", "x", "x", tmp_path)
        closed_ = [route for route in ROUTES if route.roles is not PUBLIC and not route.local]
        assert len(closed_) > 25
        for route in closed_:
            reply = await asked(site, route, PARAMETER.sub("x", route.path), "")
            assert reply.status == 401, route.path
