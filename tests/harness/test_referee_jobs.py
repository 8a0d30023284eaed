"""The referee on the evidence of a real run by bulk jobs, and on the same evidence forged."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.harness import referee
from tests.harness.questions import BASE
from tests.harness.scene import Scene, scene

ROWS = 8
WEATHER = BASE + '[[faults]]\noperation = "bulk_add_patch"\nkind = "reset_after"\nat = [1]\n'
"""The answer to the call that begins the job is lost."""
Fact = dict[str, Any]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A run that ended; its sandbox is gone, what both wrote is there."""
    folder = tmp_path_factory.mktemp("honest")
    with scene(folder, WEATHER, ROWS, settings={"IMPORTER_INDEX_LAG": "500ms"}, target="workitems") as real:
        code, body = real.ends("run", "tasks.csv", "--target", "workitems", "--yes", "--track", "none")
    assert (code, body["counts"]["created"]) == (0, ROWS)
    return real


@pytest.fixture
def honest(ran: Scene, tmp_path: Path) -> Scene:
    """The same evidence, in copies that may be forged."""
    (tmp_path / "state").mkdir()
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(ran.journal.read_bytes())
    (tmp_path / "summary.json").write_bytes((ran.folder / "summary.json").read_bytes())
    forged = replace(ran, folder=tmp_path, journal=journal)
    with closing(sqlite3.connect(ran.ledger)) as real, closing(sqlite3.connect(forged.ledger)) as copied:
        real.backup(copied)
    return forged


def kinds(honest: Scene) -> list[str]:
    """What the referee finds, by the first words."""
    return [found.partition(":")[0] for found in referee.violations(honest.evidence(rows=ROWS))]


def forge(honest: Scene, change: Callable[[list[Fact]], None]) -> None:
    """Change the facts of the journal."""
    facts = honest_facts(honest)
    change(facts)
    honest.journal.write_text("".join(json.dumps(fact) + "\n" for fact in facts), "utf-8")


def honest_facts(honest: Scene) -> list[Fact]:
    return [json.loads(line) for line in honest.journal.read_text("utf-8").splitlines()]


def those(facts: list[Fact], **wanted: object) -> list[Fact]:
    """The facts that have these values."""
    return [fact for fact in facts if all(fact.get(name) == value for name, value in wanted.items())]


def test_referee_finds_nothing_in_an_honest_run_by_jobs(honest: Scene) -> None:
    """A real run by a job is without a violation, and the verdict was about a job whose beginning was told twice."""
    assert kinds(honest) == []
    calls = [call.operation for call in honest.evidence().calls]
    assert (calls.count("bulk_add_create"), calls.count("bulk_add_patch")) == (1, 2)


def test_referee_finds_a_job_that_the_ledger_does_not_know(honest: Scene) -> None:
    """A job that was begun without a record in the ledger is a violation."""

    def other(facts: list[Fact]) -> None:
        begun = those(facts, kind="arrived", operation="bulk_add_patch")[0]
        path = begun["path"].rpartition("/")[0]
        facts.append(begun | {"n": 1000, "path": f"{path}/00000000-0000-4000-8000-000000000000"})

    forge(honest, other)
    assert kinds(honest) == ["no intent"]


def test_referee_finds_a_job_of_other_rows(honest: Scene) -> None:
    """A job that made the workitem of a row that the ledger has not put into it is a violation."""
    with closing(sqlite3.connect(honest.ledger)) as ledger, ledger:
        ledger.execute("DELETE FROM call_rows WHERE position = 3")
    assert "wrong job" in kinds(honest)


def test_referee_finds_a_job_of_changed_bytes(honest: Scene) -> None:
    """A job made of other bytes than those that the ledger has frozen is a violation."""
    with closing(sqlite3.connect(honest.ledger)) as ledger, ledger:
        ledger.execute("UPDATE rows SET payload = replace(payload, 'Ticket', 'ticket') WHERE position = 3")
    assert "changed body" in kinds(honest)


def test_referee_counts_a_job_as_a_call_of_each_of_its_rows(honest: Scene) -> None:
    """A fourth job for the same rows, each begun without proof that the others did nothing, is one too many."""

    def thrice_more(facts: list[Fact]) -> None:
        begun = those(facts, kind="arrived", operation="bulk_add_patch")[0]
        path = begun["path"].rpartition("/")[0]
        facts.extend(begun | {"n": 1000 + n, "path": f"{path}/job-{n}"} for n in range(3))

    forge(honest, thrice_more)
    with closing(sqlite3.connect(honest.ledger)) as ledger, ledger:
        (last,) = ledger.execute("SELECT max(call) FROM calls").fetchone()
        for n in range(3):
            ledger.execute(
                "INSERT INTO calls SELECT ?, no, ?, body, began_at, ended_at, answer, correlation_id, seal"
                " FROM calls WHERE kind LIKE 'bulk %' LIMIT 1",
                (last + 1 + n, f"bulk job-{n}"),
            )
            ledger.execute("INSERT INTO call_rows SELECT ?, position FROM rows", (last + 1 + n,))
    assert set(kinds(honest)) == {"resends"}
