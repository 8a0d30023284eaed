"""Task: one invented row, and the seeded maker of them. Names no person, company or real address."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

from importer.samples.files import Cell

Item = TypeVar("Item")

HEADINGS = ("External ID", "Queue", "Priority", "Type", "Description", "Due", "Customer ref", "Notes")

FIRST_DUE = datetime(2026, 3, 2, 8, 0)  # noqa: DTZ001 - a spreadsheet's dates have no zone

STORIES = {
    "Billing": (
        "Invoice {invoice} charges the monthly fee twice; customer asks for a corrected one",
        "Direct debit for {month} was returned by the bank; call back about a new date",
        "Credit note for order {order} was promised in {month} and has not arrived",
        "Customer invoice discrepancy: {amount} EUR billed, {amount} EUR agreed",
        "Asks for invoice {invoice} with a different cost centre",
        "Wants to know why the tariff went up in {month}",
        "Payment of {amount} EUR went to the old account; please trace it",
    ),
    "Claims": (
        "Parcel of order {order} arrived damaged; photos were sent by email",
        "Water damage reported on {day}; assessor has not called back",
        "Claim {claim}: repair estimate received, needs a decision by {day}",
        "Customer disputes the refusal of claim {claim} and sends new documents",
        "Replacement for order {order} was sent to the old address",
        "Second reminder: reimbursement of {amount} EUR for claim {claim} is open",
    ),
    "Onboarding": (
        "Welcome call: set up the self-service account before {day}",
        "Contract signed in {month}; router not delivered yet",
        "Number porting is planned for {day}; confirm the time slot",
        "Identity check failed twice; send the link for the video check again",
        "New business customer asks for training for {count} agents",
    ),
    "Renewals": (
        "Contract ends in {month}; offer the two-year tariff",
        "Asks for a quote for {count} licences before renewing in {month}",
        "Cancellation received; retention call before {day}",
    ),
    "Night Desk": (
        "Alarm panel reported offline at night; check the line",
        "Card lost abroad; block it and arrange a replacement",
        "Outage reported after 22:00; {count} households affected",
        "Emergency call-back asked for after {day}, 22:00",
    ),
    "Old Complaints": ("Complaint of {month} about waiting times; promised answer is overdue",),
    "VIP Desk": ("Key account asks for a call about order {order} before {day}",),
    "Biling": ("Invoice {invoice} was sent to the wrong department",),
}
"""What a task of a queue is about."""

NOTES = (
    "", "", "", "second contact", "prefers mornings", "sent by branch office", "photos on file", "from the web form",
    "asked for a written answer", "speaks German", "speaks Spanish", "see last week's list",
)  # fmt: skip
TYPES = ("email", "email", "email", "call", "callback", "callback", "chat", "message", "workitem", "")
PRIORITIES = (10, 20, 30, 40, 50, 50, 60, 70, 80, 90, None)
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "3 March", "12 March", "28 March", "2 April")


class Task(NamedTuple):
    """One row in the order of HEADINGS."""

    external_id: Cell
    queue: str
    priority: Cell
    type: str
    description: str
    due: Cell
    customer_ref: str
    notes: str


class Maker:
    """Makes tasks. State: the random numbers drawn so far, so the order of calls matters."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pick(self, items: Sequence[Item]) -> Item:
        """One of the items. Built on random(), the one method whose numbers Python promises not to change."""
        return items[int(self._random.random() * len(items))]

    def number(self, low: int, high: int) -> int:
        """A whole number from low to high."""
        return low + int(self._random.random() * (high - low + 1))

    def mixed(self, items: Sequence[Item]) -> list[Item]:
        """The items in another order."""
        keyed = [(self._random.random(), index) for index in range(len(items))]
        return [items[index] for _, index in sorted(keyed)]

    def story(self, queue: str) -> str:
        """A description that belongs to the queue."""
        return self.pick(STORIES[queue]).format(
            invoice=f"INV-{self.number(20100, 29899)}",
            order=f"{self.number(400100, 498900)}",
            claim=f"CL-{self.number(1000, 9899)}",
            amount=f"{self.number(12, 940)}.{self.number(0, 99):02}",
            month=self.pick(MONTHS),
            day=self.pick(DAYS),
            count=self.number(3, 40),
        )

    def due(self) -> datetime:
        """A quarter of an hour on one of twenty days."""
        return FIRST_DUE + timedelta(days=self.number(0, 19), minutes=15 * self.number(0, 39))

    def task(self, external_id: str, queue: str) -> Task:
        """A task without any problem."""
        return Task(
            external_id,
            queue,
            self.pick(PRIORITIES),
            self.pick(TYPES),
            self.story(queue),
            self.due(),
            f"{self.number(1, 99_999):08}",
            self.pick(NOTES),
        )
