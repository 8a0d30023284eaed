"""Xlsx: a workbook as rows of text. Values come from python-calamine; what it leaves out, from a search in the XML.

The fast reader is quick and lenient: it drops error values and white space, shows numbers without their formats, takes some
unusual XML for an empty sheet, and keeps a cell for every place of the used area. So the sheet's XML is looked through
first. What is unusual is written anew in plain XML before the fast reader sees it.
"""

import codecs
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import BinaryIO, cast

from importer.core.errors import FileRefused
from importer.core.file_limits import FileLimits
from importer.core.findings import Finding, finding, listed
from importer.core.rows import Row, Sheet, cell_address
from importer.ports import Reading, ReadOptions
from importer.sources.xlsx_book import Book, BookSheet, choose, comments_of, has_rows, is_ours, open_book
from importer.sources.xlsx_package import Package, damaged
from importer.sources.xlsx_plain import plain_sheet, plain_workbook
from importer.sources.xlsx_rows import SheetRows, Values
from importer.sources.xlsx_scan import Detail, NeedsCare, check_box, check_strings, leap_days, scan
from importer.sources.xlsx_styles import Shape, shapes_of
from importer.sources.xlsx_xml import refuse_dtd

XML_NAMES = (".xml", ".rels", ".vml")
ABOVE_ROOT = 4096  # bytes read at a time above a root element, which mostly begins within the first hundred

ENCODINGS = ("ascii", "cp437", "cp1252", "iso8859-1", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")


def preload() -> None:
    """Imports all that `read` will ever need: afterwards no file can be opened."""
    import python_calamine  # noqa: F401

    for encoding in ENCODINGS:
        codecs.lookup(encoding)


def read(file: BinaryIO, options: ReadOptions) -> Reading:
    """Reads one sheet of an .xlsx or .xlsm file. `file` is seekable, belongs to the caller, and stays open to the last row.

    The sheet is held in memory: about 30 bytes for each place between A1 and the last value, and its texts once. Raises
    FileRefused: F105, F107, F108, F109, F110, F112, F113; all of them before the first row.
    """
    limits = options.file_limits
    package = Package(file, limits)
    refuse_dtds(package)
    book = open_book(package)
    sheet = choose(book, options.sheet)
    shapes = shapes_of(package, book.styles)
    values, detail, blocks = _load(file, package, book, sheet, shapes, limits)
    findings = [*_of_book(package, book, sheet), *_of_sheet(sheet, detail, comments_of(package, sheet))]
    others = tuple(each.name for each in book.sheets if each is not sheet)
    rows = SheetRows(values, detail, sheet.name, limits, cache(lambda: leap_days(blocks())))
    hidden = tuple(each.name for each in book.sheets if each is not sheet and not each.visible)
    return Reading(Sheet("xlsx", sheet.name, others=others, hidden=hidden), _with_findings(rows, findings), findings)


def _with_findings(rows: SheetRows, findings: list[Finding]) -> Iterator[Row]:
    yield from rows
    findings += rows.findings()


def refuse_dtds(package: Package) -> None:
    """Looks above the root element of every part that is XML, also of those that are never read. A drawing in media/ may have one."""
    for name in package.names():
        if name.endswith(XML_NAMES):
            try:
                refuse_dtd(package.blocks(name, ABOVE_ROOT))
            except FileRefused as refused:
                if refused.finding.code != "F107":  # a part that is damaged is told if it turns out to be needed
                    raise


_Loaded = tuple[Values, Detail, Callable[[], Iterable[bytes]]]
"""The sheet's values, what they do not tell, and its XML once more."""


def _load(
    file: BinaryIO,
    package: Package,
    book: Book,
    sheet: BookSheet,
    shapes: dict[int, Shape],
    limits: FileLimits,
) -> _Loaded:
    try:
        if book.strings is not None:
            check_strings(package.blocks(book.strings))
        detail = scan(package.blocks(sheet.part), shapes, limits)
        check_box(detail, package.blocks(sheet.part))
        return _values(file, sheet), detail, lambda: package.blocks(sheet.part)
    except (NeedsCare, _FastReaderFailed):
        content = plain_sheet(package, book, sheet)
    return _load_plain(package, book, sheet, shapes, content, limits)


def _load_plain(
    package: Package, book: Book, sheet: BookSheet, shapes: dict[int, Shape], content: bytes, limits: FileLimits
) -> _Loaded:
    try:
        detail = scan([content], shapes, limits, written_anew=True)
        check_box(detail, [content])
        return _values(plain_workbook(package, book, sheet, content), sheet), detail, lambda: [content]
    except (NeedsCare, _FastReaderFailed) as error:
        raise damaged("its sheet cannot be understood") from error


class _FastReaderFailed(Exception):
    pass


def _values(file: BinaryIO, sheet: BookSheet) -> Values:
    """The values of a sheet, all of them read. Raises _FastReaderFailed, whatever the fast reader raises."""
    import python_calamine

    file.seek(0)
    try:
        workbook = python_calamine.CalamineWorkbook.from_filelike(file)
        return cast(Values, workbook.get_sheet_by_name(sheet.name))
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise _FastReaderFailed from error
    except BaseException as error:
        # A panic of the Rust code arrives as a BaseException whose class cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise _FastReaderFailed from error


def _of_book(package: Package, book: Book, sheet: BookSheet) -> list[Finding]:
    others = [each for each in book.sheets if each is not sheet and has_rows(package, each)]
    others = [each for each in others if not is_ours(package, each)]
    visible = [each.name for each in others if each.visible]
    hidden = [each.name for each in others if not each.visible]
    found = []
    if visible:
        found.append(finding("F203", count=len(visible), sheets=listed(visible)))
    if hidden:
        found.append(finding("F204", count=len(hidden), sheets=listed(hidden)))
    if book.from_1904:
        found.append(finding("F212"))
    return found


def _of_sheet(sheet: BookSheet, detail: Detail, comments: int) -> list[Finding]:
    found = []
    if detail.merged:
        found.append(finding("F206", sheet=sheet.name, count=len(detail.merged), areas=listed(detail.merged)))
    if detail.first_formula is not None:
        line, column = detail.first_formula
        cell = cell_address(sheet.name, column, line)
        found.append(finding("F207", sheet=sheet.name, column=column, line=line, count=detail.formulas, cell=cell))
    if comments:
        found.append(finding("F210", sheet=sheet.name, count=comments))
    return found
