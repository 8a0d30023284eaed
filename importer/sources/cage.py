"""Cage: what the kernel denies to the process that reads a file, from `bound` and from `shut` on. Reads nothing itself.

Linux on x86-64 and ARM64: a seccomp filter lets some thirty harmless system calls through and refuses all others with
EPERM: no file, socket, process or thread comes to be, no limit is raised, no memory becomes code, nothing is written but to
standard output and standard error, no signal goes to another process. It holds for root too, which also loses its
capabilities. Elsewhere the limits of `setrlimit` are what there is: macOS has no limit on memory, Windows none at all, and root
can raise them again.

The filter is made here rather than by libseccomp: Python's packages for it need that C library installed on the
machine, and what it adds is filters for every processor; ours is a list of numbers, and two processors are enough.
"""

import os
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

DENIED = 1  # EPERM, on every Linux
ALLOW, REFUSE, KILL = 0x7FFF_0000, 0x0005_0000 | DENIED, 0x8000_0000  # what a filter returns: linux/seccomp.h

# One instruction of a filter is (code, jump if true, jump if false, constant): linux/bpf_common.h
Instruction = tuple[int, int, int, int]
_LOAD, _EQUALS, _HAS_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER_AT, _PROCESSOR_AT, _ARGUMENTS_AT = 0, 4, 16  # struct seccomp_data; arguments have 8 bytes, the lower half first

_EXECUTABLE = 4  # PROT_EXEC
_MODE_FILTER, _ALL_THREADS = 1, 1

_MOST_OPEN = 65_536  # so many descriptors are closed, however many might be open: nothing but this process opens any


_PROCESSORS = {"x86_64": (0, 0xC000_003E), "aarch64": (1, 0xC000_00B7)}
"""Which of a call's two numbers is meant, and AUDIT_ARCH_…: a call made in another mode of the processor has other numbers."""

_Numbers = tuple[int, int]  # of a system call on x86-64 and ARM64: asm/unistd.h

