"""The annotated copy is the user's own workbook with three columns more, and nothing else is changed in it."""

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from importer.core.findings import finding
from importer.core.fixes import Fix
from importer.core.outcomes import Outcome
from importer.core.rows import column_letter
from importer.core.verdicts import Verdict
from importer.ports import ReadOptions
from importer.sources.reader import open_source
from importer.sources.workbook import open_workbook
from importer.writers.annotated import Written, write_annotated
from importer.writers.annotations import (
    TITLES,
    Annotated,
    Annotation,
    annotated,
    plan_annotations,
    result_annotations,
    with_fixes,
)
from importer.writers.patch import Extent, Odd, SheetPatch, measure
from importer.writers.text import CELL_MOST, visible
from tests.writers.books import (
    HEADINGS,
    MAIN,
    STRICT,
    STYLES,
    assert_equal_without_ours,
    bare,
    columns,
    plain_book,
    rich_book,
)
from tests.writers.made import PAYLOADS, a_plan, a_run, planned, preview, result, sheet_rows, wrong

SHARED = Path(__file__).parents[3] / "shared"
CORPUS = sorted((SHARED / "corpus" / "xlsx").glob("*.xlsx")) if SHARED.is_dir() else []
HELPDESK = SHARED / "real" / "helpdesk_customer_tickets.csv"
UNREADABLE = {"poc-xmlbomb.xlsx", "standard_AES128_SHA1_ECB_pwd_password.xlsx", "empty_file.xlsx"}


def about(path: Path, header_line: int = 1, headings: Sequence[str] = HEADINGS, **other: Any) -> Annotated:
    made = Annotated(
        source=path,
        kept=path,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        format="xlsx",
        sheet="Tasks",
        header_line=header_line,
        headings=tuple(headings),
        about="plan p-0001, digest 7f3a-91c2",
    )
    return replace(made, **other)


def said(line: int, word: str = "✖ invalid", advice: str = "C5: wrong. Mend it.", task_id: str = "") -> Annotation:
    return Annotation(line, word, "bad", advice, task_id, (f"E-{line}", "Billing", "5", "text"))


def write(folder: Path, original: Annotated, rows: Sequence[Annotation]) -> Written:
    return write_annotated(folder / "out", original, lambda: iter(rows), open_workbook)


# The user's own workbook


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A workbook with a chart, a picture, a table and much else, and its annotated copy."""
    folder = tmp_path_factory.mktemp("rich")
    path = rich_book(folder / "mine.xlsx")
    rows = [said(line) for line in range(4, 14)] + [Annotation(14, "✔ created", "good", "", "task-14", ())]
    written = write(folder, about(path, 3), rows)
    assert written.fresh == ""
    return path, written.path


def test_annotated_copy_is_the_original_but_for_our_columns(rich: tuple[Path, Path]) -> None:
    """Chart, picture, comment, table, rules and other sheets are byte for byte as they were; the sheet is, without our cells; styles are, but for those at the end."""
    before, after = rich
    kinds = ("charts/", "media/", "tables/", "comments", "drawings/")
    with zipfile.ZipFile(before) as package:
        names = package.namelist()
    assert all(any(kind in name for name in names) for kind in kinds)
    assert_equal_without_ours(before, after, "xl/worksheets/sheet2.xml", 11)


def test_annotated_columns_stand_right_of_all_that_is_there(rich: tuple[Path, Path]) -> None:
    """Headings on the header's line, words beside their rows, right of the last cell and of the chart, which keeps its place."""
    sheet = load_workbook(rich[1])["Tasks"]
    assert [sheet.cell(3, column).value for column in range(12, 15)] == list(TITLES)
    assert sheet["L4"].value == "✖ invalid"
    assert sheet["M4"].value == "C5: wrong. Mend it."
    assert (sheet["L14"].value, sheet["M14"].value, sheet["N14"].value) == ("✔ created", None, "task-14")
    assert [sheet.cell(line, 12).value for line in (1, 2, 15, 20)] == [None] * 4
    assert sheet.dimensions == "A1:N20"


