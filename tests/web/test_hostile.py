"""A hostile file, hostile people and hostile addresses on every page: all of it is text, no secret is anywhere, every file is private."""

import re
import stat
import zipfile
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from importer.web.headers import HEADERS
from tests.hostile import MARKUP
from tests.web.walk import FOURS, IMAGE, PLAN_PAPERS, RUN_PAPERS, SCRIPT, Walk, walked

pytestmark = pytest.mark.asyncio(loop_scope="module")

TAGS = frozenset(
    ("html", "head", "meta", "title", "link", "body", "header", "nav", "main", "section", "div", "p", "span", "a", "ul",
     "ol", "li", "h1", "h2", "h3", "h4", "form", "label", "input", "select", "option", "optgroup", "button", "textarea",
     "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "col", "colgroup", "details", "summary", "strong",
     "em", "code", "bdi", "small", "dl", "dt", "dd", "time", "noscript", "script", "progress", "datalist", "del", "ins",
     "fieldset", "legend", "figure", "figcaption", "svg", "g", "path", "polyline", "line", "rect", "circle", "text",
     "desc", "hr", "br", "abbr", "meter", "footer", "output", "kbd", "use")
)  # fmt: skip
"""What our own templates are made of."""
PLACES = ("href", "src", "action", "formaction", "hx-get", "hx-post", "data-run")
OURS = re.compile(r"(/(?!/)[\x21-\x7e]*|[#?][\x21-\x7e]*|)")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def walk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Walk]:
    """One whole way for all."""
    async with walked(tmp_path_factory.mktemp("walk")) as found:
        yield found


class Judge(HTMLParser):
    """What is on a page that no template of ours put there."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in TAGS:
            self.wrong.append(f"<{tag}>")
        if tag == "script" and not str(given.get("src", "")).startswith("/static/"):
            self.wrong.append(f"<script src={given.get('src')}>")
        if len(given) != len(attrs):
            self.wrong.append(f"<{tag}> with an attribute twice")
        for name, value in attrs:
            if name.startswith("on") or name in ("style", "srcdoc", "srcset", "xlink:href", "ping"):
                self.wrong.append(f"<{tag} {name}={value}>")
            if name in PLACES and not OURS.fullmatch(value or ""):
                self.wrong.append(f"<{tag} {name}={value}>")
            if not re.fullmatch(r"[a-z][a-z0-9:.-]*", name):
                self.wrong.append(f"<{tag}> with {name}")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        self.wrong.append(f"<!--{data}")


async def test_hostile_texts_are_text_on_every_page(walk: Walk) -> None:
    """On every page of the walk, refusals and stale pages among them, stand our own elements alone, leading to this server alone."""
    pages = [each for each in walk.pages if "attachment" not in each[1].headers.get("Content-Disposition", "")]
    assert len(pages) > 150
    assert {200, 400, 401, 403, 404, 409, 422} <= {reply.status for _, reply in pages}
    found = {wrong: asked for asked, reply in pages for wrong in Judge(reply.text).wrong}
    assert found == {}


async def test_hostile_texts_can_be_read(walk: Walk) -> None:
    """Nothing is left out either: what cells say stands on the rows' pages and on the plan's, letter by letter."""
    told = [text for text in MARKUP if not text.startswith("_x")]  # a code of workbooks
    described = {four[0] for four in FOURS}
    for start, texts in (
        (f"GET /imports/{walk.draft}/rows?page=", told),
        (f"GET /plans/{walk.plan}?page=", [text for text in told if text in described]),
    ):
        pages = [reply.text for asked, reply in walk.pages if asked.startswith(start) and reply.status == 200]
        words = " ".join(" ".join(Judge(html).words) for html in pages)
        assert len(texts) > 5
        assert [text for text in texts if text not in words] == [], start


async def test_hostile_comments_reasons_and_names_can_be_read(walk: Walk) -> None:
    """The approver's comment, the reasons, the people's and the file's names stand on the plan's page as they were typed."""
    shown = next(reply for asked, reply in reversed(walk.pages) if asked == f"GET /plans/{walk.plan}")
    words = " ".join(Judge(shown.text).words)
    for text in (f"{IMAGE}\n{SCRIPT}", f"{SCRIPT}{IMAGE}", f"anna {IMAGE}", f"ben {IMAGE}"):
        assert text in words


async def test_hostile_walk_meets_no_fault(walk: Walk) -> None:
    """No answer is a 500, every answer has all security headers, and no header holds a hostile text."""
    assert [asked for asked, reply in walk.page.heard if reply.status >= 500] == []
    for asked, reply in walk.page.heard:
        assert set(HEADERS) <= set(reply.headers), asked
        assert "default-src 'none'" in reply.headers.get("Content-Security-Policy", ""), asked
        told = " ".join(f"{name}: {value}" for name, value in reply.headers.items())
        assert not re.search(r"[^\x20-\x7e]|<script|<img", told), asked


async def test_redirects_lead_to_this_server_alone(walk: Walk) -> None:
    """Every redirect of the walk is a path of ours."""
    places = [reply.headers["Location"] for _, reply in walk.page.heard if "Location" in reply.headers]
    assert len(places) > 15
    assert [place for place in places if not OURS.fullmatch(place)] == []


async def test_downloads_have_names_of_our_own(walk: Walk) -> None:
    """Each paper is an attachment whose name is made of an ID and a word of ours, whatever the file, its sheet and its people are called."""
    papers = [
        (asked, reply)
        for asked, reply in walk.page.heard
        if asked.startswith("GET /downloads/") and reply.status == 200
    ]
    assert len(papers) == len(PLAN_PAPERS) + len(RUN_PAPERS)
    for asked, reply in papers:
        assert re.fullmatch(
            r'attachment; filename="[A-Za-z0-9_-]+(-[a-z]+)?\.[a-z]{3,5}"', reply.headers["Content-Disposition"]
        ), asked
        assert reply.headers["X-Content-Type-Options"] == "nosniff"


async def test_mailed_page_of_a_hostile_plan_is_text(walk: Walk) -> None:
    """The preview as one page has no script, no element of the file's and no address to load anything from."""
    page = next(reply for asked, reply in walk.page.heard if asked.startswith("GET /downloads/preview.html"))
    judge = Judge(page.text)
    assert set(judge.wrong) <= {"<link href=data:,>", "<style>", "<pre>"}  # of its own template
    assert IMAGE in " ".join(judge.words)


