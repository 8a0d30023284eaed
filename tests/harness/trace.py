"""Trace: an importer under strace, which sees its system calls and can make them fail."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.harness.bench import Place


def missing() -> str:
    """Why nothing can be traced here; nothing, if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"strace may not trace: {tried.stderr.strip().splitlines()[-1:]}"


def traced(place: Place, argv: Sequence[str], *options: str) -> int:
    """Runs a command under strace from its first call to its end; its exit code. `place.log` is whole by then."""
    process = place.warm.start(place.order(*argv))
    command = ["strace", "-f", "-y", "-s", "0", "-o", str(place.log), "-p", str(process), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        greeting = tracer.stderr.readline()
        assert "attached" in greeting, greeting
        place.warm.go()
        code = place.warm.ended()
        tracer.communicate(timeout=60)
    return code


def begun(log: Path) -> Iterator[tuple[str, str, str]]:
    """Thread, call and path of each call that strace saw begin."""
    for line in log.read_text("utf-8", "replace").splitlines():
        found = re.match(r"(\d+) +(\w+)\((?:\d+<(.*?)>)?", line)
        if found:
            yield found[1], found[2], found[3] or ""


def fault(call: str, error: str, when: str, *paths: Path) -> list[str]:
    """Options: the calls of this name, on these files if any are given, fail. `when` is `3`, `3+` or `3..5`, per thread."""
    options = ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}"]
    return options + [word for path in paths for word in ("-P", str(path))]


def injected(log: Path) -> int:
    """How many calls were made to fail."""
    return log.read_text("utf-8", "replace").count("(INJECTED)")


def calls_of(script: str, argument: Path, log: Path, *names: str) -> list[tuple[str, str]]:
    """Name and path of each of these calls that a Python script makes, in order; it gets one argument."""
    wanted = ["strace", "-f", "-y", "-s", "0", "-o", str(log), "-e", f"trace={','.join(names)}"]
    subprocess.run([*wanted, sys.executable, "-B", "-c", script, str(argument)], check=True, timeout=120)
    return [(call, path) for _, call, path in begun(log)]
