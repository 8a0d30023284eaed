"""Draft room: what everything that is done with drafts shares: their shelf, one change of each at a time, and what is going on."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from importer.core.errors import DraftBusy, ImporterError, UsageError
from importer.core.lease import Holder
from importer.core.limits import Limits
from importer.core.mapping import Mapping as ColumnMapping
from importer.core.mapping import read_mapping
from importer.core.memory import Memory, memory_of
from importer.core.moments import written
from importer.desk.desk import Desk
from importer.desk.mappings import Remembered
from importer.drafts import shown
from importer.drafts.book import Book, KnownFacts, text_of
from importer.drafts.draft import DraftHead, DraftRow
from importer.drafts.shelf import Shelf
from importer.settings import Settings

if TYPE_CHECKING:
    from importer.flow.preview import Previewing
    from importer.flow.read import Choices
    from importer.ports import Clock
    from importer.wiring import Connection

T = TypeVar("T")

PREVIEW_FIRST = "Have the preview made first."


async def aside(job: Callable[[], T]) -> T:
    """Runs a job in a thread; a caller that is cancelled waits for its end: nobody else may use its file meanwhile."""
    task = asyncio.ensure_future(asyncio.to_thread(job))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


class DraftRoom:
    """Reads and changes drafts in threads. The mutable state: a lock for each draft, and those that are busy here."""

    def __init__(self, settings: Settings, desk: Desk, connection: "Connection", clock: "Clock | None" = None) -> None:
        from importer.targets.limits import LIMITS
        from importer.wiring import clock as system_clock

        self._clock = clock or system_clock()
        self._settings = settings
        self._desk = desk
        self._connection = connection
        self._shelf = Shelf(settings.state_dir / "drafts")
        self._remembered = Remembered(settings.state_dir / "mappings", connection.environment.target, LIMITS)
        self._locks: dict[str, asyncio.Lock] = {}
        self._doing: dict[str, int] = {}  # drafts that are previewed or planned here: rows so far
        self._environment = asdict(connection.environment)
        self._token = secrets.token_hex(8)

    def _at(self) -> str:
        return written(self._clock.now())

    async def _vocabulary(self) -> Limits:
        return await self._connection.target.vocabulary()

    async def _read(self, draft: str, job: Callable[[Book], T]) -> T:
        def work() -> T:
            with self._shelf.book(draft) as book:
                return job(book)

        return await aside(work)

    async def _reading(self, draft: str, head: DraftHead, stack: ExitStack) -> Any:
        from importer.ports import ReadOptions
        from importer.sources.reader import open_source

        options = ReadOptions(head.sheet, file_limits=self._settings.upload_limits)
        source = partial(open_source, self._shelf.upload(draft), options)
        return await aside(lambda: stack.enter_context(source()))

    def _previewing(self, draft: str, memory: Memory) -> "Previewing":
        from importer.flow.preview import Previewing

        def progress(_: str, numbers: Mapping[str, Any]) -> None:
            if draft in self._doing:
                self._doing[draft] = numbers["rows"]

        connection = self._connection
        check = self._settings.server_check
        return Previewing(
            connection.target, self._desk.book, connection.environment, self._clock, progress, check, memory, aside
        )

    def _memory(self, book: Book, known: KnownFacts) -> Memory | None:
        """What was looked up; None where it was in another environment, or another version of the importer kept it."""
        if book.entry("").environment != self._environment:
            return None
        try:
            return memory_of(book.note("memory"), known)
        except (KeyError, TypeError, ValueError):
            return None

    def _in_force(self, book: Book, head: DraftHead, known: KnownFacts) -> Memory:
        """What the preview rests on. Raises UsageError where the rows are not judged as people chose, here and now."""
        memory = self._memory(book, known)
        if memory is None or not head.previewed_at:
            raise UsageError("The preview is not that of the present choices.", PREVIEW_FIRST)
        return memory

    def _lock(self, draft: str) -> asyncio.Lock:
        """One change of a draft at a time. Raises DraftBusy."""
        if draft in self._doing:
            raise DraftBusy("This upload is being previewed just now.", "Wait until that is done, and look again.")
        return self._locks.setdefault(draft, asyncio.Lock())

    @asynccontextmanager
    async def _busy(self, draft: str, what: str) -> AsyncIterator[Book]:
        """Nobody changes the draft meanwhile; how it ends is kept. Raises DraftBusy."""
        async with self._lock(draft):
            self._doing[draft] = 0
            try:
                async with self._opened(draft) as book:
                    await aside(partial(self._begun, draft, book, what))
                    try:
                        yield book
                    except ImporterError as problem:
                        await aside(partial(idle, book, f"{problem} {problem.fix}".strip()))
                        raise
                    except BaseException:
                        await aside(partial(idle, book, f"It was stopped while it was {what}."))
                        raise
            finally:
                del self._doing[draft]

    @asynccontextmanager
    async def _opened(self, draft: str) -> AsyncIterator[Book]:
        book = await aside(partial(self._shelf.book, draft))
        try:
            yield book
        finally:
            await aside(book.close)

    def _begun(self, draft: str, book: Book, what: str) -> None:
        from importer.machine import myself

        with book.writing():
            self._unbusy(book, draft)
            book.run("set_busy", what, text_of({"token": self._token, **asdict(myself())}))

    def _unbusy(self, book: Book, draft: str) -> DraftHead:
        """The head, if no living process is busy with it; what a process that is gone was doing is over. Raises DraftBusy."""
        entry = book.entry(draft)
        if entry.head.busy and self._is_gone(entry.holder):
            if book.connection.in_transaction:
                book.run("set_idle", "")
            else:
                idle(book, "")
            return replace(entry.head, busy="")
        self._refuse_busy(entry.head)
        return entry.head

    def _refuse_busy(self, head: DraftHead) -> None:
        if head.busy:
            raise DraftBusy(f"This upload is {head.busy} just now.", "Wait until that is done, and look again.")

    def _is_gone(self, holder: str) -> bool:
        """Whether what a process was doing is over: it ended, or it is this one, which does nothing of the kind."""
        import json

        from importer.machine import is_gone, myself

        known = json.loads(holder) if holder else {}
        known.pop("token", None)
        return not known or Holder(**known) == myself() or is_gone(Holder(**known))


def idle(book: Book, problem: str) -> None:
    """Nothing goes on any more; why it ended badly, if it did."""
    with book.writing():
        book.run("set_idle", problem)


def upload_seen(book: Book) -> tuple[str, str]:
    """What there is to see of an upload as a whole."""
    return "the upload", last_change(book)


def last_change(book: Book) -> str:
    """The last change, in words."""
    found = book.run("batches", 1).fetchone()
    return found[2] if found else "previewed anew"


def mapping_of(head: DraftHead) -> ColumnMapping:
    """The mapping in force."""
    return read_mapping(head.mapping, "the mapping of this upload")


def choices_of(book: Book, head: DraftHead) -> "Choices":
    """What people chose about the rows."""
    from importer.flow.read import Choices

    return Choices(mapping_of(head), head.header_row, book.skipped(), book.fixes())


def headings_of(book: Book) -> tuple[str, ...]:
    """The headings that the preview rests on; none before the first."""
    record = book.note("judged")
    return tuple(record["headings"]) if record else ()


def row_at(line: int, book: Book) -> DraftRow:
    """One row of the preview. Raises UsageError where there is none."""
    position = book.one("row_at_line", line)
    if position is None:
        raise UsageError(f"There is no row at line {line}.", "Choose a row of the table.")
    return shown.draft_rows(book, [position])[0]
