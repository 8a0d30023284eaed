"""Detail: what a sheet holds beside its values, found by a search for bytes in its XML. Gives up on unusual XML."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from importer.core.file_limits import COMMAND_LINE, MIB, FileLimits, beyond, check
from importer.sources.xlsx_patches import Patch, Patches
from importer.sources.xlsx_styles import Shape

MOST_LINES = 1_048_576
MOST_COLUMNS = 16_384
MOST_CARRIED = 32 * MIB
"""A cell with its text may take so many bytes of XML."""
MOST_BOX = 12_000_000
"""The fast reader keeps a cell for every place between A1 and the last cell; so many need no justification."""
MOST_THINNED = 4
"""In a larger area one place of so many has a cell."""
ENTITIES = {b"&lt;": b"<", b"&gt;": b">", b"&quot;": b'"', b"&apos;": b"'", b"&amp;": b"&"}

SHEET_CUTS = (b"<c ", b"<row", b"</sheetData")
STRING_CUTS = (b"<si>", b"<si ")
MOST_CUT = 16  # no cut is longer
ENCODING = re.compile(rb"<\?xml[^<>]*encoding\s*=\s*[\"']([^\"']+)")
ATTRIBUTE = re.compile(rb'([\w:]+)="([^"]*)"')
REFERENCE = re.compile(rb"([A-Za-z]{1,3})(\d{1,7})")
ROW_HIDDEN = re.compile(rb'<row ([^<>]*\bhidden="(?:1|true)"[^<>]*)>')
COLUMN = re.compile(rb"<col\s([^<>]*)>")
MERGED = re.compile(rb'<mergeCell\s[^<>]*ref="([^"]*)"')
FAR = re.compile(rb'<c r="[A-Za-z](?:[A-Za-z]|\d{7})')
"""A cell beyond column Z or line 999,999. Where there is none, the last cell tells how far the sheet goes."""
CELL_PLACES = re.compile(rb'<c (?:[^<>]*?\s)?r="([A-Za-z]{1,3})(\d{1,7})"')
VALUED = re.compile(rb'<c (?:[^<>]*?\s)?r="([A-Za-z]{1,3})(\d{1,7})"(?:[^<>]*[^/<>])?>\s*<[vif]')
SIXTY = re.compile(
    rb'<c (?:[^<>]*?\s)?r="([A-Za-z]{1,3})(\d{1,7})"[^<>]*>\s*(?:<f[^<>]*/>|<f[^<>]*>[^<]*</f>)?\s*<v>60(?:\.\d*)?</v>'
)
BLANK_FIRST = re.compile(rb"<t>\s")
BLANK_LAST = re.compile(rb"<t>[^<]*\s</t>")
CONTENT = rb"([^<>]*)>\s*(?:(<f)(?:[^<>]*/>|[^<>]*>[^<]*</f>)\s*)?(?:<v(?:/>|[^<>]*>([^<]*)</v>))?"


class NeedsCare(Exception):
    """The XML is not written as the search expects; it may be sound all the same."""


@dataclass(slots=True)
class Detail:
    """What a person sees in a sheet, or should know of it, that its values do not tell. Columns are 0-based."""

    hidden_lines: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    merged: list[str] = field(default_factory=list)
    formulas: int = 0
    first_formula: tuple[int, int] | None = None  # line, column
    patches: Patches = field(default_factory=Patches)
    last_line: int = 0
    columns: int = 26  # at most so many; counted from the first two-letter column on
    cells: int = 0


def scan(
    blocks: Iterable[bytes],
    shapes: dict[int, Shape],
    limits: FileLimits = COMMAND_LINE,
    *,
    written_anew: bool = False,
) -> Detail:
    """Reads a sheet's XML once. Raises NeedsCare, or FileRefused beyond a limit.

    A sheet without cells needs care too, its cells may be hard to find; unless it was `written_anew`.
    """
    detail = Detail()
    interesting = _interesting(shapes)
    for number, piece in enumerate(whole(blocks, SHEET_CUTS)):
        if number == 0:
            check_head(piece, b"<worksheet")
        _check_plain(piece)
        _measure(piece, detail)
        _note_rows(piece, detail)
        check(len(detail.merged), limits.merges, "merges", "it has at least {found} merged areas")
        if shapes or b"<f" in piece or b't="e"' in piece:
            _note_cells(piece, interesting, shapes, detail)
    if not detail.cells and not written_anew:
        raise NeedsCare
    return detail


def check_strings(blocks: Iterable[bytes]) -> None:
    """Raises NeedsCare where the fast reader would lose white space or a part of a shared text."""
    for number, piece in enumerate(whole(blocks, STRING_CUTS)):
        if number == 0:
            check_head(piece, b"<sst")
        if b"<!" in piece or _loses_blanks(piece):
            raise NeedsCare


def check_box(detail: Detail, blocks: Iterable[bytes]) -> None:
    """Raises FileRefused where few cells span so big an area that a reader of dense areas would exhaust the memory."""
    box = detail.last_line * detail.columns
    if box <= MOST_BOX or detail.cells * MOST_THINNED >= box:
        return
    lines = columns = cells = 0
    for piece in whole(blocks, SHEET_CUTS):
        if not any(sign in piece for sign in (b"<v", b"<i", b"<f")):
            continue  # a search for bytes costs a hundredth; formatted blanks fill most of a sheet that comes here
        places = VALUED.findall(piece)
        cells += len(places)
        columns = max([columns, *(column_number(letters) + 1 for letters in {letters for letters, _ in places})])
        lines = max([lines, *(int(line) for line in {line for _, line in places})])
    if lines * columns > MOST_BOX and cells * MOST_THINNED < lines * columns:
        raise beyond(f"its {cells:,} cells are spread over {lines:,} rows and {columns:,} columns")


def leap_days(blocks: Iterable[bytes]) -> set[tuple[int, int]]:
    """Line and column of the cells with the day 60: 29 February 1900, which only spreadsheets have."""
    found: set[tuple[int, int]] = set()
    for piece in whole(blocks, SHEET_CUTS):
        if b"<v>60" in piece:
            found |= {(int(line), column_number(letters)) for letters, line in SIXTY.findall(piece)}
    return found


def column_number(letters: bytes) -> int:
    """0 for A, 25 for Z, 26 for AA."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number - 1


