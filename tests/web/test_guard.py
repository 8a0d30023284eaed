"""The guard: whose requests are carried out, what bodies are taken, and what every answer says to the browser."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientError, FormData

from importer.web.headers import CSP
from importer.web.house import House
from importer.web.route import Role
from tests.web import house
from tests.web.rooms import ALL, TROUBLES, WORDS

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[house.Page]:
    """One page for all tests that leave nothing behind."""
    async with house.opened(tmp_path_factory.mktemp("page"), routes=ALL, identity="token") as served:
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cookie(page: house.Page) -> str:
    """Somebody with all roles."""
    return await page.comes(*Role)


def upload(token: str | None) -> FormData:
    """A file, after a CSRF field or without one."""
    form = FormData(default_to_multipart=True)
    if token is not None:
        form.add_field("csrf", token)
    form.add_field("file", b"x" * 300_000, filename="tasks.csv")
    return form


SITES: dict[str, dict[str, str]] = {
    "another origin": {"Origin": "https://evil.test"},
    "another scheme": {"Origin": "https://{host}"},
    "another name of this machine": {"Origin": "http://localhost:{port}"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "a hidden origin": {"Origin": "null"},
    "no origin": {},
    "a cross-site fetch": {"Origin": "http://{host}", "Sec-Fetch-Site": "cross-site"},
    "a same-site fetch": {"Origin": "http://{host}", "Sec-Fetch-Site": "same-site"},
    "no origin, cross-site": {"Sec-Fetch-Site": "cross-site"},
    "a hidden origin, cross-site": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "a name that begins like ours": {"Origin": "http://{host}.evil.test"},
}


def filled(page: house.Page, headers: dict[str, str]) -> dict[str, str]:
    """Headers with the server's own place in them."""
    port = str(page.room.urls.port)
    return {name: value.format(host=f"127.0.0.1:{port}", port=port) for name, value in headers.items()}


@pytest.mark.parametrize("path", ["/t/form", "/t/upload", "/login", "/logout"])
@pytest.mark.parametrize("site", SITES)
async def test_post_from_another_site_is_refused(page: house.Page, cookie: str, path: str, site: str) -> None:
    """Even with the right cookie and the right CSRF field, a form is taken from our own page alone."""
    proof = page.csrf(cookie)
    data: Any = upload(proof) if path == "/t/upload" else {"csrf": proof}
    answer = await page.ask("POST", path, cookie, filled(page, SITES[site]), data=data)
    assert answer.status == 403
    assert (await page.ask("GET", "/t/shown", cookie)).status == 200  # still logged in


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://{host}"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_post_from_our_own_page_is_taken(page: house.Page, cookie: str, headers: dict[str, str]) -> None:
    """The page's own form is taken, by either sign that browsers give."""
    form = {"csrf": page.csrf(cookie), "a": "ä\r\n2"}
    answer = await page.ask("POST", "/t/form", cookie, filled(page, headers), data=form)
    assert answer.status == 200
    assert json.loads(answer.text)["form"][1] == ["a", "ä\r\n2"]


@pytest.mark.parametrize("path", ["/t/form", "/t/upload"])
@pytest.mark.parametrize("token", [None, "", "x", "another's"])
async def test_post_without_its_own_csrf_field_is_refused(
    page: house.Page, cookie: str, path: str, token: str | None
) -> None:
    """A missing field, a blank one, a wrong one, and that of another session of ours are all refused."""
    if token == "another's":
        token = page.csrf(await page.comes(Role.PREPARER))
    data: Any = upload(token) if path == "/t/upload" else {} if token is None else {"csrf": token}
    answer = await page.ask("POST", path, cookie, {"Origin": page.base}, data=data)
    assert answer.status in (403, 415)  # a form without any field has no type
    assert "Open it again" in answer.text or answer.status == 415


async def test_broken_characters_are_no_csrf_token(page: house.Page, cookie: str) -> None:
    """A token of bytes that are no text is a wrong one like any other."""
    kind = "Content-Type: application/x-www-form-urlencoded"
    lines = f"Cookie: {cookie}", f"Origin: {page.base}", "X-CSRF-Token: \xff", kind
    assert await house.asked_bare(page, "POST", "/logout", *lines) == 403


