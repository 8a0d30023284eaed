"""Patch: the XML of a sheet written through byte by byte, with cells of ours at the end of its rows. Keeps one block in memory."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from importer.core.rows import column_letter

MAIN = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",  # Strict
)
LINES_MOST, COLUMNS_MOST = 1_048_576, 16_384
HELD_MOST = 32 << 20
"""Bytes of one tag or text that are held until its end has come."""

MEASURED = ("c", "row", "sheetData", "cols", "mergeCell", "extLst")
PATCHED = ("row", "sheetData", "cols", "col", "dimension", "extLst")

Attributes = dict[str, str]
RowCells = tuple[int, tuple[tuple[str, str], ...]]
"""A line, and for each column of ours its style and text; a blank text makes no cell."""

_NAME = re.compile(rb"<([^\s/>]+)")
_ATTRIBUTE = re.compile(rb"\s+([^\s=]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_AREA = re.compile(r"([A-Z]{1,3})([0-9]{1,7})(?::([A-Z]{1,3})([0-9]{1,7}))?")
_ESCAPE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")


class Odd(Exception):
    """The workbook is built in a way that is left alone; `str()` says how, as the end of a sentence."""


@dataclass(slots=True)
class Extent:
    """How far a sheet's cells go."""

    lines: int = 0  # the last line that has a row
    columns: int = 0  # up to the last cell, blank ones with a format included
    extended: bool = False  # lists of extensions are in it, maybe in rows and cells too


class Reader:
    """An XML part read event by event, and where in its bytes each event is. Refuses a DTD, and all but UTF-8."""

    def __init__(
        self,
        wanted: Collection[str] | None,
        start: Callable[[str, Attributes], None],
        end: Callable[[str], None] | None = None,
    ) -> None:
        """`start` and `end` are called for the elements of the main namespace that are wanted (None: all), by local names."""
        names = _Names(wanted)
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartDoctypeDeclHandler = _refuse_dtd
        self._parser.XmlDeclHandler = _refuse_encoding

        # Both are called for every element of a sheet, of which most are not wanted.
        def started(name: str, attributes: Attributes) -> None:
            if local := names[name]:
                start(local, attributes)

        def ended(name: str) -> None:
            if (local := names[name]) and end is not None:
                end(local)

        self._parser.StartElementHandler = started
        if end is not None:
            self._parser.EndElementHandler = ended

    def feed(self, block: bytes, *, last: bool = False) -> None:
        """More of the part. Raises Odd."""
        try:
            self._parser.Parse(block, last)
        except (expat.ExpatError, LookupError, ValueError) as error:
            raise Odd("one of its parts is not well-formed XML") from error

    @property
    def at(self) -> int:
        """Where the event is whose handler is called; between blocks: no later event is before it."""
        return self._parser.CurrentByteIndex


class _Names(dict[str, str]):
    """Local names by full ones, as they are met; blank for an element that is not wanted."""

    def __init__(self, wanted: Collection[str] | None) -> None:
        super().__init__()
        self._wanted = wanted

    def __missing__(self, name: str) -> str:
        space, _, local = name.rpartition(" ")
        found = self[name] = local if space in MAIN and (self._wanted is None or local in self._wanted) else ""
        return found


