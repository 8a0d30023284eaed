"""Values of workbooks come through as a person sees them."""

import datetime as dt
import io
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.rows import column_letter
from tests.sources.test_xlsx_made import SHEET, marks, packed, parts, read_whole, texts


def one_cell(cell: str, formats: tuple[str, ...] = (), strings: str = "") -> str:
    rows = texts(packed(parts(f'<row r="1">{cell}</row>', strings, formats)))
    return rows[0][0] if rows else ""


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("50", "50"),
        ("22.2222", "22.2222"),
        ("-3", "-3"),
        ("0", "0"),
        ("-0", "0"),
        ("0.30000000000000004", "0.3"),
        ("1.6900000000000002", "1.69"),
        ("123456789012", "123456789012"),
        ("1234567890123450", "1234567890123450"),
        ("12345678901234500000", "12345678901234500000"),
        ("1E+300", "1e+300"),
    ],
)
def test_xlsx_number_is_shown_without_noise(stored: str, shown: str) -> None:
    """A number is shown with the digits that a spreadsheet keeps, a whole one without decimals."""
    assert one_cell(f'<c r="A1"><v>{stored}</v></c>') == shown


@pytest.mark.parametrize(
    ("code", "stored", "shown"),
    [
        ("00000", "123", "00123"),
        ("00000", "1234567", "1234567"),
        ("00000", "-12", "-00012"),
        ("00000", "1.5", "1.5"),
        ("000-000", "12345", "012-345"),
        ("00000\\-0000", "123456789", "12345-6789"),
        ("&quot;EXT-&quot;0000", "7", "EXT-0007"),
        ("000;[Red]-000", "7", "007"),
        ("[$-409]000", "7", "007"),
        ("0%", "0.125", "12.5%"),
        ("0.00%", "0.07", "7%"),
        ("0", "7", "7"),
        ("0.00", "7", "7"),
        ("#,##0.00", "1234.5", "1234.5"),
    ],
)
def test_xlsx_zero_format_gives_its_zeros(code: str, stored: str, shown: str) -> None:
    """A format of zeros and literals, or of a percentage, shows in the text; all other formats do not."""
    assert one_cell(f'<c r="A1" s="1"><v>{stored}</v></c>', (code,)) == shown


@pytest.mark.parametrize(
    ("code", "stored", "shown"),
    [
        ("yyyy\\-mm\\-dd", "44198", "2021-01-02"),
        ("yyyy\\-mm\\-dd\\ hh:mm", "44198.395833333336", "2021-01-02T09:30:00"),
        ("yyyy\\-mm\\-dd\\ hh:mm", "44198.3958333", "2021-01-02T09:30:00"),
        ("hh:mm", "0.3958333333333333", "09:30:00"),
        ("[h]:mm", "1.1041666666666667", "26:30:00"),
    ],
)
def test_xlsx_date_is_iso(code: str, stored: str, shown: str) -> None:
    """Dates, times and durations are shown in ISO's order, to the nearest second."""
    assert one_cell(f'<c r="A1" s="1"><v>{stored}</v></c>', (code,)) == shown


def test_xlsx_boolean_is_shown_in_capitals() -> None:
    """A boolean is TRUE or FALSE."""
    rows = '<row r="1"><c r="A1" t="b"><v>1</v></c><c r="B1" t="b"><v>0</v></c></row>'
    assert texts(packed(parts(rows))) == [["TRUE", "FALSE"]]


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#DIV/0!", "#SPILL!", "#FIELD!"])
def test_xlsx_error_cell_is_itself(error: str) -> None:
    """An error value comes through as its text, with a mark, even one that is newer than the fast reader."""
    rows = f'<row r="1"><c r="A1" t="str"><v>x</v></c><c r="C1" t="e"><f>1/0</f><v>{error}</v></c></row>'
    _, [row], _ = read_whole(packed(parts(rows)))
    assert (list(row.cells), marks(row)) == (["x", "", error], [(2, "V320")])


@pytest.mark.parametrize("cell", ["<f>B1</f>", "<f>B1</f><v/>", "<f>B1</f><v></v>", "<f/>"])
def test_xlsx_formula_without_value_is_marked(cell: str) -> None:
    """A formula that was never calculated is blank and marked, also in a row that has nothing else."""
    rows = f'<row r="1"><c r="A1"><v>1</v></c></row><row r="3"><c r="B3">{cell}</c></row>'
    _, [_, row], _ = read_whole(packed(parts(rows)))
    assert (row.line, row.cells[1], marks(row)) == (3, "", [(1, "V321")])


