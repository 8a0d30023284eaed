"""Identity: who somebody is by a link, by a proxy's word, or because they sit here; and what guessing gives."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from importer import wiring
from importer.core.errors import UsageError
from importer.web.doorbook import DoorBook
from importer.web.house import House
from importer.web.route import Role
from tests.clocks import HandClock
from tests.web import house
from tests.web.rooms import ALL


@pytest.fixture
def clock() -> HandClock:
    """A clock that stands still."""
    return HandClock()


@pytest.fixture
async def page(tmp_path: Path, clock: HandClock) -> AsyncIterator[house.Page]:
    """A page of named links."""
    async with house.opened(tmp_path, routes=ALL, identity="token", clock=clock) as served:
        yield served


async def test_one_person_mode_has_one_person_with_all_roles(tmp_path: Path) -> None:
    """Whoever has the printed address is the login of this process, and may do all; the page says that it cannot prove two."""
    async with house.opened(tmp_path, routes=ALL) as page:
        cookie = await page.log_in()
        text = (await page.ask("GET", "/t/trouble/usage", cookie)).text
        assert (await page.ask("GET", "/t/approvers", cookie)).status == 200
    assert wiring.person().name in text
    assert "cannot prove that two people" in text


async def test_one_person_mode_has_a_new_key_each_start(tmp_path: Path) -> None:
    """The address that was printed yesterday opens nothing today."""
    async with house.opened(tmp_path) as page:
        old = page.room.people.token
    async with house.opened(tmp_path) as page:
        assert page.room.people.token != old
        assert len(old) >= 43
        assert (await page.ask("GET", f"/?token={old}")).status == 401


async def test_session_of_one_person_mode_is_none_of_named_links(tmp_path: Path) -> None:
    """A session with all roles does not survive a change to identities that prove people."""
    async with house.opened(tmp_path, routes=ALL) as page:
        secret = (await page.log_in()).partition("=")[2]
    async with house.opened(tmp_path, routes=ALL, identity="token") as page:
        cookie = f"importer-{page.room.urls.port}={secret}"
        assert (await page.ask("GET", "/t/shown", cookie)).status == 401


async def test_named_link_is_a_person(page: house.Page) -> None:
    """Who comes by a link is its name, known by a token; no two-people warning stands there."""
    cookie = await page.comes(Role.PREPARER, Role.OPERATOR, name="Ada Lovelace")
    text = (await page.ask("GET", "/t/trouble/usage", cookie)).text
    assert "Ada Lovelace" in text
    assert "operator, preparer" in text
    assert "cannot prove" not in text


async def test_every_wrong_token_gets_the_same_answer(page: house.Page) -> None:
    """Nothing tells whether a name exists, was revoked, or only the secret is wrong."""
    book = page.room.people.book
    right = book.add("Ada", [Role.PREPARER], link=True)
    gone = book.add("Bob", [Role.PREPARER], link=True)
    book.revoke("Bob")
    book.add("Cyd", [Role.PREPARER], link=False)
    tokens = [
        right[:-1] + ("A" if right[-1] != "A" else "B"),
        gone,
        "x",
        "",
        ".",
        "a.b.c",
        "x" * 5_000,
        "ä.ö",
        right.partition(".")[0] + ".",
    ]
    answers = [await page.ask("GET", "/login", params={"token": each}) for each in tokens]
    assert {(each.status, each.text, each.cookie) for each in answers} == {(401, answers[0].text, "")}


async def test_every_wrong_token_waits_as_long(tmp_path: Path) -> None:
    """A token of nobody costs as much time as a wrong secret of somebody: both are held until the same moment."""
    import time

    async with house.opened(tmp_path, identity="token", house=House(refusal_s=0.3)) as page:
        right = page.room.people.book.add("Ada", [Role.PREPARER], link=True)
        for token in (right + "x", "nobody.x", "x"):
            began = time.monotonic()
            assert (await page.ask("GET", "/login", params={"token": token})).status == 401
            assert time.monotonic() - began >= 0.3


async def test_guessing_ends_soon(page: house.Page, clock: HandClock) -> None:
    """After ten tokens that were not taken even a right one has to wait a quarter of an hour; who is in stays in."""
    inside = await page.comes(Role.PREPARER)
    token = page.room.people.book.add("Ada", [Role.PREPARER], link=True)
    for _ in range(10):
        assert (await page.ask("GET", "/login?token=x.y")).status == 401
    refused = await page.ask("GET", f"/login?token={token}")
    assert refused.status == 429
    assert refused.headers["Retry-After"] == "901"
    assert (await page.ask("GET", "/t/shown", inside)).status == 200
    clock.turn(901)
    assert (await page.ask("GET", f"/login?token={token}")).status == 303


async def test_guessing_many_at_once_ends_as_soon(page: house.Page) -> None:
    """Tokens that are tried side by side count like those one after the other; right ones do not count."""
    for _ in range(12):
        await page.comes(Role.PREPARER)
    answers = await asyncio.gather(*(page.ask("GET", "/login?token=x.y") for _ in range(20)))
    assert sorted(each.status for each in answers) == [401] * 10 + [429] * 10


async def test_guessing_from_many_addresses_ends_too(tmp_path: Path, clock: HandClock) -> None:
    """All addresses together have a limit of their own."""
    async with house.opened(
        tmp_path, identity="token", clock=clock, house=House(refusal_s=0.0, tries=100, tries_all=3)
    ) as page:
        answers = [(await page.ask("GET", "/login?token=x.y")).status for _ in range(4)]
    assert answers == [401, 401, 401, 429]


async def test_program_comes_by_its_token(page: house.Page) -> None:
    """Routes for programs take `Authorization: Bearer`; pages do not, and a revoked token is none at once."""
    token = page.room.people.book.add("robot", [Role.OPERATOR], link=True)
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await page.ask("GET", "/metrics", headers=bearer)).status == 200
    assert (await page.ask("POST", "/t/json", headers=bearer, json={})).status == 200
    assert (await page.ask("GET", "/t/shown", headers=bearer)).status == 401
    page.room.people.book.revoke("robot")
    assert (await page.ask("GET", "/metrics", headers=bearer)).status == 401


async def test_token_of_broken_characters_is_a_wrong_one(page: house.Page) -> None:
    """Bytes that are no text are answered like any other token that is not taken."""
    assert await house.asked_bare(page, "GET", "/api/schema", "Authorization: Bearer \xff\xfe.x") == 401


async def test_health_is_told_whatever_token_is_sent(page: house.Page) -> None:
    """A monitor that sends a log-in of its own learns that the server lives, and guesses nothing by it."""
    wrong = {"Authorization": "Bearer of.something"}
    answers = [await page.ask("GET", "/healthz", headers=wrong) for _ in range(12)]
    assert {each.status for each in answers} == {200}


async def test_programs_of_this_machine_need_a_token_where_people_do(page: house.Page) -> None:
    """Only in one-person mode may a program ask for verdicts without logging in."""
    assert (await page.ask("GET", "/api/schema")).status == 401
    assert (await page.ask("POST", "/api/preview", json={})).status == 401


async def test_tokens_are_in_no_log(page: house.Page, caplog: pytest.LogCaptureFixture) -> None:
    """Log-ins are told with the name, and neither the link's token nor the session's secret stands in any record."""
    caplog.set_level(logging.DEBUG)
    token = page.room.people.book.add("Ada", [Role.PREPARER], link=True)
    cookie = await page.log_in(token)
    await page.ask("GET", f"/?token={token}x")
    await page.post("/logout", {}, cookie)
    told = " ".join(str(record.__dict__) for record in caplog.records)
    assert "page log-in" in told
    assert "Ada" in told
    for secret in (token, token.partition(".")[2], cookie.partition("=")[2]):
        assert secret not in told


# header


@pytest.fixture
async def proxied(tmp_path: Path) -> AsyncIterator[house.Page]:
    """A page behind a proxy on this machine."""
    async with house.opened(
        tmp_path, routes=ALL, identity="header", trusted="127.0.0.0/24", public_url="https://tasks.example"
    ) as served:
        book = served.room.people.book
        book.add("ada@example.org", [Role.APPROVER], link=False)
        yield served


async def test_proxy_is_believed(proxied: house.Page) -> None:
    """The header of a trusted proxy names the person; the door book says what they may do, whatever the case of the name."""
    ada = {"X-Forwarded-User": "Ada@example.org"}
    answer = await proxied.ask("GET", "/t/trouble/usage", headers=ada)
    assert "ada@example.org" in answer.text
    assert (await proxied.ask("GET", "/t/approvers", headers=ada)).status == 200


async def test_proxy_form_needs_its_field(proxied: house.Page) -> None:
    """Behind a proxy too a form proves that it is ours: the field belongs to the person, and another's is refused."""
    proxied.room.people.book.add("bob", [Role.APPROVER], link=False)
    place = {"Host": "tasks.example", "Origin": "https://tasks.example"}
    ada, bob = ({**place, "X-Forwarded-User": name} for name in ("ada@example.org", "bob"))
    fields = [(await proxied.ask("GET", "/t/field", headers=each)).text for each in (ada, bob)]
    answers = [await proxied.ask("POST", "/t/form", headers=ada, data={"csrf": each}) for each in (*fields, "x", "")]
    assert [each.status for each in answers] == [200, 403, 403, 403]


