"""Mapping: how a spreadsheet that was not made for us becomes task requests. Reads no file; templates are our own, never str.format."""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from typing import Any, Literal

from importer.core.errors import SettingsError
from importer.core.limits import Limits
from importer.core.names import did_you_mean

FIELDS = (
    "external_id", "queue", "priority", "type", "description",
    "name", "worktype", "workbin", "assignee", "skills", "language", "wrapup_code", "external_contact", "due", "expires",
    "duration",
)  # fmt: skip
"""The fields of all targets; `fit` tells the ones that a target does not take."""
SHORTENED = ("description", "name")
"""Fields that [overflow] may shorten: an ID, a queue or a number never may."""
RESERVED = frozenset({"externalId", "createdAt", "importRun", "source"})
"""Attributes that the importer sets itself."""
SECTIONS = ("columns", "values", "constants", "attributes", "overflow", "ignore")


@dataclass(frozen=True, slots=True)
class Template:
    """Texts with headings between them: `HD-{id}`. `parts` alternates text, heading (or column number), text, …"""

    text: str
    parts: tuple[str | int, ...]

    @classmethod
    def of_column(cls, heading: str, column: int) -> "Template":
        """The template that is just one column."""
        return cls(heading, ("", column, ""))

    @classmethod
    def parse(cls, text: str) -> "Template":
        """`text` as a template; without braces it is one heading. Raises ValueError for braces that do not pair."""
        if "{" not in text and "}" not in text:
            return cls(text, ("", text, ""))
        return cls(text, tuple(_parts(text)))

    def headings(self) -> list[str]:
        """The headings it names, in order."""
        return [str(part) for part in self.parts[1::2]]

    def placed(self, places: dict[str, int]) -> "Template":
        """The same with column numbers in place of headings."""
        return Template(self.text, tuple(places[str(p)] if i % 2 else p for i, p in enumerate(self.parts)))

    @property
    def column(self) -> int | None:
        """The one column it is, or None where it is more than that."""
        if len(self.parts) == 3 and not self.parts[0] and not self.parts[2]:
            return int(self.parts[1])
        return None

    def columns(self) -> list[int]:
        """The column numbers of a placed template."""
        return [int(part) for part in self.parts[1::2]]

    def fill(self, cells: Sequence[str], *, all_needed: bool) -> str:
        """The text for one row; blank where the cells it names are blank: all of them, or any if `all_needed`."""
        values = [cells[i].strip() if i < len(cells) else "" for i in self.columns()]
        if values and (not all(values) if all_needed else not any(values)):
            return ""
        texts = [str(part) for part in self.parts[::2]]
        return texts[0] + "".join(value + text for value, text in zip(values, texts[1:], strict=True))


def _parts(text: str) -> Iterator[str]:
    """The alternating parts of a template with braces."""
    literal = ""
    position = 0
    while position < len(text):
        character = text[position]
        if character in "{}" and text[position : position + 2] == character * 2:
            literal += character
            position += 2
        elif character == "{":
            end = text.find("}", position)
            if end < 0:
                raise ValueError("a { has no }; write {{ for a brace")
            heading = text[position + 1 : end].strip()
            if not heading or "{" in heading:
                raise ValueError("between { and } belongs one heading; write {{ for a brace")
            yield literal
            yield heading
            literal = ""
            position = end + 1
        elif character == "}":
            raise ValueError("a } has no {; write }} for a brace")
        else:
            literal += character
            position += 1
    yield literal


@dataclass(frozen=True, slots=True)
class Mapping:
    """A read mapping. Beats automatic matching; fields that it leaves out match exact aliases only."""

    columns: dict[str, Template] = field(default_factory=dict)
    values: dict[str, dict[str, str]] = field(default_factory=dict)  # field -> {what a cell says, casefolded: meaning}
    constants: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, Template] = field(default_factory=dict)
    overflow: dict[str, Literal["refuse", "shorten"]] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()  # headings that are not matched by themselves

    def headings(self) -> set[str]:
        """All headings it names."""
        templates = [*self.columns.values(), *self.attributes.values()]
        return {heading for template in templates for heading in template.headings()}

    def record(self) -> dict[str, Any]:
        """The mapping as plain values, for digest and plan; `read_mapping` reads it back."""
        return {
            "columns": {name: template.text for name, template in self.columns.items()},
            "values": self.values,
            "constants": self.constants,
            "attributes": {name: template.text for name, template in self.attributes.items()},
            "overflow": dict(self.overflow),
        } | ({"ignore": list(self.ignore)} if self.ignore else {})


