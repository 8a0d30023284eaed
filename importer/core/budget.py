"""Retry budget: how many calls a whole run may repeat. Counts; waits for nobody and reads no clock."""

from dataclasses import dataclass, field

REPEAT_COSTS = 10
TIME_OUT_COSTS = 20
"""A time-out costs twice: it held a slot for long."""
THROTTLE_COSTS = 1
"""A 429 costs little: the service is at work and says when to come again. It costs something, lest it goes on for ever."""
SUCCESS_GIVES = 1
MOST = 500
"""At the start, and never more: fifty repeats in a row."""
LEAST = 100


@dataclass(slots=True)
class RetryBudget:
    """A bucket of tokens over all calls of a run, as in botocore's standard mode (its `retries/quota.py`), with other numbers.

    A repeat takes tokens. A call that succeeds at once gives one back, one that succeeds when repeated what its repeat took. So
    single failures cost nothing in the end, and where nothing succeeds any more, repeats are at most a tenth of the run's rows:
    the bucket holds a token for each row, 100 to 500. An empty bucket pauses the run; it never fails a row.
    """

    rows: int = MOST
    tokens: int = field(init=False)
    spent: int = 0  # repeats so far

    def __post_init__(self) -> None:
        self.tokens = self.capacity

    @property
    def capacity(self) -> int:
        """Tokens at most."""
        return min(max(self.rows, LEAST), MOST)

    def take(self, cost: int = REPEAT_COSTS) -> int:
        """Pays for one repeat: what it cost; 0 where the budget cannot pay, and then nothing may be repeated."""
        if self.tokens < cost:
            return 0
        self.tokens -= cost
        self.spent += 1
        return cost

    def succeeded(self, paid: int = 0) -> None:
        """A call was answered as it should be; `paid` is what its last repeat cost."""
        self.tokens = min(self.tokens + (paid or SUCCESS_GIVES), self.capacity)
