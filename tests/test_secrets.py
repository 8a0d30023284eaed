"""Secrets: a planted client secret and token are in nothing that the importer writes, prints, or hands to a child."""

import base64
import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from importer.cli.door import _unexpected
from importer.core.errors import SettingsError
from importer.hosts import masked
from importer.ports import ReadOptions
from importer.sandbox.clock import HandClock
from importer.settings import load
from importer.sources.reader import open_source
from importer.targets.exchange import Credentials, Endpoints, Exchange
from importer.targets.transport import HttpTransport, Reply, Request
from importer.wiring import begin_log, sandbox_process
from tests.cli.conftest import Ended, Shell
from tests.flow.conftest import FreePace
from tests.targets.conftest import ForwardClock

SECRET = "canary-s3cret-4711-xyz"
TOKEN = "canary-t0ken-0815-xyz"
CLIENT = "client-1"
BASIC = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
CANARIES = (SECRET, TOKEN, BASIC)
HEAD = "External ID,Queue,Priority,Description"


class Echoing(BaseHTTPRequestHandler):
    """A target that repeats the Authorization header in whatever it says of an error."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        queue = {"id": "q-1", "name": "Billing", "status": "open"}
        found = [queue] if path == "/api/v2/queues" else []
        self._say(200, {"entities": found, "total": len(found), "pageCount": 1})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/oauth/token":
            if b"E2" in body:
                self._say(400, {"message": f"bad task, sent with {self.headers['Authorization']}", "code": TOKEN})
            else:
                self._say(201, {"id": f"T-{len(body)}", "state": "new"})
        elif self.headers["Authorization"] == f"Basic {BASIC}" and not self.server.refuses:  # type: ignore[attr-defined]
            self._say(200, {"access_token": TOKEN, "token_type": "bearer", "expires_in": 3600})
        else:
            given = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode(
                errors="surrogateescape"
            )
            said = f"{self.headers['Authorization']} is wrong, {given.partition(':')[2]} too"
            self._say(401, {"error": said, "description": said, "message": said})

    def _say(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """Nothing."""


@contextmanager
def target(*, refuses: bool = False) -> Iterator[str]:
    """The target's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echoing)
    server.daemon_threads = True
    server.refuses = refuses  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def importer(tmp_path: Path) -> Shell:
    """The command line with planted credentials, in fresh processes with Python and asyncio in their debug modes."""
    planted = {"GENESYS_CLIENT_ID": CLIENT, "GENESYS_CLIENT_SECRET": SECRET, "IMPORTER_INDEX_LAG": "0s"}
    return Shell(tmp_path, {**planted, "PYTHONDEVMODE": "1", "PYTHONASYNCIODEBUG": "1"})


def leaks(folder: Path, *ended: Ended) -> list[str]:
    """Where a canary is: in the output of commands, in a file's bytes, inside a zip or in a file's name."""
    import zipfile

    found = [f"output of command {n}" for n, each in enumerate(ended) if _holds((each.out + each.err).encode())]
    for path in folder.rglob("*"):
        if _holds(path.name.encode()) or (path.is_file() and _holds(path.read_bytes())):
            found.append(path.name)
        if path.is_file() and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as package:
                found += [f"{path.name}:{name}" for name in package.namelist() if _holds(package.read(name))]
    return found


def _holds(data: bytes) -> bool:
    return any(canary.encode() in data for canary in CANARIES)


def test_secret_is_in_nothing_that_commands_leave(importer: Shell) -> None:
    """check, preview, run (with a row that the target refuses while it repeats the header), report, status, runs and
    config show: no output, log, ledger, plan or report has secret or token, though the target was given both."""
    file = importer.file("a.csv", HEAD, "E1,Billing,5,one", "E2,Billing,5,two")
    with target() as url:
        importer.environment["GENESYS_API_URL"] = url
        ended = [
            importer("check", file), importer("preview", file),
            importer("run", file, "--yes", "--track", "none", "--no-audit"),
            importer("report", "2", "--results", "xlsx,json,csv"), importer("status"), importer("runs"),
            importer("config", "show", "--origin"), importer("ledger", "verify"), importer("ledger", "export", "dump"),
        ]  # fmt: skip
    assert [each.code for each in ended[:3]] == [0, 0, 5], ended[2].err
    assert "1 created" in ended[2].out
    assert "1 failed" in ended[2].out
    assert "bad task, sent with Bearer ***" in next(importer.folder.rglob("results.json")).read_text("utf-8")
    assert (importer.folder / "state" / "logs" / "importer.jsonl").stat().st_size > 0
    assert leaks(importer.folder, *ended) == []


