"""Desk: what plans and runs are worked on with, and how a run is carried out from here."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from importer.settings import Settings

if TYPE_CHECKING:
    from importer.flow.run import How, Running
    from importer.ledgers.lock import SubmissionLock
    from importer.ports import Ledger, Progress
    from importer.wiring import Connection

CONNECT_S = 5.0
UNATTENDED_S = 900.0
"""So long tasks are followed where nobody watches and nothing else was said."""
DURATIONS = ("index_lag", "timeout", "longest_wait", "outage_wait", "lease", "approval_expires")


@dataclass(slots=True)
class Desk:
    """Settings in force, the ledger that they name, and the lock under which rows are sent."""

    settings: Settings
    book: "Ledger"
    lock: "SubmissionLock"
    attended: bool = False  # somebody watches, and can end it
    identity: str = "os"  # how people are known here: os, token or header
    early: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @contextlib.contextmanager
    def submitting(self, run: str) -> Iterator[None]:
        """Holds the lock while rows are sent, and no longer: tracking does not need it. Raises AlreadyRunning."""
        with self.lock.held(f"importer run {run}"):
            yield
        self.early.close()

    @property
    def track_for_s(self) -> float | None:
        """How long to follow, in seconds: without anyone there 15 minutes, else to the end (None)."""
        if self.settings.given("track_for"):
            return self.settings.seconds("track_for")
        return None if self.attended else UNATTENDED_S


@contextlib.contextmanager
def ledger_beside(desk: Desk) -> "Iterator[Ledger]":
    """The same ledger for another thread: a connection of SQLite shows one moment as long as anybody reads from it."""
    from importer.wiring import ledger

    book = ledger(desk.settings)
    try:
        yield book
    finally:
        book.close()


def proven(settings: Settings) -> None:
    """Wrong settings are told at once. Raises SettingsError."""
    _ = (
        settings.notifications,
        settings.rate,
        settings.concurrency,
        settings.track,
        settings.canary,
        settings.on_drift,
        settings.four_eyes(),
        settings.max_failures(0),
    )
    for name in DURATIONS:
        settings.seconds(name)


def running(desk: Desk, connection: "Connection", progress: "Progress", rows: int = 0) -> "Running":
    """What carries a run of so many rows out."""
    from importer.flow.run import Running
    from importer.wiring import clock, who

    return Running(
        ledger=desk.book,
        target=connection.target,
        clock=clock(),
        lock=desk.submitting,
        progress=progress,
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


def rows_to_send(book: "Ledger", run: str) -> int:
    """How many rows a run sends, or has sent."""
    counts = book.counts(run)
    return sum(counts[name] for name in ("created", "existing", "failed", "unknown", "not_sent"))