def test_annotated_verdict_is_sign_word_and_colour(rich: tuple[Path, Path]) -> None:
    """The cell of a verdict has the fill and the font of its word, in the workbook's own typeface; it is wide enough."""
    sheet = load_workbook(rich[1])["Tasks"]
    bad, good = sheet["L4"], sheet["L14"]
    assert (bad.fill.fgColor.rgb, bad.font.color.rgb, bad.font.b) == ("FFF9D3DA", "FF8A1029", True)
    assert (good.fill.fgColor.rgb, good.font.color.rgb) == ("FFCEF0E6", "FF044834")
    assert bad.font.name == sheet["B4"].font.name
    assert [sheet.column_dimensions[letter].width for letter in "LMN"] == [18, 60, 38]
    assert sheet.column_dimensions["D"].width == pytest.approx(11.7, abs=0.1)


def test_annotated_copy_is_read_by_others_and_by_us(rich: tuple[Path, Path]) -> None:
    """Calamine and the importer's own reader find the same rows as before, and three cells more."""
    from python_calamine import CalamineWorkbook

    was, now = (CalamineWorkbook.from_path(path).get_sheet_by_name("Tasks").to_python() for path in rich)
    assert [line[:4] for line in now] == [line[:4] for line in was]
    assert now[2][11:14] == list(TITLES)
    with open_source(rich[1], ReadOptions("Tasks")) as reading:
        rows = {int(row.line): row.cells for row in reading.rows}
    assert rows[4][:4] == ["E-0", "Billing", "0", "=text 0"]
    assert rows[4][11:13] == ["✖ invalid", "C5: wrong. Mend it."]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_annotated_copy_of_real_workbooks_is_the_original(tmp_path: Path, path: Path) -> None:
    """Whatever program wrote a workbook: without our columns its parts are what they were, and its rows are read as before."""
    if path.name in UNREADABLE:
        pytest.skip("not a workbook that is read")
    with open_source(path) as reading:
        rows, name = list(reading.rows), reading.sheet.name
    header, *others = rows
    original = about(path, header.line, header.cells, sheet=name)
    written = write(tmp_path, original, [said(row.line) for row in others])
    assert written.fresh == ""
    with open_workbook(path, name) as opened, zipfile.ZipFile(path) as package:
        part = next(each for each in package.namelist() if each.lower() == opened.sheet.lower())
        extent = measure([package.read(part)])
        first = max(extent.columns, len(header.cells), opened.pictured)
    assert_equal_without_ours(path, written.path, part, first)
    with open_source(written.path, ReadOptions(name)) as reading:
        again = list(reading.rows)
    assert [row.line for row in again] == [row.line for row in rows]
    for was, now in zip(rows, again, strict=True):
        assert [text for text in now.cells[:first] if text] == [text for text in was.cells if text]
        assert now.cells[first] == ("✖ invalid" if now is not again[0] else TITLES[0])


