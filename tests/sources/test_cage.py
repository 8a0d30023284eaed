"""The cage: what the kernel denies to a reader that a hostile file has taken over, also where it is root."""

import errno
import os
import re
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.core.rows import Line, Row
from importer.sources import cage
from importer.sources.reader import open_source

from .conftest import Program, children

Make = Callable[[str], Program]

filtered = pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine not in ("x86_64", "aarch64"),
    reason="calls are filtered on Linux, on x86-64 and ARM64",
)
root_only = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become nobody")

USERS = [
    pytest.param("", id="as who runs the tests"),
    pytest.param("os.setgroups([]); os.setgid(65534); os.setuid(65534)", id="as nobody", marks=root_only),
]

_ACTS = """
    import errno, resource, signal, struct, platform
    libc = ctypes.CDLL(None, use_errno=True)
    call = libc.syscall
    arm = platform.machine() == "aarch64"
    path, text = ctypes.c_char_p(b"/etc/passwd"), ctypes.c_char_p(b"x")
    at = ctypes.c_long(-100)  # AT_FDCWD
    limit = struct.pack("QQ", 2**40, 2**40)
    address = struct.pack("<HHI8x", 2, 0x0900, 0x0100007F)
    parent = os.getppid()
    {become}

    ACTS = {{
        "open": lambda: libc.open(path, 0),
        "open to write": lambda: libc.open(b"importer-was-here", os.O_CREAT | os.O_WRONLY, 0o600),
        "openat": lambda: call(56 if arm else 257, at, path, 0),
        "openat2": lambda: call(437, at, path, bytes(24), 24),
        "open_by_handle_at": lambda: call(265 if arm else 304, 0, bytes(16), 0),
        "socket": lambda: libc.socket(2, 1, 0),
        "socketpair": lambda: libc.socketpair(1, 1, 0, bytes(8)),
        "connect": lambda: libc.connect(0, address, 16),
        "sendto": lambda: libc.sendto(1, b"x", 1, 0, address, 16),
        "sendmsg": lambda: libc.sendmsg(1, bytes(56), 0),
        "memfd_create": lambda: call(279 if arm else 319, text, 0),
        "pipe": lambda: libc.pipe(bytes(8)),
        "dup": lambda: libc.dup(0),
        "eventfd": lambda: libc.eventfd(0, 0),
        "epoll_create": lambda: libc.epoll_create1(0),
        "io_uring_setup": lambda: call(425, 8, bytes(120)),
        "io_uring_enter": lambda: call(426, 0, 1, 0, 0, None, 0),
        "pidfd_open": lambda: call(434, parent, 0),
        "pidfd_getfd": lambda: call(438, 0, 0, 0),
        "execve": lambda: libc.execve(b"/bin/true", None, None),
        "execveat": lambda: call(281 if arm else 322, at, path, None, None, 0),
        "fork": lambda: libc.fork(),
        "vfork by clone": lambda: call(220 if arm else 56, 17, 0, 0, 0, 0),
        "thread by clone": lambda: call(220 if arm else 56, 0x10F00, 0, 0, 0, 0),
        "clone3": lambda: call(435, struct.pack("Q", 0) + bytes(80), 88),
        "ptrace": lambda: libc.ptrace(16, parent, None, None),
        "process_vm_readv": lambda: call(270 if arm else 310, parent, None, 0, None, 0, 0),
        "kill the parent": lambda: libc.kill(parent, 9),
        "kill the group": lambda: libc.kill(0, 9),
        "kill all": lambda: libc.kill(-1, 9),
        "tgkill the parent": lambda: call(131 if arm else 234, parent, parent, 9),
        "rt_sigqueueinfo": lambda: call(138 if arm else 129, parent, 9, bytes(128)),
        "setrlimit": lambda: libc.setrlimit(resource.RLIMIT_NOFILE, limit),
        "prlimit": lambda: libc.prlimit(0, resource.RLIMIT_NOFILE, limit, None),
        "prlimit of the parent": lambda: libc.prlimit(parent, resource.RLIMIT_AS, None, bytes(16)),
        "mount": lambda: libc.mount(b"none", b"/mnt", b"tmpfs", 0, None),
        "unshare": lambda: libc.unshare(0x10000000),
        "setns": lambda: libc.setns(0, 0),
        "chroot": lambda: libc.chroot(b"/"),
        "chmod": lambda: libc.chmod(path, 0o644),
        "rename": lambda: libc.rename(b"/importer-a", b"/importer-b"),
        "unlink": lambda: libc.unlink(b"/importer-a"),
        "ftruncate": lambda: libc.ftruncate(0, 0),
        "fchmod of the file": lambda: libc.fchmod(0, 0o600),
        "ioctl": lambda: libc.ioctl(0, 0x5413, bytes(8)),
        "fcntl": lambda: libc.fcntl(1, 4, 0),
        "sendfile": lambda: libc.sendfile(1, 0, None, 1),
        "splice": lambda: call(76 if arm else 275, 0, None, 1, None, 1, 0),
        "write to the file": lambda: libc.write(0, b"x", 1),
        "prctl": lambda: libc.prctl(4, 1, 0, 0, 0),
        "another filter": lambda: call(277 if arm else 317, 1, 0, bytes(16)),
        "capset": lambda: libc.capset(struct.pack("Ii", 0x20080522, 0), bytes(24)),
        "setuid": lambda: libc.setuid(0),
        "bpf": lambda: call(280 if arm else 321, 0, bytes(128), 128),
        "userfaultfd": lambda: call(282 if arm else 323, 0),
        "perf_event_open": lambda: call(241 if arm else 298, bytes(112), 0, -1, -1, 0),
        "memory that is code": lambda: call(222 if arm else 9, 0, 4096, 7, 0x22, -1, 0),
        "memory that becomes code": lambda: call(226 if arm else 10, 0, 4096, 4),
        "a call in x32": lambda: call(0x40000000 + 2, path, 0),
        "a call of a number that is yet to come": lambda: call(1023),
    }}

    def read(file, options):
        told = []
        for name, act in ACTS.items():
            ctypes.set_errno(0)
            result = act()
            told.append(f"{{name}}: {{result}} {{errno.errorcode.get(ctypes.get_errno(), 0)}}")
        return rows_of(*told)
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text("id,text\n1,a\n", encoding="utf-8")
    return path


def told(table: Path, program: Program) -> list[str]:
    with open_source(table, program=program) as reading:
        return [row.cells[0] for row in reading.rows]


@filtered
@pytest.mark.parametrize("become", USERS)
def test_cage_denies_each_hostile_call_of_native_code(table: Path, program: Make, become: str) -> None:
    """A reader that calls open, socket, fork and their like through ctypes gets EPERM from the kernel, root or not."""
    answers = told(table, program(_ACTS.format(become=become)))
    assert len(answers) > 50
    assert [answer for answer in answers if not answer.endswith(": -1 EPERM")] == []


@filtered
@pytest.mark.parametrize("become", USERS)
def test_cage_stays_shut_when_a_limit_is_raised_first(table: Path, program: Make, become: str) -> None:
    """A reader that first raises its limits, as root may, opens a file no more than before."""
    answers = told(
        table,
        program(f"""
        import resource
        libc = ctypes.CDLL(None, use_errno=True)
        {become}

        def read(file, options):
            limit = struct.pack("QQ", 4096, 4096)
            raised = [libc.setrlimit(7, limit), libc.prlimit(0, 7, limit, None), libc.prlimit(os.getpid(), 7, limit, None)]
            return rows_of(str(raised), str(libc.open(b"/etc/passwd", 0)), str(resource.getrlimit(resource.RLIMIT_NOFILE)))
        """),
    )
    assert answers == ["[-1, -1, -1]", "-1", "(0, 0)"]


@filtered
@pytest.mark.parametrize("become", USERS)
def test_cage_holds_before_the_first_byte_is_parsed(table: Path, program: Make, become: str) -> None:
    """While rows are read the kernel lists the process as filtered, bounded, without rights, closed to others, with one thread."""
    waiting = program(f"""
        import time
        {become}
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # open to the user's other processes, as programs are that never were root
        def rows():
            yield from rows_of(*"x" * 64).rows
            time.sleep(600)
        def read(file, options):
            return Reading(Sheet("csv", None), rows())
        """)
    with open_source(table, program=waiting) as reading:
        assert next(reading.rows).cells == ["x"]
        [child] = children()
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{child}/status").read_text(encoding="ascii").splitlines()
            if ":\t" in line
        )
        limits = Path(f"/proc/{child}/limits").read_text(encoding="ascii")
        owner = Path(f"/proc/{child}/environ").stat().st_uid
    names = ("Seccomp", "NoNewPrivs", "Threads", "CapEff", "CapPrm")
    assert [status[name].strip() for name in names] == ["2", "1", "1", "0" * 16, "0" * 16]
    assert {name: re.findall(r"\d+|unlimited", limits.split(f"Max {name}")[1])[:2] for name in LIMITED} == LIMITED
    assert owner == 0  # what the user's other processes may not look into belongs to root


LIMITED = {
    "cpu time": ["30", "31"],
    "file size": ["0", "0"],
    "core file size": ["0", "0"],
    "open files": ["0", "0"],
    "processes": ["0", "0"],
}


@filtered
def test_cage_lets_a_dying_reader_die_as_itself(table: Path, program: Make) -> None:
    """A signal to itself, with which the C library aborts, is allowed: the parent hears of SIGABRT."""
    from importer.core.errors import FileRefused

    dying = program("def read(file, options):\n    os.abort()\n")
    with pytest.raises(FileRefused, match=r"signal 6"):
        told(table, dying)


@filtered
def test_cage_closes_what_was_left_open(tmp_path: Path, table: Path, program: Make) -> None:
    """A descriptor beyond the three standard streams is closed before the file is read."""
    secret = tmp_path / "secret"
    secret.write_text("canary", encoding="utf-8")
    leaking = program(f"""
        left = os.open({str(secret)!r}, os.O_RDONLY)
        def read(file, options):
            try: return rows_of(str(os.read(left, 6)))
            except OSError as error: return rows_of(str(error.errno))
        """)
    with open_source(table, program=leaking) as reading:
        assert list(reading.rows) == [Row(Line(1), [str(errno.EBADF)])]


# The filter as a program


def verdict(machine: str, number: int, *arguments: int, processor: int | None = None) -> int:
    """What the filter answers to a call of process 4711: the kernel's machine for filters, as far as ours needs it."""
    audit = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine] if processor is None else processor
    data = struct.pack("<IIQ6Q", number, audit, 0, *arguments, *[0] * (6 - len(arguments)))
    at = held = 0
    program = cage.program(machine, 4711)
    while True:
        code, if_true, if_false, constant = program[at]
        match code:
            case 0x06:
                return constant
            case 0x20:
                (held,) = struct.unpack_from("<I", data, constant)
                at += 1
            case 0x15:
                at += 1 + (if_true if held == constant else if_false)
            case 0x45:
                at += 1 + (if_true if held & constant else if_false)
            case _:
                raise AssertionError(code)


