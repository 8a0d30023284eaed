"""History: every upload, plan and run of a state folder as one list, newest first, each in a word that people know."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from importer.core.approval import Approval, decisions_on
from importer.core.errors import ImporterError, LedgerError, PlanRefused
from importer.desk.permission import known_heads
from importer.desk.picture import TONES, Standing

if TYPE_CHECKING:
    from importer.core.plan import Preview
    from importer.desk.desk import Desk
    from importer.desk.drafting import Drafting
    from importer.desk.keeper import RunKeeper
    from importer.ledgers.plans import PlanFile
    from importer.ports import RunRecord

PAGE = 25
PLANS_MOST = 500
"""So many of the newest plans are looked through."""
VALIDATING, WAITS, APPROVED, REJECTED = "Validating", "Waiting for approval", "Approved", "Rejected"
UNTOLD = "Decision not known"
LOOKS = {
    VALIDATING: ("✎", "calm"),
    WAITS: ("…", "look"),
    APPROVED: ("✔", "calm"),
    REJECTED: ("✖", "bad"),
    UNTOLD: ("?", "look"),
}
"""Sign and tone of the words for what is no run yet; those of runs are in Standing."""
WORDS = (*LOOKS, *(each.words for each in Standing))


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the history."""

    path: str  # where it leads
    word: str
    icon: str
    tone: str
    file: str
    at: str  # RFC 3339, UTC; sorts by time
    preparer: str
    approver: str = ""
    rows: int | None = None
    created: int | None = None
    failed: int | None = None
    seconds: int | None = None  # so long it took, or has taken
    course: Sequence[float] = field(default_factory=tuple)  # rows a second, where it is known
    run: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of the history; `number` counts from 1."""

    lines: Sequence[Item]
    total: int
    number: int
    words: Sequence[str]  # all that occur, for the filter
    problem: ImporterError | None = None  # why the decisions on plans cannot be told

    @property
    def first(self) -> int:
        """The number of the first line, from 1."""
        return (self.number - 1) * PAGE + 1

    @property
    def last(self) -> int:
        """The number of the last line."""
        return min(self.number * PAGE, self.total)

    @property
    def pages(self) -> int:
        """At least one."""
        return max(-(-self.total // PAGE), 1)


async def listed(
    desk: "Desk", drafting: "Drafting", keeper: "RunKeeper", *, word: str = "", text: str = "", number: int = 1
) -> Listed:
    """A page of the history. `word`: only what is in this state; `text`: only files and people that have it in their names."""
    from importer.wiring import plans

    records = desk.book.runs()
    ran = {record.preview.about.plan for record in records}
    made = await asyncio.to_thread(lambda: list(_waiting(plans(desk.settings).newest_first(), ran)))
    decisions, problem = await asyncio.to_thread(_decisions, desk, known_heads(desk.book), made)
    drafts = [draft for draft in await drafting.drafts() if draft.plan is None]
    items = [
        *(_run(keeper, record) for record in records),
        *(_plan(preview, decisions.get(preview.about.plan), known=problem is None) for preview in made),
        *(_item(f"/imports/{d.id}/{'sheet' if d.step == 'planned' else d.step}", VALIDATING, d.file_name, d.at, d.by.name) for d in drafts),
    ]  # fmt: skip
    words = sorted({item.word for item in items}, key=WORDS.index)
    wanted = text.casefold()
    found = [
        item
        for item in items
        if word in ("", item.word)
        and (
            not wanted or any(wanted in each.casefold() for each in (item.file, item.preparer, item.approver, item.run))
        )
    ]
    found.sort(key=lambda item: item.at, reverse=True)
    total = len(found)
    page = min(max(number, 1), max(-(-total // PAGE), 1))
    return Listed(found[(page - 1) * PAGE : page * PAGE], total, page, words, problem)


def _decisions(
    desk: "Desk", heads: Sequence[str], made: "Sequence[Preview]"
) -> tuple[Mapping[str, Approval], LedgerError | None]:
    """The last decision on each plan; none, and why, where the log is not to be trusted: runs must be found all the same."""
    from importer.wiring import approvals

    try:
        entries = approvals(desk.settings).read(heads).entries
    except LedgerError as problem:
        return {}, problem
    last = {each.about.plan: decisions_on(each.about.plan, entries) for each in made}
    return {plan: found[-1] for plan, found in last.items() if found}, None


def _waiting(files: "Iterator[PlanFile]", ran: set[str]) -> "Iterator[Preview]":
    """The newest plans that did not run. In a thread: it opens their files."""
    for _, file in zip(range(PLANS_MOST), files, strict=False):
        try:
            preview = file.preview()
        except PlanRefused:  # one that cannot be read is told where somebody opens it
            continue
        if preview.about.plan not in ran:
            yield preview


def _plan(preview: "Preview", last: Approval | None, *, known: bool) -> Item:
    about = preview.about
    decided = WAITS if last is None else APPROVED if last.approved else REJECTED
    word = decided if known else UNTOLD
    approver = last.who.name if last is not None else ""
    return _item(
        f"/plans/{about.plan}", word, about.source, about.made_at, about.preparer, approver, preview.head.counts["read"]
    )


def _item(path: str, word: str, file: str, at: str, preparer: str, approver: str = "", rows: int | None = None) -> Item:
    icon, tone = LOOKS[word]
    return Item(path, word, icon, tone, file, at, preparer, approver, rows)


def _run(keeper: "RunKeeper", record: "RunRecord") -> Item:
    brief = keeper.brief(record)
    about, standing, counts = record.preview.about, brief.standing, brief.counts
    return Item(
        f"/runs/{record.run}", standing.words, standing.icon, TONES[standing], about.source, record.opened_at,
        about.preparer, record.approval.who.name if record.approval else "", counts["read"], counts["created"],
        counts["failed"] + counts["unknown"], brief.seconds, brief.course, record.run,
    )  # fmt: skip
