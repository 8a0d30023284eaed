"""share: whether a folder lies on a network share, where the locks of a ledger do not hold. Reads the system's table of mounts."""

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
SHARES = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "ncpfs",
        "ceph",
        "glusterfs",
        "lustre",
        "fuse.sshfs",
        "fuse.rclone",
    }
)


def share_of(folder: Path) -> str | None:
    """The kind of share that a folder lies on; None on a disk of this machine, and where the system does not tell."""
    try:
        return kind_of(Path(os.path.realpath(folder)), MOUNTS.read_text("utf-8", "surrogateescape"))
    except OSError:
        return None


def kind_of(path: Path, mounts: str) -> str | None:
    """The kind of share of the mount that an absolute path lies in, by a table such as /proc/self/mounts."""
    found = ""
    at = Path("/")
    for line in mounts.splitlines():
        _, point, kind, *_ = [*line.split(" "), "", "", ""]
        mounted = Path(_plain(point) or "/")
        if path.is_relative_to(mounted) and mounted.is_relative_to(at):  # of two on one point the later one counts
            at, found = mounted, kind
    return found if found in SHARES else None


def _plain(point: str) -> str:
    """White space and backslashes are written in octal there."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point)
