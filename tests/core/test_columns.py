"""The header row: found below titles, matched by exact alias, never guessed."""

import pytest

from importer.core.columns import COLUMNS, FIELDS_BY_ALIAS, find_header, match_headings, normal
from importer.core.errors import SettingsError
from importer.core.mapping import Mapping, Template, read_mapping
from tests.core.rows import row


def codes(*headings: str, mapping: Mapping | None = None) -> list[str]:
    """The codes of what there is to say about a header row."""
    return [each.code for each in match_headings(row(*headings, line=1), mapping or Mapping()).findings]


@pytest.mark.parametrize("alias", [alias for column in COLUMNS for alias in column.aliases])
def test_alias_matches_without_regard_to_spelling(alias: str) -> None:
    """An alias is taken in any case and with any spaces and punctuation."""
    assert FIELDS_BY_ALIAS[normal(f" {alias.upper()} *: ")] == FIELDS_BY_ALIAS[normal(alias)]


def test_no_alias_stands_for_two_fields() -> None:
    """Every alias belongs to one field."""
    names = [(normal(alias), column.field) for column in COLUMNS for alias in column.aliases]
    assert len({name for name, _ in names}) == len(set(names))


def test_header_below_titles_is_found() -> None:
    """The row with the most known headings is the header row."""
    rows = [
        row("Tasks of the week"),
        row("", "by branch"),
        row("External ID", "Queue", "Description"),
        row("1", "queue", "type"),
    ]
    assert find_header(rows, Mapping()) == 2


def test_foreign_sheet_names_its_first_table_row() -> None:
    """Where no heading is known, the first row with two texts is named in the message."""
    assert find_header([row("Title"), row("id", "subject"), row("1", "x")], Mapping()) == 1
    assert find_header([], Mapping()) is None


def test_missing_required_column_names_the_headings() -> None:
    """A required column that is missing is an error that names what was found, and suggests a near match."""
    header = match_headings(row("External ID", "Queue", "Discription", line=1), Mapping())
    missing = [each for each in header.findings if each.code == "H301"]
    assert len(missing) == 1
    assert "External ID, Queue, Discription" in missing[0].message
    assert "H303" in [each.code for each in header.findings]
    assert "description" not in header.fields


def test_two_columns_for_one_field_are_refused() -> None:
    """Two columns for one field are an error, not a choice."""
    assert "H302" in codes("External ID", "Queue", "queue name", "Description")


def test_unused_and_blank_headings_are_told() -> None:
    """Columns that are not used are listed; a blank heading between others is a warning."""
    assert codes("External ID", "Queue", "", "Description", "Colour") == ["H305", "H304"]


def test_own_columns_of_the_rejects_sheet_are_ignored() -> None:
    """The columns that the Rejects sheet adds are neither used nor told when it comes back."""
    assert (
        codes("External ID", "Queue", "Description", "Import problem", "How to fix", "Import row", "Import run") == []
    )


def test_mapping_beats_aliases_and_others_match_exactly() -> None:
    """A mapped field takes the mapped column; what the mapping leaves out matches aliases."""
    mapping = read_mapping({"columns": {"description": "Betreff"}}, "m")
    header = match_headings(row("External ID", "Queue", "Description", "Betreff", line=1), mapping)
    assert header.fields["description"].column == 3
    assert header.fields["queue"].column == 1


def test_mapping_with_a_missing_heading_suggests() -> None:
    """A heading that the file does not have is an error with a suggestion."""
    mapping = read_mapping({"columns": {"description": "Betref"}}, "m")
    header = match_headings(row("External ID", "Queue", "Betreff", line=1), mapping)
    found = next(each for each in header.findings if each.code == "H307")
    assert "“Betreff”" in found.fix


def test_heading_that_stands_twice_is_refused_for_a_mapping() -> None:
    """A mapping cannot choose between two equal headings."""
    mapping = read_mapping({"columns": {"description": "Text"}}, "m")
    assert "H308" in codes("External ID", "Queue", "Text", "Text", mapping=mapping)


def test_prefixed_heading_becomes_an_attribute() -> None:
    """`Attribute: language` is sent as the attribute language."""
    header = match_headings(row("External ID", "Queue", "Description", "Attribute: language", line=1), Mapping())
    assert header.attributes["language"].column == 3


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"colums": {}}, "Did you mean “columns”"),
        ({"columns": {"prio": "x"}}, "[columns] prio"),
        ({"columns": {"priority": 5}}, "[columns] priority"),
        ({"columns": {"external_id": "HD-{id"}}, "a { has no }"),
        ({"columns": {"external_id": "HD-id}"}}, "a } has no {"),
        ({"columns": {"external_id": "{}"}}, "one heading"),
        ({"columns": {"type": "x"}, "constants": {"type": "email"}}, "[constants]"),
        ({"constants": {"external_id": "X"}}, "same ID"),
        ({"values": {"priority": 5}}, "[values.priority]"),
        ({"attributes": {"externalId": "x"}}, "set by the importer"),
        ({"overflow": {"queue": "shorten"}}, "[overflow] queue"),
        ({"overflow": {"description": "cut"}}, "refuse"),
        ({"columns": "x"}, "not a table"),
    ],
)
def test_mapping_mistake_is_told(record: dict[str, object], words: str) -> None:
    """A mistake in a mapping names the file, the key and what to write."""
    with pytest.raises(SettingsError) as refused:
        read_mapping(record, "m.toml")
    assert words in f"{refused.value} {refused.value.fix}"
    assert "m.toml" in str(refused.value)


def test_template_takes_braces_and_never_formats() -> None:
    """Doubled braces are braces; attribute access and formats of str.format mean nothing."""
    template = Template.parse("{{{a.__class__}}}")
    assert template.headings() == ["a.__class__"]
    assert template.placed({"a.__class__": 0}).fill(["{0}"], all_needed=False) == "{{0}}"


def test_mapping_record_reads_back() -> None:
    """A mapping as plain values reads back as the same mapping."""
    record = {"columns": {"queue": "Q {a}"}, "values": {"priority": {"high": "90"}}, "constants": {"type": "email"}}
    mapping = read_mapping(record, "m")
    assert read_mapping(mapping.record(), "m") == mapping
