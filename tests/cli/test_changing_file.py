"""A file that another program changes while it is being previewed."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Shell

HEAD = "External ID,Queue,Priority,Type,Description"
QUEUE = {"id": "11111111-1111-4111-8111-111111111111", "name": "Billing", "status": "open"}


@contextmanager
def service(when_logging_in: Callable[[], None]) -> Iterator[str]:
    """A target with one queue and no tasks, at whose log-in something happens; its address."""

    class Answers(BaseHTTPRequestHandler):
        def _answer(self, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            when_logging_in()
            self._answer({"access_token": "t", "token_type": "bearer", "expires_in": 3600})

        def do_GET(self) -> None:
            found = [QUEUE] if self.path.startswith("/api/v2/queues") else []
            self._answer({"entities": found, "total": len(found)})

        def log_message(self, *_: Any) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def grows(file: Path) -> None:
    with file.open("a", encoding="utf-8") as more:
        more.write("E-99,Billing,50,email,another text\n")


def is_replaced(file: Path) -> None:
    other = file.with_name("other.csv")
    other.write_text(f"{HEAD}\nE-77,Billing,50,email,something else\n", "utf-8")
    other.replace(file)


def is_cut_off(file: Path) -> None:
    os.truncate(file, 60)


def stays(file: Path) -> None:
    """As it is."""


@pytest.mark.parametrize(("change", "code"), [(grows, 2), (is_replaced, 2), (is_cut_off, 2), (stays, 0)])
def test_file_that_changes_while_it_is_previewed_makes_no_plan(
    importer: Shell, change: Callable[[Path], None], code: int
) -> None:
    """A plan is made only of the file whose hash it bears: one that grows, is replaced or cut off meanwhile is refused."""
    file = importer.file("tasks.csv", HEAD, *(f"E-{n},Billing,50,email,a text" for n in range(1, 6)))
    with service(lambda: change(file)) as url:
        importer.environment = {
            "GENESYS_API_URL": url, "GENESYS_LOGIN_URL": url, "GENESYS_CLIENT_ID": "me", "GENESYS_CLIENT_SECRET": "s",
        }  # fmt: skip
        ended = importer("preview", file, "--format", "json")
    assert ended.code == code, ended.err
    plans = list((importer.folder / "state" / "plans").glob("*.plan"))
    assert len(plans) == (1 if code == 0 else 0)
    if code:
        assert "F116" in ended.out + ended.err