def test_secret_is_in_nothing_after_a_failed_log_in(importer: Shell) -> None:
    """A server that refuses the log-in and repeats the secret in its answer: 6, told, and no canary anywhere."""
    file = importer.file("a.csv", HEAD, "E1,Billing,5,one")
    with target(refuses=True) as url:
        importer.environment["GENESYS_API_URL"] = url
        ended = [importer("preview", file), importer("run", file, "--yes"), importer("template", "--out", "t.xlsx")]
    assert [each.code for each in ended] == [6, 6, 6]
    assert "***" in ended[0].err
    assert leaks(importer.folder, *ended) == []


@pytest.mark.parametrize(
    "secret",
    [SECRET + "\udcff", *(pytest.param(each, marks=pytest.mark.nightly) for each in ("ü" + SECRET, SECRET + "\x01"))],
)
def test_secret_of_odd_bytes_is_sent_and_not_shown(importer: Shell, secret: str) -> None:
    """A secret with bytes that are no text fails as a log-in (6), not as a crash that might show it."""
    importer.environment["GENESYS_CLIENT_SECRET"] = secret
    file = importer.file("a.csv", HEAD, "E1,Billing,5,one")
    with target(refuses=True) as url:
        importer.environment["GENESYS_API_URL"] = url
        ended = importer("preview", file)
    assert ended.code == 6
    assert leaks(importer.folder, ended) == []


class BrokenClock(ForwardClock):
    """A clock that fails when the token is to be dated: a bug in the middle of the token call."""

    def monotonic(self) -> float:
        raise RuntimeError("the clock is broken")


class Answering:
    """A transport whose server gives a token."""

    async def send(self, request: Request) -> Reply:
        return Reply(200, {"access_token": TOKEN, "expires_in": 60}, {})

    async def close(self) -> None:
        pass


