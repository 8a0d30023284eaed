"""Damaged and hostile workbooks are refused with a reason, and cost little."""

import io
import random
import struct
import tracemalloc
import zipfile
import zlib

import pytest

from importer.core.errors import FileRefused
from importer.core.file_limits import COMMAND_LINE
from tests.sources.test_xlsx_made import SHEET, packed, parts, read_whole, sheet_xml, texts

ROW = '<row r="1"><c r="A1"><v>5</v></c></row>'
MOST_MEMORY = 64 * 2**20


def refusal(file: io.BytesIO) -> tuple[str, str]:
    """The code and message of the refusal. Reading may not take more than MOST_MEMORY."""
    tracemalloc.start()
    try:
        with pytest.raises(FileRefused) as refused:
            read_whole(file)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
    return refused.value.finding.code, str(refused.value)


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("part", list(parts()))
def test_xlsx_dtd_is_refused_in_every_part(part: str, encoding: str) -> None:
    """A document type declaration is refused wherever it stands, in UTF-8 or UTF-16."""
    content = parts(ROW)
    content[part] = (BOMB + str(content[part])).encode(encoding)
    assert refusal(packed(content))[0] == "F108"


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/_rels/workbook.xml.rels", SHEET])
def test_xlsx_missing_part_is_refused(part: str) -> None:
    """A workbook that lacks a part that is needed is damaged."""
    content = parts(ROW)
    del content[part]
    assert refusal(packed(content))[0] == "F107"


@pytest.mark.parametrize("part", ["xl/styles.xml", "xl/sharedStrings.xml"])
def test_xlsx_optional_part_may_be_missing(part: str) -> None:
    """Styles and shared texts may be missing where nothing needs them."""
    content = parts(ROW)
    del content[part]
    assert texts(packed(content)) == [["5"]]


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/styles.xml", SHEET])
def test_xlsx_cut_part_is_refused(part: str) -> None:
    """A part that breaks off is damage, never fewer rows."""
    content = parts(ROW)
    content[part] = str(content[part])[:-20]
    assert refusal(packed(content))[0] == "F107"


def test_xlsx_wrong_checksum_is_refused() -> None:
    """A part whose bytes were changed is refused."""
    content = parts(ROW)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as target:
        for name, part in content.items():
            target.writestr(name, part)
    changed = file.getvalue().replace(b"<v>5</v>", b"<v>6</v>")
    assert refusal(io.BytesIO(changed)) == (
        "F107",
        f"The workbook is damaged: its part {SHEET} cannot be unpacked.",
    )


def test_xlsx_missing_shared_text_is_refused() -> None:
    """A cell that refers to a shared text that is not there is damage."""
    rows = '<row r="1"><c r="A1" t="s"><v>7</v></c></row>'
    assert refusal(packed(parts(rows, "<si><t>x</t></si>")))[0] == "F107"


def test_xlsx_encrypted_part_is_refused() -> None:
    """A part with a password is refused as protected."""
    file = bytearray(packed(parts(ROW)).getvalue())
    file[file.index(b"PK\x01\x02") + 8] |= 1
    assert refusal(io.BytesIO(bytes(file)))[0] == "F105"


def test_xlsx_ratio_bomb_is_refused_before_unpacking() -> None:
    """A part that unpacks to far more than sheets ever do is refused by the directory, with the numbers."""
    content = parts(ROW)
    code, message = refusal(packed({**content, "xl/media/x.xml": b" " * (65 * 2**20)}))
    assert (code, f"{65 * 2**20:,} bytes" in message, "200 times" in message) == ("F112", True, True)


def test_xlsx_tight_repetitive_sheet_is_read() -> None:
    """A small sheet may be packed as tightly as it likes."""
    rows = "<row>" + "<c><v>1</v></c>" * 50 + "</row>"
    assert len(texts(packed(parts(rows * 2000)))) == 2000


def test_xlsx_false_size_is_refused() -> None:
    """A part that unpacks to more than its directory says is damage; no more than the size is unpacked."""
    content = {**parts(ROW), SHEET: sheet_xml(ROW) + " " * 10_000_000}
    file = bytearray(packed(content).getvalue())
    place = file.index(b"PK\x01\x02")
    while file[place + 46 : place + 46 + len(SHEET)] != SHEET.encode():
        place = file.index(b"PK\x01\x02", place + 4)
    file[place + 24 : place + 28] = struct.pack("<I", 100)
    assert refusal(io.BytesIO(bytes(file)))[0] == "F107"


