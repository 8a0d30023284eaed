"""What tests print at the end of a session, beside their verdicts."""

from collections.abc import Callable

import pytest

TOLD: pytest.StashKey[list[str]] = pytest.StashKey()


@pytest.fixture(scope="session")
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Adds a line to what is printed when all tests have ended."""
    return pytestconfig.stash.setdefault(TOLD, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints what tests had to tell: histograms, seeds, counts."""
    for line in config.stash.get(TOLD, []):
        terminalreporter.write_line(line)
