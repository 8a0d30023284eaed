"""The version of the rules, which plans name: it is counted up when the same rows come out otherwise."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from importer.core.plan import RULES, canonical
from importer.flow.read import Choices, read_table
from importer.ports import ReadOptions
from importer.sources.reader import open_source
from importer.targets.limits import LIMITS

SAMPLES = Path(__file__).parents[2] / "samples"
KNOWN = {
    1: {"tasks": "9e3b560be2297767", "workitems": "c6c14237a7365a7b"},
}
"""By version of the rules: how all rows of a target's mixed sample come out, as a hash."""


def outcome(target: str) -> str:
    """Verdicts, task requests and codes of findings of all rows, offline."""
    rows: list[Any] = []
    with open_source(SAMPLES / f"{target}-mixed.xlsx", ReadOptions()) as reading:
        for judged in read_table(reading, Choices(), LIMITS[target]).judged():
            codes = [each.code for each in judged.findings]
            rows.append([judged.row.line, judged.verdict.value, judged.external_id, judged.request, codes])
    return sha256(canonical(rows).encode()).hexdigest()[:16]


@pytest.mark.parametrize("target", ["tasks", "workitems"])
def test_rules_that_judge_otherwise_have_another_version(target: str) -> None:
    """Where this fails the same rows come out otherwise: raise core.plan.RULES and note the new hash, so that plans that
    were approved under the old rules are previewed again. Where only the sample was changed, note the new hash alone.
    """
    assert outcome(target) == KNOWN[RULES][target]
