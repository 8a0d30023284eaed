"""The log of approvals: nothing in it is altered unnoticed, and nothing that was acknowledged is lost."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from importer.approvals.log import ApprovalLog, Chain, verified
from importer.core.approval import Approval, Person, Use
from importer.core.errors import LedgerError, PlanRefused
from importer.core.plan import canonical

AT, UNTIL = "2026-11-23T21:00:00Z", "2026-11-24T21:00:00Z"
BOB = Person("bob", "uid 1001")
APPROVAL = Approval("plan-1", "d" * 64, "f" * 64, True, BOB, AT, UNTIL, "fine ✔")
USE = Use("plan-1", "d" * 64, "run-1", "taken", Person("ada", "uid 1000"), AT)
APPENDING = """
import sys
from dataclasses import replace
from pathlib import Path
from importer.approvals.log import ApprovalLog
from tests.approvals.test_log import APPROVAL
log, name = ApprovalLog(Path(sys.argv[1])), sys.argv[2]
for number in range(int(sys.argv[3])):
    log.decide(replace(APPROVAL, plan=f"{name}-{number}"), lambda _: None)
    print(number, flush=True)
"""


def willing(_: Chain) -> None:
    """Nothing is refused."""


def written(folder: Path, lines: int = 4) -> ApprovalLog:
    """A log with so many decisions."""
    log = ApprovalLog(folder)
    for number in range(lines):
        log.decide(replace(APPROVAL, plan=f"plan-{number}"), willing)
    return log


def appending(folder: Path, name: str, times: int) -> "subprocess.Popen[str]":
    """A process that adds decisions and prints each when it was acknowledged."""
    command = [sys.executable, "-c", APPENDING, str(folder), name, str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def test_log_gives_back_what_was_decided(tmp_path: Path) -> None:
    """Decisions and uses are read in their order, and the head is the hash of the last line."""
    log = ApprovalLog(tmp_path / "state" / "approvals")
    assert log.read() == Chain()
    log.decide(APPROVAL, willing)
    run, chain = log.take(USE)
    log.opened(USE)
    assert run == "run-1"
    found = ApprovalLog(log.folder).read(known=[chain.head])
    assert found.entries == (APPROVAL, USE, replace(USE, stage="opened"))
    assert (found.hashes[1], found.head) == (chain.head, found.hashes[-1])


def test_log_and_key_are_their_owners_alone(tmp_path: Path) -> None:
    """The folder has mode 0700, all files in it 0600; a key that others may read signs nothing."""
    log = written(tmp_path / "approvals")
    assert log.folder.stat().st_mode & 0o777 == 0o700
    assert {each.stat().st_mode & 0o777 for each in log.folder.iterdir()} == {0o600}
    (log.folder / "key.pem").chmod(0o640)
    with pytest.raises(LedgerError, match="Others may read"):
        log.decide(APPROVAL, willing)


def test_log_refuses_a_decision_by_what_it_says_then(tmp_path: Path) -> None:
    """A refusal is judged under the log's lock, and leaves no line behind."""
    log = written(tmp_path, 1)
    seen: list[int] = []

    def refuse(chain: Chain) -> PlanRefused:
        seen.append(len(chain.entries))
        return PlanRefused("no")

    with pytest.raises(PlanRefused):
        log.decide(APPROVAL, refuse)
    assert (seen, len(log.read().entries)) == ([1], 1)


def flipped(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1].replace(b"bob", b"eve"), *lines[2:]]


def reformed(lines: list[bytes]) -> list[bytes]:
    return [lines[0], json.dumps(json.loads(lines[1])).encode(), *lines[2:]]


ALTERATIONS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "the approver is another": (flipped, "line 2: its signature does not fit"),
    "a line is written in another form": (reformed, "line 2: it is not written as"),
    "a line is dropped": (lambda lines: [lines[0], *lines[2:]], "line 2: it does not follow"),
    "the first line is dropped": (lambda lines: lines[1:], "line 1: it does not follow"),
    "two lines are swapped": (lambda lines: [lines[0], lines[2], lines[1], lines[3]], "line 2: it does not follow"),
    "a line stands twice": (lambda lines: [*lines, lines[-1]], "line 5: it does not follow"),
    "the last line is dropped": (lambda lines: lines[:-1], "4 lines were written and 3 are left"),
    "all lines are dropped": (lambda _: [], "4 lines were written and 0 are left"),
    "the last line is cut": (lambda lines: [*lines[:-1], lines[-1][:-9]], "line 4: it cannot be read"),
    "a line is no JSON": (lambda lines: [*lines[:2], b"\xff{", *lines[3:]], "line 3: it cannot be read"),
    "a line is blank": (lambda lines: [*lines[:2], b"", *lines[2:]], "line 3: it cannot be read"),
}