def test_xlsx_formula_with_blank_text_is_a_blank_cell() -> None:
    """A formula whose stored value is an empty text is a blank cell without a mark."""
    rows = '<row r="1"><c r="A1"><v>1</v></c><c r="B1" t="str"><f>T(1)</f><v></v></c></row>'
    _, [row], _ = read_whole(packed(parts(rows)))
    assert marks(row) == []


def test_xlsx_uncalculated_formula_of_openpyxl_is_marked() -> None:
    """A workbook that openpyxl wrote has formulas without values."""
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["x", "=1+1"])
    file = io.BytesIO()
    book.save(file)
    _, [row], _ = read_whole(file)
    assert marks(row) == [(1, "V321")]


def test_xlsx_long_number_is_marked() -> None:
    """A whole number of 16 digits is marked, one of 15 is not."""
    rows = '<row r="1"><c r="A1"><v>1234567890123456</v></c><c r="B1"><v>999999999999999</v></c></row>'
    _, [row], _ = read_whole(packed(parts(rows)))
    assert (list(row.cells), marks(row)) == (["1234567890123456", "999999999999999"], [(0, "V205")])


def test_xlsx_whole_number_is_marked_as_number() -> None:
    """A whole number is marked as one that may have lost its zeros; a text and a number shown with zeros are not."""
    cells = (
        '<c r="A1"><v>12</v></c><c r="B1" t="str"><v>12</v></c><c r="C1" s="1"><v>12</v></c><c r="D1"><v>1.5</v></c>'
    )
    _, [row], _ = read_whole(packed(parts(f'<row r="1">{cells}</row>', formats=("0000",))))
    assert [(mark.column, mark.code) for mark in row.marks] == [(0, "V206")]


STRINGS = "".join(
    f"<si>{each}</si>"
    for each in [
        "<t> a </t>",
        '<t xml:space="preserve"> b </t>',
        '<r><t xml:space="preserve">c </t></r><r><t>d</t></r><rPh sb="0" eb="1"><t>P</t></rPh>',
        "<t><![CDATA[<e>&]]></t>",
        "<t>f_x000D_g_x005F_x000D_</t>",
    ]
)


def test_xlsx_shared_text_is_kept_exactly() -> None:
    """White space, runs, CDATA and escapes of shared texts come through as they are meant."""
    cells = "".join(f'<c r="{column_letter(n)}1" t="s"><v>{n}</v></c>' for n in range(5))
    [row] = texts(packed(parts(f'<row r="1">{cells}</row>', STRINGS)))
    assert row == [" a ", " b ", "c d", "<e>&", "f\rg_x000D_"]


def test_xlsx_inline_text_is_kept_exactly() -> None:
    """White space, runs and CDATA of inline texts come through as they are meant."""
    inline = [
        "<t> a </t>",
        '<t xml:space="preserve"> b</t>',
        "<r><t>c </t></r><r><t> d</t></r>",
        "<t><![CDATA[e ]]></t>",
    ]
    cells = "".join(f'<c r="{column_letter(n)}1" t="inlineStr"><is>{text}</is></c>' for n, text in enumerate(inline))
    assert texts(packed(parts(f'<row r="1">{cells}</row>'))) == [[" a ", " b", "c  d", "e "]]


