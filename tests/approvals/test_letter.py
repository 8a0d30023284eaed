"""Letters: what is read is what was signed; whose key counts is said by names."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from importer.approvals.approvers import Approver, Approvers
from importer.approvals.letter import LONGEST, Letter, key_read, read, written
from importer.approvals.log import ApprovalLog
from importer.core.approval import LeftOut
from importer.core.errors import LedgerError, UsageError
from tests.approvals.test_log import APPROVAL

DECISION = replace(APPROVAL, comment="fine ✔ „so“", left_out=(LeftOut(3, "called back"), LeftOut(17, "twice")))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> ApprovalLog:
    """The log of whoever writes letters."""
    return ApprovalLog(tmp_path_factory.mktemp("approver"))


def test_letter_gives_back_what_was_decided(log: ApprovalLog) -> None:
    """The decision, rows left out included, and the key that signed it."""
    found = read(written(DECISION, log))
    assert found.approval == DECISION
    assert found.key.name == log.key().name


def test_letter_may_be_wrapped_otherwise(log: ApprovalLog) -> None:
    """Mail programs that change line ends or spaces change nothing of what it says."""
    letter = written(DECISION, log)
    assert read(letter.replace(b"\n", b"\r\n")) == read(letter)
    assert read(json.dumps(json.loads(letter)).encode()) == read(letter)


def test_letter_with_any_bit_flipped_says_the_same_or_nothing(log: ApprovalLog) -> None:
    """Each bit of a letter: it is refused, or it was one that no reader looks at."""
    letter = written(DECISION, log)
    meant, other = read(letter), 0
    for place in range(len(letter)):
        for bit in range(8):
            flipped = bytearray(letter)
            flipped[place] ^= 1 << bit
            found = _read(bytes(flipped))
            assert found in (None, meant)
            other += found is not None
    assert other < len(letter)


def _read(letter: bytes) -> Letter | None:
    try:
        return read(letter)
    except UsageError:
        return None


@pytest.mark.parametrize(
    ("name", "value"),
    [("decision", None), ("decision", []), ("decision", {}), ("schema", "importer.decision/2"), ("public_key", 5), ("public_key", "-----BEGIN"),
     ("signature", "ä"), ("signature", ""), ("signature", None)],
)  # fmt: skip
def test_letter_of_another_shape_is_refused(log: ApprovalLog, name: str, value: Any) -> None:
    """Whatever a part is, it is told and never a traceback."""
    with pytest.raises(UsageError):
        read(json.dumps({**json.loads(written(DECISION, log)), name: value}).encode())


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"[]", b"\xff\xfe", b"null", b"[" * 100_000, b" " * (LONGEST + 1)],
    ids=lambda text: repr(text[:5]),
)
def test_letter_that_is_none_is_refused(text: bytes) -> None:
    """Any file may be given in its place."""
    with pytest.raises(UsageError):
        read(text)


def test_letter_signed_for_something_else_is_refused(log: ApprovalLog) -> None:
    """A signature of the same key under a line of the log, or a manifest, is none under a letter."""
    letter = json.loads(written(DECISION, log))
    signed = ApprovalLog(log.folder)
    signed.decide(DECISION, lambda _: None)
    line = json.loads(signed.path.read_bytes().splitlines()[-1])
    with pytest.raises(UsageError, match="signature"):
        read(json.dumps({**letter, "signature": line["signature"]}).encode())


# Approvers


def approver(name: str, log: ApprovalLog) -> Approver:
    """A person with the key of a log."""
    return Approver(name, log.key().text, "ada (uid 1000)", "2026-11-23T21:00:00Z")


def test_approver_is_known_by_key(tmp_path: Path, log: ApprovalLog) -> None:
    """Each key is one person's, whatever letters say of themselves."""
    known, other = Approvers(tmp_path / "state"), ApprovalLog(tmp_path / "other")
    assert known.all() == []
    known.add(approver("ben", log))
    assert Approvers(tmp_path / "state").of(log.key()) == approver("ben", log)
    assert known.of(other.key()) is None


def test_approver_has_one_name_and_one_key(tmp_path: Path, log: ApprovalLog) -> None:
    """Neither a second key for a name nor a second name for a key is taken: four eyes would be two."""
    known, other = Approvers(tmp_path / "state"), ApprovalLog(tmp_path / "other")
    known.add(approver("ben", log))
    with pytest.raises(UsageError, match="Ben|ben already"):
        known.add(approver("BEN", other))
    with pytest.raises(UsageError, match="key of ben"):
        known.add(approver("eve", log))
    assert [each.name for each in known.all()] == ["ben"]


def test_approver_who_is_removed_is_not_known(tmp_path: Path, log: ApprovalLog) -> None:
    """After the removal the key is nobody's; removing somebody who is not there is told."""
    known = Approvers(tmp_path)
    known.add(approver("ben", log))
    known.remove("Ben")
    assert known.of(log.key()) is None
    with pytest.raises(UsageError, match="no approver ben"):
        known.remove("ben")


def test_damaged_list_of_approvers_lets_nobody_in(tmp_path: Path, log: ApprovalLog) -> None:
    """A list that cannot be read is an error, not an empty list that is then written over."""
    known = Approvers(tmp_path)
    known.add(approver("ben", log))
    (tmp_path / "approvers.json").write_bytes(b'[{"name": "ben"')
    with pytest.raises(LedgerError, match="cannot be read"):
        known.add(approver("eve", ApprovalLog(tmp_path / "other")))
    assert (tmp_path / "approvers.json").read_bytes() == b'[{"name": "ben"'


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n", "ü", b"\xff"])
def test_key_that_is_none_is_refused(pem: str | bytes) -> None:
    """What is no public key is told."""
    with pytest.raises(UsageError, match="no public key"):
        key_read(pem)
