"""Audits against the sandbox: counts are those of the sandbox's own journal, late entries included."""

from typing import Any

import pytest

from importer.sandbox.scenario import Fault
from tests.flow.conftest import Office, ids
from tests.flow.test_track import journal


def counts(office: Office) -> dict[str, int]:
    """How many audit entries each task has, as the sandbox knows them."""
    tasks: list[dict[str, Any]] = office.sandbox.journal()["tasks"]
    return {task["externalId"]: task["audits"] for task in tasks}


def told(office: Office, run: str) -> dict[str, int | None]:
    """How many the importer reports."""
    return {row.external_id: row.audit_count for row in office.rows(run)}


@pytest.mark.parametrize("totals", [True, False])
async def test_audit_counts_are_those_of_the_journal(office: Office, totals: bool) -> None:
    """Every task's audit count is the sandbox's own, whether pages tell totals or not."""
    office.sandbox.change(totals=totals)
    run = office.opens(ids(100))
    await office.carries_on(run, track="closed")
    assert told(office, run) == counts(office)
    assert all(len(row.audits) == row.audit_count for row in office.rows(run))


@pytest.mark.parametrize("lag_s", [0.3, 2.0, 6.0])
async def test_audit_waits_for_late_entries(office: Office, lag_s: float) -> None:
    """Entries that come some seconds late are waited for."""
    office.sandbox.change(audit_lag_s=lag_s)
    run = office.opens(ids(40))
    await office.carries_on(run, track="closed")
    assert told(office, run) == counts(office)


async def test_audit_is_not_done_while_only_the_creation_is_told(office: Office) -> None:
    """A closed task whose moves are not told yet is asked for again, though its creation is there."""
    life = {
        "queued": (60, 60),
        "assigned": (1, 1),
        "accepted": (1, 1),
        "working": (1, 1),
        "wrapup": (1, 1),
        "closed": (1, 1),
    }
    office.sandbox.change(life={**life, "back": 0, "cancel": 0}, audit_lag_s=40)
    run = office.opens(ids(5))
    await office.carries_on(run, track="closed")
    office.clock.hand.advance(60)
    await office.carries_on(run, track="closed")
    assert told(office, run) == counts(office)


async def test_audit_mends_a_history_that_was_told_late(office: Office) -> None:
    """Entries that come minutes late are fetched by tracking again, and the history is the journal's, nothing twice."""
    office.sandbox.change(audit_lag_s=60)
    run = office.opens(ids(60))
    await office.carries_on(run, track="closed")
    office.clock.hand.advance(600)
    await office.carries_on(run, track="closed")
    assert told(office, run) == counts(office)
    states = {row.external_id: [(each.state, each.at) for each in row.states] for row in office.rows(run)}
    assert states == journal(office)


async def test_audit_denied_harms_nothing_else(office: Office) -> None:
    """A 403 on audits marks them denied with the scope; outcomes, states and the exit are untouched, counts are null."""
    office.sandbox.change(scopes=("task:view", "task:create", "queue:view"))
    run = office.opens(ids(12))
    ending = await office.carries_on(run, track="closed")
    assert ending.problem is None
    assert "audit:view" in ending.audits_denied
    assert office.outcomes(run) == {"created": 12}
    assert set(told(office, run).values()) == {None}
    assert len(office.visits("audits")) <= 8


async def test_audit_outage_harms_nothing_else(office: Office) -> None:
    """Audits that cannot be fetched stay null and are fetched by tracking again."""
    office.sandbox.breaks(Fault(operation="audits", kind="status:503"))
    run = office.opens(ids(5))
    ending = await office.carries_on(run, track="closed")
    assert ending.problem is None
    assert set(told(office, run).values()) == {None}
    office.recovers()
    await office.starts_again()
    await office.carries_on(run, track="closed")
    assert told(office, run) == counts(office)
