"""Power: a disk whose power can be cut, an ext4 file system on a loop file. What was not synced by then is gone.

The cut is ext4's own shutdown ioctl without a flush of its journal, as its crash tests use it: from then on every call
fails with EIO, and after mounting again only what had reached the disk is there.
"""

import fcntl
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SHUTDOWN = 0x8004587D
NO_FLUSH = 2
BYTES = 64 * 1024 * 1024
TRIES = 100
"""How often to try again, 20 ms apart, while the kernel or a dying process still holds the disk."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A mounted disk."""

    image: Path
    folder: Path  # its root

    def power_fails(self) -> None:
        """Nothing more is written, and what was not synced is lost. Programs get EIO."""
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, SHUTDOWN, struct.pack("I", NO_FLUSH))
        finally:
            os.close(handle)

    def power_returns(self) -> None:
        """The disk as it is after a cut; no program may have a file open on it."""
        _unmount(self.folder)
        _mount(self.image, self.folder)


def missing() -> str:
    """Why there is no such disk here; nothing, if there is."""
    if os.geteuid() != 0:
        return "only root may mount"
    if not Path("/dev/loop-control").exists():
        return "there is no loop device"
    absent = [name for name in ("mkfs.ext4", "mount", "umount") if shutil.which(name) is None]
    return f"{', '.join(absent)} is not installed" if absent else ""


@contextmanager
def disk(folder: Path) -> Iterator[Disk]:
    """A fresh disk, mounted in `folder`; gone with the block."""
    made = Disk(folder / "disk.img", folder / "disk")
    made.folder.mkdir()
    with made.image.open("wb") as file:
        file.truncate(BYTES)
    options = "lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    subprocess.run(["mkfs.ext4", "-q", "-F", "-E", options, str(made.image)], check=True)
    _mount(made.image, made.folder)
    try:
        yield made
    finally:
        _unmount(made.folder)
        made.image.unlink()


def _mount(image: Path, folder: Path) -> None:
    # Without `noauto_da_alloc` ext4 itself syncs a file that is renamed over another: other file systems do not.
    subprocess.run(["mount", "-o", "loop,noatime,noauto_da_alloc", str(image), str(folder)], check=True)


def _unmount(folder: Path) -> None:
    for _ in range(TRIES):
        done = subprocess.run(["umount", str(folder)], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        time.sleep(0.02)
    subprocess.run(["umount", "--lazy", str(folder)], check=False)
    raise OSError(f"the disk is held: {done.stderr}")
