"""Workbooks made part by part, and one rule that holds for the plainest of them."""

import io
import zipfile
from collections.abc import Mapping

from importer.core.findings import Finding
from importer.core.rows import Row, Sheet
from importer.ports import ReadOptions
from importer.sources import xlsx

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
WORKBOOK = f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets><sheet name="A" sheetId="1" r:id="rId1"/></sheets></workbook>'
SHEET = "xl/worksheets/sheet1.xml"


def sheet_xml(rows: str, before: str = "", after: str = "") -> str:
    return f'<worksheet xmlns="{MAIN}">{before}<sheetData>{rows}</sheetData>{after}</worksheet>'


def parts(rows: str = "", strings: str = "", formats: tuple[str, ...] = ()) -> dict[str, str | bytes]:
    """A whole workbook of one sheet `A`; style n (from 1 on) has the n-th of the formats."""
    numbers = "".join(f'<numFmt numFmtId="{163 + n}" formatCode="{code}"/>' for n, code in enumerate(formats, 1))
    styles = "".join(f'<xf numFmtId="{163 + n}"/>' for n in range(1, len(formats) + 1))
    relations = "".join(
        f'<Relationship Id="rId{n}" Type="{RELATIONS}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(
            [("worksheet", "worksheets/sheet1.xml"), ("styles", "styles.xml"), ("sharedStrings", "sharedStrings.xml")],
            1,
        )
    )
    office = f'<Relationship Id="rId1" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/>'
    return {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships">{office}</Relationships>',
        "xl/workbook.xml": WORKBOOK,
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">{relations}</Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><numFmts>{numbers}</numFmts>'
        f'<cellXfs><xf numFmtId="0"/>{styles}</cellXfs></styleSheet>',
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{strings}</sst>',
        SHEET: sheet_xml(rows),
    }


def packed(content: Mapping[str, str | bytes]) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        for name, part in content.items():
            target.writestr(name, part)
    return file


def read_whole(file: io.BytesIO, sheet: str | None = None) -> tuple[Sheet, list[Row], list[Finding]]:
    reading = xlsx.read(file, ReadOptions(sheet=sheet))
    rows = list(reading.rows)
    return reading.sheet, rows, reading.findings


def texts(file: io.BytesIO, sheet: str | None = None) -> list[list[str]]:
    return [list(row.cells) for row in read_whole(file, sheet)[1]]


def marks(row: Row, *but: str) -> list[tuple[int, str]]:
    """The row's marks without V206, which most numbers have."""
    return [(mark.column, mark.code) for mark in row.marks if mark.code not in ("V206", *but)]


def codes(findings: list[Finding]) -> list[str]:
    return [each.code for each in findings]


def test_xlsx_empty_sheet_has_no_rows() -> None:
    """A sheet without cells yields no row and no finding."""
    assert read_whole(packed(parts())) == (Sheet("xlsx", "A"), [], [])
