"""Screen: tells, many rows at a time, the rows about which surely nothing can be said. A shortcut: shape is the judge of all others."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Any

from importer.core.columns import HEADER_SEARCHED, Header, chosen_header, match_headings
from importer.core.findings import Severity
from importer.core.limits import Limits
from importer.core.mapping import Mapping, read_mapping
from importer.core.rows import Row
from importer.core.unseen import CONTROL

BATCH = 500

Check = Callable[[Sequence[str]], Iterable[bool]]


@dataclass(frozen=True, slots=True)
class ScreenTask:
    """What a screen needs to know, as plain values: it runs in the child process that reads the file."""

    mapping: dict[str, Any]  # Mapping.record()
    header_row: int | None
    limits: dict[str, Any]  # Limits.record()


def screened(rows: Iterator[Row], task: ScreenTask) -> Iterator[tuple[list[Row], list[str]]]:
    """The rows in batches, each with the external IDs of those that are surely good; blank for the others.

    The first HEADER_SEARCHED rows are never called good: the header row is found among them, by who judges as well.
    """
    mapping = read_mapping(task.mapping, "the mapping")
    above = list(islice(rows, HEADER_SEARCHED))
    yield above, [""] * len(above)
    limits = Limits.of(task.limits)
    index = chosen_header(above, mapping, limits, task.header_row)
    header = match_headings(above[index], mapping, limits, suggest=False) if index is not None else None
    usable = header is not None and not any(each.severity is Severity.ERROR for each in header.findings)
    screen = Screen(header, mapping, limits) if header is not None and usable else None
    while batch := list(islice(rows, BATCH)):
        yield batch, screen(batch) if screen is not None else [""] * len(batch)


class Screen:
    """Checks column by column, which costs a fraction of judging row by row.

    What it calls good has a request and no finding (a test compares the two); what it does not is merely not known.
    Serves sheets whose fields are columns; where a mapping computes something, it calls nothing good.
    """

    def __init__(self, header: Header, mapping: Mapping, limits: Limits) -> None:
        self._width = len(header.headings)
        self._limits = limits
        checks = self._checks()
        computed = mapping.values or mapping.overflow or header.attributes or header.constants
        columns = {field: template.column for field, template in header.fields.items()}
        plain = (
            not computed
            and not header.added
            and None not in columns.values()
            and {"external_id", "queue"} <= set(columns)
        )
        # Where the target takes a field that has no check here, only shape can tell.
        self._usable = plain and set(limits.fields) <= set(checks)
        self._pick = itemgetter(*(column for column in columns.values() if column is not None))
        self._chosen = [checks[field] for field in columns if field in checks]
        self._id = list(columns).index("external_id") if self._usable else 0

    def __call__(self, rows: Sequence[Row]) -> list[str]:
        """For each row its external ID where it is surely good, else an empty text."""
        if not self._usable or not rows:
            return [""] * len(rows)
        width = self._width
        fits = [
            len(row[1]) == width and not row[3] for row in rows
        ]  # by index: this is done for every row of every file
        if not all(fits):
            fitting = iter(self([row for row, fit in zip(rows, fits, strict=True) if fit]))
            return [next(fitting) if fit else "" for fit in fits]
        columns = list(zip(*map(self._pick, [row[1] for row in rows]), strict=True))
        masks = [check(column) for check, column in zip(self._chosen, columns, strict=True)]
        good = map(all, zip(*masks, strict=True))
        return [text if fine else "" for text, fine in zip(columns[self._id], good, strict=True)]

    def _checks(self) -> dict[str, Check]:
        limits = self._limits
        kinds = frozenset({*limits.types, ""})
        lowest, highest = max(limits.priority_low, -999), min(limits.priority_high, 999)
        numbers = frozenset({*map(str, range(lowest, highest + 1)), ""})
        queues = _Remembered(limits.queue)

        def identifiers(texts: Sequence[str]) -> list[bool]:
            most = limits.external_id
            return [0 < len(t) <= most and t.isprintable() and t == t.strip() and "+" not in t for t in texts]

        def descriptions(texts: Sequence[str]) -> list[bool]:
            most = limits.description
            return [0 < len(t) <= most and t == t.strip() and (t.isprintable() or not CONTROL.search(t)) for t in texts]

        return {
            "external_id": identifiers,
            "queue": lambda texts: map(queues.__getitem__, texts),
            "priority": lambda texts: map(numbers.__contains__, texts),
            "type": lambda texts: map(kinds.__contains__, texts),
            "description": descriptions,
        }


class _Remembered(dict[str, bool]):
    """Whether a queue's name is well formed; a sheet names few queues many times."""

    MOST = 10_000

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def __missing__(self, text: str) -> bool:
        if len(self) >= self.MOST:
            self.clear()
        fine = self[text] = 0 < len(text) <= self._limit and text.isprintable() and text == text.strip()
        return fine
