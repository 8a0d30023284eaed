"""Workbook: one that was read, opened again to be copied; where its sheet, its styles and its pictures are. Reads no cells."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from importer.core.errors import FileRefused
from importer.core.file_limits import COMMAND_LINE, MIB, FileLimits
from importer.ports import OpenBook
from importer.sources.reader import open_regular
from importer.sources.sniff import sniff
from importer.sources.xlsx import refuse_dtds
from importer.sources.xlsx_book import BookSheet, choose, open_book, relations_of
from importer.sources.xlsx_package import Package, damaged
from importer.sources.xlsx_xml import Attributes, walk

EMU_A_COLUMN = 609_600
"""What a usual column is wide, in the units of drawings: for a picture that tells its size and not its end."""


@contextmanager
def open_workbook(path: Path, sheet: str | None, limits: FileLimits = COMMAND_LINE) -> Iterator[OpenBook]:
    """The workbook, open while the context lasts. Raises FileRefused, as reading does: for what is no workbook or broken."""
    with open_regular(path) as raw, io.BufferedReader(raw, MIB) as file:
        if sniff(file) != "xlsx":
            raise damaged("it is a text file")
        package = Package(file, limits)
        refuse_dtds(package)
        book = open_book(package)
        chosen = choose(book, sheet)
        yield OpenBook(file, chosen.part, book.styles, _pictured(package, chosen))


def _pictured(package: Package, sheet: BookSheet) -> int:
    """How many columns they reach. What cannot be read counts as none: it is for looks only."""
    anchors = _Anchors()
    for relation in relations_of(package, sheet.part).values():
        if relation.kind == "drawing":
            with suppress(FileRefused):
                walk(package.blocks(relation.part), anchors.start, anchors.end, anchors.text)
    return anchors.reached


class _Anchors:
    """What a drawing says of places. Its state: the corner that is open, whether its column is, and what is known of a picture."""

    def __init__(self) -> None:
        self.reached = 0
        self._corner = ""
        self._wanted = False
        self._columns: dict[str, int] = {}

    def start(self, name: str, attributes: Attributes) -> None:
        if name.endswith("Anchor"):
            self._columns = {}
        elif name in ("from", "to"):
            self._corner = name
        elif name == "col":
            self._wanted = bool(self._corner)
        elif name == "ext" and attributes.get("cx", "").isdecimal():
            self._columns.setdefault("wide", -(-int(attributes["cx"]) // EMU_A_COLUMN))

    def text(self, text: str) -> None:
        if self._wanted and text.strip().isdecimal():
            self._columns[self._corner] = int(text)

    def end(self, name: str) -> None:
        if name == "col":
            self._wanted = False
        elif name in ("from", "to"):
            self._corner = ""
        elif name.endswith("Anchor") and "from" in self._columns:
            known = self._columns
            self.reached = max(self.reached, known.get("to", known["from"] + known.get("wide", 0)) + 1)
