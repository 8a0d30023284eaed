"""The template: a workbook to fill in, with drop-downs, limits and examples; read back without a mapping."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from importer.core.columns import ATTRIBUTE_PREFIXES, FIELDS_BY_ALIAS, LOOKUPS, OWN_HEADINGS, Column, columns_of, normal
from importer.core.custom_fields import CustomField
from importer.core.limits import Limits
from importer.core.rows import column_letter
from importer.writers import formulas
from importer.writers.book import Book, Facts, Page, book
from importer.writers.text import CELL_MOST, label

SCHEMA = "importer.template/1"
ROWS_PREPARED = 5000
PROMPT_TITLE_MOST, PROMPT_MOST = 32, 255
WIDTHS = {"external_id": 18, "name": 40, "queue": 24, "priority": 10, "type": 14, "description": 60, "skills": 28}
WIDTH, WIDE = 18, 40
STYLE_OF = {"priority": "whole", "description": "wrap", "due": "day", "expires": "day"}
STYLE_OF_KIND = {
    "longtext": "wrap", "date": "day", "datetime": "moment", "integer": "whole", "number": "plain",
}  # fmt: skip
LISTS = {
    "queue": "Queues", "type": "Types", "worktype": "Worktypes", "workbin": "Workbins", "language": "Languages",
    "wrapup_code": "Wrap-up codes", "skills": "Skills",
}  # fmt: skip
"""Fields that have a drop-down, and what its names are together."""
FIRST_DAY, LAST_DAY = dt.date(2000, 1, 1), dt.date(2099, 12, 31)
NUMBER_MOST = 10**15
"""Spreadsheets keep 15 digits."""

Example = Mapping[str, str | int]

TASK_EXAMPLES: tuple[Example, ...] = (
    {"external_id": "EXT-0001", "queue": 0, "priority": 50, "type": "email",
     "description": "Customer invoice discrepancy"},
    {"external_id": "EXT-0002", "queue": 1, "priority": 90, "type": "callback",
     "description": "Call back before noon about the contract renewal"},
    {"external_id": "EXT-0003", "queue": 0,
     "description": "Address change (priority and type are left blank: 50 and email are taken)"},
)  # fmt: skip
WORKITEM_EXAMPLES: tuple[Example, ...] = (
    {"external_id": "EXT-0001", "name": "Invoice discrepancy 4711", "worktype": 0, "queue": 0, "priority": 50,
     "description": "Customer invoice discrepancy", "due": "2026-12-18", "duration": "30 min"},
    {"external_id": "EXT-0002", "name": "Contract renewal", "worktype": 0, "queue": 1, "priority": 900,
     "description": "Call back before noon", "skills": 0, "due": "2026-12-18 11:30", "duration": "1h 30m"},
    {"external_id": "EXT-0003", "name": "Address change (what is left blank, the worktype decides)", "worktype": 0},
)  # fmt: skip
"""What stands in a field; a number in a field with a drop-down: which of its names."""

USUAL = {"queue": ("Billing", "Support"), "worktype": ("Case",), "skills": ("Invoices",)}
"""Names in examples where no others are known."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the first sheet, with its place. `choices` feed its drop-down; none: any text."""

    key: str  # the field, or the custom field's name
    heading: str
    name: str  # the heading without its star
    help: str
    example: str
    required: bool
    index: int
    style: str
    width: float
    choices: tuple[str, ...]
    area: str  # the name of its choices' area
    custom: CustomField | None = None

    @property
    def letter(self) -> str:
        return column_letter(self.index)


