"""The lock: one submission at a time, and a dead holder holds nothing."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import pytest

from importer.core.errors import AlreadyRunning
from importer.ledgers.lock import SubmissionLock

SCRIPT = """
import sys
from pathlib import Path
from importer.ledgers.lock import SubmissionLock
with SubmissionLock(Path(sys.argv[1]), "key").held("run-1"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its input closes."""
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield child


def test_lock_tells_who_holds_it(tmp_path: Path) -> None:
    """A second process is refused at once, with the run, the process and the time of the first; exit code 8."""
    with holder(tmp_path) as child:
        with pytest.raises(AlreadyRunning, match=rf"run-1, process {child.pid} on .+, since 20") as refused:
            with SubmissionLock(tmp_path, "key").held("run-2"):
                pass
        assert refused.value.exit_code == 8


def test_lock_is_free_when_its_holder_ended(tmp_path: Path) -> None:
    """After the holder's end the next one gets the lock."""
    with holder(tmp_path):
        pass
    with SubmissionLock(tmp_path, "key").held("run-2"):
        pass


def test_lock_is_free_when_its_holder_was_killed(tmp_path: Path) -> None:
    """A killed holder holds nothing, whatever it left behind; the next holder signs in its place."""
    with holder(tmp_path) as child:
        child.send_signal(signal.SIGKILL)
        child.wait(30)
    with SubmissionLock(tmp_path, "key").held("run-2"):
        with pytest.raises(AlreadyRunning, match=rf"run-2, process {os.getpid()}"):
            with SubmissionLock(tmp_path, "key").held("run-3"):
                pass


def test_lock_of_another_client_is_another_lock(tmp_path: Path) -> None:
    """Submissions with different keys do not wait for each other."""
    with holder(tmp_path), SubmissionLock(tmp_path, "other").held("run-2"):
        pass


def test_lock_may_be_taken_again_by_its_holder(tmp_path: Path) -> None:
    """The holder may enter again; the lock is free only when it left as often as it came."""
    lock = SubmissionLock(tmp_path, "key")
    with lock.held("run-1"):
        with lock.held("run-1"):
            pass
        with pytest.raises(AlreadyRunning), SubmissionLock(tmp_path, "key").held("run-2"):
            pass
    with SubmissionLock(tmp_path, "key").held("run-2"):
        pass


def test_lock_is_free_after_a_failure(tmp_path: Path) -> None:
    """An error in the holder's work lets the lock go."""
    with pytest.raises(ValueError, match="broken"), SubmissionLock(tmp_path, "key").held("run-1"):
        raise ValueError("broken")
    with SubmissionLock(tmp_path, "key").held("run-2"):
        pass


def test_lock_without_a_readable_signature_still_holds(tmp_path: Path) -> None:
    """Where the holder's name cannot be read, the refusal says so."""
    with holder(tmp_path):
        (tmp_path / "key.holder.json").write_text("[]")
        with pytest.raises(AlreadyRunning, match="did not sign"), SubmissionLock(tmp_path, "key").held("run-2"):
            pass


def test_lock_names_nobody_who_let_it_go(tmp_path: Path) -> None:
    """Whoever lets the lock go takes the name away, so that none of a former holder is told."""
    with holder(tmp_path):
        pass
    with SubmissionLock(tmp_path, "key").held("run-2"):
        pass
    assert not (tmp_path / "key.holder.json").exists()


@pytest.mark.parametrize("left", ["nothing", "a torn name", "the name of one that was killed"])
def test_lock_waits_for_the_name_of_its_holder(left: str, tmp_path: Path) -> None:
    """Where the holder has not signed yet, the second looks again until it has."""
    sign = tmp_path / "key.holder.json"
    with holder(tmp_path) as killed:
        of_killed = sign.read_bytes()
        killed.kill()
        killed.wait(30)
    with holder(tmp_path) as child:
        signed = sign.read_bytes()
        if left == "nothing":
            sign.unlink()
        else:
            sign.write_bytes(signed[:20] if left == "a torn name" else of_killed)
        later = Timer(0.1, sign.write_bytes, [signed])
        later.start()
        with (
            pytest.raises(AlreadyRunning, match=rf"process {child.pid} "),
            SubmissionLock(tmp_path, "key").held("run-2"),
        ):
            pass
        later.join()


def test_lock_files_are_private_under_any_umask(tmp_path: Path) -> None:
    """Lock files have mode 0600 and new folders 0700 under umask 000."""
    folder = tmp_path / "state" / "locks"
    before = os.umask(0)
    try:
        with SubmissionLock(folder, "key").held("run-1"):
            modes = {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}
    finally:
        os.umask(before)
    assert modes == {0o600}
    assert [stat.S_IMODE(each.stat().st_mode) for each in (folder, folder.parent)] == [0o700, 0o700]
