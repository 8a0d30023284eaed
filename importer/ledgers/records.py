"""Records: what the ledger's tables hold, as values of core and back. A record that does not say what was written is refused."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from importer.core.aftermath import after_sending
from importer.core.approval import approval_read
from importer.core.errors import LedgerError
from importer.core.plan import Preview, canonical, findings_read, findings_record, plan_about, plan_head
from importer.core.report import AuditEntry, ResultRow, StateChange
from importer.core.stages import OUTCOMES, Entry, Stage
from importer.core.verdicts import Verdict
from importer.ledgers.seal import seal
from importer.ports import CallEnd, RunRecord, RunRow

TOLD = ("D40", "P70")
"""Beginnings of codes that give the reason of an outcome, though they are no errors."""
KEEP = "Keep the file: importer ledger verify says more, importer ledger export saves what can be read. Nothing more is sent."


def state_sealed(run: str, state: str, note: str) -> bytes:
    """The hash of what changes in a run's record."""
    return seal((run, state, note))


def run_values(record: RunRecord, env: int) -> tuple[Any, ...]:
    about = record.preview.about
    approval = canonical(record.approval.record() | {"chain": record.chain}) if record.approval else None
    return (
        record.run, about.plan, env, canonical(record.preview.head.record()), canonical(asdict(about)), approval,
        canonical(dict(record.settings)), record.opened_at, record.out, record.state, record.note,
    )  # fmt: skip


def run_record(row: tuple[Any, ...]) -> RunRecord:
    _, run, plan, env, head, about, approval, settings, opened_at, out, state, note, sealed, state_seal = row
    fits = seal((run, plan, env, head, about, approval, settings, opened_at, out)) == sealed
    if not fits or state_seal not in (None, state_sealed(run, state, note)):
        raise LedgerError(f"The ledger's record of the run {run} is damaged (its hash does not fit).", KEEP)
    approved = json.loads(approval) if approval else {}
    chain = approved.pop("chain", "")
    return RunRecord(
        run=run,
        preview=Preview(plan_head(json.loads(head)), plan_about(json.loads(about))),
        opened_at=opened_at,
        state=state,
        note=note,
        settings=json.loads(settings),
        approval=approval_read(approved) if approved else None,
        out=out,
        chain=chain,
    )


def row_values(number: int | None, env: int, position: int, run_row: RunRow) -> tuple[Any, ...]:
    row = run_row.row
    fixed = (
        position, row.line, row.file_line, json.dumps(row.cells, ensure_ascii=False, separators=(",", ":")),
        row.external_id, row.queue, canonical(findings_record(row.findings)), run_row.payload or "",
    )  # fmt: skip
    reason = (
        ""
        if row.verdict is Verdict.READY
        else "; ".join(each.message for each in row.findings if each.severity == "error" or each.code[:3] in TOLD)
    )
    moving = (row.verdict.value, 0, 0, 0, 0, row.task_id, None, reason, None, "", None)
    return (number, *fixed, env, seal((number, env, *fixed)), *moving, seal(moving))


def checked(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row itself. Raises LedgerError where it does not say what was written."""
    if seal((*row[21:23], *row[:8])) != row[8] or seal(row[9:20]) != row[20]:
        raise LedgerError(
            f"The ledger's record of line {row[1]} is damaged (its hash does not fit).",
            KEEP,
        )
    return row


def entry(run: str, row: tuple[Any, ...]) -> Entry:
    stage, attempts, resends, doubted, conflicts, task_id, state, reason, correlation_id, audits, audit_count = row[
        9:20
    ]
    return Entry(
        run, row[0], row[1], row[4], row[7], Stage(stage), attempts, resends, bool(doubted), conflicts, task_id, state,
        reason, correlation_id, audits, audit_count,
    )  # fmt: skip


def result_row(run: str, row: tuple[Any, ...], states: Sequence[Any], audits: Sequence[Any]) -> ResultRow:
    _, line, file_line, cells, external_id, queue, findings, _, _ = row[:9]
    stage, attempts, _, _, _, task_id, state, reason, correlation_id, fetched, audit_count = row[9:20]
    outcome = OUTCOMES[Stage(stage)]
    trail = tuple(AuditEntry(each[0], each[1], each[2], each[3], json.loads(each[4])) for each in audits)
    after = after_sending(outcome, line=line, run=run, reason=reason, audits=fetched, trail=trail)
    return ResultRow(
        line=line,
        file_line=file_line,
        cells=tuple(json.loads(cells)),
        outcome=outcome,
        external_id=external_id,
        queue=queue,
        task_id=task_id,
        state=state,
        states=tuple(StateChange(*each) for each in states),
        audit_count=audit_count,
        audits=trail,
        attempts=attempts,
        reason=reason,
        correlation_id=correlation_id,
        findings=(*findings_read(json.loads(findings)), *after),
    )


def moving_values(entry: Entry) -> tuple[Any, ...]:
    """What changes in a row's record."""
    return (
        entry.stage.value, entry.attempts, entry.resends, int(entry.doubted), entry.conflicts, entry.task_id,
        entry.state, entry.reason, entry.correlation_id, entry.audits, entry.audit_count,
    )  # fmt: skip


def state_values(states: Sequence[StateChange]) -> list[tuple[Any, ...]]:
    """A history's lines: sequence, state, time, source."""
    return [(i, each.state, each.at, each.source) for i, each in enumerate(states)]


def audit_values(audits: Sequence[AuditEntry]) -> list[tuple[Any, ...]]:
    """A trail's lines: sequence, ID, action, actor, time, diff as JSON."""
    return [(i, e.id, e.action, e.actor, e.at, canonical(e.diff)) for i, e in enumerate(audits)]


def call_seal(no: int, kind: str, body: bytes, began_at: str, positions: Sequence[int], end: CallEnd | None) -> bytes:
    """The hash of a call's record and of the rows that it names."""
    ended = (end.at, end.answer, end.correlation_id) if end else (None, None, None)
    return seal((no, kind, body, began_at, *ended, tuple(positions)))
