"""The sandbox as a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

END_S = 20


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A sandbox process and the line that it printed; killed at the end if it still runs."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("GENESYS_", "SANDBOX_"))}
    command = [sys.executable, "-m", "importer.sandbox", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=keep | environment) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def journal(greeting: dict[str, Any]) -> dict[str, Any]:
    """The journal of a running process."""
    with urlopen(greeting["api_url"] + "/sandbox/journal") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_process_says_where_it_is() -> None:
    """The first line on stdout has addresses, credentials, world and process ID; the port answers."""
    with running("--seed", "7") as (process, greeting):
        assert greeting.keys() == {"api_url", "login_url", "client_id", "client_secret", "world", "pid"}
        assert greeting["pid"] == process.pid
        assert greeting["api_url"].startswith("http://127.0.0.1:")
        assert journal(greeting)["world"] == greeting["world"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_ends_cleanly_on_a_signal(number: signal.Signals) -> None:
    """SIGTERM and SIGINT end it with exit code 0."""
    with running() as (process, _):
        process.send_signal(number)
        assert process.wait(END_S) == 0


def test_process_ends_with_its_stdin() -> None:
    """When stdin ends, because whoever started it is gone, it ends."""
    with running("--until-stdin-closes") as (process, _):
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(END_S) == 0


@pytest.mark.parametrize("prefix", ["GENESYS", "SANDBOX"])
def test_process_takes_credentials_from_the_environment(prefix: str) -> None:
    """Credentials that are set are used."""
    with running(**{f"{prefix}_CLIENT_ID": "mine", f"{prefix}_CLIENT_SECRET": "hush"}) as (_, greeting):
        assert (greeting["client_id"], greeting["client_secret"]) == ("mine", "hush")


def test_process_refuses_a_world_in_use(tmp_path: Path) -> None:
    """A second process on the same world ends with code 2 and the reason, a third one after a kill -9 does not."""
    world = ["--world", str(tmp_path / "w.jsonl")]
    with running(*world) as (first, greeting):
        second = subprocess.run(
            [sys.executable, "-m", "importer.sandbox", *world], capture_output=True, text=True, check=False
        )
        assert second.returncode == 2
        assert "in use by another sandbox" in second.stderr
        first.kill()
        first.wait(END_S)
        with running(*world) as (_, again):
            assert (again["world"], again["client_id"]) == (greeting["world"], greeting["client_id"])


@pytest.mark.parametrize("scenario", ["no-such-scenario", "broken.toml"])
def test_process_says_why_it_cannot_start(tmp_path: Path, scenario: str) -> None:
    """A scenario that cannot be used is told on stderr, with exit code 2 and nothing on stdout."""
    (tmp_path / "broken.toml").write_text("uniqe = true")
    path = str(tmp_path / scenario) if scenario.endswith(".toml") else scenario
    command = [sys.executable, "-m", "importer.sandbox", "--scenario", path]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("sandbox: ")
