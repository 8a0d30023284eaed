"""Column: a field as it stands in a spreadsheet; and the matching of a header row to fields. Takes exact aliases only."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from importer.core.findings import Finding, finding, listed
from importer.core.mapping import RESERVED, Mapping, Template
from importer.core.names import nearest
from importer.core.rows import Row, column_letter

HEADER_SEARCHED = 50
"""The header row is looked for among so many non-blank lines."""


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a task request, as people name it. The first alias of a language is its usual name."""

    field: str
    name: str
    required: bool
    example: str
    help: str
    aliases: tuple[str, ...]  # English, German, French, Spanish


COLUMNS: tuple[Column, ...] = (
    Column(
        "external_id", "External ID", True, "EXT-0001",
        "Your own number of the request, at most 100 characters. It keeps one request from becoming two tasks.",
        (
            "external id", "externalid", "ext id", "external reference", "external ref", "external key", "request id",
            "externe id", "externe nummer", "externe kennung", "vorgangsnummer", "externe referenz",
            "id externe", "identifiant externe", "référence externe", "numéro externe",
            "id externo", "identificador externo", "referencia externa", "número externo",
        ),
    ),
    Column(
        "queue", "Queue", True, "Billing",
        "The queue's name or ID. Names are compared without regard to case.",
        (
            "queue", "queue name", "queue id", "queueid", "target queue",
            "warteschlange", "warteschlangen id", "zielwarteschlange",
            "file d'attente", "file attente", "nom de la file", "file",
            "cola", "nombre de la cola", "id de cola", "cola de espera",
        ),
    ),
    Column(
        "priority", "Priority", False, "50",
        "A whole number from 0 to 99; blank means 50.",
        ("priority", "prio", "priorität", "prioritaet", "dringlichkeit", "priorité", "prioridad"),
    ),
    Column(
        "type", "Type", False, "email",
        "call, callback, chat, email, message or workitem; blank means email.",
        (
            "type", "task type", "media type", "mediatype", "channel", "typ", "art", "aufgabentyp", "kanal",
            "type de tâche", "canal", "tipo", "tipo de tarea",
        ),
    ),
    Column(
        "description", "Description", True, "Customer invoice discrepancy",
        "What the task is about, at most 255 characters.",
        (
            "description", "task description", "summary", "beschreibung", "aufgabenbeschreibung", "bezeichnung",
            "description de la tâche", "libellé", "descripción", "descripción de la tarea", "resumen",
        ),
    ),
)  # fmt: skip

ATTRIBUTE_PREFIXES = ("attribute:", "attribut:", "atributo:")
"""A heading such as `Attribute: language` becomes a custom attribute without a mapping."""

OWN_HEADINGS = ("Import problem", "How to fix", "Import row", "Import run")
"""Headings that the Rejects sheet adds; they are ignored when it comes back."""


def normal(heading: str) -> str:
    """What two headings are compared by: letters and digits, without regard to case, accents, spaces and punctuation."""
    plain = unicodedata.normalize("NFKD", heading).casefold()
    return "".join(character for character in plain if character.isalnum())


FIELDS_BY_ALIAS = {normal(alias): column.field for column in COLUMNS for alias in column.aliases}
COLUMN_OF = {column.field: column for column in COLUMNS}


@dataclass(frozen=True, slots=True)
class Header:
    """A header row matched to fields: which part of a row feeds which field."""

    line: int
    headings: tuple[str, ...]
    fields: dict[str, Template]  # field -> what makes its text; its parts are column numbers
    attributes: dict[str, Template]  # attribute's name -> the same
    constants: dict[str, str]
    unused: tuple[str, ...]
    findings: tuple[Finding, ...]
    matched: dict[str, str]  # field -> the heading or template taken for it, as the preview shows it


def find_header(rows: Sequence[Row], mapping: Mapping) -> int | None:
    """The index of the header row among `rows`, or None where there are no rows.

    The row with the most known headings wins, the first of equals. Where none is known, it is the first row with at
    least two texts: the message about missing columns then names headings that people recognise.
    """
    known = (set(FIELDS_BY_ALIAS) | {normal(heading) for heading in mapping.headings()}) - {""}
    scores = [sum(normal(cell) in known for cell in row.cells if cell) for row in rows]
    best = max(scores, default=0)
    if best:
        return scores.index(best)
    wide = (index for index, row in enumerate(rows) if sum(bool(cell.strip()) for cell in row.cells) > 1)
    return next(wide, 0 if rows else None)


def chosen_header(rows: Sequence[Row], mapping: Mapping, header_row: int | None) -> int | None:
    """The index of the header row: the one at line `header_row` where that is given, else the one that is found."""
    if header_row is None:
        return find_header(rows, mapping)
    return next((index for index, row in enumerate(rows) if row.line == header_row), None)


def match_headings(row: Row, mapping: Mapping, *, sheet: str | None = None, suggest: bool = True) -> Header:
    """The header row's fields, with suggestions for what is not found unless `suggest` is false. What is missing or stands twice is a finding of severity error; nothing is guessed."""
    matching = _Matching(tuple(cell.strip() for cell in row.cells), mapping, row.line, sheet, suggest=suggest)
    return matching.header()


