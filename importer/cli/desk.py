"""Desk: what the sending commands work with, and how a run is carried on from here."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from importer.cli import screen
from importer.cli.look import json_wanted
from importer.core.errors import Interrupted
from importer.settings import Settings, load

if TYPE_CHECKING:
    from importer.flow.run import Ending, How, Running
    from importer.ledgers.lock import SubmissionLock
    from importer.ports import Ledger
    from importer.wiring import Connection

CONNECT_S = 5.0


@dataclass(slots=True)
class Desk:
    """What a sending command works with."""

    settings: Settings
    book: "Ledger"
    lock: "SubmissionLock"
    as_json: bool
    early: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @contextlib.contextmanager
    def submitting(self, run: str) -> Iterator[None]:
        """Holds the lock while rows are sent, and no longer: tracking does not need it."""
        with self.lock.held(f"importer run {run}"):
            yield
        self.early.close()

    @property
    def track_for_s(self) -> float | None:
        """How long to follow: without a terminal 15 minutes, on one to the end."""
        if self.settings.given("track_for"):
            return self.settings.seconds("track_for")
        return None if sys.stderr.isatty() else 900.0


@contextlib.contextmanager
def opened(flags: Table[str, Any], profile: str | None, format_: str) -> Iterator[Desk]:
    from importer.wiring import begin_log, ledger, submission_lock

    as_json = json_wanted(format_)
    settings = load(flags, profile)
    _proven(settings)
    lock = submission_lock(settings)
    begin_log(settings)
    book = ledger(settings)
    _warn_of_share(settings)
    try:
        yield Desk(settings, book, lock, as_json)
    finally:
        book.close()


def _warn_of_share(settings: Settings) -> None:
    from importer.wiring import ledger_share

    share = ledger_share(settings)
    if share is not None:
        screen.tell(
            f"▲ The ledger lies on a network share ({share}), where locks may not hold: import from one machine alone, "
            "or choose a folder of this machine (--state-dir)."
        )


def _proven(settings: Settings) -> None:
    """Wrong settings are told at once."""
    _ = (
        settings.notifications,
        settings.rate,
        settings.concurrency,
        settings.track,
        settings.canary,
        settings.max_failures(0),
    )
    for name in ("index_lag", "timeout", "longest_wait", "outage_wait", "lease"):
        settings.seconds(name)


def running(desk: Desk, connection: "Connection", progress: Any = None, rows: int = 0) -> "Running":
    """What carries a run of so many rows out."""
    from importer.flow.run import Running
    from importer.wiring import clock, who

    return Running(
        ledger=desk.book,
        target=connection.target,
        clock=clock(),
        lock=desk.submitting,
        progress=progress or screen.ProgressLine(quiet=True),
        how=_how(desk, rows),
        who=who(),
    )


def _how(desk: Desk, rows: int) -> "How":
    from importer.flow.rules import Rules
    from importer.flow.run import How, Track

    settings = desk.settings
    rules = Rules(
        lag_s=settings.seconds("index_lag"),
        concurrency=settings.concurrency,
        flight_s=settings.seconds("timeout") + CONNECT_S,
        outage_s=settings.seconds("outage_wait"),
        lease_s=settings.seconds("lease"),
        bulk=settings.bulk,
        canary=settings.canary,
        max_failures=settings.max_failures(rows),
    )
    track = cast("Track", settings.track)
    return How(rules=rules, track=track, track_for_s=desk.track_for_s, audit=settings.audit)


def carried_on(desk: Desk, run_id: str, connection: "Connection", *, only_follow: bool = False) -> "Ending":
    """Submits, tracks and audits; Ctrl-C and SIGTERM end it cleanly."""
    from importer.flow.run import Ending

    if desk.settings.notifications and connection.target.hints is None:
        screen.tell(f"· The target {connection.target.name} has no notifications: its tasks are polled.")

    async def carried(carrier: "Running") -> "Ending":
        if not only_follow:
            return await carrier.carry_on(run_id)
        ending = Ending(run_id)
        await carrier.follow(run_id, ending)
        return ending

    return _stoppable(desk, run_id, connection, carried)


def reconciled(desk: Desk, run_id: str, connection: "Connection", *, resend: bool) -> "Ending":
    """Looks up what is unknown; Ctrl-C and SIGTERM end it cleanly."""
    return _stoppable(desk, run_id, connection, lambda carrier: carrier.reconcile(run_id, resend=resend))


def _stoppable(
    desk: Desk, run_id: str, connection: "Connection", work: "Callable[[Running], Coroutine[Any, Any, Ending]]"
) -> "Ending":
    progress = screen.ProgressLine(quiet=desk.as_json)
    counts = desk.book.counts(run_id)
    rows = sum(counts[name] for name in ("created", "existing", "failed", "unknown", "not_sent"))
    carrier = running(desk, connection, progress, rows)

    async def stoppable() -> "Ending":
        with _signals(carrier.stop):
            return await work(carrier)

    try:
        ending: Ending = connection.run(stoppable())
        return ending
    finally:
        progress.end()


@contextlib.contextmanager
def _signals(stop: Callable[[Interrupted], None]) -> Any:
    """The first signal ends cleanly, the second at once."""
    loop = asyncio.get_running_loop()
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143}

    def stopped(number: signal.Signals) -> None:
        loop.remove_signal_handler(number)
        screen.tell("\nstopping: calls in flight may land; once more to leave at once")
        stop(Interrupted(codes[number]))

    with contextlib.suppress(NotImplementedError):  # Windows has no such handlers; Ctrl-C ends at once there
        for number in codes:
            loop.add_signal_handler(number, stopped, number)
    try:
        yield
    finally:
        with contextlib.suppress(NotImplementedError):
            for number in codes:
                loop.remove_signal_handler(number)
