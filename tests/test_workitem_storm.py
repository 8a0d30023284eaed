"""The storm with the `workitems` target: all that a server can do to a run at once, and two kills, judged by the referee.

Calls that create, by jobs or row by row, are answered with 503 (half of them after all was done), reset after they were
done, left without an answer, or throttled; reads fail now and then; the index lags, tokens are short-lived, results come in
another order, IN is not taken, and one external tag may be had twice by whoever asks for it. `STORM_SEED` repeats a storm.
"""

import os
from pathlib import Path

import pytest

from tests.harness import referee
from tests.harness.scene import scene

SEED = int(os.environ.get("STORM_SEED", "7"))
WORLD = """
unique = false
index_lag_s = 1
token_lifetime_s = 5
faults_per_row = 2
[limit]
calls = 200
window_s = 1
[workitems]
in_external_tag = false
results_shuffled = true
status_404_after_create_s = 0.5
"""
KINDS = {
    "status:503": "",
    "error_after": "status = 503\n",
    "reset_after": "",
    "hang_after": "",
    "status:429": "retry_after = 1\n",
}
SETTINGS = {"IMPORTER_INDEX_LAG": "2s", "IMPORTER_TIMEOUT": "1s", "IMPORTER_RATE": "200/s", "IMPORTER_CONCURRENCY": "2"}
RUN = ("run", "tasks.csv", "--target", "workitems", "--yes", "--track", "none")
KILLS = (0.3, 0.6)
"""At which share of the rows the importer is killed."""
RESUMES_MOST = 6
CERTAIN = {
    ("bulk_add_create", "status:503"): 1,
    ("bulk_add_create", "reset_after"): 3,
    ("bulk_add_patch", "error_after"): 1,
    ("bulk_add_patch", "reset_after"): 2,
    ("bulk_add_patch", "status:429"): 4,
    ("bulk_add_get", "hang_after"): 2,
}
"""Which call of an operation meets this kind of trouble in any case."""
SHARES = {"workitem_create": 0.025, "bulk_add_create": 0.08, "bulk_add_patch": 0.08, "bulk_add_get": 0.03}
"""How often each kind of trouble hits an operation: of jobs there are few."""


def weather() -> str:
    """The world with its faults."""
    rules = [
        f'[[faults]]\noperation = "{operation}"\nkind = "{kind}"\nat = [{at}]\n{KINDS[kind]}'
        for (operation, kind), at in CERTAIN.items()
    ]
    rules += [
        f'[[faults]]\noperation = "{operation}"\nkind = "{kind}"\nprobability = {share}\n{more}'
        for operation, share in SHARES.items()
        for kind, more in KINDS.items()
    ]
    return WORLD + "".join(rules)


NIGHTLY = [
    pytest.param(1_000, (), id="1,000 rows by jobs", marks=pytest.mark.nightly),
    pytest.param(1_000, ("--no-bulk",), id="1,000 rows one by one", marks=pytest.mark.nightly),
]


@pytest.mark.parametrize(("rows", "how"), [pytest.param(150, (), id="150 rows by jobs"), *NIGHTLY])
def test_storm_makes_one_workitem_for_each_row(rows: int, how: tuple[str, ...], tmp_path: Path) -> None:
    """Two kills and some resumes later each external ID has one workitem, no row is unknown, the books balance, the cap held."""
    with scene(tmp_path, weather(), rows, seed=SEED, settings=SETTINGS, target="workitems") as real:
        for number, share in enumerate(KILLS):
            assert real.killed(int(rows * share), *(("resume",) if number else (*RUN, *how))), (
                "it ended before it was killed"
            )
        for _ in range(RESUMES_MOST):
            code, body = real.ends("resume")
            if code == 0:
                break
        evidence = real.evidence(cap=(200, 1.0), rows=rows)
    found = referee.violations(evidence)
    assert found == [], f"STORM_SEED={SEED}: {len(found)} violations: {found[:10]}"
    assert [run["counts"]["created"] for run in body["runs"]] == [rows]
    troubled = [call for call in evidence.calls if call.status in (429, 503) or not call.sent]
    assert len(troubled) >= (len(CERTAIN) if not how else rows * 0.03), "the storm was a calm"
