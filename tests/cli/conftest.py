"""The command line as a user's process: its own state folder, no credentials but those given."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.harness.scene import clean_environment
from tests.harness.warm import Order, Warm, warm

TIMEOUT_S = 120


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        body: dict[str, Any] = json.loads(self.out)
        return body


@dataclass
class Shell:
    """Runs `importer …` in a folder of its own, a process each time: forked from one that has everything loaded, or a fresh one."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    umask: int = 0o022
    processes: Warm | None = None

    def __call__(self, *arguments: str | Path, stdin: str = "") -> Ended:
        argv = [*map(str, arguments)]
        environment = {"IMPORTER_STATE_DIR": str(self.folder / "state"), **self.environment}
        if self.processes is None:
            return self._fresh(argv, environment, stdin)
        with tempfile.TemporaryDirectory() as place:
            output, given = Path(place), Path(place, "in")
            given.write_text(stdin, "utf-8")
            order = Order(argv, self.folder, environment, umask=self.umask, output=output, input=given)
            code = self.processes.ends(order)
            return Ended(code, (output / "out").read_text("utf-8"), (output / "err").read_text("utf-8"))

    def _fresh(self, argv: list[str], environment: dict[str, str], stdin: str) -> Ended:
        command = [sys.executable, "-m", "importer.cli", *argv]
        ended = subprocess.run(
            command, cwd=self.folder, env=clean_environment() | environment, input=stdin, capture_output=True,
            text=True, timeout=TIMEOUT_S, check=False, umask=self.umask,
        )  # fmt: skip
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def file(self, name: str, *lines: str) -> Path:
        """A CSV file in the folder."""
        path = self.folder / name
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path


@pytest.fixture(scope="session")
def processes() -> Iterator[Warm]:
    """What all shells of a session fork their commands from."""
    with warm() as running:
        yield running


@pytest.fixture
def importer(tmp_path: Path, processes: Warm) -> Shell:
    """The command line in a folder of this test."""
    return Shell(tmp_path, processes=processes)