def write_template(
    path: Path, choices: Mapping[str, Sequence[str]], limits: Limits, custom: Sequence[CustomField] = ()
) -> Path:
    """Writes the template to `path`; returns where it is.

    `choices` holds names by field; where a field has none, any text may be typed. `custom` adds a column for each
    custom field, last; it is matched again where `limits.attributes` of the reader knows the field.
    """
    sheet = "Workitems" if "worktype" in limits.fields else "Tasks"
    kind = f"{sheet[:-1]} import template"
    facts = Facts(kind, kind, f"fill in the sheet {sheet}", SCHEMA)
    columns = _columns(choices, limits, custom)
    with book(path, facts) as made:
        _rows(made, sheet, columns, limits)
        _guide(made, sheet, columns, limits)
        _examples(made, sheet, columns, limits)
        _lookups(made, columns)
    return made.path


def _columns(
    choices: Mapping[str, Sequence[str]], limits: Limits, custom: Sequence[CustomField]
) -> tuple[_Column, ...]:
    own = [
        _of_field(column, index, _names(column.field, choices, limits))
        for index, column in enumerate(columns_of(limits))
    ]
    taken = {normal(heading) for heading in OWN_HEADINGS}
    taken |= {alias for alias, field in FIELDS_BY_ALIAS.items() if field in limits.fields}
    others = []
    for number, field in enumerate(custom, 1):
        others.append(_of_custom(field, len(own) + number - 1, number, taken))
        taken.add(normal(others[-1].name))
    return (*own, *others)


def _names(field: str, choices: Mapping[str, Sequence[str]], limits: Limits) -> tuple[str, ...]:
    if field == "type":
        return limits.types
    most = limits.queue if field == "queue" else limits.reference
    return tuple(dict.fromkeys(label(name, most) for name in choices.get(field, ()) if name.strip()))


def _of_field(column: Column, index: int, names: tuple[str, ...]) -> _Column:
    area = {"queue": formulas.QUEUES, "type": formulas.TYPES}.get(column.field, formulas.area(column.field))
    return _Column(
        key=column.field,
        heading=column.name + (" *" if column.required else ""),
        name=column.name,
        help=column.help,
        example=column.example,
        required=column.required,
        index=index,
        style=STYLE_OF.get(column.field, "text"),
        width=WIDTHS.get(column.field, WIDTH),
        choices=names,
        area=area,
    )


def _of_custom(field: CustomField, index: int, number: int, taken: set[str]) -> _Column:
    """A custom field goes by its heading, or by its name behind a prefix where another column has that heading."""
    heading = label(field.heading, 100)
    prefixed = not normal(heading) or normal(heading) in taken
    name = f"{ATTRIBUTE_PREFIXES[0].capitalize()} {label(field.name, 100)}" if prefixed else heading
    choices = tuple(label(each, CELL_MOST) for each in field.choices)
    return _Column(
        key=field.name,
        heading=name if prefixed or not field.required else f"{name} *",
        name=name,
        help=label(field.help, 1000),
        example=choices[0] if choices else "yes" if field.kind == "checkbox" else "",
        required=field.required,
        index=index,
        style=STYLE_OF_KIND.get(field.kind, "text"),
        width=WIDE if field.kind == "longtext" else WIDTH,
        choices=choices,
        area=formulas.area(f"custom_{number}"),
        custom=field,
    )


# The sheet to fill in


def _rows(made: Book, name: str, columns: Sequence[_Column], limits: Limits) -> None:
    sheet = made.sheet(name)
    _header(made, sheet, columns)
    sheet.freeze_panes(1, 1)
    sheet.repeat_rows(0)
    sheet.autofilter(0, 0, ROWS_PREPARED, len(columns) - 1)
    for each in columns:
        comment = f"{each.help}\nExample: {each.example}" if each.example else each.help or each.name
        sheet.write_comment(0, each.index, comment, {"x_scale": 1.8})
        rule = _rule_of_kind(each, each.custom) if each.custom else _rule(each, limits)
        if rule:
            prompt = {"input_title": each.heading[:PROMPT_TITLE_MOST], "input_message": each.help[:PROMPT_MOST]}
            rule = {"ignore_blank": True, **prompt, "error_title": each.name[:PROMPT_TITLE_MOST], **rule}
            sheet.data_validation(1, each.index, ROWS_PREPARED, each.index, rule)
    sheet.activate()


