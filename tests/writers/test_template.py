"""The template guides whoever fills it in, and what is filled in is read without a mapping."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from importer.core.columns import match_headings
from importer.core.custom_fields import custom_fields
from importer.core.limits import Limits
from importer.core.mapping import Mapping
from importer.core.rows import column_letter
from importer.ports import ReadOptions
from importer.sources.reader import open_source
from importer.targets.limits import TASKS, WORKITEMS
from importer.writers.template_xlsx import write_template
from tests.writers.made import PAYLOADS, parts

LIMITS: Limits = TASKS


def filled(tmp_path: Path) -> Path:
    book = load_workbook(write_template(tmp_path / "template.xlsx", {"queue": ("Billing", "Support")}, LIMITS))
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
    header = match_headings(rows[0], Mapping(), LIMITS)
    assert reading.sheet.name == "Tasks"
    assert set(header.fields) == set(LIMITS.fields)
    assert not [each for each in header.findings if each.severity == "error"]
    assert [list(row.cells) for row in rows[1:]] == [["EXT-1", "Billing", "50", "email", "Invoice"]]


@pytest.mark.parametrize(("name", "told"), [("Lookups", False), ("Mine", True)])
@pytest.mark.parametrize("state", ["veryHidden", "hidden"])
def test_template_own_hidden_sheet_is_no_sheet_that_was_forgotten(
    tmp_path: Path, name: str, state: Any, *, told: bool
) -> None:
    """The names of the drop-downs are not told as hidden rows, however a program hides the sheet; a person's hidden sheet is."""
    path = write_template(tmp_path / "t.xlsx", {"queue": ["Billing"]}, TASKS)
    book = load_workbook(path)
    book["Lookups"].sheet_state = state
    book["Lookups"].title = name
    book.save(path)
    with open_source(path, ReadOptions("Tasks")) as reading:
        assert list(reading.rows)
        assert ("F204" in [each.code for each in reading.findings]) == told


def test_template_has_drop_downs_and_limits(tmp_path: Path) -> None:
    """Queue warns, type, priority and description stop; the lists come from names on a sheet that is very hidden."""
    book = load_workbook(write_template(tmp_path / "t.xlsx", {"queue": ("Billing", "Support")}, LIMITS))
    rules = {str(rule.sqref): rule for rule in book["Tasks"].data_validations.dataValidation}
    assert (rules["B2:B5001"].formula1, rules["B2:B5001"].errorStyle) == ("lk_queues", "warning")
    assert (rules["D2:D5001"].formula1, rules["D2:D5001"].errorStyle) == ("lk_types", None)
    assert (rules["C2:C5001"].formula1, rules["C2:C5001"].formula2) == ("0", "99")
    assert rules["E2:E5001"].formula2 == str(LIMITS.description)
    assert book["Lookups"].sheet_state == "veryHidden"
    assert [book["Lookups"].cell(row, 1).value for row in (1, 2)] == ["Billing", "Support"]


def test_template_marks_required_columns_and_explains_each(tmp_path: Path) -> None:
    """A required column has a star, and each heading a comment."""
    sheet = load_workbook(write_template(tmp_path / "t.xlsx", {}, LIMITS))["Tasks"]
    headings = [sheet.cell(1, column).value for column in range(1, 6)]
    assert headings == ["External ID *", "Queue *", "Priority", "Type", "Description *"]
    assert all(sheet.cell(1, column).comment for column in range(1, 6))


def test_template_queue_names_are_text(tmp_path: Path) -> None:
    """A queue whose name looks like a formula stays a name."""
    path = write_template(tmp_path / "t.xlsx", {"queue": PAYLOADS}, LIMITS)
    assert not [name for name, xml in parts(path).items() if name.startswith("xl/worksheets/") and "<f>" in xml]


# Workitems


def property_of(title: str, **told: Any) -> dict[str, Any]:
    """A property of a schema."""
    return {"title": title, **told}


FIELDS = custom_fields(
    {
        "jsonSchema": {
            "required": ["claim_id_identifier"],
            "properties": {
                "claim_id_identifier": property_of("Claim ID", minLength=2, maxLength=20),
                "reason_enum": property_of("Reason", enum=["Fire", "=1+1"]),
                "seen_date": property_of("Seen on"),
                "call_datetime": property_of("Due"),
                "items_integer": property_of("Items", minimum=1),
                "amount_number": property_of("Amount", minimum=0.5, maximum=10),
                "ok_checkbox": property_of("Complete?"),
                "labels_tag": property_of("Labels"),
            },
        }
    }
)
CHOICES = {
    "worktype": ("Case", "Claim"), "queue": ("Billing",), "workbin": ("Back office",), "language": ("English",),
    "wrapup_code": ("Resolved",), "skills": ("Invoices", "French"),
}  # fmt: skip


def workitems_template(tmp_path: Path) -> Path:
    """A template for workitems with drop-downs and custom fields."""
    return write_template(tmp_path / "w.xlsx", CHOICES, WORKITEMS, FIELDS)


def rules_by_heading(path: Path) -> dict[str, Any]:
    """The rules of the first sheet."""
    sheet = load_workbook(path).worksheets[0]
    letters = {column_letter(index): str(cell.value) for index, cell in enumerate(sheet[1])}
    return {letters[str(rule.sqref).rstrip("0123456789:")[0]]: rule for rule in sheet.data_validations.dataValidation}


