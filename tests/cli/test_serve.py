"""importer serve, as a user's process: what it prints, whom it lets in, how it ends, and that nothing secret stays behind."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.harness.scene import clean_environment

TIMEOUT_S = 60


@dataclass(frozen=True)
class Served:
    """A server in a process of its own."""

    process: "subprocess.Popen[str]"
    folder: Path
    first: str
    second: str

    @property
    def base(self) -> str:
        found = re.match(r"listening on (http://127\.0\.0\.1:\d+) ", self.first)
        assert found is not None
        return found[1]


def served(folder: Path, *options: str, browser: str = "true") -> Served:
    """Starts one on a free port; returns when it listens."""
    command = [sys.executable, "-m", "importer.cli", "serve", "--sandbox", "--port", "0", *options]
    environment = clean_environment() | {"IMPORTER_STATE_DIR": str(folder / "state"), "BROWSER": browser}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=(folder / "err").open("w"), text=True
    )
    assert process.stdout is not None
    return Served(process, folder, process.stdout.readline().rstrip("\n"), process.stdout.readline().rstrip("\n"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for the tests that only ask."""
    running = served(tmp_path_factory.mktemp("served"))
    yield running
    running.process.terminate()
    running.process.wait(TIMEOUT_S)


def status_of(url: str, **headers: str) -> int:
    """The status of a GET, redirects followed, cookies forgotten."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_serve_prints_where_it_listens_and_how_to_come_in(server: Served) -> None:
    """The first line is for programs, the second the address of the page with the key of this start; nothing else is printed."""
    assert server.first == f"listening on {server.base} (POST /api/preview, GET /api/schema); Ctrl-C ends"
    assert re.fullmatch(rf"page {server.base}/\?token=[\w-]{{43}}", server.second)
    assert status_of(f"{server.base}/healthz") == 200
    assert status_of(f"{server.base}/") == 401


def test_serve_lets_programs_of_this_machine_ask(server: Served) -> None:
    """The preview endpoint answers as it did before there was a page."""
    body = {"external_id": "E-1", "queue": "Billing", "description": "one", "priority": 7}
    request = urllib.request.Request(
        f"{server.base}/api/preview", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        assert json.load(answer)["valid"] is True


def test_serve_is_one_of_a_state_folder(server: Served, importer: Shell) -> None:
    """A second server of the same folder ends with exit code 8 and says who has it."""
    ended = importer("serve", "--sandbox", "--port", "0", "--state-dir", server.folder / "state")
    assert ended.code == 8
    assert f"process {server.process.pid}" in ended.err
    assert "--state-dir" in ended.err
    assert ended.out == ""


def test_serve_tells_a_port_that_is_taken(server: Served, importer: Shell) -> None:
    """Another folder's server on the same port ends with exit code 2."""
    ended = importer("serve", "--sandbox", "--port", server.base.rpartition(":")[2])
    assert (ended.code, ended.out) == (2, "")
    assert "--port" in ended.err


def test_serve_knows_at_once_who_is_named_and_revoked(tmp_path: Path, importer: Shell) -> None:
    """A link that was made while the server runs opens the page; after revoking it does not."""
    running = served(tmp_path, "--identity", "token", "--state-dir", str(tmp_path / "state"))
    try:
        assert running.second == f"page {running.base}/"
        state = ("--state-dir", tmp_path / "state")
        made = importer("serve", "user", "add", "Ada", "--role", "approver", *state)
        link = made.out.strip()
        token = link.partition("token=")[2]
        assert link.startswith("http://127.0.0.1:8765/login?token=")
        bearer = {"Authorization": f"Bearer {token}"}
        assert status_of(f"{running.base}/api/schema", **bearer) == 200
        assert importer("serve", "user", "revoke", "Ada", *state).code == 0
        assert status_of(f"{running.base}/api/schema", **bearer) == 401
    finally:
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(TIMEOUT_S) == 0
    assert (tmp_path / "err").read_text().startswith("Nobody may come in yet")
    left = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    assert token.encode() not in left


def test_serve_ends_cleanly_and_leaves_no_key(tmp_path: Path) -> None:
    """Ctrl-C ends it with 0 and without a traceback; the key of its start and the session of its visitor are in no file.

    With --open the browser is given a file, so that the key is in no command line; it is gone afterwards.
    """
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "%s" "$*" >{seen}.part; mv {seen}.part {seen}\n')
    browser.chmod(0o700)
    running = served(tmp_path, "--open", browser=str(browser))
    key = running.second.partition("token=")[2]
    jar = CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    with opener.open(f"{running.base}/?token={key}", timeout=TIMEOUT_S) as answer:
        assert "token" not in answer.url
    secret = next(iter(jar)).value
    assert secret
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(TIMEOUT_S) == 0
    assert (tmp_path / "err").read_text() == ""
    assert seen.read_text() == (tmp_path / "state" / "page" / "open.html").as_uri()
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"page log-in" in left
    assert key.encode() not in left
    assert secret.encode() not in left


def test_serve_user_commands_tell_who_may_come_in(importer: Shell) -> None:
    """Somebody is added with roles, listed without any secret, and taken away; what is wrong is told with exit code 2."""
    added = importer(
        "serve", "user", "add", "Ada", "--role", "preparer", "--role", "operator", "--public-url", "https://t.example"
    )
    assert added.code == 0
    assert re.fullmatch(r"https://t\.example/login\?token=[\w-]+\.[\w-]{43}\n", added.out)
    assert "once" in added.err
    proxied = importer("serve", "user", "add", "bob@example.org", "--role", "approver", "--no-link")
    assert "token" not in proxied.out
    listed = importer("serve", "user", "list").out
    assert re.search(r"^Ada\toperator, preparer\tby link\tsince ", listed, re.MULTILINE)
    assert re.search(r"^bob@example\.org\tapprover\tby proxy\t", listed, re.MULTILINE)
    people = importer("serve", "user", "list", "--format", "json").json
    assert [each["name"] for each in people["people"]] == ["Ada", "bob@example.org"]
    assert "token" not in json.dumps(people)
    for wrong in (
        ["add", "Ada", "--role", "preparer"],
        ["add", "Cyd", "--role", "boss"],
        ["add", "Cyd"],
        ["revoke", "Cyd"],
    ):
        ended = importer("serve", "user", *wrong)
        assert (ended.code, ended.out) == (2, "")
    assert importer("serve", "user", "revoke", "ada").code == 0
    assert "Ada" not in importer("serve", "user", "list").out


@pytest.mark.parametrize(
    "options",
    [
        ("--bind", "0.0.0.0"),
        ("--bind", "0.0.0.0", "--identity", "token"),
        ("--identity", "header"),
        ("--public-url", "http://t.example"),
    ],
)
def test_serve_refuses_to_be_open_to_strangers(importer: Shell, options: tuple[str, ...]) -> None:
    """Nothing listens, and the exit code is 2."""
    ended = importer("serve", "--sandbox", "--port", "0", *options)
    assert (ended.code, ended.out) == (2, "")
    assert "fix" in ended.err
