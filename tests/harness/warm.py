"""Warm: importer processes that need no second for their imports, forked from a process that has made them.

Each is a process of its own: it runs the command line's `main` with the arguments given, has its own files, threads and
exit, and can be traced and killed as any other. Run as a program, this module is the process that forks; it takes
orders as JSON lines and answers each with one:

    {"argv": [...], "env": {...}, "cwd": "...", "in": "...", "out": "...", "err": "...", "limits": {"RLIMIT_NOFILE": 40}, "umask": 18}
                                    -> {"pid": ...}   the child waits, so that it can be traced
    "go"                            -> {"status": ...}   as os.waitpid gives it, once the child is gone
"""

import contextlib
import importlib
import json
import os
import pkgutil
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEAVY = (
    "aiohttp",
    "pandas",
    "xlsxwriter",
    "structlog",
    "filelock",
    "rich.table",
    "platformdirs",
    "charset_normalizer",
    "tests.harness.prepared",
)
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Order:
    """A command of the importer to be run."""

    argv: Sequence[str]
    folder: Path  # it works here
    environment: Mapping[str, str]
    limits: Mapping[str, int] = field(default_factory=dict)  # names of the resource module
    umask: int = 0o022
    output: Path | None = None  # the folder of `out` and `err`, where it is not the one that it works in
    input: Path | None = None  # what it reads on its standard input; nothing, where nothing is said

    def record(self) -> str:
        """As a JSON line."""
        body: dict[str, Any] = {
            "umask": self.umask,
            "argv": list(self.argv),
            "env": dict(self.environment),
            "cwd": str(self.folder),
        }
        output = self.output or self.folder
        body |= {"out": str(output / "out"), "err": str(output / "err"), "limits": dict(self.limits)}
        body["in"] = str(self.input or os.devnull)
        return json.dumps(body) + "\n"


class Warm:
    """The parent's end. One child at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._answer()  # it is ready

    def start(self, order: Order) -> int:
        """Forks a child that waits for `go`; its process ID."""
        return int(self._say(order.record())["pid"])

    def go(self) -> None:
        """Lets the child run. `ended` must be called after it."""
        assert self._process.stdin is not None
        self._process.stdin.write('"go"\n')
        self._process.stdin.flush()

    def ended(self) -> int:
        """Waits for the child's end: its exit code, or minus the signal that killed it."""
        return os.waitstatus_to_exitcode(int(self._answer()["status"]))

    def ends(self, order: Order) -> int:
        """Runs a command to its end."""
        self.start(order)
        self.go()
        return self.ended()

    def _say(self, line: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the warm process ended"
        return json.loads(line)


@contextlib.contextmanager
def warm() -> Iterator[Warm]:
    """A warm process that ends with the block, and its child with it."""
    # Threads of a linear algebra library would not survive the fork.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.harness.warm"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT, env=environment) as process:
        try:
            yield Warm(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(60)


def alive(process: int) -> bool:
    """Whether a child that was started is still there."""
    return Path(f"/proc/{process}").exists()


def main() -> None:
    """The process that forks."""
    _warm_up()
    _tell(ready=os.getpid())
    for line in sys.stdin:
        _carry_out(json.loads(line))


def _warm_up() -> None:
    import importer

    for module in pkgutil.walk_packages(importer.__path__, "importer."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in HEAVY:
        importlib.import_module(name)


def _carry_out(order: dict[str, Any]) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        _live(order, read)
    os.close(read)
    _tell(pid=child)
    try:
        if sys.stdin.readline().strip() == '"go"':
            os.write(write, b"g")
    finally:
        os.close(write)  # without a `go` the child ends by itself
    _tell(status=os.waitpid(child, 0)[1])


def _tell(**words: int) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def _live(order: dict[str, Any], read: int) -> None:
    """The child: waits, then is an importer. Does not return."""
    if os.read(read, 1) != b"g":
        os._exit(0)
    os.close(read)
    os.chdir(order["cwd"])
    os.umask(order["umask"])
    for name in [name for name in os.environ if name.startswith(("GENESYS", "IMPORTER_"))]:
        del os.environ[name]
    os.environ.update(order["env"])
    time.tzset()
    given = os.open(order["in"], os.O_RDONLY)
    out, err = (os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) for name in ("out", "err"))
    for number, handle in enumerate((given, out, err)):
        os.dup2(handle, number)
        os.close(handle)
    for name, most in order["limits"].items():
        resource.setrlimit(getattr(resource, name), (most, most))
    sys.argv = ["importer", *order["argv"]]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from importer.cli import main as importer_main

    code: object = 1
    try:
        importer_main()
    except SystemExit as end:
        code = end.code
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    main()
