"""The command line killed with SIGKILL in the middle and carried on, at a sandbox without uniqueness."""

import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.scene import PATIENCE_S, Scene, external_ids, scene, write_rows

ROWS = 60
SCENARIO = "unique = false\nindex_lag_s = 1\n[limit]\ncalls = 0\n"
SETTINGS = {"IMPORTER_INDEX_LAG": "2s"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Scene]:
    """A sandbox without uniqueness and a file of 60 rows."""
    with scene(tmp_path, SCENARIO, ROWS, settings=SETTINGS) as made:
        yield made


def killed(place: Scene, at: int, *arguments: str) -> None:
    """An importer process, killed as soon as the sandbox has `at` tasks. It may have ended by then."""
    place.killed(at, *arguments)
    assert place.committed() >= at


RUN = ("run", "tasks.csv", "--yes", "--track", "none", "--rate", "200/s")
RESUME = ("resume", "--rate", "200/s")


def check_books(body: dict[str, Any]) -> None:
    """The counts of a run's object and of its results.json agree, and add up to the rows read."""
    counts = body["counts"]
    assert counts["read"] == sum(number for name, number in counts.items() if name != "read") == ROWS
    results = json.loads(Path(body["reports"]["results_json"]).read_text("utf-8"))
    assert results["counts"] == counts
    assert Counter(row["outcome"] for row in results["rows"]) == {n: c for n, c in counts.items() if c and n != "read"}
    assert Path(body["reports"]["results_xlsx"]).is_file()


@pytest.mark.parametrize("at", [7, 59, *(pytest.param(each, marks=pytest.mark.nightly) for each in (1, 31, 60))])
def test_kill_then_resume_makes_each_task_once(place: Scene, at: int) -> None:
    """Killed after the n-th task and resumed, every external ID is there exactly once, and the books balance."""
    killed(place, at, *RUN)
    code, body = place.ends(*RESUME)
    assert code == 0
    assert place.tasks() == dict.fromkeys(external_ids(ROWS), 1)
    for run in body["runs"]:
        assert run["counts"]["created"] == ROWS
        check_books(run)


def test_kill_of_a_resume_is_carried_on_too(place: Scene) -> None:
    """Killed, killed again while it resumes, and resumed, every external ID is there exactly once."""
    killed(place, 5, *RUN)
    killed(place, 25, *RESUME)
    code, body = place.ends(*RESUME)
    assert code == 0
    assert place.tasks() == dict.fromkeys(external_ids(ROWS), 1)
    assert [run["counts"]["created"] for run in body["runs"]] == [ROWS]
    check_books(body["runs"][0])
    assert place.ends(*RESUME) == (0, {"schema": "importer.resume/1", "runs": [], "exit_code": 0})


@pytest.mark.nightly
def test_kill_then_the_same_file_again_makes_no_second_task(place: Scene) -> None:
    """Who runs the file again instead of resuming gets no second task either, and resuming settles the rest."""
    killed(place, 20, *RUN)
    place.ends(*RUN)
    code, _ = place.ends(*RESUME)
    assert code in (0, 5)
    assert place.tasks() == dict.fromkeys(external_ids(ROWS), 1)


def test_kill_of_a_command_with_its_own_sandbox_is_carried_on(tmp_path: Path) -> None:
    """A command killed together with the sandbox that it started is carried on in the same world."""
    write_rows(tmp_path / "tasks.csv", external_ids(ROWS))
    nobody = dict.fromkeys(("client_id", "client_secret"), "")
    place = Scene(tmp_path, nobody, tmp_path / "none", "", SETTINGS)
    world = tmp_path / "state" / "sandbox" / "world.jsonl"

    def created() -> list[str]:
        lines = world.read_text("utf-8").splitlines() if world.exists() else []
        found = [json.loads(line) for line in lines if line.endswith("}")]
        return [each["payload"]["customAttributes"]["externalId"] for each in found if each["kind"] == "task"]

    with place.starts(*RUN[:-1], "20/s", "--sandbox") as process:
        while process.poll() is None and len(created()) < 20:
            pass
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=PATIENCE_S)
    assert 20 <= len(created()) < ROWS
    code, body = place.ends("resume", "--sandbox", "--rate", "100/s")
    assert code == 0, body
    assert Counter(created()) == dict.fromkeys(external_ids(ROWS), 1)
    check_books(body["runs"][0])


def test_kill_then_resume_keeps_the_cap_of_the_run(place: Scene) -> None:
    """A run that was started with a low cap is resumed under that cap, not under the default."""
    write_rows(place.folder / "tasks.csv", external_ids(12))
    killed(place, 3, *RUN[:-1], "4/s")
    before = len(place.arrivals())
    place.ends("resume")
    arrived = place.arrivals()[before:]
    assert max(sum(first <= other < first + 1.0 for other in arrived) for first in arrived) <= 4
