"""Lock: one submission at a time per ledger and OAuth client. The kernel lets go of a dead holder's lock."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from importer.core.errors import AlreadyRunning
from importer.folders import private_folder


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
        """Raises AlreadyRunning at once where another process holds it."""
        try:
            self._lock.acquire()
        except Timeout:
            raise AlreadyRunning(f"{self._taken}: {self._who()}.", self._fix) from None
        try:
            self._sign(what)
            yield
        finally:
            self._lock.release()

    def _sign(self, what: str) -> None:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {"process": os.getpid(), "host": socket.gethostname(), "what": what, "since": since}
        handle = os.open(self._holder, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(holder, file)

    def _who(self) -> str:
        try:
            holder = json.loads(self._holder.read_text("utf-8"))
            return f"{holder['what']}, process {holder['process']} on {holder['host']}, since {holder['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "its holder did not sign"
