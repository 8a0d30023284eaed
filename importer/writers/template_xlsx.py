"""The template: a workbook to fill in, with drop-downs, limits and examples; read back without a mapping."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from importer.core.columns import COLUMNS, Column
from importer.core.limits import Limits
from importer.core.rows import column_letter
from importer.writers import formulas
from importer.writers.book import Book, Facts, Page, book
from importer.writers.text import label

SCHEMA = "importer.template/1"
ROWS_PREPARED = 5000
PROMPT_TITLE_MOST, PROMPT_MOST = 32, 255
WIDTHS = {"external_id": 18, "queue": 24, "priority": 10, "type": 14, "description": 60}
STYLE_OF = {"priority": "whole", "description": "wrap"}

EXAMPLES = (
    ("EXT-0001", 0, 50, "email", "Customer invoice discrepancy"),
    ("EXT-0002", 1, 90, "callback", "Call back before noon about the contract renewal"),
    ("EXT-0003", 0, None, "", "Address change (priority and type are left blank: 50 and email are taken)"),
)
"""External ID, which of the queues, priority, type, description."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the sheet Tasks, with its place."""

    column: Column
    index: int

    @property
    def heading(self) -> str:
        return self.column.name + (" *" if self.column.required else "")

    @property
    def letter(self) -> str:
        return column_letter(self.index)


def write_template(path: Path, queues: Sequence[str], limits: Limits) -> Path:
    """Writes the template to `path`; returns where it is. `queues` may be empty: then any text is a queue."""
    facts = Facts("Task import template", "Task import template", "fill in the sheet Tasks", SCHEMA)
    columns = [_Column(column, index) for index, column in enumerate(COLUMNS)]
    names = list(dict.fromkeys(label(name, limits.queue) for name in queues if name.strip()))
    with book(path, facts) as made:
        _tasks(made, columns, names, limits)
        _guide(made, columns, names, limits)
        _examples(made, columns, names or ["Billing", "Support"])
        _lookups(made, names, limits)
    return made.path


# Tasks


def _tasks(made: Book, columns: Sequence[_Column], queues: Sequence[str], limits: Limits) -> None:
    sheet = made.sheet("Tasks")
    _header(made, sheet, columns)
    sheet.freeze_panes(1, 1)
    sheet.repeat_rows(0)
    sheet.autofilter(0, 0, ROWS_PREPARED, len(columns) - 1)
    for each in columns:
        made.put(sheet, 0, each.index, each.heading, "header" if each.column.required else "optional")
        sheet.write_comment(0, each.index, f"{each.column.help}\nExample: {each.column.example}", {"x_scale": 1.8})
        rule = _rule(each, queues, limits)
        if rule:
            sheet.data_validation(1, each.index, ROWS_PREPARED, each.index, rule)
    sheet.activate()


def _header(made: Book, sheet: Any, columns: Sequence[_Column]) -> None:
    sheet.set_row(0, 22)
    for each in columns:
        field = each.column.field
        sheet.set_column(each.index, each.index, WIDTHS[field], made.style(STYLE_OF.get(field, "text")))


def _rule(each: _Column, queues: Sequence[str], limits: Limits) -> dict[str, Any] | None:
    rules = {
        "external_id": _id_rule(each, limits),
        "queue": _queue_rule(queues),
        "priority": _priority_rule(limits),
        "type": _type_rule(limits),
        "description": _length_rule(limits.description),
    }
    rule = rules.get(each.column.field)
    if rule is None:
        return None
    prompt = {"input_title": each.heading[:PROMPT_TITLE_MOST], "input_message": each.column.help[:PROMPT_MOST]}
    return {"ignore_blank": True, **prompt, **rule}


def _id_rule(each: _Column, limits: Limits) -> dict[str, Any]:
    cell, area = f"{each.letter}2", f"${each.letter}$2:${each.letter}${ROWS_PREPARED + 1}"
    return {
        "validate": "custom",
        "value": formulas.once(cell, area, limits.external_id),
        "error_type": "warning",
        "error_title": "External ID",
        "error_message": f"Each ID stands once in the sheet and has at most {limits.external_id} characters.",
    }


