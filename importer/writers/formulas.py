"""Formulas: every formula that a workbook of ours may hold. Constants alone: no text that was read is ever part of one."""

QUEUES = "=lk_queues"
TYPES = "=lk_types"

IN_CELLS: frozenset[str] = frozenset()
"""Formulas of cells: there are none; every cell is a text or a number."""


def area(name: str) -> str:
    """The area that holds the names of a drop-down; `name` is ours: a field, or a number."""
    return f"=lk_{name}"


def once(cell: str, area: str, most: int) -> str:
    """For a rule of a column: the text of a cell has at most so many characters and stands once in the area."""
    return f"=AND(LEN({cell})<={most},COUNTIF({area},{cell})=1)"
