"""What tests print at the end of a session, beside their verdicts; also where several processes run them."""

from collections.abc import Callable
from typing import Any

import pytest

TOLD: pytest.StashKey[list[str]] = pytest.StashKey()


@pytest.fixture(scope="session")
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Adds a line to what is printed when all tests have ended."""
    return pytestconfig.stash.setdefault(TOLD, []).append


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
