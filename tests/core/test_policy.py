"""What to do next with a row: every answer in every situation."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.conflict import differs, several, told
from importer.core.facts import TaskFact
from importer.core.outcomes import Answer, Conflict, Created, Hits, Lost, NotDone, Outcome, Refused
from importer.core.policy import (
    CONFLICT_WAITS_S,
    MAX_RESENDS,
    Again,
    LookUp,
    Resend,
    Settled,
    after_look_up,
    after_suspicion,
    next_look,
    next_look_s,
    next_step,
)
from importer.core.stages import TRANSITIONS, Entry, Stage, advance

SENDING = Entry("r", 0, 2, "E-1", "{}", Stage.SENDING, attempts=1)
DOUBT = replace(SENDING, stage=Stage.DOUBT, doubted=True)
OURS = {"queue": "q", "description": "d"}
LAG_S = 30.0


def hit(task_id: str = "t-1", **content: str) -> TaskFact:
    """A task that a look-up shows; like ours unless told otherwise."""
    return TaskFact(task_id, "E-1", {**OURS, **content}, "new")


@pytest.mark.parametrize(
    ("answer", "step", "stage"),
    [
        (Created("t", "new", {}), Settled, Stage.CREATED),
        (Refused(400, "bad"), Settled, Stage.FAILED),
        (Conflict("exists"), LookUp, Stage.DOUBT),
        (NotDone("429"), Again, Stage.READY),
        (Lost("reset"), LookUp, Stage.DOUBT),
    ],
)
def test_answer_to_a_post_decides(answer: Answer, step: type, stage: Stage) -> None:
    """A POST is never simply repeated: only what is definitely not done is sent again, what is unknown is looked up."""
    found = next_step(SENDING, answer)
    assert isinstance(found, step)
    assert found.entry.stage is stage


def test_lost_answer_marks_the_row_as_doubted() -> None:
    """From a lost answer on, a task that is found may be our own; after a 409 alone it is not."""
    assert next_step(SENDING, Lost("x")).entry.doubted
    assert not next_step(SENDING, Conflict("x")).entry.doubted


def test_own_task_found_is_created() -> None:
    """Found after our own doubtful POST with an equal payload: created."""
    found = after_look_up(DOUBT, Hits((hit(),)), OURS, 0.0, LAG_S)
    assert isinstance(found, Settled)
    assert (found.entry.outcome, found.entry.task_id) == (Outcome.CREATED, "t-1")


def test_other_payload_found_is_existing() -> None:
    """Found with another payload, or without a doubtful POST of ours: existing, and the difference is named."""
    other = after_look_up(DOUBT, Hits((hit(description="else"),)), OURS, 0.0, LAG_S).entry
    assert other.outcome is Outcome.EXISTING
    assert "description" in other.reason
    conflicting = replace(SENDING, stage=Stage.DOUBT, conflicts=1)
    assert after_look_up(conflicting, Hits((hit(),)), OURS, 0.0, LAG_S).entry.outcome is Outcome.EXISTING


def test_two_hits_are_told_with_all_ids() -> None:
    """Two tasks with one external ID are named both."""
    entry = after_look_up(DOUBT, Hits((hit("t-1"), hit("t-2"))), OURS, 0.0, LAG_S).entry
    assert "t-1, t-2" in entry.reason


@given(since=st.floats(0, LAG_S))
def test_not_found_within_the_lag_is_never_resent(since: float) -> None:
    """As long as the lag has not passed, "not found" only leads to another look."""
    assert isinstance(after_look_up(DOUBT, Hits(), OURS, since, LAG_S), LookUp)


def test_not_found_after_the_lag_is_resent_twice_at_most() -> None:
    """After the lag the row is sent again; after two resends it rests as unknown."""
    entry = DOUBT
    for number in range(1, MAX_RESENDS + 1):
        step = after_look_up(entry, Hits(), OURS, LAG_S + 1, LAG_S)
        assert isinstance(step, Again)
        assert step.entry.resends == number
        entry = advance(advance(step.entry, Stage.SENDING), Stage.DOUBT)
    last = after_look_up(entry, Hits(), OURS, LAG_S + 1, LAG_S)
    assert isinstance(last, Settled)
    assert last.entry.outcome is Outcome.UNKNOWN


def test_unknown_row_is_never_resent_by_a_look_up() -> None:
    """A row that rests as unknown is only looked up again."""
    entry = replace(DOUBT, stage=Stage.UNKNOWN)
    assert isinstance(after_look_up(entry, Hits(), OURS, LAG_S + 1, LAG_S), Settled)
    assert after_look_up(entry, Hits((hit(),)), OURS, 0.0, LAG_S).entry.outcome is Outcome.CREATED


def test_conflict_without_a_task_backs_off_then_fails() -> None:
    """409 and no task: tried again with growing pauses, then failed."""
    entry = replace(SENDING, stage=Stage.DOUBT, conflicts=0)
    for wait_s in CONFLICT_WAITS_S:
        entry = replace(entry, conflicts=entry.conflicts + 1)
        step = after_look_up(entry, Hits(), OURS, 0.0, LAG_S)
        assert isinstance(step, Again)
        assert step.wait_s == wait_s
    last = replace(entry, conflicts=entry.conflicts + 1)
    assert isinstance(after_look_up(last, Hits(), OURS, 0.0, LAG_S), LookUp)
    assert after_look_up(last, Hits(), OURS, LAG_S + 1, LAG_S).entry.outcome is Outcome.FAILED


@given(since=st.floats(0, 600), lag=st.floats(0, 300))
def test_next_look_is_in_the_future_and_reaches_past_the_lag(since: float, lag: float) -> None:
    """Looks never crowd: within the lag the next one is later, and never much later than the lag's end."""
    wait = next_look_s(since, lag)
    if since <= lag:
        assert wait > 0
        assert since + wait <= lag + 0.11
    else:
        assert wait == 0


