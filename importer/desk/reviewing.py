"""Reviewing: a plan as a person decides by it. What takes a pass over its rows is gathered once, in a thread; rows are read a page at a time."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from importer.core.approval import Approval, Person, Refusal, decisions_on
from importer.core.verdicts import Verdict
from importer.desk.desk import Desk
from importer.desk.kinds import last_of_kind, unusual
from importer.desk.permission import allowed, known_heads
from importer.markup.plan_view import Beside, Change, PlanView, RowShown, plan_view, row_shown
from importer.settings import Settings

if TYPE_CHECKING:
    from importer.core.plan import Preview
    from importer.ledgers.plans import PlanFile

PAGE = 100
"""Rows a page."""
KEPT = 8
"""So many views are kept."""


@dataclass(frozen=True, slots=True)
class RowsPage:
    """A page of a plan's rows. `number` counts from 1."""

    rows: Sequence[RowShown]
    number: int
    pages: int
    total: int

    @property
    def first(self) -> int:
        """The number of the first row of the page, from 1."""
        return (self.number - 1) * PAGE + 1

    @property
    def last(self) -> int:
        """The number of the last row of the page."""
        return min(self.number * PAGE, self.total)


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of a plan so far."""

    run: str  # that carries it out; a blank where none does
    decisions: Sequence[Approval]  # oldest first
    refusal: Refusal | None  # why it may not run now
    preparer: Person
    four_eyes: bool

    @property
    def words(self) -> str:
        """In a few words."""
        if self.run:
            return "It ran."
        if not self.decisions:
            return "Nothing has been sent. It waits for a decision." if self.refusal else "Nothing has been sent."
        last = self.decisions[-1]
        if not last.approved:
            return f"Rejected by {last.who.name}. Nothing has been sent."
        return "Approved, and not run yet." if self.refusal is None else "It was approved, but may not run now."

    def bars(self, person: Person) -> str:
        """Why this person may not decide; a blank where they may."""
        if self.four_eyes and person.is_same(self.preparer):
            return "You prepared this plan, so another person decides on it (four_eyes)."
        return ""

    def doubts(self, person: Person) -> str:
        """What a decision of this person does not prove; a blank where there is nothing to say."""
        if not self.four_eyes and person.is_same(self.preparer):
            return "You prepared this plan: that two people saw it cannot be proven here."
        return ""


class Reviewing:
    """The plans of a state folder, as they are shown. `_views` keeps the last ones, by the plan's name and its file's age."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._views: OrderedDict[tuple[str, int], PlanView] = OrderedDict()

    async def preview(self, plan: str) -> "tuple[PlanFile, Preview]":
        """The plan by its ID. Raises UsageError where there is none, PlanRefused where it cannot be read."""
        return await asyncio.to_thread(self._found, plan)

    async def view(self, plan: str) -> PlanView:
        """Everything about a plan but its rows. Raises UsageError, PlanRefused."""
        file, _ = await self.preview(plan)
        key = file.path.stem, file.path.stat().st_mtime_ns
        if key not in self._views:
            self._views[key] = await asyncio.to_thread(self._viewed, file)
        self._views.move_to_end(key)
        while len(self._views) > KEPT:
            self._views.popitem(last=False)
        return self._views[key]

    async def standing(self, plan: str, desk: Desk) -> Standing:
        """What became of a plan. That it says what its digest says is verified when it is decided on or run, not here.

        Raises UsageError, PlanRefused, and LedgerError where the log of approvals was altered.
        """
        from importer.wiring import approvals

        file, preview = await self.preview(plan)
        about, heads = preview.about, known_heads(desk.book)
        chain = await asyncio.to_thread(approvals(self._settings).read, heads)
        sha256 = await asyncio.to_thread(file.sha256)
        found = allowed(desk, preview, sha256, chain)
        return Standing(
            run=desk.book.run_of_plan(about.plan) or "",
            decisions=decisions_on(about.plan, chain.entries),
            refusal=found if isinstance(found, Refusal) else None,
            preparer=Person(about.preparer, about.preparer_how),
            four_eyes=desk.settings.four_eyes(desk.identity),
        )

    async def rows(self, plan: str, verdict: Verdict | None, number: int) -> RowsPage:
        """A page of the rows of one verdict, or of all. A number beyond the last page gives the last one."""
        file, preview = await self.preview(plan)
        total = preview.head.counts["read" if verdict is None else verdict.value]
        pages = max(1, -(-total // PAGE))
        number = min(max(number, 1), pages)
        found = await asyncio.to_thread(file.some_rows, verdict, (number - 1) * PAGE, PAGE)
        return RowsPage([row_shown(row) for row in found], number, pages, total)

    def _found(self, plan: str) -> "tuple[PlanFile, Preview]":
        from importer.wiring import plans

        file = plans(self._settings).named(plan)
        return file, file.preview()

    def _viewed(self, file: "PlanFile") -> PlanView:
        from importer.wiring import plans

        preview = file.preview()
        last = last_of_kind(plans(self._settings), preview)
        changes = None if last is None else [Change(*each) for each in unusual(last, file)]
        name = "" if last is None else last.path.stem
        beside = Beside(changes=changes, last_plan=name)
        return plan_view(preview, file.rows(), self._settings.rate, beside, ready_most=0, problems_most=0)
