"""The command line killed with SIGKILL in the middle and carried on, at a sandbox without uniqueness."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

ROWS = 60
PATIENCE_S = 60
SCENARIO = "unique = false\nindex_lag_s = 1\n[limit]\ncalls = 0\n"
COMMAND = [sys.executable, "-c", "from importer.cli import main; main()"]


@dataclass(frozen=True)
class Bench:
    """A sandbox process, a file to import, and a state folder."""

    folder: Path
    greeting: dict[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        """What the importer is told by its environment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GENESYS", "IMPORTER_"))}
        return kept | {
            "GENESYS_API_URL": self.greeting["api_url"],
            "GENESYS_LOGIN_URL": self.greeting["login_url"],
            "GENESYS_CLIENT_ID": self.greeting["client_id"],
            "GENESYS_CLIENT_SECRET": self.greeting["client_secret"],
            "IMPORTER_INDEX_LAG": "2s",
            "IMPORTER_STATE_DIR": str(self.folder / "state"),
        }

    def starts(self, *arguments: str) -> "subprocess.Popen[str]":
        """An importer process."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*COMMAND, *arguments, "--format", "json"], env=self.environment, cwd=self.folder, stdout=pipe, stderr=pipe,
            text=True,
        )  # fmt: skip

    def ends(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code and JSON object of an importer process that runs to its end."""
        with self.starts(*arguments) as process:
            out, err = process.communicate(timeout=PATIENCE_S)
        assert out, err
        return process.returncode, json.loads(out)

    def killed(self, at: int, *arguments: str) -> None:
        """An importer process, killed as soon as the sandbox has `at` tasks. It may have ended by then."""
        with self.starts(*arguments) as process:
            while process.poll() is None and self.journal()["committed"] < at:
                pass
            process.send_signal(signal.SIGKILL)
            _, err = process.communicate(timeout=PATIENCE_S)
        assert self.journal()["committed"] >= at, err

    def journal(self) -> dict[str, Any]:
        """What the sandbox knows."""
        with urlopen(self.greeting["api_url"] + "/sandbox/journal") as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def calls(self) -> list[float]:
        """When each call arrived, in seconds."""
        with urlopen(self.greeting["api_url"] + "/sandbox/calls") as answer:
            return [call["arrived"] for call in json.load(answer)["calls"]]

    def tasks(self) -> Counter[str]:
        """How many tasks there are for each external ID."""
        return Counter(task["externalId"] for task in self.journal()["tasks"])


def external_ids() -> list[str]:
    return [f"K-{n:03}" for n in range(1, ROWS + 1)]


def write_file(path: Path, rows: int = ROWS) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["External ID", "Queue", "Priority", "Type", "Description"])
        writer.writerows([name, "General Inquiry", "50", "email", f"Ticket {name}"] for name in external_ids()[:rows])


@contextmanager
def sandbox(folder: Path) -> Iterator[dict[str, Any]]:
    """A sandbox process's greeting; the process ends with the block."""
    scenario = folder / "scenario.toml"
    scenario.write_text(SCENARIO, encoding="utf-8")
    command = [sys.executable, "-m", "importer.sandbox", "--seed", "7", "--scenario", str(scenario)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GENESYS", "SANDBOX_"))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=kept) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A sandbox without uniqueness and a file of 60 rows."""
    write_file(tmp_path / "tasks.csv")
    with sandbox(tmp_path) as greeting:
        yield Bench(tmp_path, greeting)


RUN = ("run", "tasks.csv", "--yes", "--track", "none", "--rate", "200/s")
RESUME = ("resume", "--rate", "200/s")


def check_books(body: dict[str, Any]) -> None:
    """The counts of a run's object and of its results.json agree, and add up to the rows read."""
    counts = body["counts"]
    assert counts["read"] == sum(number for name, number in counts.items() if name != "read") == ROWS
    results = json.loads(Path(body["reports"]["results_json"]).read_text("utf-8"))
    assert results["counts"] == counts
    assert Counter(row["outcome"] for row in results["rows"]) == {n: c for n, c in counts.items() if c and n != "read"}
    assert Path(body["reports"]["results_xlsx"]).is_file()


@pytest.mark.parametrize("at", [1, 7, 31, 59, 60])
def test_kill_then_resume_makes_each_task_once(bench: Bench, at: int) -> None:
    """Killed after the n-th task and resumed, every external ID is there exactly once, and the books balance."""
    bench.killed(at, *RUN)
    code, body = bench.ends(*RESUME)
    assert code == 0
    assert bench.tasks() == dict.fromkeys(external_ids(), 1)
    for run in body["runs"]:
        assert run["counts"]["created"] == ROWS
        check_books(run)


def test_kill_of_a_resume_is_carried_on_too(bench: Bench) -> None:
    """Killed, killed again while it resumes, and resumed, every external ID is there exactly once."""
    bench.killed(5, *RUN)
    bench.killed(25, *RESUME)
    code, body = bench.ends(*RESUME)
    assert code == 0
    assert bench.tasks() == dict.fromkeys(external_ids(), 1)
    assert [run["counts"]["created"] for run in body["runs"]] == [ROWS]
    check_books(body["runs"][0])
    assert bench.ends(*RESUME) == (0, {"schema": "importer.resume/1", "runs": [], "exit_code": 0})


def test_kill_then_the_same_file_again_makes_no_second_task(bench: Bench) -> None:
    """Who runs the file again instead of resuming gets no second task either, and resuming settles the rest."""
    bench.killed(20, *RUN)
    bench.ends(*RUN)
    code, _ = bench.ends(*RESUME)
    assert code in (0, 5)
    assert bench.tasks() == dict.fromkeys(external_ids(), 1)


def test_kill_of_a_command_with_its_own_sandbox_is_carried_on(tmp_path: Path) -> None:
    """A command killed together with the sandbox that it started is carried on in the same world."""
    write_file(tmp_path / "tasks.csv")
    nobody = dict.fromkeys(("api_url", "login_url", "client_id", "client_secret"), "")
    bench = Bench(tmp_path, nobody)
    world = tmp_path / "state" / "sandbox" / "world.jsonl"

    def created() -> list[str]:
        lines = world.read_text("utf-8").splitlines() if world.exists() else []
        found = [json.loads(line) for line in lines if line.endswith("}")]
        return [each["payload"]["customAttributes"]["externalId"] for each in found if each["kind"] == "task"]

    with bench.starts(*RUN[:-1], "20/s", "--sandbox") as process:
        while process.poll() is None and len(created()) < 20:
            pass
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=PATIENCE_S)
    assert 20 <= len(created()) < ROWS
    code, body = bench.ends("resume", "--sandbox", "--rate", "100/s")
    assert code == 0, body
    assert Counter(created()) == dict.fromkeys(external_ids(), 1)
    check_books(body["runs"][0])


def test_kill_then_resume_keeps_the_cap_of_the_run(bench: Bench) -> None:
    """A run that was started with a low cap is resumed under that cap, not under the default."""
    write_file(bench.folder / "tasks.csv", 12)
    bench.killed(3, *RUN[:-1], "4/s")
    before = len(bench.calls())
    bench.ends("resume")
    arrived = bench.calls()[before:]
    assert max(sum(first <= other < first + 1.0 for other in arrived) for first in arrived) <= 4
