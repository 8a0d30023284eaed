"""Scenarios: what they may say, and what is said when they cannot be used."""

from pathlib import Path

import pytest

from importer.sandbox.scenario import Scenario, ScenarioError, built_in_names, load, parse

WHOLE = """
unique = false
index_lag_s = 3
[limit]
calls = 300
window_s = 60
kind = "fixed"
[life]
closed = [1, 2]
[[queues]]
name = "Extra"
max_members = 3
[[faults]]
operation = "create"
kind = "status:503"
at = [1, 2]
"""


def test_scenario_reads_what_it_is_told() -> None:
    """Settings, tables and lists of tables come from TOML; the rest keeps its defaults."""
    scenario = parse(WHOLE)
    assert (scenario.unique, scenario.index_lag_s, scenario.limit.kind) == (False, 3, "fixed")
    assert (scenario.life.closed, scenario.life.queued) == ((1, 2), Scenario().life.queued)
    assert (scenario.queues[0].name, scenario.faults[0].at) == ("Extra", (1, 2))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("uniqe = true", "did you mean 'unique'"),
        ("[limit]\ncals = 3", "unknown key 'limit.cals' (did you mean 'calls'?)"),
        ("[limit]\ncalls = -1", "limit.calls"),
        ("[life]\nclosed = [2, 1]", "life.closed"),
        ("index_lag_s = nan", "index_lag_s"),
        ("[[faults]]\nkind = 'status:299'", "unknown kind 'status:299'"),
        ("[[faults]]\nkind = 'empty'\nat = [0]", "faults.0.at"),
        ("unique =", "not TOML"),
    ],
)
def test_scenario_says_what_is_wrong_and_where(text: str, told: str) -> None:
    """An error names the source, the key and the problem."""
    with pytest.raises(ScenarioError) as error:
        parse(text, "my.toml")
    assert "my.toml" in str(error.value)
    assert told in str(error.value)


@pytest.mark.parametrize("name", ["calm", "rate-limited", "flaky", "outage"])
def test_scenario_is_built_in(name: str) -> None:
    """The scenarios that the command line names can be loaded, and say what they are."""
    assert name in built_in_names()
    assert load(name).description


def test_scenario_that_is_not_there_lists_what_is() -> None:
    """A file that cannot be read is an error that lists the built-in names."""
    with pytest.raises(ScenarioError, match=r"no-such\.toml.*calm, flaky"):
        load(Path("no-such.toml"))


def test_scenario_changes_merge_tables() -> None:
    """Changing one key of a table leaves its others."""
    scenario = parse(WHOLE).changed({"limit": {"calls": 7}, "unique": True})
    assert (scenario.limit.calls, scenario.limit.window_s, scenario.unique, scenario.index_lag_s) == (7, 60, True, 3)
