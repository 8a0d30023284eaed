"""Scene: a sandbox process with a journal, a file to import and the command line, judged from outside."""

import csv
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.harness import referee

COMMAND = (sys.executable, "-c", "from importer.cli import main; main()")
HEADINGS = ("External ID", "Queue", "Priority", "Type", "Description")
WORKITEM_HEADINGS = ("External ID", "Name", "Worktype", "Queue", "Priority", "Description")
PATIENCE_S = 120.0
LOADED = (
    "importer.cli.app",
    "importer.cli.send",
    "importer.cli.again",
    "importer.desk.making",
    "importer.desk.opening",
    "importer.desk.permission",
    "importer.desk.results",
    "importer.wiring",
    "importer.targets.tasks",
    "importer.targets.workitems.target",
    "importer.ledgers.sqlite",
    "importer.writers.results_xlsx",
    "importer.writers.preview_xlsx",
    "importer.flow.run",
    "tests.harness.prepared",
)
"""What a command needs, loaded once for all that are forked."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A folder with `tasks.csv`, the state of an importer, and the address that it is told."""

    folder: Path
    greeting: dict[str, Any]
    journal: Path
    url: str  # where the importer sends its calls: the sandbox, or a proxy in front of it
    settings: dict[str, str] = field(default_factory=dict)  # further variables of the environment

    def behind(self, url: str) -> "Scene":
        """The same scene, its calls sent to `url`."""
        return replace(self, url=url)

    @property
    def environment(self) -> dict[str, str]:
        """What the importer is told by its environment."""
        return clean_environment() | {
            "GENESYS_API_URL": self.url,
            "GENESYS_LOGIN_URL": self.url,
            "GENESYS_CLIENT_ID": self.greeting["client_id"],
            "GENESYS_CLIENT_SECRET": self.greeting["client_secret"],
            "IMPORTER_STATE_DIR": str(self.folder / "state"),
            **self.settings,
        }

    def starts(self, *arguments: str) -> "subprocess.Popen[str]":
        """An importer process that prints one JSON object."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*COMMAND, *arguments, "--format", "json"], env=self.environment, cwd=self.folder, stdout=pipe, stderr=pipe,
            text=True,
        )  # fmt: skip

    def ends(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code and JSON object of an importer that runs to its end: a process of its own, that has everything loaded already."""
        out, err = self.folder / "out", self.folder / "err"
        command = (*arguments, "--format", "json"), self.environment, self.folder, out, err
        process = _forks().Process(target=_commanded, args=command)
        process.start()
        process.join(PATIENCE_S)
        assert process.exitcode is not None, "it runs and runs"
        return process.exitcode, self.told(out.read_text("utf-8"), err.read_text("utf-8"))

    def told(self, out: str, err: str) -> dict[str, Any]:
        """The object that a command printed; it stays as `summary.json`."""
        assert out, err
        body: dict[str, Any] = json.loads(out)
        if body.get("runs") != []:  # a resume that found nothing to do says nothing about the run
            (self.folder / "summary.json").write_text(out, encoding="utf-8")
        return body

    @property
    def ledger(self) -> Path:
        """The importer's ledger."""
        return self.folder / "state" / "ledger.sqlite"

    def evidence(self, **promised: Any) -> referee.Evidence:
        """What the referee compares after `ends`."""
        body = json.loads((self.folder / "summary.json").read_text("utf-8"))
        reports = [run["reports"] for run in body.get("runs", [body])]
        return referee.gathered(
            [self.journal], self.ledger, [Path(each["results_json"]) for each in reports],
            [Path(each["results_xlsx"]) for each in reports], [self.folder / "summary.json"], **promised,
        )  # fmt: skip

    def committed(self) -> int:
        """How many tasks the sandbox has."""
        return self.journal.read_bytes().count(b'{"kind":"committed"')

    def facts(self, kind: str) -> list[dict[str, Any]]:
        """What the sandbox wrote down, of one kind."""
        lines = (json.loads(line) for line in self.journal.read_bytes().splitlines())
        return [line for line in lines if line["kind"] == kind]

    def tasks(self) -> Counter[str]:
        """How many tasks there are for each external ID."""
        return Counter(each["external_id"] for each in self.facts("committed"))

    def arrivals(self) -> list[float]:
        """When each call arrived, in monotonic seconds."""
        return [each["monotonic"] for each in self.facts("arrived")]

    def killed(self, at: int, *arguments: str) -> bool:
        """An importer process, killed with SIGKILL once the sandbox has `at` tasks; False where it ended before."""
        with self.starts(*arguments) as process:
            while self.committed() < at and process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.02)
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=PATIENCE_S)
        return process.returncode == -signal.SIGKILL


def _forks() -> "multiprocessing.context.ForkServerContext":
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.harness.scene", *LOADED])
    return context


def _commanded(arguments: Sequence[str], environment: dict[str, str], folder: Path, out: Path, err: Path) -> None:
    """The command line, in a fresh process."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    sys.argv = ["importer", *arguments]
    from importer.cli import main

    main()


def external_ids(number: int) -> list[str]:
    return [f"S-{n:05}" for n in range(1, number + 1)]


def write_rows(path: Path, names: Sequence[str], target: str = "tasks") -> None:
    """A CSV file with a good row for each external ID, as the target wants it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if target == "workitems":
            writer.writerow(WORKITEM_HEADINGS)
            writer.writerows(
                [name, f"Case {name}", "Case", "General Inquiry", "50", f"Ticket {name}"] for name in names
            )
            return
        writer.writerow(HEADINGS)
        writer.writerows([name, "General Inquiry", "50", "email", f"Ticket {name}"] for name in names)


def clean_environment() -> dict[str, str]:
    """This process's environment without what tells an importer or a sandbox anything."""
    told = ("GENESYS", "IMPORTER_", "SANDBOX_")
    return {name: value for name, value in os.environ.items() if not name.startswith(told)}


@contextmanager
def scene(
    folder: Path,
    scenario: str,
    rows: int,
    *,
    seed: int = 7,
    settings: Mapping[str, str] | None = None,
    target: str = "tasks",
) -> Iterator[Scene]:
    """A scene with so many good rows; its sandbox process ends with the block."""
    write_rows(folder / "tasks.csv", external_ids(rows), target)
    file = folder / "scenario.toml"
    file.write_text(scenario, encoding="utf-8")
    journal = folder / "journal.jsonl"
    command = [sys.executable, "-m", "importer.sandbox", "--seed", str(seed), "--scenario", str(file)]
    command += ["--journal", str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_environment()) as process:
        try:
            assert process.stdout is not None
            greeting = json.loads(process.stdout.readline())
            yield Scene(folder, greeting, journal, greeting["api_url"], dict(settings or {}))
        finally:
            process.kill()
