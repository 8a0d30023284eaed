"""Health: the lines of a preflight, and the exit code that they come to. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Sign(StrEnum):
    """How a check went; the words are those of the JSON object."""

    FINE = "fine"
    WARNING = "warning"
    WRONG = "wrong"
    UNCHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Line:
    """One check: what was looked at, what was found, what to do. `exit_code` counts where something is wrong."""

    sign: Sign
    check: str
    found: str
    advice: str = ""
    exit_code: int = 0


def fine(check: str, found: str) -> Line:
    """Nothing to do."""
    return Line(Sign.FINE, check, found)


def warning(check: str, found: str, advice: str) -> Line:
    """A run is possible, but somebody should look."""
    return Line(Sign.WARNING, check, found, advice)


def wrong(check: str, found: str, advice: str, exit_code: int) -> Line:
    """A run cannot succeed; the exit code is 2 for settings, 6 for credentials and permissions, 7 for the service."""
    return Line(Sign.WRONG, check, found, advice, exit_code)


def unchecked(check: str, found: str, advice: str = "") -> Line:
    """Not looked at, or nothing to judge."""
    return Line(Sign.UNCHECKED, check, found, advice)


def exit_code(lines: Iterable[Line]) -> int:
    """That of the first line with something wrong: later ones often follow from it. 0 where nothing is."""
    return next((line.exit_code for line in lines if line.sign is Sign.WRONG), 0)