@pytest.mark.parametrize("name", list(ALTERATIONS))
def test_log_that_was_altered_is_refused(tmp_path: Path, name: str) -> None:
    """Whoever reads an altered log is told the line and what is wrong with it; nothing is added to it."""
    change, told = ALTERATIONS[name]
    log = written(tmp_path)
    lines = log.path.read_bytes().splitlines()
    log.path.write_bytes(b"".join(line + b"\n" for line in change(lines)))
    for reader in (log, ApprovalLog(tmp_path)):
        with pytest.raises(LedgerError, match=told):
            reader.read()
    with pytest.raises(LedgerError, match=told):
        log.decide(APPROVAL, willing)


def test_log_finds_every_byte_that_is_changed(tmp_path: Path) -> None:
    """Whichever byte of the log is another one, the log is refused."""
    log = written(tmp_path, 2)
    whole = log.path.read_bytes()
    for place in range(len(whole)):
        log.path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(LedgerError):
            ApprovalLog(tmp_path).read()


def test_log_that_was_cut_in_an_acknowledged_line_is_refused(tmp_path: Path) -> None:
    """Bytes of the last line that are missing are not taken for a line that was never finished."""
    log = written(tmp_path, 2)
    whole = log.path.read_bytes()
    for cut in (1, 2, 50, len(whole) // 2 - 1):
        log.path.write_bytes(whole[:-cut])
        with pytest.raises(LedgerError, match="2 lines were written and 1 are left"):
            log.read()


def test_log_signed_by_another_key_is_refused(tmp_path: Path) -> None:
    """Lines of another log are foreign: by their key, and where the key was put in its place too, by heads known elsewhere."""
    ours, theirs = written(tmp_path / "ours"), written(tmp_path / "theirs")
    head = ours.read().head
    ours.path.write_bytes(theirs.path.read_bytes())
    with pytest.raises(LedgerError, match="signed by another key"):
        ours.read()
    for name in ("key.pem", "public.pem", "head.json"):
        (ours.folder / name).write_bytes((theirs.folder / name).read_bytes())
    assert len(ours.read().entries) == 4
    with pytest.raises(LedgerError, match="cut off or replaced"):
        ours.read(known=[head])


def test_log_whose_keys_are_no_pair_takes_no_line(tmp_path: Path) -> None:
    """A line that could not be verified is not written."""
    log = written(tmp_path / "ours")
    (log.folder / "key.pem").write_bytes((written(tmp_path / "theirs").folder / "key.pem").read_bytes())
    with pytest.raises(LedgerError, match="not one pair"):
        log.decide(APPROVAL, willing)
    assert len(log.read().entries) == 4


def test_log_that_is_gone_is_missed(tmp_path: Path) -> None:
    """Without its file, without its whole folder: a head that is known elsewhere tells that there was one."""
    log = written(tmp_path / "approvals")
    head = log.read().head
    log.path.unlink()
    with pytest.raises(LedgerError, match="0 are left"):
        log.read()
    with pytest.raises(LedgerError, match="cut off or replaced"):
        ApprovalLog(tmp_path / "nowhere").read(known=[head])


@pytest.mark.parametrize("name", ["approvals.jsonl", "approvals.lock"])
def test_log_that_the_system_does_not_open_is_told(tmp_path: Path, name: str) -> None:
    """Where the file cannot be read, or nobody may lock it, whoever asks is told so in words."""
    log = written(tmp_path, 1)
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).mkdir()
    with pytest.raises(LedgerError, match="cannot be read"):
        log.read()


