"""preview: shape, look up, judge, write the plan. Asks the target and changes nothing there."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from importer.core.facts import Facts, QueueFact
from importer.core.findings import Finding, finding
from importer.core.plan import Environment, PlanHead, PlanRow, Preview
from importer.core.report import preview_counts
from importer.core.verdicts import Judged, Verdict, has_warning
from importer.flow.facts import Lookups
from importer.flow.read import Choices, Table, read_table
from importer.flow.server_check import ServerCheck
from importer.ports import Clock, Ledger, PlanDraft, Progress, Reading, Target

BATCH = 50
"""Rows that share one look-up by external ID."""
QUEUES_TOLD = 30


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the rows come from and who prepares the plan."""

    path: str
    sha256: str
    size: int  # bytes
    preparer: str


@dataclass
class Previewing:
    """One preview being made. The mutable state is what was looked up and counted so far."""

    target: Target
    ledger: Ledger
    environment: Environment
    clock: Clock
    progress: Progress
    server_check: bool = False  # have the target check ready rows, too

    def __post_init__(self) -> None:
        self._lookups = Lookups(self.target, self.ledger, self.environment, self.clock)
        self._verdicts: Counter[Verdict] = Counter()
        self._by_queue: dict[str, Counter[str]] = defaultdict(Counter)
        self._warnings = 0

    async def preview(self, reading: Reading, choices: Choices, origin: Origin, draft: PlanDraft) -> Preview:
        """Raises FileRefused, NotAuthorised, TargetDown; then the draft is discarded."""
        try:
            table = read_table(reading, choices, await self.target.vocabulary())
            for batch in batches(table.judged(), BATCH):
                facts = await self._lookups.facts(batch)
                every = [self._lookups.judged(shaped, facts, table.shaper) for shaped in batch]
                if self.server_check:
                    every = await ServerCheck(self._lookups, table.shaper).judged(every, facts)
                for judged in every:
                    draft.add(self._planned(judged, facts))
                self.progress("previewed", {"rows": self._verdicts.total()})
            head = self._head(table, choices, origin)
            made_at = self.clock.now()
            return draft.finish(head, source=origin.path, made_at=made_at, preparer=origin.preparer)
        except BaseException:
            draft.discard()
            raise

    def _planned(self, judged: Judged, facts: Facts) -> PlanRow:
        request = judged.request
        self._count(judged)
        row = judged.row
        return PlanRow(
            line=row.line,
            file_line=row.file_line,
            cells=tuple(row.cells),
            verdict=judged.verdict,
            external_id=judged.external_id,
            queue=judged.queue.name if judged.queue else request["queue"] if request else "",
            task_id=judged.task_id,
            payload=self._lookups.payload(request, facts) if request and judged.verdict is Verdict.READY else None,
            findings=judged.findings,
        )

    def _count(self, judged: Judged) -> None:
        self._verdicts[judged.verdict] += 1
        self._warnings += has_warning(judged)
        if judged.request is not None:
            self._by_queue[judged.request["queue"]][judged.verdict.value] += 1

    def _head(self, table: Table, choices: Choices, origin: Origin) -> PlanHead:
        sheet, header = table.reading.sheet, table.header
        queues = self._queue_table()
        skipped = sorted(choices.skipped)
        return PlanHead(
            source_sha256=origin.sha256,
            source_bytes=origin.size,
            format=sheet.format,
            sheet=sheet.name,
            encoding=sheet.encoding,
            header_line=header.line,
            headings=header.headings,
            matched=header.matched,
            mapping=choices.mapping.record(),
            environment=self.environment,
            settings={"header_row": choices.header_row, "skipped": skipped},
            counts=preview_counts(self._verdicts),
            warnings=self._warnings,
            queues=tuple(queues),
            findings=(*table.reading.findings, *header.findings, *self._crowded(queues), *self._told()),
        )

    def _told(self) -> Iterator[Finding]:
        """What cannot be known before sending, and how the look-ups were made."""
        for found in list(self._lookups.queues.values())[:QUEUES_TOLD]:
            for queue in found:
                if queue.joined is not None:
                    yield finding("Q520", value=queue.name, joined=queue.joined, members=queue.members)
        for worktype in self._lookups.worktypes():
            if not worktype.routes:
                yield finding("Q522", value=worktype.name)
        if self.target.look_up:
            yield finding("Q521", how=self.target.look_up)

    def _queue_table(self) -> list[dict[str, Any]]:
        """A line per queue that rows name; two spellings of one queue share a line."""
        rows: dict[str, dict[str, Any]] = {}
        for name, verdicts in self._by_queue.items():
            found = self._lookups.queues.get(name, ())
            queue = found[0] if len(found) == 1 else None
            key = queue.id if queue else name
            line = rows.setdefault(key, _queue_line(name, queue))
            for verdict, count in verdicts.items():
                line["rows"] += count
                line[verdict] += count
        return sorted(rows.values(), key=lambda line: str(line["queue"]).casefold())

    def _crowded(self, queues: Sequence[dict[str, Any]]) -> Iterator[Finding]:
        """One warning on each queue that gets more rows than it has room for now."""
        for line in queues:
            room = line["room"]
            if room and line["ready"] > room:
                yield finding("Q505", value=line["queue"], rows=line["ready"], room=room)


def _queue_line(name: str, queue: QueueFact | None) -> dict[str, Any]:
    known = (queue.name, queue.id, queue.status, queue.members, queue.limit, queue.room) if queue else (name,)
    keys = ("queue", "id", "status", "members", "limit", "room")
    line: dict[str, Any] = dict.fromkeys(keys) | dict(zip(keys, known, strict=False))
    return line | {"rows": 0} | {verdict.value: 0 for verdict in Verdict}


def batches(judged: Iterator[Judged], size: int) -> Iterator[list[Judged]]:
    """The rows in lists of at most `size`."""
    batch: list[Judged] = []
    for each in judged:
        batch.append(each)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
