"""Verdicts: what would happen to a row, from the facts."""

from typing import Any

import pytest

from importer.core.facts import Facts, LedgerFact, QueueFact, TaskFact
from importer.core.findings import Finding
from importer.core.verdicts import Judged, Seen, Verdict, has_warning, judge_facts, judge_shape
from tests.core.rows import row, shaper

OPEN = QueueFact("q1", "Billing", "open", 10, 3)
CONTENT = {"description": "d", "queue": "q1"}


def judged(facts: Facts, queue: str = "Billing") -> Judged:
    """One good row under these facts."""
    shape = shaper()
    shaped = judge_shape(shape(row("E-1", queue, "", "", "d", "")), Seen(), shape)

    def tell(code: str, field: str, value: str, **more: Any) -> Finding:
        return shape.at_field(shaped.row, code, field, value, **more)

    return judge_facts(shaped, CONTENT, facts, tell)


def facts(*queues: QueueFact, **more: Any) -> Facts:
    """Facts in which the row's queue is these."""
    return Facts({"Billing": queues}, ("Billing", "Claims"), online=True, **more)


@pytest.mark.parametrize(
    ("queues", "verdict", "code"),
    [
        ((), Verdict.INVALID, "Q501"),
        ((OPEN, QueueFact("q2", "BILLING", "open")), Verdict.INVALID, "Q506"),
        ((QueueFact("q1", "Billing", "closed"),), Verdict.INVALID, "Q502"),
        ((QueueFact("q1", "Billing", "open", 5, 5),), Verdict.INVALID, "Q504"),
        ((QueueFact("q1", "Billing", "transitional"),), Verdict.READY, "Q503"),
    ],
)
def test_queue_decides(queues: tuple[QueueFact, ...], verdict: Verdict, code: str) -> None:
    """An unknown, ambiguous, closed or full queue is an error; one in transition a warning."""
    found = judged(facts(*queues))
    assert found.verdict is verdict
    assert [each.code for each in found.findings] == [code]
    assert has_warning(found) == (code == "Q503")


def test_open_queue_with_room_is_ready() -> None:
    """A queue that is open and has room, or no limit, takes the row."""
    assert judged(facts(OPEN)).verdict is Verdict.READY
    assert judged(facts(QueueFact("q1", "Billing", "open"))).verdict is Verdict.READY


def test_unknown_queue_suggests() -> None:
    """An unknown queue name comes with the nearest known ones."""
    found = judged(Facts({"Biling": ()}, ("Billing", "Claims"), online=True), queue="Biling")
    assert "“Billing”" in found.findings[0].message


def test_existing_task_beats_a_closed_queue() -> None:
    """What exists already is existing, with its ID, whatever became of the queue."""
    task = TaskFact("t-1", "E-1", CONTENT)
    found = judged(facts(QueueFact("q1", "Billing", "closed"), existing={"E-1": (task,)}))
    assert (found.verdict, found.task_id) == (Verdict.EXISTING, "t-1")
    assert [each.code for each in found.findings] == ["D402"]


def test_differing_task_is_a_warning() -> None:
    """An existing task that differs is told and not updated; several tasks are told with their IDs."""
    other = TaskFact("t-1", "E-1", {"description": "else"})
    found = judged(facts(OPEN, existing={"E-1": (other, other)}))
    assert [each.code for each in found.findings] == ["D402", "D406", "D404"]


def test_ledger_knows_what_the_target_hides() -> None:
    """What an earlier run created is existing, also where the target does not show it now."""
    found = judged(facts(OPEN, earlier={"E-1": LedgerFact("r1", "t-9", CONTENT)}))
    assert (found.verdict, found.task_id) == (Verdict.EXISTING, "t-9")
    assert [each.code for each in found.findings] == ["D403", "D405"]


def test_row_in_doubt_elsewhere_stays_ready_with_a_warning() -> None:
    """What another run holds in doubt is told; it is looked up before anything is sent."""
    found = judged(facts(OPEN, earlier={"E-1": LedgerFact("r1", None, CONTENT)}))
    assert found.verdict is Verdict.READY
    assert has_warning(found)


def test_repeat_names_the_first_line() -> None:
    """The second row with an external ID is a duplicate that names the first line."""
    shape, seen = shaper(), Seen()
    first = judge_shape(shape(row("E", "Q", "", "", "d", "", line=3)), seen, shape)
    second = judge_shape(shape(row("E", "Q", "", "", "d", "", line=9)), seen, shape)
    assert (first.verdict, second.verdict) == (Verdict.READY, Verdict.DUPLICATE)
    assert "line 3" in second.findings[0].message


def test_invalid_repeat_says_both() -> None:
    """A row that is wrong and repeated is invalid, and both are told."""
    shape, seen = shaper(), Seen()
    judge_shape(shape(row("E", "Q", "", "", "d", "", line=3)), seen, shape)
    second = judge_shape(shape(row("E", "Q", "500", "", "d", "", line=9)), seen, shape)
    assert second.verdict is Verdict.INVALID
    assert {each.code for each in second.findings} == {"V304", "D401"}


def test_skipped_row_hides_no_other() -> None:
    """A row that a person left out is not judged, and its external ID is free for another."""
    shape, seen = shaper(), Seen()
    left_out = judge_shape(shape(row("E", "", "", "", "", "", line=3)), seen, shape, {3: ""})
    other = judge_shape(shape(row("E", "Q", "", "", "d", "", line=9)), seen, shape)
    assert (left_out.verdict, other.verdict) == (Verdict.SKIPPED, Verdict.READY)


def test_offline_facts_judge_nothing() -> None:
    """Without the target's facts a row stays what its shape made it."""
    assert judged(Facts()).verdict is Verdict.READY
