"""preview: shape, look up, judge, write the plan. Asks the target and changes nothing there."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

from importer.core.approval import Person
from importer.core.facts import Facts, QueueFact
from importer.core.findings import Finding, finding
from importer.core.memory import Memory
from importer.core.plan import RULES, Environment, PlanHead, PlanRow, Preview
from importer.core.report import preview_counts
from importer.core.shape import Shaper
from importer.core.verdicts import Judged, Verdict, has_warning
from importer.flow.facts import Lookups
from importer.flow.read import Choices, Table, read_table
from importer.flow.server_check import ServerCheck
from importer.ports import Clock, Ledger, PlanDraft, Progress, Reading, Target

T = TypeVar("T")

BATCH = 50
"""Rows that share one look-up by external ID."""
QUEUES_TOLD = 30


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the rows come from and who prepares the plan."""

    path: str
    sha256: str
    size: int  # bytes
    preparer: Person


Take = Callable[[Judged, Facts], None]
"""Takes a row with its final verdict and the facts that it rests on."""


class Aside(Protocol):
    """Runs what takes time, such as reading and judging some rows: at once, or where it holds nobody up."""

    async def __call__(self, job: Callable[[], T]) -> T: ...


async def at_once(job: Callable[[], T]) -> T:
    """Runs it here and now."""
    return job()


@dataclass
class Previewing:
    """One preview being made. The mutable state is what was looked up and counted so far."""

    target: Target
    ledger: Ledger
    environment: Environment
    clock: Clock
    progress: Progress
    server_check: bool = False  # have the target check ready rows, too
    memory: Memory | None = None  # facts that need not be looked up, or not again
    aside: Aside = at_once

    def __post_init__(self) -> None:
        self._lookups = Lookups(self.target, self.ledger, self.environment, self.clock, memory=self.memory)
        self._verdicts: Counter[Verdict] = Counter()
        self._by_queue: dict[str, Counter[str]] = defaultdict(Counter)
        self._warnings = 0

    async def preview(self, reading: Reading, choices: Choices, origin: Origin, draft: PlanDraft) -> Preview:
        """Makes a plan. Raises FileRefused, FixRefused, NotAuthorised, TargetDown; then the draft is discarded."""
        try:
            table = await self.look(reading, choices, lambda judged, facts: draft.add(self._planned(judged, facts)))
            self.environment = replace(self.environment, organization=await self._lookups.organization())
            head = await self.aside(lambda: self._head(table, choices, origin))  # there may be very many fixes
            made_at = self.clock.now()
            return await self.aside(
                lambda: draft.finish(head, source=origin.path, made_at=made_at, preparer=origin.preparer)
            )
        except BaseException:
            draft.discard()
            raise

    async def look(self, reading: Reading, choices: Choices, take: Take) -> Table:
        """Judges all rows of a file, in its order. Raises FileRefused, FixRefused, NotAuthorised, TargetDown."""
        limits = await self._lookups.vocabulary()
        if self.memory:
            await self._lookups.organization()  # for the plan that comes of it
        table = await self.aside(lambda: read_table(reading, choices, limits))
        await self.judge(table.judged(), table.shaper, take)
        return table

    async def judge(self, rows: Iterator[Judged], shaper: Shaper, take: Take) -> None:
        """The final verdicts of rows that have their offline ones. Raises NotAuthorised, TargetDown."""
        done = 0
        pieces = batches(rows, BATCH)
        while batch := await self.aside(lambda: next(pieces, None)):
            facts = await self._lookups.facts(batch)
            if self.server_check:
                every = [self._lookups.judged(shaped, facts, shaper) for shaped in batch]
                every = await ServerCheck(self._lookups, shaper).judged(every, facts)
                await self.aside(partial(_take_all, every, facts, take))
            else:
                await self.aside(partial(self._judge_all, batch, facts, shaper, take))
            done += len(batch)
            self.progress("previewed", {"rows": done})

    def _judge_all(self, batch: Sequence[Judged], facts: Facts, shaper: Shaper, take: Take) -> None:
        for shaped in batch:
            take(self._lookups.judged(shaped, facts, shaper), facts)

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
        queues = queue_table(self._by_queue, self._lookups.queues)
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
            settings={
                "header_row": choices.header_row,
                "skipped": sorted(choices.skipped),
                **self.target.limits.settings(),
            },
            counts=preview_counts(self._verdicts),
            warnings=self._warnings,
            queues=tuple(queues),
            findings=(*table.reading.findings, *header.findings, *crowded(queues), *self._told()),
            fixes=tuple(sorted(choices.fixes)),
            rules=RULES,
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


def queue_table(
    by_queue: Mapping[str, Mapping[str, int]], queues: Mapping[str, tuple[QueueFact, ...]]
) -> list[dict[str, Any]]:
    """A line per queue that rows name, from rows by name as written and verdict; two spellings of one queue share a line."""
    rows: dict[str, dict[str, Any]] = {}
    for name, verdicts in by_queue.items():
        found = queues.get(name, ())
        queue = found[0] if len(found) == 1 else None
        key = queue.id if queue else name
        line = rows.setdefault(key, _queue_line(name, queue))
        for verdict, count in verdicts.items():
            line["rows"] += count
            line[verdict] += count
    return sorted(rows.values(), key=lambda line: str(line["queue"]).casefold())


def crowded(queues: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    """One warning on each queue that gets more rows than it has room for now."""
    for line in queues:
        room = line["room"]
        if room and line["ready"] > room:
            yield finding("Q505", value=line["queue"], rows=line["ready"], room=room)


def _take_all(every: Sequence[Judged], facts: Facts, take: Take) -> None:
    for judged in every:
        take(judged, facts)


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
