"""Nursery: a process that has loaded the libraries, and forks a fresh pytest for each order on its standard input.

Loading them takes longer than most tests. Of the importer it loads nothing: each child reads that anew.
"""

import importlib
import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any

LIBRARIES = (
    "pytest", "_pytest.pytester_assertions", "_pytest.junitxml", "_pytest.legacypath", "hypothesis.stateful", "pytest_asyncio.plugin",
    "_hypothesis_pytestplugin", "aiohttp.web", "aiolimiter", "charset_normalizer", "defusedxml.ElementTree", "filelock", "jsonschema",
    "openpyxl", "pandas", "platformdirs", "pydantic", "python_calamine", "rapidfuzz", "rich.console", "structlog", "trustme",
    "typer", "xlsxwriter", "yarl", "zoneinfo",
)  # fmt: skip


def main() -> int:
    """Serves until standard input ends: answers each order with the child's number, then with its exit code."""
    for name in LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _work(order)
        _say(child)
        _say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return 0


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _work(order: dict[str, Any]) -> None:
    """The child: one run of pytest in a session of its own."""
    import pytest

    code = 3
    try:
        os.setsid()
        signal.alarm(order["seconds"])  # should nobody be left to end it
        nothing = os.open(os.devnull, os.O_RDONLY)
        said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for ours, theirs in ((nothing, 0), (said, 1), (said, 2)):
            os.dup2(ours, theirs)
        code = int(pytest.main(order["arguments"]))
        sys.stdout.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
