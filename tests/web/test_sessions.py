"""Sessions: how they begin, what they are worth, and everything that ends them."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from importer.web.house import House
from importer.web.route import Role
from tests.clocks import HandClock
from tests.web import house
from tests.web.rooms import ALL

HOUR_S = 3600.0


@pytest.fixture
def clock() -> HandClock:
    """A clock that stands still."""
    return HandClock()


@pytest.fixture
async def page(tmp_path: Path, clock: HandClock) -> AsyncIterator[house.Page]:
    """A page of named links, in a time of its own."""
    async with house.opened(tmp_path, routes=ALL, identity="token", clock=clock) as served:
        yield served


async def inside(page: house.Page, cookie: str) -> bool:
    """Whether a cookie still opens a page."""
    return (await page.ask("GET", "/t/shown", cookie)).status == 200


async def test_session_begins_with_a_new_secret(page: house.Page) -> None:
    """A cookie that somebody planted is never taken up: logging in makes another, of 256 bits, and the planted one opens nothing."""
    token = page.room.people.book.add("Ada", [Role.PREPARER], link=True)
    planted = f"importer-{page.room.urls.port}=planted"
    answer = await page.ask("GET", f"/login?token={token}", planted)
    secret = answer.cookie.partition("=")[2]
    assert len(secret) >= 43
    assert secret != "planted"
    assert not await inside(page, planted)
    assert await inside(page, answer.cookie)


async def test_session_of_before_ends_with_a_new_log_in(page: house.Page) -> None:
    """Whoever logs in again in the same browser has one session, not two."""
    token = page.room.people.book.add("Ada", [Role.PREPARER], link=True)
    first = await page.log_in(token)
    second = (await page.ask("GET", f"/login?token={token}", first)).cookie
    assert first != second
    assert (await inside(page, first), await inside(page, second)) == (False, True)


async def test_session_cookie_is_for_this_page_alone(page: house.Page) -> None:
    """No script reads it, no other site sends it, and its name has the port; over plain http on loopback it is not Secure."""
    token = page.room.people.book.add("Ada", [Role.PREPARER], link=True)
    told = (await page.ask("GET", f"/login?token={token}")).headers["Set-Cookie"]
    assert told.startswith(f"importer-{page.room.urls.port}=")
    assert all(each in told for each in ("HttpOnly", "SameSite=Strict", "Path=/"))
    assert "Domain" not in told
    assert "Secure" not in told


async def test_session_ends_by_logging_out(page: house.Page) -> None:
    """After logging out the cookie is worth nothing, even to somebody who copied it; the browser's is thrown away."""
    cookie = await page.comes(Role.PREPARER)
    answer = await page.post("/logout", {}, cookie)
    assert answer.status == 200
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert not await inside(page, cookie)


async def test_session_does_not_end_by_a_link(page: house.Page) -> None:
    """GET changes nothing."""
    cookie = await page.comes(Role.PREPARER)
    assert (await page.ask("GET", "/logout", cookie)).status == 405
    assert await inside(page, cookie)


async def test_session_ends_when_nobody_uses_it(page: house.Page, clock: HandClock) -> None:
    """Eight hours without a request end it; a request in between counts anew."""
    cookie = await page.comes(Role.PREPARER)
    clock.turn(8 * HOUR_S - 1)
    assert await inside(page, cookie)
    clock.turn(8 * HOUR_S - 1)
    assert await inside(page, cookie)
    clock.turn(8 * HOUR_S)
    assert not await inside(page, cookie)


async def test_session_ends_after_a_day_whatever_happens(page: house.Page, clock: HandClock) -> None:
    """Use does not prolong it past 24 hours."""
    cookie = await page.comes(Role.PREPARER)
    for _ in range(23):
        clock.turn(HOUR_S)
        assert await inside(page, cookie)
    clock.turn(HOUR_S)
    assert not await inside(page, cookie)


async def test_session_ends_by_settings(tmp_path: Path, clock: HandClock) -> None:
    """Both times are settings."""
    async with house.opened(tmp_path, routes=ALL, clock=clock, session_idle="10m", session_most="1h") as page:
        cookie = await page.log_in()
        clock.turn(601)
        assert not await inside(page, cookie)


async def test_session_ends_with_its_person(page: house.Page) -> None:
    """Revoking somebody ends what they have open, at once, and their link; others stay in."""
    book = page.room.people.book
    token = book.add("Ada", [Role.PREPARER], link=True)
    cookies = [await page.log_in(token) for _ in range(2)]
    other = await page.comes(Role.PREPARER)
    assert book.revoke("ADA") == 2
    assert [await inside(page, each) for each in (*cookies, other)] == [False, False, True]
    assert (await page.ask("GET", f"/login?token={token}")).status == 401


async def test_session_outlives_a_restart(tmp_path: Path, clock: HandClock) -> None:
    """Whoever was in stays in when the server is started again on the same port; nobody's secret stands in the file."""
    async with house.opened(tmp_path, routes=ALL, identity="token", clock=clock) as page:
        token = page.room.people.book.add("Ada", [Role.PREPARER], link=True)
        secret = (await page.log_in(token)).partition("=")[2]
    async with house.opened(tmp_path, routes=ALL, identity="token", clock=clock) as page:
        assert await inside(page, f"importer-{page.room.urls.port}={secret}")
    kept = b"".join(path.read_bytes() for path in (tmp_path / "page").iterdir())
    assert secret.encode() not in kept
    assert token.partition(".")[2].encode() not in kept


