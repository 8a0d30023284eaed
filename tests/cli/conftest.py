"""The command line as a user's process: its own state folder, no credentials but those given."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

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
    """Runs `importer …` in a folder of its own."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    umask: int = 0o022

    def __call__(self, *arguments: str | Path, stdin: str = "") -> Ended:
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("GENESYS", "IMPORTER"))}
        command = [sys.executable, "-m", "importer.cli", *map(str, arguments)]
        state = {"IMPORTER_STATE_DIR": str(self.folder / "state")}
        ended = subprocess.run(
            command, cwd=self.folder, env={**plain, **state, **self.environment}, input=stdin, capture_output=True,
            text=True, timeout=TIMEOUT_S, check=False, umask=self.umask,
        )  # fmt: skip
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def file(self, name: str, *lines: str) -> Path:
        """A CSV file in the folder."""
        path = self.folder / name
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path


@pytest.fixture
def importer(tmp_path: Path) -> Shell:
    """The command line in a folder of this test."""
    return Shell(tmp_path)
