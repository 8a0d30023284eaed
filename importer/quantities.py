"""Quantities: durations, rates and sizes as people write them."""

import re

from importer.core.errors import SettingsError, UsageError
from importer.core.file_limits import GIB, KIB, MIB

DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(ms|s|m|h|d)?")
UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}
SIZE = re.compile("([0-9]{1,15}) *(kib|mib|gib)?")
SIZES = {"kib": KIB, "mib": MIB, "gib": GIB, None: 1}
RATE = re.compile(r"([0-9]{1,9}) */ *([0-9]{0,9}(?:\.[0-9]{1,9})?) *(ms|s|sec|second|m|min|minute|h|hour)")
RATE_UNITS_S = {"ms": 0.001, "s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600}


LINES_MOST = 100_000
"""Lines in one range."""


def parse_lines(text: str, origin: str) -> frozenset[int]:
    """`17,20-25` as line numbers; blank: none. Raises UsageError."""
    named: set[int] = set()
    for part in text.replace(" ", "").split(","):
        if not part:
            continue
        first, _, last = part.partition("-")
        digits = first.isascii() and first.isdigit() and (not last or (last.isascii() and last.isdigit()))
        if not digits or int(last or first) - int(first) > LINES_MOST:
            raise UsageError(f"{origin} {text}: {part!r} is not a line or a range.", f"Write {origin} 17,20-25.")
        named.update(range(int(first), int(last or first) + 1))
    return frozenset(named)


def parse_duration(text: str, origin: str) -> float:
    """`15m`, `90s`, `1.5h`, `30` (seconds) in seconds. Raises SettingsError."""
    match = DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise SettingsError(f"{origin}: {text!r} is not a duration.", "Write 90s, 15m or 2h.")
    return float(match[1]) * UNITS_S[match[2]]


def parse_rate(text: str, origin: str) -> tuple[int, float]:
    """`300/min`, `5/s`, `300/4s` as calls and seconds. Raises SettingsError."""
    match = RATE.fullmatch(text.strip().lower())
    if match is None or int(match[1]) < 1 or (match[2] and float(match[2]) <= 0):
        raise SettingsError(f"{origin}: {text!r} is not a rate.", "Write 300/min, 5/s or 300/4s.")
    return int(match[1]), float(match[2] or 1) * RATE_UNITS_S[match[3]]
