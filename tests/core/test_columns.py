"""Headings: found, matched by exact alias, suggested where near, told where missing or double."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.columns import COLUMNS, FIELDS_BY_ALIAS, HEADER_SEARCHED, chosen_header, find_header, normal
from importer.core.findings import Severity
from importer.core.mapping import RESERVED, Mapping
from importer.targets.limits import TASKS
from tests.core.conftest import HEADINGS, codes, header, mapping, row


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("External ID", "external_id"), ("external_id", "external_id"), ("EXTERNALID", "external_id"),
        (" External-Id: ", "external_id"), ("Externe ID", "external_id"), ("Référence externe", "external_id"),
        ("reference externe", "external_id"), ("ID EXTERNO", "external_id"), ("Número externo", "external_id"),
        ("Queue Name", "queue"), ("Warteschlange", "queue"), ("File d'attente", "queue"), ("file d’attente", "queue"),
        ("Cola", "queue"), ("Priorität", "priority"), ("PRIORITAET", "priority"), ("Priorité", "priority"),
        ("Prioridad", "priority"), ("Typ", "type"), ("Type de tâche", "type"), ("Tipo", "type"),
        ("Beschreibung", "description"), ("Libellé", "description"), ("Descripción", "description"),
    ],
)  # fmt: skip
def test_heading_matches_in_four_languages(heading: str, field: str) -> None:
    """A heading is taken for a field by alias, case, accents, spaces and punctuation aside."""
    assert FIELDS_BY_ALIAS[normal(heading)] == field


@pytest.mark.parametrize("alias", [alias for column in COLUMNS for alias in column.aliases])
def test_heading_matches_in_any_spelling(alias: str) -> None:
    """An alias is taken in any case and with any spaces and punctuation."""
    assert FIELDS_BY_ALIAS[normal(f" {alias.upper()} *: ")] == FIELDS_BY_ALIAS[normal(alias)]


def test_headings_alias_belongs_to_one_field() -> None:
    """No alias stands for two fields, and every field's own name is one of its aliases."""
    aliases = [(normal(alias), column.field) for column in COLUMNS for alias in column.aliases]
    assert len({alias for alias, _ in aliases}) == len(set(aliases))
    assert all(FIELDS_BY_ALIAS[normal(column.name)] == column.field for column in COLUMNS)


def test_header_matches_columns_in_any_order() -> None:
    """Each field is fed by the column of its heading, and nothing is said."""
    found = header(HEADINGS[::-1])
    assert {field: template.column for field, template in found.fields.items()} == {
        "external_id": 4, "queue": 3, "priority": 2, "type": 1, "description": 0,
    }  # fmt: skip
    assert found.findings == ()
    assert found.matched["queue"] == "Queue"


@pytest.mark.parametrize("missing", ["External ID", "Queue", "Description"])
def test_header_tells_a_required_column_that_is_missing(missing: str) -> None:
    """A required column that is missing is an error that names the headings found."""
    found = header([each for each in HEADINGS if each != missing])
    assert codes(found.findings) == ["H301"]
    assert found.findings[0].severity is Severity.ERROR
    assert missing in found.findings[0].message
    assert all(each in found.findings[0].message for each in HEADINGS if each != missing)


def test_header_needs_no_optional_column() -> None:
    """Priority and type may be missing."""
    assert header(["External ID", "Queue", "Description"]).findings == ()


def test_header_refuses_two_columns_for_one_field() -> None:
    """Two columns for one field are an error that names both with their letters; neither is taken."""
    found = header(["External ID", "Queue", "Description", "Warteschlange"])
    assert codes(found.findings) == ["H302"]
    assert "Queue (B), Warteschlange (D)" in found.findings[0].message
    assert "queue" not in found.fields


def test_header_lets_a_mapping_choose_between_two_columns() -> None:
    """A mapping that names one of two columns settles it; the other is unused."""
    found = header(
        ["External ID", "Queue", "Description", "Warteschlange"], mapping(columns={"queue": "Warteschlange"})
    )
    assert found.fields["queue"].column == 3
    assert codes(found.findings) == ["H304"]


def test_header_suggests_a_near_match_and_does_not_take_it() -> None:
    """A heading like a missing field's is suggested, never taken."""
    found = header(["External ID", "Queue", "Description", "Priorty"])
    assert codes(found.findings) == ["H303", "H304"]
    assert "Priority" in found.findings[0].message
    assert "priority" not in found.fields
    assert found.unused == ("Priorty",)


def test_header_lists_unused_columns() -> None:
    """Columns without a field are listed, blank headings and the Rejects sheet's own ones left out."""
    found = header([*HEADINGS, "Remark", "Import problem", "How to fix", "Import row", "Import run", "Colour", ""])
    assert found.unused == ("Remark", "Colour")
    assert codes(found.findings) == ["H304"]
    assert "Remark, Colour" in found.findings[0].message


def test_header_tells_a_blank_heading_between_others() -> None:
    """A column without a heading that stands between others is told by its letter."""
    found = header(["External ID", "Queue", "", "Description", ""])
    assert codes(found.findings) == ["H305"]
    assert "Column C" in found.findings[0].message


