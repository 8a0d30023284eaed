"""Wishes: what people want of runs that the server carries on, kept over its end. One small SQLite file; knows no rows."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from importer.core.approval import Person
from importer.core.errors import LedgerError
from importer.desk.picture import Deed
from importer.folders import private_file, private_folder

Kind = Literal["running", "paused", "stopped", "halted", "over"]
"""What is wanted, or, for the last two, what came of it: stopped by a problem, or ended."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS run_wishes (
    run TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, how TEXT NOT NULL, at TEXT NOT NULL,
    problem TEXT NOT NULL, fix TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS run_starts (plan TEXT PRIMARY KEY, name TEXT NOT NULL, how TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS run_deeds (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL, what TEXT NOT NULL, name TEXT NOT NULL, how TEXT NOT NULL, at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS run_deeds_by_run ON run_deeds (run);
"""


@dataclass(frozen=True, slots=True)
class Wish:
    """The last one about a run, and whose it is."""

    kind: Kind
    who: Person
    at: str  # RFC 3339, UTC
    problem: str = ""
    fix: str = ""


class Wishes:
    """Every write is on disk when it returns. Raises LedgerError where the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            private_folder(path.parent)
            private_file(path)
            self._connection = sqlite3.connect(path, timeout=10.0, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as problem:
            raise self._unusable(problem) from problem

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def begin(self, plan: str, who: Person, at: str) -> None:
        """Somebody wants a plan to run: told before the run is opened, so that one that was opened and no more is known again."""
        self._write("INSERT OR REPLACE INTO run_starts VALUES (?, ?, ?, ?)", (plan, who.name, who.how, at))

    def begun(self, plan: str) -> None:
        """The run is opened and has a wish of its own, or will not be."""
        self._write("DELETE FROM run_starts WHERE plan = ?", (plan,))

    def beginnings(self) -> dict[str, tuple[Person, str]]:
        """Plans whose run was wanted and never had a wish: by whom, and when."""
        rows = self._read("SELECT plan, name, how, at FROM run_starts")
        return {plan: (Person(name, how), at) for plan, name, how, at in rows}

    def put(self, run: str, wish: Wish, deed: str = "") -> None:
        """The wish about a run from now on, and what was done with it, if a person did."""
        self._write("BEGIN IMMEDIATE", ())
        values = (run, wish.kind, wish.who.name, wish.who.how, wish.at, wish.problem, wish.fix)
        self._write("INSERT OR REPLACE INTO run_wishes VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        if deed:
            done = (run, deed, wish.who.name, wish.who.how, wish.at)
            self._write("INSERT INTO run_deeds (run, what, name, how, at) VALUES (?, ?, ?, ?, ?)", done)
        self._write("COMMIT", ())

    def of(self, run: str) -> Wish | None:
        """The wish about a run; None for one that the server never carried on."""
        found = self._read("SELECT kind, name, how, at, problem, fix FROM run_wishes WHERE run = ?", run)
        return next((_wish(row) for row in found), None)

    def wanted(self) -> list[str]:
        """Runs that are to go on, those first that were wanted first."""
        return [run for (run,) in self._read("SELECT run FROM run_wishes WHERE kind = 'running' ORDER BY at, run")]

    def deeds(self, run: str) -> tuple[Deed, ...]:
        """Who did what to a run, oldest first."""
        rows = self._read("SELECT what, name, how, at FROM run_deeds WHERE run = ? ORDER BY id", run)
        return tuple(Deed(what, Person(name, how), at) for what, name, how, at in rows)

    def _read(self, query: str, *values: object) -> list[tuple[str, ...]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as problem:
            raise self._unusable(problem) from problem

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._connection.execute(statement, values)
        except sqlite3.Error as problem:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise self._unusable(problem) from problem

    def _unusable(self, problem: Exception) -> LedgerError:
        return LedgerError(
            f"The record of what is wanted of runs, {self._path}, cannot be used: {problem}.",
            "Nothing was changed. Check the disk and its space; importer resume carries runs on without it.",
        )


def _wish(row: tuple[str, ...]) -> Wish:
    kind, name, how, at, problem, fix = row
    kinds: dict[str, Kind] = {each: each for each in ("running", "paused", "stopped", "halted", "over")}
    return Wish(kinds[kind], Person(name, how), at, problem, fix)
