"""Disks that are full, fail or cannot be written: sending stops before what cannot be recorded, and goes on where only a report is at stake."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.harness import trace, volumes
from tests.harness.bench import Place, World, unbalanced
from tests.harness.trace import fault, injected, traced
from tests.harness.warm import ROOT, Warm, alive

traceable = pytest.mark.skipif(bool(trace.missing()), reason=trace.missing())
mountable = pytest.mark.skipif(bool(volumes.missing()), reason=volumes.missing())

ROWS = 30
RUN = ("run", "tasks.csv", "--yes", "--track", "none", "--rate", "100/200ms")
SLOW_RUN = (*RUN[:-1], "10/200ms")
RESUME = ("resume", "--rate", "100/200ms")
HELD = ("sending", "doubt", "unknown", "created")
"""Stages in which the ledger knows that a POST was begun."""
MB = 1024 * 1024


def by_day(*few: object, at_night: tuple[object, ...]) -> list[object]:
    """Some values for a check, and more of the same kind for the night."""
    return [*few, *(pytest.param(each, marks=pytest.mark.nightly) for each in at_night)]


@pytest.fixture
def place(tmp_path: Path, world: World, warmed: Warm) -> Place:
    """A file of 30 rows; its external IDs are this test's own."""
    return Place.made(tmp_path, world, warmed, ROWS)


def check_every_intent_is_recorded(place: Place) -> None:
    """Each task that is there belongs to a row of which the ledger knows that a POST was begun."""
    recorded: dict[str, str] = dict(place.ledger("SELECT external_id, stage FROM rows"))
    assert {name: recorded.get(name) for name in place.tasks() if recorded.get(name) not in HELD} == {}


def check_stopped_with_advice(place: Place, code: int, *words: str) -> None:
    """The command failed and said what to do, in a sentence that was written for it."""
    # What Python's own clean-up says on standard error ("Exception ignored in") does not count.
    assert code not in (0, 5)
    assert "Unexpected failure" not in place.said
    told = place.said + json.dumps(place.answer())
    for word in words:
        assert word in told


def check_is_carried_on(place: Place) -> None:
    """Resumed without faults (or run, where no run was opened), each task is there once and the books balance."""
    code, body = place.ends(*RESUME)
    runs = body.get("runs") or [place.ends(*RUN)[1]]
    assert code == 0, place.said
    assert runs[0]["counts"]["created"] + runs[0]["counts"]["existing"] == ROWS
    assert unbalanced(runs[0]["counts"], Path(runs[0]["reports"]["results_json"])) == ""
    assert place.tasks() == dict.fromkeys(place.names, 1)


# The ledger's disk


@traceable
@pytest.mark.parametrize("write", by_day(20, at_night=(60, 100, 150)))
def test_disk_full_stops_sending_before_what_cannot_be_recorded(place: Place, write: int) -> None:
    """From some write on the ledger's disk is full: no task was made whose intent is not recorded; resuming completes."""
    code = traced(place, RUN, *fault("pwrite64", "ENOSPC", f"{write}+", place.state / "ledger.sqlite-wal"))
    assert injected(place.log) > 0
    check_stopped_with_advice(place, code, "full", "space", "importer resume")
    check_every_intent_is_recorded(place)
    check_is_carried_on(place)


@mountable
@pytest.mark.parametrize("room", by_day(0, at_night=(100_000,)))
def test_disk_full_in_a_run_keeps_what_was_answered(tmp_path: Path, world: World, warmed: Warm, room: int) -> None:
    """Something else fills the disk while rows are sent: every task made is recorded as created or in doubt."""
    with volumes.volume(tmp_path / "state", 24 * MB) as volume:
        place = Place.made(tmp_path, world, warmed, ROWS)
        process = warmed.start(place.order(*SLOW_RUN))
        warmed.go()
        while not place.tasks() and alive(process):
            pass
        volume.fills_up(leaving=room)
        code = warmed.ended()
        volume.has_room()
        check_every_intent_is_recorded(place)
        assert 0 < len(place.tasks()) < ROWS
        check_is_carried_on(place)
        assert code not in (0, 5)


@mountable
def test_disk_full_in_a_run_says_what_to_do(tmp_path: Path, world: World, warmed: Warm) -> None:
    """Something else fills the disk while rows are sent: the message speaks of space, and of resuming."""
    with volumes.volume(tmp_path / "state", 24 * MB) as volume:
        place = Place.made(tmp_path, world, warmed, ROWS)
        order = place.order(*SLOW_RUN)
        process = warmed.start(order)
        warmed.go()
        while not place.tasks() and alive(process):
            pass
        volume.fills_up()
        code = warmed.ended()
        volume.has_room()
        check_stopped_with_advice(place, code, "importer resume")


@mountable
@pytest.mark.parametrize("room", by_day(0, at_night=(30_000, 120_000, 300_000)))
def test_disk_full_from_the_start_sends_nothing_unrecorded(
    tmp_path: Path, world: World, warmed: Warm, room: int
) -> None:
    """A state folder with next to no room: a sentence instead of a crash, and nothing sent that is not recorded."""
    with volumes.volume(tmp_path / "state", 8 * MB) as volume:
        place = Place.made(tmp_path, world, warmed, ROWS)
        volume.fills_up(leaving=room)
        code, _ = place.ends(*RUN)
        check_stopped_with_advice(place, code)
        check_every_intent_is_recorded(place)
        volume.has_room()
        check_is_carried_on(place)