def _header(made: Book, sheet: Any, columns: Sequence[_Column]) -> None:
    sheet.set_row(0, 22)
    for each in columns:
        sheet.set_column(each.index, each.index, each.width, made.style(each.style))
        made.put(sheet, 0, each.index, each.heading, "header" if each.required else "optional")


def _rule(each: _Column, limits: Limits) -> dict[str, Any] | None:
    """What may be typed into a column of ours; None where any text may be."""
    if each.key == "external_id":
        return _id_rule(each, limits)
    if each.key == "priority":
        low, high = limits.priority_low, limits.priority_high
        return _between("integer", low, high, f"A whole number from {low:,} to {high:,}, or blank.")
    if each.key == "type":
        return _list(each, "stop", f"One of: {', '.join(limits.types)}; or blank.")
    if each.key == "description":
        lowest = int("description" in limits.required)
        return _between("length", lowest, limits.description, f"At most {limits.description} characters.")
    if each.key == "name":
        low, high = limits.name_low, limits.name
        return _between("length", low, high, f"{low} to {high} characters.")
    if each.key in ("due", "expires"):
        return _dates("Type a date, such as 2026-12-18. Keep this if it is a date written as text.", "warning")
    if each.key == "skills" and each.choices:  # the drop-down gives one; more of them are typed with ; between them
        return {**_list(each, "information", ""), "show_error": False}
    if each.choices:
        what = each.name.lower()
        kind = f"This {what} is not in the list of this template. Keep it if it is new, or if it is a {what}'s ID."
        return _list(each, "warning", kind)
    return None


def _rule_of_kind(each: _Column, field: CustomField) -> dict[str, Any] | None:
    if field.kind == "enum" and each.choices:
        return _list(each, "stop", "Choose one of the list.")
    if field.kind == "checkbox":
        return {**_list(each, "stop", "Type yes or no."), "source": ["yes", "no"]}
    if field.kind in ("date", "datetime"):
        return _dates("Type a date, such as 2026-12-18. Keep this if it is a date written as text.", "warning")
    if field.kind in ("integer", "number"):
        low = -NUMBER_MOST if field.low is None else field.low
        high = NUMBER_MOST if field.high is None else field.high
        kind = "integer" if field.kind == "integer" else "decimal"
        return _between(
            kind,
            low,
            high,
            "A number is needed here."
            if (low, high) == (-NUMBER_MOST, NUMBER_MOST)
            else f"A number from {low:,} to {high:,}.",
        )
    if field.kind != "tag" and (field.low is not None or field.high is not None):
        low, high = int(field.low or 0), int(CELL_MOST if field.high is None else field.high)
        return _between("length", low, high, f"{low:,} to {high:,} characters.")
    return None


def _id_rule(each: _Column, limits: Limits) -> dict[str, Any]:
    cell, area = f"{each.letter}2", f"${each.letter}$2:${each.letter}${ROWS_PREPARED + 1}"
    return {
        "validate": "custom",
        "value": formulas.once(cell, area, limits.external_id),
        "error_type": "warning",
        "error_message": f"Each ID stands once in the sheet and has at most {limits.external_id} characters.",
    }


def _list(each: _Column, kind: str, message: str) -> dict[str, Any]:
    return {
        "validate": "list", "source": each.area, "error_type": kind, "error_message": message[:PROMPT_MOST],
    }  # fmt: skip


def _between(what: str, low: float, high: float, message: str) -> dict[str, Any]:
    return {
        "validate": what, "criteria": "between", "minimum": low, "maximum": high, "error_type": "stop",
        "error_message": message[:PROMPT_MOST],
    }  # fmt: skip


def _dates(message: str, kind: str) -> dict[str, Any]:
    return {**_between("date", 0, 0, message), "minimum": FIRST_DAY, "maximum": LAST_DAY, "error_type": kind}


