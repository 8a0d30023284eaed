"""Odd files: one maker for each kind of real, damaged or hostile input, and what must become of it. No file is kept in the repository."""

import io
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.sources.test_xlsx_made import MAIN, PACKAGE, RELATIONS, SHEET, packed, parts, sheet_xml

Make = Callable[[Path], object]
"""Writes the file."""


@dataclass(frozen=True, slots=True)
class Odd:
    """A kind of file. It is refused with a code, or read: then some cells are known, and what is said of the file."""

    name: str  # the file's, extension and all; often a lie
    make: Make
    refused: str = ""
    cells: tuple[tuple[int, int, str], ...] = ()  # row (0 is the first that is handed over), column (0-based), text
    rows: int | None = None
    says: tuple[str, ...] = ()  # findings that must be there; V codes are marks of cells


def text(content: str, encoding: str = "utf-8", mark: bytes = b"") -> Make:
    """A text file."""
    return lambda path: path.write_bytes(mark + content.encode(encoding))


def raw(content: bytes) -> Make:
    """A file of these bytes."""
    return lambda path: path.write_bytes(content)


def sparse(head: bytes, size: int) -> Make:
    """A file that begins so and goes on with NULs, which take no room on the disk."""

    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.write(head)
            file.truncate(size)

    return make


def book(
    rows: str = "",
    strings: str = "",
    formats: tuple[str, ...] = (),
    before: str = "",
    after: str = "",
    more: dict[str, str | bytes] | None = None,
) -> Make:
    """A workbook of one sheet, made of its XML, with more parts or other ones."""

    def make(path: Path) -> None:
        content = parts(rows, strings, formats)
        content[SHEET] = sheet_xml(rows, before, after)
        path.write_bytes(packed({**content, **(more or {})}).getvalue())

    return make


def edited(edit: Callable[[bytearray], object], rows: str = "", compress: bool = True) -> Make:
    """A workbook whose bytes are changed after it was packed."""

    def make(path: Path) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as target:
            for name, part in parts(rows or ROWS).items():
                target.writestr(name, part)
            target.writestr("xl/media/room.bin", bytes(4000), zipfile.ZIP_STORED)
        content = bytearray(file.getvalue())
        edit(content)
        path.write_bytes(content)

    return make


def later(make: Callable[[], Make]) -> Make:
    """A large file, of which nothing is in memory before it is written."""
    return lambda path: make()(path)


def cell(address: str, value: str, attributes: str = "") -> str:
    """A cell with a number."""
    return f'<c r="{address}"{attributes}><v>{value}</v></c>'


def inline(address: str, value: str) -> str:
    """A cell with a text."""
    return f'<c r="{address}" t="inlineStr"><is><t xml:space="preserve">{value}</t></is></c>'


ROWS = (
    f'<row r="1">{inline("A1", "id")}{inline("B1", "text")}</row><row r="2">{cell("A2", "1")}{inline("B2", "a")}</row>'
)
READ = ((0, 0, "id"), (1, 0, "1"), (1, 1, "a"))

TABLE = "id;text\n1;Größe\n2;b\n"
TABLE_READ = ((0, 1, "text"), (1, 1, "Größe"), (2, 0, "2"))

LONG = {
    "big5": "客戶要求退還訂單款項，發票金額錯誤，送貨延遲，請儘快處理。",
    "gbk": "客户要求退还订单款项，发票金额错误，送货延迟，请尽快处理。",
    "shift_jis": "お客様は注文の返金を求めています。請求書の金額が間違っています。",
    "iso8859_7": "Ο πελάτης ζητά επιστροφή χρημάτων για την παραγγελία του και το τιμολόγιο",
}
"""Enough of a language to know its encoding by."""

