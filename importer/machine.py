"""Machine: this machine, its start, and this process, told apart from any other, and whether another process is gone. Linux tells most."""

import importlib
import os
import socket
import sys
from pathlib import Path

from importer.core.lease import Holder

PROC = Path("/proc")


def machine() -> str:
    """What names this machine; a blank where nothing does (a container without an ID), and then it is not compared."""
    for path in (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id")):
        found = _read(path)
        if found:
            return found
    return "" if sys.platform == "linux" else socket.gethostname()


def login() -> tuple[str, str]:
    """Whose process this is, and how that is known: the name that the system's database has for the user's number.

    Never from $USER or $LOGNAME, which anybody may set.
    """
    if sys.platform == "win32":
        import ctypes

        size = ctypes.c_ulong(257)
        name = ctypes.create_unicode_buffer(size.value)
        known = ctypes.windll.advapi32.GetUserNameW(name, ctypes.byref(size))
        return (name.value, "login of Windows") if known else ("unknown", "")
    uid = os.getuid()
    try:
        return str(importlib.import_module("pwd").getpwuid(uid).pw_name), f"uid {uid}"
    except KeyError:  # a container may run under a number that has no name
        return f"uid {uid}", f"uid {uid}"


def boot() -> str:
    """What names the system's present start; a blank where nothing does."""
    return _read(PROC / "sys/kernel/random/boot_id")


def myself() -> Holder:
    """This process."""
    return Holder(boot(), _space(), os.getpid(), _started(os.getpid()))


def is_gone(holder: Holder) -> bool:
    """Whether a holder's process has surely ended. False where that cannot be told: then its lease must run out."""
    me = myself()
    if not holder.boot or holder.boot != me.boot or holder.space != me.space:
        return False
    try:
        os.kill(holder.process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return bool(holder.started) and _started(holder.process) != holder.started


def _space() -> str:
    try:
        return str((PROC / "self/ns/pid").readlink())
    except OSError:
        return ""


def _started(process: int) -> str:
    """When the process began, in the kernel's ticks; proc(5), field 22 of stat. Its name may hold blanks and brackets."""
    fields = _read(PROC / str(process) / "stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
