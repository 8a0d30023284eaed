"""Workbooks as people have them, made for the tests of what is added to them; and what is left when that is taken away."""

import io
import re
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STRICT_LINKS = "http://purl.oclc.org/ooxml/officeDocument/relationships"
HEADINGS = ("External ID", "Queue", "Priority", "Description")
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000100000001080200000090"
    "7753de0000000c4944415408d763f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


def rich_book(path: Path, *, rows: int = 12) -> Path:
    """A workbook with nearly all that a person may have in one: the sheet Tasks is its second, its header on line 3."""
    import xlsxwriter

    with xlsxwriter.Workbook(path) as book:
        bold = book.add_format({"bold": True, "bg_color": "#FFEE00", "border": 1})
        notes = book.add_worksheet("Notes")
        notes.write_row(0, 0, ["Team", "Rows"], bold)
        notes.write_formula(1, 1, "=COUNTA(Tasks!A4:A99)", None, rows)
        sheet = book.add_worksheet("Tasks")
        sheet.set_column(0, 0, 18, bold)
        sheet.set_column(3, 200, 11, None, {"hidden": False})
        sheet.merge_range("A1:C1", "Requests of November", bold)
        lines = [[f"E-{n}", "Billing", n * 10, f"=text {n}"] for n in range(rows)]
        columns = [{"header": each} for each in HEADINGS]
        book.strings_to_formulas = False
        sheet.strings_to_formulas = False
        sheet.add_table(2, 0, rows + 2, 3, {"columns": columns, "data": lines, "name": "Requests"})
        sheet.data_validation(
            3, 2, rows + 2, 2, {"validate": "integer", "criteria": "between", "minimum": 0, "maximum": 99}
        )
        sheet.conditional_format(3, 2, rows + 2, 2, {"type": "data_bar", "data_bar_2010": True, "bar_only": True})
        sheet.conditional_format(3, 0, rows + 2, 0, {"type": "duplicate", "format": bold})
        sheet.write_comment("A4", "Ask Anna")
        sheet.write_url("A20", "https://example.com/", string="a link")
        sheet.write_formula("B20", "=SUM(C4:C15)", None, 660)
        sheet.insert_image("A22", "pixel.png", {"image_data": io.BytesIO(PIXEL), "x_scale": 20, "y_scale": 20})
        chart = book.add_chart({"type": "column"})
        chart.add_series({"values": f"=Tasks!$C$4:$C${rows + 3}"})
        sheet.insert_chart("F4", chart)
        sheet.freeze_panes(3, 1)
        sheet.set_header("&CNovember")
        sheet.protect("", {"format_cells": True})
        book.define_name("Prio", "=Tasks!$C$4:$C$15")
    return path


def plain_book(path: Path, sheet: str, *, styles: str | None = "", strict: bool = False, part: str = "odd.xml") -> Path:
    """The smallest workbook, its sheet's XML as it is given. `styles`: None for no such part, a blank for a usual one."""
    main, links = (STRICT, STRICT_LINKS) if strict else (MAIN, LINKS)
    if styles == "":
        styles = STYLES.format(main=main)
    relation = '<Relationship Id="{}" Type="{}/{}" Target="{}"/>'
    relations = relation.format("r1", links, "worksheet", f"sheets/{part}")
    relations += relation.format("r2", links, "styles", "styles.xml") if styles is not None else ""
    whole = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", _content_types(part, styled=styles is not None))
        package.writestr("_rels/.rels", whole.format(relation.format("r0", links, "officeDocument", "xl/workbook.xml")))
        package.writestr("xl/_rels/workbook.xml.rels", whole.format(relations))
        package.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{links}"><sheets><sheet name="Tasks" sheetId="7" r:id="r1"/></sheets></workbook>',
        )
        package.writestr(f"xl/sheets/{part}", sheet)
        if styles is not None:
            package.writestr("xl/styles.xml", styles)
    return path


