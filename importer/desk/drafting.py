"""Drafting: what the page does with an upload until it is a plan. Decides nothing about rows: the flow judges them."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.core.approval import Person
from importer.core.columns import COLUMN_OF, match_headings
from importer.core.errors import LedgerError, Stale, UsageError
from importer.core.findings import Finding, shorten
from importer.core.fixes import Fix, checked
from importer.core.limits import Limits
from importer.core.mapping import Mapping as ColumnMapping
from importer.core.mapping import read_mapping
from importer.core.memory import Memory
from importer.core.moments import written
from importer.core.names import nearest
from importer.core.report import Cause
from importer.core.rows import Row, column_letter
from importer.desk import choosing, table
from importer.desk.draftroom import (
    aside,
    choices_of,
    headings_of,
    last_change,
    mapping_of,
    row_at,
)
from importer.desk.fixing import Fixing
from importer.desk.mappings import toml_of
from importer.drafts import shown
from importer.drafts.book import FACTS_AT_ONCE, Book, Entry, KnownFacts, text_of
from importer.drafts.draft import (
    KNOWN_MOST,
    Columns,
    DraftHead,
    DraftRow,
    Filter,
    FirstRow,
    Page,
    SheetChoice,
    UnknownValue,
)
from importer.drafts.shelf import Incoming
from importer.drafts.stage import Stage

if TYPE_CHECKING:
    from importer.core.facts import Facts
    from importer.core.plan import Preview
    from importer.core.verdicts import Judged
    from importer.flow.read import Choices

FACTS_LAST = timedelta(minutes=15)
"""A preview made again within this time asks the target only for what is new."""
PREVIEW_LASTS = timedelta(days=1)
"""An older preview is made again before a plan is made of it: a plan says when it was made, and not of when its facts are."""
UNKNOWN_MOST = 200


class Upload:
    """An upload under way. `write` pieces, then `finish` or `discard`; what is not finished leaves nothing behind."""

    def __init__(self, drafting: "Drafting", incoming: Incoming, person: Person) -> None:
        self._drafting = drafting
        self._incoming = incoming
        self._person = person

    async def write(self, piece: bytes) -> None:
        """The next bytes. Raises FileRefused (F112) or NoPlace once they are too many; then it is discarded."""
        await aside(partial(self._incoming.write, piece))

    async def finish(self) -> DraftHead:
        """The draft, durable. Raises FileRefused for what is no spreadsheet; then it is discarded."""
        return await self._drafting.kept(self._incoming, self._person)

    async def discard(self) -> None:
        """Throws it away. May be called more than once, and after `finish`, when it does nothing."""
        await aside(self._incoming.discard)


class Drafting(Fixing):
    """Made once per server. Every method may be called by many people at once; what blocks runs in threads.

    A method that changes takes the revision that the person saw. It raises Stale where that is not the current one, and
    DraftBusy while the draft is previewed. All raise NoSuchDraft and LedgerError.
    """

    async def begin(self) -> int:
        """On start: throws drafts away that are past `retention_days`, and what aborted uploads left; how many drafts."""
        return await aside(partial(self._shelf.tidy, self._settings.retention_days, self._clock.now()))

    # Uploads

    async def new(self, file_name: str, person: Person) -> Upload:
        """Begins an upload. Raises NoPlace where the person has too many, or the disk is full."""
        most = self._settings.upload_limits.packed
        return Upload(self, await aside(partial(self._shelf.incoming, file_name, person, most)), person)

    async def kept(self, incoming: Incoming, person: Person) -> DraftHead:
        """Makes an upload a draft: it has been looked into. See Upload.finish."""
        try:
            draft = await aside(partial(self._keep, incoming, person, await self._vocabulary()))
        except BaseException:
            await aside(incoming.discard)
            raise
        return await self.head(draft)

    def _keep(self, incoming: Incoming, person: Person, limits: Limits) -> str:
        from importer.sources.reader import open_regular
        from importer.sources.sniff import sniff

        incoming.sealed()
        with open_regular(incoming.path) as file:
            format_ = sniff(file)
        top = table.read_top(incoming.path, None, self._settings.upload_limits)
        mapping = self._settings.mapping

        header = None if top.sheet.others else top.header(mapping, limits, None)

        def settle(book: Book) -> None:
            book.set_note("top", top.record())
            if header is not None:
                self._offer(book, header)
                book.run("set_step", "columns")

        return incoming.kept(format_, person, self._at(), text_of(mapping.record()), settle)

    def _offer(self, book: Book, header: Row) -> None:
        """A mapping that is remembered for this header row is offered, until the person chooses."""
        found = self._remembered.find(header.cells)
        if found is None:
            book.run("forget_note", "remembered")
        else:
            book.set_note("remembered", {"mapping": found[0].record(), "words": found[1]})

    async def drafts(self) -> list[DraftHead]:
        """All drafts, newest first."""
        return [self._living(entry) for entry in await aside(self._shelf.entries)]

    async def head(self, draft: str) -> DraftHead:
        """One draft."""
        return self._living(await self._read(draft, lambda book: book.entry(draft)))

    def _living(self, entry: Entry) -> DraftHead:
        """The head with what is going on here; what a process that is gone was doing is told as a problem.

        A preview that was made against another target or organisation is none here.
        """
        head = entry.head
        if entry.environment != self._environment:
            head = replace(head, previewed_at="")
        if head.id in self._doing:
            return replace(head, rows_done=self._doing[head.id])
        if not head.busy or not self._is_gone(entry.holder):
            return head
        problem = f"The importer stopped while this was {head.busy}; nothing of it is lost but the time."
        return replace(head, busy="", problem=problem)

    async def discard(self, draft: str, revision: int | None = None) -> None:
        """Throws a draft away; None: as it came, which nobody saw. A plan made of it stays. Raises Stale, DraftBusy."""
        async with self._lock(draft):
            head = await self.head(draft)
            self._refuse_busy(head)
            if revision not in (None, head.revision):
                raise Stale(
                    what="the upload", sent="thrown away", now="changed", who=head.changed_by, revision=head.revision
                )
            await aside(partial(self._shelf.discard, draft))
        self._locks.pop(draft, None)

    def upload(self, draft: str) -> Path:
        """The file of the bytes that were uploaded."""
        return self._shelf.upload(draft)

    # Sheet and columns

    async def sheets(self, draft: str) -> list[SheetChoice]:
        """The sheets, the first visible one first."""
        return await self._read(draft, partial(self._sheets, draft))

    def _sheets(self, draft: str, book: Book) -> list[SheetChoice]:
        record = book.note("sheets")
        if record is None:
            first = table.read_top(self._shelf.upload(draft), None, self._settings.upload_limits).sheet
            names = [first.name or "", *first.others]
            counts = table.count_rows(self._shelf.upload(draft), names, self._settings.upload_limits)
            record = [[name, counts[name], name in first.hidden] for name in names]
            with book.writing():
                book.set_note("sheets", record)
        chosen = book.entry(draft).head.sheet or record[0][0]
        return [SheetChoice(name, rows, hidden, name == chosen) for name, rows, hidden in record]

    async def first_rows(self, draft: str, sheet: str | None = None) -> list[FirstRow]:
        """The first 8 rows of the chosen sheet, or of another, and its header row; none of a blank sheet. Raises FileRefused."""
        limits = await self._vocabulary()
        return await self._read(draft, partial(self._first_rows, draft, sheet, limits))

    def _first_rows(self, draft: str, sheet: str | None, limits: Limits, book: Book) -> list[FirstRow]:
        head = book.entry(draft).head
        top = table.top_of(book.note("top"))
        header_row = head.header_row
        if sheet is not None and sheet != (top.sheet.name or ""):
            top, header_row = table.read_top(self._shelf.upload(draft), sheet, self._settings.upload_limits), None
        if not top.rows:
            return []
        header = top.header(mapping_of(head), limits, header_row)
        rows = [
            *top.rows[: table.FIRST_ROWS],
            *([header] if header.line > top.rows[: table.FIRST_ROWS][-1].line else []),
        ]
        return [FirstRow(row.line, tuple(row.cells), row.line == header.line) for row in rows]

    async def choose_sheet(
        self, draft: str, revision: int, sheet: str | None, header_row: int | None, person: Person
    ) -> DraftHead:
        """Chooses sheet (None: the first visible one) and header row (None: the one that is found). Raises FileRefused, UsageError.

        Another choice than before throws fixes and left-out lines away: they belong to the rows of the old one.
        """
        limits = await self._vocabulary()
        async with self._lock(draft):
            await self._read(draft, partial(self._choose_sheet, draft, revision, sheet, header_row, person, limits))
        return await self.head(draft)

    def _choose_sheet(
        self,
        draft: str,
        revision: int,
        sheet: str | None,
        header_row: int | None,
        person: Person,
        limits: Limits,
        book: Book,
    ) -> None:
        head = self._unbusy(book, draft)
        first = self._sheets(draft, book)[0].name
        sent, now = (
            f"sheet {name or first or 'of the file'}, line {line or 'as found'}"
            for name, line in ((sheet, header_row), (head.sheet, head.header_row))
        )
        book.current(revision, "the sheet", sent, now)
        wanted = None if not sheet or sheet == first else sheet
        top = table.read_top(self._shelf.upload(draft), wanted, self._settings.upload_limits)
        header = top.header(self._settings.mapping, limits, header_row)
        if header_row == top.header(self._settings.mapping, limits, None).line:
            header_row = None  # what would be found is not chosen: the same plan comes of both
        with book.changing(revision, person.name, "the sheet", sent, now):
            if (wanted, header_row) != (head.sheet, head.header_row):
                self._begin_anew(book, head)
            book.set_note("top", top.record())
            self._offer(book, header)
            book.run("set_sheet", wanted, header_row)

    def _begin_anew(self, book: Book, head: DraftHead) -> None:
        """Forgets what belongs to the rows and headings of another sheet; what values mean stays."""
        for name in ("drop_fixes", "drop_skips", "drop_batches", "drop_changes"):
            book.run(name)
        book.run("forget_note", "chosen")
        mapping = replace(self._settings.mapping, values=mapping_of(head).values)
        book.run("set_mapping", text_of(mapping.record()))

    async def columns(self, draft: str) -> Columns:
        """The columns and what they feed: as chosen, else as remembered for files like this, else as headings tell."""
        limits = await self._vocabulary()

        def read(book: Book) -> Columns:
            top, header, mapping, words = self._offered(draft, book, limits)
            return choosing.columns(header, top.below(header), mapping, limits, top.sheet.name, words)

        return await self._read(draft, read)

    def _offered(self, draft: str, book: Book, limits: Limits) -> tuple[table.Top, Row, ColumnMapping, str]:
        """First rows, header row, the mapping that is in force or offered, and whose it is if it is remembered."""
        head = book.entry(draft).head
        top = table.top_of(book.note("top"))
        mapping = mapping_of(head)
        header = top.header(self._settings.mapping, limits, head.header_row)
        remembered = book.note("remembered")
        if remembered is None or book.note("chosen"):
            return top, header, mapping, ""
        offered = read_mapping(remembered["mapping"], "the remembered mapping")
        found = match_headings(header, offered, limits)
        if any(each.severity == "error" for each in found.findings):
            return top, header, mapping, ""
        return top, header, offered, remembered["words"]

    async def choose_columns(
        self, draft: str, revision: int, chosen: Mapping[int, str], person: Person, *, remember: bool = False
    ) -> DraftHead:
        """What each column feeds: a field, "attribute:NAME", or "" for nothing. Raises UsageError, naming what is missing or twice.

        NoPlace says that it cannot be remembered; then nothing is changed.
        """
        limits = await self._vocabulary()

        def choose(book: Book) -> None:
            head = self._unbusy(book, draft)
            _, header, base, _ = self._offered(draft, book, limits)
            sent, now = _chosen_in_words(chosen, header), _columns_in_words(mapping_of(head), header, limits)
            book.current(revision, "the choice of columns", sent, now)
            mapping = choosing.chosen_mapping(header, base, limits, chosen)
            if remember:
                self._remembered.keep(header.cells, mapping, person.name, self._at())
            with book.changing(revision, person.name, "the choice of columns", sent, now):
                book.run("set_mapping", text_of(mapping.record()))
                book.set_note("chosen", True)

        async with self._lock(draft):
            await self._read(draft, choose)
        return await self.head(draft)

    # Preview

    async def preview(self, draft: str, person: Person | None = None) -> DraftHead:
        """Judges all rows; returns when it is done (have it run as a task; `head` shows how far it is). `person` asked for it.

        Raises FileRefused, NotAuthorised, TargetDown, FixRefused; the head then has the problem.
        """
        async with self._busy(draft, "previewing") as book:
            head = await aside(lambda: book.entry(draft).head)
            stage = await aside(partial(Stage, book))
            known = KnownFacts(book)
            memory = await aside(partial(self._fresh, book, known))

            def take(judged: "Judged", facts: "Facts") -> None:
                stage.take(judged, facts)
                known.flush(FACTS_AT_ONCE)

            from importer.flow.run import PREVIEW_SCOPES

            with ExitStack() as stack:
                reading = await self._reading(draft, head, stack)
                try:
                    await self._connection.target.log_in(PREVIEW_SCOPES)
                    reading.rows = stage.teed(reading.rows)
                    previewing = self._previewing(draft, memory)
                    found = await previewing.look(reading, await aside(partial(choices_of, book, head)), take)
                finally:
                    await aside(stack.close)
            judged = table.Judged(
                sheet=reading.sheet.name,
                header_line=found.header.line,
                headings=found.header.headings,
                environment=self._environment,
                findings=(*reading.findings, *found.header.findings),
            )
            who = person.name if person else head.changed_by
            await aside(partial(self._settle, book, stage, known, memory, judged, who))
        return await self.head(draft)

    def _settle(
        self, book: Book, stage: Stage, known: KnownFacts, memory: Memory, judged: table.Judged, who: str
    ) -> None:
        stage.flush()
        known.flush()
        with book.writing():
            stage.replace()
            book.set_note("judged", judged.record())
            book.set_note("memory", memory.record())
            step = "values" if book.one("is_unknown") else "rows"
            book.run("set_previewed", self._at(), step, who)

    def _fresh(self, book: Book, known: KnownFacts) -> Memory:
        """What was looked up lately in this environment, or nothing. What was not found then is looked for again.

        Where facts are forgotten, the rows that rest on them are no preview any more, however this one ends.
        """
        memory = self._memory(book, known)
        if memory is not None and memory.now is not None and self._clock.now() - memory.now <= FACTS_LAST:
            return memory.without_unknown()
        with book.writing():
            book.run("forget_facts")
            book.run("forget_note", "memory")
            book.run("forget_preview")
        return Memory(known)

    async def unknown_values(self, draft: str) -> list[UnknownValue]:
        """What cells name and the target does not know, the most frequent first; at most 200."""

        def read(book: Book) -> list[UnknownValue]:
            memory = self._memory(book, KnownFacts(book))
            if memory is None:
                return []
            return [_unknown(memory, *each) for each in book.run("unknown", UNKNOWN_MOST).fetchall()]

        return await self._read(draft, read)

    async def choose_values(
        self, draft: str, revision: int, meanings: Mapping[tuple[str, str], str], person: Person
    ) -> DraftHead:
        """What values of a field mean, for all rows: {(field, value): meaning}. Preview again where that is something new."""

        def choose(book: Book) -> None:
            head = self._unbusy(book, draft)
            before = mapping_of(head)
            mapping = _with_meanings(before, meanings, self._connection.target.limits)
            sent = ", ".join(f"{value} → {meaning}" for (_, value), meaning in meanings.items())
            now = ", ".join(f"{k} → {v}" for values in before.values.values() for k, v in values.items())
            words = "the choice of values", shorten(sent, 200), shorten(now, 200)
            if mapping == before:  # the preview is still that of these choices
                book.current(revision, *words)
                return
            with book.changing(revision, person.name, *words):
                book.run("set_mapping", text_of(mapping.record()))

        async with self._lock(draft):
            await self._read(draft, choose)
        return await self.head(draft)

    async def page(self, draft: str, which: Filter) -> Page:
        """Up to 100 rows of the preview."""
        return await self._read(draft, lambda book: shown.page(book, which, headings_of(book)))

    async def row(self, draft: str, line: int) -> DraftRow:
        """One row of the preview. Raises UsageError where there is none."""
        return await self._read(draft, partial(row_at, line))

    async def counts(self, draft: str) -> dict[str, int]:
        """The books, as core.report.preview_counts has them, and `warnings`."""
        return await self._read(draft, shown.counts)

    async def causes(self, draft: str) -> list[Cause]:
        """Findings by cause, the gravest and most freeing first; at most 200."""
        return await self._read(draft, shown.causes)

    async def queues(self, draft: str) -> list[dict[str, Any]]:
        """A line per queue, as in PlanHead.queues."""
        from importer.flow.preview import queue_table

        def read(book: Book) -> list[dict[str, Any]]:
            memory = self._memory(book, KnownFacts(book))
            queues = memory.queues if memory else {}
            rows = shown.by_queue(book)
            named = {name for name, verdicts in rows.items() if verdicts.keys() - {"duplicate", "skipped"}}
            return queue_table(rows, {name: found for name, found in queues.items() if name in named})

        return await self._read(draft, read)

    async def file_findings(self, draft: str) -> list[Finding]:
        """Findings on the file, its headings, and queues that get more rows than they have room for."""
        from importer.flow.preview import crowded

        record = await self._read(draft, lambda book: book.note("judged"))
        findings = table.judged_of(record).findings if record else ()
        return [*findings, *crowded(await self.queues(draft))]

    async def mapping_file(self, draft: str) -> bytes:
        """The mapping in force as `importer preview --map` takes it (TOML)."""
        return toml_of(mapping_of(await self.head(draft))).encode()

    # Plan

    async def plan(self, draft: str, revision: int, person: Person) -> "Preview":
        """Freezes the draft into a plan, by the flow of the command line and with the facts that the preview rests on.

        Raises UsageError where these are older than PREVIEW_LASTS, and LedgerError where the bytes are not those of the upload.

        The digest is that of `importer preview` with the same file, sheet, mapping and fixes.
        """
        from importer.flow.preview import Origin
        from importer.wiring import plans

        def ready(book: Book) -> None:
            head = self._unbusy(book, draft)
            if head.revision != revision:
                raise Stale(
                    what="the upload", sent="a plan", now=last_change(book), who=head.changed_by, revision=head.revision
                )
            self._young(self._in_force(book, head, KnownFacts(book)))

        await self._read(draft, ready)
        async with self._busy(draft, "planning") as book:
            head, fixed, choices, memory = await aside(partial(self._planned, draft, book))
            if head.revision != revision:
                raise Stale(
                    what="the upload", sent="a plan", now="changed", who=head.changed_by, revision=head.revision
                )
            mapping_file = self._settings.mapping_file if mapping_of(head) == self._settings.mapping else ""
            kept = str(self._shelf.upload(draft).absolute())
            with ExitStack() as stack:
                reading = await self._reading(draft, head, stack)
                try:
                    origin = Origin(head.file_name, head.sha256, head.size, person)
                    sink = await aside(lambda: plans(self._settings).draft(mapping_file, kept, fixed))
                    made = await self._previewing(draft, memory).preview(reading, choices, origin, sink)
                finally:
                    await aside(stack.close)

            def settle() -> None:
                with book.writing():
                    book.run("set_planned", made.about.plan)

            await aside(settle)
        return made

    def _planned(self, draft: str, book: Book) -> tuple[DraftHead, Any, "Choices", Memory]:
        from importer.sources.reader import fingerprint

        head = book.entry(draft).head
        if fingerprint(self._shelf.upload(draft))[0] != head.sha256:
            raise LedgerError("The file that is kept of this upload was altered.", "Upload the file again.")
        return head, book.fixed(), choices_of(book, head), self._in_force(book, head, KnownFacts(book))

    def _young(self, memory: Memory) -> None:
        if memory.now is not None and self._clock.now() - memory.now > PREVIEW_LASTS:
            raise UsageError(
                f"The preview rests on what was looked up at {written(memory.now)}: queues and tasks may be others by now.",
                "Have the preview made again.",
            )


def _chosen_in_words(chosen: Mapping[int, str], header: Row) -> str:
    headings = dict(enumerate(header.cells))
    parts = [
        f"{choosing.name_of(field)} ← {headings.get(index) or column_letter(index)}"
        for index, field in sorted(chosen.items())
        if field
    ]
    return shorten(", ".join(parts), 200)


def _columns_in_words(mapping: ColumnMapping, header: Row, limits: Limits) -> str:
    found = match_headings(header, mapping, limits)
    parts = [f"{COLUMN_OF[field].name} ← {template.text}" for field, template in found.fields.items()]
    return shorten(", ".join(parts), 200)


def _unknown(memory: Memory, field: str, value: str, rows: int) -> UnknownValue:
    known: Sequence[str] = memory.suggestions.get(field, ())
    if field == "queue":
        known = memory.names or ()
    elif field == "type" and memory.limits:
        known = memory.limits.types
    name = COLUMN_OF[field].name
    return UnknownValue(field, name, value, rows, tuple(nearest(value, known)), tuple(known[:KNOWN_MOST]))


def _with_meanings(mapping: ColumnMapping, meanings: Mapping[tuple[str, str], str], limits: Limits) -> ColumnMapping:
    """The mapping by which what cells say means what was chosen; what means such a value already is led on."""
    values = {field: dict(table) for field, table in mapping.values.items()}
    for (field, value), meaning in meanings.items():
        if field not in limits.fields:
            raise UsageError(f"There is no field {field}.", "Choose a value of the list.")
        checked(Fix(1, 0, "", meaning))
        table_ = values.setdefault(field, {})
        for said, meant in table_.items():
            if meant == value:
                table_[said] = meaning.strip()
        table_[value.strip().casefold()] = meaning.strip()
    return replace(mapping, values=values)
