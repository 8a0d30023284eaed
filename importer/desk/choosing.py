"""Choosing: which column feeds which field, as a page asks it; and the mapping that comes of the answers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

from importer.core.columns import COLUMN_OF, COLUMNS, FIELDS_BY_ALIAS, Header, columns_of, match_headings, normal
from importer.core.errors import UsageError
from importer.core.findings import Severity, listed
from importer.core.limits import Limits
from importer.core.mapping import RESERVED, Template
from importer.core.mapping import Mapping as ColumnMapping
from importer.core.names import nearest
from importer.core.rows import Row, column_letter
from importer.desk.table import CELL_KEPT
from importer.drafts.draft import ColumnChoice, Columns, FieldChoice

ATTRIBUTE = "attribute:"
SAMPLES = 3
SAMPLE_MOST = 80
How = Literal["exact", "looks like", "mapped", "not used"]


def columns(
    head: Row, below: Sequence[Row], mapping: ColumnMapping, limits: Limits, sheet: str | None, remembered: str
) -> Columns:
    """The columns of a sheet whose header row is `head`, with samples from the rows below."""
    header = match_headings(head, mapping, limits, sheet=sheet)
    fed = _fed(header)
    taken = {field for field, _ in fed.values()}
    choices = [_choice(index, header, fed, taken, mapping, limits, below) for index in range(len(header.headings))]
    fields = tuple(FieldChoice(each.field, each.name, each.help, each.required) for each in columns_of(limits))
    there = {*header.fields, *header.constants}
    missing = tuple(each for each in fields if each.required and each.field not in there)
    return Columns(tuple(choices), fields, missing, remembered, header.line)


def chosen_mapping(head: Row, base: ColumnMapping, limits: Limits, chosen: Mapping[int, str]) -> ColumnMapping:
    """The mapping by which each column feeds what was chosen for it; columns that are left out stay what they are.

    What headings tell by themselves is not written into it. Raises UsageError, naming what is missing, twice or impossible.
    """
    header = match_headings(head, base, limits)
    fed = _fed(header)
    changed = {
        index: choice
        for index, choice in chosen.items()
        if 0 <= index < len(header.headings)
        and choice != fed.get(index, ("", ""))[0]
        and not _locked(header, fed, index)
    }
    _no_field_twice(header, fed, changed)
    fields, attributes, ignore = dict(base.columns), dict(base.attributes), dict.fromkeys(base.ignore)
    for index in changed:
        field = fed.get(index, ("", ""))[0]
        (attributes if field.startswith(ATTRIBUTE) else fields).pop(field.removeprefix(ATTRIBUTE), None)
    for index, choice in changed.items():
        heading = header.headings[index]
        if not choice:
            ignore |= {heading: None} if heading else {}
            continue
        template = _template(header, index)
        ignore.pop(heading, None)
        if choice.startswith(ATTRIBUTE):
            attributes[_attribute(choice)] = template
        elif choice in limits.fields:
            fields[choice] = template
        else:
            raise UsageError(f"There is no field {choice}.", f"Choose one of: {', '.join(limits.fields)}.")
    constants = {field: text for field, text in base.constants.items() if field not in fields}
    mapping = replace(base, columns=fields, attributes=attributes, constants=constants, ignore=tuple(ignore))
    return _shortest(head, mapping, base, limits)


def name_of(field: str) -> str:
    """A field or attribute as people call it."""
    return COLUMN_OF[field].name if field in COLUMN_OF else field.removeprefix(ATTRIBUTE)


def _shortest(head: Row, mapping: ColumnMapping, base: ColumnMapping, limits: Limits) -> ColumnMapping:
    """Without what the headings tell by themselves. Raises UsageError where a heading or a required field is missing."""
    wanted = match_headings(head, mapping, limits)
    errors = [each for each in wanted.findings if each.severity is Severity.ERROR]
    if errors:
        raise UsageError(errors[0].message, errors[0].fix)

    def same(other: ColumnMapping) -> bool:
        found = match_headings(head, other, limits)
        parts = [({f: t.parts for f, t in each.fields.items()}, {n: t.parts for n, t in each.attributes.items()},
                  each.constants) for each in (found, wanted)]  # fmt: skip
        return parts[0] == parts[1] and not any(each.severity is Severity.ERROR for each in found.findings)

    for heading in mapping.ignore:
        shorter = replace(mapping, ignore=tuple(each for each in mapping.ignore if each != heading))
        mapping = shorter if heading not in base.ignore and same(shorter) else mapping
    for section in ("columns", "attributes"):
        for name in getattr(mapping, section):
            rest = {other: text for other, text in getattr(mapping, section).items() if other != name}
            shorter = replace(mapping, **cast("dict[str, Any]", {section: rest}))
            mapping = shorter if name not in getattr(base, section) and same(shorter) else mapping
    return mapping


def _fed(header: Header) -> dict[int, tuple[str, Template]]:
    """By column: the field or attribute that it feeds, and the template by which it does."""
    named = [*header.fields.items(), *((f"{ATTRIBUTE}{name}", made) for name, made in header.attributes.items())]
    fed: dict[int, tuple[str, Template]] = {}
    for field, template in named:
        for index in template.columns():
            if index not in fed or template.column is None:
                fed[index] = field, template
    return fed


def _choice(
    index: int,
    header: Header,
    fed: Mapping[int, tuple[str, Template]],
    taken: set[str],
    mapping: ColumnMapping,
    limits: Limits,
    below: Sequence[Row],
) -> ColumnChoice:
    heading = header.headings[index]
    field = fed[index][0] if index in fed else None
    suggestion = None if field or heading in mapping.ignore else _suggestion(heading, taken, limits)
    explicit = field is not None and field.removeprefix(ATTRIBUTE) in {**mapping.columns, **mapping.attributes}
    how: How = "looks like" if suggestion else "not used" if field is None else "mapped" if explicit else "exact"
    texts = (row.cells[index].strip() for row in below if index < len(row.cells))
    samples = list(dict.fromkeys(text[:SAMPLE_MOST] for text in texts if text))[:SAMPLES]
    locked = _locked(header, fed, index)
    return ColumnChoice(index, column_letter(index), heading, tuple(samples), field, how, suggestion, locked)


def _locked(header: Header, fed: Mapping[int, tuple[str, Template]], index: int) -> str:
    """Why nothing else can be chosen for a column; a blank: it can."""
    if index in fed and fed[index][1].column is None:
        field, template = fed[index]
        return f"part of {name_of(field)}: {template.text}"
    heading = header.headings[index]
    if not heading:
        return "it has no heading"
    if "{" in heading or "}" in heading:
        return "its heading has braces"
    if header.headings.count(heading) > 1:  # those that differ in case or signs are told apart by how they are written
        return "another column has the same heading"
    if len(heading) >= CELL_KEPT:  # its end is not known here
        return "its heading is too long"
    return ""


def _template(header: Header, index: int) -> Template:
    return Template.parse(header.headings[index])


def _attribute(choice: str) -> str:
    name = choice.removeprefix(ATTRIBUTE).strip()
    if not name or name in RESERVED:
        raise UsageError(f"“{name}” cannot be the name of an attribute.", "Give it another name.")
    return name


def _no_field_twice(header: Header, fed: Mapping[int, tuple[str, Template]], changed: Mapping[int, str]) -> None:
    places: dict[str, list[int]] = {}
    for index in range(len(header.headings)):
        field = changed.get(index, fed[index][0] if index in fed else "")
        if field and (index in changed or fed[index][1].column is not None):
            places.setdefault(field, []).append(index)
    for field, several in places.items():
        if len(several) > 1:
            names = listed(f"{header.headings[index]} ({column_letter(index)})" for index in several)
            raise UsageError(f"Several columns are to be {name_of(field)}: {names}.", "Choose one of them.")


def _suggestion(heading: str, taken: set[str], limits: Limits) -> str | None:
    """A field that is free and whose usual names resemble the heading."""
    aliases = [alias for each in COLUMNS if each.field in limits.fields for alias in each.aliases]
    fields = (FIELDS_BY_ALIAS[normal(alias)] for alias in (nearest(heading, aliases) if heading else ()))
    return next((field for field in fields if field not in taken), None)
