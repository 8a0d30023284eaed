"""Hostile uploads: odd multipart bodies, uploads that stop or never end, too many of them; nothing stays behind and nobody else waits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from importer.core.approval import Person
from importer.drafts.shelf import DRAFTS_MOST, Shelf
from importer.sandbox.scenario import Limit, Scenario
from importer.sandbox.server import Sandbox
from tests.web.house import QUICK, Page, opened
from tests.web.preparer import Preparer, preparer

pytestmark = pytest.mark.asyncio(loop_scope="module")

FINE = b"External ID,Queue,Description\nU-1,Billing,one\n"
MOST = 300_000
FOLDER = "drafts"
HEAD = 'Content-Disposition: form-data; name="{}"'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    """A page with a small cap and little patience, before a sandbox."""
    limits: dict[str, Any] = {"file_limits.packed": str(MOST), "identity": "token"}
    house = replace(QUICK, body_s=1.5, header_s=1.5)
    async with (
        Sandbox(Scenario(limit=Limit(calls=0), index_lag_s=0)) as sandbox,
        opened(tmp_path_factory.mktemp("page"), sandbox=sandbox, house=house, **limits) as found,
    ):
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def bea(page: Page) -> Preparer:
    """Somebody new."""
    return await preparer(page)


def left(page: Page) -> set[str]:
    """Everything that lies where drafts are, but finished ones."""
    folder = page.room.settings.state_dir / FOLDER
    return {each.name for each in folder.iterdir() if each.name.startswith(".")} if folder.is_dir() else set()


async def stored(page: Page) -> int:
    """How many drafts there are."""
    return len(await page.room.drafting.drafts())


def part(head: str, body: bytes, *more: str) -> bytes:
    """One part of a multipart body."""
    return b"--B\r\n" + "\r\n".join((head, *more)).encode() + b"\r\n\r\n" + body + b"\r\n"


def file(body: bytes = FINE, name: str = "x.csv", *more: str) -> bytes:
    """The file's part."""
    return part(f'{HEAD.format("file")}; filename="{name}"', body, *more)


def token(who: Preparer) -> bytes:
    """The part that proves the form."""
    return part(HEAD.format("csrf"), who.page.csrf(who.cookie).encode())


async def sent(
    who: Preparer, body: bytes, kind: str = "multipart/form-data; boundary=B", **headers: str
) -> tuple[int, str]:
    """The answer to a body as it stands."""
    given = {"Origin": who.page.base, "Content-Type": kind, **headers}
    reply = await who.page.ask("POST", "/uploads", who.cookie, given, data=body)
    return reply.status, reply.text


