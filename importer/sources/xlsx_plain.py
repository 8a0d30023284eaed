"""Plain: an unusual sheet written anew as the fast reader and the scan expect it. Slower, exact, in memory.

Unusual are: another encoding than UTF-8, prefixes, missing references, CDATA, white space without `xml:space`, error
values and types that the fast reader does not know. Nothing is repaired: what does not stand in the XML is refused.
"""

import io
import re
import zipfile
from collections.abc import Iterable

from importer.core.rows import column_letter
from importer.sources.xlsx_book import Book, BookSheet, is_true
from importer.sources.xlsx_package import Package, damaged
from importer.sources.xlsx_scan import check_place, column_number
from importer.sources.xlsx_xml import Attributes, walk

KNOWN_ERRORS = {"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#GETTING_DATA"}
REFERENCE = re.compile(r"\$?([A-Za-z]{1,3})\$?([0-9]{1,7})")
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[Ee][+-]?[0-9]{1,4})?")
DECLARATION = re.compile(r"^\s*<\?xml.*?\?>", re.DOTALL)
DECLARED = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([\w.-]+)")
ROWS_JOINED = 1000
EMPTY_STRINGS = '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"/>'


def plain_sheet(package: Package, book: Book, sheet: BookSheet) -> bytes:
    """The sheet's XML in the plain dialect. Raises FileRefused: a DTD, bad XML, a shared text that is missing."""
    strings = shared_strings(package.blocks(book.strings)) if book.strings else []
    writer = _SheetWriter(strings)
    walk(package.blocks(sheet.part), writer.start, writer.end, writer.text)
    return writer.content()


def plain_workbook(package: Package, book: Book, sheet: BookSheet, content: bytes) -> io.BytesIO:
    """A workbook in memory that holds only what the values of `sheet` need."""
    folder, _, name = book.main.rpartition("/")
    parts = ["[Content_Types].xml", "_rels/.rels", book.main, f"{folder}/_rels/{name}.rels", book.styles]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        for part in parts:
            if part is not None and part in package:
                target.writestr(part, as_utf8(package.content(part)))
        if book.strings is not None:
            target.writestr(book.strings, EMPTY_STRINGS)
        target.writestr(sheet.part, content)
    file.seek(0)
    return file


def as_utf8(content: bytes) -> bytes:
    """An XML part in UTF-8. Raises FileRefused where it does not fit the encoding that it announces."""
    declared = DECLARED.search(content[:256])
    encoding = declared[1].decode("ascii") if declared else "utf-8-sig"
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif b"\0" in content[:4]:
        encoding = "utf-16-be" if content[0] == 0 else "utf-16-le"
    try:
        return DECLARATION.sub("", content.decode(encoding), count=1).lstrip("\ufeff").encode()
    except (UnicodeError, LookupError) as error:
        raise damaged("one of its parts does not fit its encoding") from error


def shared_strings(blocks: Iterable[bytes]) -> list[str]:
    """The workbook's shared texts, exactly as stored; phonetic hints are left out."""
    strings: list[str] = []
    pieces: list[str] = []
    depth = _Depth()

    def start(name: str, _: Attributes) -> None:
        depth.open(name)
        if name == "si":
            pieces.clear()

    def end(name: str) -> None:
        depth.close(name)
        if name == "si":
            strings.append("".join(pieces))

    walk(blocks, start, end, lambda text: pieces.append(text) if depth.in_text else None)
    return strings


class _Depth:
    """Whether the walk stands in a `t` that is shown: not in one of a phonetic hint (`rPh`)."""

    def __init__(self) -> None:
        self._texts = 0
        self._hints = 0

    @property
    def in_text(self) -> bool:
        return self._texts > 0 and self._hints == 0

    def open(self, name: str) -> None:
        self._texts += name == "t"
        self._hints += name == "rPh"

    def close(self, name: str) -> None:
        self._texts -= name == "t"
        self._hints -= name == "rPh"