def holding(walk: Walk, secret: str) -> list[str]:
    """Every file below the walk's folder that holds a secret: as bytes, in a zip, or in its name."""
    found = []
    for path in walk.folder.rglob("*"):
        if secret in path.name or (path.is_file() and secret.encode() in path.read_bytes()):
            found.append(path.name)
        if path.is_file() and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as package:
                found += [f"{path.name}:{name}" for name in package.namelist() if secret.encode() in package.read(name)]
    return found


async def test_secrets_are_in_no_file_log_page_or_redirect(walk: Walk) -> None:
    """Client secret, access tokens, links and session cookies: after a whole walk none is in a file, a log record, or an answer."""
    assert {name.partition(" ")[0] for name in walk.secrets} == {"client", "access", "link", "cookie"}
    for name, secret in walk.secrets.items():
        assert len(secret) >= 20
        assert holding(walk, secret) == [], name
        assert [told[:200] for told in walk.logged if secret in told] == [], name
        for asked, reply in walk.page.heard:
            headers = " ".join(f"{key}: {value}" for key, value in reply.headers.items() if key != "Set-Cookie")
            assert secret not in reply.text + headers, (name, asked[:60])


async def test_csrf_fields_are_in_no_address_file_or_log(walk: Walk) -> None:
    """What proves a form stands in forms alone."""
    for name, person in walk.people.items():
        field = walk.page.csrf(person.cookie)
        assert holding(walk, field) == [], name
        assert not any(field in told for told in walk.logged)
        assert not any(field in reply.headers.get("Location", "") for _, reply in walk.page.heard)


async def test_hostile_texts_are_in_no_log(walk: Walk) -> None:
    """A log of a walk tells what was done, never what stands in a cell, a comment or a reason."""
    ours = [told for told in walk.logged if "'name': 'importer" in told]
    assert len(ours) > 3
    assert [told[:300] for told in ours if "<script>alert" in told or "7*7" in told] == []


async def test_files_of_the_page_are_private_under_an_open_umask(walk: Walk) -> None:
    """Drafts, plans, approvals, door book, wishes, ledger, reports: files 0600 and folders 0700, though the umask is 000."""
    modes: dict[str, Any] = {}
    for path in walk.folder.rglob("*"):
        mode = path.lstat().st_mode
        modes[str(path.relative_to(walk.folder))] = (stat.S_ISDIR(mode), stat.S_IMODE(mode))
    assert {Path(name).name for name in modes} >= {
        "draft.sqlite",
        "upload",
        "door.sqlite",
        "page.sqlite",
        "ledger.sqlite",
        "results.xlsx",
    }
    assert {name: oct(mode) for name, (folder, mode) in modes.items() if mode != (0o700 if folder else 0o600)} == {}


async def test_search_takes_every_hostile_text_as_text(walk: Walk) -> None:
    """A search finds the rows that hold just that text: percent signs, quotes and statements mean nothing else."""
    from importer.drafts.draft import Filter
    from tests.hostile import INJECTIONS, NUMBERS

    drafting = walk.page.room.drafting
    every = [
        row
        for number in range(1, 20)
        for row in (await drafting.page(walk.draft, Filter(number=number))).rows
        if number <= 6
    ]
    rows = {row.line: row for row in every}
    for text in (*INJECTIONS, *MARKUP, *NUMBERS):
        found = await drafting.page(walk.draft, Filter(text=text))
        wanted = sum(any(text.casefold() in cell.casefold() for cell in row.cells) for row in rows.values())
        assert found.total == wanted, text


async def test_history_takes_every_hostile_text_as_text(walk: Walk) -> None:
    """A search of the history that fits nothing shows nothing, and the field has the text again."""
    olga = walk.people["olga"]
    seen = await olga.opens("/?text=%25")
    assert "Nothing fits." in seen.text
    seen = await olga.opens("/?text=%22%3E%3Cimg")
    assert dict(seen.form("/").fields)["text"] == '"><img'
    assert "Nothing fits." not in seen.text