def read_mapping(record: dict[str, Any], where: str) -> Mapping:
    """The mapping from parsed TOML. Raises SettingsError that names `where` (the file), key and a suggestion."""
    for section in record:
        _known(section, SECTIONS, where, f"[{section}]")
    columns = _templates(record, "columns", where)
    for name in columns:
        _known(name, FIELDS, where, f"[columns] {name}")
    constants = {
        name: _plain(value, where, f"[constants] {name}") for name, value in _table(record, "constants", where)
    }
    for name in constants:
        _known(name, FIELDS, where, f"[constants] {name}")
        if name in columns:
            raise SettingsError(f"{where}: {name} stands in [columns] and in [constants].", "Keep one of them.")
    if "external_id" in constants:
        raise SettingsError(f"{where}: [constants] external_id would give every row the same ID.", "Use a template.")
    attributes = _templates(record, "attributes", where)
    for name in attributes:
        if name in RESERVED:
            raise SettingsError(f"{where}: [attributes] {name} is set by the importer itself.", "Use another name.")
    return Mapping(
        columns, _values(record, where), constants, attributes, _overflow(record, where), _ignored(record, where)
    )


def fit(mapping: Mapping, target: str, known: Table[str, Limits], where: str) -> None:
    """Raises SettingsError where the mapping names a field that `target` does not take; `known`: limits by target."""
    taken = known[target].fields
    sections: dict[str, Iterable[str]] = {
        "columns": mapping.columns, "values": mapping.values, "constants": mapping.constants, "overflow": mapping.overflow,
    }  # fmt: skip
    for section, names in sections.items():
        for name in names:
            if name not in taken:
                takers = " and ".join(other for other, limits in known.items() if name in limits.fields)
                key = f"[{section}.{name}]" if section == "values" else f"[{section}] {name}"
                raise SettingsError(
                    f"{where}: {key} is a field of the target {takers}, not of {target}.",
                    f"Remove it, or choose --target {takers}. {target} takes: {', '.join(taken)}.",
                )


def _values(record: dict[str, Any], where: str) -> dict[str, dict[str, str]]:
    tables: dict[str, dict[str, str]] = {}
    for name, table in _table(record, "values", where):
        _known(name, FIELDS, where, f"[values.{name}]")
        if not isinstance(table, dict):
            raise SettingsError(f"{where}: [values] {name} is not a table.", f"Write [values.{name}] above its lines.")
        tables[name] = {}
        for key, value in table.items():
            said, meaning = str(key).strip().casefold(), _plain(value, where, f"[values.{name}] {key}").strip()
            if tables[name].setdefault(said, meaning) != meaning:
                raise SettingsError(
                    f"{where}: [values.{name}] {key} stands twice, with different meanings.",
                    "Keep one of them: what a cell says is read without regard to case.",
                )
    return tables


def _overflow(record: dict[str, Any], where: str) -> dict[str, Literal["refuse", "shorten"]]:
    modes: dict[str, Literal["refuse", "shorten"]] = {}
    for name, mode in _table(record, "overflow", where):
        _known(name, SHORTENED, where, f"[overflow] {name}")
        if mode not in ("refuse", "shorten"):
            raise SettingsError(f"{where}: [overflow] {name} = {mode!r}.", "Write “refuse” or “shorten”.")
        modes[name] = mode
    return modes


def _ignored(record: dict[str, Any], where: str) -> tuple[str, ...]:
    headings = record.get("ignore", [])
    if not isinstance(headings, list | tuple) or not all(isinstance(each, str) for each in headings):
        raise SettingsError(f"{where}: ignore is not a list of headings.", 'Write ignore = ["Heading"] at the top.')
    return tuple(each.strip() for each in headings)


def _templates(record: dict[str, Any], section: str, where: str) -> dict[str, Template]:
    templates = {}
    for name, text in _table(record, section, where):
        if not isinstance(text, str) or not text.strip():
            raise SettingsError(
                f"{where}: [{section}] {name} is not a heading or template.",
                f'Write {name} = "Heading" or {name} = "HD-{{Heading}}"; a fixed value belongs to [constants].',
            )
        try:
            templates[name] = Template.parse(text)
        except ValueError as problem:
            raise SettingsError(
                f"{where}: [{section}] {name} = {text!r}: {problem}.", "Correct the template."
            ) from None
    return templates


def _table(record: dict[str, Any], section: str, where: str) -> list[tuple[str, Any]]:
    table = record.get(section, {})
    if not isinstance(table, dict):
        raise SettingsError(f"{where}: {section} is not a table.", f"Write [{section}] on a line of its own.")
    return list(table.items())


def _plain(value: Any, where: str, key: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise SettingsError(f"{where}: {key} is neither a text nor a number.", 'Write a text in quotes: "…".')
    return str(value)


def _known(name: str, known: Sequence[str], where: str, key: str) -> None:
    if name not in known:
        suggestion = did_you_mean(name, known)
        raise SettingsError(f"{where}: {key} is unknown.{suggestion}", f"Use one of: {', '.join(known)}.")
