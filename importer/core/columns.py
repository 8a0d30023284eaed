"""Column: a field as it stands in a spreadsheet; and the matching of a header row to fields. Takes exact aliases only."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from importer.core.findings import Finding, finding, listed
from importer.core.limits import Limits
from importer.core.mapping import RESERVED, Mapping, Template
from importer.core.names import nearest
from importer.core.rows import Row, column_letter

HEADER_SEARCHED = 50
"""The header row is looked for among so many non-blank lines."""


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a task request, as people name it. The first alias of a language is its usual name.

    `columns_of` says for a target which ones it takes, and fills its limits into `help`.
    """

    field: str
    name: str
    example: str
    help: str
    aliases: tuple[str, ...]  # English, German, French, Spanish
    required: bool = False


COLUMNS: tuple[Column, ...] = (
    Column(
        "external_id", "External ID", "EXT-0001",
        "Your own number of the request, at most {external_id} characters. It keeps one request from becoming two tasks.",
        (
            "external id", "externalid", "ext id", "external reference", "external ref", "external key", "request id",
            "externe id", "externe nummer", "externe kennung", "vorgangsnummer", "externe referenz",
            "id externe", "identifiant externe", "référence externe", "numéro externe",
            "id externo", "identificador externo", "referencia externa", "número externo",
        ),
    ),
    Column(
        "name", "Name", "Invoice discrepancy 4711",
        "The workitem's title, {name_low} to {name} characters.",
        (
            "name", "workitem name", "item name", "title", "subject", "titel", "betreff", "vorgangsname",
            "nom", "titre", "objet", "sujet", "nombre", "título", "asunto",
        ),
    ),
    Column(
        "worktype", "Worktype", "Case",
        "The worktype's name or ID. Names are compared without regard to case.",
        (
            "worktype", "work type", "worktype name", "worktype id", "workitem type",
            "arbeitstyp", "vorgangstyp", "arbeitsart",
            "type de travail", "type d'élément de travail", "tipo de trabajo", "tipo de elemento de trabajo",
        ),
    ),
    Column(
        "workbin", "Workbin", "Back office",
        "The workbin's name or ID; blank means the worktype's own.",
        (
            "workbin", "work bin", "workbin name", "workbin id", "arbeitskorb", "vorgangskorb", "arbeitsablage",
            "corbeille", "corbeille de travail", "bandeja", "bandeja de trabajo",
        ),
    ),
    Column(
        "queue", "Queue", "Billing",
        "The queue's name or ID. Names are compared without regard to case.",
        (
            "queue", "queue name", "queue id", "queueid", "target queue",
            "warteschlange", "warteschlangen id", "zielwarteschlange",
            "file d'attente", "file attente", "nom de la file", "file",
            "cola", "nombre de la cola", "id de cola", "cola de espera",
        ),
    ),
    Column(
        "priority", "Priority", "50",
        "A whole number from {priority_low} to {priority_high}; blank means {priority_blank}.",
        ("priority", "prio", "priorität", "prioritaet", "dringlichkeit", "priorité", "prioridad"),
    ),
    Column(
        "type", "Type", "email",
        "{types}; blank means {type_default}.",
        (
            "type", "task type", "media type", "mediatype", "channel", "typ", "art", "aufgabentyp", "kanal",
            "type de tâche", "canal", "tipo", "tipo de tarea",
        ),
    ),
    Column(
        "description", "Description", "Customer invoice discrepancy",
        "What the task is about, at most {description} characters.",
        (
            "description", "task description", "summary", "beschreibung", "aufgabenbeschreibung", "bezeichnung",
            "description de la tâche", "libellé", "descripción", "descripción de la tarea", "resumen",
        ),
    ),
    Column(
        "assignee", "Assignee", "someone@example.com",
        "Who is to do it: an e-mail address or a user's ID; blank means nobody yet.",
        (
            "assignee", "assigned to", "agent", "assignee email", "assignee id",
            "bearbeiter", "zugewiesen an", "zuständig", "assigné à", "responsable", "asignado a", "encargado",
        ),
    ),
    Column(
        "skills", "Skills", "Invoices; French",
        "Names of skills that are needed, between ; or , or line breaks, at most {skills}.",
        (
            "skills", "skill", "required skills", "fähigkeiten", "faehigkeiten", "kenntnisse",
            "compétences", "habilidades", "competencias",
        ),
    ),
    Column(
        "language", "Language", "English",
        "The language's name in routing; blank means the worktype's own.",
        ("language", "routing language", "sprache", "langue", "idioma", "lengua"),
    ),
    Column(
        "wrapup_code", "Wrap-up code", "Resolved",
        "The wrap-up code's name or ID; it must belong to the queue.",
        (
            "wrap-up code", "wrapup", "wrapup code name", "wrap-up code id", "nachbearbeitungscode", "abschlusscode",
            "code de récapitulation", "code de clôture", "código de conclusión", "código de cierre",
        ),
    ),
    Column(
        "external_contact", "External contact", "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        "The ID of the external contact whom it is about.",
        (
            "external contact", "external contact id", "contact id", "externer kontakt", "kontakt id",
            "contact externe", "id du contact", "contacto externo", "id de contacto",
        ),
    ),
    Column(
        "due", "Due", "2026-12-18 17:00",
        "When it is due, at most 365 days ahead: 2026-12-18 or 18.12.2026, with a time if you like. A date alone means the end of that day; times are {time_zone}.",
        (
            "due", "due date", "due at", "date due", "deadline", "fällig", "fällig am", "fälligkeit", "frist",
            "échéance", "date d'échéance", "vencimiento", "fecha de vencimiento", "fecha límite",
        ),
    ),
    Column(
        "expires", "Expires", "2026-12-31",
        "When it expires, at least an hour and at most 365 days ahead; written like Due.",
        (
            "expires", "expiry", "expires at", "expiry date", "expiration date", "date expires",
            "läuft ab", "läuft ab am", "ablaufdatum", "gültig bis",
            "expire le", "date d'expiration", "caduca", "caducidad", "fecha de caducidad",
        ),
    ),
    Column(
        "duration", "Duration", "1h 30m",
        "The estimated effort, such as 90 min, 1h 30m, 2 d, or 1:30 for hours and minutes; a number alone means seconds. At most {days} days.",
        (
            "duration", "duration seconds", "estimated duration", "estimated effort", "effort",
            "dauer", "dauer sekunden", "aufwand", "durée", "durée estimée", "duración", "duración estimada",
        ),
    ),
)  # fmt: skip
"""All columns that any target takes; a heading counts for a target only where the target takes its field."""


