"""Input formats: each module reads one; SOURCES names them. Nothing heavy is imported until a file of that format is read."""

from collections.abc import Callable
from typing import BinaryIO

from importer.ports import Reading, ReadOptions

Read = Callable[[BinaryIO, ReadOptions], Reading]
"""Reads an open file, without opening another. Raises FileRefused, at once or while the rows are iterated."""

Preload = Callable[[BinaryIO], None]
"""Imports what Read will need for this file: after it no module can be imported any more."""


def _read_csv(file: BinaryIO, options: ReadOptions) -> Reading:
    from importer.sources import csv

    return csv.read(file, options)


def _preload_csv(file: BinaryIO) -> None:
    from importer.sources import csv

    csv.preload(file)


def _read_xlsx(file: BinaryIO, options: ReadOptions) -> Reading:
    from importer.sources import xlsx

    return xlsx.read(file, options)


def _preload_xlsx(_file: BinaryIO) -> None:
    from importer.sources import xlsx

    xlsx.preload()


SOURCES: dict[str, Read] = {"csv": _read_csv, "xlsx": _read_xlsx}
PRELOADS: dict[str, Preload] = {"csv": _preload_csv, "xlsx": _preload_xlsx}
