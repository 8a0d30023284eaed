"""Patches: where a sheet's cells differ from what the fast reader hands over, and how. Two bytes a cell."""

from array import array
from dataclasses import dataclass

from importer.core.file_limits import beyond
from importer.sources.xlsx_styles import Shape

MOST_KINDS = 65_000


@dataclass(frozen=True, slots=True)
class Patch:
    """What to do with one cell: show another text, show its number in a shape, add a mark of this code."""

    text: str | None = None
    shape: Shape | None = None
    code: str | None = None


class Patches:
    """A number for each cell of the columns that have patches; few kinds of patches serve many cells."""

    def __init__(self) -> None:
        self._kinds: list[Patch] = [Patch()]
        self._numbers: dict[Patch, int] = {}
        self._columns: dict[int, array[int]] = {}

    def add(self, line: int, column: int, patch: Patch) -> None:
        """`line` is 1-based, `column` 0-based; the caller has checked both. Raises FileRefused beyond MOST_KINDS."""
        number = self._numbers.get(patch)
        if number is None:
            if len(self._kinds) > MOST_KINDS:
                raise beyond(f"more than {MOST_KINDS:,} kinds of cells")
            number = self._numbers[patch] = len(self._kinds)
            self._kinds.append(patch)
        lines = self._columns.setdefault(column, array("H"))
        if line >= len(lines):
            lines.frombytes(bytes(2 * (line + 1 - len(lines) + len(lines) // 8)))
        lines[line] = number

    def of(self, line: int) -> list[tuple[int, Patch]]:
        """The patches of a line, by column."""
        return [
            (column, self._kinds[lines[line]])
            for column, lines in self._columns.items()
            if line < len(lines) and lines[line]
        ]

    def __bool__(self) -> bool:
        return bool(self._columns)