def _content_types(part: str, *, styled: bool) -> str:
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {"/xl/workbook.xml": "sheet.main", f"/xl/sheets/{part}": "worksheet"}
    parts |= {"/xl/styles.xml": "styles"} if styled else {}
    told = "".join(f'<Override PartName="{name}" ContentType="{kind}.{what}+xml"/>' for name, what in parts.items())
    rels = '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    return f'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">{rels}{told}</Types>'


STYLES = (
    '<styleSheet xmlns="{main}"><fonts count="1"><font><sz val="9"/><name val="Arial"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>'
    "<borders><border/></borders><cellStyleXfs count='1'><xf/></cellStyleXfs><cellXfs count='1'><xf/></cellXfs>"
    "<dxfs count='1'><dxf><font><b/></font></dxf></dxfs></styleSheet>"
)


# What is left without our columns


def assert_equal_without_ours(before: Path, after: Path, sheet: str, first: int) -> None:
    """All parts are equal, in order, name, date and bytes; but for the sheet's three columns of ours from `first` (0-based), and styles at the end of their lists."""
    with zipfile.ZipFile(before) as old, zipfile.ZipFile(after) as new:
        facts = [(each.filename, each.date_time, each.compress_type) for each in old.infolist()]
        assert facts == [(each.filename, each.date_time, each.compress_type) for each in new.infolist()]
        assert new.testzip() is None
        for name, *_ in facts:
            was, is_now = old.read(name), new.read(name)
            if name == sheet:
                assert bare(is_now, first) == bare(was, None), name
                assert columns(is_now, first) == columns(was, first)
            elif name == "xl/styles.xml":
                assert _first_styles(is_now, was) == _first_styles(was, was)
            else:
                assert is_now == was, name


def bare(content: bytes, first: int | None) -> bytes:
    """A sheet's bytes without our cells and without what may differ: `spans`, dimension, widths, and how an empty row is closed."""
    if first is not None:
        from importer.core.rows import column_letter

        ours = "|".join(column_letter(first + index) for index in range(3)).encode()
        content = re.sub(rb'<((?:\w+:)?)c r="(?:%b)\d+"[^>]* t="inlineStr">.*?</\1c>' % ours, b"", content, flags=re.S)
    content = re.sub(rb"<(?:\w+:)?dimension [^>]*>", b"", content)
    content = re.sub(rb"<((?:\w+:)?cols)>.*?</\1>", b"", content, flags=re.S)
    content = re.sub(rb"\s+spans\s*=\s*(?:\"[^\"]*\"|'[^']*')", b"", content)
    empty = rb"<((?:\w+:)?(?:row|sheetData))((?:\s[^<>]*)?)></\1>"
    content = re.sub(empty, rb"<\1\2/>", content)
    content = re.sub(rb"<(?:\w+:)?row r=\"\d+\"/>", b"", content)  # blank, or a row that was not there
    return re.sub(empty, rb"<\1\2/>", content)


def columns(content: bytes, first: int) -> dict[int, dict[str, str]]:
    """What is said of each column but ours."""
    found: dict[int, dict[str, str]] = {}
    for each in ElementTree.fromstring(content).iter():
        if each.tag.endswith("}col"):
            said = dict(each.attrib)
            low, high = int(said.pop("min")), int(said.pop("max"))
            found |= {number: said for number in range(low, high + 1) if not first < number <= first + 3}
    return found


def _first_styles(content: bytes, original: bytes) -> str:
    """The styles without what stands beyond the original's, and without counts."""
    tree, was = ElementTree.fromstring(content), ElementTree.fromstring(original)
    for name in ("fonts", "fills", "cellXfs"):
        for kept, found in zip(_named(was, name), _named(tree, name), strict=True):
            del found[len(kept) :]
            found.attrib.pop("count", None)
    return ElementTree.canonicalize(ElementTree.tostring(tree))


def _named(tree: Any, name: str) -> list[Any]:
    return [each for each in tree if each.tag.endswith("}" + name)]
