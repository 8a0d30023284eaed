"""Choosing: which column feeds which field, as a page asks it; and the mapping that comes of the answers."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any, Literal

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
TRIED_MOST = 50
"""So many entries of a mapping are tried one by one whether it says the same without them."""
How = Literal["exact", "looks like", "mapped", "not used"]


def columns(
    head: Row, below: Sequence[Row], mapping: ColumnMapping, limits: Limits, sheet: str | None, remembered: str
) -> Columns:
    """The columns of a sheet whose header row is `head`, with samples from the rows below."""
    header = match_headings(head, mapping, limits, sheet=sheet)
    fed = _fed(header)
    taken = {field for field, _ in fed.values()}
    explicit, locks = mapping.columns.keys() | mapping.attributes.keys(), _locks(header, fed)
    choices = [
        _choice(index, header, fed, taken, mapping.ignore, explicit, limits, below, locks[index])
        for index in range(len(header.headings))
    ]
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
    locks = _locks(header, fed)
    changed = {
        index: choice
        for index, choice in chosen.items()
        if 0 <= index < len(header.headings) and choice != fed.get(index, ("", ""))[0] and not locks[index]
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

    def without(entries: Sequence[tuple[str, str]]) -> ColumnMapping | None:
        """The mapping without some entries, if it says the same."""
        shorter = _without(mapping, entries)
        found = match_headings(head, shorter, limits)
        wrong = any(each.severity is Severity.ERROR for each in found.findings)
        return None if wrong or _said(found) != _said(wanted) else shorter

    needless = _needless(head, mapping, base, wanted, limits)
    if shorter := without(needless):
        return shorter
    for entry in needless[:TRIED_MOST]:
        mapping = without([entry]) or mapping
    return mapping


def _needless(
    head: Row, mapping: ColumnMapping, base: ColumnMapping, wanted: Header, limits: Limits
) -> list[tuple[str, str]]:
    """Section and name of what was chosen now and may be what the headings tell anyway. There may be hundreds of columns."""
    new = [("ignore", heading) for heading in mapping.ignore if heading not in base.ignore]
    new += [("columns", field) for field in mapping.columns if field not in base.columns]
    new += [("attributes", name) for name in mapping.attributes if name not in base.attributes]
    told = match_headings(head, _without(mapping, new), limits)
    fed = {told.headings[index]: field for index, (field, _) in _fed(told).items()}
    chosen = {*mapping.columns, *(ATTRIBUTE + name for name in mapping.attributes)}

    def may_go(section: str, name: str) -> bool:
        match section:
            case "ignore":
                return name not in fed or fed[name] in chosen
            case "attributes":
                return told.attributes.get(name) == wanted.attributes.get(name)
            case _:  # fields are few, and a heading may tell one as soon as others are taken
                return True

    return [entry for entry in new if may_go(*entry)]


def _without(mapping: ColumnMapping, entries: Sequence[tuple[str, str]]) -> ColumnMapping:
    left: dict[str, set[str]] = {"ignore": set(), "columns": set(), "attributes": set()}
    for section, name in entries:
        left[section].add(name)
    return replace(
        mapping,
        ignore=tuple(each for each in mapping.ignore if each not in left["ignore"]),
        columns={name: made for name, made in mapping.columns.items() if name not in left["columns"]},
        attributes={name: made for name, made in mapping.attributes.items() if name not in left["attributes"]},
    )


def _said(header: Header) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """What rows are read by: parts of the templates of fields and of attributes, and constants."""
    fields = {field: template.parts for field, template in header.fields.items()}
    return fields, {name: template.parts for name, template in header.attributes.items()}, header.constants


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
    ignored: Sequence[str],
    said: Set[str],
    limits: Limits,
    below: Sequence[Row],
    locked: str,
) -> ColumnChoice:
    heading = header.headings[index]
    field = fed[index][0] if index in fed else None
    suggestion = None if field or heading in ignored else _suggestion(heading, taken, limits)
    explicit = field is not None and field.removeprefix(ATTRIBUTE) in said
    how: How = "looks like" if suggestion else "not used" if field is None else "mapped" if explicit else "exact"
    texts = (row.cells[index].strip() for row in below if index < len(row.cells))
    samples = list(dict.fromkeys(text[:SAMPLE_MOST] for text in texts if text))[:SAMPLES]
    return ColumnChoice(index, column_letter(index), heading, tuple(samples), field, how, suggestion, locked)


def _locks(header: Header, fed: Mapping[int, tuple[str, Template]]) -> list[str]:
    """By column: why nothing else can be chosen for it; a blank: it can."""
    counted = Counter(header.headings)
    return [_locked(header, fed, index, counted) for index in range(len(header.headings))]


def _locked(header: Header, fed: Mapping[int, tuple[str, Template]], index: int, counted: Counter[str]) -> str:
    if index in fed and fed[index][1].column is None:
        field, template = fed[index]
        return f"part of {name_of(field)}: {template.text}"
    heading = header.headings[index]
    if not heading:
        return "it has no heading"
    if "{" in heading or "}" in heading:
        return "its heading has braces"
    if counted[heading] > 1:  # those that differ in case or signs are told apart by how they are written
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