ROW = '<row r="{n}"><c r="A{n}" t="inlineStr"><is><t>E-{n}</t></is></c><c r="B{n}"><v>{n}</v></c></row>'
ROWS = "".join(ROW.format(n=n) for n in range(1, 4))
WHOLE = f'<worksheet xmlns="{MAIN}"><sheetData>{ROWS}</sheetData></worksheet>'
PREFIXED = re.sub(r"<(/?)", r"<\1x:", ROWS)
ODD = {
    "plain": WHOLE,
    "prefixed": f'<x:worksheet xmlns:x="{MAIN}"><x:sheetData>{PREFIXED}</x:sheetData></x:worksheet>',
    "strict": WHOLE.replace(MAIN, STRICT),
    "declared": f"\ufeff<?xml version='1.0' encoding='UTF-8'?>\r\n<!-- {'x' * 300} -->{WHOLE}",
    "row closes itself": WHOLE.replace(ROW.format(n=3), "<row r='3' spans='1:2' ht=\"30\" />"),
    "rows close themselves": re.sub("<row r=\"([23])\">.*?</row>", r'<row r="\1"/>', WHOLE),
    "rows are absent": WHOLE.replace(ROW.format(n=2), ""),
    "last rows are absent": f'<worksheet xmlns="{MAIN}"><dimension ref="A1"/><sheetData>{ROW.format(n=1)}</sheetData></worksheet>',
    "no rows": f'<worksheet xmlns="{MAIN}"><sheetData/></worksheet>',
    "no rows, open": f'<worksheet xmlns="{MAIN}"><sheetData></sheetData><sheetProtection sheet="1"/></worksheet>',
    "no references": re.sub(' r="[AB][0-9]"', "", WHOLE),
    "no numbers of rows": re.sub('<row r="[0-9]"', "<row", WHOLE),
    "rows have lists of their own": WHOLE.replace("</row>", "<extLst><ext uri='u'><c xmlns='u' r='Z9'/></ext></extLst></row>"),
    "cells have lists of their own": WHOLE.replace("</v>", "</v><extLst><ext uri='u'/></extLst>"),
    "text looks like tags": WHOLE.replace("E-2", "<![CDATA[</row><row r='9'/>]]>"),
    "spans": WHOLE.replace('<row r="1"', '<row spans="1:2" r="1"').replace('<row r="2"', "<row\n\tspans = '1:2'\n r=\"2\""),
    "one width for all": WHOLE.replace("<sheetData>", '<cols><col min="1" max="16384" width="9" hidden="1"/></cols><sheetData>'),
    "widths apart": WHOLE.replace(
        "<sheetData>",
        "<cols><col min='1' max='1' width='5'/><col max=\"3\" min=\"3\" style='0'></col><col min='4' max='9' width='7'/></cols><sheetData>",
    ),
    "widths far away": WHOLE.replace("<sheetData>", '<cols><col min="9" max="9" width="3"/></cols><sheetData>'),
    "widths near": WHOLE.replace("<sheetData>", '<cols><col min="1" max="2" width="3"/></cols><sheetData>'),
    "merged": WHOLE.replace("</sheetData>", '</sheetData><mergeCells><mergeCell ref="A2:B2"/></mergeCells>'),
    "dimension": WHOLE.replace("<sheetData>", "<dimension ref='A1:B3'/><sheetData>"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_annotated_copy_of_any_xml_is_the_original(tmp_path: Path, name: str) -> None:
    """Rows that close themselves, are absent or have prefixes, Strict workbooks, widths over our columns: all stays, and our cells are read back."""
    path = plain_book(tmp_path / "a.xlsx", ODD[name], strict=STRICT in ODD[name])
    written = write(tmp_path, about(path, headings=("a", "b")), [said(2), said(3, task_id="task-3")])
    assert written.fresh == ""
    assert_equal_without_ours(path, written.path, "xl/sheets/odd.xml", 2)
    if name != "strict":  # openpyxl knows no such workbooks
        rows = sheet_rows(written.path, "Tasks")
        assert [row[2:5] for row in rows] == [list(TITLES), ["✖ invalid", "C5: wrong. Mend it.", None], ["✖ invalid", "C5: wrong. Mend it.", "task-3"]]  # fmt: skip
    with open_source(written.path) as reading:
        again = {int(row.line): list(row.cells) for row in reading.rows}
    assert again[3][2:5] == ["✖ invalid", "C5: wrong. Mend it.", "task-3"]


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(ODD)), size=st.integers(1, 90))
def test_patch_does_not_depend_on_blocks(name: str, size: int) -> None:
    """However the part is cut into blocks, the same bytes come out."""
    content = ODD[name].encode()

    def patched(blocks: Sequence[bytes]) -> bytes:
        rows = iter([(1, (("header", "T"),)), (2, (("bad", "x"), ("text", "=1+1"))), (3, (("good", "y"),))])
        return b"".join(SheetPatch(2, (9.0, 9.0), {"bad": 3}, rows, measure(blocks)).through(blocks))

    assert patched([content[at : at + size] for at in range(0, len(content), size)]) == patched([content])


@st.composite
def sheets(draw: st.DrawFn) -> tuple[bytes, int]:
    """A sheet as some program might write it, and its columns: rows with gaps, blank ones, other quotes, widths over any columns."""
    prefix = draw(st.sampled_from(["", "x:"]))
    quote = draw(st.sampled_from("\"'"))
    cuts = sorted(draw(st.lists(st.integers(1, 12), max_size=8)))
    widths = [(low, high - 1) for low, high in pairwise(cuts) if high > low]
    parts = [f"<{prefix}cols>"] if widths else []
    for low, high in widths:
        end = draw(st.sampled_from(["/>", f"></{prefix}col>", " />"]))
        parts.append(f"<{prefix}col max={quote}{high}{quote} width='{low}' min={quote}{low}{quote} hidden='1'{end}")
    parts += [f"</{prefix}cols>"] if widths else []
    wide = 0
    rows = []
    for line in sorted(draw(st.lists(st.integers(1, 9), unique=True))):
        cells = sorted(draw(st.lists(st.integers(1, 5), unique=True)))
        wide = max([wide, *cells])
        inside = "".join(
            f"<{prefix}c r={quote}{column_letter(cell - 1)}{line}{quote}><{prefix}v>{line}</{prefix}v></{prefix}c>"
            for cell in cells
        )
        spans = draw(st.sampled_from(["", f" spans={quote}1:5{quote}", " spans = '1:5' ht='9'"]))
        head = f"<{prefix}row r={quote}{line}{quote}{spans}"
        apart = draw(st.booleans())
        rows.append(f"{head}>{inside}</{prefix}row>" if cells or apart else f"{head}/>")
    data = f"<{prefix}sheetData>{''.join(rows)}</{prefix}sheetData>"
    name = "xmlns:x" if prefix else "xmlns"
    dimension = draw(st.sampled_from(["", f"<{prefix}dimension ref={quote}A1:B2{quote}/>"]))
    whole = f"<{prefix}worksheet {name}='{MAIN}'>{dimension}{''.join(parts)}{data}</{prefix}worksheet>"
    return whole.encode(), wide


