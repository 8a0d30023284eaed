"""The template guides whoever fills it in, and what is filled in is read without a mapping."""

from pathlib import Path

from openpyxl import load_workbook

from importer.core.columns import COLUMNS, match_headings
from importer.core.limits import Limits
from importer.core.mapping import Mapping
from importer.ports import ReadOptions
from importer.sources.reader import open_source
from importer.targets.limits import TASKS
from importer.writers.template_xlsx import write_template
from tests.writers.made import PAYLOADS, parts

LIMITS: Limits = TASKS


def filled(tmp_path: Path) -> Path:
    book = load_workbook(write_template(tmp_path / "template.xlsx", ("Billing", "Support"), LIMITS))
    sheet = book["Tasks"]
    values: tuple[str | int, ...] = ("EXT-1", "Billing", 50, "email", "Invoice")
    for column, value in enumerate(values, 1):
        cell = sheet.cell(2, column, value)
        cell.number_format = sheet.column_dimensions["ABCDE"[column - 1]].number_format  # as a spreadsheet program does
    book.save(tmp_path / "filled.xlsx")
    return tmp_path / "filled.xlsx"


def test_template_filled_in_is_read_without_mapping(tmp_path: Path) -> None:
    """The first visible sheet is Tasks, every column is matched, and the only row is the one typed in."""
    with open_source(filled(tmp_path), ReadOptions()) as reading:
        rows = list(reading.rows)
    header = match_headings(rows[0], Mapping())
    assert reading.sheet.name == "Tasks"
    assert set(header.fields) == {column.field for column in COLUMNS}
    assert not [each for each in header.findings if each.severity == "error"]
    assert [list(row.cells) for row in rows[1:]] == [["EXT-1", "Billing", "50", "email", "Invoice"]]


def test_template_has_drop_downs_and_limits(tmp_path: Path) -> None:
    """Queue warns, type, priority and description stop; the lists come from names on a sheet that is very hidden."""
    book = load_workbook(write_template(tmp_path / "t.xlsx", ("Billing", "Support"), LIMITS))
    rules = {str(rule.sqref): rule for rule in book["Tasks"].data_validations.dataValidation}
    assert (rules["B2:B5001"].formula1, rules["B2:B5001"].errorStyle) == ("lk_queues", "warning")
    assert (rules["D2:D5001"].formula1, rules["D2:D5001"].errorStyle) == ("lk_types", None)
    assert (rules["C2:C5001"].formula1, rules["C2:C5001"].formula2) == ("0", "99")
    assert rules["E2:E5001"].formula2 == str(LIMITS.description)
    assert book["Lookups"].sheet_state == "veryHidden"
    assert [book["Lookups"].cell(row, 1).value for row in (1, 2)] == ["Billing", "Support"]


def test_template_marks_required_columns_and_explains_each(tmp_path: Path) -> None:
    """A required column has a star, and each heading a comment."""
    sheet = load_workbook(write_template(tmp_path / "t.xlsx", (), LIMITS))["Tasks"]
    headings = [sheet.cell(1, column).value for column in range(1, 6)]
    assert headings == ["External ID *", "Queue *", "Priority", "Type", "Description *"]
    assert all(sheet.cell(1, column).comment for column in range(1, 6))


def test_template_queue_names_are_text(tmp_path: Path) -> None:
    """A queue whose name looks like a formula stays a name."""
    path = write_template(tmp_path / "t.xlsx", PAYLOADS, LIMITS)
    assert not [name for name, xml in parts(path).items() if name.startswith("xl/worksheets/") and "<f>" in xml]