@pytest.mark.parametrize("name", ["", " ", "bob@example.org", "ada@example.org, root"])
async def test_proxy_names_nobody_known(proxied: house.Page, name: str) -> None:
    """A blank name is nobody; a name that was not added has no role, whatever else it looks like."""
    answer = await proxied.ask("GET", "/t/shown", headers={"X-Forwarded-User": name})
    assert answer.status == (403 if name.strip() else 401)


async def test_proxy_names_two(proxied: house.Page) -> None:
    """Two headers are none: one of them may have come from outside."""
    from multidict import CIMultiDict

    names = CIMultiDict([("X-Forwarded-User", "ada@example.org"), ("X-Forwarded-User", "root")])
    async with proxied.session.get(proxied.base + "/t/shown", headers=names) as answer:
        assert answer.status == 401


async def test_stranger_is_not_believed(tmp_path: Path) -> None:
    """From any other address the header is only a header."""
    async with house.opened(tmp_path, routes=ALL, identity="header", trusted="10.0.0.5") as page:
        page.room.people.book.add("ada", [Role.APPROVER], link=False)
        assert (await page.ask("GET", "/t/shown", headers={"X-Forwarded-User": "ada"})).status == 401


@pytest.mark.parametrize("path", ["/static/look.css", "/favicon.ico", "/healthz"])
async def test_person_without_a_role_gets_what_everybody_gets(proxied: house.Page, path: str) -> None:
    """The page that says so has its style sheet, and a monitor its answer."""
    assert (await proxied.ask("GET", path, headers={"X-Forwarded-User": "bob@example.org"})).status == 200


