"""`--notifications`: what it says, and that runs are the same with it."""

from pathlib import Path

import pytest

from importer.cli.screen import ProgressLine
from importer.settings import load
from importer.wiring import connected
from tests.cli.conftest import Shell

ONCE = ("--sandbox", "--yes", "--track-for", "1m", "--format", "json")


def test_workitems_are_followed_with_notifications(importer: Shell) -> None:
    """A run of workitems with notifications ends as one without, and nothing is said of them."""
    rows = [f"W-{n},Look into it,Case,Billing" for n in range(3)]
    file = importer.file("items.csv", "External ID,Name,Worktype,Queue", *rows)
    ended = importer("run", file, "--target", "workitems", "--notifications", *ONCE)
    assert ended.code == 0, ended.err
    assert ended.json["counts"]["created"] == 3
    assert "otification" not in ended.err


@pytest.mark.parametrize(
    ("target", "wanted", "has_hints"),
    [("workitems", True, True), ("workitems", None, False), ("tasks", True, False)],
)
def test_hints_are_an_option_of_workitems(tmp_path: Path, target: str, wanted: bool | None, has_hints: bool) -> None:
    """Only the workitems target gives hints, and only where that is asked for."""
    flags = {"target": target, "notifications": wanted, "sandbox": True, "state_dir": str(tmp_path)}
    with connected(load(flags)) as connection:
        assert (connection.target.hints is not None) == has_hints


def test_tasks_have_no_notifications(importer: Shell) -> None:
    """For the tasks target it is told that there are none, and the run is carried out."""
    file = importer.file("tasks.csv", "External ID,Queue,Description", "T-1,Billing,An invoice")
    ended = importer("run", file, "--notifications", *ONCE)
    assert ended.code == 0, ended.err
    assert ended.err.count("The target tasks has no notifications: its tasks are polled.") == 1
    again = importer("track", ended.json["run"], "--no-notifications", "--sandbox", "--format", "json")
    assert "notifications" not in again.err


def test_wrong_notifications_are_told_before_anything_is_sent(importer: Shell) -> None:
    """A value that is neither yes nor no is a wrong setting, named with where it came from."""
    importer.environment["IMPORTER_NOTIFICATIONS"] = "sometimes"
    file = importer.file("tasks.csv", "External ID,Queue,Description", "T-1,Billing,An invoice")
    ended = importer("run", file, *ONCE)
    assert ended.code == 2
    assert "IMPORTER_NOTIFICATIONS" in ended.err


def test_trouble_with_notifications_is_one_harmless_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Why notifications do not come is told on a line of its own; what steers a terminal is shown by its number."""
    ProgressLine()("not heard", {"problem": "refused\x1b[2J"})
    told = capsys.readouterr().err
    assert told == "· Notifications do not come (refused<U+001B>[2J): tasks are polled.\n"


def test_trouble_with_notifications_is_not_told_beside_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With `--format json` the log alone has it."""
    ProgressLine(quiet=True)("not heard", {"problem": "refused"})
    assert capsys.readouterr().err == ""
