"""An importer that is frozen in the middle of a run, taken over by another, and wakes up again."""

import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from tests.harness import referee
from tests.harness.scene import Scene, scene

ROWS = 60
SCENARIO = "unique = false\nindex_lag_s = 0.5\n[limit]\ncalls = 0\n"
SETTINGS = {"IMPORTER_LEASE": "2s", "IMPORTER_TIMEOUT": "1s", "IMPORTER_INDEX_LAG": "1s"}
PATIENCE_S = 120.0
FLIGHT_S = 1.0 + 5.0
"""The longest that a call may take: the time-out, and that of the connection."""


@contextmanager
def ended(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """The process; it is killed where the block fails: a frozen one would be waited for until the end of time."""
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def passes(process: "subprocess.Popen[str]") -> None:
    """A moment of a process that is watched, which no clock of ours turns: until it ends, for at most 20 ms."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.02)


def freeze(process: "subprocess.Popen[str]", place: Scene) -> None:
    """Stops the process where it holds no file's lock: one that is stopped in a commit keeps everyone from the ledger."""
    while True:
        process.send_signal(signal.SIGSTOP)
        if all(can_be_written(place.ledger.with_name(name)) for name in ("ledger.sqlite", "pace.sqlite")):
            return
        process.send_signal(signal.SIGCONT)
        passes(process)


def can_be_written(path: Path) -> bool:
    """Whether nobody is in the middle of a write."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return False
        return True


def test_frozen_importer_is_taken_over_and_sends_nothing_when_it_wakes(tmp_path: Path) -> None:
    """Stopped by SIGSTOP, its run is carried on after lease and flight have passed; woken up, it ends with 8 and makes no task."""
    with scene(tmp_path, SCENARIO, ROWS, settings=SETTINGS) as place:
        run = ("run", "tasks.csv", "--yes", "--track", "none", "--rate", "20/s")
        with ended(place.starts(*run)) as first:
            while place.committed() < 10 and first.poll() is None:
                passes(first)
            freeze(first, place)
            frozen = time.monotonic()
            made = place.committed()
            code = 8
            while code == 8:  # as long as its lease lasts, nobody can tell that it is frozen
                assert time.monotonic() - frozen < PATIENCE_S
                code, body = place.ends("resume", "--track", "none", "--rate", "200/s")
            assert time.monotonic() - frozen >= FLIGHT_S
            assert code == 0, body
            (resumed,) = body["runs"]
            assert resumed["counts"]["created"] == ROWS
            assert made < ROWS
            first.send_signal(signal.SIGCONT)
            out, err = first.communicate(timeout=PATIENCE_S)
        assert first.returncode == 8, (out, err)
        assert "taken over" in out + err
        assert place.committed() == ROWS
        assert referee.violations(place.evidence()) == []


def test_second_importer_of_a_run_at_work_ends_at_once(tmp_path: Path) -> None:
    """While the first sends, a second one that would carry the run on ends with 8 and says who is at work."""
    with scene(tmp_path, SCENARIO, 30, settings=SETTINGS) as place:
        with ended(place.starts("run", "tasks.csv", "--yes", "--track", "none", "--rate", "4/s")) as first:
            while place.committed() < 5 and first.poll() is None:
                passes(first)
            code, body = place.ends("resume", "--track", "none")
            assert (code, body["schema"]) == (8, "importer.problem/1")
            assert str(first.pid) in body["problem"]
            out, err = first.communicate(timeout=120)
        assert first.returncode == 0, (out, err)
        assert place.committed() == 30