async def test_upload_with_its_csrf_field_first_is_taken(page: house.Page, cookie: str) -> None:
    """The field proves the upload before any byte of the file is read; uploads have no cap here."""
    answer = await page.ask("POST", "/t/upload", cookie, {"Origin": page.base}, data=upload(page.csrf(cookie)))
    assert (answer.status, json.loads(answer.text)) == (200, {"bytes": 300_000})


async def test_upload_that_a_handler_takes_unproven_is_a_bug(page: house.Page, cookie: str) -> None:
    """A page that forgets to check an upload is told by a 500, so that no test can miss it."""
    answer = await page.ask("POST", "/t/careless", cookie, {"Origin": page.base}, data=upload(page.csrf(cookie)))
    assert answer.status == 500


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/json", ""]
)
async def test_json_that_a_form_could_send_is_refused(page: house.Page, cookie: str, kind: str) -> None:
    """Routes for programs take application/json alone, which no form of another site can send."""
    headers = {"Origin": page.base, "Content-Type": kind}
    assert (await page.ask("POST", "/t/json", cookie, headers, data=b'{"a": 1}')).status == 415


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.test"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_json_of_another_site_is_refused(page: house.Page, cookie: str, headers: dict[str, str]) -> None:
    """Where a browser says that another site asks, JSON is refused too."""
    assert (await page.ask("POST", "/t/json", cookie, headers, json={})).status == 403


async def test_json_of_a_program_is_taken(page: house.Page, cookie: str) -> None:
    """A program sends no origin."""
    assert (await page.ask("POST", "/t/json", cookie, json={})).status == 200


HOSTS = [
    ("127.0.0.1:{port}", 200), ("localhost:{port}", 200), ("LOCALHOST:{port}", 200), ("[::1]:{port}", 200),
    ("evil.test", 403), ("evil.test:{port}", 403), ("127.0.0.1", 403), ("127.0.0.1:1", 403), ("localhost.evil.test:{port}", 403),
    ("127.0.0.1.evil.test:{port}", 403), ("evil.test@127.0.0.1:{port}", 403), ("127.0.0.1:{port}@evil.test", 403),
    ("127.0.0.2:{port}", 403), ("0.0.0.0:{port}", 403), ("2130706433:{port}", 403), ("localhost.:{port}", 403), ("", 403),
]  # fmt: skip


@pytest.mark.parametrize(("host", "status"), HOSTS)
async def test_host_that_is_not_ours_is_refused(page: house.Page, host: str, status: int) -> None:
    """Only the names of this machine, with its own port, are answered: on every route, so that DNS tricks lead nowhere."""
    given = {"Host": host.format(port=page.room.urls.port)}
    assert (await page.ask("GET", "/healthz", headers=given)).status == status
    assert (await page.ask("GET", "/static/look.css", headers=given)).status == status


async def test_host_of_the_public_url_is_ours(tmp_path: Path) -> None:
    """With --public-url its host is answered and its origin is taken, and cookies are secure there."""
    async with house.opened(tmp_path, routes=ALL, public_url="https://tasks.example") as page:
        assert page.room.urls.base == "https://tasks.example"
        host = {"Host": "tasks.example"}
        answer = await page.ask("GET", f"/?token={page.room.people.token}", headers=host)
        assert answer.cookie.startswith("__Host-importer-")
        assert "Secure" in answer.headers["Set-Cookie"]
        assert "max-age" in answer.headers["Strict-Transport-Security"]
        assert "Strict-Transport-Security" not in (await page.ask("GET", "/healthz")).headers
        form = {"csrf": page.csrf(answer.cookie)}
        ours = {**host, "Origin": "https://tasks.example"}
        assert (await page.ask("POST", "/t/form", answer.cookie, ours, data=form)).status == 200
        mixed = {**host, "Origin": page.base}
        assert (await page.ask("POST", "/t/form", answer.cookie, mixed, data=form)).status == 403


