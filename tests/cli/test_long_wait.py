"""A target that asks to wait for long: the run pauses, says until when, and goes on after that time and not before."""

import re
from dataclasses import replace
from pathlib import Path

from tests.harness import referee
from tests.harness.scene import scene

ROWS = 12
WAIT_S = 20
TOLD = '[[faults]]\noperation = "create"\nkind = "status:429"\nat = [5]\nretry_after = ' + f"{WAIT_S}\n"
SCENARIO = "unique = false\nindex_lag_s = 0.1\n[limit]\ncalls = 0\n" + TOLD
SETTINGS = {"IMPORTER_INDEX_LAG": "300ms", "IMPORTER_LONGEST_WAIT": "2s"}


def test_wait_beyond_the_longest_pauses_the_run_until_it_is_over(tmp_path: Path) -> None:
    """Exit code 7 with the time, again for whoever resumes too early; a longer patience waits, and no call comes early."""
    with scene(tmp_path, SCENARIO, ROWS, settings=SETTINGS) as place:
        run = ("run", "tasks.csv", "--yes", "--track", "none", "--concurrency", "1", "--rate", "200/s")
        code, body = place.ends(*run)
        assert code == 7
        assert re.search(r"wait until 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC", body["problem"])
        assert (body["counts"]["created"], body["counts"]["not_sent"]) == (4, ROWS - 4)
        code, body = place.ends("resume", "--track", "none")
        assert (code, place.committed()) == (7, 4)
        assert "wait until" in body["runs"][0]["problem"]
        patient = replace(place, settings={**SETTINGS, "IMPORTER_LONGEST_WAIT": "2m"})
        code, body = patient.ends("resume", "--track", "none")
        assert (code, body["runs"][0]["counts"]["created"]) == (0, ROWS)
        assert referee.violations(patient.evidence()) == []