END = b"--B--\r\n"
ODD = {
    "no boundary": (b"", "multipart/form-data"),
    "a boundary of 100 characters": (b"", f"multipart/form-data; boundary={'b' * 100}"),
    "a blank boundary": (b"--\r\n", "multipart/form-data; boundary="),
    "nothing at all": (b"", ""),
    "only an end": (END, ""),
    "another boundary": (b"--C\r\n\r\n\r\n--C--\r\n", ""),
    "no end": (file(), ""),
    "a part without a header": (b"--B\r\n\r\nx\r\n" + END, ""),
    "a name of a megabyte": (part(HEAD.format("n" * 1_000_000), b"x") + END, ""),
    "a file name of a megabyte": (file(name="n" * 1_000_000) + END, ""),
    "a thousand headers": (part(HEAD.format("a"), b"x", *(f"X-{n}: y" for n in range(1000))) + END, ""),
    "a header that is none": (part("nonsense", b"x") + END, ""),
    "a header with a line break": (part(HEAD.format("a") + "\n x", b"x") + END, ""),
    "a header with NUL": (part(HEAD.format("a\0b"), b"x") + END, ""),
    "parts in a part": (
        part(HEAD.format("file"), b"--C\r\n\r\nx\r\n--C--", "Content-Type: multipart/mixed; boundary=C") + END,
        "",
    ),
    "parts in a part without a boundary": (part(HEAD.format("file"), b"x", "Content-Type: multipart/mixed") + END, ""),
    "a character set of its own": (part(HEAD.format("_charset_"), b"x" * 100) + END, ""),
    "a character set that is none": (part(HEAD.format("_charset_"), b"\xff\xfe") + END, ""),
    "an unknown character set of a name": (
        part("Content-Disposition: form-data; name=file; filename*=evil''x", FINE) + END,
        "",
    ),
    "a broken code in a name": (
        part("Content-Disposition: form-data; name=file; filename*=utf-8''%ff%fe", FINE) + END,
        "",
    ),
    "a length that is none": (file(FINE, "x.csv", "Content-Length: x") + END, ""),
    "a length that is too small": (file(FINE, "x.csv", "Content-Length: 3") + END, ""),
    "a length that is too great": (file(FINE, "x.csv", "Content-Length: 300000") + END, ""),
    "a length below zero": (file(FINE, "x.csv", "Content-Length: -5") + END, ""),
    "a packed part": (file(b"\x1f\x8b\x08\0\0\0", "x.csv", "Content-Encoding: gzip") + END, ""),
    "a part in base64": (file(b"RXh0ZXJuYWwgSUQ=", "x.csv", "Content-Transfer-Encoding: base64") + END, ""),
    "an unknown transfer encoding": (file(FINE, "x.csv", "Content-Transfer-Encoding: evil") + END, ""),
    "no file": (part(HEAD.format("other"), b"x") + END, ""),
    "a thousand parts": (part(HEAD.format("a"), b"x") * 1000 + END, ""),
    "a lone line feed": (b"--B\n" + HEAD.format("file").encode() + b"\n\nx\n--B--\n", ""),
}


@pytest.mark.parametrize("proven", [True, False])
@pytest.mark.parametrize("name", ODD)
async def test_odd_multipart_body_is_refused_in_words(page: Page, bea: Preparer, name: str, *, proven: bool) -> None:
    """What is no upload as browsers send it is a refusal or a draft, never a fault; without the CSRF field nothing is kept."""
    body, kind = ODD[name]
    before = await stored(page)
    status, text = await sent(bea, (token(bea) if proven else b"") + body, kind or "multipart/form-data; boundary=B")
    assert status in ((303, 400, 403, 413, 415, 422) if proven else (400, 403, 413, 415)), text
    if status != 303:
        assert "Traceback" not in text
        assert "aiohttp" not in text
        assert await stored(page) == before
    assert left(page) == set()