ENCODINGS = [
    Odd("utf-16-le.csv", text(TABLE, "utf-16-le", b"\xff\xfe"), cells=TABLE_READ),
    Odd("utf-16-be.csv", text(TABLE, "utf-16-be", b"\xfe\xff"), cells=TABLE_READ),
    Odd("utf-32-le.csv", text(TABLE, "utf-32-le", b"\xff\xfe\0\0"), cells=TABLE_READ),
    Odd("utf-32-be.csv", text(TABLE, "utf-32-be", b"\0\0\xfe\xff"), cells=TABLE_READ),
    Odd("utf-16-le without a mark.csv", text("a,b\n1,2\n", "utf-16-le"), refused="F111"),
    Odd("utf-16-be without a mark.csv", text("a,b\n1,2\n", "utf-16-be"), refused="F111"),
    Odd("utf-32-le without a mark.csv", text("a,b\n1,2\n", "utf-32-le"), refused="F111"),
    Odd("utf-16 without a mark, beyond ASCII.csv", text(TABLE * 9, "utf-16-le"), refused="F111"),
    Odd("utf-16 cut in a character.csv", text("a,b\n1,", "utf-16-le", b"\xff\xfe"), cells=((0, 1, "b"),)),
    Odd("utf-16 cut in half a character.csv", raw("\ufeffa,b\n1,é".encode("utf-16-le")[:-1]), refused="F115"),
    Odd("utf-8 with one foreign byte.csv", raw("a,b\n1,ÄÖÜßéè\n2,caf".encode() + b"\xe9\n"), refused="F115"),
    *(
        Odd(f"{encoding}.csv", text(f"id;text\n{f'1;{words}{chr(10)}' * 20}", encoding), cells=((5, 1, words),), says=("F201",))
        for encoding, words in LONG.items()
    ),
]  # fmt: skip

CSV = [
    Odd("CR only.csv", text("a,b\r1,x\r2,y\r"), cells=((2, 1, "y"),), rows=3),
    Odd("sep line.csv", text("sep=;\r\na;b\r\n1;2,5\r\n"), cells=((0, 0, "a"), (1, 1, "2,5")), rows=2),
    Odd("pipes.csv", text("a|b\n1|x, y\n2|z\n"), cells=((1, 1, "x, y"),), says=("F209",)),
    Odd("ragged.csv", text("a,b,c\n1\n1,2,3,4\n1,2,3\n"), cells=((1, 0, "1"), (2, 3, "4")), rows=4),
    Odd("repeated headers.csv", text("id,id,text\n1,2,a\n"), cells=((0, 1, "id"), (1, 1, "2")), rows=2),
    Odd("blank lines.csv", later(lambda: text("a,b\n" + "\n" * 20_000 + "1,x\n")), cells=((1, 1, "x"),), rows=2, says=("F202",)),
    Odd("NUL.csv", text("a,b\n1,x\0y\n"), refused="F111"),
    Odd("controls.csv", text("a,b\n1,x\x07\x1b[31my\n"), cells=((1, 1, "x\x07\x1b[31my"),)),
    Odd("telephones.csv", text("id,tel\n1,+31201234567\n2,0031 20\n"), cells=((1, 1, "+31201234567"), (2, 1, "0031 20"))),
    Odd("comma decimals.csv", text("id;sum\n1;2,5\n2;1.234,56\n"), cells=((1, 1, "2,5"), (2, 1, "1.234,56"))),
    Odd("Arabic digits.csv", text("id,priority\n1,٣\n"), cells=((1, 1, "٣"),)),
    Odd("formulas.csv", text('a,b\n1,"=cmd|\'/C calc\'!A0"\n2,@SUM(1)\n'), cells=((1, 1, "=cmd|'/C calc'!A0"), (2, 1, "@SUM(1)"))),
    Odd("one huge cell.csv", later(lambda: text("a,b\n1," + "x" * 5_000_000 + "\n")), refused="F112"),
    Odd("a million columns.csv", later(lambda: text(("," * 999_999 + "\n") * 3)), refused="F112"),
    Odd("a million columns with values.csv", later(lambda: text(("x," * 999_999 + "x\n") * 20)), refused="F112"),
    Odd("open quote.csv", text('a,b\n1,x\n2,"open\n' + "3,y\n" * 1000), refused="F114"),
    Odd("open quote, large.csv", later(lambda: text('a,b\n1,x\n2,"open\n' + "3,some text\n" * 800_000)), refused="F114"),
    Odd("a gigabyte without a line break.csv", sparse(b"id,text\n1,", 2**30), refused="F112"),
    Odd("quotes alone.csv", later(lambda: text("a,b\n" + '"' * 3_000_001 + "\n")), refused="F114"),
    Odd("only delimiters.csv", text(";;;;\n" * 1000), rows=0, says=("F202",)),
]  # fmt: skip


