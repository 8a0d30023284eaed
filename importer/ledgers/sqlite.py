"""The ledger in SQLite: what the importer must never forget. Records and finds; decides nothing."""

import asyncio
import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from importer.core.approval import Person
from importer.core.errors import LeaseLost, LedgerError, PlanRefused
from importer.core.facts import LedgerFact
from importer.core.lease import Holder, Lease
from importer.core.plan import Environment
from importer.core.report import NOT_REQUIRED, AuditEntry, ResultRow, RunFacts, StateChange, tally
from importer.core.stages import OUTCOMES, UNSETTLED, Entry, Stage, advance
from importer.core.timing import timing
from importer.ledgers import writes
from importer.ledgers.checkup import refuse_damage
from importer.ledgers.counter import UNREADABLE
from importer.ledgers.database import BUSY_S, MARK, Database, put_generation, queries
from importer.ledgers.records import (
    KEEP,
    checked,
    entry,
    result_row,
    row_values,
    run_record,
    run_values,
    state_sealed,
)
from importer.ledgers.seal import seal
from importer.machine import machine
from importer.ports import Call, CallEnd, Claim, OpenCall, RunRecord, RunRow
from importer.quantities import parse_rate

SQL = queries()


class SqliteLedger:
    """See ports.Ledger. The whole mutable state is the file."""

    def __init__(self, path: Path, *, threaded: bool = True, busy_s: float = BUSY_S) -> None:
        self._database = Database(path, threaded=threaded, busy_s=busy_s)
        self._numbers: dict[str, tuple[int, int]] = {}  # run -> its number and its environment's
        self._tokens: dict[str, str] = {}  # run -> the lease under which this process writes its rows

    def close(self) -> None:
        self._database.close()

    # Trust

    def trusted(self, *, though_older: bool = False, adopt: bool = False) -> None:
        database = self._database
        refuse_damage(database.reader, database.path)
        self._of_this_machine(adopt=adopt)
        if not though_older:
            self._newest()
        try:
            database.reserve.lay_by()
            if not self.is_older_copy():
                self.accept_as_newest()
        except OSError as problem:
            raise LedgerError(
                f"There is no room beside the ledger {database.path}: {problem.strerror}.",
                "Nothing was sent. Free some space on the disk (2 MB will do) and start again.",
            ) from problem

    def is_older_copy(self) -> bool:
        counted = self._database.counter.value()
        return counted is None or counted > self._database.generation()

    def restored_at(self) -> str:
        found = self._read("mark", "restored")
        return str(found[0][0]) if found else ""

    def accept_as_newest(self, restored_at: str = "") -> None:
        database = self._database
        if restored_at:
            values = ("restored", restored_at)
            database.write(lambda connection: connection.execute(MARK, (*values, seal(values)))).result()
        counted = database.counter.value()
        if counted is not None and UNREADABLE > counted > database.generation():
            # Beyond all that was counted: the file whose place this copy takes is the older one from now on.
            database.write(lambda connection: put_generation(connection, counted + 1)).result()
        database.counter.tell(database.generation(), durable=True)

    def _newest(self) -> None:
        if self.is_older_copy():
            raise LedgerError(
                f"The ledger {self._database.path} is an older copy of itself: it does not know all that was sent.",
                "Put the newest one back, or run importer reconcile: it looks up every row that may have been sent since.",
            )

    def _of_this_machine(self, *, adopt: bool) -> None:
        found = self._read("mark", "machine")
        here = machine()
        if found and found[0][0] not in ("", here) and here and not adopt:
            raise LedgerError(
                f"The ledger {self._database.path} was copied from another machine; two copies would not know of each other.",
                "Run the importer where the ledger belongs. If it has moved for good, importer reconcile --adopt takes it over.",
            )
        if here and (not found or found[0][0] != here):
            values = ("machine", here)
            self._database.write(lambda connection: connection.execute(MARK, (*values, seal(values)))).result()

    # Leases

    def lease(self, run: str) -> Lease | None:
        number, _ = self._number(run)
        found = self._read("lease", number)
        if not found:
            return None
        token, boot, space, process, started, until_s, lasts_s, sealed = found[0]
        if seal(found[0][:-1]) != sealed:
            raise LedgerError(f"The ledger's record of who sends the run {run} is damaged.", KEEP)
        return Lease(token, Holder(boot, space, process, started), until_s, lasts_s)

    async def take_lease(self, run: str, holder: Holder, until_s: float, lasts_s: float, over: Lease | None) -> Lease:
        number, _ = self._number(run)
        token = secrets.token_hex(8)
        values = (token, holder.boot, holder.space, holder.process, holder.started, until_s, lasts_s)

        def job(connection: sqlite3.Connection) -> None:
            found = connection.execute(SQL["lease"], (number,)).fetchone()
            if (found and (found[0], found[5])) != (over and (over.token, over.until_s)):
                raise LeaseLost(run)
            connection.execute(SQL["put_lease"], (number, *values, seal(values)))

        await self._write(job)
        self._tokens[run] = token
        return Lease(token, holder, until_s, lasts_s)

    async def renew_lease(self, run: str, until_s: float) -> None:
        number, _ = self._number(run)

        def job(connection: sqlite3.Connection) -> None:
            self._guard(connection, run, number)
            found = connection.execute(SQL["lease"], (number,)).fetchone()
            values = (*found[:5], until_s, found[6])
            connection.execute(SQL["put_lease"], (number, *values, seal(values)))

        await self._write(job)

    async def release_lease(self, run: str) -> None:
        number, _ = self._number(run)
        token = self._tokens.get(run)
        dropped = await self._write(
            lambda connection: connection.execute(SQL["drop_lease"], (number, token)).rowcount, answer=True
        )
        if dropped:  # a lease that was lost still keeps this process from writing
            self._tokens.pop(run, None)

    def _guard(self, connection: sqlite3.Connection, run: str, number: int) -> None:
        """Once this process has sent under a lease, it writes the run's rows under that lease or not at all."""
        token = self._tokens.get(run)
        if token is None:
            return
        found = connection.execute(SQL["lease"], (number,)).fetchone()
        if found is None or found[0] != token:
            raise LeaseLost(run)

    # Runs

    def open_run(self, record: RunRecord, rows: Iterable[RunRow]) -> None:
        def job(connection: sqlite3.Connection) -> None:
            environment = record.preview.head.environment
            env = _environment(connection, environment)
            assert env is not None
            values = run_values(record, env)
            sealed = seal(values[:-2]), state_sealed(record.run, record.state, record.note)
            try:
                cursor = connection.execute(SQL["add_run"], (*values, *sealed))
            except sqlite3.IntegrityError:
                plan = record.preview.about.plan
                ran = connection.execute(SQL["run_of_plan"], (plan,)).fetchone()
                raise PlanRefused(
                    f"The plan {plan} ran already, as {ran[0] if ran else 'another run'}.",
                    "Preview the file again for a new plan, or carry the run on with importer resume.",
                ) from None
            number = cursor.lastrowid
            connection.executemany(SQL["add_row"], (row_values(number, env, i, row) for i, row in enumerate(rows)))

        self._database.write(job).result()

    def run(self, run: str) -> RunRecord | None:
        exact = self._read("run", run)
        if exact:
            return run_record(exact[0])
        found = [record for record in self.runs() if run and record.run.startswith(run)]
        return found[0] if len(found) == 1 else None

    def runs(self) -> list[RunRecord]:
        return [run_record(row) for row in self._read("runs")]

    def run_of_plan(self, plan: str) -> str | None:
        found = self._read("run_of_plan", plan)
        return found[0][0] if found else None

    async def set_state(self, run: str, state: str, note: str) -> None:
        values = (state, note, state_sealed(run, state, note), run)
        await self._write(lambda connection: connection.execute(SQL["set_run_state"], values), answer=True)

    # Rows

    async def entries(self, run: str, stages: Sequence[str], after: int, limit: int) -> list[Entry]:
        number, _ = self._number(run)
        found = [row for stage in stages for row in self._read("entries", number, stage, after, limit)]
        return [entry(run, checked(row)) for row in sorted(found, key=itemgetter(0))[:limit]]

    async def claim(
        self, entries: Sequence[Entry], at: str, *, kind: str = "create", over_doubt: int | None = None
    ) -> Claim:
        run = entries[0].run
        number, env = self._number(run)

        def job(connection: sqlite3.Connection) -> Claim:
            self._guard(connection, run, number)
            taken = {
                e.position: t for e in entries if (t := writes.taken(connection, number, env, e, over_doubt=over_doubt))
            }
            free = [entry for entry in entries if entry.position not in taken]
            if not free:
                return Claim(None, taken)
            for each in free:
                writes.put(connection, number, advance(each, Stage.SENDING, attempts=each.attempts + 1))
            return Claim(writes.begin_call(connection, number, kind, free, at), taken)

        claim: Claim = await self._write(job)
        return claim

    async def put(
        self,
        entry: Entry,
        states: Sequence[StateChange] = (),
        audits: Sequence[AuditEntry] = (),
        end: CallEnd | None = None,
    ) -> None:
        number, _ = self._number(entry.run)

        def job(connection: sqlite3.Connection) -> None:
            self._guard(connection, entry.run, number)
            writes.put(connection, number, entry)
            if states:
                writes.put_states(connection, number, entry.position, states)
            if audits:
                writes.put_audits(connection, number, entry.position, audits)
            if end is not None:
                writes.end_call(connection, end)

        await self._write(job, answer=True)

    async def end_call(self, run: str, end: CallEnd) -> None:
        number, _ = self._number(run)

        def job(connection: sqlite3.Connection) -> None:
            self._guard(connection, run, number)
            writes.end_call(connection, end)

        await self._write(job, answer=True)

    def open_calls(self, run: str) -> list[OpenCall]:
        number, _ = self._number(run)
        rows = groupby(self._rows("open_calls", number), key=itemgetter(0, 1))
        return [OpenCall(call, kind, tuple(row[2] for row in named)) for (call, kind), named in rows]

    def calls(self, run: str) -> Iterator[Call]:
        number, _ = self._number(run)
        for _, named in groupby(self._rows("calls_of_run", number), key=itemgetter(0)):
            rows = list(named)
            call, kind, began_at, ended_at, answer, correlation_id, _ = rows[0]
            yield Call(call, kind, began_at, ended_at, answer, correlation_id, tuple(row[-1] for row in rows))

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
        return tally((OUTCOMES[_stage(stage)].value, count) for stage, count in self._read("counts", number))

    def being_sent(self, run: str) -> int:
        number, _ = self._number(run)
        return sum(count for stage, count in self._read("counts", number) if _stage(stage) is Stage.SENDING)

    def counts_by_state(self, run: str) -> dict[str, int]:
        number, _ = self._number(run)
        return {state or "": count for state, count in self._read("counts_by_state", number)}

    def unsettled(self, run: str) -> int:
        number, _ = self._number(run)
        return sum(count for stage, count in self._read("counts", number) if _stage(stage) in UNSETTLED)

    def run_facts(self, run: str) -> RunFacts:
        record = self.run(run)
        assert record is not None
        head, about, approval = record.preview.head, record.preview.about, record.approval
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
            preparer=str(Person(about.preparer, about.preparer_how)),
            approval=str(approval) if approval else NOT_REQUIRED,
            chain=record.chain,
            settings=record.settings,
            state=record.state,
            note=record.note,
            version=about.version,
            timing=timing(
                self._rows("ended_calls", self._number(run)[0]), _cap(head.environment.target, record.settings)
            ),
        )

    def result_rows(self, run: str) -> Iterator[ResultRow]:
        number, _ = self._number(run)
        states = _grouped(self._rows("states_of_run", number))
        audits = _grouped(self._rows("audits_of_run", number))
        waiting_states, waiting_audits = next(states, None), next(audits, None)
        for row in self._rows("all_rows", number):
            position = row[0]
            history: list[Any] = []
            trail: list[Any] = []
            if waiting_states is not None and waiting_states[0] == position:
                history, waiting_states = waiting_states[1], next(states, None)
            if waiting_audits is not None and waiting_audits[0] == position:
                trail, waiting_audits = waiting_audits[1], next(audits, None)
            yield result_row(run, checked(row), history, trail)

    # Plumbing

    def _rows(self, name: str, *values: Any) -> Iterator[Any]:
        """One by one. Damage may show at any of them."""
        try:
            yield from self._database.reader.execute(SQL[name], values)
        except sqlite3.Error as problem:
            raise LedgerError(f"The ledger {self._database.path} cannot be read: {problem}.", KEEP) from problem

    def _read(self, name: str, *values: Any) -> list[Any]:
        return list(self._rows(name, *values))

    async def _write(self, job: Any, *, answer: bool = False) -> Any:
        return await asyncio.wrap_future(self._database.write(job, answer=answer))

    def _number(self, run: str) -> tuple[int, int]:
        if run not in self._numbers:
            found = self._read("number", run)
            if not found:
                raise LedgerError(f"The ledger has no run {run}.", "See importer runs.")
            self._numbers[run] = found[0]
        return self._numbers[run]


def _environment(connection: sqlite3.Connection, environment: Environment, *, add: bool = True) -> int | None:
    key = (environment.target, environment.origin)
    if add:
        connection.execute(SQL["add_environment"], key)
    found = connection.execute(SQL["environment"], key).fetchone()
    return found[0] if found else None


def _stage(text: str) -> Stage:
    try:
        return Stage(text)
    except ValueError:
        raise LedgerError(f"The ledger is damaged: a row is in the stage {text!r}.", KEEP) from None


def _cap(target: str, settings: Mapping[str, Any]) -> tuple[int, float] | None:
    """The rate that a run was begun with, as calls and seconds; None where one that creates is more than one call."""
    known = target == "tasks" and "rate" in settings
    return parse_rate(str(settings["rate"]), "the run's rate") if known else None


def _grouped(cursor: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    for position, group in groupby(cursor, key=itemgetter(0)):
        yield position, [row[1:] for row in group]