# The other sheets


def _guide(made: Book, sheet: str, columns: Sequence[_Column], limits: Limits) -> None:
    page = Page(made, "Guide", (24, 12, 30, 80))
    page.title("How to fill in this workbook")
    page.note(
        f"1. Fill in the sheet {sheet}, one row for each {sheet[:-1].lower()}. Columns marked * are required; dark headings are these."
    )
    page.note("2. Save it, then see what would happen; nothing is sent: importer preview FILE.xlsx")
    page.note("3. Read the preview, repair what it shows, and have it run: importer run PLAN")
    page.note("Pasting over cells removes the drop-downs and limits; the importer checks every row again anyway.")
    page.heading("Column", after="required, an example, and what it means")
    for each in columns:
        page.line(each.name, "yes" if each.required else "no", each.example, each.help)
    page.line(
        "Attribute: name",
        "no",
        "Attribute: language",
        "A column of your own with such a heading is sent as an attribute.",
    )
    page.line("any other column", "no", "Notes", "Stays in the reports, in its place, and is not sent.")
    page.heading("Limits")
    for name, text in _limits(limits):
        page.fact(name, text)
    for each in columns:
        if each.key in LISTS and each.key != "type" and each.choices:
            page.heading(f"{LISTS[each.key]} when this was made")
            for choice in each.choices:
                page.note(choice)


def _limits(limits: Limits) -> list[tuple[str, str]]:
    blank = "the worktype's own" if limits.priority_default is None else limits.priority_default
    lowest = "1 to" if "description" in limits.required else "at most"
    facts = {
        "external_id": ("External ID", f"1 to {limits.external_id} characters, each once"),
        "name": ("Name", f"{limits.name_low} to {limits.name} characters"),
        "priority": ("Priority", f"{limits.priority_low:,} to {limits.priority_high:,}; blank means {blank}"),
        "type": ("Type", f"{', '.join(limits.types)}; blank means {limits.type_default}"),
        "description": ("Description", f"{lowest} {limits.description} characters"),
        "skills": ("Skills", f"at most {limits.skills}"),
        "due": ("Due", "at most 365 days ahead"),
        "expires": ("Expires", "at least an hour and at most 365 days ahead"),
        "duration": ("Duration", f"at most {limits.duration // 86_400} days"),
    }
    told = [facts[field] for field in limits.fields if field in facts]
    return [*told, ("Attribute", f"at most {limits.attribute:,} characters")]


def _examples(made: Book, name: str, columns: Sequence[_Column], limits: Limits) -> None:
    sheet = made.sheet("Examples")
    _header(made, sheet, columns)
    sheet.freeze_panes(1, 0)
    examples = WORKITEM_EXAMPLES if "worktype" in limits.fields else TASK_EXAMPLES
    for row, example in enumerate(examples, 1):
        for each in columns:
            cell = example.get(each.key)
            if isinstance(cell, int) and each.key in LISTS:
                names = each.choices or USUAL[each.key]
                cell = names[cell % len(names)]
            made.put(sheet, row, each.index, cell, each.style)
    made.put(sheet, len(examples) + 2, 0, f"These rows are examples: only the sheet {name} is imported.", "key")


def _lookups(made: Book, columns: Sequence[_Column]) -> None:
    sheet = made.sheet(LOOKUPS)
    listed = [each for each in columns if each.choices]
    width = max(26, len(listed) + 1)
    for row in range(max([1, *(len(each.choices) for each in listed)])):
        for column, each in enumerate(listed):
            made.put(sheet, row, column, each.choices[row] if row < len(each.choices) else None)
        if row == 0:
            made.put(sheet, 0, width - 1, SCHEMA)
    for column, each in enumerate(listed):
        letter = column_letter(column)
        made.define(each.area[1:], f"={LOOKUPS}!${letter}$1:${letter}${len(each.choices)}")
    sheet.very_hidden()