def relations(*each: tuple[str, str, str]) -> str:
    """A part of relations: kind, target, more attributes."""
    told = "".join(
        f'<Relationship Id="rId{n}" Type="{RELATIONS}/{kind}" Target="{target}"{more}/>'
        for n, (kind, target, more) in enumerate(each, 1)
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{told}</Relationships>'


def workbook(sheets: str, before: str = "", after: str = "") -> str:
    """The part xl/workbook.xml."""
    return f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}">{before}<sheets>{sheets}</sheets>{after}</workbook>'


WORKBOOK_RELATIONS = "xl/_rels/workbook.xml.rels"
TWO = relations(("worksheet", "worksheets/sheet1.xml", ""), ("worksheet", "worksheets/sheet2.xml", ""))
OTHER = sheet_xml(f'<row r="1">{inline("A1", "other")}</row><row r="2">{cell("A2", "9")}</row>')
ENTITIES = "<!DOCTYPE x [" + '<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
) + "]>"  # fmt: skip
EXTERNAL = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'


def strict(part: str | bytes) -> str:
    """A part in the namespaces of ISO 29500 Strict."""
    return str(part).replace(MAIN, "http://purl.oclc.org/ooxml/spreadsheetml/main").replace(
        RELATIONS, "http://purl.oclc.org/ooxml/officeDocument/relationships"
    )  # fmt: skip


def directory_of(content: bytearray, part: str) -> int:
    """Where the zip directory tells of a part."""
    place = content.index(b"PK\x01\x02")
    while content[place + 46 : place + 46 + len(part)] != part.encode():
        place = content.index(b"PK\x01\x02", place + 4)
    return place


def falsify(content: bytearray, size: int) -> None:
    """Makes the directory tell another unpacked size of the sheet."""
    place = directory_of(content, SHEET)
    content[place + 24 : place + 28] = struct.pack("<I", size)


def overlap(content: bytearray) -> None:
    """Makes the sheet a part that lies within another part's bytes, sound in itself."""
    place = directory_of(content, SHEET)
    size, at = (int.from_bytes(content[place + n : place + n + 4], "little") for n in (20, 42))
    record = content[at : at + 30 + len(SHEET) + size]
    room = content.index(bytes(4000))
    content[room : room + len(record)] = record
    content[place + 42 : place + 46] = struct.pack("<I", room)


def change(content: bytearray) -> None:
    """Changes a byte of the sheet, whose checksum then is wrong."""
    content[content.index(b"<v>1</v>") + 3] = ord("2")


def lock_password(content: bytearray) -> None:
    """Marks the first part as encrypted."""
    content[content.index(b"PK\x01\x02") + 8] |= 1


def quine() -> bytes:
    """A zip in a zip in a zip, each full of blanks."""
    inner = b" " * 100_000
    for _ in range(3):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
            for n in range(10):
                target.writestr(f"{n}.zip", inner)
        inner = file.getvalue()
    return inner


def stream(name: str) -> bytes:
    """An OLE2 file with a stream of this name."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1016) + name.encode("utf-16-le") + bytes(64)


def zipped(**content: bytes) -> bytes:
    """A zip archive; in the names, two underlines stand for a slash and one for a full stop."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        for name, part in content.items():
            target.writestr(name.replace("__", "/").replace("_", "."), part)
    return file.getvalue()


