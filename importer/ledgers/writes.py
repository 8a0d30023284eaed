"""Writes: what one transaction writes into the ledger's tables, seals included. Begins and commits nothing."""

import hashlib
import sqlite3
from collections.abc import Sequence

from importer.core.errors import LedgerError
from importer.core.report import AuditEntry, StateChange
from importer.core.stages import Entry, Stage
from importer.ledgers.database import queries
from importer.ledgers.records import audit_values, call_seal, moving_values, state_values
from importer.ledgers.seal import seal
from importer.ports import CallEnd, TakenBy

SQL = queries()


def taken(
    connection: sqlite3.Connection, number: int, env: int, entry: Entry, *, over_doubt: int | None
) -> TakenBy | None:
    """Which row of another run holds the entry's external ID: one that created a task, or one in doubt.

    `over_doubt` is how many calls those in doubt had made when they were looked up: one more, and they hold it again.
    """
    found = connection.execute(SQL["holder"], (env, entry.external_id)).fetchall()
    others = [holder[2:] for holder in found if tuple(holder[:2]) != (number, entry.position)]
    if not others:
        return None
    run, stage, task_id, _ = others[0]
    if stage == Stage.CREATED:
        return TakenBy(run, task_id)
    calls = sum(attempts for _, _, _, attempts in others)
    return None if calls == over_doubt else TakenBy(run, None, calls)


def begin_call(connection: sqlite3.Connection, number: int, kind: str, entries: Sequence[Entry], at: str) -> int:
    """Records a call that names these rows, with a hash of what it sends; its number."""
    body = hashlib.sha256("\n".join(each.payload for each in entries).encode("utf-8", "surrogatepass")).digest()
    positions = sorted(each.position for each in entries)
    sealed = call_seal(number, kind, body, at, positions, None)
    call = connection.execute(SQL["begin_call"], (number, kind, body, at, sealed)).lastrowid
    assert call is not None
    connection.executemany(SQL["add_call_row"], [(call, position) for position in positions])
    return call


def put_states(connection: sqlite3.Connection, number: int, position: int, states: Sequence[StateChange]) -> None:
    """Replaces a row's state history."""
    lines = state_values(states)
    connection.execute(SQL["clear_states"], (number, position))
    connection.executemany(SQL["add_state"], [(number, position, *line) for line in lines])
    connection.execute(SQL["seal_states"], (number, position, seal(lines)))


def put_audits(connection: sqlite3.Connection, number: int, position: int, audits: Sequence[AuditEntry]) -> None:
    """Replaces a row's audit entries."""
    lines = audit_values(audits)
    connection.execute(SQL["clear_audits"], (number, position))
    connection.executemany(SQL["add_audit"], [(number, position, *line) for line in lines])
    connection.execute(SQL["seal_audits"], (number, position, seal(lines)))


def put(connection: sqlite3.Connection, number: int, entry: Entry) -> None:
    """Records what changes in a row. Raises LedgerError where there is no such row."""
    moving = moving_values(entry)
    cursor = connection.execute(SQL["put_row"], (*moving, seal(moving), number, entry.position))
    if cursor.rowcount != 1:
        raise LedgerError(f"The ledger has no row for line {entry.line} of the run {entry.run}.", "Keep the file.")


def end_call(connection: sqlite3.Connection, end: CallEnd) -> None:
    """Records how a call ended."""
    no, kind, body, began_at = connection.execute(SQL["call"], (end.call,)).fetchone()
    positions = [position for (position,) in connection.execute(SQL["rows_of_call"], (end.call,))]
    sealed = call_seal(no, kind, body, began_at, positions, end)
    connection.execute(SQL["end_call"], (end.at, end.answer, end.correlation_id, sealed, end.call))
