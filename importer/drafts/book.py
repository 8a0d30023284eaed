"""Book: the SQLite file of one draft. Durable at every return of a method that writes; what was under way when a process died is undone."""

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Self

from importer.core.approval import Person
from importer.core.errors import DraftBusy, LedgerError, Stale, UsageError
from importer.core.fixes import Fix, Fixed
from importer.core.memory import Found, found_of, found_record
from importer.drafts.draft import DraftHead, Step
from importer.folders import private_opener

BUSY_S = 20.0
APPLICATION_ID = 0x47_54_69_44  # "GTiD"
FACTS_AT_ONCE = 1_000


@cache
def queries() -> dict[str, str]:
    """The statements of queries.sql by name."""
    text = resources.files(__package__).joinpath("queries.sql").read_text("utf-8")
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))


@dataclass(frozen=True, slots=True)
class Entry:
    """What the head of a draft says, as stored; `holder` is the process that is busy with it."""

    head: DraftHead
    holder: str
    environment: dict[str, Any] | None  # where the rows were judged; None before the first preview


class Book:
    """One connection to a draft's file. Not to be used by two threads at once. Raises LedgerError where the file is damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error as problem:
            raise _damaged(path, problem) from problem

    @classmethod
    def made(cls, path: Path, head: Sequence[Any]) -> "Book":
        """A new file, mode 0600, with its head: file name, SHA-256, size, format, name, how, at, mapping, name."""
        with open(path, "xb", opener=private_opener):
            pass
        book = cls(path)
        with book.writing():
            book.connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            for statement in _statements("schema.sql"):
                book.connection.execute(statement)
            book.run("begin_head", *head)
        return book

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self.connection.close()

    def run(self, name: str, *values: Any) -> sqlite3.Cursor:
        """One statement of queries.sql. Raises UsageError for a value that no draft can have."""
        return self.ask(queries()[name], values)

    def ask(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Any statement; its text is made of constants alone. Raises as `run` does."""
        try:
            return self.connection.execute(statement, values)
        except (OverflowError, UnicodeEncodeError) as problem:
            raise UsageError("A number or a text is none that this upload can have.", "Type it again.") from problem
        except sqlite3.DatabaseError as problem:
            raise _damaged(self.path, problem) from problem

    def many(self, name: str, values: Any) -> None:
        """One statement for each tuple of values."""
        try:
            self.connection.executemany(queries()[name], values)
        except sqlite3.DatabaseError as problem:
            raise _damaged(self.path, problem) from problem

    def one(self, name: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        row = self.run(name, *values).fetchone()
        return row[0] if row else None

    def writing(self) -> AbstractContextManager[None]:
        """One transaction: durable when it ends, as if it had not been when it raises."""
        return self._transaction("BEGIN IMMEDIATE")

    def staging(self) -> AbstractContextManager[None]:
        """One transaction of temporary tables alone: nobody who writes is held up."""
        return self._transaction("BEGIN")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        self.ask(begin)
        try:
            yield
            self.ask("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    @contextmanager
    def changing(self, revision: int, who: str, what: str, sent: str, now: str) -> Iterator[None]:
        """One transaction that makes the next revision. Raises Stale where `revision` is not the current one, DraftBusy."""
        with self.writing():
            self.current(revision, what, sent, now)
            yield
            self.run("revise", who)

    def current(self, revision: int, what: str, sent: str, now: str) -> DraftHead:
        """The head, if it is at this revision and nobody is busy with it. Raises Stale, DraftBusy."""
        entry = self.entry("")
        head = entry.head
        if head.busy:
            raise DraftBusy(f"This upload is {head.busy} just now.", "Wait until that is done, and look at it again.")
        if head.revision != revision:
            raise Stale(what=what, sent=sent, now=now, who=head.changed_by, revision=head.revision)
        return head

    # Head and notes

    def entry(self, draft: str) -> Entry:
        """The head as stored."""
        row = self.run("head").fetchone()
        if row is None:
            raise _damaged(self.path, "it has no head")
        (name, sha256, size, format_, by, how, at, revision, step, sheet, header_row, mapping, plan, problem, busy,
         holder, previewed_at, changed_by, fixes, environment) = row  # fmt: skip
        steps: tuple[Step, ...] = ("sheet", "columns", "values", "rows", "planned")
        head = DraftHead(
            id=draft, file_name=name, sha256=sha256, size=size, format=format_, by=Person(by, how), at=at,
            revision=revision, step=next(each for each in steps if each == step), sheet=sheet, header_row=header_row,
            mapping=json.loads(mapping), plan=plan, problem=problem, busy=busy, rows_done=0,
            previewed_at=previewed_at, changed_by=changed_by, fixes=fixes,
        )  # fmt: skip
        return Entry(head, holder, json.loads(environment) if environment else None)

    def note(self, name: str) -> Any:
        """What was kept under a name, or None."""
        text = self.one("note", name)
        return None if text is None else json.loads(text)

    def set_note(self, name: str, value: Any) -> None:
        """Keeps something that JSON keeps."""
        self.run("set_note", name, text_of(value))

    # What people changed

    def fixes(self) -> tuple[Fix, ...]:
        """The fixes, by line and column."""
        return tuple(Fix(line, column, old, new) for line, column, old, new, _, _ in self.run("fixes"))

    def fixed(self) -> tuple[Fixed, ...]:
        """Who made them, and when."""
        return tuple(Fixed(line, column, who, at) for line, column, _, _, who, at in self.run("fixes"))

    def skipped(self) -> dict[int, str]:
        """The lines that are left out, and why."""
        return dict(self.run("skipped").fetchall())


class KnownFacts:
    """See core.memory.Known. What is new is kept in memory until `flush`, which may run in another thread."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._new: dict[tuple[str, str], Found] = {}

    def recall(self, scope: str, external_ids: Sequence[str]) -> dict[str, Found]:
        wanted = text_of(list(external_ids))
        known = {found: _found(json.loads(text)) for found, text in self._book.run("recall", scope, wanted)}
        return known | {each: self._new[scope, each] for each in external_ids if (scope, each) in self._new}

    def keep(self, scope: str, found: Mapping[str, Found]) -> None:
        self._new |= {(scope, external_id): each for external_id, each in found.items()}

    def flush(self, least: int = 1) -> None:
        """Writes what is new, if it is that much."""
        if len(self._new) < least:
            return
        values = [(scope, external_id, text_of(found_record(each))) for (scope, external_id), each in self._new.items()]
        with self._book.writing():
            self._book.many("keep", values)
        self._new.clear()


def text_of(value: Any) -> str:
    """JSON, as short as it gets."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def statements(name: str) -> list[str]:
    """The statements of a file beside this one."""
    return _statements(name)


@cache
def _statements(name: str) -> list[str]:
    text = resources.files(__package__).joinpath(name).read_text("utf-8")
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return [each.strip() for each in plain.split(";") if each.strip()]


def _found(record: Any) -> Found:
    tasks, earlier = record
    return found_of(tasks, earlier)


def _damaged(path: Path, problem: object) -> LedgerError:
    return LedgerError(
        f"The record of the upload {path.parent.name} cannot be used: {problem}.",
        "Check that the disk has room, and try again; else upload the file again.",
    )
