"""FileLimits: how much a file may hold, as settings; and the refusal that names number and setting. Values only."""

from dataclasses import dataclass

from importer.core.errors import FileRefused
from importer.core.findings import finding

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@dataclass(frozen=True, slots=True)
class FileLimits:
    """What a file may have at most, each bound included; None where there is none. Sizes are in bytes."""

    packed: int | None = None  # the file itself
    unpacked: int | None = 4 * GIB  # all parts of a workbook together
    ratio: int | None = 200  # unpacked bytes of a part for each packed one; sheets of real programs reach 40
    ratio_free: int = 64 * MIB  # up to so many unpacked bytes a part may be packed as tightly as it likes
    members: int | None = 10_000  # parts of a workbook
    rows: int | None = None  # with a value, below the first such row
    columns: int | None = 16_384  # as in Excel
    cell: int | None = 4 * MIB  # characters; Excel's own limit is 32,767
    merges: int | None = 500_000  # merged areas of the sheet


COMMAND_LINE = FileLimits()
"""For files that a person names: no limit on size and rows; the others are far beyond what programs write."""

UPLOAD = FileLimits(
    packed=20 * MIB,
    unpacked=200 * MIB,
    ratio=100,
    ratio_free=100_000,
    members=2_000,
    rows=100_000,
    columns=200,
    cell=32_767,
    merges=5_000,
)
"""For files that come from elsewhere, by way of a page."""


def beyond(problem: str, setting: str | None = None) -> FileRefused:
    """The refusal of a file that is too big in some way: F112. `problem` has the numbers, `setting` is a field of FileLimits."""
    told = f"The setting file_limits.{setting} is this limit." if setting else "No setting changes this limit."
    return FileRefused(finding("F112", problem=problem, setting=told))


def check(found: int, limit: int | None, setting: str, what: str) -> None:
    """Raises FileRefused where `found` is more than the limit. `what` is as in "it has {found} parts"."""
    if limit is not None and found > limit:
        raise beyond(f"{what.format(found=f'{found:,}')}, more than {limit:,}", setting)
