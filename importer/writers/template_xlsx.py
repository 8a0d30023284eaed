"""The template: a workbook to fill in, with drop-downs, limits and an example. What is pasted over them is judged all the same."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from importer.core.columns import COLUMNS, Column
from importer.core.limits import Limits
from importer.writers.files import written
from importer.writers.text import visible

ROWS = 5000
"""Lines with drop-downs."""
WIDTHS = {"external_id": 18, "queue": 26, "priority": 10, "type": 14, "description": 60}


def write_template(path: Path, queues: Sequence[str], limits: Limits) -> Path:
    """Writes the template and returns its path. `queues` may be empty: then the queue has no drop-down."""
    import xlsxwriter

    with written(path) as file:
        options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
        workbook = xlsxwriter.Workbook(str(file.beside), options)
        _tasks(workbook, queues, limits)
        _guide(workbook, limits)
        _examples(workbook)
        _lookups(workbook, queues, limits)
        workbook.close()
    return file.path


def _header(workbook: Any, sheet: Any) -> None:
    look = {"bold": True, "font_color": "#FFFFFF", "text_wrap": True, "valign": "top", "border": 1}
    needed = workbook.add_format({**look, "bg_color": "#1F3864"})
    optional = workbook.add_format({**look, "bg_color": "#5B7DB1"})
    for index, column in enumerate(COLUMNS):
        text = f"{column.name} *" if column.required else column.name
        sheet.write_string(0, index, text, needed if column.required else optional)
        sheet.write_comment(0, index, f"{column.help}\nExample: {column.example}", {"x_scale": 2})


def _tasks(workbook: Any, queues: Sequence[str], limits: Limits) -> None:
    sheet = workbook.add_worksheet("Tasks")
    sheet.activate()
    _header(workbook, sheet)
    text = workbook.add_format({"num_format": "@", "valign": "top"})
    wrapped = workbook.add_format({"num_format": "@", "valign": "top", "text_wrap": True})
    number = workbook.add_format({"num_format": "0", "valign": "top"})
    looks = {"priority": number, "description": wrapped}
    for index, column in enumerate(COLUMNS):
        sheet.set_column(index, index, WIDTHS[column.field], looks.get(column.field, text))
        rule = _rule(column, queues, limits)
        if rule:
            sheet.data_validation(1, index, ROWS, index, rule)
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, ROWS, len(COLUMNS) - 1)
    twice = workbook.add_format({"bg_color": "#F9D3DA", "font_color": "#8A1029"})
    sheet.conditional_format(1, 0, ROWS, 0, {"type": "duplicate", "format": twice})


def _rule(column: Column, queues: Sequence[str], limits: Limits) -> dict[str, Any]:
    """The rule in a column's cells."""
    if column.field == "external_id":
        say = f"At most {limits.external_id} characters, each ID once."
        return _length(limits.external_id, "External ID", say, "warning")
    if column.field == "queue":
        return (
            _list("=lk_queues", "Queue", "This queue is not on the list; its ID may be typed.", "warning")
            if queues
            else {}
        )
    if column.field == "priority":
        low, high = limits.priority_low, limits.priority_high
        return {
            "validate": "integer", "criteria": "between", "minimum": low, "maximum": high, "error_title": "Priority",
            "error_message": f"A whole number from {low} to {high}; blank means {limits.priority_default}.",
        }  # fmt: skip
    if column.field == "type":
        return _list("=lk_types", "Type", "Choose one of the list; blank means " + limits.type_default + ".", "stop")
    return _length(limits.description, "Description", f"1 to {limits.description} characters.", "stop")


def _length(most: int, title: str, message: str, error_type: str) -> dict[str, Any]:
    return {
        "validate": "length", "criteria": "between", "minimum": 1, "maximum": most, "error_title": title,
        "error_message": message, "error_type": error_type,
    }  # fmt: skip


def _list(source: str, title: str, message: str, error_type: str) -> dict[str, Any]:
    return {
        "validate": "list",
        "source": source,
        "error_title": title,
        "error_message": message,
        "error_type": error_type,
    }


def _guide(workbook: Any, limits: Limits) -> None:
    sheet = workbook.add_worksheet("Guide")
    bold = workbook.add_format({"bold": True, "font_size": 14})
    wrapped = workbook.add_format({"text_wrap": True, "valign": "top"})
    sheet.set_column(0, 0, 18)
    sheet.set_column(1, 1, 90, wrapped)
    sheet.write_string(0, 0, "How to fill in the sheet Tasks", bold)
    lines = [(column.name + (" *" if column.required else ""), column.help) for column in COLUMNS]
    lines += [
        ("*", "A column with a star must be filled in."),
        (
            "Attribute: …",
            f"Any further column named “Attribute: language” becomes a custom attribute (up to {limits.attribute} characters).",
        ),
        ("Then", "importer check FILE.xlsx, importer preview FILE.xlsx, importer run …"),
    ]
    for number, (label, text) in enumerate(lines, 2):
        sheet.write_string(number, 0, label)
        sheet.write_string(number, 1, text, wrapped)


def _examples(workbook: Any) -> None:
    sheet = workbook.add_worksheet("Examples")
    _header(workbook, sheet)
    for index, column in enumerate(COLUMNS):
        sheet.set_column(index, index, WIDTHS[column.field])
        sheet.write_string(1, index, column.example)


def _lookups(workbook: Any, queues: Sequence[str], limits: Limits) -> None:
    """The lists that the drop-downs show; a list within a rule may have 255 characters only."""
    sheet = workbook.add_worksheet("Lookups")
    sheet.very_hidden()
    names = sorted({visible(queue) for queue in queues}, key=str.casefold)
    for index, (title, values) in enumerate((("lk_queues", names), ("lk_types", list(limits.types)))):
        for number, value in enumerate(values):
            sheet.write_string(number, index, value)
        if values:
            letter = "AB"[index]
            workbook.define_name(title, f"=Lookups!${letter}$1:${letter}${len(values)}")
