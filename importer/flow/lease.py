"""lease: takes a run before it is sent, holds it while it is, and gives it back. Who may take it, core.lease decides."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from importer.core.errors import AlreadyRunning, ImporterError, LeaseLost
from importer.core.lease import Free, Held, Holder, Lease, Wait, holds, standing
from importer.ports import Clock, Ledger, Progress

log = logging.getLogger(__name__)

RENEWALS = 3
"""So often a lease is renewed in the time that it lasts."""
MOST_ASLEEP_S = 1.0
"""So soon it notices that nobody wants the run any more."""


@dataclass(frozen=True, slots=True)
class Who:
    """This process, and how to tell that another one has surely ended."""

    me: Holder
    is_gone: Callable[[Holder], bool]


@dataclass(slots=True)
class Leasing:
    """The lease of one run. State: the lease as it stands. Only the clock's monotonic time, which counts suspended time, is used."""

    run: str
    ledger: Ledger
    clock: Clock
    who: Who
    flight_s: float  # how long one call may take at most
    lasts_s: float
    progress: Progress
    _lease: Lease | None = field(default=None)

    async def take(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Takes the run; waits for a holder that no longer renews, and then gives it up where it is `stopped`. Whether it was taken.

        Raises AlreadyRunning where a holder is at work, LeaseLost.
        """
        while True:
            found = self.ledger.lease(self.run)
            match self.standing(found):
                case Held():
                    raise _at_work(self.run, found)
                case Wait(seconds=seconds):
                    self.progress("waiting for a lease", {"seconds": round(seconds)})
                    log.warning("lease waited for", extra={"run": self.run, "seconds": round(seconds, 1)})
                    if not await self._waited(seconds, stopped):
                        return False
                    if self.ledger.lease(self.run) != found:
                        continue  # renewed, or taken by another
                case Free():
                    pass
            until_s = self.clock.monotonic() + self.lasts_s
            self._lease = await self.ledger.take_lease(self.run, self.who.me, until_s, self.lasts_s, found)
            return True

    async def _waited(self, seconds: float, stopped: Callable[[], bool]) -> bool:
        over = self.clock.monotonic() + seconds
        while (left := over - self.clock.monotonic()) > 0:
            if stopped():
                return False
            await self.clock.sleep(min(left, MOST_ASLEEP_S))
        return True

    def standing(self, lease: Lease | None) -> Free | Wait | Held:
        """What this process may do about a lease."""
        gone = lease is not None and self.who.is_gone(lease.holder)
        return standing(lease, self.who.me, self.clock.monotonic(), self.flight_s, gone=gone)

    def holds(self) -> bool:
        """Whether this process may still send: asked right before each call."""
        return self._lease is not None and holds(self._lease, self.clock.monotonic())

    async def keep(self, lost: Callable[[ImporterError], None]) -> None:
        """Renews the lease until cancelled; calls `lost` where that cannot be done any more."""
        assert self._lease is not None
        while True:
            await self.clock.sleep(self.lasts_s / RENEWALS)
            if not self.holds():
                lost(
                    LeaseLost(self.run, taken=False)
                )  # held up for longer than the lease: another may have the run by now
                return
            until_s = self.clock.monotonic() + self.lasts_s
            try:
                await self.ledger.renew_lease(self.run, until_s)
            except ImporterError as problem:
                lost(problem)
                return
            self._lease = Lease(self._lease.token, self._lease.holder, until_s, self.lasts_s)

    async def give_back(self) -> None:
        """The run may be taken at once."""
        self._lease = None
        try:
            await self.ledger.release_lease(self.run)
        except ImporterError as problem:  # it runs out by itself
            log.warning("lease not given back", extra={"run": self.run, "problem": str(problem)})


def _at_work(run: str, lease: Lease | None) -> AlreadyRunning:
    holder = f" ({lease.holder})" if lease else ""
    return AlreadyRunning(
        f"Another importer{holder} is sending the run {run}.",
        "Wait until it ends; importer status shows how far it is.",
    )
