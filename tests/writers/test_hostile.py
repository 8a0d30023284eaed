"""Hostile text acts in no report: 500 texts in cells, headings, names and messages stay texts."""

import csv
import json
import re
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from importer.core.custom_fields import CustomField, custom_fields
from importer.core.findings import finding
from importer.core.outcomes import Outcome
from importer.core.report import AuditEntry, ResultRow, StateChange
from importer.core.verdicts import Verdict
from importer.targets.limits import TASKS, WORKITEMS
from importer.writers import formulas
from importer.writers.preview_json import write_preview_json
from importer.writers.preview_xlsx import write_preview
from importer.writers.results_csv import write_results_csv
from importer.writers.results_json import write_results_json
from importer.writers.results_xlsx import write_results
from importer.writers.template_xlsx import write_template
from importer.writers.text import CUT, csv_cell, visible
from tests.hostile import BASE, FILE_NAMES, FORMULAS, hostile
from tests.writers.made import RATE, again, books, facts, planned, preview, result, sheet_rows

TEXTS = hostile(500)
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
OWN_BOUNDS = re.compile(r"-?[0-9]+|lk_custom_[0-9]+")
CHOICES = ("queue", "worktype", "workbin", "language", "wrapup_code", "skills")
OWN_NAMES = re.compile(
    r"lk_queues|lk_types|lk_(?:worktype|workbin|language|wrapup_code|skills|custom_[0-9]+)|_xlnm\.(?:_FilterDatabase|Print_Titles)"
)


def test_payload_list_is_long_and_made_of_different_texts() -> None:
    """There are 500 texts, more than 250 of them written by hand, and no two are alike."""
    assert len(TEXTS) == len(set(TEXTS)) == 500
    assert len(BASE) == len(set(BASE)) > 250


def hostile_rows() -> list[ResultRow]:
    """A row for each text, which stands in everything that a row may hold."""
    rows = []
    for line, text in enumerate(TEXTS, 2):
        states = (StateChange(text, text, text), StateChange("closed", "2026-01-06T09:00:02Z", "poll"))
        audit = AuditEntry(text, text, text, text, {text: {"from": text, "to": text}, "plain": text})
        found = finding("V304", sheet=text, column=2, line=line, heading=text, value=text, low=0, high=99, default=50)
        outcome = (Outcome.INVALID, Outcome.FAILED, Outcome.CREATED, Outcome.UNKNOWN)[line % 4]
        rows.append(
            result(
                line,
                outcome,
                cells=(text, text, "50", text),
                external_id=text,
                queue=text,
                task_id=text,
                state=text,
                states=states,
                audits=(audit,),
                audit_count=1,
                reason=text,
                correlation_id=text,
                findings=(found,),
            )
        )
    return rows


def hostile_facts() -> Any:
    """What stands above the rows, all of it hostile."""
    text = "=1+1\x1b[31m\u202e"
    return facts(
        headings=TEXTS[:200], source="/data/" + text + ".csv", sheet=text, preparer=text, note=text, approval=text,
        settings={text: text}, environment=text, state=text,
    )  # fmt: skip


def hostile_fields() -> tuple[CustomField, ...]:
    """A custom field for each text, which is its title, its choice and its help."""
    texts = {f"a{number}_enum": {"title": t, "description": t, "enum": [t]} for number, t in enumerate(TEXTS[:200])}
    return custom_fields({"jsonSchema": {"properties": texts}})


