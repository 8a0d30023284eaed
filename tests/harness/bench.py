"""Bench: a sandbox process, files to import, and what can be asked of both from outside."""

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness import referee
from tests.harness.scene import clean_environment, write_rows
from tests.harness.warm import Order, Warm

LIFE_S = 0.01
"""Seconds of each state of a task's life in `QUICK`."""
QUICK = "unique = false\nindex_lag_s = 0.05\n[limit]\ncalls = 0\n[life]\n" + "".join(
    f"{state} = [{LIFE_S}, {LIFE_S}]\n"
    for state in ("queued", "assigned", "accepted", "working", "wrapup", "closed", "cancelled")
)
"""A scenario: no uniqueness, a short lag, no limit, tasks that are closed within a moment."""


@dataclass(frozen=True, slots=True)
class World:
    """A sandbox process, by its greeting."""

    greeting: Mapping[str, Any]
    facts: Path  # the journal of what really happened

    def environment(self, state: Path) -> dict[str, str]:
        """What tells an importer where the sandbox is, and where its own state is."""
        return {
            "GENESYS_API_URL": self.greeting["api_url"],
            "GENESYS_LOGIN_URL": self.greeting["login_url"],
            "GENESYS_CLIENT_ID": self.greeting["client_id"],
            "GENESYS_CLIENT_SECRET": self.greeting["client_secret"],
            "IMPORTER_INDEX_LAG": "300ms",
            "IMPORTER_STATE_DIR": str(state),
        }

    def calls(self) -> int:
        """How many calls came in so far."""
        return self.facts.read_bytes().count(b'"kind":"arrived"')

    def tasks(self, prefix: str) -> Counter[str]:
        """How many tasks were made for each external ID that begins so."""
        lines = self.facts.read_bytes().splitlines()
        made = (
            json.loads(line)["external_id"] for line in lines if b'"kind":"committed"' in line and line.endswith(b"}")
        )
        return Counter(name for name in made if name.startswith(prefix))


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with a file to import and a state of its own, in a world that others may use too."""

    folder: Path
    world: World
    warm: Warm
    rows: int
    before: int  # bytes that the world's journal had when this place was made

    @classmethod
    def made(cls, folder: Path, world: World, warm: Warm, rows: int, target: str = "tasks") -> "Place":
        """A new folder with `tasks.csv`; its external IDs begin with the folder's name."""
        folder.mkdir(exist_ok=True)
        place = cls(folder, world, warm, rows, world.facts.stat().st_size)
        write_rows(folder / "tasks.csv", place.names, target)
        return place

    @property
    def names(self) -> list[str]:
        """The external IDs."""
        return external_ids(f"{self.folder.name}-", self.rows)

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.folder / "state"

    @property
    def log(self) -> Path:
        """Where a tracer writes."""
        return self.folder / "trace"

    @property
    def said(self) -> str:
        """What the last command told a person, on standard error."""
        return (self.folder / "err").read_text("utf-8")

    def order(self, *argv: str, **limits: int) -> Order:
        """A command that answers in JSON."""
        return Order((*argv, "--format", "json"), self.folder, self.world.environment(self.state), limits)

    def ends(self, *argv: str, **limits: int) -> tuple[int, dict[str, Any]]:
        """Exit code and JSON object of a command, run to its end."""
        code = self.warm.ends(self.order(*argv, **limits))
        return code, self.answer()

    def answer(self) -> dict[str, Any]:
        """The JSON object that the last command printed; empty, if it printed none."""
        found: dict[str, Any] = json.loads((self.folder / "out").read_text("utf-8") or "{}")
        return found

    def tasks(self) -> Counter[str]:
        """How many tasks there are for each external ID of the file."""
        return self.world.tasks(f"{self.folder.name}-")

    def violations(self, reports: Mapping[str, str], cap: tuple[int, float]) -> list[str]:
        """What the referee finds after the last command, given its reports. Nobody else may have used the world since."""
        with self.world.facts.open("rb") as file:
            start = file.readline()
            file.seek(max(self.before, len(start)))
            journal = self.folder / "journal.jsonl"
            journal.write_bytes(start + file.read())
        evidence = referee.gathered(
            [journal], self.state / "ledger.sqlite", [Path(reports["results_json"])], [Path(reports["results_xlsx"])],
            [self.folder / "out"], cap=cap, rows=self.rows,
        )  # fmt: skip
        return referee.violations(evidence)

    def ledger(self, query: str) -> list[tuple[Any, ...]]:
        """What a query finds in the ledger, nothing where there is none. Looks at a copy: opening a ledger changes it."""
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            for file in self.state.glob("ledger.sqlite*"):
                if not file.name.endswith("-shm"):
                    shutil.copy(file, scratch)
            with closing(sqlite3.connect(Path(scratch) / "ledger.sqlite")) as ledger:
                try:
                    return ledger.execute(query).fetchall()
                except sqlite3.OperationalError:  # the tables are not there yet
                    return []


@contextmanager
def sandbox(folder: Path, scenario: str = QUICK) -> Iterator[World]:
    """A sandbox process; it ends with the block."""
    file = folder / "scenario.toml"
    file.write_text(scenario, encoding="utf-8")
    facts = folder / "journal.jsonl"
    facts.unlink(missing_ok=True)
    command = [sys.executable, "-m", "importer.sandbox", "--seed", "7", "--scenario", str(file)]
    command += ["--journal", str(facts)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_environment()) as process:
        try:
            assert process.stdout is not None
            yield World(json.loads(process.stdout.readline()), facts)
        finally:
            process.kill()


def external_ids(prefix: str, rows: int) -> list[str]:
    return [f"{prefix}{number:03}" for number in range(1, rows + 1)]


def unbalanced(counts: Mapping[str, int], results: Path) -> str:
    """What is wrong with a run's counts and its results.json; nothing, if the books balance."""
    told = sum(number for name, number in counts.items() if name != "read")
    if counts["read"] != told:
        return f"{counts['read']} rows read, {told} told of"
    body = json.loads(results.read_text("utf-8"))
    if body["counts"] != counts:
        return f"the screen says {counts}, {results.name} says {body['counts']}"
    by_row = Counter(row["outcome"] for row in body["rows"])
    if by_row != {name: number for name, number in counts.items() if number and name != "read"}:
        return f"{results.name} counts {body['counts']}, its rows are {dict(by_row)}"
    return ""
