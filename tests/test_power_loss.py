"""Power cut at a random moment of a run: nothing that was acknowledged is lost, and a results file is whole or not there.

`POWER_SEED` repeats the moments of a series.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from importer.core.stages import Stage
from importer.ledgers.sqlite import SqliteLedger
from tests.harness.bench import World, external_ids, unbalanced
from tests.harness.clerk import REPORT, ROWS, report_text
from tests.harness.power import Disk, disk, missing
from tests.harness.scene import clean_environment, write_rows
from tests.harness.warm import ROOT, Order, Warm, alive

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

LEDGER_TRIALS = 14
REPORT_TRIALS = 8
RUN_TRIALS = 8
ROWS_OF_A_RUN = 40
CALLS_OF_A_RUN = 65
"""So many calls a run makes, and a few more: then the power is cut right after its end."""
RUN = ("run", "tasks.csv", "--yes", "--track", "closed", "--rate", "100/200ms", "--format", "json")
RESUME = ("resume", "--rate", "100/200ms", "--format", "json")
REPORTS = {"results.json", "results.xlsx", "preview.html", "preview.json", "preview.xlsx"}


def trials(number: int) -> pytest.MarkDecorator:
    """So many trials in a check, ten times as many at night."""
    nightly = [pytest.param(n, marks=pytest.mark.nightly) for n in range(number, number * 10)]
    return pytest.mark.parametrize("trial", [*range(number), *nightly])


@pytest.fixture(scope="session")
def seed(tell: Callable[[str], None]) -> int:
    """What the moments of the cuts are drawn from."""
    drawn = int(os.environ.get("POWER_SEED", random.randrange(10**6)))
    tell(f"power was cut at moments drawn from POWER_SEED={drawn}")
    return drawn


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Disk]:
    """A disk whose power can be cut."""
    with disk(tmp_path) as made:
        yield made


def cut_after(device: Disk, lines: int, *arguments: str) -> list[str]:
    """Starts a clerk, cuts the power when it has said so many lines, and gives what it had said by then.

    What it says later does not count: an fsync that is under way in the very moment of the cut may return.
    """
    command = [sys.executable, "-m", "tests.harness.clerk", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, cwd=ROOT, env=clean_environment()) as clerk:
        assert clerk.stdout is not None
        assert clerk.stderr is not None
        said = b""
        while said.count(b"\n") < lines and (more := os.read(clerk.stdout.fileno(), 4096)):
            said += more
        device.power_fails()
        clerk.stdout.read()
        reason = clerk.stderr.read().decode()
    assert said.count(b"\n") >= lines, f"the clerk ended too early: {reason}"
    assert reason, "the power was cut after all was written"
    device.power_returns()
    return said.decode().splitlines()


def numbers(said: list[str], word: str) -> list[int]:
    return [int(line.split()[1]) for line in said if line.split()[0] == word]


@trials(LEDGER_TRIALS)
async def test_power_loss_loses_nothing_that_the_ledger_acknowledged(device: Disk, seed: int, trial: int) -> None:
    """Every claim and every answer that was reported as recorded is in the ledger when the power is back."""
    rng = random.Random(f"ledger {seed} {trial}")
    path = device.folder / "state" / "ledger.sqlite"
    said = cut_after(device, rng.randrange(1, ROWS), "ledger", str(path))
    with closing(SqliteLedger(path)) as book:
        entries = await book.entries("run-1", [stage.value for stage in Stage], -1, ROWS)
    assert len(entries) == ROWS
    stages = {entry.position: entry.stage for entry in entries}
    assert [n for n in numbers(said, "created") if stages[n] is not Stage.CREATED] == []
    assert [n for n in numbers(said, "claimed") if stages[n] not in (Stage.SENDING, Stage.CREATED)] == []


def test_power_loss_is_seen_where_commits_are_not_synced(tmp_path: Path) -> None:
    """SQLite with synchronous=NORMAL does lose commits in such a cut: the method of these tests sees losses."""
    with disk(tmp_path) as device:
        path = device.folder / "plain.sqlite"
        said = cut_after(device, 200, "plain", str(path), "NORMAL")
        assert kept(path) < len(numbers(said, "row"))


def test_power_loss_of_synced_commits_loses_none(tmp_path: Path) -> None:
    """The same with synchronous=FULL loses none, so what is seen is the sync and nothing else."""
    with disk(tmp_path) as device:
        path = device.folder / "plain.sqlite"
        said = cut_after(device, 200, "plain", str(path), "FULL")
        assert kept(path) >= len(numbers(said, "row"))


def kept(path: Path) -> int:
    """The rows of a plain database."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM rows").fetchone()[0])


@trials(REPORT_TRIALS)
def test_power_loss_leaves_a_report_whole(device: Disk, seed: int, trial: int) -> None:
    """A report that was written over and over is whole, and no older than the last one that was told of."""
    rng = random.Random(f"report {seed} {trial}")
    folder = device.folder / "reports"
    said = cut_after(device, rng.randrange(1, 40), "reports", str(folder))
    text = (folder / REPORT).read_text("utf-8")
    version = int(text.split(maxsplit=2)[1])
    assert text == report_text(version)
    assert version >= max(numbers(said, "report"))


@trials(RUN_TRIALS)
def test_power_loss_in_a_run_is_carried_on(
    tmp_path: Path, device: Disk, world: World, warmed: Warm, seed: int, trial: int
) -> None:
    """After a cut at a random moment of a run, resuming makes each task once, and no report is torn."""
    rng = random.Random(f"run {seed} {trial}")
    names = external_ids(f"P{trial}-", ROWS_OF_A_RUN)
    write_rows(tmp_path / "tasks.csv", names)
    state = device.folder / "state"
    environment = world.environment(state) | {"IMPORTER_OUT": str(device.folder / "reports")}
    cut_at = world.calls() + rng.randrange(1, CALLS_OF_A_RUN)
    process = warmed.start(Order(RUN, tmp_path, environment))
    warmed.go()
    while world.calls() < cut_at and alive(process):
        pass
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)  # it has no power either: nothing may be sent after the cut
    device.power_fails()
    warmed.ended()
    device.power_returns()
    assert torn_reports(device.folder) == []
    code = warmed.ends(Order(RESUME, tmp_path, environment))
    runs = json.loads((tmp_path / "out").read_text("utf-8") or "{}").get("runs", [])
    if not runs:  # it had not been opened yet, or it was done
        code = warmed.ends(Order(RUN, tmp_path, environment))
        runs = [json.loads((tmp_path / "out").read_text("utf-8"))]
    assert code == 0, (tmp_path / "err").read_text("utf-8")
    assert unbalanced(runs[0]["counts"], Path(runs[0]["reports"]["results_json"])) == ""
    assert world.tasks(f"P{trial}-") == dict.fromkeys(names, 1)


def torn_reports(folder: Path) -> list[str]:
    """Reports that are there under their name and are not whole."""
    torn = []
    for file in [each for each in folder.rglob("*") if each.name in REPORTS]:
        try:
            if file.suffix == ".json":
                json.loads(file.read_text("utf-8"))
            elif file.suffix == ".html":
                assert file.read_text("utf-8").endswith("</html>")
            else:
                with zipfile.ZipFile(file) as archive:
                    assert archive.testzip() is None
        except (ValueError, zipfile.BadZipFile, AssertionError) as problem:
            torn.append(f"{file.name}: {problem!r}")
    return torn