def many_lines(number: int) -> str:
    """Rows of formatted cells without a value, to the end of the sheet."""
    return "".join(f'<row r="{n}"><c r="A{n}" s="0"/></row>' for n in range(3, 3 + number))


def merges(number: int) -> str:
    """So many merged areas, all over a table."""
    return "<mergeCells>" + "".join(f'<mergeCell ref="A{n}:B{n}"/>' for n in range(3, 3 + number)) + "</mergeCells>"


def dates(*serials: str) -> str:
    """A row of each serial number in a date format."""
    return "".join(f'<row r="{n}">{cell(f"A{n}", each, chr(32) + chr(115) + "=" + chr(34) + "1" + chr(34))}</row>' for n, each in enumerate(serials, 1))  # fmt: skip


DATE = ("yyyy\\-mm\\-dd",)

BOMBS = [
    Odd("entities.xlsx", book(ROWS, more={SHEET: ENTITIES + sheet_xml(ROWS.replace("id", "&i;"))}), refused="F108"),
    Odd("quadratic.xlsx", later(lambda: book(ROWS, more={"xl/sharedStrings.xml": f'<!DOCTYPE x [<!ENTITY a "{"a" * 50_000}">]><sst xmlns="{MAIN}"><si><t>{"&a;" * 50_000}</t></si></sst>'})), refused="F108"),
    Odd("external entity.xlsx", book(ROWS, more={SHEET: EXTERNAL + sheet_xml(ROWS.replace("id", "&e;"))}), refused="F108"),
    Odd("entity without a DTD.xlsx", book(ROWS.replace("id", "&e;")), refused="F107"),
    Odd("DTD in a part that is not read.xlsx", book(ROWS, more={"docProps/core.xml": EXTERNAL + "<a/>"}), refused="F108"),
    Odd("DTD below comments.xlsx", book(ROWS, more={"docProps/app.xml": f"<?xml version='1.0'?><!--{'x' * 9000}-->" + EXTERNAL + "<a/>"}), refused="F108"),
    Odd("DTD in UTF-16.xlsx", book(ROWS, more={"xl/comments1.xml": (EXTERNAL + "<a/>").encode("utf-16")}), refused="F108"),
    Odd("XInclude.xlsx", book(ROWS, after='<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'), cells=READ, rows=2),
    Odd("deep nesting.xlsx", later(lambda: book(ROWS, more={SHEET: sheet_xml(ROWS, after="<a>" * 200_000 + "</a>" * 200_000)})), cells=READ, rows=2),
    Odd("huge attribute.xlsx", later(lambda: book(f'<row r="1" x="{"y" * 3_000_000}">{inline("A1", "id")}</row>')), cells=((0, 0, "id"),), rows=1),
    Odd("zip bomb.xlsx", later(lambda: book(ROWS, more={"xl/media/x.bin": bytes(65 * 2**20)})), refused="F112"),
    Odd("nested zips.xlsx", later(lambda: book(ROWS, more={"xl/embeddings/x.zip": quine()})), cells=READ, rows=2),
    Odd("many members.xlsx", later(lambda: book(ROWS, more={f"xl/media/{n}": "" for n in range(10_001)})), refused="F112"),
    Odd("overlapping members.xlsx", edited(overlap), refused="F107"),
    Odd("false size, small.xlsx", edited(lambda content: falsify(content, 10)), refused="F107"),
    Odd("false size, large.xlsx", edited(lambda content: falsify(content, 2**32 - 2)), refused="F112"),
    Odd("zip slip.xlsx", book(ROWS, more={"../../../tmp/importer-was-here": "x", "/etc/importer-was-here": "x", "C:\\importer": "x", "a\0b": "x", "CON": "x", "y" * 300: "x"}), cells=READ, rows=2),
    Odd("sparse.xlsx", book(f'<row r="1">{cell("A1", "1")}</row><row r="1048576">{cell("XFD1048576", "1")}</row>'), refused="F112"),
    Odd("false dimension.xlsx", book(ROWS, before='<dimension ref="A1:XFD1048576"/>'), cells=READ, rows=2),
    Odd("nonsense dimension.xlsx", book(ROWS, before='<dimension ref="XFD1048576:A1"/>'), cells=READ, rows=2),
    Odd("all columns.xlsx", later(lambda: book("<row>" + "<c><v>1</v></c>" * 16_384 + "</row>")), cells=((0, 16_383, "1"),), rows=1),
    Odd("a million blank rows.xlsx", later(lambda: book(ROWS + many_lines(1_048_570))), cells=READ, rows=2),
    Odd("50,000 merges.xlsx", later(lambda: book(ROWS, after=merges(50_000))), cells=READ, rows=2, says=("F206",)),
    Odd("a million styles.xlsx", later(lambda: book(ROWS, more={"xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><numFmts><numFmt numFmtId="164" formatCode="000"/></numFmts><cellXfs>{chr(60)}xf numFmtId="0"/>{"<xf numFmtId=" + chr(34) + "164" + chr(34) + "/>"}{"<xf/>" * 1_000_000}</cellXfs></styleSheet>'})), refused="F112"),
    Odd("shared texts that tell a false count.xlsx", book(f'<row r="1">{cell("A1", "0", chr(32) + "t=" + chr(34) + "s" + chr(34))}</row>', more={"xl/sharedStrings.xml": f'<sst xmlns="{MAIN}" count="4294967295" uniqueCount="18446744073709551615"><si><t>x</t></si></sst>'}), cells=((0, 0, "x"),)),
]  # fmt: skip

WORKBOOKS = [
    Odd("bad checksum.xlsx", edited(change, compress=False), refused="F107"),
    Odd("cut off.xlsx", lambda path: path.write_bytes(packed(parts(ROWS)).getvalue()[:-300]), refused="F107"),
    Odd("encrypted.xlsx", raw(stream("EncryptedPackage")), refused="F105"),
    Odd("encrypted part.xlsx", edited(lock_password), refused="F105"),
    Odd("strict.xlsx", lambda path: path.write_bytes(packed({name: strict(part) for name, part in parts(ROWS).items()}).getvalue()), cells=READ, rows=2),
    Odd("UTF-16 parts.xlsx", lambda path: path.write_bytes(packed({name: f'<?xml version="1.0" encoding="UTF-16"?>{part!s}'.encode("utf-16") for name, part in parts(ROWS.replace("text", "Größe")).items()}).getvalue()), cells=((0, 1, "Größe"), (1, 0, "1")), rows=2),
    Odd("1904.xlsx", book(dates("42736"), formats=DATE, more={"xl/workbook.xml": workbook('<sheet name="A" sheetId="1" r:id="rId1"/>', '<workbookPr date1904="1"/>')}), cells=((0, 0, "2021-01-02"),), says=("F212",)),
    Odd("29 February 1900.xlsx", book(dates("1", "59", "60", "61"), formats=DATE), cells=((0, 0, "1900-01-01"), (1, 0, "1900-02-28"), (2, 0, "1900-02-29"), (3, 0, "1900-03-01"))),
    Odd("escapes.xlsx", book(f'<row r="1">{inline("A1", "a_x000D_b_x005F_x000D_")}</row>'), cells=((0, 0, "a\rb_x000D_"),)),
    Odd("hidden sheet first.xlsx", book(ROWS, more={WORKBOOK_RELATIONS: TWO, "xl/workbook.xml": workbook('<sheet name="H" sheetId="1" state="hidden" r:id="rId2"/><sheet name="A" sheetId="2" r:id="rId1"/>'), "xl/worksheets/sheet2.xml": OTHER}), cells=READ, rows=2, says=("F204",)),
    Odd("very hidden sheet.xlsx", book(ROWS, more={WORKBOOK_RELATIONS: TWO, "xl/workbook.xml": workbook('<sheet name="H" sheetId="1" state="veryHidden" r:id="rId2"/><sheet name="A" sheetId="2" r:id="rId1"/>'), "xl/worksheets/sheet2.xml": OTHER}), cells=READ, rows=2, says=("F204",)),
    Odd("active sheet is not the first.xlsx", book(ROWS, more={WORKBOOK_RELATIONS: TWO, "xl/workbook.xml": workbook('<sheet name="A" sheetId="1" r:id="rId1"/><sheet name="B" sheetId="2" r:id="rId2"/>', '<bookViews><workbookView activeTab="1"/></bookViews>'), "xl/worksheets/sheet2.xml": OTHER}), cells=READ, rows=2, says=("F203",)),
    Odd("external link.xlsx", book(f'<row r="1"><c r="A1" t="str"><f>[1]Sheet1!A1</f><v>id</v></c></row><row r="2">{cell("A2", "1")}</row>', more={WORKBOOK_RELATIONS: relations(("worksheet", "worksheets/sheet1.xml", ""), ("externalLink", "externalLinks/externalLink1.xml", "")), "xl/externalLinks/externalLink1.xml": f'<externalLink xmlns="{MAIN}" xmlns:r="{RELATIONS}"><externalBook r:id="rId1"/></externalLink>', "xl/externalLinks/_rels/externalLink1.xml.rels": relations(("externalLinkPath", "http://127.0.0.1:9/x.xlsx", ' TargetMode="External"'))}), cells=((0, 0, "id"), (1, 0, "1")), says=("F207",)),
    Odd("sheet outside.xlsx", book(ROWS, more={WORKBOOK_RELATIONS: relations(("worksheet", "http://127.0.0.1:9/x.xml", ' TargetMode="External"'))}), refused="F107"),
    Odd("DDE.xlsx", book(f'<row r="1"><c r="A1" t="str"><f>cmd|&apos;/C calc&apos;!A0</f><v>id</v></c></row><row r="2">{cell("A2", "1")}</row>', more={"xl/externalLinks/externalLink1.xml": f'<externalLink xmlns="{MAIN}"><ddeLink ddeService="cmd" ddeTopic="/C calc"/></externalLink>'}), cells=((0, 0, "id"),), says=("F207",)),
    Odd("macros.xlsm", book(ROWS, more={"xl/vbaProject.bin": stream("VBA")}), cells=READ, rows=2),
    Odd("~$lock.xlsx", raw(b"\x05Alice" + b" " * 49 + b"\x05\0" + "Alice".encode("utf-16-le") + b" \0" * 49), refused="F106"),
    Odd("old.xlsx", raw(stream("Workbook")), refused="F104"),
    Odd("old.csv", raw(stream("Book")), refused="F104"),
    Odd("binary.xlsx", raw(zipped(xl__workbook_bin=b"x")), refused="F104"),
    Odd("ods.xlsx", raw(zipped(mimetype=b"x", content_xml=b"x")), refused="F104"),
    Odd("page.xlsx", text("<html><body><table><tr><td>1</td></tr></table></body></html>"), refused="F106"),
    Odd("page.csv", text("<table>\n<tr><td>1</td></tr></table>"), refused="F106"),
    Odd("SpreadsheetML.xlsx", text('<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>'), refused="F104"),
    Odd("a workbook.csv", book(ROWS), cells=READ, rows=2),
    Odd("a table.xlsx", text("id,text\n1,a\n"), cells=READ, rows=2),
    Odd("a page before a zip.xlsx", lambda path: path.write_bytes(b"<html>" + packed(parts(ROWS)).getvalue()), refused="F106"),
    Odd("a zip before a page.xlsx", lambda path: path.write_bytes(packed(parts(ROWS)).getvalue() + b"<html><script>"), cells=READ, rows=2),
]  # fmt: skip

ALL = [*ENCODINGS, *CSV, *BOMBS, *WORKBOOKS]