def measure(blocks: Iterable[bytes]) -> Extent:
    """Reads a sheet to its end. Raises Odd where it is not built as spreadsheet programs build it."""
    measured = _Measure()
    reader = Reader(MEASURED, measured.start)
    for number, block in enumerate(blocks):
        if number == 0 and (block[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in block[:4]):
            raise Odd("its text is not UTF-8")
        reader.feed(block)
    reader.feed(b"", last=True)
    if measured.counted.get("sheetData") != 1 or measured.counted.get("cols", 0) > 1:
        raise Odd("its sheet has an unusual structure")
    return measured.extent


class _Measure:
    """The state of one measuring: the place of the last cell, and how often some elements came."""

    def __init__(self) -> None:
        self.extent = Extent()
        self.counted: dict[str, int] = {}
        self._line = 0
        self._digits = ""
        self._column = 0
        self._columns: dict[str, int] = {}  # by letters, each checked once

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "c":
            self._cell(attributes.get("r"))
        elif name == "row":
            self._line = row_line(attributes, self._line)
            self._digits = str(self._line)
            self._column = 0
            self.extent.lines = self._line
        elif name == "mergeCell":
            corner = _AREA.fullmatch(attributes.get("ref", ""))
            if corner and corner[3]:
                self.extent.columns = max(self.extent.columns, column_number(corner[3]))
        elif name == "extLst":
            self.extent.extended = True
        else:
            self.counted[name] = self.counted.get(name, 0) + 1

    def _cell(self, place: str | None) -> None:
        if place is None:
            self._column += 1
        else:
            letters = place[: -len(self._digits)]
            column = self._columns.get(letters) or self._checked(letters)
            if column <= self._column or not place.endswith(self._digits):
                raise Odd("cells of its sheet do not stand where they say")
            self._column = column
        if self._column > self.extent.columns:
            self.extent.columns = self._column

    def _checked(self, letters: str) -> int:
        if not re.fullmatch("[A-Z]{1,3}", letters):
            raise Odd("cells of its sheet do not stand where they say")
        self._columns[letters] = column_number(letters)
        return self._columns[letters]


@dataclass(slots=True)
class SheetPatch:
    """Writes a sheet through with columns of ours from `first` (0-based) on. Call `through` once.

    Its mutable state: what is read and not yet written, the edits of it that are known, the place in the sheet, the
    columns whose width is written.
    """

    first: int
    widths: tuple[float, ...]
    styles: Mapping[str, int]  # by name; a style that is missing leaves the cell plain
    rows: Iterator[RowCells]  # lines ascending
    extent: Extent
    replaces: int = 0  # from this line on, cells in our columns are dropped: an earlier annotation. 0: nowhere
    _raw: bytes = b""
    _base: int = 0  # where in the part `_raw` begins
    _edits: list[tuple[int, int, bytes]] = field(default_factory=list)
    _next: RowCells | None = None
    _line: int = 0
    _tag: bytes = b""  # of the row that is open, as it is spelled
    _cells: bytes = b""  # of that row, until they are written
    _column: int = 0  # of the last cell of that row (1-based), and whether it is open: where cells are looked at
    _in_cell: bool = False
    _dropped: int | None = None  # where a cell begins that is being dropped
    _closed: int = -1  # behind a tag that closes itself, until its end is told
    _own: int = 0  # columns of ours whose width is written
    _reader: Reader = field(init=False)

    def through(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The part's blocks, patched. Raises Odd, also after some blocks."""
        cells = ("c",) if self.replaces or self.extent.extended else ()
        self._reader = Reader((*PATCHED, *cells), self._start, self._end)
        self._take()
        for block in blocks:
            self._raw += block
            self._reader.feed(block)
            yield self._flushed(self._reader.at)
            if len(self._raw) > HELD_MOST:
                raise Odd("one of its cells is too large")
        self._reader.feed(b"", last=True)
        yield self._flushed(self._base + len(self._raw))
        if self._next is not None:
            raise Odd("its sheet has an unusual structure")

    # What is met

    def _start(self, name: str, attributes: Attributes) -> None:
        match name:
            case "c":
                self._in_cell = True
                self._cell(attributes.get("r"))
            case "row":
                self._note_closed()
                self._row_starts(attributes)
            case "sheetData":
                self._note_closed()
                self._tag = self._name_at(self._reader.at)
                if not self._own:
                    self._insert(self._reader.at, self._missing_cols())
            case "cols":
                self._note_closed()
                self._tag = self._name_at(self._reader.at)
            case "col":
                self._col(attributes)
            case "dimension":
                self._dimension(attributes.get("ref", ""))
            case "extLst" if not self._in_cell:  # of a row: it comes after the cells
                self._insert(self._reader.at, self._cells)
                self._cells = b""

    def _end(self, name: str) -> None:
        match name:
            case "c":
                self._in_cell = False
                if self._dropped is not None:
                    self._edits.append((self._dropped, self._end_of_tag(), b""))
                    self._dropped, self._closed = None, -1
            case "row":
                self._before_end(self._cells)
                self._cells = b""
            case "cols":
                self._before_end(b"".join(self._tagged(b"col", each) for each in self._own_columns(COLUMNS_MOST + 1)))
            case "sheetData":
                self._tag = self._prefix + b"sheetData"
                self._before_end(b"".join(self._new_rows(LINES_MOST + 1)))

    def _cell(self, place: str | None) -> None:
        """Of an earlier annotation: dropped. What a person has written to the right of it stays, behind our new cells."""
        self._column = self._column + 1 if place is None else column_number(place.rstrip("0123456789"))
        if not self.replaces or self._line < self.replaces or self._column <= self.first:
            return
        if self._column <= self.first + len(self.widths):
            self._dropped = self._reader.at
            self._note_closed()
        elif place is None:  # it stands where it does because of those that are dropped
            raise Odd("cells of its sheet do not say where they stand")
        else:
            self._insert(self._reader.at, self._cells)
            self._cells = b""

    def _row_starts(self, attributes: Attributes) -> None:
        at = self._reader.at
        self._line = row_line(attributes, self._line)
        self._column = 0
        self._tag = self._name_at(at)
        self._insert(at, b"".join(self._new_rows(self._line)))
        for match in self._attributes_at(at):
            if match[1] == b"spans":
                self._edits.append((self._base + match.start(), self._base + match.end(), b""))
        if self._next is not None and self._next[0] == self._line:
            self._cells = self._written(self._next)
            self._take()

    # What is written

    def _new_rows(self, before: int) -> Iterator[bytes]:
        """The rows below `before` that the sheet has no element for."""
        while self._next is not None and self._next[0] < before:
            prefix = self._prefix
            yield b'<%brow r="%d">%b</%brow>' % (prefix, self._next[0], self._written(self._next), prefix)
            self._take()

    def _written(self, row: RowCells) -> bytes:
        line, cells = row
        prefix = self._prefix.decode()
        made = []
        for column, (style, text) in enumerate(cells, self.first):
            if text:
                number = self.styles.get(style)
                formatted = "" if number is None else f' s="{number}"'
                made.append(
                    f'<{prefix}c r="{column_letter(column)}{line}"{formatted} t="inlineStr"><{prefix}is>'
                    f'<{prefix}t xml:space="preserve">{_escaped(text)}</{prefix}t></{prefix}is></{prefix}c>'
                )
        return "".join(made).encode()

    def _take(self) -> None:
        before = self._next[0] if self._next is not None else 0
        self._next = next(self.rows, None)
        if self._next is not None and self._next[0] <= before:
            raise Odd("its rows do not come in order")

    def _dimension(self, area: str) -> None:
        found = _AREA.fullmatch(area)
        if found is None:
            return
        left, top = column_number(found[1]), int(found[2])
        bottom = max(int(found[4] or top), self.extent.lines)
        last = max(column_number(found[3] or found[1]), self.first + len(self.widths))
        top = min(top, self._next[0]) if self._next is not None else top
        wide = f"{column_letter(left - 1)}{top}:{column_letter(last - 1)}{bottom}"
        self._set_attribute(self._reader.at, b"ref", wide.encode())

    def _col(self, attributes: Attributes) -> None:
        """A range of columns keeps what it says on both sides of ours."""
        try:
            low, high = int(attributes["min"]), int(attributes["max"])
        except (KeyError, ValueError):
            raise Odd("its columns have an unusual description") from None
        at, first, last = self._reader.at, self.first + 1, self.first + len(self.widths)
        if high < first:
            return
        own = self._own_columns(high + 1)
        kept = [(low, first - 1)] if low < first else []
        kept += [(max(low, last + 1), high)] if high > last else []
        begun = [self._raw[match.start() : match.end()] for match in self._attributes_at(at)]
        other = b"".join(each for each in begun if each.split(b"=")[0].strip() not in (b"min", b"max"))
        left = [b' min="%d" max="%d"%b' % (*each, other) for each in kept if each[0] < first]
        right = [b' min="%d" max="%d"%b' % (*each, other) for each in kept if each[0] > last]
        *before, final = [*left, *own, *right]
        name = self._name_at(at)
        tag_end = self._tag_end(at)
        closing = b"/>" if self._raw[: tag_end - self._base].endswith(b"/>") else b">"
        pieces = b"".join(b"<%b%b/>" % (name, each) for each in before) + b"<%b%b%b" % (name, final, closing)
        self._edits.append((at, tag_end, pieces))

    def _own_columns(self, below: int) -> list[bytes]:
        """The widths of our columns below one (1-based) that are not written yet, as attributes."""
        made = []
        while self._own < len(self.widths) and self.first + self._own + 1 < below:
            column = self.first + self._own + 1
            made.append(b' min="%d" max="%d" width="%g" customWidth="1"' % (column, column, self.widths[self._own]))
            self._own += 1
        return made

    def _missing_cols(self) -> bytes:
        columns = b"".join(self._tagged(b"col", each) for each in self._own_columns(COLUMNS_MOST + 1))
        return b"<%bcols>%b</%bcols>" % (self._prefix, columns, self._prefix)

    def _tagged(self, name: bytes, attributes: bytes) -> bytes:
        return b"<%b%b%b/>" % (self._prefix, name, attributes)

    # Bytes

    @property
    def _prefix(self) -> bytes:
        """`x:` where the elements of this part are written so."""
        before, colon, _ = self._tag.rpartition(b":")
        return before + colon

    def _name_at(self, at: int) -> bytes:
        match = _NAME.match(self._raw, at - self._base)
        if match is None:
            raise Odd("its sheet has an unusual structure")
        return match[1]

    def _attributes_at(self, at: int) -> list[re.Match[bytes]]:
        return attributes_at(self._raw, at - self._base)

    def _tag_end(self, at: int) -> int:
        """Behind the start tag at a place."""
        found = self._attributes_at(at)
        begun = found[-1].end() if found else at - self._base
        return self._base + self._raw.index(b">", begun) + 1

    def _note_closed(self) -> None:
        end = self._tag_end(self._reader.at)
        self._closed = end if self._raw[end - 2 - self._base : end - self._base] == b"/>" else -1

    def _set_attribute(self, at: int, name: bytes, value: bytes) -> None:
        for match in self._attributes_at(at):
            if match[1] == name:
                group = 2 if match[2] is not None else 3
                self._edits.append((self._base + match.start(group), self._base + match.end(group), value))

    def _insert(self, at: int, content: bytes) -> None:
        if content:
            self._edits.append((at, at, content))

    def _before_end(self, content: bytes) -> None:
        """Before the end tag that is met; a tag that closed itself is opened for it: the parser stands behind it."""
        at, closed = self._reader.at, self._closed
        self._closed = -1
        if at == closed and content:
            self._edits.append((at - 2, at, b">%b</%b>" % (content, self._tag)))
        else:
            self._insert(at, content)

    def _end_of_tag(self) -> int:
        at = self._reader.at
        return at if at == self._closed else self._base + self._raw.index(b">", at - self._base) + 1

    def _flushed(self, upto: int) -> bytes:
        """What is written for the bytes before `upto`, all of whose edits are known; they are forgotten."""
        if self._dropped is not None:
            upto = min(upto, self._dropped)
        pieces, done = [], 0
        for start, end, content in self._edits:
            pieces += [self._raw[done : start - self._base], content]
            done = end - self._base
        done_to = max(done, upto - self._base)
        pieces.append(self._raw[done:done_to])
        self._edits.clear()
        self._raw = self._raw[done_to:]
        self._base += done_to
        return b"".join(pieces)


def attributes_at(raw: bytes, at: int) -> list[re.Match[bytes]]:
    """The attributes of the start tag at a place, each with the blanks before it: its name, and its value as group 2 or 3."""
    name = _NAME.match(raw, at)
    found: list[re.Match[bytes]] = []
    while name is not None and (match := _ATTRIBUTE.match(raw, (found[-1] if found else name).end())):
        found.append(match)
    return found


def row_line(attributes: Attributes, before: int) -> int:
    """The line of a row element. Raises Odd where rows do not come in order."""
    said = attributes.get("r")
    if said is not None and not (said.isascii() and said.isdigit() and len(said) <= 7):
        raise Odd("its rows have no sound numbers")
    line = before + 1 if said is None else int(said)
    if line <= before:
        raise Odd("its rows do not come in order")
    return line


def column_number(letters: str) -> int:
    """1 for A, 27 for AA."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _escaped(text: str) -> str:
    """A text that is `visible`, for an element of an inline string. `_x0041_` would be read as an A."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _ESCAPE.sub("_x005F_", text)


def _refuse_dtd(*_: object) -> None:
    raise Odd("one of its parts contains XML declarations that no spreadsheet program writes")


def _refuse_encoding(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding is not None and encoding.lower() not in ("utf-8", "utf8"):
        raise Odd("its text is not UTF-8")