def columns_of(limits: Limits) -> tuple[Column, ...]:
    """The columns that a target takes, in the order of its template, their help with its limits filled in."""
    facts = {name: f"{value:,}" if isinstance(value, int) else value for name, value in limits.record().items()}
    facts["priority_blank"] = facts["priority_default"] if limits.priority_default is not None else "the worktype's own"
    facts["types"] = (
        " or ".join(part for part in (", ".join(limits.types[:-1]), limits.types[-1]) if part) if limits.types else ""
    )
    facts["days"] = limits.duration // 86_400
    return tuple(
        replace(COLUMN_OF[field], required=field in limits.required, help=COLUMN_OF[field].help.format_map(facts))
        for field in limits.fields
    )


ATTRIBUTE_PREFIXES = ("attribute:", "attribut:", "atributo:")
"""A heading such as `Attribute: language` becomes a custom attribute without a mapping."""

OWN_HEADINGS = ("Import problem", "How to fix", "Import row", "Import run")
"""Headings that the Rejects sheet adds; they are ignored when it comes back."""
LOOKUPS = "Lookups"
"""The hidden sheet that our workbooks have for the names of drop-downs. It holds no rows."""
ANNOTATED_HEADINGS = ("Import verdict", "What to fix", "Task ID")
"""Headings that an annotated copy adds on the right; where the three stand in this order, they are ignored as well."""


