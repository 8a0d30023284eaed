"""What a workbook hides or holds beside its values is said."""

import io
from typing import Any

import pytest
import xlsxwriter

from importer.core.errors import FileRefused
from importer.core.findings import Finding
from tests.sources.test_xlsx_made import SHEET, codes, packed, parts, read_whole, sheet_xml, texts


def book_of(*sheets: tuple[str, list[list[Any]], str], **options: Any) -> io.BytesIO:
    """Sheets of (name, rows, state); the state is visible, hidden or very hidden."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True, **options})
    for name, rows, state in sheets:
        sheet = book.add_worksheet(name)
        for line, row in enumerate(rows):
            sheet.write_row(line, 0, row)
        if state == "hidden":
            sheet.hide()
        elif state == "very hidden":
            sheet.very_hidden()
        else:
            sheet.activate()  # XlsxWriter shows the first sheet again unless another one is active
    book.close()
    return file


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1
    return findings[0]


def test_xlsx_first_visible_sheet_is_read() -> None:
    """Hidden and very hidden sheets are passed over and named."""
    file = book_of(("H", [["h"]], "hidden"), ("V", [["v"]], "very hidden"), ("S", [["s"]], "visible"))
    sheet, rows, findings = read_whole(file)
    assert (sheet.name, sheet.others, [list(row.cells) for row in rows]) == ("S", ("H", "V"), [["s"]])
    assert only(findings).message == "Hidden sheets that were not read (2): H, V."


def test_xlsx_chart_sheet_is_no_sheet() -> None:
    """A chart that stands first is passed over."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    chart_sheet = book.add_chartsheet("C")
    sheet = book.add_worksheet("S")
    sheet.write(0, 0, 1)
    chart = book.add_chart({"type": "column"})
    chart.add_series({"values": "=S!$A$1:$A$1"})
    chart_sheet.set_chart(chart)
    book.close()
    found, _, _ = read_whole(file)
    assert (found.name, found.others) == ("S", ())


@pytest.mark.parametrize("wanted", ["Tasks", "tasks"])
def test_xlsx_named_sheet_is_read(wanted: str) -> None:
    """A sheet can be named, in capitals or not, also a hidden one; the exact name wins."""
    file = book_of(("First", [["f"]], "visible"), ("Tasks", [["t"]], "hidden"))
    sheet, rows, findings = read_whole(file, wanted)
    assert (sheet.name, list(rows[0].cells)) == ("Tasks", ["t"])
    assert only(findings).message == "Other sheets that were not read (1): First."


def test_xlsx_missing_sheet_is_refused_with_the_names() -> None:
    """Asking for a sheet that is not there tells which are."""
    with pytest.raises(FileRefused, match="no sheet named Nope; the workbook has: A, B") as refused:
        read_whole(book_of(("A", [], "visible"), ("B", [], "visible")), "Nope")
    assert refused.value.finding.code == "F110"


def test_xlsx_all_hidden_is_refused() -> None:
    """A workbook without a visible sheet is refused unless a sheet is named."""
    content = parts('<row r="1"><c r="A1"><v>1</v></c></row>')
    workbook = str(content["xl/workbook.xml"]).replace('sheetId="1"', 'sheetId="1" state="veryHidden"')
    file = packed({**content, "xl/workbook.xml": workbook})
    with pytest.raises(FileRefused) as refused:
        read_whole(file)
    assert refused.value.finding.code == "F113"
    assert texts(file, "A") == [["1"]]


def test_xlsx_empty_other_sheets_are_not_mentioned() -> None:
    """Only sheets with values are said to be left out."""
    assert read_whole(book_of(("A", [["a"]], "visible"), ("B", [], "visible"), ("C", [], "hidden")))[2] == []


def test_xlsx_hidden_lines_and_columns_are_said() -> None:
    """Hidden rows and columns that hold values are read and said; those without are not."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    sheet = book.add_worksheet("S")
    for line in (0, 2, 4, 6):
        sheet.write_row(line, 1, [line, "x", "y"])
    for line in (2, 3, 6):
        sheet.set_row(line, None, None, {"hidden": True})
    sheet.set_column(2, 2, None, None, {"hidden": True})
    sheet.set_column(8, 9, None, None, {"hidden": True})
    book.close()
    _, rows, findings = read_whole(file)
    assert [row.line for row in rows] == [1, 3, 5, 7]
    assert [each.message for each in findings] == [
        "Blank lines that were skipped: 3.",
        "Hidden or filtered rows, read like the others (2): 3, 7.",
        "Hidden columns, read like the others (1): C.",
    ]


def test_xlsx_merged_cells_formulas_and_comments_are_said() -> None:
    """Merged areas are named, formulas counted with the first one's place, comments counted."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    sheet = book.add_worksheet("S 1")
    sheet.merge_range("A1:B1", "title")
    sheet.write_formula("C3", "=1<2", None, 1)
    sheet.write_formula("A4", "=A1&\"'x'\"", None, "t")
    sheet.write_comment("A1", "look")
    book.close()
    messages = [each.message for each in read_whole(file)[2]]
    assert messages == [
        "Merged areas (1): A1:B1. Only the first cell of each has a value.",
        "Formulas read by their stored values: 2, the first at 'S 1'!C3.",
        "Comments that are not imported: 1.",
        "Blank lines that were skipped: 1.",
    ]


def test_xlsx_calendar_of_1904_is_converted_and_said() -> None:
    """Dates counted from 1904 are shown as the dates they are."""
    content = parts('<row r="1"><c r="A1" s="1"><v>42736</v></c></row>', formats=("yyyy\\-mm\\-dd",))
    workbook = str(content["xl/workbook.xml"]).replace("<sheets>", '<workbookPr date1904="1"/><sheets>')
    _, [row], findings = read_whole(packed({**content, "xl/workbook.xml": workbook}))
    assert (list(row.cells), codes(findings)) == (["2021-01-02"], ["F212"])


def test_xlsx_blank_lines_are_counted_up_to_the_last_value() -> None:
    """Lines of nothing but white space are skipped and counted where lines with values follow."""
    blank = '<c r="B{0}" t="str"><v> </v></c>'
    rows = "".join(f'<row r="{n}">{blank.format(n)}</row>' for n in (2, 4, 5, 6))
    rows = rows.replace('<row r="4">', '<row r="3"><c r="B3"><v>1</v></c></row><row r="4">')
    _, [row], findings = read_whole(packed(parts(rows)))
    assert (row.line, row.cells[:2], only(findings).message) == (3, ["", "1"], "Blank lines that were skipped: 2.")


def test_xlsx_macro_workbook_is_read_without_its_macros() -> None:
    """The part with macros is not opened, whatever it holds."""
    content = parts('<row r="1"><c r="A1"><v>5</v></c></row>')
    assert texts(packed({**content, "xl/vbaProject.bin": b"\0not a project"})) == [["5"]]


def test_xlsx_findings_do_not_depend_on_prefixes() -> None:
    """Hidden columns and merged areas are found in the careful way too."""
    xml = sheet_xml(
        "<row><c><v>1</v></c><c><v>2</v></c></row>",
        '<cols><col min="2" max="2" hidden="true"/></cols>',
        '<mergeCells><mergeCell ref="A1:A2"/></mergeCells>',
    )
    assert codes(read_whole(packed({**parts(), SHEET: xml}))[2]) == ["F206", "F211"]
