"""brakes: what slows or stops one submission: circuit, retry budget, failing rows, canaries. Sends nothing and reads no clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from importer.core.breaker import Circuit, OutageBreaker, RowFailures
from importer.core.budget import REPEAT_COSTS, THROTTLE_COSTS, TIME_OUT_COSTS, RetryBudget
from importer.core.errors import BudgetSpent, ImporterError, TargetDown, TooManyFailures
from importer.core.outcomes import THROTTLED, TIME_OUT, Answer, Created, Lost, NotDone, Outcome, Refused
from importer.core.stages import Entry
from importer.flow.rules import Rules

CAUSE_MOST = 80
"""Characters of a reason that tell one cause from another."""


@dataclass(slots=True)
class Brakes:
    """The brakes of one submission. What they say must be done is returned: an exception that ends the run, or None."""

    budget: RetryBudget
    failures: RowFailures
    canaries: int  # so many rows must still be created before the rest is sent
    circuit: OutageBreaker = field(default_factory=OutageBreaker)
    _paid: dict[int, int] = field(default_factory=dict)  # what the last repeat of a row took from the budget

    @classmethod
    def set_for(cls, rules: Rules, counts: Mapping[str, int], budget: RetryBudget) -> Self:
        """As the run's books and rules have it now."""
        canaries = max(rules.canary - counts["created"], 0) if rules.sends else 0
        return cls(budget, RowFailures(rules.max_failures, failed=counts["failed"]), canaries)

    @property
    def is_calm(self) -> bool:
        """Whether many rows may go at once: the service is at work, and no canary is missing."""
        return self.circuit.circuit is Circuit.CLOSED and not self.canaries

    def lets_send(self, flying: int) -> bool:
        """Not while the circuit is open, and one row at a time to close it."""
        state = self.circuit.circuit
        return state is Circuit.CLOSED or (state is Circuit.HALF_OPEN and not flying)

    def lets_begin(self, under_way: int) -> bool:
        """Whether one more row may begin its way: as long as canaries are missing, no more of them than are missing."""
        return not self.canaries or under_way < self.canaries

    def answered(self, position: int, answer: Answer, now: float) -> None:
        """What an answer to a row's POST says of the service and of the rows as a whole."""
        match answer:
            case NotDone(throttled=True):
                return
            case Lost() | NotDone():
                self.circuit.failed(answer.problem, now)
                return
            case Created():
                self.budget.succeeded(self._paid.pop(position, 0))
            case Refused():
                self.failures.refused(position, answer.cause)
        self.circuit.answered()

    def repeated(self, entry: Entry) -> ImporterError | None:
        """A row is to be sent once more: None, if the run's budget can pay for it."""
        if entry.conflicts and not entry.doubted:
            # No task was found: the queue refuses. The service is at work, and such repeats are counted by the row.
            self.failures.refused(entry.position, f"409: {entry.reason[:CAUSE_MOST]}", final=False)
            return None
        paid = self.budget.take(_cost(entry))
        if not paid:
            return BudgetSpent(entry.reason or "a lost answer")
        self._paid[entry.position] = paid
        return None

    def settled(self, entry: Entry, *, earlier: bool) -> ImporterError | None:
        """What a settled row means for the rest; `earlier`: an earlier start of the run left it in doubt."""
        match entry.outcome:
            case Outcome.CREATED:
                self.failures.settled(entry.position)
                self.canaries = max(self.canaries - 1, 0)
            case Outcome.EXISTING:
                self.failures.settled(entry.position)
            case Outcome.UNKNOWN if earlier:
                pass  # no canary of this start, which could then never send the rest
            case outcome if self.canaries and outcome is not Outcome.NOT_SENT:
                return _canary(entry)
        return None

    def failing(self) -> ImporterError | None:
        """Why the rows as a whole fail, if they do."""
        why = self.failures.verdict
        return _failing(why) if why else None

    def outage(self) -> ImporterError:
        """The end of a run whose service does not come back."""
        return TargetDown(
            f"The service keeps failing ({self.circuit.last}); the rest is not sent.", "Run importer resume later."
        )


def _cost(entry: Entry) -> int:
    """What the budget pays for sending a row once more."""
    if entry.reason == THROTTLED:
        return THROTTLE_COSTS
    return TIME_OUT_COSTS if TIME_OUT in entry.reason else REPEAT_COSTS


def _failing(why: str) -> TooManyFailures:
    return TooManyFailures(
        f"The run was stopped: {why}. The rest is not sent.",
        "See the Rejects sheet for the reasons. What was not sent goes out with importer resume once the cause is gone, "
        "after --max-failures with a higher number.",
    )


def _canary(entry: Entry) -> TooManyFailures:
    return TooManyFailures(
        f"The run was stopped: line {entry.line}, one of the first rows that go alone (--canary), was not created: "
        f"{entry.reason or entry.outcome.words}. The rest is not sent.",
        "Correct the cause; importer resume sends the rest, some rows first again.",
    )
