"""Four importers that are given the same file at the same time."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness.scene import external_ids, scene

ROWS = 40
CROWD = 4
RUN = ("run", "tasks.csv", "--yes", "--track", "none", "--rate", "200/s")


def test_crowd_of_one_ledger_makes_each_task_once(tmp_path: Path) -> None:
    """One imports; the others are told that it is at work (8), or find all rows existing; the server is not unique."""
    with (
        scene(tmp_path, "unique = false\nindex_lag_s = 0.3\n[limit]\ncalls = 0\n", ROWS) as place,
        ExitStack() as stack,
    ):
        crowd = [stack.enter_context(place.starts(*RUN)) for _ in range(CROWD)]
        told = [json.loads(each.communicate(timeout=120)[0]) for each in crowd]
        codes = [each.returncode for each in crowd]
        assert set(codes) <= {0, 8}
        counts = [body["counts"] for body in told if "counts" in body]
        assert sum(each["created"] for each in counts) == ROWS
        assert all(each["created"] + each["existing"] == ROWS for each in counts)
        at_work = [f"process {each.pid} " for each, code in zip(crowd, codes, strict=True) if code == 0]
        for refused in (body["problem"] for body in told if "counts" not in body):
            assert any(each in refused for each in at_work), refused
        assert place.committed() == ROWS


@pytest.mark.nightly
def test_crowd_of_four_ledgers_makes_each_task_once_where_the_server_is_unique(tmp_path: Path) -> None:
    """Importers that know nothing of each other: each row is created by one of them and existing for the others."""
    settings = {"IMPORTER_INDEX_LAG": "1s"}
    calm = "unique = true\nindex_lag_s = 0.3\n[limit]\ncalls = 0\n"
    with scene(tmp_path, calm, ROWS, settings=settings) as place, ExitStack() as stack:
        states = [("--state-dir", str(tmp_path / f"state{number}")) for number in range(CROWD)]
        crowd = [stack.enter_context(place.starts(*RUN, *state)) for state in states]
        told = [json.loads(each.communicate(timeout=120)[0]) for each in crowd]
        assert [each.returncode for each in crowd] == [0] * CROWD
        assert sum(body["counts"]["created"] for body in told) == ROWS
        assert all(body["counts"]["created"] + body["counts"]["existing"] == ROWS for body in told)
        assert place.committed() == len(external_ids(ROWS))
