"""Counter: a number outside the ledger that grows with it, so that an older copy put in its place is noticed."""

import errno
import os
from pathlib import Path

WIDTH = 20
UNREADABLE: int = 10**WIDTH
"""What a counter that cannot be read counts as: the ledger's age cannot be told then."""


class Counter:
    """The file beside the ledger. It is written after each commit, so it is never ahead of the ledger that it belongs to."""

    def __init__(self, ledger: Path) -> None:
        self.path = ledger.with_name(ledger.stem + ".counter")
        self._file: int | None = None

    @property
    def exists(self) -> bool:
        """Whether there was a ledger here before."""
        return self.path.exists()

    def value(self) -> int | None:
        """The highest number seen; None where there is no counter. Raises OSError where there is no handle to read it."""
        try:
            text: bytes = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as problem:
            if problem.errno in (errno.EMFILE, errno.ENFILE):
                raise  # that says nothing of the file
            return UNREADABLE
        if not text:
            return None  # its maker died before the first number was in it
        whole = text.strip().isdigit() and len(text) <= WIDTH + 1
        if not whole:
            return UNREADABLE
        return int(text)

    def raise_to(self, value: int) -> None:
        """Writes the number unless a higher one stands there: an older copy does not become the newest by being written to."""
        known = self.value()
        if known is None or known < value:
            self.tell(value)

    def tell(self, value: int, *, durable: bool = False) -> None:
        """Writes the number. Raises OSError. `durable`: it is on disk when this returns."""
        if self._file is None:
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        os.pwrite(self._file, f"{value:0{WIDTH}}\n".encode(), 0)
        if durable:
            os.fsync(self._file)

    def close(self) -> None:
        """Lets the file go."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
