"""annotated.xlsx: the user's own workbook with verdict, advice and task ID beside each row. What else it holds stays, byte for byte."""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NamedTuple

from importer.core.errors import FileRefused
from importer.ports import OpenBook, OpensBook
from importer.writers.annotations import TITLES, WIDTHS, Annotated, Annotation, Annotations
from importer.writers.book import COLUMNS_MOST, ROWS_MOST, Facts, Grid, Head, Page, Styled, book
from importer.writers.files import written
from importer.writers.patch import Extent, Odd, RowCells, SheetPatch, measure
from importer.writers.patch_styles import with_styles
from importer.writers.survey import full_cells
from importer.writers.text import visible

SCHEMA = "importer.annotated-workbook/1"
BLOCK = 1 << 18
STYLES_MOST = 64 << 20  # bytes of a styles part, which is held as a whole
LARGE = 1 << 30  # from so many bytes on, a part gets the zip format for large ones
STYLED = ("header", "good", "look", "bad", "calm", "text")
BETWEEN = "  •  "
"""Between the problems of a row where they stand on one line."""
BROKEN = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, RuntimeError)
"""What the zip module says of a part that cannot be read."""


class Written(NamedTuple):
    """Where the workbook is, and why it is a fresh one; blank where it is the user's own."""

    path: Path
    fresh: str


def write_annotated(
    folder: Path, original: Annotated, annotations: Annotations, opens: OpensBook, *, rows_most: int = ROWS_MOST
) -> Written:
    """Writes annotated.xlsx into `folder` (annotated.xlsm for a workbook with macros, which stay).

    Streams: memory does not depend on rows. A source that is no workbook, was changed since it was read, or is built in an
    unusual way gives a fresh workbook of its rows, which says so. Raises NotWritten where the folder refuses.
    """
    if original.format == "csv":
        return _fresh(folder, original, annotations, "a CSV file has no place for it", rows_most)
    try:
        with opens(original.kept, original.sheet) as opened:
            return Written(_patched(folder, original, annotations, opened), "")
    except FileRefused as refused:
        reason = str(refused)[:1].lower() + str(refused)[1:].rstrip(".")
    except Odd as odd:
        reason = str(odd)
    return _fresh(folder, original, annotations, reason, rows_most)


# The user's own workbook


def _patched(folder: Path, original: Annotated, annotations: Annotations, opened: OpenBook) -> Path:
    if _sha256(opened.file) != original.sha256:
        raise Odd("it was changed since it was read")
    suffix = ".xlsm" if original.source.suffix.lower() == ".xlsm" else ".xlsx"
    with _unzipped(opened.file) as source:
        parts = _parts(source)
        if any(name.startswith("_xmlsignatures/") for name in parts):
            raise Odd("it is signed, and a change would break its signature")
        sheet, styles = parts.get(_plain(opened.sheet)), parts.get(_plain(opened.styles or ""))
        if sheet is None:
            raise Odd("its sheet is missing")
        content, numbers = _styles(source, styles)
        patch = _patch(original, annotations, opened, measure(_blocks(source, sheet)), numbers)
        with written(folder / f"annotated{suffix}") as draft:
            changed = {sheet.filename: patch.through(_blocks(source, sheet))}
            if styles is not None:
                changed[styles.filename] = iter((content,))
            _copy(source, draft.file, changed)
    return draft.path


def _patch(
    original: Annotated, annotations: Annotations, opened: OpenBook, extent: Extent, numbers: Mapping[str, int]
) -> SheetPatch:
    before = _annotated_before(original.headings)
    first = max(extent.columns, len(original.headings), opened.pictured) if before is None else before
    if first + len(TITLES) > COLUMNS_MOST:
        raise Odd("there is no room for more columns")
    return SheetPatch(
        first=first,
        widths=WIDTHS,
        styles=numbers,
        rows=_rows(original.header_line, annotations()),
        extent=extent,
        replaces=0 if before is None else original.header_line,
    )


def _annotated_before(headings: tuple[str, ...]) -> int | None:
    """The column (0-based) of an earlier annotation at the right end of the sheet, which is replaced."""
    texts = [heading.strip() for heading in headings]
    while texts and not texts[-1]:
        texts.pop()
    first = len(texts) - len(TITLES)
    return first if first >= 0 and tuple(texts[first:]) == TITLES else None