PLAIN_ROWS = (
    '<row r="2"><c r="B2"><v>1.5</v></c><c r="C2" t="s"><v>0</v></c><c r="D2" s="1"><v>7</v></c></row>'
    '<row r="4" hidden="1"><c r="B4" t="b"><v>1</v></c><c r="C4" t="e"><v>#N/A</v></c><c r="D4"><f>1</f></c></row>'
)
DIALECTS = {
    "single quotes": lambda xml: xml.replace('"', "'"),
    "prefixes": lambda xml: (
        xml.replace("</", "\0").replace("<", "<x:").replace("\0", "</x:").replace("xmlns=", "xmlns:x=")
    ),
    "attributes in another order": lambda xml: xml.replace('<c r="B2">', '<c cm="0" r="B2">'),
    "line breaks": lambda xml: (
        xml.replace("<c ", "\n  <c\n    ").replace("<v>", "\n <v>").replace("</row>", "\n</row>")
    ),
    "comments": lambda xml: xml.replace("<row", "<!-- <c r='A1'> --><row"),
    "UTF-16": lambda xml: ('<?xml version="1.0" encoding="UTF-16"?>' + xml).encode("utf-16"),
    "UTF-8 with a byte order mark": lambda xml: b"\xef\xbb\xbf" + xml.encode(),
    "Latin 1": lambda xml: ('<?xml version="1.0" encoding="ISO-8859-1"?>' + xml).encode("latin-1"),
    "cells without references": lambda xml: xml.replace('<c r="C2"', "<c").replace('<c r="D2"', "<c"),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_xlsx_dialect_makes_no_difference(dialect: str) -> None:
    """The same sheet gives the same rows, marks and findings however its XML is written."""
    content = parts(PLAIN_ROWS, "<si><t>hé</t></si>", ("000",))
    expected = read_whole(packed(content))
    assert [list(row.cells) for row in expected[1]] == [["", "1.5", "hé", "007"], ["", "TRUE", "#N/A", ""]]
    xml = content[SHEET]
    assert isinstance(xml, str)
    assert read_whole(packed({**content, SHEET: DIALECTS[dialect](xml)})) == expected


def test_xlsx_shared_texts_in_utf16_are_read() -> None:
    """The part of the shared texts may be in UTF-16."""
    content = parts('<row r="1"><c r="A1" t="s"><v>0</v></c></row>', "<si><t>hé</t></si>")
    strings = content["xl/sharedStrings.xml"]
    assert isinstance(strings, str)
    assert texts(packed({**content, "xl/sharedStrings.xml": strings.encode("utf-16")})) == [["hé"]]


def test_xlsx_part_names_may_have_backslashes_and_capitals() -> None:
    """Part names are compared without regard to case and kind of slash."""
    content = parts('<row r="1"><c r="A1"><v>5</v></c></row>')
    renamed = {name.replace("/", "\\").replace("sheet1", "Sheet1"): part for name, part in content.items()}
    assert texts(packed(renamed)) == [["5"]]


def test_xlsx_large_sheet_is_the_same_over_block_limits() -> None:
    """Rows that stand across two blocks of the scan lose nothing."""
    rows = "".join(
        f'<row r="{n}"><c r="A{n}" s="1"><v>{n}</v></c><c r="B{n}" t="str"><v>{"x" * 40}</v></c></row>'
        for n in range(1, 40_001)
    )
    found = texts(packed(parts(rows, formats=("000000",))))
    assert [row[0] for row in found] == [f"{n:06}" for n in range(1, 40_001)]


VALUES = st.one_of(
    st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"),
        min_size=1,
        max_size=20,
    ),
    st.integers(-(10**15) + 1, 10**15 - 1),
    st.floats(-1e9, 1e9).map(lambda number: round(number, 4)),
    st.booleans(),
    st.dates(dt.date(1901, 1, 1), dt.date(2200, 1, 1)),
    st.builds(
        dt.datetime.combine,
        st.dates(dt.date(1901, 1, 1), dt.date(2200, 1, 1)),
        st.times().map(lambda time: time.replace(microsecond=0)),
    ),
)


def as_seen(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.15g}"
    if isinstance(value, dt.datetime):
        return value.isoformat() if value.time() != dt.time() else value.date().isoformat()
    return value.isoformat() if isinstance(value, dt.date) else str(value)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(VALUES, min_size=1, max_size=4), min_size=1, max_size=5), st.integers(0, 40), st.integers(0, 30)
)
def test_xlsx_reads_what_was_written(table: list[list[Any]], line: int, column: int) -> None:
    """What XlsxWriter wrote at any place is read back there as a person sees it."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    sheet = book.add_worksheet()
    formats = {
        dt.date: book.add_format({"num_format": "yyyy-mm-dd"}),
        dt.datetime: book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
    }
    for y, row in enumerate(table, line):
        for x, value in enumerate(row, column):
            if isinstance(value, str):
                sheet.write_string(y, x, value)
            else:
                sheet.write(y, x, value, formats.get(type(value)))
    book.close()
    expected = {(y, x): as_seen(value) for y, row in enumerate(table, line + 1) for x, value in enumerate(row, column)}
    found = {(row.line, x): text for row in read_whole(file)[1] for x, text in enumerate(row.cells) if text}
    assert found == {
        place: text
        for place, text in expected.items()
        if any(expected.get((place[0], x), "").strip() for x in range(column, column + 4))
    }
