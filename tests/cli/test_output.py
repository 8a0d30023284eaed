"""Faults of the output never touch what is sent: told before, or survived after."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Ended, Shell

HEAD = "External ID,Queue,Priority,Description"
NOWHERE = Path("/proc/nowhere")
"""A folder in which the kernel lets nobody make anything, not even root."""
PATH_MOST = 4096
"""Bytes of a path that Linux takes, with the NUL at its end."""


@pytest.fixture
def plan(importer: Shell) -> str:
    """A plan of two rows."""
    file = importer.file("a.csv", HEAD, "E1,Billing,5,one", "E2,Claims,,two")
    made: str = importer("preview", file, "--sandbox", "--format", "json").json["plan"]
    return made


def run(importer: Shell, what: str | Path, *more: str | Path) -> Ended:
    return importer("run", what, "--sandbox", "--track", "none", "--no-audit", *more)


def deep(folder: Path, length: int) -> Path:
    """A folder whose path has so many bytes."""
    path = folder
    while len(str(path)) + 202 < length:
        path = path / ("d" * 200)
    return path / ("e" * (length - len(str(path)) - 1))


def test_output_folder_is_tried_before_anything_is_sent(importer: Shell, plan: str) -> None:
    """A run whose reports would have no place ends with 2 before a row is sent; the plan can still be run."""
    refused = run(importer, plan, "--out", NOWHERE)
    assert refused.code == 2
    assert "cannot be written" in refused.err
    assert "--out DIR" in refused.err
    assert "Traceback" not in refused.err
    assert importer("runs", "--format", "json").json["runs"] == []
    assert run(importer, plan, "--out", "out").code == 0


def test_output_folder_is_tried_before_a_file_is_run(importer: Shell) -> None:
    """The same for `importer run FILE`: 2, and no run exists."""
    file = importer.file("a.csv", HEAD, "E1,Billing,5,one")
    assert run(importer, file, "--yes", "--out", NOWHERE).code == 2
    assert importer("runs", "--format", "json").json["runs"] == []


@pytest.mark.parametrize("command", ["resume", "track"])
def test_output_folder_is_tried_before_a_run_goes_on(importer: Shell, plan: str, command: str) -> None:
    """`importer resume` ends with 2 before it sends; `importer track` sends nothing and ends with its own code and a message."""
    done = run(importer, plan, "--format", "json").json["run"]
    ended = importer(command, done, "--sandbox", "--no-audit", "--out", NOWHERE)
    assert ended.code == {"resume": 2, "track": 1}[command]
    assert "cannot be written" in ended.err
    assert "Traceback" not in ended.err


def test_output_fault_after_sending_changes_nothing_of_the_run(importer: Shell, plan: str) -> None:
    """The folder takes the probe, but the reports' own paths are too long: every row is sent, the books are printed,
    the code is 1, and one command writes the reports elsewhere."""
    out = deep(importer.folder, PATH_MOST - 32)
    ended = run(importer, plan, "--out", out)
    assert ended.code == 1
    assert "2 created" in ended.out
    assert "name too long" in ended.err.lower()
    assert "Traceback" not in ended.err
    (known,) = importer("runs", "--format", "json").json["runs"]
    assert known["counts"]["created"] == 2
    assert f"importer report {known['run']} --out DIR" in ended.err
    report = importer("report", known["run"], "--out", "elsewhere", "--format", "json")
    assert report.code == 0
    rows = json.loads(Path(report.json["reports"]["results_json"]).read_text("utf-8"))["rows"]
    assert [row["outcome"] for row in rows] == ["created", "created"]


def test_output_fault_is_one_field_of_the_json(importer: Shell, plan: str) -> None:
    """With --format json stdout is one object: counts, no reports, why not, and the code."""
    ended = run(importer, plan, "--out", deep(importer.folder, PATH_MOST - 32), "--format", "json")
    body = ended.json
    assert (ended.code, body["exit_code"]) == (1, 1)
    assert body["counts"]["created"] == 2
    assert body["reports"] == {}
    assert "importer report" in body["reports_problem"]


@pytest.mark.parametrize(
    "command", ["report", *(pytest.param(each, marks=pytest.mark.nightly) for each in ("preview", "template"))]
)
def test_output_fault_of_a_command_that_sends_nothing_is_told(importer: Shell, plan: str, command: str) -> None:
    """Commands that only write end with 2 and a way out, never with a traceback."""
    done = run(importer, plan, "--format", "json").json["run"]
    arguments = {
        "preview": ("a.csv", "--sandbox", "--out", NOWHERE),
        "report": (done, "--out", NOWHERE),
        "template": ("--out", NOWHERE / "t.xlsx"),
    }[command]
    ended = importer(command, *arguments)
    assert ended.code == 2
    assert "cannot be written" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("umask", [0o000, pytest.param(0o022, marks=pytest.mark.nightly)])
def test_output_is_private_whatever_the_umask(importer: Shell, umask: int) -> None:
    """Whatever the umask, all that a run leaves is its owner's alone: reports, ledger, plan, logs, sandbox; 0600 and 0700."""
    file = importer.file("a.csv", HEAD, "E1,Billing,5,one")
    importer.umask = umask
    assert run(importer, file, "--yes", "--out", "out").code == 0
    made = [each for top in ("out", "state") for each in (importer.folder / top, *(importer.folder / top).rglob("*"))]
    modes = {each.relative_to(importer.folder): each.stat().st_mode & 0o777 for each in made}
    assert len(modes) > 10
    assert {str(each): oct(mode) for each, mode in modes.items() if mode not in (0o600, 0o700)} == {}
