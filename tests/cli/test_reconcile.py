"""reconcile, ledger verify and export, canary and max-failures, as a person meets them on the command line."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from importer.schemas import schema
from tests.cli.conftest import Shell
from tests.harness.scene import Scene, scene

HEAD = "External ID,Queue,Priority,Description"
SETTINGS = {"IMPORTER_INDEX_LAG": "300ms", "IMPORTER_TIMEOUT": "1s"}
PLAIN = "unique = false\nindex_lag_s = 0.1\n[limit]\ncalls = 0\n"
LOST = PLAIN + '[[faults]]\noperation = "create"\nkind = "status:500"\ntimes = 3\n'
REFUSED = PLAIN + '[[faults]]\noperation = "create"\nkind = "status:400"\nat = [2]\n'


def test_reconcile_settles_an_unknown_row_on_request(tmp_path: Path) -> None:
    """A row that is unknown stays so when looked up, and is created once a person asks to send what is surely absent."""
    with scene(tmp_path, LOST, 1, settings=SETTINGS) as place:
        code, body = place.ends("run", "tasks.csv", "--yes", "--track", "none")
        assert (code, body["counts"]["unknown"]) == (5, 1)
        code, body = place.ends("reconcile")
        jsonschema.validate(body, schema("importer.reconcile/1"))
        assert (code, body["runs"][0]["counts"]["unknown"], place.committed()) == (5, 1, 0)
        code, body = place.ends("reconcile", body["runs"][0]["run"], "--resend")
        assert (code, body["runs"][0]["counts"]["created"], place.committed()) == (0, 1, 1)
        assert place.ends("reconcile") == (0, {"schema": "importer.reconcile/1", "runs": [], "exit_code": 0})


def test_older_copy_of_the_ledger_sends_nothing_until_reconciled(tmp_path: Path) -> None:
    """A backup put in the ledger's place is refused by run and resume; reconcile looks up what was sent since, and all is well."""
    with scene(tmp_path, PLAIN, 12, settings=SETTINGS) as place:
        place.killed(3, "run", "tasks.csv", "--yes", "--track", "none", "--rate", "20/s")
        with closing(sqlite3.connect(place.ledger)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        copy = place.ledger.read_bytes()
        code, _ = place.ends("resume", "--track", "none")
        assert (code, place.committed()) == (0, 12)
        place.ledger.write_bytes(copy)
        code, body = place.ends("resume", "--track", "none")
        assert (code, body["schema"]) == (1, "importer.problem/1")
        assert "reconcile" in body["fix"]
        code, body = place.ends("reconcile")
        assert (code, body["runs"][0]["counts"]["created"]) == (0, 12)
        code, _ = place.ends("resume", "--track", "none")
        assert (code, place.committed()) == (0, 12)


def restored(place: Scene) -> None:
    """Someone puts a backup from the middle of a run in the ledger's place, after the run has ended."""
    place.killed(3, "run", "tasks.csv", "--yes", "--track", "none", "--rate", "20/s")
    with closing(sqlite3.connect(place.ledger)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copy = place.ledger.read_bytes()
    assert place.ends("resume", "--track", "none")[0] == 0
    place.ledger.write_bytes(copy)


def test_plan_from_before_an_older_copy_is_not_run(tmp_path: Path) -> None:
    """A plan that may have run unknown to the copy is refused once the copy is accepted: it would create its tasks again."""
    with scene(tmp_path, PLAIN, 12, settings=SETTINGS) as place:
        _, previewed = place.ends("preview", "tasks.csv")
        restored(place)
        assert place.ends("reconcile")[0] == 0
        code, body = place.ends("run", previewed["plan"], "--track", "none")
        assert code == 4
        assert "older copy" in body["problem"]
        assert place.committed() == 12


@pytest.mark.nightly
def test_older_copy_with_runs_of_two_environments_can_be_reconciled(tmp_path: Path) -> None:
    """Rows of another environment cannot be looked up from here: they are in doubt, and looked up when resumed in their own."""
    with scene(tmp_path, PLAIN, 12, settings=SETTINGS) as place:
        (tmp_path / "other").mkdir()
        place.killed(2, "run", "tasks.csv", "--yes", "--track", "none", "--rate", "20/s")
        with scene(tmp_path / "other", PLAIN, 12, settings=SETTINGS) as other:
            there = replace(place, url=other.url, greeting=other.greeting, journal=other.journal)
            restored(there)
            assert place.ends("resume", "--track", "none")[0] == 1
            code, body = place.ends("reconcile")
            assert [run["counts"]["unknown"] for run in body["runs"]][1] >= 8
            assert there.ends("resume", "--track", "none")[0] == 0
            assert (there.committed(), code) == (12, 5)
        assert place.ends("resume", "--track", "none")[0] == 0
        assert place.committed() == 12


def test_canary_and_max_failures_stop_a_run(tmp_path: Path) -> None:
    """A canary that is refused ends the command with 5 and the rest not sent; so does a failure more than allowed."""
    for number, option in enumerate((("--canary", "3"), ("--max-failures", "0"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        with scene(folder, REFUSED, 10, settings=SETTINGS) as place:
            code, body = place.ends("run", "tasks.csv", "--yes", "--track", "none", "--concurrency", "1", *option)
            assert code == 5
            assert body["counts"]["created"], body["counts"]["failed"] == (1, 1)
            assert body["counts"]["not_sent"] == 8
            assert "line 3" in body["problem"] or "--max-failures" in body["problem"]


def test_wrong_canary_is_told(importer: Shell) -> None:
    """A canary or a number of failures that is none is told with its origin, before anything is read."""
    file = importer.file("a.csv", HEAD, "E1,Billing,1,x")
    for option, value in (("--canary", "many"), ("--max-failures", "some"), ("--max-failures", "120%")):
        ended = importer("run", file, "--yes", "--sandbox", option, value)
        assert ended.code == 2
        assert option in ended.err


def test_ledger_verify_and_export(importer: Shell) -> None:
    """A whole ledger is told to be whole; a damaged one is named with the check, nothing is sent with it, and it can be saved."""
    file = importer.file("a.csv", HEAD, "E1,Billing,1,x", "E2,Billing,2,y")
    assert importer("run", file, "--yes", "--sandbox", "--track", "none").code == 0
    assert importer("ledger", "verify").code == 0
    ledger = importer.folder / "state" / "ledger.sqlite"
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("UPDATE rows SET stage = 'ready' WHERE position = 0")
        connection.commit()
    ended = importer("ledger", "verify", "--format", "json")
    jsonschema.validate(ended.json, schema("importer.ledger/1"))
    assert (ended.code, ended.json["whole"]) == (1, False)
    assert [check["check"] for check in ended.json["checks"] if check["problems"]] == ["rows"]
    ended = importer("resume", "--sandbox")
    assert ended.code == 1
    assert "rows" in ended.err
    assert "Traceback" not in ended.err
    assert ".." not in ended.err
    assert importer("ledger", "export", importer.folder / "saved").code == 0
    rows = (importer.folder / "saved" / "rows.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(row)["external_id"] for row in rows] == ["E1", "E2"]


def test_ledger_that_is_not_there_is_told(importer: Shell) -> None:
    """Without a ledger there is nothing to verify, and none is made."""
    ended = importer("ledger", "verify")
    assert ended.code == 1
    assert "There is no ledger" in ended.err
    assert not (importer.folder / "state" / "ledger.sqlite").exists()
