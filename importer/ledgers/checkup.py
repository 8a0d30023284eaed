"""Checkup: whether a ledger says what was written, and what can still be read of one that does not. Changes nothing."""

import json
import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from importer.core.errors import LedgerError
from importer.core.stages import Stage
from importer.ledgers.counter import Counter
from importer.ledgers.database import APPLICATION_ID, queries, schema, statements
from importer.ledgers.records import KEEP, call_seal, checked, run_record
from importer.ledgers.seal import seal
from importer.ports import CallEnd

SQL = queries()
TOLD = 10
"""So many problems of a kind are told one by one."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and what is wrong with it."""

    name: str
    problems: tuple[str, ...]


def refuse_damage(connection: sqlite3.Connection, path: Path) -> None:
    """Raises LedgerError, naming the check, where the ledger does not say what was written."""
    with closing(checks(connection)) as found:
        for check in found:
            if check.problems:
                raise LedgerError(
                    f"The ledger {path} is damaged ({check.name}): {check.problems[0].rstrip('.')}.", KEEP
                )


def verified(path: Path) -> list[Check]:
    """All checks on a ledger file, opened for reading alone. Raises LedgerError where there is no such file."""
    with closing(_read_only(path)) as connection:
        found = list(checks(connection))
        counted, generation = Counter(path).value(), _generation(connection)
        older = [] if counted is not None and counted <= generation else ["it is an older copy of itself"]
        return [*found, Check("counter outside the file", tuple(older))]


def checks(connection: sqlite3.Connection) -> Generator[Check, None, None]:
    """One by one, the quick ones first; all of one moment, for another process may be writing meanwhile. To be closed."""
    connection.execute("BEGIN")
    try:
        for name, look in CHECKS.items():
            yield Check(name, _problems(connection, look))
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _problems(connection: sqlite3.Connection, look: Callable[[sqlite3.Connection], Iterator[str]]) -> tuple[str, ...]:
    try:
        return tuple(look(connection))
    except (sqlite3.Error, LedgerError) as problem:
        return (f"{problem}",)
    except (ValueError, TypeError, KeyError) as problem:
        return (f"a record cannot be read ({problem})",)


def exported(path: Path, folder: Path) -> dict[str, int]:
    """Writes every table as JSON lines into the folder, as far as it can be read; lines a file. Raises LedgerError, OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(_read_only(path)) as connection:
        connection.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
        return {table: _exported(connection, table, folder / f"{table}.jsonl") for table in _tables()}


def _exported(connection: sqlite3.Connection, table: str, path: Path) -> int:
    count = 0
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file, suppress(sqlite3.Error):
        cursor = connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - a name from our own schema
        names = [each[0] for each in cursor.description]
        for row in cursor:
            values = [value.hex() if isinstance(value, bytes) else value for value in row]
            file.write(json.dumps(dict(zip(names, values, strict=True)), ensure_ascii=False) + "\n")
            count += 1
    return count


def _read_only(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise LedgerError(f"There is no ledger {path}.", "Check --state-dir.")
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        mark = connection.execute("PRAGMA application_id").fetchone()[0]
    except sqlite3.Error as problem:
        connection.close()
        raise LedgerError(f"{path} is not a database: {problem}.", KEEP) from problem
    if mark != APPLICATION_ID:
        connection.close()
        raise LedgerError(f"{path} is not a ledger of this importer.", "Check --state-dir.")
    return connection


# The checks


def _pages(connection: sqlite3.Connection) -> Iterator[str]:
    for (said,) in connection.execute("PRAGMA integrity_check(10)"):
        if said != "ok":
            yield str(said)


def _tables_as_made(connection: sqlite3.Connection) -> Iterator[str]:
    if dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")) != _made():
        yield "its tables are not as they were made"


@cache
def _made() -> dict[str, str]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for statement in statements("\n".join(schema())):
            connection.execute(statement)
        return dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"))


def _tables() -> list[str]:
    return [name for name, sql in _made().items() if sql.startswith("CREATE TABLE")]


def _marks(connection: sqlite3.Connection) -> Iterator[str]:
    for name, value, sealed in connection.execute("SELECT name, value, seal FROM marks"):
        if seal((name, value)) != sealed:
            yield f"the mark {name}"


def _runs(connection: sqlite3.Connection) -> Iterator[str]:
    counted = dict(connection.execute("SELECT no, count(*) FROM rows GROUP BY no"))
    for row in connection.execute(SQL["runs"]):
        record = run_record(row)
        if record.preview.head.counts.get("read", 0) != counted.pop(row[0], 0):
            yield f"the number of rows of the run {record.run}"
        if record.state not in ("open", "done"):
            yield f"the state of the run {record.run}"
    yield from (f"rows of a run {no} that is not there" for no in counted)


def _rows(connection: sqlite3.Connection) -> Iterator[str]:
    stages = set(Stage)
    for row in connection.execute(SQL["every_row"]):
        checked(row)
        if row[9] not in stages:
            yield f"the stage of line {row[1]}"


def _histories(connection: sqlite3.Connection) -> Iterator[str]:
    for column, query in (("states", SQL["every_state"]), ("audits", SQL["every_audit"])):
        seals = {(no, position): sealed for no, position, sealed in connection.execute(SQL[f"{column}_seals"])}
        for key, group in groupby(connection.execute(query), key=itemgetter(0, 1)):
            sealed = seals.pop(key, None)
            if sealed is not None and seal([line[2:] for line in group]) != sealed:
                yield f"the {column} of a row (run {key[0]}, position {key[1]})"
        yield from (f"the {column} of a row are missing (run {no}, position {at})" for no, at in seals)


def _calls(connection: sqlite3.Connection) -> Iterator[str]:
    positions: dict[int, list[int]] = {}
    for call, position in connection.execute("SELECT call, position FROM call_rows ORDER BY call, position"):
        positions.setdefault(call, []).append(position)
    for call, no, kind, body, began_at, at, answer, correlation_id, sealed in connection.execute(SQL["every_call"]):
        end = None if at is None else CallEnd(call, answer, at, correlation_id)
        if call_seal(no, kind, body, began_at, positions.pop(call, []), end) != sealed:
            yield f"the call {call}"
    yield from (f"rows of a call {call} that is not there" for call in positions)


def _leases(connection: sqlite3.Connection) -> Iterator[str]:
    for no, *values, sealed in connection.execute("SELECT * FROM leases"):
        if seal(values) != sealed:
            yield f"who sends the run {no}"


def _generation(connection: sqlite3.Connection) -> int:
    found = connection.execute("SELECT value FROM marks WHERE name = 'generation'").fetchone()
    return int(found[0]) if found else 0


CHECKS: dict[str, Callable[[sqlite3.Connection], Iterator[str]]] = {
    "tables": _tables_as_made,
    "marks": _marks,
    "pages and indexes": _pages,
    "runs": _runs,
    "rows": _rows,
    "histories": _histories,
    "calls": _calls,
    "leases": _leases,
}
"""What is looked at: name -> problems found."""