@given(st.sampled_from(list(Stage)), st.sampled_from(list(Stage)))
def test_advance_never_leaves_the_table(before: Stage, after: Stage) -> None:
    """A step that the table does not know is refused."""
    entry = replace(SENDING, stage=before)
    if before is after or after in TRANSITIONS[before]:
        assert advance(entry, after).stage is after
    else:
        with pytest.raises(ValueError, match="no way"):
            advance(entry, after)


def test_polls_back_off_and_start_again_on_change() -> None:
    """Looks grow apart up to 30 s; a change brings them together again."""
    interval = next_look(None, changed=True)
    for _ in range(40):
        interval = next_look(interval, changed=False)
    assert interval == 30.0
    assert next_look(interval, changed=True) == 0.5


def test_reconcile_never_sends() -> None:
    """Where nothing may be sent, a row that is not found after the lag rests as it was: unknown, with the resends that it has."""
    for entry in (DOUBT, replace(DOUBT, stage=Stage.UNKNOWN, resends=MAX_RESENDS)):
        step = after_look_up(entry, Hits(), OURS, LAG_S + 1, LAG_S, Resend.NEVER)
        assert step == Settled(entry)
        assert step.entry.outcome is Outcome.UNKNOWN


def test_resend_on_request_waits_for_the_lag() -> None:
    """A row that rests as unknown is sent on request, and only once its absence is confirmed after the lag."""
    entry = replace(DOUBT, stage=Stage.UNKNOWN, resends=MAX_RESENDS)
    assert isinstance(after_look_up(entry, Hits(), OURS, LAG_S, LAG_S, Resend.CONFIRMED), LookUp)
    step = after_look_up(entry, Hits(), OURS, LAG_S + 1, LAG_S, Resend.CONFIRMED)
    assert isinstance(step, Again)
    assert step.entry.stage is Stage.READY


def test_suspect_row_is_looked_up_through_the_lag() -> None:
    """A row that an older copy takes for ready is ready only if its task is not found after the lag; found, it is ours."""
    ready = replace(SENDING, stage=Stage.READY, attempts=0)
    assert isinstance(after_suspicion(ready, Hits(), OURS, LAG_S, LAG_S), LookUp)
    absent = after_suspicion(ready, Hits(), OURS, LAG_S + 1, LAG_S)
    assert absent == Settled(ready)
    found = after_suspicion(ready, Hits((hit(),)), OURS, 0.0, LAG_S)
    assert (found.entry.outcome, found.entry.task_id) == (Outcome.CREATED, "t-1")


def test_own_task_that_a_flow_has_moved_is_created() -> None:
    """What the platform's own flows may rewrite does not make our task another's; the difference is told all the same."""
    entry = after_look_up(DOUBT, Hits((hit(queue="elsewhere"),)), OURS, 0.0, LAG_S).entry
    assert entry.outcome is Outcome.CREATED
    assert differs(entry.reason) == "queue"


def test_conflict_is_read_back_as_it_was_told() -> None:
    """Fields and IDs of a conflict are found again in a row's reason."""
    reason = told("a task with this external ID exists", ["description"], ["t-1", "t-2"])
    assert (differs(reason), several(reason)) == ("description", ("2", "t-1, t-2"))
    assert (differs("plain"), several("plain")) == ("", ("", ""))
