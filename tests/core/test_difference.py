"""What differs between two plans: rows by external ID, and what they rest on."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from importer.core.difference import VALUE_SHOWN, Change, RowChange, head_changes, row_changes
from importer.core.findings import finding
from importer.core.fixes import Fix
from importer.core.plan import PlanRow
from importer.core.verdicts import Verdict
from tests.ledgers.conftest import plan_head

PAYLOAD = {"externalId": "E", "routingData": {"queueId": "q-1", "priority": 50}, "description": "one"}


def row(line: int, external_id: str, verdict: Verdict = Verdict.READY, **changes: Any) -> PlanRow:
    """A row of a plan."""
    payload = PAYLOAD if verdict is Verdict.READY else None
    made = PlanRow(line, None, (external_id, "Billing"), verdict, external_id, "Billing", None, payload, ())
    return replace(made, **changes)


def test_difference_of_equal_plans_is_nothing() -> None:
    """Two plans of the same input do not differ, in their heads or rows."""
    rows = [row(2, "E-1"), row(3, ""), row(4, "E-1", Verdict.DUPLICATE)]
    assert list(row_changes(rows, rows)) == []
    assert head_changes(plan_head(queues=()), plan_head(queues=())) == []


def test_difference_names_rows_added_removed_and_changed() -> None:
    """Only what differs is told, with both lines and the values before and after."""
    other = {**PAYLOAD, "routingData": {"queueId": "q-1", "priority": 70}}
    before = [row(2, "E-1"), row(3, "E-2"), row(4, "E-3")]
    after = [row(2, "E-4"), row(3, "E-1", payload=other), row(5, "E-3")]
    assert list(row_changes(before, after)) == [
        RowChange("added", "E-4", None, 2),
        RowChange("changed", "E-1", 2, 3, (Change("routingData.priority", "50", "70"),)),
        RowChange("removed", "E-2", 3, None),
    ]


def test_difference_tells_a_changed_verdict() -> None:
    """A row that exists by now differs by its verdict and by the task that exists."""
    found = list(row_changes([row(2, "E-1")], [row(2, "E-1", Verdict.EXISTING, task_id="t-9")]))
    assert Change("verdict", "ready", "existing") in found[0].changes
    assert Change("existing task", "", "t-9") in found[0].changes


def test_difference_compares_repeated_ids_in_their_order() -> None:
    """Of three rows with one external ID, the one that is left out is told once."""
    rows = [row(2, "E-1"), row(3, "E-1", Verdict.DUPLICATE), row(4, "E-1", Verdict.DUPLICATE)]
    assert list(row_changes(rows, rows[:2])) == [RowChange("removed", "E-1", 4, None)]


def test_difference_of_rows_without_an_id_goes_by_line() -> None:
    """Rows without an external ID are compared line by line, with the cells that were read."""
    before, after = row(2, "", Verdict.INVALID), row(2, "", Verdict.INVALID, cells=("", "Claims"))
    assert list(row_changes([before], [after])) == [
        RowChange("changed", "", 2, 2, (Change("cells", " | Billing", " | Claims"),))
    ]
    assert list(row_changes([before], [])) == [RowChange("removed", "", 2, None)]


def test_difference_of_heads_names_file_and_queue() -> None:
    """A changed file and a queue that closed are each told in words."""
    queue = {"queue": "Claims", "id": "q", "status": "open", "room": 5, "rows": 3, "ready": 3}
    before = plan_head(queues=(queue,))
    after = replace(before, source_sha256="f" * 64, queues=({**queue, "status": "closed"},))
    told = {each.name: (each.before, each.after) for each in head_changes(before, after)}
    assert set(told) == {"file", "queue Claims"}
    assert told["queue Claims"] == ("open, room for 5, 3 rows ready", "closed, room for 5, 3 rows ready")


def test_difference_tells_fixes_and_rules() -> None:
    """Fixes and rules that differ are told even where no row differs by them: the digest does."""
    one, other = (
        plan_head(queues=(), fixes=(Fix(2, 5, "a", new),), rules=rules) for new, rules in (("b", 1), ("c", 2))
    )
    assert [each.name for each in head_changes(one, other)] == ["rules", "fixes"]
    assert head_changes(plan_head(queues=(), fixes=()), one)[-1].before == "none"


def test_difference_tells_another_reason_for_leaving_a_row_out() -> None:
    """A row that is left out for another reason than before differs by it."""
    one, other = (
        row(2, "E-1", Verdict.SKIPPED, findings=(finding("P701", line=2, reason=reason),))
        for reason in ("twice", "old")
    )
    [change] = row_changes([one], [other])
    assert change.changes == (Change("left out", "The row was left out: twice", "The row was left out: old"),)


def test_difference_shortens_long_values_and_says_so() -> None:
    """A value of many characters is cut, with its length."""
    long = {**PAYLOAD, "description": "x" * 900}
    (found,) = row_changes([row(2, "E-1")], [row(2, "E-1", payload=long)])
    assert found.changes[0].after.startswith("x" * VALUE_SHOWN + "…")
    assert "900" in found.changes[0].after


@given(
    st.lists(st.sampled_from(["A", "B", "C", ""]), max_size=8),
    st.lists(st.sampled_from(["A", "B", "C", ""]), max_size=8),
)
def test_difference_accounts_for_every_row(before: list[str], after: list[str]) -> None:
    """Rows of the second plan are those of the first, less the removed, plus the added."""
    one = [row(line, external_id, Verdict.INVALID) for line, external_id in enumerate(before, 2)]
    other = [row(line, external_id, Verdict.INVALID) for line, external_id in enumerate(after, 2)]
    kinds = [each.kind for each in row_changes(one, other)]
    assert len(other) == len(one) - kinds.count("removed") + kinds.count("added")
