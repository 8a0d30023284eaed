"""Charts: where the shapes of a chart stand, in percent or in units of its view. Draws nothing; the macros of parts.html do."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

VERDICT_KEYS = ("ready", "existing", "duplicate", "invalid", "skipped")
SENT_KEYS = ("created", "existing", "being_sent", "unknown", "not_sent", "failed", "duplicate", "invalid", "skipped")
LEAST = 0.6
"""A part that is there is drawn at least so many percent wide: one bad row of 100,000 must be seen."""


class Part(NamedTuple):
    """One part of a stacked bar; `x` and `width` in percent."""

    name: str
    rows: int
    x: float
    width: float


class Column(NamedTuple):
    """One column of a histogram; `x` and `width` in percent, `y` and `height` in units of its view."""

    label: str
    rows: int
    x: float
    width: float
    y: float
    height: float


def parts_of(counts: Mapping[str, int]) -> tuple[str, ...]:
    """The verdicts (before sending) or outcomes (after) that make up `read`, in the order in which they are shown."""
    before = counts.get("ready", 0) or not any(
        counts.get(name, 0) for name in ("created", "failed", "unknown", "not_sent")
    )
    return VERDICT_KEYS if "ready" in counts and before else SENT_KEYS


def stack(counts: Mapping[str, int]) -> list[Part]:
    """The parts that are not zero, side by side over 100 percent."""
    shown = [(name, counts.get(name, 0)) for name in parts_of(counts) if counts.get(name, 0)]
    total = sum(count for _, count in shown)
    widths = _widened([100 * count / total for _, count in shown])
    parts, x = [], 0.0
    for (name, count), width in zip(shown, widths, strict=True):
        parts.append(Part(name, count, round(x, 2), round(width, 2)))
        x += width
    return parts


def _widened(widths: Sequence[float]) -> list[float]:
    """The same with thin parts made visible, at the cost of the widest."""
    shown = [max(width, LEAST) for width in widths]
    if shown:
        widest = max(range(len(shown)), key=lambda index: shown[index])
        shown[widest] -= sum(shown) - 100
    return shown


def share(count: float, most: float) -> float:
    """A bar's length in percent of the longest; one that is not zero can be seen."""
    return round(max(100 * count / most, LEAST), 2) if count > 0 and most > 0 else 0.0


def histogram(bins: Sequence[tuple[str, int]], height: float) -> list[Column]:
    """Columns of a histogram whose highest is `height`."""
    most = max((count for _, count in bins), default=0) or 1
    width = 100 / max(len(bins), 1)
    columns = []
    for index, (label, count) in enumerate(bins):
        tall = round(max(height * count / most, 2.0), 2) if count else 0.0
        columns.append(
            Column(label, count, round(index * width + width * 0.08, 2), round(width * 0.84, 2), round(height - tall, 2), tall)
        )  # fmt: skip
    return columns


def bins(values: Mapping[int, int], most: int = 10) -> list[tuple[str, int]]:
    """Rows by a whole number in at most `most` bins of equal width: `0–9`, `10–19` … Nothing for no values.

    Between 0 and 99 the bins are always tens, so that two plans can be compared; a few different numbers have a bin each.
    """
    if not values:
        return []
    low, high = min(values), max(values)
    if low >= 0 and high <= 99:
        low, high = 0, 99
    elif len(values) <= most:
        return [(str(value), values[value]) for value in sorted(values)]
    step = -(-(high - low + 1) // most)
    edges = range(low, high + 1, step)
    counted = [0] * len(edges)
    for value, rows in values.items():
        counted[(value - low) // step] += rows
    return [(f"{edge:,}–{min(edge + step - 1, high):,}", rows) for edge, rows in zip(edges, counted, strict=True)]


def points(values: Iterable[float], width: float, height: float) -> str:
    """The `points` of a polyline through equally spaced values, the highest at the top; nothing for fewer than two."""
    found = list(values)
    if len(found) < 2:
        return ""
    most = max(*found, 0) or 1
    return " ".join(
        f"{_short(index * width / (len(found) - 1))},{_short(height - height * max(value, 0) / most)}"
        for index, value in enumerate(found)
    )


def steps(values: Sequence[tuple[float, float]], width: float, height: float) -> str:
    """The `points` of a step line: each (x, y) holds until the next x. Nothing for fewer than two."""
    if len(values) < 2:
        return ""
    first, last = values[0][0], values[-1][0]
    span, most = (last - first) or 1, max(max(y for _, y in values), 0) or 1
    corners, before = [], None
    for x, y in values:
        right, up = _short((x - first) * width / span), _short(height - height * max(y, 0) / most)
        if before is not None and before != up:
            corners.append(f"{right},{before}")
        corners.append(f"{right},{up}")
        before = up
    return " ".join(corners)


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
