"""Reserve: space on the disk that is given up when it is full, so that answers of calls under way can still be recorded."""

import os
from contextlib import suppress
from pathlib import Path

BYTES = 1024 * 1024
"""Some 250 pages of the ledger: more than a hundred calls in flight need."""


class Reserve:
    """A file beside the ledger that holds nothing but space."""

    def __init__(self, ledger: Path) -> None:
        self.path = ledger.with_name(ledger.stem + ".reserve")

    def lay_by(self) -> None:
        """Takes the space, if it is not taken already. Raises OSError where the disk has none."""
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            missing = BYTES - os.fstat(handle).st_size
            if missing > 0:
                os.pwrite(
                    handle, b"\xa5" * missing, BYTES - missing
                )  # written, for file systems that would only promise it
                os.fsync(handle)
        except OSError:
            os.ftruncate(handle, 0)
            raise
        finally:
            os.close(handle)

    def give_up(self) -> bool:
        """Frees the space; whether there was any."""
        with suppress(OSError):
            self.path.unlink()
            return True
        return False