class _Matching:
    """The state of one match: `_findings`, `_used` and `_missing` grow while fields are matched."""

    def __init__(
        self, headings: tuple[str, ...], mapping: Mapping, line: int, sheet: str | None, *, suggest: bool
    ) -> None:
        self._suggest = suggest
        self._headings = headings
        self._mapping = mapping
        self._line = line
        self._sheet = sheet
        self._findings: list[Finding] = []
        self._used: set[int] = set()
        self._missing: set[str] = set()
        self._own = {normal(heading) for heading in OWN_HEADINGS}

    def header(self) -> Header:
        matched = {field: template.text for field, template in self._mapping.columns.items()}
        fields = {field: self._resolve(template) for field, template in self._mapping.columns.items()}
        attributes = {name: self._resolve(template) for name, template in self._mapping.attributes.items()}
        constants = dict(self._mapping.constants)
        for column in COLUMNS:
            if column.field in fields or column.field in constants:
                continue
            index = self._exact(column)
            if index is not None:
                fields[column.field] = Template.of_column(self._headings[index], index)
                matched[column.field] = self._headings[index]
        attributes |= self._prefixed(attributes)
        self._tell_unused()
        return Header(
            line=self._line,
            headings=self._headings,
            fields={field: template for field, template in fields.items() if template is not None},
            attributes={name: template for name, template in attributes.items() if template is not None},
            constants=constants,
            unused=tuple(self._headings[index] for index in self._unused()),
            findings=tuple(self._findings),
            matched=matched,
        )

    def _resolve(self, template: Template) -> Template | None:
        """The mapping's template with column numbers for headings; None where a heading is missing, which is told."""
        places = {}
        for heading in template.headings():
            index = self._place(heading)
            if index is None:
                return None
            places[heading] = index
            self._used.add(index)
        return template.placed(places)

    def _place(self, heading: str) -> int | None:
        exact = [index for index, found in enumerate(self._headings) if found == heading.strip()]
        name = normal(heading)  # blank for a heading of signs alone: `#` is not `%`
        places = exact or [i for i, found in enumerate(self._headings) if name and normal(found) == name]
        if len(places) == 1:
            return places[0]
        if places:
            self._tell("H308", heading, columns=listed(column_letter(index) for index in places))
            return None
        near = nearest(heading, [found for found in self._headings if found]) if self._suggest else []
        suggestion = f" Did you mean “{near[0]}”?" if near else ""
        self._tell("H307", heading, headings=self._found(), suggestion=suggestion)
        return None

    def _exact(self, column: Column) -> int | None:
        places = [i for i, found in enumerate(self._headings) if FIELDS_BY_ALIAS.get(normal(found)) == column.field]
        free = [index for index in places if index not in self._used]
        if len(free) == 1:
            self._used.add(free[0])
            return free[0]
        if free:
            self._used.update(free)
            names = listed(f"{self._headings[index]} ({column_letter(index)})" for index in free)
            self._tell("H302", field=column.name, headings=names)
        else:
            self._missing.add(column.field)
        if not places and column.required:
            self._tell("H301", field=column.name, name=column.name, headings=self._found())
        return None

    def _prefixed(self, taken: dict[str, Template | None]) -> dict[str, Template | None]:
        found: dict[str, Template | None] = {}
        for index, heading in enumerate(self._headings):
            prefix = next((p for p in ATTRIBUTE_PREFIXES if heading.casefold().startswith(p)), None)
            name = heading[len(prefix) :].strip() if prefix else ""
            if name and name not in RESERVED and name not in taken and name not in found:
                found[name] = Template.of_column(heading, index)
                self._used.add(index)
        return found

    def _unused(self) -> list[int]:
        return [
            index
            for index, heading in enumerate(self._headings)
            if heading and index not in self._used and normal(heading) not in self._own
        ]

    def _tell_unused(self) -> None:
        unused = self._unused()
        for index in unused if self._missing and self._suggest else ():
            near = nearest(self._headings[index], [alias for column in COLUMNS for alias in column.aliases])
            field = FIELDS_BY_ALIAS[normal(near[0])] if near else ""
            if field in self._missing:
                self._tell("H303", self._headings[index], index, name=COLUMN_OF[field].name)
        last = max((index for index, heading in enumerate(self._headings) if heading), default=0)
        for index in [index for index, heading in enumerate(self._headings[:last]) if not heading][:20]:
            self._tell("H305", None, index, letter=column_letter(index))
        if unused:
            names = listed((self._headings[index] for index in unused), most=30)
            self._tell("H304", count=len(unused), headings=names)

    def _found(self) -> str:
        return listed((heading for heading in self._headings if heading), most=40) or "none"

    def _tell(self, code: str, heading: str | None = None, column: int | None = None, **facts: Any) -> None:
        self._findings.append(
            finding(code, sheet=self._sheet, line=self._line, column=column, heading=heading, **facts)
        )