@pytest.mark.parametrize("prefix", ["Attribute:", "attribute: ", "ATTRIBUT: ", "Atributo:"])
def test_header_takes_attributes_by_prefix(prefix: str) -> None:
    """A heading such as `Attribute: language` becomes an attribute."""
    found = header([*HEADINGS, f"{prefix}language"])
    assert found.attributes["language"].column == 5
    assert found.unused == ()


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_header_leaves_reserved_attributes_alone(name: str) -> None:
    """An attribute that the importer sets itself is not taken from a column; the column is told as unused."""
    found = header([*HEADINGS, f"Attribute: {name}"])
    assert found.attributes == {}
    assert codes(found.findings) == ["H304"]


def test_header_tells_a_heading_that_the_mapping_names_and_the_file_lacks() -> None:
    """A mapping's heading that is not there is an error with the nearest one, told once for each use."""
    found = header(
        ["id", "team", "subject"], mapping(columns={"external_id": "id", "queue": "teams", "description": "subject"})
    )
    assert codes(found.findings)[0] == "H307"
    assert "id, team, subject" in found.findings[0].message
    assert "Did you mean “team”" in found.findings[0].fix


def test_header_tells_a_mapped_heading_that_stands_twice() -> None:
    """A mapping's heading that stands twice is an error that names both columns; an unmapped one may."""
    given = mapping(columns={"external_id": "id", "queue": "team", "description": "subject"})
    found = header(["id", "team", "subject", "team"], given)
    assert codes(found.findings)[:1] == ["H308"]
    assert "B, D" in found.findings[0].message
    assert Severity.ERROR not in {each.severity for each in header(["id", "team", "subject", "x", "x"], given).findings}


def test_header_prefers_the_mapped_spelling() -> None:
    """Where two headings differ in case alone, the mapping's exact spelling decides."""
    given = mapping(columns={"external_id": "ID", "queue": "team", "description": "subject"})
    assert header(["id", "ID", "team", "subject"], given).fields["external_id"].column == 1


@pytest.mark.parametrize(("named", "other"), [("#", "%"), ("€", "$"), ("№?", "!!"), ("-", " ")])
def test_header_keeps_headings_of_signs_apart(named: str, other: str) -> None:
    """A heading of signs alone is matched by itself, never by another one."""
    given = mapping(columns={"external_id": named, "queue": "team", "description": "subject"})
    assert codes(header([other, "team", "subject"], given).findings)[:1] == ["H307"]
    assert header([other, named, "team", "subject"], given).fields["external_id"].column == 1


def test_header_constant_stands_for_a_column() -> None:
    """A field that the mapping makes a constant needs no column, and its column is unused."""
    found = header(HEADINGS, mapping(constants={"type": "chat"}))
    assert "type" not in found.fields
    assert found.unused == ("Type",)


def test_header_row_is_found_below_titles() -> None:
    """The row with the most known headings is the header, wherever it stands among the first."""
    rows = [
        row("Tasks of the week"),
        row("made by", "Queue team"),
        row(*HEADINGS),
        row("EXT-1", "Queue", "5", "email", "x"),
    ]
    assert find_header(rows, Mapping(), TASKS) == 2


def test_header_row_is_found_by_the_mappings_headings() -> None:
    """A file without known headings is recognised by those that the mapping names, `HD-{id}` among them."""
    rows = [row("Report", "x", "y"), row("id", "team", "subject")]
    assert find_header(rows, mapping(columns={"external_id": "HD-{id}", "queue": "team"}), TASKS) == 1


def test_header_row_is_not_found_by_signs() -> None:
    """Cells of signs alone do not make a row the header where the mapping names a heading of signs."""
    rows = [row("-", "-", "-", "-"), row("#", "team", "subject")]
    assert find_header(rows, mapping(columns={"external_id": "#", "queue": "team"}), TASKS) == 1


def test_header_row_falls_back_to_the_first_wide_row() -> None:
    """Where nothing is known, the first row with two texts is taken, so that the error names real headings."""
    assert find_header([row("Title"), row(" ", "x"), row("a", "b")], Mapping(), TASKS) == 2
    assert find_header([row("Title")], Mapping(), TASKS) == 0
    assert find_header([], Mapping(), TASKS) is None


def test_header_row_that_is_chosen_is_taken_by_its_line() -> None:
    """--header-row names a line; one that is blank or not there gives none."""
    rows = [row(*HEADINGS, line=1), row("a", "b", line=4)]
    assert [chosen_header(rows, Mapping(), TASKS, line) for line in (1, 4, 2, 9, None)] == [0, 1, None, None, 0]
    assert HEADER_SEARCHED >= 20


@given(st.lists(st.text(max_size=30), max_size=12))
def test_header_never_fails_and_takes_no_column_twice(headings: list[str]) -> None:
    """Whatever stands in a header row, matching answers, and each column feeds one field at most."""
    found = header(headings)
    places = [template.column for template in (*found.fields.values(), *found.attributes.values())]
    assert len(places) == len(set(places))
    assert all(0 <= place < len(headings) for place in places if place is not None)
    assert {"H301", "H302"} & set(codes(found.findings)) or {"external_id", "queue", "description"} <= set(found.fields)


@given(st.text(max_size=30))
def test_heading_normal_form_is_stable(heading: str) -> None:
    """Case, spaces and punctuation never matter, and the normal form is its own."""
    assert normal(f"  {heading}! ") == normal(heading)
    assert normal(normal(heading)) == normal(heading)