@settings(max_examples=150, deadline=None)
@given(sheet=sheets(), lines=st.lists(st.integers(1, 12), unique=True).map(sorted), size=st.integers(20, 500))
def test_patch_of_any_sheet_is_the_sheet(sheet: tuple[bytes, int], lines: list[int], size: int) -> None:
    """Without our cells each sheet is what it was, other columns have their widths, and each cell of ours is there once."""
    content, wide = sheet
    blocks = [content[at : at + size] for at in range(0, len(content), size)]
    extent = measure(blocks)
    assert extent.columns == wide
    rows = iter([(line, (("bad", f"v{line}"), ("text", ""), ("text", f"t{line}"))) for line in lines])
    made = b"".join(SheetPatch(wide, (9.0, 9.0, 9.0), {"bad": 3}, rows, extent).through(blocks))
    assert bare(made, wide) == bare(content, None)
    assert columns(made, wide) == columns(content, wide)
    assert b"spans" not in made
    places = [each.get("r") for each in ElementTree.fromstring(made).iter(f"{{{MAIN}}}c") if each.get("t")]
    first, last = column_letter(wide), column_letter(wide + 2)
    assert places == [f"{letter}{line}" for line in lines for letter in (first, last)]


@settings(max_examples=100, deadline=None)
@given(
    sheet=sheets(), first=st.integers(0, 4), since=st.integers(1, 5), more=st.integers(0, 6), size=st.integers(1, 500)
)
def test_patch_again_changes_the_cells_of_our_columns_alone(
    sheet: tuple[bytes, int], first: int, since: int, more: int, size: int
) -> None:
    """Wherever an earlier annotation stands: from its heading on its cells are replaced, all others stay, in their order."""
    content, _ = sheet
    blocks = [content[at : at + size] for at in range(0, len(content), size)]
    lines = range(since, since + more + 1)
    rows = iter([(line, (("bad", "new"), ("text", ""), ("text", "new"))) for line in lines])
    patch = SheetPatch(first, (9.0, 9.0, 9.0), {"bad": 3}, rows, measure(blocks), replaces=since)
    made = ElementTree.fromstring(b"".join(patch.through(blocks)))
    ours = {column_letter(first + index) for index in range(3)}
    kept = {
        place for place in _places(ElementTree.fromstring(content)) if place[0] not in ours or int(place[1:]) < since
    }
    new = {f"{column_letter(first + index)}{line}" for line in lines for index in (0, 2)}
    found = _places(made)
    assert set(found) == kept | new
    assert found == sorted(found, key=lambda place: (int(place[1:]), place[0]))


def _places(sheet: ElementTree.Element) -> list[str]:
    return [each.get("r", "") for each in sheet.iter(f"{{{MAIN}}}c")]


@pytest.mark.parametrize("above", ["<!DOCTYPE worksheet>", "<!DOCTYPE a [<!ENTITY a 'b'>]>", "<!DOCTYPE a SYSTEM 'file:///etc/passwd'>"])  # fmt: skip
def test_patch_refuses_a_dtd_itself(above: str) -> None:
    """A DTD is refused where the part is read, whoever has looked at it before."""
    with pytest.raises(Odd, match="XML declarations"):
        measure([(above + WHOLE).encode()])


