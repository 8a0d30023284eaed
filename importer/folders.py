"""Folders and files of our own: nobody else may look into them, whatever the umask."""

import os
from pathlib import Path
from typing import BinaryIO


def private_folder(folder: Path) -> None:
    """Makes the folder, and those above it that are missing, with mode 0700. Raises OSError."""
    for each in (*reversed(folder.parents), folder):
        if not each.exists():
            each.mkdir(mode=0o700, exist_ok=True)  # with `parents` those above it would get the umask's mode
            each.chmod(0o700)  # an umask may have taken from the owner, too
    folder.mkdir(exist_ok=True)  # raises where something else stands there


def private_file(path: Path) -> BinaryIO:
    """A new or emptied file to write to, with mode 0600 from its first moment. Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o600)
    return os.fdopen(handle, "wb")
