"""Lock: one submission at a time per ledger and OAuth client. The kernel lets go of a dead holder's lock."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from importer.core.errors import AlreadyRunning
from importer.core.lease import Holder
from importer.folders import private_folder, put_whole
from importer.machine import is_gone, myself

SIGNED_WITHIN_S = 1.0
"""A holder signs right after it took the lock; longer than this, and it was not able to."""

AGAIN_S = 0.02


class SubmissionLock:
    """May be taken again by the process that holds it. Says who holds it to whoever comes second."""

    def __init__(
        self,
        folder: Path,
        key: str,
        taken: str = "Another import is being sent",
        fix: str = "Wait until it ends; importer status shows how far it is.",
    ) -> None:
        """`taken` and `fix`: what whoever comes second is told."""
        private_folder(folder)
        self._taken = taken
        self._fix = fix
        self._lock = FileLock(folder / f"{key}.lock", timeout=0, mode=0o600)
        self._holder = folder / f"{key}.holder.json"

    @contextmanager
    def held(self, what: str) -> Iterator[None]:
        """Raises AlreadyRunning where another process holds it: at once, or within a second where that has not signed yet."""
        self._acquire()
        try:
            self._sign(what)
            yield
        finally:
            if self._lock.lock_counter == 1:
                self._holder.unlink(missing_ok=True)  # before it is free: no name of a former holder is ever told
            self._lock.release()

    def _acquire(self) -> None:
        patience = time.monotonic() + SIGNED_WITHIN_S
        while True:
            try:
                self._lock.acquire()
                return
            except Timeout:
                who = self._who()
            if who is not None or time.monotonic() >= patience:
                raise AlreadyRunning(f"{self._taken}: {who or 'its holder did not sign'}.", self._fix)
            time.sleep(AGAIN_S)  # its holder is about to sign, or to let it go

    def _sign(self, what: str) -> None:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        sign = {"what": what, "host": socket.gethostname(), "since": since, **asdict(myself())}
        put_whole(self._holder, json.dumps(sign).encode())

    def _who(self) -> str | None:
        """Who signed; None where nobody did, or one that has ended since (killed: it could not take its name away)."""
        try:
            sign = json.loads(self._holder.read_text("utf-8"))
            holder = Holder(*(sign[each.name] for each in fields(Holder)))
            told = f"{sign['what']}, process {holder.process} on {sign['host']}, since {sign['since']}"
            return None if is_gone(holder) else told
        except (OSError, ValueError, KeyError, TypeError):
            return None