class _SheetWriter:
    """Mutable: the place of the walk (line, column, element), the cell being read, and what is written so far."""

    def __init__(self, strings: list[str]) -> None:
        self._strings = strings
        self._written: list[bytes] = []
        self._rows: list[str] = []
        self._columns: list[str] = []
        self._merged: list[str] = []
        self._inside = False
        self._line = 0
        self._column = -1
        self._cell: Attributes = {}
        self._formula = False
        self._value: list[str] | None = None
        self._depth = _Depth()
        self._in_value = False

    def start(self, name: str, attributes: Attributes) -> None:
        self._depth.open(name)
        if name == "sheetData":
            self._inside = True
        elif name == "col" and is_true(attributes.get("hidden")):
            self._columns.append(
                f'<col min="{_digits(attributes, "min")}" max="{_digits(attributes, "max")}" hidden="1"/>'
            )
        elif name == "mergeCell":
            self._merged.append(f'<mergeCell ref="{_escaped(attributes.get("ref", ""))}"/>')
        elif self._inside:
            self._start_inside(name, attributes)

    def end(self, name: str) -> None:
        self._depth.close(name)
        if name == "sheetData":
            self._inside = False
        elif name == "v":
            self._in_value = False
        elif name == "c" and self._inside:
            self._write_cell()
        elif name == "row" and self._inside:
            self._rows.append("</row>")
            if len(self._rows) > ROWS_JOINED:
                self._flush()

    def text(self, text: str) -> None:
        if self._value is not None and (self._in_value or self._depth.in_text):
            self._value.append(text)

    def content(self) -> bytes:
        """The whole sheet."""
        self._flush()
        columns = f"<cols>{''.join(self._columns)}</cols>" if self._columns else ""
        merged = f"<mergeCells>{''.join(self._merged)}</mergeCells>" if self._merged else ""
        head = f'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{columns}<sheetData>'
        return head.encode() + b"".join(self._written) + f"</sheetData>{merged}</worksheet>".encode()

    def _start_inside(self, name: str, attributes: Attributes) -> None:
        if name == "row":
            self._line = int(attributes["r"]) if attributes.get("r", "").isdecimal() else self._line + 1
            check_place(self._line, 0)
            self._column = -1
            hidden = ' hidden="1"' if is_true(attributes.get("hidden")) else ""
            self._rows.append(f'<row r="{self._line}"{hidden}>')
        elif name == "c":
            self._cell, self._formula, self._value = attributes, False, None
        elif name == "f":
            self._formula = True
        elif name in ("v", "is"):
            self._value = self._value or []
            self._in_value = name == "v"

    def _place(self) -> tuple[int, str]:
        reference = self._cell.get("r")
        if reference is None:
            self._column += 1
            check_place(self._line, self._column)
            return self._column, f"{column_letter(self._column)}{self._line}"
        match = REFERENCE.fullmatch(reference)
        if match is None:
            raise damaged("a cell has no sound address")
        self._column = column_number(match[1].encode())
        check_place(int(match[2]), self._column)
        return self._column, f"{match[1].upper()}{match[2]}"

    def _write_cell(self) -> None:
        _, address = self._place()
        kind, value = self._cell.get("t", "n"), None if self._value is None else "".join(self._value)
        self._value = None
        if value is None and not self._formula:
            return
        style = f' s="{self._cell["s"]}"' if self._cell.get("s", "").isdecimal() else ""
        formula = "<f/>" if self._formula else ""
        self._rows.append(f'<c r="{address}"{style}{_typed(kind, value, formula, self._strings)}</c>')

    def _flush(self) -> None:
        self._written.append("".join(self._rows).encode())
        self._rows.clear()


def _typed(kind: str, value: str | None, formula: str, strings: list[str]) -> str:
    """The rest of a cell from its type on."""
    if value is None:
        return f">{formula}"
    if kind == "s":
        kind, value = "inlineStr", _shared(value, strings)
    if kind == "inlineStr":
        return f' t="inlineStr">{formula}<is><t xml:space="preserve">{_escaped(value)}</t></is>'
    if kind == "e":
        # The attribute `e` is ours: the fast reader refuses errors newer than itself, such as #SPILL!.
        mark = "e" if value in KNOWN_ERRORS else 'str" e="1'
        return f' t="{mark}">{formula}<v>{_escaped(value)}</v>'
    if kind == "b":
        value = "0" if value.strip().lower() in ("0", "false", "") else "1"
    elif kind == "n":
        number = NUMBER.fullmatch(value.strip())
        kind, value = ("n", value.strip()) if number or not value.strip() else ("str", value)
    elif kind != "d":
        kind = "str"
    return f' t="{kind}">{formula}<v>{_escaped(value)}</v>'


def _shared(value: str, strings: list[str]) -> str:
    if not value.strip():
        return ""
    if not value.strip().isdecimal() or int(value) >= len(strings):
        raise damaged("a cell refers to a shared text that is missing")
    return strings[int(value)]


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return text.replace("\r", "&#13;")


def _digits(attributes: Attributes, name: str) -> str:
    value = attributes.get(name, "0")
    return value if value.isdecimal() else "0"