async def test_sessions_of_one_person_are_bounded(tmp_path: Path, clock: HandClock) -> None:
    """The oldest of too many ends."""
    async with house.opened(
        tmp_path, routes=ALL, identity="token", clock=clock, house=House(refusal_s=0.0, sessions_each=2)
    ) as page:
        token = page.room.people.book.add("Ada", [Role.PREPARER], link=True)
        cookies = []
        for _ in range(3):
            cookies.append(await page.log_in(token))
            clock.turn(1)
        assert [await inside(page, each) for each in cookies] == [False, True, True]


async def test_session_files_are_private(page: house.Page, tmp_path: Path) -> None:
    """Folder and file are the owner's alone."""
    await page.comes(Role.PREPARER)
    folder = tmp_path / "page"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


async def test_token_leaves_the_address(page: house.Page) -> None:
    """A link's token is in no address afterwards, on no page, and in no referrer; also where the page was open already."""
    token = page.room.people.book.add("Ada", [Role.PREPARER], link=True)
    for path in ("/", "/login"):
        first = await page.ask("GET", f"{path}?token={token}")
        again = await page.ask("GET", f"{path}?token={token}", first.cookie)
        for answer in (first, again):
            assert (answer.status, answer.headers["Location"]) == (303, "/")
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert token not in answer.text
    wrong = await page.ask("GET", f"/?token={token}x")
    assert token not in wrong.text
    assert token not in str(wrong.headers)


FOLLOWED = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site"}


async def test_link_in_a_mail_logs_in_by_a_page(page: house.Page) -> None:
    """After a link of another site a redirect would lose the Strict cookie; so a page of ours leads on, without the token."""
    token = page.room.people.book.add("Ada", [Role.PREPARER], link=True)
    answer = await page.ask("GET", f"/?token={token}", headers=FOLLOWED)
    assert answer.status == 200
    assert 'content="0;url=/"' in answer.text
    assert token not in answer.text
    assert await inside(page, answer.cookie)


async def test_link_in_a_mail_finds_its_reader_logged_in(page: house.Page) -> None:
    """A link to a plan that is followed from another site arrives without the cookie; the same page is then asked for again."""
    answer = await page.ask("GET", "/t/shown?a=1", headers=FOLLOWED)
    assert answer.status == 200
    assert 'content="0;url=/t/shown?a=1"' in answer.text
    assert (await page.ask("GET", "/t/shown", headers={**FOLLOWED, "Sec-Fetch-Site": "same-origin"})).status == 401


async def test_typed_token_leads_to_where_somebody_wanted(page: house.Page) -> None:
    """The log-in page takes a token, or a whole link, and leads on to a path of this server."""
    token = page.room.people.book.add("Ada", [Role.PREPARER], link=True)
    for typed in (token, f" https://tasks.example/login?token={token}\n"):
        answer = await page.post("/login", {"token": typed, "onward": "/t/shown?a=1"})
        assert (answer.status, answer.headers["Location"]) == (303, "/t/shown?a=1")


@pytest.mark.parametrize(
    ("came", "onward"),
    [
        ("{base}/imports/A/rows?page=2", "/imports/A/rows?page=2"),
        ("https://evil.test/x", "/"),
        ("", "/"),
        ("{base}//evil.test", "/"),
    ],
)
async def test_form_after_the_sessions_end_leads_back_to_its_page(page: house.Page, came: str, onward: str) -> None:
    """A form's address is none to look at: whoever logs in anew comes to the page on which the form stood, or to the history."""
    sent = {"Referer": came.format(base=page.base)} if came else {}
    answer = await page.post("/logout", {}, headers=sent)
    assert answer.status == 401
    assert f'name="onward" value="{onward}"' in answer.text


@pytest.mark.parametrize(
    "onward",
    [
        "//evil.test",
        "https://evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "/\r\nX: y",
        "javascript:alert(1)",
        "",
        "/\t/evil.test",
    ],
)
async def test_log_in_leads_to_no_other_site(page: house.Page, onward: str) -> None:
    """Whatever a form says, the redirect stays here."""
    token = page.room.people.book.add("Ada", [Role.PREPARER], link=True)
    answer = await page.post("/login", {"token": token, "onward": onward})
    assert (answer.status, answer.headers["Location"]) == (303, "/")


async def test_session_holds_where_nothing_can_be_written(page: house.Page, clock: HandClock, tmp_path: Path) -> None:
    """Where the door book takes nothing down, as on a full disk, who is in may look on; their session idles from when it was last noted."""
    cookie = await page.comes(Role.PREPARER)
    with closing(sqlite3.connect(tmp_path / "page" / "door.sqlite")) as db:
        db.execute("CREATE TRIGGER full BEFORE UPDATE ON sessions BEGIN SELECT RAISE(FAIL, 'full'); END")
    clock.turn(2 * HOUR_S)
    assert await inside(page, cookie)
    clock.turn(6 * HOUR_S)
    assert not await inside(page, cookie)


async def test_damaged_door_book_is_told(tmp_path: Path) -> None:
    """A file that is no database is named, with what to do."""
    from importer.core.errors import LedgerError
    from importer.web.doorbook import DoorBook

    (tmp_path / "door.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(LedgerError, match=r"door\.sqlite cannot be used"):
        await asyncio.to_thread(DoorBook, tmp_path, HandClock())