@pytest.mark.parametrize("by", ["Host", "X-Forwarded-For", "Forwarded", "Via"])
async def test_programs_beyond_a_proxy_are_not_of_this_machine(tmp_path: Path, by: str) -> None:
    """What programs of this machine may ask for without logging in is not open to whoever reaches a proxy on it."""
    async with house.opened(tmp_path, public_url="https://tasks.example") as page:
        assert (await page.ask("GET", "/api/schema")).status == 200
        proxied = {by: "tasks.example"}
        assert (await page.ask("GET", "/api/schema", headers=proxied)).status == 401


async def test_two_host_headers_are_refused(page: house.Page) -> None:
    """A request that names two hosts is not carried out, whichever one a proxy would believe."""
    port = page.room.urls.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.test\r\n\r\n".encode())
    status = int((await reader.readline()).split()[1])
    writer.close()
    assert status in (400, 403)


async def test_form_over_the_cap_is_refused(page: house.Page, cookie: str) -> None:
    """256 KiB are enough for a form: more is refused by its length, and without one while it is read."""
    form = {"Origin": page.base, "Content-Type": "application/x-www-form-urlencoded"}
    told = await page.ask("POST", "/t/form", cookie, form, data=b"a=" + b"x" * 262_144)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 65_536

    untold = await page.ask("POST", "/t/form", cookie, form, data=pieces())
    assert (told.status, untold.status) == (413, 413)
    assert "256 KiB" in told.text
    assert "256 KiB" in untold.text


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "x-own", "gzip, identity", "identity, gzip"])
@pytest.mark.parametrize("path", ["/t/form", "/t/upload", "/t/json", "/api/preview"])
async def test_packed_body_is_refused(page: house.Page, cookie: str, path: str, coding: str) -> None:
    """Nothing is unpacked: a body with any Content-Encoding is refused before it is read."""
    headers = {"Origin": page.base, "Content-Encoding": coding, "Content-Type": "application/json"}
    assert (await page.ask("POST", path, cookie, headers, data=b"\x1f\x8b")).status == 415


async def test_form_with_too_many_fields_is_refused(page: house.Page, cookie: str) -> None:
    """5,000 fields are the most, whatever their size."""
    form = {"Origin": page.base, "Content-Type": "application/x-www-form-urlencoded"}
    answer = await page.ask("POST", "/t/form", cookie, form, data=b"&".join([b"a=1"] * 5_001))
    assert answer.status == 400