def test_log_drops_a_line_that_was_never_finished(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """However much of its line a killed writer left, nobody was told that it stands: it is dropped, told, and the next line follows."""
    log = written(tmp_path, 2)
    before = log.path.read_bytes(), (tmp_path / "head.json").read_bytes()
    log.decide(replace(APPROVAL, comment="third"), willing)
    line = log.path.read_bytes()[len(before[0]) :]
    for cut in (1, 2, len(line) // 2, len(line) - 1):
        log.path.write_bytes(before[0] + line[:cut])
        (tmp_path / "head.json").write_bytes(before[1])
        found = log.read()
        assert (len(found.entries), found.torn) == (2, cut)
        log.decide(replace(APPROVAL, comment="again"), willing)
        assert [each.comment for each in log.read().entries if isinstance(each, Approval)][2:] == ["again"]
    assert "torn line dropped" in caplog.text


def test_log_keeps_a_whole_line_that_was_not_acknowledged(tmp_path: Path) -> None:
    """A writer that was killed between its line and the head has decided: its line counts, and the next follows it."""
    log = written(tmp_path, 1)
    head = (tmp_path / "head.json").read_bytes()
    log.decide(replace(APPROVAL, comment="second"), willing)
    (tmp_path / "head.json").write_bytes(head)
    assert len(log.read().entries) == 2
    log.decide(replace(APPROVAL, comment="third"), willing)
    assert len(ApprovalLog(tmp_path).read().entries) == 3


def test_log_takes_no_lines_beyond_the_one_that_may_be_unacknowledged(tmp_path: Path) -> None:
    """A head that is put back further than one line is told."""
    log = written(tmp_path, 1)
    head = (tmp_path / "head.json").read_bytes()
    written(tmp_path, 2)
    (tmp_path / "head.json").write_bytes(head)
    with pytest.raises(LedgerError, match="line 2: lines were added that were never acknowledged"):
        log.read()


def test_log_recovers_from_a_kill_between_its_two_keys(tmp_path: Path) -> None:
    """The public key is made again from the private one, as long as nothing was signed; afterwards it is missed."""
    log = ApprovalLog(tmp_path)
    log.signed(b"text")
    (tmp_path / "public.pem").unlink()
    log.decide(APPROVAL, willing)
    assert len(log.read().entries) == 1
    (tmp_path / "public.pem").unlink()
    with pytest.raises(LedgerError, match="public key"):
        ApprovalLog(tmp_path).read()


def test_approval_is_taken_by_one_run(tmp_path: Path) -> None:
    """Until a run is opened, the same run alone may take it, however often; once it is opened, none."""
    log = written(tmp_path, 1)
    assert log.take(USE)[0] == "run-1"
    assert log.take(replace(USE, run="run-2"))[0] == "run-1"
    assert len(log.read().entries) == 2
    log.opened(USE)
    log.opened(USE)
    assert len(log.read().entries) == 3
    with pytest.raises(PlanRefused, match="used by the run run-1"):
        log.take(replace(USE, run="run-2"))


def test_copy_of_the_log_is_verified_without_the_key(tmp_path: Path) -> None:
    """What is copied beside a run's results is enough to verify it, holds no private key, and an altered copy is refused."""
    log = written(tmp_path / "approvals")
    copy = tmp_path / "copy"
    copy.mkdir()
    for name, content in log.copies().items():
        (copy / name).write_bytes(content)
    assert verified(copy) == log.read()
    assert not any(b"PRIVATE" in each.read_bytes() for each in copy.iterdir())
    assert sorted(each.name for each in copy.iterdir()) == ["approvals.jsonl", "head.json", "public.pem"]
    (copy / "approvals.jsonl").write_bytes((copy / "approvals.jsonl").read_bytes().replace(b"bob", b"eve", 1))
    with pytest.raises(LedgerError, match="line 1"):
        verified(copy)


def test_signature_of_the_log_is_one_of_ed25519_over_the_line(tmp_path: Path) -> None:
    """Anyone with the public key and a library verifies a line: the signature is over its canonical JSON without it."""
    import base64

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    log = written(tmp_path, 1)
    line = json.loads(log.path.read_bytes())
    signature = base64.b64decode(line.pop("signature"))
    key = load_pem_public_key((tmp_path / "public.pem").read_bytes())
    assert isinstance(key, Ed25519PublicKey)
    key.verify(signature, canonical(line).encode())


def test_log_takes_the_lines_of_two_processes_at_once(tmp_path: Path) -> None:
    """Two processes that append at the same time lose nothing and break no chain."""
    processes = [appending(tmp_path, name, 25) for name in ("left", "right")]
    assert [process.wait(60) for process in processes] == [0, 0]
    plans = [each.plan for each in ApprovalLog(tmp_path).read().entries]
    assert len(plans) == 50
    assert [each for each in plans if each.startswith("left")] == [f"left-{n}" for n in range(25)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()


def test_log_loses_nothing_acknowledged_to_a_kill(tmp_path: Path) -> None:
    """A process killed with SIGKILL while it appends leaves a log that is whole up to what it was told, and can go on."""
    acknowledged = 0
    for number in range(4):
        process = appending(tmp_path, f"p{number}", 1000)
        assert process.stdout is not None
        for _ in range(3 + 2 * number):
            assert process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        told = 3 + 2 * number + len(process.stdout.read().splitlines())
        process.stdout.close()
        process.wait(60)
        plans = [each.plan for each in ApprovalLog(tmp_path).read().entries if each.plan.startswith(f"p{number}-")]
        assert told <= len(plans) <= told + 1
        assert plans == [f"p{number}-{n}" for n in range(len(plans))]
        acknowledged += len(plans)
    assert len(ApprovalLog(tmp_path).read().entries) == acknowledged
