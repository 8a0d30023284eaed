"""Fixing: changes of a draft's rows, each a batch that can be undone. Only the rows concerned are judged again, by the flow."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from importer.core.approval import Person
from importer.core.errors import Stale, UsageError
from importer.core.findings import shorten
from importer.core.fixes import COLUMNS_MOST, Fix, FixesFile, FixMany, cell, checked, reason_of
from importer.core.mapping import Mapping as ColumnMapping
from importer.core.memory import Memory
from importer.core.rows import cell_address
from importer.core.verdicts import Seen, judge_shape
from importer.desk import table
from importer.desk.draftroom import (
    DraftRoom,
    aside,
    headings_of,
    mapping_of,
    row_at,
    upload_seen,
)
from importer.drafts import shown
from importer.drafts.book import Book, KnownFacts, text_of
from importer.drafts.draft import (
    Batch,
    DraftRow,
    Offer,
)
from importer.drafts.stage import WHOLE_ROW, Stage

Changes = Iterable[tuple[int, int, str | None, str | None]]  # line, column (WHOLE_ROW: the row), before, after
Seeing = Callable[[Book], tuple[str, str]]  # what it is that a person saw, and what it says now

CHANGED_SHOWN = 500
LINES_MOST = 100_000


@dataclass(slots=True)
class _Change:
    """A change being made: what it was prepared with."""

    stage: Stage
    memory: Memory
    known: KnownFacts
    judged: table.Judged
    mapping: ColumnMapping


class Fixing(DraftRoom):
    """Cells corrected, rows left out, and all of it taken back."""

    async def fix(
        self, draft: str, revision: int, line: int, column: int, old: str, new: str, person: Person
    ) -> list[DraftRow]:
        """Changes one cell; `old` is what the person saw in it. The rows whose verdict or cells changed, in line order; at most 500."""
        checked(Fix(line, column, old, new))

        def seen(book: Book) -> tuple[str, str]:
            sheet = table.judged_of(book.note("judged")).sheet
            return cell_address(sheet, column, line), cell(row_at(line, book).cells, column)

        def make(book: Book, stage: Stage) -> tuple[str, str, Changes]:
            del stage
            head = book.entry(draft).head
            where, now = seen(book)
            heading = dict(enumerate(headings_of(book))).get(column, "")
            if now != old:
                raise Stale(what=where, sent=new, now=now, who=head.changed_by, revision=head.revision)
            if column >= max(len(headings_of(book)), len(row_at(line, book).cells)):
                raise UsageError(f"There is no column of {where}.", "Choose a cell of the table.")
            words = f"{where} ({heading}): “{shorten(old, 40)}” → “{shorten(new, 40)}”"
            return "fix", words, [(line, column, old, new)] if old != new else []

        _, positions = await self._change(draft, revision, new, person, make, seen=seen)
        return await self._read(draft, lambda book: shown.draft_rows(book, positions))

    async def would_change(self, draft: str, many: FixMany) -> int:
        """How many cells `fix_many` would change."""

        def read(book: Book) -> int:
            return sum(1 for _ in shown.many_changes(Stage(book), many))

        return await self._read(draft, read)

    async def offers(self, draft: str) -> list[Offer]:
        """Fixes of many cells that would mend something here."""
        return await self._read(draft, lambda book: shown.offers(book, headings_of(book)))

    async def fix_many(self, draft: str, revision: int, many: FixMany, person: Person) -> int:
        """Changes many cells as one batch; how many."""
        checked(Fix(1, many.column, "", many.new))

        def make(book: Book, stage: Stage) -> tuple[str, str, Changes]:
            headings = headings_of(book)
            if not 0 <= many.column < min(len(headings), COLUMNS_MOST):
                raise UsageError("There is no such column.", "Choose a column of the table.")
            return "many", many.words(headings[many.column]), shown.many_changes(stage, many)

        count, _ = await self._change(draft, revision, many.new, person, make)
        return count

    async def skip(self, draft: str, revision: int, lines: Sequence[int], reason: str, person: Person) -> int:
        """Leaves rows out, with the reason; how many. Raises UsageError for a line that has no row."""
        return await self._leave(draft, revision, lines, reason_of(reason), person)

    async def take_in(self, draft: str, revision: int, lines: Sequence[int], person: Person) -> int:
        """Takes rows in again that were left out; how many."""
        return await self._leave(draft, revision, lines, None, person)

    async def _leave(self, draft: str, revision: int, lines: Sequence[int], reason: str | None, person: Person) -> int:
        wanted = sorted(set(lines[: LINES_MOST + 1]))

        def make(book: Book, stage: Stage) -> tuple[str, str, Changes]:
            del stage
            known = {line for (line,) in book.run("known_lines", text_of(wanted))}
            missing = [line for line in wanted if line not in known]
            if missing or len(wanted) > LINES_MOST:
                raise UsageError(
                    f"There is no row at line {missing[0] if missing else '…'}.", "Choose lines of the table."
                )
            before = book.skipped()
            changes: Changes = [
                (line, WHOLE_ROW, before.get(line), reason) for line in wanted if before.get(line) != reason
            ]
            words = f"left out: {reason}" if reason is not None else "taken in again"
            return "skip", words, changes

        count, _ = await self._change(draft, revision, reason or "", person, make)
        return count

    async def undo(self, draft: str, revision: int, batch: int, person: Person) -> int:
        """Takes a batch back; how many cells or rows. Raises UsageError where a later batch changed the same."""

        def make(book: Book, stage: Stage) -> tuple[str, str, Changes]:
            del stage
            found = book.run("batch", batch).fetchone()
            if found is None or found[0] == "undo" or found[5]:
                raise UsageError("This change cannot be undone, or was already.", "Look at the list of changes again.")
            if shown.overlapped(book, batch, found[4]):
                raise UsageError("A later change concerns the same cells.", "Undo the later one first.")
            changes = book.run("changes_of", batch).fetchall()
            return (
                "undo",
                f"undone: {found[1]}",
                [(line, column, after, before) for line, column, before, after in changes],
            )

        count, _ = await self._change(
            draft, revision, "undo", person, make, also=lambda book: book.run("set_undone", batch)
        )
        return count

    async def fixes(self, draft: str) -> list[Batch]:
        """The changes so far, newest first."""
        return await self._read(draft, shown.batches)

    async def last_change(self, draft: str) -> Batch | None:
        """The newest change."""
        return await self._read(draft, lambda book: next(iter(shown.batches(book, 1)), None))

    async def fixes_file(self, draft: str) -> bytes:
        """The fixes and left out lines as `importer preview --fixes` takes them (JSON, importer.fixes/1)."""
        import json

        def read(book: Book) -> bytes:
            sha256 = book.entry(draft).head.sha256
            record = FixesFile(book.fixes(), book.skipped(), sha256).record()
            return (json.dumps(record, ensure_ascii=False, indent=1) + "\n").encode()

        return await self._read(draft, read)

    async def _change(
        self,
        draft: str,
        revision: int,
        sent: str,
        person: Person,
        make: Callable[[Book, Stage], tuple[str, str, Changes]],
        *,
        also: Callable[[Book], object] = lambda _: None,
        seen: Seeing | None = None,
    ) -> tuple[int, list[int]]:
        """One batch: stages what `make` says, has all rows judged again that it concerns, and commits it all at once.

        How many cells changed, and the positions of the rows that look different now.
        """
        async with self._lock(draft):
            book = await aside(partial(self._shelf.book, draft))
            try:
                kind, words, count, change = await aside(
                    partial(self._prepared, draft, book, revision, sent, make, seen or upload_seen)
                )
                if not count:
                    return 0, []
                shaper = change.judged.shaper(change.mapping, change.memory.limits or self._connection.target.limits)
                await aside(partial(change.stage.affected, lambda row: shaper(row).external_id))
                skipped, ids = await aside(change.stage.skipped), Seen()
                rows = (judge_shape(shaper(row), ids, shaper, skipped) for row in change.stage.again())
                before = await aside(change.memory.record)
                await self._previewing("", change.memory).judge(rows, shaper, change.stage.take)

                def commit() -> list[int]:
                    change.stage.flush()
                    change.known.flush()
                    positions = [each for (each,) in book.run("shown_changed", CHANGED_SHOWN)]
                    at = self._at()
                    with book.changing(revision, person.name, "the upload", sent, "changed"):
                        change.stage.record(kind, words, person.name, at)
                        change.stage.apply()
                        also(book)
                        if change.memory.record() != before:
                            book.set_note("memory", change.memory.record())
                        book.run("set_step", "rows")
                    return positions

                return count, await aside(commit)
            finally:
                await aside(book.close)

    def _prepared(
        self,
        draft: str,
        book: Book,
        revision: int,
        sent: str,
        make: Callable[[Book, Stage], tuple[str, str, Changes]],
        seen: Seeing,
    ) -> tuple[str, str, int, _Change]:
        head = self._unbusy(book, draft)
        if head.revision != revision and book.note("judged"):
            what, now = seen(book)
            raise Stale(what=what, sent=sent, now=now, who=head.changed_by, revision=head.revision)
        stage, known = Stage(book), KnownFacts(book)
        memory = self._in_force(book, head, known)
        kind, words, changes = make(book, stage)
        count = stage.change(list(changes))
        change = _Change(stage, memory, known, table.judged_of(book.note("judged")), mapping_of(head))
        return kind, words, count, change
