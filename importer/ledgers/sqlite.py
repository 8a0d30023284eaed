"""The ledger in SQLite: what the importer must never forget. Records and finds; decides nothing."""

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from importer.core.aftermath import after_sending
from importer.core.errors import LedgerError, PlanRefused
from importer.core.facts import LedgerFact
from importer.core.plan import (
    About,
    Approval,
    Environment,
    Preview,
    canonical,
    findings_read,
    findings_record,
    plan_head,
)
from importer.core.report import AuditEntry, ResultRow, RunFacts, StateChange, tally
from importer.core.stages import OUTCOMES, UNSETTLED, Entry, Stage, advance
from importer.core.verdicts import Verdict
from importer.ledgers.database import Database, queries
from importer.ports import Claim, Claimed, RunRecord, RunRow, TakenBy

SQL = queries()


class SqliteLedger:
    """See ports.Ledger. The whole mutable state is the file."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)
        self._numbers: dict[str, tuple[int, int]] = {}  # run -> its number and its environment's

    def close(self) -> None:
        self._database.close()

    # Runs

    def open_run(self, record: RunRecord, rows: Iterable[RunRow]) -> None:
        def job(connection: sqlite3.Connection) -> None:
            environment = record.preview.head.environment
            env = _environment(connection, environment)
            assert env is not None
            values = _run_values(record, env)
            try:
                cursor = connection.execute(SQL["add_run"], (*values, _seal(values[:-2])))
            except sqlite3.IntegrityError:
                plan = record.preview.about.plan
                ran = connection.execute(SQL["run_of_plan"], (plan,)).fetchone()
                raise PlanRefused(
                    f"The plan {plan} ran already, as {ran[0] if ran else 'another run'}.",
                    "Preview the file again for a new plan, or carry the run on with importer resume.",
                ) from None
            number = cursor.lastrowid
            connection.executemany(SQL["add_row"], (_row_values(number, env, i, row) for i, row in enumerate(rows)))

        self._database.write(job).result()

    def run(self, run: str) -> RunRecord | None:
        found = [record for record in self.runs() if record.run == run or (run and record.run.startswith(run))]
        exact = [record for record in found if record.run == run]
        return exact[0] if exact else found[0] if len(found) == 1 else None

    def runs(self) -> list[RunRecord]:
        return [_run_record(row) for row in self._read("runs")]

    def run_of_plan(self, plan: str) -> str | None:
        found = self._read("run_of_plan", plan)
        return found[0][0] if found else None

    async def set_state(self, run: str, state: str, note: str) -> None:
        await self._write(lambda connection: connection.execute(SQL["set_run_state"], (state, note, run)))

    # Approvals

    def add_approval(self, approval: Approval) -> None:
        values = (
            approval.plan,
            approval.digest,
            approval.approved,
            approval.who,
            approval.at,
            approval.comment,
        )
        self._database.write(lambda connection: connection.execute(SQL["add_approval"], values)).result()

    def approvals(self, plan: str) -> list[Approval]:
        return [Approval(p, digest, bool(yes), *rest) for p, digest, yes, *rest in self._read("approvals", plan)]

    # Rows

    async def entries(self, run: str, stages: Sequence[str], after: int, limit: int) -> list[Entry]:
        number, _ = self._number(run)
        found = [row for stage in stages for row in self._read("entries", number, stage, after, limit)]
        return [_entry(run, _checked(row)) for row in sorted(found, key=itemgetter(0))[:limit]]

    async def claim(self, entry: Entry, *, over_doubt: bool = False) -> Claim:
        number, env = self._number(entry.run)
        sending = advance(entry, Stage.SENDING, attempts=entry.attempts + 1)

        def job(connection: sqlite3.Connection) -> Claim:
            for no, position, run, stage, task_id in connection.execute(SQL["holder"], (env, entry.external_id)):
                own = (no, position) == (number, entry.position)
                if not own and (stage == Stage.CREATED or not over_doubt):
                    return TakenBy(run, task_id if stage == Stage.CREATED else None)
            _put(connection, number, sending)
            return Claimed()

        claimed: Claim = await self._write(job)
        return claimed

    async def put(self, entry: Entry, states: Sequence[StateChange] = (), audits: Sequence[AuditEntry] = ()) -> None:
        number, _ = self._number(entry.run)

        def job(connection: sqlite3.Connection) -> None:
            _put(connection, number, entry)
            key = (number, entry.position)
            if states:
                connection.execute(SQL["clear_states"], key)
                rows = [(*key, i, each.state, each.at, each.source) for i, each in enumerate(states)]
                connection.executemany(SQL["add_state"], rows)
            if audits:
                connection.execute(SQL["clear_audits"], key)
                entries = [(*key, i, e.id, e.action, e.actor, e.at, canonical(e.diff)) for i, e in enumerate(audits)]
                connection.executemany(SQL["add_audit"], entries)

        await self._write(job)

    async def states(self, run: str, position: int) -> list[StateChange]:
        number, _ = self._number(run)
        return [StateChange(*row) for row in self._read("states_of_row", number, position)]

    def earlier(self, environment: Environment, external_ids: Sequence[str], run: str = "") -> dict[str, LedgerFact]:
        env = _environment(self._database.reader, environment, add=False)
        if env is None:
            return {}
        rows = self._read("earlier", env, json.dumps(list(external_ids)), run)
        return {found: LedgerFact(by, task_id, json.loads(payload)) for found, by, task_id, payload in rows}

    # Reports

    def counts(self, run: str) -> dict[str, int]:
        number, _ = self._number(run)
        return tally((OUTCOMES[Stage(stage)].value, count) for stage, count in self._read("counts", number))

    def unsettled(self, run: str) -> int:
        number, _ = self._number(run)
        return sum(count for stage, count in self._read("counts", number) if Stage(stage) in UNSETTLED)

    def run_facts(self, run: str) -> RunFacts:
        record = self.run(run)
        assert record is not None
        head, about, approval = record.preview.head, record.preview.about, record.approval
        approved = f"by {approval.who} at {approval.at}: {approval.comment}" if approval else "not required"
        return RunFacts(
            run=record.run,
            plan=about.plan,
            digest=about.digest,
            source=about.source,
            sheet=head.sheet,
            headings=head.headings,
            header_line=head.header_line,
            environment=str(head.environment),
            opened_at=record.opened_at,
            preparer=about.preparer,
            approval=approved,
            settings=record.settings,
            state=record.state,
            note=record.note,
            version=about.version,
        )

    def result_rows(self, run: str) -> Iterator[ResultRow]:
        number, _ = self._number(run)
        states = _grouped(self._cursor("states_of_run", number))
        audits = _grouped(self._cursor("audits_of_run", number))
        waiting_states, waiting_audits = next(states, None), next(audits, None)
        for row in self._cursor("all_rows", number):
            position = row[0]
            history: list[Any] = []
            trail: list[Any] = []
            if waiting_states is not None and waiting_states[0] == position:
                history, waiting_states = waiting_states[1], next(states, None)
            if waiting_audits is not None and waiting_audits[0] == position:
                trail, waiting_audits = waiting_audits[1], next(audits, None)
            yield _result_row(run, _checked(row), history, trail)

    # Plumbing

    def _cursor(self, name: str, *values: Any) -> sqlite3.Cursor:
        try:
            return self._database.reader.execute(SQL[name], values)
        except sqlite3.Error as problem:
            raise LedgerError(
                f"The ledger {self._database.path} cannot be read: {problem}.", "Keep the file."
            ) from problem

    def _read(self, name: str, *values: Any) -> list[Any]:
        return self._cursor(name, *values).fetchall()

    async def _write(self, job: Any) -> Any:
        return await asyncio.wrap_future(self._database.write(job))

    def _number(self, run: str) -> tuple[int, int]:
        if run not in self._numbers:
            found = self._database.reader.execute("SELECT no, env FROM runs WHERE run = ?", (run,)).fetchone()
            if found is None:
                raise LedgerError(f"The ledger has no run {run}.", "See importer runs.")
            self._numbers[run] = found
        return self._numbers[run]


def _environment(connection: sqlite3.Connection, environment: Environment, *, add: bool = True) -> int | None:
    key = (environment.target, environment.origin)
    if add:
        connection.execute(SQL["add_environment"], key)
    found = connection.execute(SQL["environment"], key).fetchone()
    return found[0] if found else None


def _run_values(record: RunRecord, env: int) -> tuple[Any, ...]:
    about = record.preview.about
    approval = canonical(asdict(record.approval)) if record.approval else None
    return (
        record.run, about.plan, env, canonical(record.preview.head.record()), canonical(asdict(about)), approval,
        canonical(dict(record.settings)), record.opened_at, record.out, record.state, record.note,
    )  # fmt: skip


def _run_record(row: tuple[Any, ...]) -> RunRecord:
    _, run, env, head, about, approval, settings, opened_at, out, state, note, seal = row
    about_read = json.loads(about)
    if _seal((run, about_read["plan"], env, head, about, approval, settings, opened_at, out)) != seal:
        raise LedgerError(f"The ledger's record of the run {run} is damaged (its hash does not fit).", "Keep the file.")
    return RunRecord(
        run=run,
        preview=Preview(plan_head(json.loads(head)), About(**about_read)),
        opened_at=opened_at,
        state=state,
        note=note,
        settings=json.loads(settings),
        approval=Approval(**json.loads(approval)) if approval else None,
        out=out,
    )


def _row_values(number: int | None, env: int, position: int, run_row: RunRow) -> tuple[Any, ...]:
    row = run_row.row
    fixed = (
        position, row.line, row.file_line, json.dumps(row.cells, ensure_ascii=False, separators=(",", ":")),
        row.external_id, row.queue, canonical(findings_record(row.findings)), run_row.payload or "",
    )  # fmt: skip
    reason = (
        ""
        if row.verdict in (Verdict.READY, Verdict.SKIPPED)
        else "; ".join(each.message for each in row.findings if each.severity == "error" or each.code.startswith("D40"))
    )
    moving = (row.verdict.value, 0, 0, 0, 0, row.task_id, None, reason, None, "", None)
    return (number, *fixed, env, _seal((number, env, *fixed)), *moving, _seal(moving))


def _put(connection: sqlite3.Connection, number: int, entry: Entry) -> None:
    moving = (
        entry.stage.value, entry.attempts, entry.resends, int(entry.doubted), entry.conflicts, entry.task_id,
        entry.state, entry.reason, entry.correlation_id, entry.audits, entry.audit_count,
    )  # fmt: skip
    cursor = connection.execute(SQL["put_row"], (*moving, _seal(moving), number, entry.position))
    if cursor.rowcount != 1:
        raise LedgerError(f"The ledger has no row for line {entry.line} of the run {entry.run}.", "Keep the file.")


def _seal(values: Sequence[Any]) -> bytes:
    """A hash of what a record says: SQLite's own checks miss most flipped bits."""
    return hashlib.blake2b(repr(tuple(values)).encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _checked(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row itself. Raises LedgerError where it does not say what was written."""
    if _seal((*row[21:23], *row[:8])) != row[8] or _seal(row[9:20]) != row[20]:
        raise LedgerError(
            f"The ledger's record of line {row[1]} is damaged (its hash does not fit).",
            "Keep the file and restore it from a backup; nothing more is sent.",
        )
    return row


def _entry(run: str, row: tuple[Any, ...]) -> Entry:
    stage, attempts, resends, doubted, conflicts, task_id, state, reason, correlation_id, audits, audit_count = row[
        9:20
    ]
    return Entry(
        run, row[0], row[1], row[4], row[7], Stage(stage), attempts, resends, bool(doubted), conflicts, task_id, state,
        reason, correlation_id, audits, audit_count,
    )  # fmt: skip


def _result_row(run: str, row: tuple[Any, ...], states: Sequence[Any], audits: Sequence[Any]) -> ResultRow:
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


def _grouped(cursor: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    for position, group in groupby(cursor, key=itemgetter(0)):
        yield position, [row[1:] for row in group]