ANSWERS = [
    ("GET", "/t/shown", 200), ("GET", "/login", 303), ("GET", "/nothing", 404), ("DELETE", "/healthz", 405), ("GET", "/healthz", 200),
    ("GET", "/static/look.css", 200), ("GET", "/static/nothing", 404), ("GET", "/favicon.ico", 200), ("GET", "/t/bug", 500),
    ("GET", "/t/api/bug", 500), ("GET", "/t/moved", 303), ("GET", "/t/trouble/stale", 409), ("POST", "/t/form", 403), ("GET", "/t/stream", 200),
    ("GET", "/api/schema", 200), ("HEAD", "/t/shown", 200),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
async def test_answer_tells_the_browser_what_it_may_do(
    page: house.Page, cookie: str, method: str, path: str, status: int
) -> None:
    """Pages, refusals, bugs, redirects, files and event streams alike carry the security headers."""
    asked = page.session.request(method, page.base + path, headers={"Cookie": cookie}, allow_redirects=False)
    async with asked as answer:
        found = answer.headers
        assert answer.status == status
    assert found["Content-Security-Policy"] == CSP
    assert "unsafe" not in CSP
    assert "frame-ancestors 'none'" in CSP
    assert found["X-Content-Type-Options"] == "nosniff"
    assert found["Referrer-Policy"] in ("same-origin", "no-referrer")
    assert found["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in found["Permissions-Policy"]
    assert found["Cache-Control"] == (
        "no-cache" if status == 200 and ("static" in path or "favicon" in path) else "no-store"
    )
    assert "aiohttp" not in found["Server"].lower()


async def test_malformed_request_is_refused_with_the_same_headers(page: house.Page) -> None:
    """What is no HTTP gets a 400 that repeats nothing of it and carries the security headers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", page.room.urls.port)
    writer.write(b"GET / HTTP/1.1\r\nBad<script> header\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.split()[1] == b"400"
    assert b"Content-Security-Policy" in answer
    assert b"script>" not in answer


@pytest.mark.parametrize(
    ("name", "status"),
    [("usage", 400), ("refused", 409), ("access", 502), ("down", 503), ("running", 409), ("stale", 409)],
)
async def test_trouble_is_told_with_its_cure(page: house.Page, cookie: str, name: str, status: int) -> None:
    """What the product raises becomes a page, or JSON for programs, that says what and how to mend it."""
    seen = await page.ask("GET", f"/t/trouble/{name}", cookie)
    read = await page.ask("GET", f"/t/api/trouble/{name}", cookie)
    assert (seen.status, read.status) == (status, status)
    body, problem = json.loads(read.text), TROUBLES[name]
    assert (body["message"], body["fix"], body["status"]) == (str(problem), problem.fix, status)
    assert problem.fix in seen.text


async def test_stale_form_shows_both_values(page: house.Page, cookie: str) -> None:
    """Somebody who comes second sees what they wanted, what stands there now, and whose it is."""
    text = (await page.ask("GET", "/t/trouble/stale", cookie)).text
    assert all(each in text for each in ("Tasks!C17", "mine", "theirs", "Ada"))


@pytest.mark.parametrize("path", ["/t/bug", "/t/api/bug"])
async def test_bug_is_told_by_a_number_alone(
    page: house.Page, cookie: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The page shows a number; the log has that number and where it happened, and neither has a value."""
    answer = await page.ask("GET", path, cookie)
    record = next(each for each in caplog.records if each.message == "page failed")
    told = record.__dict__
    assert answer.status == 500
    assert told["reference"] in answer.text
    assert any("rooms.py" in line for line in told["trace"])
    assert told["trace"][0] == "RuntimeError"
    assert WORDS not in answer.text + str(told)
    assert "rooms.py" not in answer.text


async def test_answer_that_fails_halfway_ends(page: house.Page, cookie: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is added to an answer that has begun: its connection ends, and the log has what happened, without a value."""
    asked = page.session.get(page.base + "/t/halfway", headers={"Cookie": cookie})
    async with asked as answer:
        with pytest.raises(ClientError):
            await answer.read()
    record = next(each for each in caplog.records if each.message == "page failed")
    assert WORDS not in str(record.__dict__)


async def test_page_gives_a_script_its_part_alone(page: house.Page, cookie: str) -> None:
    """A script that asks for a part gets that block, with the macros it uses; everybody else the whole page."""
    whole = await page.ask("GET", "/t/trouble/usage", cookie)
    for headers in ({"HX-Request-Type": "partial"}, {"HX-Request": "true"}):
        part = await page.ask("GET", "/t/trouble/usage", cookie, headers)
        assert "<html" not in part.text
        assert "Write it so." in part.text
        assert part.text.strip() in whole.text
        assert "HX-Request-Type" in part.headers["Vary"]
    full = await page.ask("GET", "/t/trouble/usage", cookie, {"HX-Request": "true", "HX-Request-Type": "full"})
    assert "<html" in full.text


@pytest.mark.parametrize(
    ("path", "who", "status"),
    [("/t/shown", "", 401), ("/t/approvers", "preparer", 403), ("/runs/none", "preparer", 404)],
)
async def test_refusal_of_a_script_stands_beside_its_page(page: house.Page, path: str, who: str, status: int) -> None:
    """What a script is refused is told at the top of the page that is open, never as a page inside it."""
    asker = await page.comes(Role(who)) if who else ""
    part = await page.ask("GET", path, asker, {"HX-Request-Type": "partial"})
    assert part.status == status
    assert part.headers["HX-Retarget"] == "#told"
    assert "<html" not in part.text
    assert 'role="alert"' in part.text


@pytest.mark.parametrize("role", Role)
async def test_new_import_is_offered_to_those_who_may(page: house.Page, role: Role) -> None:
    """The navigation leads nobody to a page that refuses them."""
    assert ('href="/imports/new"' in (await page.ask("GET", "/", await page.comes(role))).text) == (
        role is Role.PREPARER
    )


async def test_static_file_is_asked_for_again_and_not_sent_again(page: house.Page) -> None:
    """A file carries a tag; with that tag the browser gets 304, and after a change it would get the file."""
    first = await page.ask("GET", "/static/look.css")
    tag = first.headers["ETag"]
    again = await page.ask("GET", "/static/look.css", headers={"If-None-Match": tag})
    other = await page.ask("GET", "/static/look.css", headers={"If-None-Match": '"another"'})
    assert (first.status, again.status, again.text, other.text) == (200, 304, "", first.text)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("look.css", "text/css"), ("vendor/htmx.min.js", "text/javascript"), ("favicon.svg", "image/svg+xml")],
)
async def test_static_file_has_its_type(page: house.Page, path: str, kind: str) -> None:
    """With nosniff a wrong type would break the page."""
    assert (await page.ask("GET", f"/static/{path}")).headers["Content-Type"].startswith(kind)


@pytest.mark.parametrize(
    "path",
    ["../server.py", "%2e%2e/server.py", "..%2fserver.py", "vendor/../../server.py", "/etc/passwd", "%2fetc%2fpasswd", "vendor", "",
     "look.css%00", "..%5cserver.py", "LOOK.css"],
)  # fmt: skip
async def test_static_serves_nothing_else_of_the_disk(page: house.Page, path: str) -> None:
    """Files are found by name among those of the package; no path leads out."""
    reader, writer = await asyncio.open_connection("127.0.0.1", page.room.urls.port)
    writer.write(
        f"GET /static/{path} HTTP/1.1\r\nHost: 127.0.0.1:{page.room.urls.port}\r\nConnection: close\r\n\r\n".encode()
    )
    answer = await reader.read()
    writer.close()
    assert answer.split()[1] in (b"404", b"400")


async def test_event_streams_of_one_visitor_are_bounded(tmp_path: Path) -> None:
    """One visitor too many at once is told so; another visitor, and the pages of the first, are not touched."""
    limits = House(streams_each=2, streams=3, refusal_s=0.0, leave_s=0.5)
    async with house.opened(tmp_path, routes=ALL, identity="token", house=limits) as page:
        ada, bob = await page.comes(Role.PREPARER), await page.comes(Role.PREPARER)
        url = page.base + "/t/stream"
        open_ = [await page.session.get(url, headers={"Cookie": ada}) for _ in range(2)]
        async with page.session.get(url, headers={"Cookie": ada}) as third:
            assert third.status == 429
        open_.append(await page.session.get(url, headers={"Cookie": bob}))
        async with page.session.get(url, headers={"Cookie": bob}) as last:
            assert last.status == 429  # the server's own limit
        assert (await page.ask("GET", "/t/shown", ada)).status == 200
        assert [each.status for each in open_] == [200, 200, 200]
        for each in open_:
            each.close()


async def test_read_only_server_changes_nothing(tmp_path: Path) -> None:
    """With --read-only every POST is refused but logging in and out and asking for verdicts, and the page says so."""
    async with house.opened(tmp_path, routes=ALL, read_only=True) as page:
        cookie = await page.log_in()
        assert (await page.post("/t/form", {}, cookie)).status == 403
        upload_ = await page.ask("POST", "/t/upload", cookie, {"Origin": page.base}, data=upload(page.csrf(cookie)))
        assert upload_.status == 403
        assert "only shows" in (await page.ask("GET", "/t/trouble/usage", cookie)).text
        assert (await page.post("/logout", {}, cookie)).status == 200


async def test_metrics_name_nobody(page: house.Page, cookie: str) -> None:
    """The numbers for a monitor are for operators, and hold no name."""
    answer = await page.ask("GET", "/metrics", cookie)
    assert answer.status == 200
    assert "importer_connections " in answer.text
    assert "approver" not in answer.text