def test_xlsx_many_members_are_refused() -> None:
    """More parts than a workbook can have are refused with the number."""
    content = {**parts(ROW), **{f"xl/media/{n}": b"" for n in range(COMMAND_LINE.members or 0)}}
    code, message = refusal(packed(content))
    assert (code, "more than 10,000" in message) == ("F112", True)


def test_xlsx_two_parts_of_a_name_are_refused() -> None:
    """Two parts of the same name could be read differently by two programs."""
    file = packed(parts(ROW))
    with zipfile.ZipFile(file, "a") as target:
        target.writestr(SHEET.upper(), sheet_xml(ROW))
    assert refusal(file)[0] == "F107"


def test_xlsx_overlapping_parts_are_refused() -> None:
    """Two parts that share bytes of the file are refused."""
    content = parts(ROW)
    file = bytearray(packed(content).getvalue())
    first = file.index(b"PK\x01\x02")
    second = file.index(b"PK\x01\x02", first + 4)
    file[second + 42 : second + 46] = file[first + 42 : first + 46]
    code, words = refusal(io.BytesIO(bytes(file)))
    assert (code, "its parts overlap" in words) == ("F107", True)


@pytest.mark.parametrize("with_reference", [True, False])
def test_xlsx_sparse_bomb_is_refused(with_reference: bool) -> None:
    """Two cells at the corners of a sheet are refused instead of filling the memory."""
    rows = ROW + '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    code, message = refusal(packed(parts(rows if with_reference else "<row/>" + rows)))
    assert (code, "1,048,576 rows and 16,384 columns" in message) == ("F112", True)


@pytest.mark.parametrize("address", ["XFE1", "A1048577", "ZZZ9999999"])
def test_xlsx_place_beyond_a_worksheet_is_refused(address: str) -> None:
    """A cell beyond the last row or column is refused."""
    assert refusal(packed(parts(f'<row r="1"><c r="{address}"><v>1</v></c></row>')))[0] == "F112"


def test_xlsx_wide_sheet_is_read() -> None:
    """All 16,384 columns are read."""
    rows = "<row>" + "<c><v>1</v></c>" * 16_384 + "</row>"
    assert len(texts(packed(parts(rows)))[0]) == 16_384


def test_xlsx_formatted_blank_lines_cost_nothing() -> None:
    """A million formatted blank rows below the values are neither rows nor findings, nor a reason to refuse."""
    ghosts = "".join(f'<row r="{n}"><c r="A{n}" s="0"/><c r="AZ{n}" s="0"/></row>' for n in range(2, 1_048_577, 8))
    _, rows, findings = read_whole(packed(parts(ROW + ghosts)))
    assert ([list(row.cells) for row in rows], findings) == ([["5"]], [])


def test_xlsx_cell_without_end_is_refused() -> None:
    """A cell of 33 MiB is refused with the limit, not collected without end."""
    noise = zlib.compress(random.Random(1).randbytes(300_000)).hex() * 60
    text = f'<row r="1"><c r="A1" t="str"><v>{noise}</v></c></row>'
    with pytest.raises(FileRefused, match="more than 32 MiB"):
        read_whole(packed(parts(text)))


def test_xlsx_many_styles_are_read() -> None:
    """As many styles as a hostile file may have do not slow the search for a few cells."""
    formats = tuple("0" * (n % 20 + 2) for n in range(5000))
    rows = '<row r="1"><c r="A1" s="1"><v>5</v></c><c r="B1" s="4999"><v>5</v></c></row>'
    assert texts(packed(parts(rows, formats=formats))) == [["05", "5".zfill(4998 % 20 + 2)]]


@pytest.mark.parametrize("seed", range(40))
def test_xlsx_flipped_bits_are_read_or_refused(seed: int) -> None:
    """A file with random damage gives the same rows or a refusal; nothing else is raised."""
    file = bytearray(
        packed(parts(ROW * 3 + '<row r="2"><c r="A2" t="s"><v>0</v></c></row>', "<si><t>x</t></si>")).getvalue()
    )
    chance = random.Random(seed)
    for _ in range(chance.randrange(1, 6)):
        file[chance.randrange(len(file))] ^= 1 << chance.randrange(8)
    try:
        last = texts(io.BytesIO(bytes(file)))[-1]
    except FileRefused as refused:
        last = [refused.finding.code[:2]]
    assert last in (["x"], ["F1"])


def test_xlsx_unfinished_tags_take_linear_time() -> None:
    """A million beginnings of cells without an end are refused at once."""
    assert refusal(packed({**parts(), SHEET: sheet_xml("<c " * 1_000_000)}))[0] == "F107"
