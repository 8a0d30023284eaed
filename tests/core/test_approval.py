"""Which decision lets a plan run, and why others do not."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from importer.core.approval import (
    Approval,
    Entry,
    LeftOut,
    Person,
    Refusal,
    Use,
    approval_read,
    expiry,
    one_person,
    standing,
    use_of,
    use_read,
)

NOW = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
ADA, BOB = Person("ada", "uid 1000"), Person("bob", "uid 1001")
GIVEN = Approval(
    "plan-1", "d" * 64, "f" * 64, True, BOB, "2026-11-23T20:00:00Z", "2026-11-24T20:00:00Z", "fine", (LeftOut(3, "no"),)
)
REJECTED = replace(GIVEN, approved=False, expires_at=None, comment="the queue is wrong", left_out=())


def found(*entries: Entry, now: datetime = NOW, required: bool = True) -> Approval | Refusal | None:
    """What stands for plan-1 as it is."""
    return standing("plan-1", "d" * 64, "f" * 64, entries, now=now, required=required)


def reason(*entries: Entry, now: datetime = NOW, required: bool = True) -> str:
    """Why it may not run; its next command is told too."""
    refusal = found(*entries, now=now, required=required)
    assert isinstance(refusal, Refusal)
    assert refusal.fix
    return refusal.reason


def test_approval_of_exactly_this_plan_counts() -> None:
    """A plan runs under the last approval of its digest and its file's bytes."""
    other = replace(GIVEN, plan="plan-2", approved=False)
    assert found(REJECTED, other, GIVEN, other) == GIVEN


def test_approval_is_missed_only_where_one_is_required() -> None:
    """Without a decision a plan runs unless one is required; the command that approves is told."""
    assert found(required=False) is None
    refusal = found()
    assert isinstance(refusal, Refusal)
    assert refusal.fix == "importer approve plan-1 --comment TEXT"


@pytest.mark.parametrize("required", [True, False])
def test_approval_that_does_not_count_any_more_says_why(required: bool) -> None:
    """Rejected, of other bytes, of another digest, expired: each has its own words, required or not."""
    assert "rejected by bob (uid 1001)" in reason(GIVEN, REJECTED, required=required)
    assert "the queue is wrong" in reason(REJECTED, required=required)
    assert "altered after bob" in reason(replace(GIVEN, sha256="e" * 64), required=required)
    assert "eeee-eeee" in reason(replace(GIVEN, digest="e" * 64), required=required)
    assert "expired at 2026-11-24T20:00:00Z" in reason(GIVEN, now=NOW.replace(day=25), required=required)


def test_approval_holds_until_its_last_second() -> None:
    """It counts before its expiry and not at it."""
    end = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)
    assert found(GIVEN, now=end.replace(hour=19, minute=59, second=59)) == GIVEN
    assert "expired" in reason(GIVEN, now=end)
    assert expiry(datetime(2026, 11, 23, 20, 0, tzinfo=UTC), 24 * 3600) == GIVEN.expires_at


@pytest.mark.parametrize(
    ("preparer", "same"),
    [
        (Person("bob", "token"), True),
        (Person("BOB", "header"), True),
        (Person("robert", "uid 1001"), True),
        (ADA, False),
    ],
)
def test_four_eyes_compare_names_and_numbers(preparer: Person, same: bool) -> None:
    """One name, whatever the door, or one number of the system is one person; who prepared may not approve."""
    refusal = one_person(GIVEN, preparer)
    assert (refusal is not None) == same
    assert refusal is None or "two persons" in refusal.reason


def test_approval_is_read_as_it_was_recorded() -> None:
    """Decisions and uses go through their records unchanged; one of before they were signed has a name alone."""
    use = Use("plan-1", "d" * 64, "run-1", "taken", ADA, GIVEN.at)
    assert (approval_read(GIVEN.record()), use_read(use.record())) == (GIVEN, use)
    old = {"plan": "p", "digest": "d", "approved": True, "who": "ada", "at": GIVEN.at, "comment": "fine"}
    assert approval_read(old).who == Person("ada", "")


def test_use_is_the_last_thing_that_is_known_of_a_plan() -> None:
    """Taken, then opened; uses of other plans are others'."""
    taken = Use("plan-1", "d" * 64, "run-1", "taken", ADA, GIVEN.at)
    opened = replace(taken, stage="opened")
    assert use_of("plan-1", [GIVEN, taken]) == taken
    assert use_of("plan-1", [taken, opened, replace(taken, plan="plan-2")]) == opened
    assert use_of("plan-3", [taken]) is None
