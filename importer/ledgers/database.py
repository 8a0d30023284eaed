"""Database: a SQLite file that is ours, in the right version and mode, with one writer thread that commits in groups. Knows no rows."""

import logging
import queue
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from importer.core.errors import LedgerError
from importer.folders import private_file, private_folder
from importer.ledgers.counter import Counter
from importer.ledgers.reserve import Reserve
from importer.ledgers.seal import seal

log = logging.getLogger(__name__)

T = TypeVar("T")

APPLICATION_ID = 0x47_54_69_31  # "GTi1"
BUSY_S = 30.0
"""So long another program may hold the ledger before that is told."""
MOST_IN_A_GROUP = 5000
GENERATION = "SELECT value FROM marks WHERE name = 'generation'"
MARK = (
    "INSERT INTO marks VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value, seal = excluded.seal"
)


def schema() -> list[str]:
    """The migrations, oldest first."""
    files = sorted(resources.files(__package__).joinpath("schema").iterdir(), key=lambda file: file.name)
    return [file.read_text("utf-8") for file in files if file.name.endswith(".sql")]


def queries() -> dict[str, str]:
    """The statements of queries.sql by name."""
    text = resources.files(__package__).joinpath("queries.sql").read_text("utf-8")
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))


Job = Callable[[sqlite3.Connection], Any]


@dataclass(slots=True)
class Write:
    """A write that waits for its turn. An `answer` records what has already happened outside; all others prepare something."""

    job: Job
    future: "Future[Any]"
    answer: bool


