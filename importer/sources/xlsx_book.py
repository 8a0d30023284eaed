"""Book: the sheets of a workbook in their order, and where their parts are. Reads no cells."""

import posixpath
import re
from contextlib import suppress
from dataclasses import dataclass

from importer.core.columns import LOOKUPS
from importer.core.errors import FileRefused
from importer.core.file_limits import MIB
from importer.core.findings import finding, listed
from importer.sources.xlsx_package import Package, damaged
from importer.sources.xlsx_xml import Attributes, walk

PROPERTIES, OURS = "docProps/custom.xml", b">importer."
"""Where programs keep what our workbooks say of themselves (their schema), and how that begins."""
LOOKED_FOR_ROWS = 4 * MIB
"""So many bytes of a sheet that is not read are searched for a value."""
VALUE = re.compile(rb"<(?:\w+:)?(?:v|is)[ >]")


@dataclass(frozen=True, slots=True)
class BookSheet:
    """One worksheet; charts and macro sheets are none."""

    name: str
    part: str
    visible: bool


@dataclass(frozen=True, slots=True)
class Book:
    """What xl/workbook.xml says: the worksheets in their order, and the parts that their values depend on."""

    main: str
    sheets: tuple[BookSheet, ...]
    from_1904: bool
    styles: str | None
    strings: str | None


@dataclass(frozen=True, slots=True)
class Relation:
    kind: str  # the last word of its type: "worksheet", "styles"
    part: str


def open_book(package: Package) -> Book:
    """Raises FileRefused when a part is missing, broken or has a DTD."""
    main = _main_part(package)
    relations = relations_of(package, main)
    sheets: list[Attributes] = []
    properties: Attributes = {}

    def start(name: str, attributes: Attributes) -> None:
        if name == "sheet":
            sheets.append(attributes)
        elif name == "workbookPr":
            properties.update(attributes)

    walk([package.content(main)], start)
    return Book(
        main=main,
        sheets=tuple(_worksheets(sheets, relations)),
        from_1904=is_true(properties.get("date1904")),
        styles=_part_of_kind(package, relations, "styles", "xl/styles.xml"),
        strings=_part_of_kind(package, relations, "sharedStrings", "xl/sharedStrings.xml"),
    )


def relations_of(package: Package, part: str) -> dict[str, Relation]:
    """The relations of a part by ID; none when it has no relations. Those to outside the workbook are left out."""
    folder, name = posixpath.split(part)
    rels = posixpath.join(folder, "_rels", f"{name}.rels")
    if rels not in package:
        return {}
    found: dict[str, Relation] = {}

    def start(name: str, attributes: Attributes) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes.get("Target", "").replace("\\", "/")
            path = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
            found[attributes.get("Id", "")] = Relation(attributes.get("Type", "").rpartition("/")[2], path)

    walk([package.content(rels)], start)
    return found


def is_true(value: str | None) -> bool:
    """A boolean as XML Schema writes it."""
    return value in ("1", "true")


def choose(book: Book, wanted: str | None) -> BookSheet:
    """The sheet asked for, else the first visible one. Raises FileRefused: F110, F113."""
    if wanted is None:
        visible = next((each for each in book.sheets if each.visible), None)
        if visible is None:
            raise FileRefused(finding("F113"))
        return visible
    named = [each for each in book.sheets if each.name == wanted]
    named += [each for each in book.sheets if each.name.casefold() == wanted.casefold()]
    if not named:
        raise FileRefused(finding("F110", wanted=wanted, sheets=listed(each.name for each in book.sheets)))
    return named[0]


def has_rows(package: Package, sheet: BookSheet) -> bool:
    """Whether a value stands near the sheet's beginning. A sheet that cannot be read counts as one that has."""
    if sheet.part not in package:
        return False
    read, rest = 0, b""
    try:
        for block in package.blocks(sheet.part):
            if VALUE.search(rest + block) or b"\0" in block[:4]:
                return True
            read, rest = read + len(block), block[-16:]
            if read >= LOOKED_FOR_ROWS:
                break
    except FileRefused:
        return True
    return False


def is_ours(package: Package, sheet: BookSheet) -> bool:
    """Whether it is the hidden sheet that a workbook of ours has for its drop-downs: nobody has put rows there."""
    if sheet.visible or sheet.name != LOOKUPS or PROPERTIES not in package:
        return False
    with suppress(FileRefused):
        return OURS in package.content(PROPERTIES)
    return False


def comments_of(package: Package, sheet: BookSheet) -> int:
    """How many cells of the sheet have a comment; 0 where that cannot be read: it is not needed for the rows."""
    parts = [each.part for each in relations_of(package, sheet.part).values() if each.kind == "comments"]
    count = 0

    def start(name: str, _: Attributes) -> None:
        nonlocal count
        count += name == "comment"

    for part in parts:
        with suppress(FileRefused):
            walk(package.blocks(part), start)
    return count


def _main_part(package: Package) -> str:
    for relation in relations_of(package, "").values():
        if relation.kind == "officeDocument" and relation.part in package:
            return relation.part
    if "xl/workbook.xml" in package:
        return "xl/workbook.xml"
    raise damaged("its part xl/workbook.xml is missing")


def _worksheets(found: list[Attributes], relations: dict[str, Relation]) -> list[BookSheet]:
    sheets = []
    for each in found:
        relation = relations.get(each.get("id", ""))
        if relation is None:
            raise damaged("one of its sheets has no part")
        if relation.kind == "worksheet":
            sheets.append(BookSheet(each.get("name", ""), relation.part, each.get("state", "visible") == "visible"))
    return sheets


def _part_of_kind(package: Package, relations: dict[str, Relation], kind: str, usual: str) -> str | None:
    named = [each.part for each in relations.values() if each.kind == kind]
    return next((each for each in [*named, usual] if each in package), None)
