"""Put out: what a session's end means to everything that its person has open."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from importer.web.doorbook import DoorBook
from importer.web.route import Role
from importer.web.server import page_folder
from tests.clocks import HandClock
from tests.desk.house import house
from tests.web.house import CHEAP, QUICK, Page, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Page, str, HandClock]]:
    """A page, a run on it that rests behind a door, and a clock turned by hand."""
    clock = HandClock()
    async with house(tmp_path_factory.mktemp("site"), first=2) as it:
        await it.keeper.close()
        told = {name: it.settings.values[name].value for name in ("rate", "index_lag", "out", "track")}
        limits = replace(QUICK, streams_look_s=0.02)
        flags: dict[str, Any] = {**told, "identity": "token", "four_eyes": "no"}
        async with opened(it.settings.state_dir, connection=it.connection, house=limits, clock=clock, **flags) as page:
            it.keeper = page.room.keeper
            run = await it.started(5)
            yield page, run, clock
            it.door.open()


async def followed(page: Page, run: str, cookie: str) -> "asyncio.Task[bytes]":
    """A stream that has begun; its rest, once it ends."""
    answer = await page.session.get(f"{page.base}/runs/{run}/events", headers={"Cookie": cookie})
    assert answer.status == 200
    async with asyncio.timeout(20):
        assert b"event: picture" in await answer.content.readuntil(b"\r\n\r\n")
    return asyncio.create_task(answer.content.read())


async def ends(stream: "asyncio.Task[bytes]") -> bool:
    """Whether a stream ends, though its run goes on."""
    done, _ = await asyncio.wait({stream}, timeout=20)
    return stream in done and b"event: end" not in stream.result()


async def test_log_out_ends_what_another_browser_has_open(site: tuple[Page, str, HandClock]) -> None:
    """Two browsers with one cookie: the log-out of one ends the pages, the forms and the event stream of the other."""
    page, run, _ = site
    cookie = await page.comes(*Role)
    assert (await page.ask("GET", "/", cookie)).status == 200
    stream = await followed(page, run, cookie)
    assert (await page.post("/logout", {}, cookie)).status == 200
    assert (await page.ask("GET", "/", cookie)).status == 401
    assert (await page.post(f"/runs/{run}/pause", {}, cookie)).status == 401
    assert await ends(stream)


async def test_revoked_person_is_out_at_once_everywhere(site: tuple[Page, str, HandClock]) -> None:
    """Revoked by another process's door book, a person has no page, no form and no stream; somebody else's stream goes on."""
    page, run, clock = site
    ada, bob = await page.comes(*Role, name="Ada"), await page.comes(*Role, name="Bob")
    hers, his = await followed(page, run, ada), await followed(page, run, bob)
    other = DoorBook(page_folder(page.room.settings.state_dir), clock, CHEAP)
    assert other.revoke("Ada") == 1
    other.close()
    assert (await page.ask("GET", "/", ada)).status == 401
    assert (await page.post(f"/runs/{run}/stop", {}, ada)).status == 401
    assert await ends(hers)
    assert not his.done()
    his.cancel()


async def test_stream_does_not_keep_a_session(site: tuple[Page, str, HandClock]) -> None:
    """A page that only follows a run is no use of the session: it idles out, and the stream ends with it."""
    page, run, clock = site
    cookie = await page.comes(Role.PREPARER)
    stream = await followed(page, run, cookie)
    clock.turn(page.room.people.sessions.idle_s + 1)
    assert await ends(stream)
    assert (await page.ask("GET", "/", cookie)).status == 401


async def test_looking_is_no_use_of_a_session(site: tuple[Page, str, HandClock]) -> None:
    """Who only looks whether a session is there does not prolong it; who uses it does."""
    page, _, clock = site
    sessions = page.room.people.sessions
    left, used = [(await page.comes(Role.PREPARER)).partition("=")[2] for _ in range(2)]
    for _ in range(2):
        clock.turn(sessions.idle_s * 0.6)
        found = [
            sessions.book.session(secret, sessions.idle_s, sessions.most_s, used=secret is used)
            for secret in (left, used)
        ]
    assert [each is not None for each in found] == [False, True]
