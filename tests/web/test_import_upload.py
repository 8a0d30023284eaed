"""Uploads: what comes in is streamed to a cap, looked at by its content, and only ever shown as text."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from typing import Any

import openpyxl
import pytest
import pytest_asyncio

from importer.sandbox.scenario import Limit, Scenario
from importer.sandbox.server import Sandbox
from importer.web.pages.uploads import plain_name
from tests.hostile import FILE_NAMES, hostile
from tests.web.house import Page, opened
from tests.web.preparer import Preparer, draft_of, preparer

pytestmark = pytest.mark.asyncio(loop_scope="module")

FINE = b"External ID,Queue,Description\nU-1,Billing,one\n"
MOST = 300_000  # bytes that this page takes
TEXTS = tuple(text for text in hostile(500) if len(text) < 200)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    """A page with a small cap, before a sandbox."""
    limits: dict[str, Any] = {"file_limits.packed": str(MOST)}
    async with (
        Sandbox(Scenario(limit=Limit(calls=0), index_lag_s=0)) as sandbox,
        opened(tmp_path_factory.mktemp("page"), sandbox=sandbox, **limits) as found,
    ):
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bea(page: Page) -> Preparer:
    """The person whose page it is."""
    return await preparer(page)


async def stored(page: Page) -> int:
    """How many drafts there are."""
    assert page.room.drafting is not None
    return len(await page.room.drafting.drafts())


def workbook(*rows: tuple[str, ...], title: str = "Tasks") -> bytes:
    """A workbook of one sheet."""
    book = openpyxl.Workbook()
    active = book.active
    assert active is not None
    active.title = title
    for row in rows:
        active.append(list(row))
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


async def test_new_import_says_what_is_taken(bea: Preparer) -> None:
    """The page names the limits, the columns with those that are required, and leads to the template."""
    seen = await bea.opens("/imports/new")
    assert "at most 300.0 KB" in seen.text
    assert "External ID required EXT-0001" in seen.text
    assert seen.all("a", href="/downloads/template")
    assert seen.form("/uploads").method == "post"


async def test_upload_is_hashed_and_answers_with_a_redirect(page: Page, bea: Preparer) -> None:
    """A file that can be read becomes a draft with its hash and size; the answer is 303 to the draft."""
    reply = await bea.hands_in(FINE, "tasks.csv")
    assert reply.status == 303
    assert page.room.drafting is not None
    head = await page.room.drafting.head(reply.headers["Location"].rpartition("/")[2])
    assert (head.sha256, head.size, head.file_name) == (hashlib.sha256(FINE).hexdigest(), len(FINE), "tasks.csv")


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"", "empty.xlsx", "F102 The file is empty."),
        (b"%PDF-1.7\n%\xe2\xe3\n1 0 obj", "tasks.xlsx", "F104"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 3000, "old.xlsx", "F10"),
        (b"PK\x03\x04" + b"\0" * 200, "broken.xlsx", "F10"),
        (b"<!doctype html><table><tr><td>x", "export.xls", "F106"),
    ],
)
async def test_file_that_is_not_taken_is_told_on_the_form(
    page: Page, bea: Preparer, data: bytes, name: str, words: str
) -> None:
    """What is no spreadsheet is told with its finding and how to mend it, on the page with the form; nothing is kept of it."""
    before = await stored(page)
    seen = await bea.uploads(data, name)
    assert seen.status == 422
    assert words in seen.text
    assert "How to fix." in seen.text
    assert name in seen.text
    assert seen.form("/uploads")
    assert await stored(page) == before


async def test_file_beyond_the_cap_is_refused_by_its_own_word(page: Page, bea: Preparer) -> None:
    """A length beyond the cap is 413 although hardly anything of the body was ever sent."""
    seen = await announced(page, bea, 10_000_000_000, b"x" * 5_000)
    assert seen.startswith("HTTP/1.1 413")
    assert "F112" in seen


async def test_file_beyond_the_cap_is_refused_while_it_comes(page: Page, bea: Preparer) -> None:
    """A file of unknown length is 413 once its bytes are too many, and it is not read on to its end."""
    before = await stored(page)
    seen = await announced(page, bea, None, b"x" * (MOST + 70_000))
    assert seen.startswith("HTTP/1.1 413")
    assert "F112" in seen
    assert await stored(page) == before


async def announced(page: Page, bea: Preparer, length: int | None, data: bytes) -> str:
    """The answer to an upload that never ends: with a length that it announces, or in chunks."""
    reader, writer = await asyncio.open_connection("127.0.0.1", page.room.urls.port, limit=1_000_000)
    head = (
        b'--B\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n' + page.csrf(bea.cookie).encode() + b"\r\n"
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="big.csv"\r\n\r\n' + data
    )
    how = f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked"
    asked = (
        f"POST /uploads HTTP/1.1\r\nHost: 127.0.0.1:{page.room.urls.port}\r\nOrigin: {page.base}\r\n"
        f"Cookie: {bea.cookie}\r\nContent-Type: multipart/form-data; boundary=B\r\n{how}\r\n\r\n"
    )
    writer.write(asked.encode() + (head if length is not None else f"{len(head):x}\r\n".encode() + head + b"\r\n"))
    try:
        async with asyncio.timeout(30):
            return (await reader.readuntil(b"</html>")).decode(errors="replace")
    except TimeoutError:
        return "no answer"
    finally:
        writer.close()


async def test_upload_without_the_token_is_refused_before_its_file(page: Page, bea: Preparer) -> None:
    """A wrong token as the first part is 403, and nothing is kept."""
    before = await stored(page)
    assert (await bea.hands_in(FINE, "x.csv", csrf="wrong")).status == 403
    assert await stored(page) == before


async def test_hostile_file_names_are_text_without_folders(page: Page, bea: Preparer) -> None:
    """Whatever a file is called, its draft lies under a generated name, and the page shows the last part of it as text."""
    assert page.room.drafting is not None
    folder = page.room.settings.state_dir / "drafts"
    for name in (
        "../../etc/passwd",
        "..\\..\\x.csv",
        "<script>alert(1)</script>.csv",
        "a\x00b\r\n\u202egpj.csv",
        "CON",
    ):
        reply = await bea.hands_in(FINE, name.replace("\x00", "").replace("\r", "").replace("\n", ""))
        assert reply.status == 303, name
        draft = reply.headers["Location"].rpartition("/")[2]
        shown = (await page.room.drafting.head(draft)).file_name
        assert "/" not in shown
        assert "\\" not in shown
        seen = await bea.opens(f"/imports/{draft}/columns")
        assert "<script>alert" not in seen.html
        assert (folder / draft / "upload").read_bytes() == FINE
    assert {path.name for path in folder.rglob("*") if path.is_file()} <= {
        "upload",
        "draft.sqlite",
        "draft.sqlite-wal",
        "draft.sqlite-shm",
    }


@pytest.mark.parametrize("name", FILE_NAMES)
async def test_plain_name_is_one_part_without_what_hides(name: str) -> None:
    """A name keeps no folder, no control or invisible character, no broken half, and at most 200 characters."""
    plain = plain_name(name)
    assert not set(plain) & set("/\\\0\n\r\x1b\u202e\u200b")
    assert len(plain) <= 200
    plain.encode()


async def test_hostile_headings_sheets_and_cells_are_text(bea: Preparer) -> None:
    """Formulas, markup, templates and injections in sheet name, headings and cells appear as text on every page."""
    texts = [
        text
        for text in TEXTS
        if not any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 or ord(c) in (0xFFFE, 0xFFFF) for c in text)
    ][:180]
    markup = '"><img src=x onerror=alert(1)>'
    head = ("External ID", "Queue", "Description", markup, "{{7*7}}")
    rows = [(f"H-{n}", "Billing", text, markup, text) for n, text in enumerate(texts)]
    data = workbook(head, *rows, title="<b>&'{{7}}")
    seen = await bea.uploads(data, f"{markup}.xlsx")
    assert seen.path.endswith("/columns")
    pages = [seen]
    seen = await bea.sends(seen, "/columns", **{"column-3": f"attribute:{markup}", "column-4": "attribute:{{7*7}}"})
    draft = draft_of(seen)
    pages += [
        seen,
        *[
            await bea.opens(f"/imports/{draft}/{step}")
            for step in ("sheet", "values", "rows", "rows?page=2", "rows/2/3")
        ],
    ]
    for each in pages:
        assert each.status == 200
        names = {tag for tag, _ in each.tags}
        assert not names & {"img", "b", "iframe", "object", "math"}
        assert len(each.all("script")) == 3
        assert not [name for _, given in each.tags for name in given if name.startswith("on")]
    assert "{{7*7}}" in seen.html


async def test_hostile_addresses_are_not_found(bea: Preparer) -> None:
    """Drafts, lines and columns that cannot be are 404, whatever they look like."""
    for draft in ("../../etc", "%2e%2e", "x" * 500, "'; DROP TABLE rows; --", "\u202e"):
        reply = await bea.page.ask("GET", f"/imports/{draft}/rows", bea.cookie)
        assert reply.status in (400, 404), draft
    seen = await bea.previews(FINE)
    for place in ("0/0", "2/99", "99999/1", "-1/2", "2/x", "٣/1"):
        reply = await bea.page.ask("GET", f"/imports/{draft_of(seen)}/rows/{place}", bea.cookie)
        assert reply.status in (400, 404), place
