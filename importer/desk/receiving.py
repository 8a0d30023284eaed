"""Receiving: uploads come in, become drafts, are listed and thrown away. Looks into a file only to see what it is."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from importer.core.approval import Person
from importer.core.errors import Stale
from importer.core.limits import Limits
from importer.core.rows import Row
from importer.desk import table
from importer.desk.draftroom import DraftRoom, aside
from importer.drafts.book import Book, Entry, text_of
from importer.drafts.draft import DraftHead
from importer.drafts.shelf import Incoming


class Upload:
    """An upload under way. `write` pieces, then `finish` or `discard`; what is not finished leaves nothing behind."""

    def __init__(self, room: "Receiving", incoming: Incoming, person: Person) -> None:
        self._room = room
        self._incoming = incoming
        self._person = person

    async def write(self, piece: bytes) -> None:
        """The next bytes. Raises FileRefused (F112) or NoPlace once they are too many; then it is discarded."""
        await aside(partial(self._incoming.write, piece))

    async def finish(self) -> DraftHead:
        """The draft, durable. Raises FileRefused for what is no spreadsheet; then it is discarded."""
        return await self._room.kept(self._incoming, self._person)

    async def discard(self) -> None:
        """Throws it away. May be called more than once, and after `finish`, when it does nothing."""
        await aside(self._incoming.discard)


class Receiving(DraftRoom):
    """The upload itself, from its first byte until it is thrown away."""

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
