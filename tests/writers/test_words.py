"""Words that reports share."""

import pytest

from importer.core.findings import Finding, finding
from importer.core.outcomes import Outcome
from importer.core.report import preview_counts, tally
from importer.core.verdicts import Verdict
from importer.writers.words import next_steps, planned_and_done, result_advice, result_problem
from tests.writers.made import result, wrong

S601 = finding("S601", line=2, status="400", problem="no such queue")


@pytest.mark.parametrize(
    ("environment", "command"),
    [
        ("tasks at https://api.example.com", "importer run results.xlsx --sheet Rejects ("),
        ("tasks at sandbox:1", "importer run results.xlsx --sheet Rejects --sandbox ("),
        ("workitems at sandbox:1", "importer run results.xlsx --sheet Rejects --target workitems --sandbox ("),
    ],
)
def test_next_step_for_rejects_names_target_and_sandbox(environment: str, command: str) -> None:
    """Rejects are handed in where their run was: the command names its target and the sandbox, if it was there."""
    (step,) = next_steps(tally([("invalid", 2)]), "run", environment)
    assert command in step


@pytest.mark.parametrize(
    ("outcome", "reason", "findings", "told"),
    [
        (Outcome.INVALID, wrong(2).message, (wrong(2),), f"V304: {wrong(2).message}"),
        (Outcome.FAILED, "400: no such queue", (S601,), f"S601: {S601.message}"),
        (Outcome.FAILED, "400: another thing", (S601,), f"400: another thing\nS601: {S601.message}"),
        (Outcome.UNKNOWN, "time-out", (), "Time-out"),
    ],
)
def test_problem_says_each_thing_once(outcome: Outcome, reason: str, findings: tuple[Finding, ...], told: str) -> None:
    """A reason that a finding tells as well stands there once, with one remedy."""
    row = result(2, outcome, reason=reason, findings=findings)
    assert result_problem(row).text == told
    fixes = result_problem(row).fix.split("\n")
    assert len(fixes) == len(set(fixes)) == 1
    assert result_advice(row).count("hand it in again") <= 1


def test_planned_and_done_tells_what_became_of_ready_rows_alone() -> None:
    """Approved against done: rows that were ready, by what became of them; those that were never to be sent are not among them."""
    planned = preview_counts({Verdict.READY: 10, Verdict.EXISTING: 2, Verdict.INVALID: 3})
    counts = tally([("created", 6), ("existing", 3), ("failed", 2), ("not_sent", 1), ("invalid", 3)])
    assert planned_and_done(planned, counts) == (
        "Of the 10 rows that the plan was to send: 6 created, 1 existing, 2 failed, 1 not sent. "
        "The reason of each is on the sheet Results."
    )
    all_well = tally([("created", 10), ("existing", 2), ("invalid", 3)])
    assert planned_and_done(planned, all_well) == "Of the 10 rows that the plan was to send: 10 created."
    assert planned_and_done({}, counts) == ""