def test_patch_streams() -> None:
    """What was read is handed on before the rest is read: no more than a block is held."""

    def blocks() -> Iterator[bytes]:
        yield f'<worksheet xmlns="{MAIN}"><sheetData>'.encode()
        for number in range(1, 2001):
            yield ROW.format(n=number).encode()
        yield b"</sheetData></worksheet>"

    rows = ((line, (("bad", "x"),)) for line in range(1, 2001))
    held = [0]
    given_out = 0

    def counted() -> Iterator[bytes]:
        read = 0
        for block in blocks():
            read += len(block)
            yield block
            held.append(read - given_out)

    for piece in SheetPatch(2, (9.0,), {}, rows, Extent(2000, 2)).through(counted()):
        given_out += len(piece)
    assert max(held) < 1000


def test_annotated_again_replaces_what_was_said(tmp_path: Path) -> None:
    """A copy that was mended and handed in gets its three columns anew, not three more; the rest stays."""
    path = plain_book(tmp_path / "a.xlsx", WHOLE)
    once = write(tmp_path / "1", about(path, headings=("a", "b")), [said(2), said(3, task_id="task-3")])
    headings = ("a", "b", *TITLES)
    twice = write(tmp_path / "2", about(once.path, headings=headings), [said(2, "✔ ready", "")])
    assert [row[2:] for row in sheet_rows(twice.path, "Tasks")] == [list(TITLES), ["✔ ready", None, None], [None] * 3]
    with zipfile.ZipFile(path) as was, zipfile.ZipFile(twice.path) as now:
        left = re.sub(rb'<c r="[CDE][0-9]".*?</c>|<cols>.*?</cols>', b"", now.read("xl/sheets/odd.xml"))
        assert left == was.read("xl/sheets/odd.xml")


def annotated_again(folder: Path, change: Callable[[str], str]) -> Written:
    """Two columns, annotated; the sheet of the copy is changed, and annotated anew."""
    path = plain_book(folder / "a.xlsx", WHOLE)
    once = write(folder / "1", about(path, headings=("a", "b")), [said(2), said(3)])
    with zipfile.ZipFile(once.path) as package:
        path = plain_book(folder / "b.xlsx", change(package.read("xl/sheets/odd.xml").decode()))
    return write(folder / "2", about(path, headings=("a", "b", *TITLES)), [said(2, "✔ ready", ""), said(3)])


def test_annotated_again_keeps_what_a_person_wrote_beside_it(tmp_path: Path) -> None:
    """A note to the right of our columns, under no heading, is there in the next copy too, in its place behind ours."""
    note = '<c r="H2" t="inlineStr"><is><t>ask Anna</t></is></c></row><row r="3">'
    twice = annotated_again(tmp_path, lambda sheet: sheet.replace('</row><row r="3">', note))
    assert twice.fresh == ""
    assert sheet_rows(twice.path, "Tasks")[1][2:8] == ["✔ ready", None, None, None, None, "ask Anna"]
    with zipfile.ZipFile(twice.path) as package:
        places = re.findall(rb'<c r="([A-Z])2"', package.read("xl/sheets/odd.xml"))
    assert places == sorted(places)


def test_annotated_again_replaces_cells_that_do_not_say_where_they_stand(tmp_path: Path) -> None:
    """Where a program saved the copy without references, an earlier advice is replaced all the same."""
    twice = annotated_again(tmp_path, lambda sheet: re.sub(r' r="[A-E]\d"', "", sheet))
    rows = sheet_rows(twice.path, "Tasks")
    assert [row[2:] for row in rows[1:]] == [["✔ ready", None, None], ["✖ invalid", "C5: wrong. Mend it.", None]]


def test_annotated_again_leaves_alone_what_would_move(tmp_path: Path) -> None:
    """A cell right of ours that stands where it does because of ours would move: a fresh workbook is written."""
    bare_cell = "<c><v>7</v></c></row>"
    twice = annotated_again(tmp_path, lambda sheet: re.sub(r' r="[A-E]\d"', "", sheet).replace("</row>", bare_cell))
    assert twice.fresh == "cells of its sheet do not say where they stand"


def test_annotated_advice_fits_a_cell(tmp_path: Path) -> None:
    """An advice of very many lines is cut to what a cell holds, also where its lines are put on one."""
    path = plain_book(tmp_path / "a.xlsx", WHOLE)
    written = write(tmp_path, about(path, headings=("a", "b")), [said(2, advice="x\n" * 16_000)])
    assert len(sheet_rows(written.path, "Tasks")[1][3]) <= CELL_MOST


