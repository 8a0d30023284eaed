"""Database: a SQLite file that is ours, in the right version and mode, with one writer thread that commits in groups. Knows no rows."""

import os
import queue
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from importer.core.errors import LedgerError
from importer.folders import private_folder

T = TypeVar("T")

APPLICATION_ID = 0x47_54_69_31  # "GTi1"
BUSY_S = 30.0
MOST_IN_A_GROUP = 5000


def queries() -> dict[str, str]:
    """The statements of queries.sql by name."""
    text = resources.files(__package__).joinpath("queries.sql").read_text("utf-8")
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))


class Database:
    """One ledger file.

    Writes are functions of a connection; they queue up for one thread, which takes everything that came while the last
    fsync ran and commits it as one transaction (WAL, synchronous=FULL). A write's future is done when it is on disk.
    Reads run on a second connection, in the caller's thread.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _prepare(path)
        try:
            self._writer = self._connect()
            self.reader = self._connect()
            self.reader.execute("PRAGMA query_only = 1")
        except sqlite3.Error as problem:
            raise _translated(problem, path) from problem
        self._jobs: queue.SimpleQueue[tuple[Callable[[sqlite3.Connection], Any], Future[Any]] | None]
        self._jobs = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    def write(self, job: Callable[[sqlite3.Connection], T]) -> "Future[T]":
        """Queues a write. The future raises LedgerError when it cannot be made durable."""
        future: Future[T] = Future()
        self._jobs.put((job, future))
        return future

    def close(self) -> None:
        """Lets the writes under way finish, then closes."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()
        self.reader.close()
        self._writer.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            _migrate(connection, self.path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _work(self) -> None:
        """The writer thread: groups what queued up, commits, and only then answers.

        A write whose caller was cancelled is made all the same; there is nobody to answer then.
        """
        closing = False
        while not closing:
            jobs = [self._jobs.get()]
            while len(jobs) < MOST_IN_A_GROUP and not self._jobs.empty():
                jobs.append(self._jobs.get())
            closing = None in jobs
            self._commit([job for job in jobs if job is not None])

    def _commit(self, jobs: list[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]]) -> None:
        # From here on a future cannot be cancelled: answering a cancelled one would end this thread.
        waiting = {future for _, future in jobs if future.set_running_or_notify_cancel()}
        done: list[tuple[Future[Any], Any]] = []
        failed: list[tuple[Future[Any], Exception]] = []
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for job, future in jobs:
                try:
                    self._writer.execute("SAVEPOINT job")
                    done.append((future, job(self._writer)))
                    self._writer.execute("RELEASE job")
                except sqlite3.Error:
                    raise
                except Exception as refused:  # noqa: BLE001 - one caller's mistake is not the others'
                    self._writer.execute("ROLLBACK TO job")
                    failed.append((future, refused))
            self._writer.execute("COMMIT")
        except Exception as problem:  # noqa: BLE001 - the thread's door: every caller gets the reason
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            translated = _translated(problem, self.path) if isinstance(problem, sqlite3.Error) else problem
            for future in waiting:
                future.set_exception(translated)
            return
        for future, reason in failed:
            if future in waiting:
                future.set_exception(reason)
        for future, result in done:
            if future in waiting:
                future.set_result(result)


def _prepare(path: Path) -> None:
    """The file exists with mode 0600 in a folder of mode 0700, whatever the umask. SQLite gives -wal and -shm the same."""
    try:
        private_folder(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
    except OSError as problem:
        raise LedgerError(
            f"The ledger {path} cannot be opened: {problem.strerror}.", "Check the state folder (--state-dir)."
        ) from problem


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Brings the file to this version in one transaction. Refuses a foreign file and one of a newer importer."""
    application, version = _marks(connection)
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application != APPLICATION_ID and (application or tables):
        raise LedgerError(f"{path} is not a ledger of this importer.", "Choose another folder with --state-dir.")
    files = sorted(resources.files(__package__).joinpath("schema").iterdir(), key=lambda file: file.name)
    scripts = [file.read_text("utf-8") for file in files if file.name.endswith(".sql")]
    if version > len(scripts):
        raise LedgerError(
            f"{path} was written by a newer importer (version {version}, this one knows {len(scripts)}).",
            "Update the importer.",
        )
    if version == len(scripts):
        return
    connection.execute("BEGIN IMMEDIATE")
    _, version = _marks(connection)  # another process may have been faster
    for statement in _statements("\n".join(scripts[version:])):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(scripts)}")
    connection.execute("COMMIT")


def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
    """Whose file it is, and of which version."""
    names = ("application_id", "user_version")
    application, version = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    return application, version


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, each whole."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _translated(problem: sqlite3.Error, path: Path) -> LedgerError:
    text = str(problem)
    if "full" in text:
        fix = "Free some space on the disk, then run importer resume."
    elif "locked" in text or "busy" in text:
        fix = "Another program holds the ledger; wait for it, then run importer resume."
    else:
        fix = "Keep the file as it is and ask for help; do not delete it: it knows what was sent."
    return LedgerError(f"The ledger {path} cannot be used: {text}.", fix)
