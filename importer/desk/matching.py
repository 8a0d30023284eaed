"""Matching: which sheet, header row, columns and values of an upload mean what, as people choose. Judges no row."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from importer.core.approval import Person
from importer.core.columns import COLUMN_OF, match_headings
from importer.core.errors import UsageError
from importer.core.findings import shorten
from importer.core.fixes import Fix, checked
from importer.core.limits import Limits
from importer.core.mapping import Mapping as ColumnMapping
from importer.core.mapping import read_mapping
from importer.core.memory import Memory
from importer.core.names import nearest
from importer.core.rows import Row, column_letter
from importer.desk import choosing, table
from importer.desk.draftroom import mapping_of
from importer.desk.mappings import toml_of
from importer.desk.receiving import Receiving
from importer.drafts.book import Book, KnownFacts, text_of
from importer.drafts.draft import KNOWN_MOST, Columns, DraftHead, FirstRow, SheetChoice, UnknownValue

UNKNOWN_MOST = 200


class Matching(Receiving):
    """Sheet, columns and values: what has to be known before rows can be judged."""

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

    # Values

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

    async def mapping_file(self, draft: str) -> bytes:
        """The mapping in force as `importer preview --map` takes it (TOML)."""
        return toml_of(mapping_of(await self.head(draft))).encode()


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