def normal(heading: str) -> str:
    """What two headings are compared by: letters and digits, without regard to case, accents, spaces and punctuation."""
    plain = unicodedata.normalize("NFKD", heading).casefold()
    return "".join(character for character in plain if character.isalnum())


def added_columns(headings: Sequence[str]) -> range:
    """The columns at the right end that a Rejects sheet or an annotated copy had added, or both; an empty range at the end."""
    names = [normal(heading) for heading in headings]
    stop = start = next((index for index in range(len(names), 0, -1) if headings[index - 1]), 0)
    blocks = [[normal(heading) for heading in ours] for ours in (OWN_HEADINGS, ANNOTATED_HEADINGS)]
    while found := next((each for each in blocks if names[max(0, start - len(each)) : start] == each), None):
        start -= len(found)
    return range(start, stop)


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
    width: int  # columns of the person's own; a row with values beyond them has slipped
    added: range  # columns on the right that an earlier report of ours had added: nobody's fields, and no slip


def find_header(rows: Sequence[Row], mapping: Mapping, limits: Limits) -> int | None:
    """The index of the header row among `rows`, or None where there are no rows.

    The row with the most known headings wins, the first of equals. Where none is known, it is the first row with at
    least two texts: the message about missing columns then names headings that people recognise.
    """
    aliases = {alias for alias, field in FIELDS_BY_ALIAS.items() if field in limits.fields}
    known = (aliases | {normal(heading) for heading in mapping.headings()}) - {""}
    scores = [sum(normal(cell) in known for cell in row.cells if cell) for row in rows]
    best = max(scores, default=0)
    if best:
        return scores.index(best)
    wide = (index for index, row in enumerate(rows) if sum(bool(cell.strip()) for cell in row.cells) > 1)
    return next(wide, 0 if rows else None)


def chosen_header(rows: Sequence[Row], mapping: Mapping, limits: Limits, header_row: int | None) -> int | None:
    """The index of the header row: the one at line `header_row` where that is given, else the one that is found."""
    if header_row is None:
        return find_header(rows, mapping, limits)
    return next((index for index, row in enumerate(rows) if row.line == header_row), None)


def match_headings(
    row: Row, mapping: Mapping, limits: Limits, *, sheet: str | None = None, suggest: bool = True
) -> Header:
    """The header row's fields that the target takes, with suggestions for what is not found unless `suggest` is false. What is missing or stands twice is a finding of severity error; nothing is guessed."""
    matching = _Matching(tuple(cell.strip() for cell in row.cells), mapping, limits, row.line, sheet, suggest=suggest)
    return matching.header()