@traceable
@pytest.mark.parametrize("sync", by_day(12, at_night=(6, 24)))
def test_disk_error_in_an_fsync_stops_the_run(place: Place, sync: int) -> None:
    """One fsync of the ledger fails with EIO: the run stops with a message, and resuming completes it."""
    code = traced(place, RUN, *fault("fdatasync", "EIO", f"{sync}", place.state / "ledger.sqlite-wal"))
    assert injected(place.log) == 1
    check_stopped_with_advice(place, code, "importer resume")
    check_every_intent_is_recorded(place)
    check_is_carried_on(place)


@traceable
def test_disk_error_in_an_fsync_is_not_tried_again(tmp_path: Path) -> None:
    """After a failed fsync the ledger takes nothing more through that handle: the kernel may have dropped what was there."""
    path = tmp_path / "state" / "ledger.sqlite"
    options = fault("fdatasync", "EIO", "12", Path(f"{path}-wal"))
    clerk = [sys.executable, "-m", "tests.harness.clerk", "stubborn", str(path)]
    command = ["strace", "-f", "-o", str(tmp_path / "trace"), *options, *clerk]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert injected(tmp_path / "trace") == 1
    words = [line.split()[0] for line in said.splitlines()]
    assert "failed" in words
    assert "row" not in words[words.index("failed") :]


@traceable
def test_disk_full_for_the_pace_stops_with_advice(place: Place) -> None:
    """Where the pace cannot be recorded the cap cannot be kept: the run stops, says so, and can be resumed."""
    code = traced(place, RUN, *fault("pwrite64", "ENOSPC", "60+", place.state / "pace.sqlite-wal"))
    assert injected(place.log) > 0
    check_every_intent_is_recorded(place)
    check_stopped_with_advice(place, code, "importer resume")
    check_is_carried_on(place)


@traceable
def test_disk_full_for_the_log_does_not_stop_a_run(place: Place) -> None:
    """Where the log cannot be written the run goes on to its end, and nobody is shown a traceback."""
    code = traced(place, RUN, *fault("write", "ENOSPC", "1+", place.state / "logs" / "importer.jsonl"))
    assert injected(place.log) > 0
    assert code == 0
    assert "Traceback" not in place.said
    assert place.tasks() == dict.fromkeys(place.names, 1)


@pytest.mark.parametrize("handles", by_day(10, 26, at_night=(14, 18, 22, 30)))
def test_handles_run_out_without_a_crash(place: Place, handles: int) -> None:
    """With too few file handles a run stops in a sentence, and what it had recorded is carried on."""
    code, _ = place.ends(*RUN, RLIMIT_NOFILE=handles)
    if code != 0:
        check_stopped_with_advice(place, code, "open files")
    check_every_intent_is_recorded(place)
    check_is_carried_on(place)


# The reports' disk


@mountable
def test_output_folder_that_cannot_be_written_is_told_before_sending(place: Place) -> None:
    """A read-only output folder is found before the first POST: nothing is sent, the message names the folder."""
    with volumes.shelf(place.folder / "reports") as shelf:
        shelf.turns_read_only()
        code, _ = place.ends(*RUN)
        check_stopped_with_advice(place, code, str(shelf.folder), "--out")
        assert place.tasks() == {}


@mountable
def test_output_folder_that_turns_read_only_does_not_stop_sending(place: Place) -> None:
    """An output folder that turns read-only while rows are sent costs no row; the results can be had elsewhere."""
    with volumes.shelf(place.folder / "reports") as shelf:
        process = place.warm.start(place.order(*SLOW_RUN))
        place.warm.go()
        while not place.tasks() and alive(process):
            pass
        shelf.turns_read_only()
        code = place.warm.ended()
        assert place.tasks() == dict.fromkeys(place.names, 1)
        check_stopped_with_advice(place, code, "importer report", "--out")
        run = place.ends("runs")[1]["runs"][0]["run"]
        code, body = place.ends("report", run, "--out", "elsewhere")
        assert code == 0
        assert unbalanced(body["counts"], Path(body["reports"]["results_json"])) == ""


@traceable
@pytest.mark.parametrize("error", by_day("EBUSY", at_night=("EACCES", "EPERM")))
def test_results_that_are_held_get_a_second_name(place: Place, error: str) -> None:
    """Another program holds the results workbook: the new one is `results (2).xlsx`, told as such, the old one untouched."""
    run = done(place)
    old = Path(run["reports"]["results_xlsx"])
    before = old.read_bytes()
    code = traced(place, ("report", run["run"]), *fault("rename", error, "1"))
    assert injected(place.log) == 1
    assert code == 0, place.said
    told = Path(place.answer()["reports"]["results_xlsx"])
    assert told == old.with_name("results (2).xlsx")
    assert zipfile.ZipFile(told).testzip() is None
    assert old.read_bytes() == before


@traceable
@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_results_that_cannot_be_written_leave_the_old_ones(place: Place, call: str) -> None:
    """A disk that fails while results are written again leaves the old ones whole and no half ones beside them."""
    run = done(place)
    folder = Path(run["reports"]["results_xlsx"]).parent
    before = {file.name for file in folder.iterdir()}
    code = traced(place, ("report", run["run"]), *fault(call, "ENOSPC", "2+"))
    assert injected(place.log) > 0
    check_stopped_with_advice(place, code, "--out")
    assert {file.name for file in folder.iterdir()} == before
    assert json.loads((folder / "results.json").read_text("utf-8"))["counts"]["created"] == ROWS
    assert zipfile.ZipFile(folder / "results.xlsx").testzip() is None


def done(place: Place) -> dict[str, Any]:
    """The object of a run without faults."""
    code, body = place.ends(*RUN)
    assert code == 0, place.said
    return body
