"""The command line stopped in mid-run by a person, the system, or a terminal that is closed."""

import signal
import time
from pathlib import Path

import pytest

from tests.harness import referee
from tests.harness.scene import Scene, scene

ROWS = 60
CALM = "unique = false\nindex_lag_s = 0.2\n[limit]\ncalls = 0\n"
HANGING = CALM + "[[faults]]\noperation = 'create'\nkind = 'hang'\nat = [12]\nseconds = 600\n"
SETTINGS = {"IMPORTER_INDEX_LAG": "500ms", "IMPORTER_LEASE": "2s"}
RUN = ("run", "tasks.csv", "--yes", "--track", "none", "--rate", "20/s")


def check_carried_on(place: Scene) -> None:
    """Resumed, each row is one task, and nobody has anything to object."""
    code, body = place.ends("resume", "--track", "none", "--rate", "200/s")
    assert code == 0, body
    assert [run["counts"]["created"] for run in body["runs"]] == [ROWS]
    assert place.committed() == ROWS
    assert referee.violations(place.evidence(rows=ROWS)) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, -1)])
def test_signal_in_mid_run_ends_it_durably(tmp_path: Path, number: int, code: int) -> None:
    """Ctrl-C ends with 130, SIGTERM with 143, a closed terminal at once; what was sent is known, and it is carried on."""
    with scene(tmp_path, CALM, ROWS, settings=SETTINGS) as place:
        with place.starts(*RUN) as process:
            while place.committed() < 10 and process.poll() is None:
                time.sleep(0.02)  # another process is watched, which no clock of ours turns
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
        assert process.returncode == code, (out, err)
        assert 10 <= place.committed() < ROWS
        if code > 0:
            assert "Traceback" not in err
            assert f'"exit_code": {code}' in out
        check_carried_on(place)


def test_signal_that_comes_twice_leaves_at_once(tmp_path: Path) -> None:
    """While calls hang, a second Ctrl-C does not wait for them: 130, and the rows in flight are looked up later."""
    with scene(tmp_path, HANGING, ROWS, settings=SETTINGS) as place:
        with place.starts(*RUN) as process:
            while place.journal.read_bytes().count(b'"kind":"read"') < 12 and process.poll() is None:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            while "once more" not in process.stderr.readline():
                pass
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=8)  # shorter than calls in flight may take to land
        assert process.returncode == 130, (out, err)
        assert "Traceback" not in err
        check_carried_on(place)
