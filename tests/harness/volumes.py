"""Volumes: small disks that fill up, and folders that cannot be written. For root alone."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

BLOCK = 4096


def missing() -> str:
    """Why nothing can be mounted here; nothing, if it can."""
    return "" if os.geteuid() == 0 else "only root may mount"


@dataclass(frozen=True, slots=True)
class Volume:
    """A small disk in memory."""

    folder: Path

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def fills_up(self, leaving: int = 0) -> None:
        """Something else takes all the space but so many bytes."""
        with self._filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * BLOCK)
        size = self._filler.stat().st_size
        os.truncate(self._filler, max(0, size - leaving))

    def has_room(self) -> None:
        """There is space again."""
        self._filler.unlink()


@contextmanager
def volume(folder: Path, size: int) -> Iterator[Volume]:
    """A disk of so many bytes, mounted in a new `folder`."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)], check=True)
    try:
        yield Volume(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@dataclass(frozen=True, slots=True)
class Shelf:
    """A folder that others may make read-only."""

    folder: Path

    def turns_read_only(self) -> None:
        """Nothing can be written to it any more, by root neither."""
        subprocess.run(["mount", "-o", "remount,ro,bind", str(self.folder)], check=True)


@contextmanager
def shelf(folder: Path) -> Iterator[Shelf]:
    """A new folder, writable at first."""
    folder.mkdir()
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    try:
        yield Shelf(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
