"""Drafting: what the page does with an upload until it is a plan. Decides nothing about rows: the flow judges them."""

from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from importer.core.approval import Person
from importer.core.errors import LedgerError, Stale, UsageError
from importer.core.findings import Finding
from importer.core.memory import Memory
from importer.core.moments import written
from importer.core.report import Cause
from importer.desk import table
from importer.desk.draftroom import (
    aside,
    choices_of,
    headings_of,
    last_change,
    mapping_of,
    row_at,
)
from importer.desk.fixing import Fixing
from importer.desk.matching import Matching
from importer.drafts import shown
from importer.drafts.book import FACTS_AT_ONCE, Book, KnownFacts
from importer.drafts.draft import (
    DraftHead,
    DraftRow,
    Filter,
    Page,
)
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


class Drafting(Matching, Fixing):
    """Made once per server. Every method may be called by many people at once; what blocks runs in threads.

    A method that changes takes the revision that the person saw. It raises Stale where that is not the current one, and
    DraftBusy while the draft is previewed. All raise NoSuchDraft and LedgerError.
    """

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
