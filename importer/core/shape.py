"""From a row to a task request, or to the findings that prevent it. All findings of a row at once; knows nothing of the target but its limits."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from importer.core.columns import COLUMN_OF, Header
from importer.core.findings import CATALOGUE, Finding, Severity, finding, shorten
from importer.core.limits import Limits
from importer.core.mapping import Mapping
from importer.core.moments import is_bare
from importer.core.names import did_you_mean
from importer.core.rows import Row
from importer.core.task import TaskRequest, skill_names, validator, whole_number
from importer.core.unseen import CONTROL, unseen

E_NOTATION = re.compile(r"[+-]?[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{2,3}")
"""How Excel writes a long number in a narrow column: `1.23457E+14`."""


BLANK = {"external_id": "V201", "queue": "V211", "name": "V221", "worktype": "V231"}
TOO_LONG = {"external_id": "V202", "queue": "V212", "name": "V222"}
REFERENCES = frozenset({"worktype", "workbin", "skills", "language", "wrapup_code", "assignee", "external_contact"})


class Shaped(NamedTuple):
    """A row after shaping: `request` is None where a finding of severity error prevents it."""

    row: Row
    external_id: str  # as read, also where the row is invalid; may be blank
    request: TaskRequest | None
    findings: tuple[Finding, ...]


class Shaper:
    """Shapes the rows of one sheet. Made once per sheet, then called for each row; keeps nothing of a row."""

    def __init__(self, header: Header, mapping: Mapping, limits: Limits, sheet: str | None = None) -> None:
        self._header = header
        self._mapping = mapping
        self._limits = limits
        self._sheet = sheet
        self._validate = validator(limits)
        self._width = header.width
        self._added = header.added
        self._plain = [(f, t.column) for f, t in header.fields.items() if t.column is not None]
        self._filled = [(f, t) for f, t in header.fields.items() if t.column is None]
        self._attributes = list(header.attributes.items())
        self._meanings = [(field, mapping.values[field]) for field in mapping.values]
        self._shortened = [field for field, mode in mapping.overflow.items() if mode == "shorten"]
        self._defaults: dict[str, Any] = _defaults(limits)
        self._defaults |= {field: text for field, text in header.constants.items() if text}
        lowest, highest = max(limits.priority_low, -999), min(limits.priority_high, 999)
        self._numbers = {str(n): n for n in range(lowest, highest + 1)}
        self._kinds = frozenset(limits.types) if "type" in limits.fields else frozenset({None})
        self._derives = bool(self._filled or self._meanings or self._attributes or self._shortened)
        if "priority" in mapping.values:
            self._numbers = {}  # what a cell says may mean another number
        # Where a column feeds several fields, what is known of its cells counts for the external ID.
        by_weight = sorted(header.fields.items(), key=lambda item: item[0] == "external_id")
        self._source = {c: f for f, t in by_weight for c in t.columns()}
        self._id_columns = [c for c, field in self._source.items() if field == "external_id"]

    def __call__(self, row: Row) -> Shaped:
        """The row shaped; never raises for what a cell holds."""
        cells = row.cells
        width = len(cells)
        findings: list[Finding] = []
        values: dict[str, Any] = {**self._defaults, "attributes": {}}
        for field, column in self._plain:
            text = cells[column] if column < width else ""
            if text:
                bare = text.strip()
                if bare is not text and bare != text:
                    findings.append(self._at(row, "V330", column))
                if bare:
                    values[field] = bare
        priority = values.get("priority")
        if priority in self._numbers:
            values["priority"] = self._numbers[priority]
        if width != self._width:
            self._ragged(row, findings)
        if row.marks:
            self._marked(row, findings)
        if self._derives or values.get("priority").__class__ is str or values.get("type") not in self._kinds:
            self._derive(row, values, findings)
        try:
            request = self._validate(values)
        except ValidationError as problems:
            told = {each.cell for each in findings if each.severity is Severity.ERROR}
            findings += [
                each for each in self._explained(row, values, problems) if each.cell is None or each.cell not in told
            ]
            request = None
        external_id = values.get("external_id", "")
        description = values.get("description", "")
        if not description.isprintable() and CONTROL.search(description):
            found = unseen("".join(CONTROL.findall(description)))
            findings.append(self._of_field(row, "V341", "description", description, characters=found))
        if "+" in external_id:
            self._damaged(row, findings)
        if "duration" in values and is_bare(values["duration"]):
            self._bare_duration(row, values["duration"], findings)
        if findings and any(each.severity is Severity.ERROR for each in findings):
            request = None
        return Shaped(row, external_id, request, tuple(findings))

    def _derive(self, row: Row, values: dict[str, Any], findings: list[Finding]) -> None:
        """What a mapping makes of cells: templates, meanings, attributes, shortening."""
        for field, template in self._filled:
            text = template.fill(row.cells, all_needed=field == "external_id")
            if text.strip():
                values[field] = text.strip()
        for field, meanings in self._meanings:
            if field in values and self._said(row, field):
                meaning = meanings.get(str(values[field]).casefold(), values[field]) or self._defaults.get(field)
                if meaning:
                    values[field] = meaning
                else:
                    del values[field]
        for name, template in self._attributes:
            text = template.fill(row.cells, all_needed=False).strip()
            if text:
                values["attributes"][name] = text
        if isinstance(values.get("priority"), str):
            values["priority"] = whole_number(values["priority"])
        if values.get("type") not in self._kinds:
            values["type"] = values["type"].casefold()
        for field in self._shortened:
            limit: int = getattr(self._limits, field)
            text = values.get(field, "")
            if len(text) > limit:
                values[field] = shorten(text, limit)
                findings.append(self._of_field(row, "V313", field, text, name=field, length=len(text), limit=limit))

    def _said(self, row: Row, field: str) -> bool:
        """Whether a cell says something of the field: what a default or a constant says has its meaning already."""
        template = self._header.fields.get(field)
        columns = template.columns() if template else []
        return any(column < len(row.cells) and row.cells[column].strip() for column in columns)

    def _ragged(self, row: Row, findings: list[Finding]) -> None:
        """A row with more values than headings has slipped; one that ends early may have been cut off."""
        width = len(row.cells)
        slipped = next((i for i in range(self._width, width) if i not in self._added and row.cells[i].strip()), None)
        if slipped is not None:
            facts = {"found": max(slipped + 1, width - len(self._added)), "expected": self._width}
            findings.append(self._at(row, "V331", slipped, **facts))
        elif width < self._width and self._sheet is None:
            findings.append(self._at(row, "V332", max(width - 1, 0), found=width, expected=self._width))

    def _marked(self, row: Row, findings: list[Finding]) -> None:
        """What the source knows of cells: it counts where the cell is sent."""
        for column, code in row.marks:
            field = self._source.get(column)
            if code == "V320" and field is None and not self._feeds_attribute(column):
                findings.append(self._at(row, "V322", column))
            elif code in ("V205", "V206"):
                if field == "external_id":
                    findings.append(self._at(row, code, column))
            elif field is not None or self._feeds_attribute(column):
                findings.append(self._at(row, code, column))

    def _damaged(self, row: Row, findings: list[Finding]) -> None:
        """Cells in E-notation that the external ID is made of; a template may put text around them."""
        for column in self._id_columns:
            if column < len(row.cells) and E_NOTATION.fullmatch(row.cells[column].strip()):
                findings.append(self._at(row, "V204", column))

    def _feeds_attribute(self, column: int) -> bool:
        return any(column in template.columns() for _, template in self._attributes)

    def _explained(self, row: Row, values: dict[str, Any], problems: ValidationError) -> list[Finding]:
        """pydantic's errors as findings with the cell, in the words of the catalogue."""
        found: list[Finding] = []
        for problem in problems.errors(include_url=False, include_context=False, include_input=False):
            field = str(problem["loc"][0])
            name = str(problem["loc"][1]) if len(problem["loc"]) > 1 else field
            found.append(self._explain(row, values, field, name, problem["type"]))
        return list(dict.fromkeys(found))  # of several names in a cell each may be wrong in the same way

    def _explain(self, row: Row, values: dict[str, Any], field: str, name: str, kind: str) -> Finding:
        limits = self._limits
        text = values["attributes"][name] if field == "attributes" else values.get(field, "")
        if field == "attributes" and kind == "string_unicode":
            return self._of_field(row, "V203", name, text, name=name, characters=unseen(text))
        if field == "attributes":
            return self._of_field(row, "V340", name, text, name=name, length=len(text), limit=limits.attribute)
        if field == "priority":
            code = "V304" if kind in ("greater_than_equal", "less_than_equal") else "V303"
            default = "the worktype's own" if limits.priority_default is None else limits.priority_default
            bounds = {"low": f"{limits.priority_low:,}", "high": f"{limits.priority_high:,}", "default": default}
            return self._of_field(row, code, field, str(text), **bounds)
        if field == "type":
            facts: dict[str, Any] = {"types": ", ".join(limits.types), "default": limits.type_default}
            return self._of_field(row, "V305", field, text, suggestion=did_you_mean(text, limits.types), **facts)
        if not text:
            return self._of_field(row, BLANK.get(field, "V311"), field, "")
        named = COLUMN_OF[field].name
        if kind in CATALOGUE:
            facts = {"name": named, "time_zone": limits.time_zone}
            return self._of_field(row, kind, field, text, **facts)
        if field == "skills" and kind == "too_long":
            return self._of_field(row, "V251", field, text, count=len(skill_names(text)), limit=limits.skills)
        if field == "duration":
            return self._of_field(row, "V366", field, text, days=limits.duration // 86_400)
        if kind in ("string_pattern_mismatch", "string_unicode"):
            return self._of_field(row, "V203", field, text, name=named, characters=unseen(text))
        if field in REFERENCES:
            longest = max(map(len, skill_names(text))) if field == "skills" else len(text)
            return self._of_field(row, "V232", field, text, name=named, length=longest, limit=limits.reference)
        facts = {"length": len(text), "limit": getattr(limits, field), "low": limits.name_low}
        return self._of_field(row, TOO_LONG.get(field, "V312"), field, text, **facts)

    def _bare_duration(self, row: Row, text: str, findings: list[Finding]) -> None:
        """A number without a unit is read as seconds, which is told: who wrote it may have meant minutes."""
        template = self._header.fields.get("duration")
        if template is not None:
            findings.append(self._of_field(row, "V367", "duration", text))

    def _of_field(self, row: Row, code: str, field: str, value: str, **facts: Any) -> Finding:
        """A finding at the cell that feeds the field, or at the first of several."""
        column = self.column(field)
        if column is None:
            return finding(code, sheet=self._sheet, line=row.line, value=value, **facts)
        return finding(
            code, sheet=self._sheet, column=column, line=row.line, heading=self._heading(column), value=value, **facts
        )

    def column(self, field: str) -> int | None:
        """The (first) column that feeds a field or attribute; None where a constant or nothing does."""
        template = self._header.fields.get(field) or self._header.attributes.get(field)
        return next(iter(template.columns()), None) if template else None

    def at_field(self, row: Row, code: str, field: str, value: str, **facts: Any) -> Finding:
        """A finding from later judging, at the cell that feeds the field."""
        return self._of_field(row, code, field, value, **facts)

    def at_line(self, row: Row, code: str, **facts: Any) -> Finding:
        """A finding on the row as a whole."""
        return finding(code, sheet=self._sheet, line=row.line, **facts)

    def _at(self, row: Row, code: str, column: int, **facts: Any) -> Finding:
        value = row.cells[column] if column < len(row.cells) else ""
        return finding(
            code, sheet=self._sheet, column=column, line=row.line, heading=self._heading(column), value=value, **facts
        )

    def _heading(self, column: int) -> str | None:
        return (self._header.headings[column] or None) if column < len(self._header.headings) else None


def blank(cells: Sequence[str]) -> bool:
    """Whether a row has nothing but white space."""
    return not any(cell.strip() for cell in cells)


def _defaults(limits: Limits) -> dict[str, Any]:
    """What a blank cell means: a value of the target's, or for an optional queue or description an empty text."""
    texts: dict[str, Any] = {field: "" for field in ("queue", "description") if field not in limits.required}
    if limits.priority_default is not None:
        texts |= {"priority": limits.priority_default}
    return texts | ({"type": limits.type_default} if "type" in limits.fields else {})