@pytest.mark.parametrize("text", PAYLOADS)
def test_annotated_text_is_text(tmp_path: Path, text: str) -> None:
    """No advice or ID becomes a formula, a link or markup: it is read back as it was."""
    path = plain_book(tmp_path / "a.xlsx", WHOLE)
    written = write(tmp_path, about(path, headings=("a", "b")), [said(2, advice=text, task_id=text)])
    row = sheet_rows(written.path, "Tasks")[1]
    assert row[4] == visible(text)
    assert row[3] == visible(text).replace("\n", "  •  ")
    with zipfile.ZipFile(written.path) as package:
        assert b"<f" not in package.read("xl/sheets/odd.xml")


def test_annotated_macros_stay_and_are_named_so(tmp_path: Path) -> None:
    """A workbook with macros comes back as .xlsm: under another name no program would open it."""
    path = plain_book(tmp_path / "a.xlsm", WHOLE)
    assert write(tmp_path, about(path, headings=("a", "b")), [said(2)]).path.name == "annotated.xlsm"


def test_annotated_without_styles_is_plain(tmp_path: Path) -> None:
    """A workbook that has no styles keeps having none: sign and word say it without colour."""
    path = plain_book(tmp_path / "a.xlsx", WHOLE, styles=None)
    written = write(tmp_path, about(path, headings=("a", "b")), [said(2)])
    assert written.fresh == ""
    assert_equal_without_ours(path, written.path, "xl/sheets/odd.xml", 2)
    assert sheet_rows(written.path, "Tasks")[1][2] == "✖ invalid"


def test_annotated_styles_in_two_versions_are_left_alone(tmp_path: Path) -> None:
    """Where a program reads one of two versions of the styles, ours would have another number for each: cells are plain."""
    space = "http://schemas.openxmlformats.org/markup-compatibility/2006"
    both = f"<m:AlternateContent xmlns:m='{space}'><m:Choice Requires='m'><xf/></m:Choice><m:Fallback><xf/></m:Fallback></m:AlternateContent></cellXfs>"
    path = plain_book(tmp_path / "a.xlsx", WHOLE, styles=STYLES.format(main=MAIN).replace("</cellXfs>", both))
    written = write(tmp_path, about(path, headings=("a", "b")), [said(2)])
    with zipfile.ZipFile(path) as was, zipfile.ZipFile(written.path) as now:
        assert now.read("xl/styles.xml") == was.read("xl/styles.xml")
        assert b' s="' not in now.read("xl/sheets/odd.xml")


# A fresh one


