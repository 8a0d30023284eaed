"""Folders and files of our own: nobody else may look into them, whatever the umask."""

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