def _rows(header_line: int, annotations: Iterator[Annotation]) -> Iterator[RowCells]:
    yield header_line, tuple(("header", title) for title in TITLES)
    for each in annotations:
        # On one line: a taller row would change the user's sheet, and some programs cut what a row has no room for.
        advice = visible(visible(each.advice).replace("\n", BETWEEN))
        yield each.line, ((each.style, each.word), ("text", advice), ("text", visible(each.task_id)))


def _styles(source: zipfile.ZipFile, member: zipfile.ZipInfo | None) -> tuple[bytes, dict[str, int]]:
    if member is None:
        return b"", {}
    if member.file_size > STYLES_MOST:
        raise Odd("its styles are too large")
    return with_styles(b"".join(_blocks(source, member)), STYLED)


# Its zip file


def _unzipped(file: BinaryIO) -> "closing[zipfile.ZipFile]":
    file.seek(0)
    try:
        return closing(zipfile.ZipFile(file))
    except BROKEN as error:
        raise Odd("its zip directory cannot be read") from error


def _parts(source: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    return {_plain(each.filename): each for each in source.infolist()}


def _plain(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()


def _blocks(source: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with source.open(member) as part:
            while block := part.read(BLOCK):
                yield block
    except BROKEN as error:
        raise Odd("one of its parts cannot be unpacked") from error


def _copy(source: zipfile.ZipFile, file: BinaryIO, changed: dict[str, Iterator[bytes]]) -> None:
    """All parts in their order under their names, dates and kinds of packing; those that are `changed` with other bytes."""
    with zipfile.ZipFile(file, "w") as target:
        target.comment = source.comment
        for each in source.infolist():
            blocks = changed.get(each.filename) or _blocks(source, each)
            with target.open(_like(each), "w", force_zip64=each.file_size > LARGE) as part:
                for block in blocks:
                    part.write(block)


def _like(member: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """A new entry: the old one holds the checksum and the place of the old part."""
    made = zipfile.ZipInfo(member.filename, member.date_time)
    made.compress_type = member.compress_type
    made.create_system, made.external_attr = member.create_system, member.external_attr
    made.comment = member.comment
    return made


def _sha256(file: BinaryIO) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()


# A fresh one


def _fresh(folder: Path, original: Annotated, annotations: Annotations, reason: str, rows_most: int) -> Written:
    about = Facts("Annotated copy", original.source.name, original.about, SCHEMA)
    width = max(len(original.headings), *(len(each.cells) for each in annotations()), 0)
    before = _annotated_before(original.headings)
    width = min(width if before is None else before, COLUMNS_MOST - len(TITLES))
    with book(folder / "annotated.xlsx", about) as made:
        grid = Grid(made, "Rows", _heads(original, width), top=original.header_line - 1, rows_most=rows_most)
        beyond = _table(grid, annotations(), width, rows_most)
        grid.end()
        _explain(Page(made, "About", (24, 60)), original, reason, beyond)
    return Written(made.path, reason)


def _heads(original: Annotated, width: int) -> list[Head]:
    own = (Head(title) for title in full_cells(original.headings, width))
    styles = ("text", "wrap", "text")
    return [*own, *(Head(title, style, wide) for title, style, wide in zip(TITLES, styles, WIDTHS, strict=True))]


def _table(grid: Grid, annotations: Iterator[Annotation], width: int, lines: int) -> int:
    """Each row on its own line, so that the cells that are named are where they are said to be.

    A sheet has only so many `lines`: returns the first one beyond, from which on rows stand close on further sheets, or 0.
    """
    beyond = 0
    for each in annotations:
        while not beyond and grid.line < min(each.line, lines + 1):
            grid.add(())
        if each.line > lines:
            beyond = beyond or each.line
        grid.add((*full_cells(each.cells, width), Styled(each.word, each.style), each.advice, each.task_id))
    return beyond


def _explain(page: Page, original: Annotated, reason: str, beyond: int) -> None:
    page.title("Annotated copy of the rows that were read")
    page.fact("File", original.source.name)
    page.fact("Sheet", original.sheet or "")
    page.fact("Says", original.about)
    page.gap()
    page.note(f"This is a new workbook, not a copy of the file: {reason}.")
    page.note("The sheet Rows has the columns of the file as they were read, on the same lines, and three more.")
    if beyond:
        page.note(f"A sheet ends before line {beyond:,}: that row and all below it follow, without gaps, on Rows 2.")
    page.note("Formats, formulas, charts and other sheets are not in it; the file itself has not been touched.")