def _queue_rule(queues: Sequence[str]) -> dict[str, Any] | None:
    if not queues:
        return None
    message = "This queue is not in the list of this template. Keep it if it is new, or if it is a queue's ID."
    return {
        "validate": "list", "source": formulas.QUEUES, "error_type": "warning", "error_title": "Queue",
        "error_message": message,
    }  # fmt: skip


def _priority_rule(limits: Limits) -> dict[str, Any]:
    low, high = limits.priority_low, limits.priority_high
    return {
        "validate": "integer", "criteria": "between", "minimum": low, "maximum": high, "error_type": "stop",
        "error_title": "Priority", "error_message": f"A whole number from {low} to {high}, or blank.",
    }  # fmt: skip


def _type_rule(limits: Limits) -> dict[str, Any]:
    return {
        "validate": "list", "source": formulas.TYPES, "error_type": "stop", "error_title": "Type",
        "error_message": f"One of: {', '.join(limits.types)}; or blank."[:PROMPT_MOST],
    }  # fmt: skip


def _length_rule(most: int) -> dict[str, Any]:
    return {
        "validate": "length", "criteria": "between", "minimum": 1, "maximum": most, "error_type": "stop",
        "error_title": "Description", "error_message": f"At most {most} characters.",
    }  # fmt: skip


# The other sheets


def _guide(made: Book, columns: Sequence[_Column], queues: Sequence[str], limits: Limits) -> None:
    page = Page(made, "Guide", (24, 12, 30, 80))
    page.title("How to fill in this workbook")
    page.note(
        "1. Fill in the sheet Tasks, one row for each task. Columns marked * are required; dark headings are these."
    )
    page.note("2. Save it, then see what would happen; nothing is sent: importer preview FILE.xlsx")
    page.note("3. Read the preview, repair what it shows, and have it run: importer run PLAN")
    page.note("Pasting over cells removes the drop-downs and limits; the importer checks every row again anyway.")
    page.heading("Column", after="required, an example, and what it means")
    for each in columns:
        page.line(each.column.name, "yes" if each.column.required else "no", each.column.example, each.column.help)
    page.line(
        "Attribute: name",
        "no",
        "Attribute: language",
        "A column of your own with such a heading is sent as an attribute.",
    )
    page.line("any other column", "no", "Notes", "Stays in the reports, in its place, and is not sent.")
    page.heading("Limits")
    page.fact("External ID", f"1 to {limits.external_id} characters, each once")
    page.fact("Priority", f"{limits.priority_low} to {limits.priority_high}; blank means {limits.priority_default}")
    page.fact("Type", f"{', '.join(limits.types)}; blank means {limits.type_default}")
    page.fact("Description", f"1 to {limits.description} characters")
    page.fact("Attribute", f"at most {limits.attribute} characters")
    if queues:
        page.heading("Queues when this was made")
        for name in queues:
            page.note(name)


def _examples(made: Book, columns: Sequence[_Column], queues: Sequence[str]) -> None:
    sheet = made.sheet("Examples")
    _header(made, sheet, columns)
    sheet.freeze_panes(1, 0)
    for each in columns:
        made.put(sheet, 0, each.index, each.heading, "header" if each.column.required else "optional")
    for row, (external_id, queue, priority, kind, description) in enumerate(EXAMPLES, 1):
        cells = (external_id, queues[queue % len(queues)], priority, kind, description)
        for each, cell in zip(columns, cells, strict=True):
            made.put(sheet, row, each.index, cell, STYLE_OF.get(each.column.field, "text"))
    made.put(sheet, len(EXAMPLES) + 2, 0, "These rows are examples: only the sheet Tasks is imported.", "key")


def _lookups(made: Book, queues: Sequence[str], limits: Limits) -> None:
    sheet = made.sheet("Lookups")
    for row in range(max(len(queues), len(limits.types))):
        made.put(sheet, row, 0, queues[row] if row < len(queues) else None)
        made.put(sheet, row, 1, limits.types[row] if row < len(limits.types) else None)
        if row == 0:
            made.put(sheet, 0, 25, SCHEMA)
    if queues:
        made.define("lk_queues", f"=Lookups!$A$1:$A${len(queues)}")
    made.define("lk_types", f"=Lookups!$B$1:$B${len(limits.types)}")
    sheet.very_hidden()