class _Matching:
    """The state of one match: `_findings`, `_used` and `_missing` grow while fields are matched."""

    def __init__(
        self,
        headings: tuple[str, ...],
        mapping: Mapping,
        limits: Limits,
        line: int,
        sheet: str | None,
        *,
        suggest: bool,
    ) -> None:
        self._suggest = suggest
        self._columns = [COLUMN_OF[field] for field in limits.fields]
        self._required = limits.required
        self._known = _attribute_names(limits)
        self._headings = headings
        self._mapping = mapping
        self._line = line
        self._sheet = sheet
        self._findings: list[Finding] = []
        self._used: set[int] = set()
        self._missing: set[str] = set()
        self._ignored = {index for index, heading in enumerate(headings) if heading in mapping.ignore}
        self._own = {normal(heading) for heading in OWN_HEADINGS}
        self._added = added_columns(headings)
        self._used.update(self._added)

    def header(self) -> Header:
        matched = {field: template.text for field, template in self._mapping.columns.items()}
        fields = {field: self._resolve(template) for field, template in self._mapping.columns.items()}
        attributes = {
            self._known.get(normal(name), name): self._resolve(template)
            for name, template in self._mapping.attributes.items()
        }
        constants = dict(self._mapping.constants)
        ignored = self._ignored - self._used
        self._used |= ignored
        for column in self._columns:
            if column.field in fields or column.field in constants:
                continue
            index = self._exact(column)
            if index is not None:
                fields[column.field] = Template.of_column(self._headings[index], index)
                matched[column.field] = self._headings[index]
        attributes |= self._prefixed(attributes)
        attributes |= self._named(attributes)
        self._used -= ignored
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
            width=self._width() if self._added else len(self._headings),
            added=self._added,
        )

    def _width(self) -> int:
        """Up to the last heading of the person's own."""
        return max((index + 1 for index in range(self._added.start) if self._headings[index]), default=0)

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
        places = [
            index
            for index, found in enumerate(self._headings)
            if FIELDS_BY_ALIAS.get(normal(found)) == column.field and index not in self._ignored
        ]
        free = [index for index in places if index not in self._used]
        if len(free) > 1:  # a custom field may be called Subject: it leaves the field to a column that only it has
            free = [index for index in free if normal(self._headings[index]) not in self._known] or free
        if len(free) == 1:
            self._used.add(free[0])
            return free[0]
        if free:
            self._used.update(free)
            names = listed(f"{self._headings[index]} ({column_letter(index)})" for index in free)
            self._tell("H302", field=column.name, headings=names)
        else:
            self._missing.add(column.field)
        if not places and column.field in self._required:
            self._tell("H301", field=column.name, name=column.name, headings=self._found())
        return None

    def _prefixed(self, taken: dict[str, Template | None]) -> dict[str, Template | None]:
        found: dict[str, Template | None] = {}
        for index, heading in enumerate(self._headings):
            prefix = next((p for p in ATTRIBUTE_PREFIXES if heading.casefold().startswith(p)), None)
            name = heading[len(prefix) :].strip() if prefix else ""
            name = self._known.get(normal(name), name)
            free = name not in RESERVED and name not in taken and name not in found and index not in self._ignored
            if name and free:
                found[name] = Template.of_column(heading, index)
                self._used.add(index)
        return found

    def _named(self, taken: dict[str, Template | None]) -> dict[str, Template | None]:
        """Columns that go by an attribute's own heading or name; two of them for one attribute are told."""
        places: dict[str, list[int]] = {}
        for index, heading in enumerate(self._headings):
            name = self._known.get(normal(heading))
            if name is not None and name not in taken and index not in self._used:
                places.setdefault(name, []).append(index)
        for name, found in places.items():
            self._used.update(found)
            if len(found) > 1:
                names = listed(f"{self._headings[index]} ({column_letter(index)})" for index in found)
                self._tell("H302", field=name, headings=names)
        return {
            name: Template.of_column(self._headings[found[0]], found[0])
            for name, found in places.items()
            if len(found) == 1
        }

    def _unused(self) -> list[int]:
        return [
            index
            for index, heading in enumerate(self._headings)
            if heading and index not in self._used and normal(heading) not in self._own
        ]

    def _tell_unused(self) -> None:
        unused = self._unused()
        for index in unused if self._missing and self._suggest else ():
            near = nearest(self._headings[index], [alias for column in self._columns for alias in column.aliases])
            field = FIELDS_BY_ALIAS[normal(near[0])] if near else ""
            if field in self._missing:
                self._tell("H303", self._headings[index], index, name=COLUMN_OF[field].name)
        last = max((i for i, heading in enumerate(self._headings) if heading and i not in self._added), default=0)
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


def _attribute_names(limits: Limits) -> dict[str, str]:
    """Attributes' names by what a heading of theirs is compared by. A heading that two of them share is nobody's."""
    names = {normal(name): name for _, name in limits.attributes}
    headings: dict[str, set[str]] = {}
    for heading, name in limits.attributes:
        headings.setdefault(normal(heading), set()).add(name)
    shared = {heading: next(iter(found)) for heading, found in headings.items() if len(found) == 1}
    return {heading: name for heading, name in (shared | names).items() if heading}