class Database:
    """One ledger file.

    Writes are functions of a connection; they queue up for one thread, which takes everything that came while the last
    fsync ran and commits it as one transaction (WAL, synchronous=FULL). A write's future is done when it is on disk.
    Reads run on a second connection, in the caller's thread. Not `threaded`, each write is committed in the caller's
    thread at once.

    Where the disk is full, nothing is prepared any more, and a reserve is given up for the answers of calls that are
    under way. After an error of the disk itself nothing is written any more: what such a file handle says is not to be
    believed. Either way the next start reads what is really there.
    """

    def __init__(self, path: Path, *, threaded: bool = True, busy_s: float = BUSY_S) -> None:
        self.path = path
        self._busy_s = busy_s
        self.counter = Counter(path)
        self.reserve = Reserve(path)
        self._full = False
        self._broken: LedgerError | None = None
        _prepare(path, self.counter)
        try:
            self._writer = self._connect()
            self.reader = self._connect()
            self.reader.execute("PRAGMA query_only = 1")
            self._begin_counter()
        except (sqlite3.Error, OSError, UnicodeDecodeError) as problem:
            raise _translated(problem, path) from problem
        self._jobs: queue.SimpleQueue[Write | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True) if threaded else None
        if self._thread is not None:
            self._thread.start()

    def write(self, job: Callable[[sqlite3.Connection], T], *, answer: bool = False) -> "Future[T]":
        """Queues a write. The future raises LedgerError when it cannot be made durable."""
        future: Future[T] = Future()
        if self._thread is None:
            self._commit([Write(job, future, answer)])
        else:
            self._jobs.put(Write(job, future, answer))
        return future

    def generation(self) -> int:
        """How often the ledger was written, as it says itself."""
        return _generation(self.reader)

    def close(self) -> None:
        """Lets the writes under way finish, then closes."""
        if self._thread is not None and self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()
        self.reader.close()
        self._writer.close()
        self.counter.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=self._busy_s, isolation_level=None, check_same_thread=False)
        try:
            _migrate(connection, self.path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _begin_counter(self) -> None:
        """A ledger that was never counted begins to be; from then on a lost counter is noticed."""
        if self.counter.value() is None and self.generation() == 0:
            self.counter.tell(0, durable=True)

    def _work(self) -> None:
        """The writer thread: groups what queued up, commits, and only then answers.

        A write whose caller was cancelled is made all the same; there is nobody to answer then.
        """
        closing = False
        while not closing:
            writes = [self._jobs.get()]
            while len(writes) < MOST_IN_A_GROUP and not self._jobs.empty():
                writes.append(self._jobs.get())
            closing = None in writes
            self._commit([write for write in writes if write is not None])

    def _commit(self, writes: list[Write]) -> None:
        # From here on a future cannot be cancelled: answering a cancelled one would end this thread.
        waiting = {write.future for write in writes if write.future.set_running_or_notify_cancel()}
        refused = [write for write in writes if self._broken or (self._full and not write.answer)]
        _fail(refused, self._broken or _disk_full(self.path), waiting)
        group = [write for write in writes if write not in refused]
        if not group:
            return
        try:
            self._commit_group(group, waiting)
        except Exception as problem:  # noqa: BLE001 - the thread's door: every caller gets the reason
            self._failed(group, problem, waiting)

    def _commit_group(self, writes: list[Write], waiting: set["Future[Any]"]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        failed: list[tuple[Future[Any], Exception]] = []
        self._writer.execute("BEGIN IMMEDIATE")
        for write in writes:
            try:
                self._writer.execute("SAVEPOINT job")
                done.append((write.future, write.job(self._writer)))
                self._writer.execute("RELEASE job")
            except sqlite3.Error:
                raise
            except Exception as refused:  # noqa: BLE001 - one caller's mistake is not the others'
                self._writer.execute("ROLLBACK TO job")
                failed.append((write.future, refused))
        generation = None if self._of_old() else _next_generation(self._writer)
        self._writer.execute("COMMIT")
        if generation is not None:
            self._count(generation)
        for future, reason in failed:
            if future in waiting:
                future.set_exception(reason)
        for future, result in done:
            if future in waiting:
                future.set_result(result)

    def _of_old(self) -> bool:
        """Whether the file is an older copy of itself: it does not grow then, or it would soon pass for the newest.

        Asked inside a write: whatever was committed before is seen, so the counter is not ahead of a ledger that it belongs to.
        """
        try:
            counted = self.counter.value()
        except OSError:  # no handle is left: `_count` stops what follows
            return False
        return counted is None or counted > _generation(self._writer)

    def _count(self, generation: int) -> None:
        """What is committed stays so; but where it cannot be counted, nothing new is begun."""
        try:
            self.counter.raise_to(generation)
        except OSError as problem:
            self._full = True
            log.warning("ledger's counter not written", extra={"problem": str(problem)})

    def _failed(self, writes: list[Write], problem: Exception, waiting: set["Future[Any]"]) -> None:
        """Nothing of a group was committed. Answers get the reserve's space, once."""
        _roll_back(self._writer)
        if not isinstance(problem, sqlite3.Error):
            _fail(writes, problem, waiting)
            return
        translated = _translated(problem, self.path)
        if _code(problem) == sqlite3.SQLITE_FULL and not self._full:
            self._full = True
            answers = [write for write in writes if write.answer]
            _fail([write for write in writes if not write.answer], translated, waiting)
            if answers and self.reserve.give_up():
                self._again(answers, waiting)
            else:
                _fail(answers, translated, waiting)
            return
        if _code(problem) in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            self._broken = translated
        _fail(writes, translated, waiting)

    def _again(self, writes: list[Write], waiting: set["Future[Any]"]) -> None:
        try:
            self._commit_group(writes, waiting)
        except Exception as problem:  # noqa: BLE001 - as above
            _roll_back(self._writer)
            _fail(writes, _translated(problem, self.path) if isinstance(problem, sqlite3.Error) else problem, waiting)


def _fail(writes: list[Write], reason: Exception, waiting: set["Future[Any]"]) -> None:
    for write in writes:
        if write.future in waiting:
            write.future.set_exception(reason)


def _roll_back(connection: sqlite3.Connection) -> None:
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error as problem:  # after an error of the disk SQLite may have rolled back by itself
        log.warning("ledger not rolled back", extra={"problem": str(problem)})


def _generation(connection: sqlite3.Connection) -> int:
    found = connection.execute(GENERATION).fetchone()
    return int(found[0]) if found else 0


def _next_generation(connection: sqlite3.Connection) -> int:
    generation = _generation(connection) + 1
    put_generation(connection, generation)
    return generation


def put_generation(connection: sqlite3.Connection, generation: int) -> None:
    """How often the ledger was written."""
    connection.execute(MARK, ("generation", str(generation), seal(("generation", str(generation)))))


def _code(problem: sqlite3.Error) -> int:
    """The primary code of an error; those of the disk have many sub-codes."""
    return getattr(problem, "sqlite_errorcode", 0) & 0xFF


def _prepare(path: Path, counter: Counter) -> None:
    """The file exists with mode 0600 in a folder of mode 0700, whatever the umask. SQLite gives -wal and -shm the same.

    Where there was a ledger and none is left, no empty one is put in its place: it would know of nothing that was sent.
    """
    if counter.exists and not (path.exists() and path.stat().st_size):
        raise LedgerError(
            f"The ledger {path} is missing or empty, though there was one.",
            f"Put it back from a backup and run importer reconcile. To begin anew on purpose, use another --state-dir; "
            f"without the ledger ({counter.path.name} tells that there was one) nobody knows what was sent.",
        )
    try:
        private_folder(path.parent)
        private_file(path)
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
    scripts = schema()
    if version > len(scripts):
        raise LedgerError(
            f"{path} was written by a newer importer (version {version}, this one knows {len(scripts)}).",
            "Update the importer.",
        )
    if version == len(scripts):
        return
    connection.execute("BEGIN IMMEDIATE")
    _, version = _marks(connection)  # another process may have been faster
    for statement in statements("\n".join(scripts[version:])):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(scripts)}")
    connection.execute("COMMIT")


def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
    """Whose file it is, and of which version."""
    names = ("application_id", "user_version")
    application, version = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    return application, version


def statements(script: str) -> Iterator[str]:
    """The statements of a script, each whole."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _disk_full(path: Path) -> LedgerError:
    return _translated(sqlite3.OperationalError("database or disk is full"), path)


def _translated(problem: sqlite3.Error | OSError | UnicodeDecodeError, path: Path) -> LedgerError:
    text = problem.strerror or str(problem) if isinstance(problem, OSError) else str(problem)
    if "full" in text or "No space" in text:
        fix = "Nothing more is sent. Free some space on the disk, then run importer resume."
    elif "disk I/O" in text:
        fix = "Nothing more is sent. Check the disk and its cables or share, then importer ledger verify and importer resume."
    elif "unable to open" in text or "Too many open files" in text:
        fix = "Close other programs or raise the limit of open files (ulimit -n), then run importer resume."
    elif "locked" in text or "busy" in text:
        fix = "Another program holds the ledger; wait for it, then run importer resume."
    else:
        fix = "Keep the file as it is and ask for help; do not delete it: it knows what was sent."
    return LedgerError(f"The ledger {path} cannot be used: {text}.", fix)
