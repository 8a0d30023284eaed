"""Everything that the importer makes is its owner's alone, whatever the umask: files 0600, folders 0700."""

import json
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.harness.bench import World, external_ids
from tests.harness.scene import clean_environment, write_rows
from tests.harness.trace import missing
from tests.harness.warm import Order, Warm

ROWS = 3
CREATING = "openat,open,creat,mkdir,mkdirat"
OUR_FILES = ("tasks.csv", "more.csv", "out", "err")
"""What the tests themselves put into the folder."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who runs the importer under an umask, with state and output in folders that are not there yet."""

    folder: Path
    world: World
    warm: Warm
    umask: int

    @property
    def environment(self) -> dict[str, str]:
        """What the importer is told."""
        told = self.world.environment(self.folder / "a" / "state")
        return told | {"IMPORTER_OUT": str(self.folder / "b" / "reports")}

    def has(self, name: str) -> None:
        """Puts a file of rows into the folder."""
        write_rows(self.folder / name, external_ids(f"{self.folder.name}-{name}-", ROWS))

    def runs(self, *argv: str) -> dict[str, Any]:
        """The JSON object of a command that ends well."""
        order = Order((*argv, "--format", "json"), self.folder, self.environment, umask=self.umask)
        assert self.warm.ends(order) == 0, (self.folder / "err").read_text("utf-8")
        body: dict[str, Any] = json.loads((self.folder / "out").read_text("utf-8"))
        return body


@pytest.fixture(params=[0o000, 0o022], ids=["umask 000", "umask 022"])
def person(request: pytest.FixtureRequest, tmp_path: Path, world: World, warmed: Warm) -> Person:
    """Somebody with an open umask, somebody with the usual one."""
    return Person(tmp_path, world, warmed, request.param)


def made(folder: Path) -> dict[str, str]:
    """Modes of all that is below a folder but what the tests put there."""
    found = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if name not in OUR_FILES:
            mode = path.lstat().st_mode
            found[name] = f"{'folder' if stat.S_ISDIR(mode) else 'file'} {stat.S_IMODE(mode):04o}"
    return found


def loose(modes: dict[str, str]) -> dict[str, str]:
    """Those that others may look into."""
    return {name: mode for name, mode in modes.items() if mode not in ("file 0600", "folder 0700")}


def test_file_modes_of_all_commands_are_private(person: Person) -> None:
    """Ledger, pace, plan, logs, locks and reports of preview, run, report and resume are their owner's alone."""
    person.has("tasks.csv")
    person.has("more.csv")
    plan = person.runs("preview", "tasks.csv")["plan"]
    run = person.runs("run", plan, "--track", "created")["run"]
    person.runs("run", "more.csv", "--yes", "--track", "none")
    person.runs("report", run, "--results", "xlsx,json,csv")
    person.runs("resume")
    modes = made(person.folder)
    assert {".sqlite", ".plan", ".jsonl", ".lock", ".xlsx", ".json", ".csv"} <= {Path(name).suffix for name in modes}
    assert loose(modes) == {}


def test_file_modes_of_a_sandbox_are_private(person: Person) -> None:
    """The world file, its lock and the log of the sandbox that a command starts are their owner's alone."""
    person.has("tasks.csv")
    person.runs("run", "tasks.csv", "--yes", "--track", "none", "--sandbox")
    modes = made(person.folder)
    assert {"world.jsonl", "sandbox.log"} <= {Path(name).name for name in modes}
    assert loose(modes) == {}


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_file_modes_are_private_from_the_first_moment(person: Person) -> None:
    """No file is made with a wider mode and narrowed later, temporary ones and SQLite's -wal and -shm included."""
    person.has("tasks.csv")
    log = person.folder / "trace"
    command = ["strace", "-f", "-y", "-o", str(log), "-e", f"trace={CREATING}", "-e", "signal=none", sys.executable]
    command += ["-c", "from importer.cli import main; main()", "run", "tasks.csv", "--yes", "--track", "none"]
    environment = clean_environment() | person.environment
    subprocess.run(
        command, cwd=person.folder, env=environment, umask=person.umask, capture_output=True, check=True, timeout=120
    )
    asked = created(log, person.folder)
    assert {"ledger.sqlite-wal", "ledger.sqlite-shm"} <= {Path(name).name for name in asked}
    assert any("/run-" in name and name.endswith(".tmp") for name in asked)
    assert {name: f"{mode:04o}" for name, mode in asked.items() if mode & ~person.umask & 0o077} == {}


def created(log: Path, folder: Path) -> dict[str, int]:
    """The modes that were asked for when files and folders below `folder` were made, by name."""
    found: dict[str, int] = {}
    for line in log.read_text("utf-8").splitlines():
        succeeded = "(" in line and '"' in line and ") = -1" not in line
        if succeeded and str(folder) in line and ("O_CREAT" in line or "mkdir" in line):
            name = line.split('"')[1]
            if "__pycache__" not in name:  # Python's own
                found.setdefault(name, int(line.rsplit(") ", 1)[0].rsplit(", ", 1)[1], 8))  # later ones find it
    return found


def test_file_modes_of_what_was_there_are_kept(person: Person) -> None:
    """An output folder that others may look into already stays as it was: it is not the importer's."""
    shared = person.folder / "b" / "reports"
    shared.mkdir(parents=True)
    shared.chmod(0o755)
    person.has("tasks.csv")
    person.runs("run", "tasks.csv", "--yes", "--track", "none")
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755
    assert loose(made(shared)) == {}