def whole(blocks: Iterable[bytes], cuts: tuple[bytes, ...]) -> Iterator[bytes]:
    """The same bytes in pieces that begin at one of the cuts. Raises FileRefused beyond MOST_CARRIED without a cut."""
    rest = b""
    for block in blocks:
        block = rest + block
        # The rest begins with a cut and has no other; to search it again for every block would take quadratic time.
        cut = max(block.rfind(each, max(0, len(rest) - MOST_CUT)) for each in cuts)
        if cut <= 0:
            rest = block
            if len(rest) > MOST_CARRIED:
                raise beyond(f"a cell takes more than {MOST_CARRIED // MIB} MiB")
            continue
        yield block[:cut]
        rest = block[cut:]
    if rest:
        yield rest


def check_head(piece: bytes, root: bytes) -> None:
    """Raises NeedsCare for another encoding than UTF-8 and for a root element with a prefix."""
    encoding = ENCODING.search(piece[:256])
    if b"\0" in piece[:4] or piece[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise NeedsCare
    if encoding and encoding[1].lower() not in (b"utf-8", b"utf8", b"us-ascii"):
        raise NeedsCare
    if root not in piece:
        raise NeedsCare


def _check_plain(piece: bytes) -> None:
    # A writer that uses single quotes, prefixes or other blanks does so in all cells, so that none is counted here.
    cells = piece.count(b"<c ")
    if b"<!" in piece or piece.count(b"</c>") > cells:
        raise NeedsCare
    if piece.count(b'<c r="') != cells and len(CELL_PLACES.findall(piece)) != cells:
        raise NeedsCare
    if b"<t>" in piece and _loses_blanks(piece):
        raise NeedsCare


def _loses_blanks(piece: bytes) -> bool:
    # Searches for fixed bytes cost a tenth of the expression, which has to look at every text.
    ends = (b" </t>", b"\n</t>", b"\t</t>", b"\r</t>")
    if BLANK_FIRST.search(piece):
        return True
    return any(end in piece for end in ends) and BLANK_LAST.search(piece) is not None


def _measure(piece: bytes, detail: Detail) -> None:
    cells = piece.count(b"<c ")
    detail.cells += cells
    last = CELL_PLACES.match(piece, max(0, piece.rfind(b"<c ")))
    places = [last.groups()] if last else []
    if FAR.search(piece) or piece.count(b'<c r="') != cells:
        places += CELL_PLACES.findall(piece)
    for letters, line in set(places):
        detail.columns = max(detail.columns, column_number(letters) + 1)
        detail.last_line = max(detail.last_line, int(line))
    check_place(detail.last_line, detail.columns - 1)


def check_place(line: int, column: int) -> None:
    """Raises FileRefused for a place that no worksheet has."""
    if line > MOST_LINES:
        raise beyond(f"it has a row {line:,}; a worksheet has at most {MOST_LINES:,}")
    if column >= MOST_COLUMNS:
        raise beyond(f"it has a column {column + 1:,}; a worksheet has at most {MOST_COLUMNS:,}")


def _note_rows(piece: bytes, detail: Detail) -> None:
    if b'hidden="' in piece:
        for match in ROW_HIDDEN.finditer(piece):
            line = _number(dict(ATTRIBUTE.findall(match[1])).get(b"r"))
            if line is None:
                raise NeedsCare
            detail.hidden_lines.add(line)
        for match in COLUMN.finditer(piece):
            detail.hidden_columns.update(_hidden_columns(dict(ATTRIBUTE.findall(match[1]))))
    if b"<mergeCell " in piece:
        detail.merged += [area.decode("utf-8", "replace") for area in MERGED.findall(piece)]


def _hidden_columns(attributes: dict[bytes, bytes]) -> range:
    if attributes.get(b"hidden") not in (b"1", b"true"):
        return range(0)
    first, last = _number(attributes.get(b"min")), _number(attributes.get(b"max"))
    if first is None or last is None:
        return range(0)
    return range(max(0, first - 1), min(last, MOST_COLUMNS))


def _interesting(shapes: dict[int, Shape]) -> re.Pattern[bytes]:
    wanted = [rb'[^<>]*\bt="e"', rb'[^<>]*\be="1"', rb"[^<>]*[^/<>]>\s*<f"]
    if 0 < len(shapes) <= 200:
        wanted.append(rb'[^<>]*\bs="(?:%b)"' % b"|".join(b"%d" % style for style in shapes))
    elif shapes:
        wanted.append(rb'[^<>]*\bs="')
    return re.compile(rb"<c (?=" + b"|".join(wanted) + b")" + CONTENT)


def _note_cells(piece: bytes, pattern: re.Pattern[bytes], shapes: dict[int, Shape], detail: Detail) -> None:
    for match in pattern.finditer(piece):
        attributes = dict(ATTRIBUTE.findall(match[1]))
        place = REFERENCE.fullmatch(attributes.get(b"r", b""))
        if place is None:
            raise NeedsCare
        line, column = int(place[2]), column_number(place[1])
        check_place(line, column)
        if match[2]:
            detail.formulas += 1
            detail.first_formula = detail.first_formula or (line, column)
        patch = _patch(attributes, match[3], shapes, formula=match[2] is not None)
        if patch is not None:
            detail.patches.add(line, column, patch)


def _patch(
    attributes: dict[bytes, bytes], value: bytes | None, shapes: dict[int, Shape], *, formula: bool
) -> Patch | None:
    kind = attributes.get(b"t", b"n")
    if kind == b"e" or b"e" in attributes:
        return Patch(text=_text(value or b""), code="V320")
    if formula and not value and (value is None or kind != b"str"):
        return Patch(code="V321")
    shape = shapes.get(_number(attributes.get(b"s")) or 0)
    return Patch(shape=shape) if shape is not None and kind == b"n" and value else None


def _number(digits: bytes | None) -> int | None:
    return int(digits) if digits and digits.isdigit() and len(digits) <= 7 else None


def _text(value: bytes) -> str:
    for entity, sign in ENTITIES.items():
        value = value.replace(entity, sign)
    return value.decode("utf-8", "replace")[:255]
