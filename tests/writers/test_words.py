"""Words that reports share."""

import pytest

from importer.core.report import tally
from importer.writers.words import next_steps


@pytest.mark.parametrize(
    ("environment", "command"),
    [
        ("tasks at https://api.example.com", "importer run results.xlsx --sheet Rejects ("),
        ("tasks at sandbox:1", "importer run results.xlsx --sheet Rejects --sandbox ("),
        ("workitems at sandbox:1", "importer run results.xlsx --sheet Rejects --target workitems --sandbox ("),
    ],
)
def test_next_step_for_rejects_names_target_and_sandbox(environment: str, command: str) -> None:
    """Rejects are handed in where their run was: the command names its target and the sandbox, if it was there."""
    (step,) = next_steps(tally([("invalid", 2)]), "run", environment)
    assert command in step
