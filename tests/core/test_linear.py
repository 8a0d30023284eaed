"""Every pattern of the product is linear: a text four times as long takes about four times the steps, whatever it is made of."""

import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest

import importer

SIZES = (4_000, 16_000, 64_000)
SQUARE = 10.0
"""A text four times as long: 4 for what is linear, 16 for what is not."""
NOTHING_S = 0.05
"""What takes less CPU time says nothing about growth."""
UNITS = (
    "0", "9.", "1,", "a", "A1", "A", "'", "''", '"', " ", "\t", "\n", "\r", "-", "+", "e", ".", ":", "[", "]", "\\", "\u200b", "\ufeff",
    "1e", "x'", " or ", "id eq '", "<", "<c ", "<row ", "<t>", "<?xml ", "<?xml encoding=", "<f>", "; it differs in ", "127.", "25",
    "#0", "0,", "[$-", "::", "=", "%", "\x00", "\ud800",
)  # fmt: skip
STARTS = (
    "",
    "<c ",
    "<t>",
    "<row ",
    "<?xml ",
    "id eq '",
    "'",
    '"',
    "127.",
    "2026-01-01T00:00:00.",
    "\\ud",
    "1 ",
    "[",
    "+",
)


def patterns() -> Iterator[tuple[str, "re.Pattern[Any]"]]:
    """The compiled patterns of all modules, by name; those of the workbook's raw XML have the reader's CPU limit."""
    seen = set()
    for module in pkgutil.walk_packages(importer.__path__, "importer."):
        if module.name.endswith("__main__") or module.name == "importer.sources.xlsx_scan":
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, re.Pattern) and value.pattern not in seen:
                seen.add(value.pattern)
                yield f"{module.name}.{name}", value


PATTERNS = dict(patterns())
SEARCHED = ("unseen", "writers.text", "conflict", "_HALF", "BROKEN", "UNSEEN", "CONTROL", "VALUE")


def used(name: str, pattern: "re.Pattern[Any]") -> Callable[[Any], object]:
    """The way in which the product uses it: most have to fit a whole text."""
    if any(word in name for word in SEARCHED) and "_PLAIN_NUMBER" not in name and "_LEAD" not in name:
        return lambda text: pattern.sub(lambda _: text[:0], text)
    return lambda text: (pattern.fullmatch(text), pattern.match(text))


@pytest.mark.parametrize("name", PATTERNS)
def test_pattern_grows_with_the_text_and_no_faster(name: str) -> None:
    """Whatever a pattern begins with, repeats or nearly ends with: 64,000 characters of it take no square of steps. What is
    linear so far is linear for a megabyte."""
    pattern = PATTERNS[name]
    is_text = isinstance(pattern.pattern, str)
    use = used(name, pattern)
    for start, unit in product(STARTS, UNITS):
        before = 0.0
        for size in SIZES[:2] if start else SIZES:  # what is square shows early; the whole megabyte for the plain ones
            text = start + unit * (size // len(unit)) + "!"
            spent = _spent(use, text if is_text else text.encode(errors="replace"))
            assert spent < NOTHING_S or spent < before * SQUARE, (start, unit, size)
            before = max(spent, NOTHING_S / SQUARE)


def _spent(use: Callable[[Any], object], text: Any) -> float:
    """CPU time, the least of three where it matters."""
    least = float("inf")
    for _ in range(3):
        began = time.process_time()
        use(text)
        least = min(least, time.process_time() - began)
        if least < NOTHING_S:
            break
    return least


def test_growth_is_seen_where_it_is_square() -> None:
    """The measure above finds a pattern that is not linear."""
    square = re.compile("a*a*b")
    times = [_spent(square.match, "a" * size) for size in (2_000, 8_000)]
    assert times[1] > max(times[0], 1e-4) * SQUARE