async def test_secret_is_in_no_traceback_of_a_crash_in_the_token_call(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An unexpected failure in the token call is kept in failures.log and told, without secret or token; debug level on."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("IMPORTER_STATE_DIR", str(tmp_path))
    clock = BrokenClock(HandClock())
    credentials = Credentials(CLIENT, SECRET)
    exchange = Exchange(
        Endpoints("http://127.0.0.1:9", "http://127.0.0.1:9"), credentials, FreePace(clock), clock, Answering()
    )
    with pytest.raises(RuntimeError) as crashed:
        await exchange.log_in(("task:create",))
    assert _unexpected(crashed.value) == 1
    kept = (tmp_path / "failures.log").read_text("utf-8")
    assert "_fetch_token" in kept
    assert "the clock is broken" in kept
    told = "".join(capsys.readouterr()) + caplog.text + kept + repr(exchange) + repr(credentials) + str(credentials)
    told += "".join(traceback.format_exception(crashed.value))
    assert not _holds(told.encode())


def test_secret_is_in_no_text_form_of_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings hold no secret at all; endpoints, requests and transports show none."""
    monkeypatch.setenv("GENESYS_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("GENESYS_CLIENT_ID", CLIENT)
    settings = load({}, folder=tmp_path)
    shown = f"{settings!r}{settings}{settings.values}{HttpTransport()!r}{Credentials(CLIENT, SECRET)!r}"
    assert not _holds(shown.encode())


URLS = (
    f"https://me:{SECRET}@api.mypurecloud.com", f"https://{SECRET}@api.mypurecloud.com", f"me:{SECRET}@api.mypurecloud.com",
    f"https://me:{SECRET}@x/a@b", f"https://me:{SECRET}@[::1", f"https:me:{SECRET}@h", f"https://api.mypurecloud.com?token={SECRET}",
    f"https://api.mypurecloud.com/#{SECRET}", f"HTTPS://me:{SECRET}@h", f"https://me:p/{SECRET}@h", f"https://me:p\n{SECRET}@h",
)  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_secret_in_a_url_is_masked(url: str) -> None:
    """What a URL must not hold (user, password, query) is hidden wherever a setting is shown."""
    assert SECRET not in masked(url)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("name", ["api_url", "login_url", "host"])
def test_secret_in_a_url_is_in_no_refusal(tmp_path: Path, url: str, name: str) -> None:
    """A URL that holds more than a base URL is refused by a message without it."""
    flags = {"api_url": "https://api.mypurecloud.com", name: url} if name != "host" else {"host": url}
    with pytest.raises(SettingsError) as told:
        _ = load(flags, folder=tmp_path).endpoints
    assert SECRET not in f"{told.value} {told.value.fix}"


def test_secret_in_a_url_is_hidden_by_the_command_line(importer: Shell) -> None:
    """`config show --origin`, a refused run, and a run at the sandbox, whose log begins with all settings."""
    file = importer.file("a.csv", HEAD, "E1,Billing,5,one")
    for url in (URLS[0], URLS[6]):
        importer.environment |= {"GENESYS_API_URL": url, "GENESYS_LOGIN_URL": url, "GENESYS_ENV_HOST": url}
        ended = [
            importer("config", "show", "--origin"), importer("preview", file), importer("preview", file, "--sandbox"),
        ]  # fmt: skip
        assert [each.code for each in ended] == [0, 2, 0]
        assert leaks(importer.folder, *ended) == []


# Children


def children() -> dict[int, tuple[bytes, bytes]]:
    """This process's children: argument list and environment (empty where the kernel does not show it to us)."""
    found: dict[int, tuple[bytes, bytes]] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parent = int((folder / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[1])
            if parent != os.getpid():
                continue
            arguments = (folder / "cmdline").read_bytes()
            try:
                environment = (folder / "environ").read_bytes()
            except PermissionError:
                environment = b""
            found[int(folder.name)] = (arguments, environment)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both conventions of naming the credentials, in this process's environment."""
    for name in ("GENESYS_CLIENT_SECRET", "GENESYSCLOUD_OAUTHCLIENT_SECRET", "GENESYSCLOUD_ACCESS_TOKEN"):
        monkeypatch.setenv(name, SECRET)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_secret_is_in_no_readers_arguments_or_environment(tmp_path: Path, planted: None) -> None:
    """The child that reads a file has none of it: neither as argument nor in its environment."""
    path = tmp_path / "a.csv"
    path.write_text(HEAD + "\n" + "E1,Billing,5,one\n" * 200_000, "utf-8")
    before = set(children())
    with open_source(path, ReadOptions()) as reading:
        next(iter(reading.rows))  # the child lives: more is to be read than a pipe holds
        readers = {pid: each for pid, each in children().items() if pid not in before}
        assert readers
        assert all(arguments for arguments, _ in readers.values())
        assert not [pid for pid, (arguments, environment) in readers.items() if _holds(arguments + environment)]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_secret_is_in_no_sandboxs_arguments_or_environment(tmp_path: Path, planted: None) -> None:
    """The sandbox makes credentials of its own; real ones are in neither its arguments nor its environment."""
    before = set(children())
    with sandbox_process(tmp_path / "sandbox"):
        started = {pid: each for pid, each in children().items() if pid not in before}
        assert any(b"importer.sandbox" in arguments for arguments, _ in started.values())
        assert not [pid for pid, (arguments, environment) in started.items() if _holds(arguments + environment)]


def test_secret_is_not_logged_with_the_settings(tmp_path: Path, planted: None) -> None:
    """The log begins with the settings in force, and the secret is none of them."""
    settings = load({"state_dir": str(tmp_path / "state"), "api_url": URLS[0]}, folder=tmp_path)
    begin_log(settings)
    assert leaks(tmp_path) == []
