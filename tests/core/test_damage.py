"""What Excel and mappings do to cells: damage is told where an ID is made of it, meanings count for cells alone."""

import pytest

from importer.core.mapping import Mapping
from importer.core.rows import Mark
from importer.core.shape import Shaped
from tests.core.conftest import GOOD, HEADINGS, codes, mapping, shaped

OWN = ("id", "team", "subject")


def mapped(*cells: str, headings: tuple[str, ...] = OWN, marks: tuple[Mark, ...] = (), **sections: object) -> Shaped:
    """One row shaped under a mapping of our own headings."""
    columns = {"external_id": "HD-{id}", "queue": "team", "description": "subject"}
    record = {**sections, "columns": {**columns, **dict(sections.get("columns", {}))}}  # type: ignore[call-overload]  # a table
    return shaped(*cells, headings=headings, given=mapping(**record), marks=marks)


@pytest.mark.parametrize("text", ["1.23457E+14", "1,23457E+14", "1E+11", "-1.2e+123", " 1.23457E+14 "])
def test_damage_by_e_notation_is_told_in_an_id(text: str) -> None:
    """E-notation in an ID column is an error that names Excel's damage, also where a template puts text around it."""
    for found in (shaped(text, *GOOD[1:]), mapped(text, "Billing", "a text")):
        assert found.request is None
        assert "V204" in codes(found.findings)
        told = next(each for each in found.findings if each.code == "V204")
        assert (told.cell, told.value) == ("A2", text)


@pytest.mark.parametrize("text", ["E+11", "1.2E11", "1.23E+1", "AB+C", "1.23457E+14x", "12+E+11"])
def test_damage_is_not_seen_in_other_ids(text: str) -> None:
    """An ID that merely holds a plus is an ID."""
    assert codes(shaped(text, *GOOD[1:]).findings) == []


def test_damage_by_e_notation_matters_in_an_id_alone() -> None:
    """A description may say 1.23E+11."""
    assert codes(shaped(*GOOD[:4], "1.23457E+14").findings) == []


def test_damage_is_told_where_a_column_feeds_several_fields() -> None:
    """A column that makes the ID and the description too is judged as an ID."""
    found = mapped("1", "Billing", "x", marks=(Mark(0, "V205"),), columns={"description": "Ticket {id}"})
    assert codes(found.findings) == ["V205"]
    assert found.request is None


def test_id_of_a_template_needs_all_its_cells() -> None:
    """An ID is blank where any cell of its template is: no two rows share half an ID."""
    found = mapped(" ", "Billing", "a text")
    assert "V201" in codes(found.findings)
    assert found.external_id == ""


def test_meaning_counts_for_what_a_cell_says() -> None:
    """[values] translates cells, and never what a default or a constant says."""
    headings = (*OWN, "prio")
    values = {"priority": {"high": 90, "50": 10, "none": ""}}
    told = {
        text: mapped("1", "B", "x", text, headings=headings, columns={"priority": "prio"}, values=values).request
        for text in ("HIGH", "50", "", "none", "7")
    }
    assert {text: request and request["priority"] for text, request in told.items()} == {
        "HIGH": 90, "50": 10, "": 50, "none": 50, "7": 7,
    }  # fmt: skip
    constant = mapped("1", "B", "x", constants={"type": "email"}, values={"type": {"email": "chat"}})
    assert constant.request is not None
    assert constant.request["type"] == "email"


@pytest.mark.parametrize(
    "text", ["1_000", "٣", "1e2", "5.0", "5,0", "0x10", "True", "５", "--5", "+ 5", "²", "9" * 400]
)
def test_priority_takes_plain_digits_alone(text: str) -> None:
    """What only looks like a whole number, or is one to Python alone, is none."""
    found = shaped("EXT-1", "Billing", text, "email", "a text")
    assert codes(found.findings) == ["V303"]


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("99", 99), ("007", 7), ("+5", 5), (" 5 ", 5), ("-0", 0)])
def test_priority_within_its_bounds_is_taken(text: str, number: int) -> None:
    """Leading zeros, a sign and outer white space do no harm."""
    request = shaped("EXT-1", "Billing", text, "email", "a text").request
    assert request is not None
    assert request["priority"] == number


@pytest.mark.parametrize("text", ["-1", "100", "1000", "999999999999999999"])
def test_priority_outside_its_bounds_is_told(text: str) -> None:
    """A whole number out of bounds is told as such."""
    assert codes(shaped("EXT-1", "Billing", text, "email", "a text").findings) == ["V304"]


@pytest.mark.parametrize("character", ["\u200b", "\u202e", "\ufeff", "\x07", "\u00ad", "\u2066", "\x9b"])
@pytest.mark.parametrize(("column", "name"), [(0, "External ID"), (1, "Queue")])
def test_invisible_characters_are_told_by_number(character: str, column: int, name: str) -> None:
    """An ID or queue with a character that cannot be seen is refused, and the character named."""
    cells = [*GOOD]
    cells[column] = f"a{character}b"
    found = shaped(*cells)
    assert codes(found.findings) == ["V203"]
    assert f"{name} contains invisible characters (U+{ord(character):04X})" in found.findings[0].message


@pytest.mark.parametrize("column", [0, 1, 4])
def test_half_a_character_never_gets_through(column: int) -> None:
    """A lone surrogate, which no JSON in UTF-8 can carry, makes a row invalid instead of breaking the run."""
    cells = [*GOOD]
    cells[column] = "a\ud800b"
    assert shaped(*cells).request is None


def test_half_a_character_in_an_attribute_never_gets_through() -> None:
    """An attribute cannot carry one either."""
    assert shaped(*GOOD, "a\ud800b", headings=(*HEADINGS, "Attribute: language")).request is None


def test_row_without_a_word_of_a_mapping_is_shaped_like_any() -> None:
    """An empty mapping changes nothing."""
    assert shaped(*GOOD, given=Mapping()) == shaped(*GOOD)
