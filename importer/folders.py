"""Folders and files of our own: nobody else may look into them, whatever the umask."""

import errno
import os
from pathlib import Path


def private_folder(folder: Path) -> None:
    """Makes the folder, and those above it that are missing, with mode 0700. Raises OSError."""
    for each in (*reversed(folder.parents), folder):
        if not each.exists():
            each.mkdir(mode=0o700, exist_ok=True)  # with `parents` those above it would get the umask's mode
            each.chmod(0o700)  # an umask may have taken from the owner, too
    folder.mkdir(exist_ok=True)  # raises where something else stands there


def private_opener(path: str, flags: int) -> int:
    """For `open`: a file that is made has mode 0600."""
    return os.open(path, flags, 0o600)


def private_file(path: Path) -> None:
    """Makes an empty file of mode 0600 where there is none. Raises OSError, also for a link and for a file that may not be written.

    A file that is there is never opened: closing it would end the locks that SQLite holds on it in this process, and another
    process would then take the -wal from under it.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None
        if path.is_dir():
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path)) from None
        if not os.access(path, os.R_OK | os.W_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(path)) from None


def put_whole(path: Path, content: bytes) -> None:
    """A file of mode 0600 that has this content or is not there, whenever the machine stops. Raises OSError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with open(beside, "wb", opener=private_opener) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes renames in a folder durable, where folders can be synced (not on Windows)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