async def test_broken_file_name_is_printed_nowhere(
    page: Page, bea: Preparer, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    """A name that cannot be read is none; nothing of it comes to the terminal or the journal of the server."""
    odd = part("Content-Disposition: form-data; name=file; filename*=utf-8''%ff-planted", FINE)
    assert (await sent(bea, token(bea) + odd + END))[0] == 303
    assert [str(each.message) for each in recwarn if "planted" in str(each.message)] == []
    assert "planted" not in "".join(capfd.readouterr())


async def test_csrf_field_after_the_file_is_too_late(page: Page, bea: Preparer) -> None:
    """The field must be first: a file before it is refused before it is read."""
    before = await stored(page)
    assert (await sent(bea, file() + token(bea) + END))[0] == 403
    assert (await stored(page), left(page)) == (before, set())


async def test_second_file_of_an_upload_is_not_taken(page: Page, bea: Preparer) -> None:
    """One upload is one file: the first one."""
    before = await stored(page)
    status, _ = await sent(
        bea, token(bea) + file(name="first.csv") + file(FINE.replace(b"U-1", b"U-2"), "second.csv") + END
    )
    assert status == 303
    drafts = await page.room.drafting.drafts()
    assert len(drafts) == before + 1
    names = {each.file_name for each in drafts}
    assert ("first.csv" in names, "second.csv" in names) == (True, False)
    assert left(page) == set()


async def talks(page: Page, who: Preparer, *, length: int | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which an upload has been announced."""
    reader, writer = await asyncio.open_connection("127.0.0.1", page.room.urls.port, limit=2**20)
    how = f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked"
    writer.write(
        f"POST /uploads HTTP/1.1\r\nHost: 127.0.0.1:{page.room.urls.port}\r\nOrigin: {page.base}\r\nCookie: {who.cookie}\r\n"
        f"Content-Type: multipart/form-data; boundary=B\r\n{how}\r\n\r\n".encode()
    )
    return reader, writer


def chunk(data: bytes) -> bytes:
    """A piece of a body of unknown length."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def begun(page: Page) -> None:
    """Until an upload has a folder of its own."""
    async with asyncio.timeout(20):
        while not left(page):  # noqa: ASYNC110 - another task makes it
            await asyncio.sleep(0.01)


async def gone(page: Page) -> None:
    """Until no upload is under way."""
    async with asyncio.timeout(20):
        while left(page):  # noqa: ASYNC110 - another task removes it
            await asyncio.sleep(0.01)


async def test_upload_whose_sender_leaves_is_gone(page: Page, bea: Preparer) -> None:
    """A connection that breaks in the middle of a file leaves no byte of it."""
    before = await stored(page)
    _, writer = await talks(page, bea, length=100_000)
    writer.write(token(bea) + file(b"x" * 50_000)[:-2])
    await begun(page)
    writer.transport.abort()
    await gone(page)
    assert await stored(page) == before


async def test_upload_that_rests_is_cut_and_gone(page: Page, bea: Preparer) -> None:
    """A file that stops coming ends with its connection, and others are answered meanwhile."""
    reader, writer = await talks(page, bea, length=100_000)
    writer.write(token(bea) + file(b"x" * 50_000)[:-2])
    await begun(page)
    assert (await page.ask("GET", "/healthz")).status == 200
    async with asyncio.timeout(20):
        await reader.read()
    writer.close()
    await gone(page)


@pytest.mark.parametrize("where", ["before", "csrf", "other", "after"])
async def test_upload_without_an_end_is_ended(page: Page, bea: Preparer, where: str) -> None:
    """Whatever a body without an end consists of, lines before its parts, a field, or another file, it is not read for ever."""
    start = {
        "before": b"",
        "csrf": b"--B\r\n" + HEAD.format("csrf").encode() + b"\r\n\r\n",
        "other": token(bea) + b"--B\r\n" + HEAD.format("other").encode() + b"\r\n\r\n",
        "after": token(bea) + file() + b"--B\r\n" + HEAD.format("file").encode() + b"\r\n\r\n",
    }[where]
    reader, writer = await talks(page, bea, length=None)
    writer.write(chunk(start) if start else b"")
    answer = asyncio.create_task(reader.read(64))
    sent_bytes = 0
    piece = chunk((b"x" * 1022 + b"\r\n") * 64)
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(20):
            while not answer.done() and not writer.transport.is_closing():
                writer.write(piece)
                sent_bytes += len(piece)
                await writer.drain()
                await asyncio.sleep(0.02)
    done, _ = await asyncio.wait({answer}, timeout=20)
    writer.close()
    assert done, "it is read for ever"
    told = answer.exception() or answer.result()
    assert sent_bytes < 40_000_000
    if isinstance(told, bytes) and told:  # else it was cut off
        assert told.split()[1] in (b"400", b"403", b"408", b"413", b"303")
    await gone(page)


def filled(shelf: Shelf, person: Person) -> None:
    """As many drafts as a person may have."""
    for _ in range(DRAFTS_MOST):
        incoming = shelf.incoming("x.csv", person, None)
        incoming.write(FINE)
        incoming.sealed()
        incoming.kept("csv", person, "2026-11-25T00:00:00Z", "{}", lambda _: None)


async def test_uploads_of_one_person_are_counted(page: Page) -> None:
    """Who has 50 drafts is told so; somebody else uploads as before."""
    greedy, other = await preparer(page, "Greedy"), await preparer(page)
    await asyncio.to_thread(filled, Shelf(page.room.settings.state_dir / FOLDER), Person("Greedy", "token"))
    status, text = await sent(greedy, token(greedy) + file() + END)
    assert status == 400
    assert f"at most {DRAFTS_MOST} are kept" in text
    assert (await sent(other, token(other) + file() + END))[0] == 303
    assert left(page) == set()