LEFT_ALONE = {
    "utf-16": (WHOLE.encode("utf-16"), "its text is not UTF-8"),
    "latin-1": (("<?xml version='1.0' encoding='iso-8859-1'?>" + WHOLE).encode(), "its text is not UTF-8"),
    "rows out of order": (WHOLE.replace('<row r="3"', '<row r="1"').encode(), "its rows do not come in order"),
    "cells elsewhere": (WHOLE.replace('r="B2"', 'r="B7"').encode(), "cells of its sheet do not stand where they say"),
    "not XML": (WHOLE[:-20].encode(), "one of its parts is not well-formed XML"),
    "a DTD": (b"<!DOCTYPE worksheet [<!ENTITY a 'b'>]>" + WHOLE.encode(), "the workbook contains XML declarations (DTD, entities) that no spreadsheet program writes"),
    "no room": (WHOLE.replace("</row>", '<c r="XFD1"/></row>', 1).encode(), "there is no room for more columns"),
    "two lists of widths": (WHOLE.replace("<sheetData>", "<cols/><cols/><sheetData>").encode(), "its sheet has an unusual structure"),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_annotated_odd_workbook_gives_a_fresh_one(tmp_path: Path, name: str) -> None:
    """A workbook that is built in an unusual way is left alone: its rows stand in a workbook of ours, on their lines, and it says why."""
    content, reason = LEFT_ALONE[name]
    path = plain_book(tmp_path / "a.xlsx", WHOLE)
    with zipfile.ZipFile(path) as package:
        parts = {each: package.read(each) for each in package.namelist()}
    with zipfile.ZipFile(path, "w") as package:
        for part, bytes_ in parts.items():
            package.writestr(part, content if part.endswith("odd.xml") else bytes_)
    written = write(tmp_path, about(path), [said(2), said(5, task_id="task-5")])
    assert written.fresh == reason
    rows = sheet_rows(written.path, "Rows")
    assert rows[0] == [*HEADINGS, *TITLES]
    assert rows[1] == ["E-2", "Billing", "5", "text", "✖ invalid", "C5: wrong. Mend it.", None]
    assert rows[4][0] == "E-5"
    assert any(reason in str(row[0]) for row in sheet_rows(written.path, "About"))
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["annotated.xlsx"]


def test_annotated_file_that_was_changed_gives_a_fresh_one(tmp_path: Path) -> None:
    """What was found does not fit a file that was changed since: its rows as they were read are annotated."""
    path = plain_book(tmp_path / "a.xlsx", WHOLE)
    original = about(path)
    plain_book(path, WHOLE.replace("E-2", "E-9"))
    written = write(tmp_path, original, [said(2)])
    assert written.fresh == "it was changed since it was read"
    assert sheet_rows(written.path, "Rows")[1][0] == "E-2"


def test_annotated_file_that_is_gone_gives_a_fresh_one(tmp_path: Path) -> None:
    """The rows are in the plan: the file is not needed."""
    path = plain_book(tmp_path / "a.xlsx", WHOLE)
    original = about(path)
    path.unlink()
    assert write(tmp_path, original, [said(2)]).fresh == "the file cannot be opened: there is no such file"


def test_annotated_signed_workbook_gives_a_fresh_one(tmp_path: Path) -> None:
    """A digital signature would not hold over our columns."""
    path = plain_book(tmp_path / "a.xlsx", WHOLE)
    with zipfile.ZipFile(path, "a") as package:
        package.writestr("_xmlsignatures/sig1.xml", "<Signature/>")
    assert "signed" in write(tmp_path, about(path), [said(2)]).fresh


@pytest.mark.skipif(not CORPUS, reason="the corpus of real spreadsheets is not on this machine")
@pytest.mark.parametrize(("name", "reason"), [("xlsx/standard_AES128_SHA1_ECB_pwd_password.xlsx", "password"), ("xlsx/poc-xmlbomb.xlsx", "XML declarations"), ("other/ragged.xls", "old Excel workbook"), ("other/simple.ods", "which the importer does not read")])  # fmt: skip
def test_annotated_other_formats_give_a_fresh_one(tmp_path: Path, name: str, reason: str) -> None:
    """Encrypted, hostile and old workbooks are not touched."""
    assert reason in write(tmp_path, about(SHARED / "corpus" / name, sheet=None), [said(2)]).fresh


def test_annotated_csv_gives_a_workbook_on_the_same_lines(tmp_path: Path) -> None:
    """A CSV file gives a workbook whose lines are those of the file, wider rows and blank lines included; its first sheet is read again without a mapping."""
    path = tmp_path / "a.csv"
    path.write_text("x\n\nExternal ID,Queue,Priority,Description\n", "utf-8")
    wide = replace(said(6), cells=("E-6", "Billing", "5", "text", "more", "and more"))
    written = write(tmp_path, about(path, 3, format="csv", sheet=None), [said(4), wide])
    rows = sheet_rows(written.path, "Rows")
    assert written.fresh == "a CSV file has no place for it"
    assert rows[2] == [*HEADINGS, None, None, *TITLES]
    assert rows[3][:4] == ["E-4", "Billing", "5", "text"]
    assert rows[5][:7] == ["E-6", "Billing", "5", "text", "more", "and more", "✖ invalid"]


def test_annotated_csv_longer_than_a_sheet_goes_on_in_the_next(tmp_path: Path) -> None:
    """Rows on lines that no sheet has stand on a second one; each row is there once, and it is said from which line on."""
    path = tmp_path / "a.csv"
    path.touch()
    original = about(path, format="csv", sheet=None)
    rows = [said(line) for line in (3, 5, 8, 9, 14)]
    written = write_annotated(tmp_path / "out", original, lambda: iter(rows), open_workbook, rows_most=6)
    first, second = sheet_rows(written.path, "Rows"), sheet_rows(written.path, "Rows 2")
    assert [line[0] for line in first] == ["External ID", None, "E-3", None, "E-5"]
    assert [line[0] for line in second] == ["External ID", "E-8", "E-9", "E-14"]
    assert any("before line 8" in str(line[0]) for line in sheet_rows(written.path, "About"))


@pytest.mark.skipif(not HELPDESK.is_file(), reason="the real spreadsheets are not on this machine")
def test_annotated_real_csv_has_every_row_on_its_line(tmp_path: Path) -> None:
    """The helpdesk's file, with line breaks in its cells: each row stands on the line that findings name, its texts as they were read."""
    from python_calamine import CalamineWorkbook

    with open_source(HELPDESK) as reading:
        head, *rows = list(reading.rows)
    original = about(HELPDESK, head.line, head.cells, format="csv", sheet=None)
    marks = [Annotation(row.line, "✖ invalid", "bad", f"line {row.line}", "", tuple(row.cells)) for row in rows]
    written = write(tmp_path, original, marks)
    lines = CalamineWorkbook.from_path(written.path).get_sheet_by_name("Rows").to_python()
    wide = len(head.cells)
    assert lines[head.line - 1][:wide] == list(head.cells)
    assert [lines[row.line - 1][wide + 1] for row in rows] == [f"line {row.line}" for row in rows]
    assert all(lines[row.line - 1][:wide] == [visible(text) for text in row.cells] for row in rows)


# What it says


def test_annotations_of_a_plan_say_verdict_and_remedy() -> None:
    """Each verdict has its sign, a ready row with a warning is told apart; problems come with their cell and how to mend them."""
    found = {each.line: each for each in plan_annotations(a_plan())}
    assert [found[line].word for line in (2, 3, 4, 5, 6, 7)] == ["✔ ready", "▲ ready, warning", "• existing", "≡ duplicate", "– skipped", "✖ invalid"]  # fmt: skip
    assert found[7].advice == f"C7: {wrong(7).message} {wrong(7).fix}"
    assert found[4].task_id == "task-9"
    assert found[2].advice == ""
    assert [line.split(":")[0] for line in found[9].advice.split("\n")] == ["D9", "C9"]


def test_annotations_of_a_run_say_outcome_and_remedy() -> None:
    """Each outcome has its word and, where something is to be done, what; a created one has its task ID and nothing else."""
    found = {each.word: each for each in result_annotations(a_run())}
    assert len(found) == len(Outcome)
    assert (found["✔ created"].advice, found["✔ created"].task_id != "") == ("", True)
    assert found["? unknown"].advice == "Do not enter it by hand: importer resume looks it up."
    (failed,) = result_annotations([result(2, Outcome.FAILED, reason="400: no such queue")])
    assert failed.advice == "400: no such queue. Correct the row and hand it in again."


def test_annotated_of_a_plan_takes_what_was_read() -> None:
    """Source, hash, sheet and header line come from the plan; a run is named where it speaks."""
    made = preview([planned(2, Verdict.INVALID, finding("V311", line=2, heading="Description"))])
    assert annotated(made).about == "plan p-0001, digest 7f3a-91c2"
    assert annotated(made, "r-1").about == "run r-1, plan p-0001"
    assert (annotated(made).sheet, annotated(made).header_line, annotated(made).format) == ("Tasks", 1, "xlsx")


def test_annotations_tell_what_was_corrected_beside_the_file() -> None:
    """A cell that was corrected in the import keeps its text in the copy; what it was taken as is told first."""
    rows = [planned(2), planned(3, Verdict.INVALID, wrong(3))]
    first, second = with_fixes(plan_annotations(rows), [Fix(3, 3, "", "a text"), Fix(2, 2, "500", "50")])
    assert first.advice == "C2: taken as “50”, as it was corrected in the import, not in this file."
    assert [line[:16] for line in second.advice.split("\n")] == ["D3: taken as “a ", f"C3: {wrong(3).message[:12]}"]


def test_annotated_upload_is_read_where_it_is_kept() -> None:
    """A file that was uploaded is called as the person calls it, and copied from where it was put."""
    made = preview([])
    about_it = replace(made.about, kept="/state/uploads/1")
    assert annotated(replace(made, about=about_it)).kept == Path("/state/uploads/1")
    assert annotated(made).kept == annotated(made).source


def test_annotated_column_letters_reach_the_last(tmp_path: Path) -> None:
    """Our columns may be the last three that a sheet has."""
    path = plain_book(tmp_path / "a.xlsx", WHOLE.replace("</row>", f'<c r="{column_letter(16_380)}1"/></row>', 1))
    written = write(tmp_path, about(path, headings=("a",)), [said(2)])
    assert written.fresh == ""
    assert load_workbook(written.path)["Tasks"]["XFD1"].value == TITLES[2]