HARMLESS: dict[str, _Numbers] = {  # the commonest first: the filter goes through them one by one
    "read": (0, 63),
    "lseek": (8, 62),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "brk": (12, 214),
    "madvise": (28, 233),
    "futex": (202, 98),
    "pread64": (17, 67),
    "readv": (19, 65),
    "fstat": (5, 80),
    "close": (3, 57),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "gettimeofday": (96, 169),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "sched_yield": (24, 124),
    "getrandom": (318, 278),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
CHECKED: dict[str, _Numbers] = {  # allowed only with certain arguments
    "write": (1, 64),
    "writev": (20, 66),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "kill": (62, 129),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
}
_SECCOMP: _Numbers = (317, 277)


def bound(memory_mb: int, cpu_s: int) -> None:
    """From now on: so much more memory than now, so much time of the processor, no file can grow, no core dump."""
    with suppress(ImportError):
        import resource

        now = _address_space()
        if now is not None:
            _limit(resource.RLIMIT_AS, now + memory_mb * 2**20)
        _limit(resource.RLIMIT_CPU, cpu_s, cpu_s + 1)  # were both alike, SIGKILL would come, and not tell its cause
        _limit(resource.RLIMIT_FSIZE, 0)
        _limit(resource.RLIMIT_CORE, 0)


def shut() -> None:
    """From now on: no file, socket or process can be opened or started, and no right be gained. Imports fail too.

    Nothing but the standard streams stays open. Takes what the system has, and says nothing of what it lacks.
    """
    if sys.platform == "linux":
        libc = _give_up_rights()
        _open_nothing()
        _filter_calls(libc)
    elif sys.platform != "win32":
        _open_nothing()


def _limit(which: int, soft: int, hard: int | None = None) -> None:
    import resource

    with suppress(ValueError, OSError):  # a lower hard limit holds already
        resource.setrlimit(which, (soft, soft if hard is None else hard))


def _address_space() -> int | None:
    """Bytes that this process has mapped, or None where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - pathlib is not needed otherwise
            return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def _open_nothing() -> None:
    import resource

    os.closerange(3, min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], _MOST_OPEN))
    _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_NOFILE, 0)  # the standard streams stay open


def _give_up_rights() -> "ctypes.CDLL":
    """No set-uid program helps, no other process of the user may look in, and root has nothing more to say than others."""
    import ctypes

    set_dumpable, drop_from_bounding_set, no_new_privs = 4, 24, 38  # linux/prctl.h
    libc = ctypes.CDLL(None)
    libc.prctl(no_new_privs, 1, 0, 0, 0)
    libc.prctl(set_dumpable, 0, 0, 0, 0)
    for capability in range(64):
        libc.prctl(drop_from_bounding_set, capability, 0, 0, 0)
    # Version 3 of the call, this process; then twice the words of what is effective, permitted and inheritable
    libc.capset(struct.pack("<Ii", 0x2008_0522, 0), bytes(24))
    return libc


def _filter_calls(libc: "ctypes.CDLL") -> None:
    import ctypes

    machine = os.uname().machine
    if machine not in _PROCESSORS or sys.maxsize < 2**32:
        return
    code = b"".join(struct.pack("<HBBI", *each) for each in program(machine, os.getpid()))
    instructions = ctypes.create_string_buffer(code, len(code))
    filter_ = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    libc.syscall(_SECCOMP[_PROCESSORS[machine][0]], _MODE_FILTER, _ALL_THREADS, filter_)


def program(machine: str, pid: int) -> list[Instruction]:
    """The filter. Every call that it does not name is refused, and so are those that Linux will yet invent."""
    which, processor = _PROCESSORS[machine]
    code: list[Instruction] = [(_LOAD, 0, 0, _PROCESSOR_AT), (_EQUALS, 1, 0, processor), (_RETURN, 0, 0, KILL)]
    code.append((_LOAD, 0, 0, _NUMBER_AT))
    for numbers in HARMLESS.values():
        code += _rule(numbers[which], [])
    checks = _checks(pid)
    for name, numbers in CHECKED.items():
        code += _rule(numbers[which], checks[name])
    return [*code, (_RETURN, 0, 0, REFUSE)]


def _checks(pid: int) -> dict[str, list[Instruction]]:
    """The conditions of each call. Where they hold, the last of them goes on to the next instruction, else to the one after it."""
    to_parent = [(_LOAD, 0, 0, _argument(0)), (_EQUALS, 1, 0, 1), (_EQUALS, 0, 1, 2)]
    no_code = [(_LOAD, 0, 0, _argument(2)), (_HAS_BITS, 1, 0, _EXECUTABLE)]
    to_itself = [(_LOAD, 0, 0, _argument(0)), (_EQUALS, 0, 1, pid)]
    asks = [  # about this process (0), and sets nothing: the address of the new limit, in two halves, is 0
        *((_LOAD, 0, 0, _argument(0)), (_EQUALS, 0, 5, 0)),
        *((_LOAD, 0, 0, _argument(2)), (_EQUALS, 0, 3, 0)),
        *((_LOAD, 0, 0, _argument(2) + 4), (_EQUALS, 0, 1, 0)),
    ]
    return {
        **dict.fromkeys(("write", "writev"), to_parent),
        **dict.fromkeys(("mmap", "mprotect"), no_code),
        **dict.fromkeys(("kill", "tgkill"), to_itself),
        "prlimit64": asks,
    }


def _rule(number: int, checks: Sequence[Instruction]) -> list[Instruction]:
    """Allows the call of this number where its checks hold."""
    ends = [(_RETURN, 0, 0, ALLOW)] + ([(_RETURN, 0, 0, REFUSE)] if checks else [])
    return [(_EQUALS, 0, len(checks) + len(ends), number), *checks, *ends]


def _argument(number: int) -> int:
    return _ARGUMENTS_AT + 8 * number