def workbooks(folder: Path) -> dict[str, Path]:
    """All workbooks that the importer writes, full of hostile texts."""
    rows = hostile_rows()
    plan = [
        planned(line, Verdict.INVALID, finding("V305", sheet=text, column=1, line=line, heading=text, value=text, types=text, suggestion=text, default=text), cells=(text,) * 4)
        for line, text in enumerate(TEXTS, 2)
    ]  # fmt: skip
    queue: dict[str, Any] = dict.fromkeys(
        ("members", "limit", "room", "rows", "ready", "existing", "invalid", "duplicate"), 1
    )
    queues = tuple({**queue, "queue": text, "id": text, "status": text} for text in TEXTS)
    made = preview(plan, sheet="=1+1", headings=TEXTS[:200], queues=queues, matched={text: text for text in TEXTS})
    return {
        "results": write_results(folder, hostile_facts(), books(rows), again(rows)),
        "preview": write_preview(folder, made, again(plan), RATE),
        "template": write_template(folder / "template.xlsx", {"queue": TEXTS}, TASKS),
        "workitems": write_template(
            folder / "workitems.xlsx", dict.fromkeys(CHOICES, TEXTS), WORKITEMS, hostile_fields()
        ),
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return workbooks(tmp_path_factory.mktemp("hostile"))


@pytest.mark.parametrize("name", ["results", "preview", "template", "workitems"])
def test_workbook_has_no_formula_but_our_own(made: dict[str, Path], name: str) -> None:
    """Every <f> of every part is of the constant list (which is empty), rules and names are ours, nothing leads outside."""
    used: list[str] = []
    with zipfile.ZipFile(made[name]) as package:
        for part in package.namelist():
            tree = ElementTree.fromstring(package.read(part))
            used += [each.text or "" for each in tree.iter(MAIN + "f")]
            rules = [each.text or "" for tag in ("formula1", "formula2") for each in tree.iter(MAIN + tag)]
            own = {formulas.QUEUES[1:], formulas.TYPES[1:], formulas.once("A2", "$A$2:$A$5001", TASKS.external_id)[1:]}
            own |= {formulas.once("A2", "$A$2:$A$5001", WORKITEMS.external_id)[1:], *(f"lk_{name}" for name in CHOICES)}
            assert [rule for rule in rules if rule not in own and not OWN_BOUNDS.fullmatch(rule)] == []
            assert [
                each.get("name")
                for each in tree.iter(MAIN + "definedName")
                if not OWN_NAMES.fullmatch(each.get("name", ""))
            ] == []
            assert list(tree.iter(MAIN + "hyperlink")) == []
            assert [each.get("Target") for each in tree.iter() if each.get("TargetMode") == "External"] == []
            assert "externalLink" not in part
            assert "vba" not in part.lower()
    assert [text for text in used if text not in formulas.IN_CELLS] == []


@pytest.mark.parametrize("name", ["results", "preview", "template", "workitems"])
def test_workbook_cells_are_strings_or_numbers(made: dict[str, Path], name: str) -> None:
    """A cell's type is a shared or inline string, or it is one of our own numbers."""
    kinds = set()
    with zipfile.ZipFile(made[name]) as package:
        for part in package.namelist():
            if part.startswith("xl/worksheets/sheet"):
                kinds |= {each.get("t") for each in ElementTree.fromstring(package.read(part)).iter(MAIN + "c")}
    assert kinds <= {"s", "inlineStr", None}


def test_results_workbook_gives_every_hostile_text_back(made: dict[str, Path]) -> None:
    """Cells, IDs and headings are read back as they were, control characters visible; none is lost for another's sake."""
    lines = sheet_rows(made["results"], "Results")
    assert len(lines) == len(TEXTS) + 1
    for line, text in zip(lines[1:], TEXTS, strict=True):
        assert (line[2], line[5]) == (visible(text), visible(text))
    assert [text or "" for text in lines[0][2:202]] == [visible(text) for text in TEXTS[:200]]


def test_preview_workbook_gives_every_hostile_text_back(made: dict[str, Path]) -> None:
    """The same for the preview's rows, and for the names of the template's queues as far as they are names."""
    lines = sheet_rows(made["preview"], "Rows")
    assert [line[11] for line in lines[1:]] == [visible(text) for text in TEXTS]
    assert len(sheet_rows(made["template"], "Lookups")) > 450


@pytest.mark.parametrize("name", ["results", "preview"])
def test_workbook_opened_by_an_office_program_shows_the_texts(made: dict[str, Path], name: str, tmp_path: Path) -> None:
    """LibreOffice, which calculates what it opens, shows formulas as the texts that they are."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if program is None:
        pytest.skip("LibreOffice is not installed")
    profile = f"-env:UserInstallation=file://{tmp_path / 'profile'}"
    command = [
        program,
        profile,
        "--headless",
        "--convert-to",
        "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1",
    ]
    subprocess.run([*command, "--outdir", str(tmp_path), str(made[name])], check=True, capture_output=True, timeout=300)
    shown = tmp_path / f"{name}-{'Results' if name == 'results' else 'Rows'}.csv"
    cells = {cell for line in csv.reader(shown.open(encoding="utf-8", newline="")) for cell in line}
    assert [text for text in FORMULAS if visible(text) not in cells] == []


# One cell does not cost the sheet


@pytest.mark.parametrize("cell", ["x" * 40_000, "😀" * 20_000, "\ud800" * 5, "a\x00\x01\x1f", "=" * 33_000])
def test_one_bad_cell_is_marked_and_the_rest_stays(tmp_path: Path, cell: str) -> None:
    """A cell that no workbook can hold is cut or made visible and says so; its neighbours and other rows stay."""
    rows = [result(2, cells=("EXT-2", "Billing", "50", cell)), result(3)]
    path = write_results(tmp_path, facts(), books(rows), again(rows))
    lines = sheet_rows(path, "Results")
    assert lines[1][2:5] == ["EXT-2", "Billing", "50"]
    assert lines[1][5] == visible(cell) != cell
    assert len(cell) < 10_000 or lines[1][5].endswith(CUT)
    assert lines[2][5] == "Task of line 3"


@pytest.mark.parametrize("cell", ["<r><t>x</t></r>", "<r>x</r>", "<r></r>", "<r></si></r>"])
def test_markup_in_a_cell_is_text(tmp_path: Path, cell: str) -> None:
    """A text that is markup of a workbook is neither taken for it nor breaks the sheet: it is read back as it was."""
    rows = [result(2, cells=("EXT-2", "Billing", "50", cell))]
    path = write_results(tmp_path, facts(), books(rows), again(rows))
    with zipfile.ZipFile(path) as package:
        assert not [part for part in package.namelist() if f">{cell}<".encode() in package.read(part)]
    assert sheet_rows(path, "Results")[1][5] == cell


def test_rows_beyond_a_sheet_go_on_in_the_next_one(tmp_path: Path) -> None:
    """With room for 100 rows a sheet, 500 hostile rows fill several, and each is there once."""
    rows = hostile_rows()
    path = write_results(tmp_path, facts(), books(rows), again(rows), rows_most=101)
    lines = [
        line for name in ("Results", *(f"Results {n}" for n in range(2, 6))) for line in sheet_rows(path, name)[1:]
    ]
    assert [line[0] for line in lines] == list(range(2, 502))


@pytest.mark.nightly
def test_more_rows_than_a_sheet_holds_are_all_written(tmp_path: Path) -> None:
    """1,048,580 rows: the first sheet is full, the rest stands on a second one; no row is lost."""
    from python_calamine import CalamineWorkbook

    count = 1_048_580
    one = result(2, Outcome.NOT_SENT)
    counts = {**books([]), "read": count, "not_sent": count}
    path = write_results(tmp_path, facts(), counts, lambda: (replace(one, line=n) for n in range(2, count + 2)))
    book = CalamineWorkbook.from_path(path)
    assert book.get_sheet_by_name("Results").total_height == 1_048_576
    assert book.get_sheet_by_name("Results 2").total_height == count - 1_048_575 + 1


# CSV and JSON


def original(cell: str) -> str:
    """What a program that wants the texts makes of a cell: it takes the apostrophe away that csv_cell put before it."""
    return cell[1:] if cell.startswith("'") and csv_cell(cell[1:]) == cell else cell


def test_csv_of_hostile_rows_starts_no_formula_and_gives_the_texts_back(tmp_path: Path) -> None:
    """Every cell is quoted, none starts with what a spreadsheet calculates, and without our apostrophe all are as they were."""
    rows = hostile_rows()
    path = write_results_csv(tmp_path, hostile_facts(), books(rows), again(rows))
    raw = path.read_text("utf-8-sig")
    lines = list(csv.reader(raw.splitlines(keepends=True), strict=True))
    assert len(lines) == len(TEXTS) + 1
    cells = [cell for line in lines for cell in line]
    calculated = re.compile(r"[\s\"'“”‘’\u200b-\u200f\u202e\ufeff\u00ad\u2060]*[=+\-@|＝＋－＠﹦﹢﹣﹫⁼⁺₌]")
    assert [
        cell
        for cell in cells
        if calculated.match(cell) and not cell.startswith("'") and not re.fullmatch(r"[+-]?\d+", cell)
    ] == []
    assert [original(line[2]) for line in lines[1:]] == [visible(text) for text in TEXTS]
    writer = csv.writer(again_ := _Lines(), quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows(lines)
    assert "".join(again_) == path.read_bytes().decode("utf-8-sig")


class _Lines(list[str]):
    """A file for csv.writer."""

    def write(self, text: str) -> None:
        self.append(text)


@pytest.mark.parametrize("number", ["-12.5", "+49", "-1,234.00", "12%", "0", "007", "-0"])
def test_csv_numbers_stay_numbers(number: str) -> None:
    """A plain number gets no apostrophe, negative ones included."""
    assert csv_cell(number) == number


@pytest.mark.parametrize("text", ["-1-1", "+1+cmd", "-", "+", "-1e5+A1", "--1", "-1.5.", "+A1"])
def test_csv_what_only_looks_like_a_number_is_text(text: str) -> None:
    """A sign and anything but a plain number is text."""
    assert csv_cell(text) == "'" + text


def test_json_of_hostile_rows_is_one_strict_object(tmp_path: Path) -> None:
    """results.json and preview.json are strict JSON in UTF-8 and hold the texts verbatim, broken ones included."""
    rows = hostile_rows()
    plan = [replace(planned(line), queue=text) for line, text in enumerate(TEXTS, 2)]

    def refused(constant: str) -> None:
        raise AssertionError(constant)

    for path in (
        write_results_json(tmp_path, hostile_facts(), books(rows), again(rows)),
        write_preview_json(tmp_path, preview(plan, headings=TEXTS), again(plan), RATE),
    ):
        body = json.loads(path.read_bytes().decode("utf-8"), parse_constant=refused)
        assert [row["queue"] for row in body["rows"]] == list(TEXTS)
        assert not re.search(r"[\x00-\x09\x0b-\x1f]", path.read_text("utf-8"))


@pytest.mark.parametrize("name", FILE_NAMES)
def test_names_of_files_and_sheets_are_no_paths_of_reports(tmp_path: Path, name: str) -> None:
    """Whatever a file or sheet is called, the reports have names of our own in the folder that was asked for."""
    about = facts(source=f"/data/{name}", sheet=name)
    out = tmp_path / "out"
    rows = [result(2)]
    paths = {
        write_results(out, about, books(rows), again(rows)),
        write_results_json(out, about, books(rows), again(rows)),
        write_results_csv(out, about, books(rows), again(rows)),
    }
    assert {path.relative_to(out).as_posix() for path in paths} == {"results.xlsx", "results.json", "results.csv"}
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["out", "results.csv", "results.json", "results.xlsx"]
