"""What rows rest on, compared before they are sent."""

from typing import Any

import pytest

from importer.core.drift import Drift, Rest, drifts, in_words, left_out, rests
from importer.core.facts import QueueFact, Reference
from tests.ledgers.conftest import plan_head, plan_row

CLAIMS: dict[str, Any] = {"queue": "Claims", "id": "Q-1", "status": "open", "room": 5, "rows": 3, "ready": 3}
REST = Rest("queue", "q-1", "Claims", (2, 3, 4))


def found(now: QueueFact | None, **before: Any) -> list[str]:
    """What is told of the queue Claims."""
    head = plan_head(queues=({**CLAIMS, **before},))
    return [str(each) for each in drifts(head, [REST], {"q-1": now}, {})]


def queue(**changes: Any) -> QueueFact:
    return QueueFact(**{"id": "Q-1", "name": "Claims", "status": "open", **changes})


def test_drift_of_a_queue_is_told_with_its_rows() -> None:
    """Closed, gone, full: each is told by the queue's name, what it was, what it is, and how many rows go there."""
    assert found(queue(status="closed")) == ["Queue Claims was open, is now closed: 3 rows"]
    assert found(None) == ["Queue Claims does not exist any more: 3 rows"]
    assert found(queue(limit=50, members=50)) == ["Queue Claims had room for 5, is now full (50 of 50): 3 rows"]
    assert found(queue(limit=50, members=60), room=None) == [
        "Queue Claims had no limit, is now full (60 of 50): 3 rows"
    ]


@pytest.mark.parametrize(
    "now",
    [queue(), queue(status="transitional"), queue(limit=50, members=49), queue(name="Claims 2"), queue(members=9)],
)
def test_drift_is_what_would_change_a_verdict(now: QueueFact) -> None:
    """What would leave the rows ready is no drift: less room, another name, a queue in transition."""
    assert found(now) == []


def test_drift_of_what_rows_name_beside_queues_is_told() -> None:
    """A worktype or workbin that is gone, or not in use any more."""
    kind, bin_ = Rest("worktype", "w-1", "Case", (2,)), Rest("workbin", "b-1", "Inbox", (2, 3))
    references: dict[Any, Reference | None] = {
        ("worktype", "w-1"): Reference("w-1", "Case", active=False),
        ("workbin", "b-1"): None,
    }
    told = drifts(plan_head(), [kind, bin_], {}, references)
    assert (
        in_words(told)
        == "Worktype Case was in use, is not any more: 1 row; Workbin Inbox does not exist any more: 2 rows"
    )
    references |= {("worktype", "w-1"): Reference("w-1", "Case"), ("workbin", "b-1"): Reference("b-1", "Inbox")}
    assert drifts(plan_head(), [kind, bin_], {}, references) == ()


def test_drift_knows_what_rows_rest_on() -> None:
    """Rows are gathered by what they name; each has the name that people know, the cell's where the plan has none."""
    head = plan_head(headings=("External ID", "Work type"), matched={"worktype": "Work type"})
    rows = [plan_row(n, queue="Claims", cells=(f"E-{n}", "case")) for n in range(3)]
    contents: list[dict[str, Any]] = [
        {"queue": "Q-1", "worktype": "w-1"},
        {"queue": "q-1"},
        {"workbin": "b-1", "priority": 5},
    ]
    assert rests(head, zip(rows, contents, strict=True)) == [
        Rest("queue", "q-1", "Claims", (2, 3)),
        Rest("worktype", "w-1", "case", (2,)),
        Rest("workbin", "b-1", "b-1", (4,)),
    ]


def test_rows_left_out_for_drift_say_what_changed() -> None:
    """Each row has a finding with its line and the change."""
    skipped = left_out([Drift(REST, "was open, is now closed")])
    assert sorted(skipped) == [2, 3, 4]
    assert skipped[3].line == 3
    assert "Queue Claims was open, is now closed" in skipped[3].message