def test_template_of_workitems_is_read_without_mapping(tmp_path: Path) -> None:
    """Every column of the sheet Workitems is matched, custom fields by heading, one called like a field by its name."""
    with open_source(workitems_template(tmp_path), ReadOptions()) as reading:
        first = next(iter(reading.rows))
    limits = replace(WORKITEMS, attributes=tuple((field.heading, field.name) for field in FIELDS))
    header = match_headings(first, Mapping(), limits)
    assert reading.sheet.name == "Workitems"
    assert set(header.fields) == set(WORKITEMS.fields)
    assert set(header.attributes) == {field.name for field in FIELDS}
    assert header.headings[-5] == "Attribute: call_datetime"
    assert (header.findings, header.unused) == ((), ())


def test_template_of_workitems_marks_what_is_required(tmp_path: Path) -> None:
    """The target's required columns and the schema's have a star."""
    headings = [str(cell.value) for cell in load_workbook(workitems_template(tmp_path)).worksheets[0][1]]
    assert [each for each in headings if each.endswith("*")] == ["External ID *", "Name *", "Worktype *", "Claim ID *"]


@pytest.mark.parametrize(
    ("heading", "area", "style", "stops"),
    [
        ("Worktype *", "lk_worktype", "warning", True), ("Workbin", "lk_workbin", "warning", True),
        ("Queue", "lk_queues", "warning", True), ("Language", "lk_language", "warning", True),
        ("Wrap-up code", "lk_wrapup_code", "warning", True), ("Skills", "lk_skills", "information", False),
        ("Reason", "lk_custom_2", None, True), ("Complete?", '"yes,no"', None, True),
    ],
)  # fmt: skip
def test_template_drop_down_follows_its_column(
    heading: str, area: str, style: str | None, stops: bool, tmp_path: Path
) -> None:
    """Names warn, what a schema lists stops, and skills are a hint: several may be typed."""
    rule = rules_by_heading(workitems_template(tmp_path))[heading]
    assert (rule.formula1, rule.errorStyle, rule.showErrorMessage) == (area, style, stops)


@pytest.mark.parametrize(
    ("heading", "kind", "low", "high"),
    [
        ("Name *", "textLength", "3", "256"), ("Description", "textLength", "0", "512"),
        ("Priority", "whole", "-25000000", "25000000"), ("Due", "date", "36526", "73050"),
        ("Claim ID *", "textLength", "2", "20"), ("Seen on", "date", "36526", "73050"),
        ("Items", "whole", "1", "1000000000000000"), ("Amount", "decimal", "0.5", "10"),
    ],
)  # fmt: skip
def test_template_cell_has_the_limits_of_its_column(
    heading: str, kind: str, low: str, high: str, tmp_path: Path
) -> None:
    """Lengths, ranges and dates are checked while typing, by the target's limits or the schema's."""
    rule = rules_by_heading(workitems_template(tmp_path))[heading]
    assert (rule.type, rule.formula1, rule.formula2) == (kind, low, high)


def test_template_date_typed_in_is_read_as_that_day(tmp_path: Path) -> None:
    """A date typed into Due is an Excel date, whatever the country, and comes out as ISO."""
    book = load_workbook(workitems_template(tmp_path))
    sheet = book.worksheets[0]
    place = [str(cell.value) for cell in sheet[1]].index("Due") + 1
    cell = sheet.cell(2, place, datetime(2026, 12, 18))  # noqa: DTZ001 - a spreadsheet's dates have no zone
    cell.number_format = sheet.column_dimensions[column_letter(place - 1)].number_format
    book.save(tmp_path / "filled.xlsx")
    with open_source(tmp_path / "filled.xlsx", ReadOptions()) as reading:
        assert list(reading.rows)[1].cells[place - 1] == "2026-12-18"


@pytest.mark.parametrize("choices", [{}, {"worktype": ("", " ")}])
def test_template_without_names_takes_any_text(choices: dict[str, Sequence[str]], tmp_path: Path) -> None:
    """Without the target's names there are no drop-downs for them, and examples still have some."""
    path = write_template(tmp_path / "w.xlsx", choices, WORKITEMS)
    assert not {"Worktype *", "Queue", "Skills"} & set(rules_by_heading(path))
    assert load_workbook(path)["Examples"]["C2"].value == "Case"


def test_template_choices_of_schemas_are_text(tmp_path: Path) -> None:
    """Titles, choices and help of a schema that look like formulas or markup stay text."""
    fields = custom_fields(
        {
            "jsonSchema": {
                "properties": {
                    f"a{number}_enum": {"title": text, "description": text, "enum": [text, "x"]}
                    for number, text in enumerate(PAYLOADS)
                }
            }
        }
    )
    path = write_template(tmp_path / "w.xlsx", dict.fromkeys(CHOICES, PAYLOADS), WORKITEMS, fields)
    assert not [name for name, xml in parts(path).items() if name.startswith("xl/worksheets/") and "<f>" in xml]
    assert load_workbook(path).worksheets[0].max_column == len(WORKITEMS.fields) + len(PAYLOADS)
