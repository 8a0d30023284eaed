"""What tests print at the end of a session, beside their verdicts; also where several processes run them."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from tests.harness.bench import World
    from tests.harness.warm import Warm

# A check says the same of the same code, on a machine that is busy too; `--hypothesis-profile search` looks for more.
hypothesis.settings.register_profile(
    "check", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile("search", parent=hypothesis.settings.get_profile("check"), derandomize=False)
hypothesis.settings.load_profile("check")

LONG = (
    "simulation",
    "e2e",
    "test_storm",
    "test_kill",
    "test_workitem",
    "test_proxy",
    "test_power",
    "cli",
    "test_frozen",
    "test_code",
)
"""Beginnings of the files that take more than some seconds."""
TOLD: pytest.StashKey[list[str]] = pytest.StashKey()


@pytest.fixture(scope="session")
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Adds a line to what is printed when all tests have ended."""
    return pytestconfig.stash.setdefault(TOLD, []).append


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[World]":
    """A sandbox process without uniqueness, for all tests of a file: a POST too many makes a second task."""
    from tests.harness.bench import sandbox

    with sandbox(tmp_path_factory.mktemp("world")) as running:
        yield running


@pytest.fixture(scope="module")
def warmed() -> "Iterator[Warm]":
    """Importer processes that have everything loaded, for all tests of a file."""
    from tests.harness.warm import warm

    with warm() as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever runs a nightly test knows that it takes long. Files that take long come first, so that none is left alone."""
    items.sort(key=lambda item: not any(item.nodeid.startswith(f"tests/{name}") for name in LONG))
    for item in items:
        if item.get_closest_marker("nightly"):
            item.add_marker(pytest.mark.timeout(0))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands what its tests had to tell to the process that prints."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["told"] = session.config.stash.get(TOLD, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes what a worker's tests had to tell."""
    node.config.stash.setdefault(TOLD, []).extend(getattr(node, "workeroutput", {}).get("told", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints what tests had to tell: histograms, seeds, counts."""
    for line in config.stash.get(TOLD, []):
        terminalreporter.write_line(line)
