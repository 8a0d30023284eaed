"""Breakers: when a run stops for a cause that no row can help, and how it starts again. Decides; reads no clock."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

ROWS_IN_A_ROW = 20
"""So many rows refused one after the other for one cause: the cause is not in the rows."""
FIRST_ROWS = 50
"""Half of so many first rows refused for one cause: likewise."""
OUTAGE_LIMIT = 10
"""So many calls in a row that failed for the service's sake (5xx, time-out, no connection) open the circuit."""
PROBE_EVERY_S = 30.0
"""An open circuit is probed so often, with one read."""


@dataclass(slots=True)
class RowFailures:
    """Tells a cause that all rows share from faults of single rows, which never stop a run by themselves.

    `most` is what `--max-failures` allows; None: any number.
    """

    most: int | None = None
    failed: int = 0
    _cause: str = ""
    _in_a_row: set[int] = field(default_factory=set)
    _first: dict[int, str] = field(default_factory=dict)  # the first rows, with the cause of those that were refused

    def settled(self, row: int) -> None:
        """A row was created or exists."""
        self._in_a_row.clear()
        self._know(row, "")

    def refused(self, row: int, cause: str, *, final: bool = True) -> None:
        """A row was refused; `cause` says why without any value of the row. Not `final`: it will be tried again."""
        self.failed += final
        if cause != self._cause:
            self._in_a_row.clear()
        self._cause = cause
        self._in_a_row.add(row)
        self._know(row, cause)

    def _know(self, row: int, cause: str) -> None:
        if row in self._first or len(self._first) < FIRST_ROWS:
            self._first[row] = cause

    @property
    def verdict(self) -> str:
        """Why the run must stop, in words; a blank where it need not."""
        if self.most is not None and self.failed > self.most:
            return f"{self.failed:,} rows failed, and --max-failures allows {self.most:,}"
        if len(self._in_a_row) >= ROWS_IN_A_ROW:
            return f"{len(self._in_a_row)} rows in a row were refused for one cause ({self._cause})"
        if len(self._first) < FIRST_ROWS:
            return ""
        (cause, count), *_ = Counter(cause for cause in self._first.values() if cause).most_common(1) or [("", 0)]
        if count * 2 >= FIRST_ROWS:
            return f"{count} of the first {FIRST_ROWS} rows were refused for one cause ({cause})"
        return ""


class Circuit(StrEnum):
    """Whether rows are sent: CLOSED yes, OPEN no, HALF_OPEN one row to see whether the service is back."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


@dataclass(slots=True)
class OutageBreaker:
    """Opens after ten failures in a row; a good read and then one row's good POST close it again."""

    limit: int = OUTAGE_LIMIT
    failures: int = 0
    last: str = ""  # the last failure in words
    circuit: Circuit = Circuit.CLOSED
    opened_at: float = 0.0  # monotonic seconds: when it opened first in this outage
    probe_at: float = 0.0

    def failed(self, problem: str, now: float) -> None:
        """One more call failed for the service's sake."""
        self.failures += 1
        self.last = problem
        if self.circuit is Circuit.HALF_OPEN or (self.circuit is Circuit.CLOSED and self.failures >= self.limit):
            self.open(problem, now)

    def open(self, problem: str, now: float) -> None:
        """Nothing is sent until a probe succeeds."""
        if self.circuit is Circuit.CLOSED:
            self.opened_at = now
        self.last = problem
        self.circuit = Circuit.OPEN
        self.probe_at = now + PROBE_EVERY_S

    def answered(self) -> None:
        """The service answered a POST: it is at work."""
        self.failures = 0
        self.circuit = Circuit.CLOSED

    def probed(self, now: float, *, good: bool) -> None:
        """What the probe of an open circuit showed."""
        if good:
            self.circuit = Circuit.HALF_OPEN
        else:
            self.probe_at = now + PROBE_EVERY_S

    def is_over(self, now: float, patience_s: float) -> bool:
        """Whether the outage has lasted longer than anyone wants to wait."""
        return self.circuit is not Circuit.CLOSED and now - self.opened_at >= patience_s