MACHINES = [("x86_64", 0), ("aarch64", 1)]


@pytest.mark.parametrize(("machine", "which"), MACHINES)
def test_filter_allows_what_it_names_and_nothing_else(machine: str, which: int) -> None:
    """Of the first 600 calls only those on the list are allowed, those with conditions not without them."""
    allowed = {number for number in range(600) if verdict(machine, number, 99, 99, 4, 99) == cage.ALLOW}
    assert allowed == {numbers[which] for numbers in cage.HARMLESS.values()}


@pytest.mark.parametrize(("machine", "which"), MACHINES)
@pytest.mark.parametrize(
    ("call", "arguments", "allowed"),
    [
        ("write", (0,), False),
        ("write", (1,), True),
        ("write", (2,), True),
        ("writev", (3,), False),
        ("mmap", (0, 4096, 3), True),
        ("mmap", (0, 4096, 7), False),
        ("mprotect", (0, 4096, 1), True),
        ("mprotect", (0, 4096, 4), False),
        ("kill", (4711, 6), True),
        ("kill", (4712, 6), False),
        ("tgkill", (4711, 4711, 6), True),
        ("tgkill", (1, 4711, 6), False),
        ("prlimit64", (0, 7, 0, 1 << 40), True),
        ("prlimit64", (0, 7, 1, 0), False),
        ("prlimit64", (0, 7, 1 << 32, 0), False),
        ("prlimit64", (1, 7, 0, 0), False),
    ],
)
def test_filter_looks_at_the_arguments(
    machine: str, which: int, call: str, arguments: tuple[int, ...], allowed: bool
) -> None:
    """Calls with conditions are allowed within them: to the parent alone, no code, to itself alone, no new limit."""
    expected = cage.ALLOW if allowed else cage.REFUSE
    assert verdict(machine, cage.CHECKED[call][which], *arguments) == expected


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filter_ends_a_process_in_another_mode(machine: str) -> None:
    """A call in the processor's 32-bit mode, whose numbers mean other things, ends the process."""
    assert verdict(machine, 5, processor=0x40000003) == cage.KILL


def test_filter_refuses_x32() -> None:
    """The x32 calls of x86-64, which bear its own mark, are refused."""
    assert {verdict("x86_64", 0x40000000 + number) for number in range(600)} == {cage.REFUSE}


@pytest.mark.parametrize(("header", "which"), [("x86_64-linux-gnu/asm/unistd_64.h", 0), ("asm-generic/unistd.h", 1)])
def test_filter_has_the_numbers_of_the_kernels_headers(header: str, which: int) -> None:
    """The numbers of the calls are those of Linux, where its headers are at hand."""
    path = Path("/usr/include") / header
    if not path.exists():
        pytest.skip(f"{header} is not installed")
    text = path.read_text(encoding="utf-8").replace("__NR3264_", "__NR_")
    numbers = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+)\s+(\d+)", text)}
    assert {name: each[which] for name, each in (cage.HARMLESS | cage.CHECKED).items()} == {
        name: numbers[name] for name in cage.HARMLESS | cage.CHECKED
    }
