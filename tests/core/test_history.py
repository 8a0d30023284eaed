"""State histories from polls and audit entries; and how long to wait."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.history import is_complete, merged
from importer.core.report import AuditEntry, StateChange
from importer.core.waits import back_off_s, retry_after_s

LIFE = ["new", "queued", "assigned", "queued", "assigned", "accepted", "working", "wrapup", "closed"]
DATE = "Mon, 23 Nov 2026 21:00:00 GMT"


def at(second: int) -> str:
    """A moment of the day."""
    return f"2026-11-23T21:{second // 60:02}:{second % 60:02}Z"


def trail(states: list[str], *, shown: int | None = None) -> list[AuditEntry]:
    """The audit entries of a task that went through these states, a move every ten seconds."""
    moves = [
        AuditEntry(f"a{i}", "task-update", "x", at(i * 10), {"state": {"from": states[i - 1], "to": states[i]}})
        for i in range(1, len(states))
    ]
    return [AuditEntry("a0", "task-create", "x", at(0), {}), *moves][:shown]


def polled(states: list[str], seen: list[int]) -> list[StateChange]:
    """What polls saw of it, each some seconds late."""
    first = StateChange("new", at(0), "created")
    return [first, *(StateChange(states[i], at(i * 10 + 3), "poll") for i in seen)]


@given(st.lists(st.integers(1, len(LIFE) - 1), unique=True).map(sorted), st.integers(1, len(LIFE)))
def test_history_may_be_filled_again_and_again(seen: list[int], shown: int) -> None:
    """Filling in a trail twice changes nothing, and a shorter trail followed by the whole one gives the whole life."""
    short, whole = trail(LIFE, shown=shown), trail(LIFE)
    once = merged(polled(LIFE, seen), whole)
    assert merged(once, whole) == once
    later = merged(merged(polled(LIFE, seen), short), whole)
    assert [each.state for each in later] == LIFE
    assert [each.at for each in later] == [at(i * 10) for i in range(len(LIFE))]


def test_history_keeps_what_the_audit_does_not_tell_yet() -> None:
    """States that polls saw and a trail that lags does not hold stay, in their place."""
    late = merged(polled(LIFE[:4], [1, 2, 3]), trail(LIFE[:4], shown=2))
    assert [(each.state, each.source) for each in late] == [
        ("new", "created"), ("queued", "poll"), ("assigned", "poll"), ("queued", "poll"),
    ]  # fmt: skip


def test_history_marks_what_only_the_audit_knows() -> None:
    """Filled holes have the source `audit`; what was seen keeps its own, with the audit's time."""
    whole = merged(polled(LIFE[:4], [3]), trail(LIFE[:4]))
    assert [each.source for each in whole] == ["created", "poll", "audit", "audit"]
    assert whole[1].at == at(10)


def test_history_without_a_trail_is_what_was_seen() -> None:
    """No audit entries, no change."""
    seen = polled(LIFE, [1, 4])
    assert merged(seen, []) == seen
    assert merged([], []) == []


def test_history_survives_times_and_changes_that_are_none() -> None:
    """An entry with a time or a change of another shape breaks nothing."""
    odd = [
        AuditEntry("1", "task-update", "x", "yesterday", {"state": "queued"}),
        AuditEntry("2", "task-update", "x", "", {"state": {"to": 7}}),
        AuditEntry("3", "task-update", "x", "2026-11-23T21:00:00", {}),
        AuditEntry("4", "task-update", "x", at(5), {"state": {"to": "queued"}}),
    ]
    assert [each.state for each in merged(polled(LIFE, []), odd)] == ["new", "queued"]


@pytest.mark.parametrize(
    ("state", "entries", "complete"),
    [
        ("closed", trail(LIFE), True),
        ("closed", trail(LIFE, shown=8), False),
        ("closed", trail(LIFE)[1:], False),  # no creation
        ("closed", trail(LIFE, shown=1), False),
        ("new", trail(LIFE, shown=1), True),
        (None, trail(LIFE, shown=1), True),
        ("new", [], False),
        ("queued", trail(LIFE, shown=4), True),
    ],
)
def test_trail_is_complete_when_it_leads_to_the_state(
    state: str | None, entries: list[AuditEntry], *, complete: bool
) -> None:
    """A trail is whole when it tells of the creation, and its last move led to the task's state."""
    assert is_complete(state, entries) == complete


@pytest.mark.parametrize(
    ("value", "answered", "seconds"),
    [
        ("120", None, 120.0), (" 0 ", None, 0.0), ("007", None, 7.0),
        ("Mon, 23 Nov 2026 21:01:30 GMT", DATE, 90.0), ("Mon, 23 Nov 2026 20:00:00 GMT", DATE, 0.0),
        ("Mon, 23 Nov 2026 22:01:30 +0100", DATE, 90.0),
        ("Mon, 23 Nov 2026 21:01:30 GMT", None, None), ("Mon, 23 Nov 2026 21:01:30 GMT", "soon", None),
        (None, DATE, None), ("", DATE, None), ("soon", DATE, None), ("-5", DATE, None), ("1.5", DATE, None),
        ("1e3", DATE, None), ("٣", DATE, None), ("²", DATE, None), ("5, 10", DATE, None), ("9" * 65, DATE, None),
    ],
)  # fmt: skip
def test_wait_asked_for_is_read_or_ignored(value: str | None, answered: str | None, seconds: float | None) -> None:
    """Retry-After is seconds or a date, counted from the answer's own date; anything else is ignored."""
    assert retry_after_s(value, answered) == seconds


@given(st.text(max_size=70), st.none() | st.text(max_size=40))
def test_wait_asked_for_never_fails(value: str, answered: str | None) -> None:
    """Whatever a server writes there, it is a number of seconds or ignored."""
    wait_s = retry_after_s(value, answered)
    assert wait_s is None or (wait_s >= 0 and math.isfinite(wait_s))


@given(
    st.from_regex(
        r"(Mon, )?[0-9]{1,3} (Jan|Feb|Xyz) [0-9]{1,6} [0-9]{1,3}:[0-9]{1,3}(:[0-9]{1,3})? ?([+-][0-9]{1,6}|GMT)?",
        fullmatch=True,
    )
)
def test_wait_until_a_strange_date_never_fails(value: str) -> None:
    """A date that is almost one is read or ignored."""
    wait_s = retry_after_s(value, DATE)
    assert wait_s is None or (wait_s >= 0 and math.isfinite(wait_s))


@given(st.integers(-5, 10_000))
def test_back_off_doubles_up_to_its_most(failures: int) -> None:
    """Pauses grow from half a second to a minute, however many failures there were."""
    assert 0.5 <= back_off_s(failures) <= 60.0
    assert back_off_s(failures) <= back_off_s(failures + 1) <= 2 * back_off_s(failures)