async def test_proxy_names_somebody_in_broken_characters(proxied: house.Page) -> None:
    """A name that is no UTF-8 is nobody's, and no fault of ours."""
    answer = await house.asked_bare(proxied, "GET", "/t/shown", "X-Forwarded-User: M\xfcller")
    assert answer == 403


async def test_links_are_not_taken_behind_a_proxy(proxied: house.Page) -> None:
    """One way in, not two."""
    token = proxied.room.people.book.add("Bob", [Role.APPROVER], link=True)
    answer = await proxied.ask("GET", f"/login?token={token}")
    assert (answer.status, answer.cookie) == (401, "")


# the door book


@pytest.mark.parametrize("name", ["", "   ", "a\nb" * 60, "a\u202eb", "a\x00b", "x" * 101, "a\u200bb"])
def test_name_that_is_not_what_it_looks_like_is_refused(tmp_path: Path, name: str) -> None:
    """Names go into approvals: nothing in them may hide."""
    with pytest.raises(UsageError):
        DoorBook(tmp_path, HandClock()).add(name, [Role.APPROVER], link=True)


def test_name_is_one_persons(tmp_path: Path) -> None:
    """Two people of one name, in any case, would be one approver; after revoking, the name is free."""
    book = DoorBook(tmp_path, HandClock())
    book.add("Ada", [Role.APPROVER], link=True)
    with pytest.raises(UsageError, match="is there already"):
        book.add("ADA", [Role.PREPARER], link=True)
    book.revoke("ada")
    book.add("ADA", [Role.PREPARER], link=True)
    assert [(each.name, each.roles) for each in book.people()] == [("ADA", frozenset({Role.PREPARER}))]
