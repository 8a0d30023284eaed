"""Deviation: a row that the plan would have created and the run did not, and why."""

from importer.core.outcomes import Outcome
from importer.core.report import ResultRow

CHANGED = "P703"
"""What a row rests on changed after the plan was made."""

FOUND_BEFORE = "D40"
"""How codes begin of rows that were found to exist when the plan was made."""


THERE_BY_THEN = "A task with this external ID was there by then."


def deviation(row: ResultRow) -> tuple[Outcome, str] | None:
    """What became of the row instead, and the cause in words; None where the row came out as it was approved.

    Rows that were left out with the approval came out as approved; so did those that were found before it.
    """
    match row.outcome:
        case Outcome.FAILED | Outcome.UNKNOWN | Outcome.NOT_SENT:
            told = (each.message for each in row.findings if each.code.startswith("S6"))
            return row.outcome, next(told, row.reason)
        case Outcome.SKIPPED:
            changed = (each.message for each in row.findings if each.code == CHANGED)
            return next(((row.outcome, message) for message in changed), None)
        case Outcome.EXISTING if not any(each.code.startswith(FOUND_BEFORE) for each in row.findings):
            return row.outcome, THERE_BY_THEN
    return None
