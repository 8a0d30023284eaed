"""Custom fields: read from a worktype's schema, and cells judged by their type."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.custom_fields import KINDS, CustomField, Problem, Value, custom_fields, judge_value
from importer.core.findings import CATALOGUE, finding


def schema(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    """A DataSchema with these properties."""
    return {"id": "s", "version": 1, "jsonSchema": {"properties": properties, "required": required or []}}


def only(name: str, *, required: bool = False, **told: Any) -> CustomField:
    """The one field of a schema that has just it."""
    (field,) = custom_fields(schema([name] if required else [], **{name: {"title": "Field", **told}}))
    return field


def judged(name: str, text: str, **told: Any) -> Value | Problem | None:
    """What a text is in such a field."""
    return judge_value(only(name, **told), text, "UTC")


def code(name: str, text: str, **told: Any) -> str:
    """The code of a text that is no value of such a field."""
    found = judged(name, text, **told)
    assert isinstance(found, Problem), found
    return found.code


# From the schema


def test_custom_fields_follow_the_schemas_order() -> None:
    """Each property is a field with its key, title, kind and limits, in the schema's order."""
    found = custom_fields(
        schema(
            ["claim_id_identifier"],
            claim_id_identifier={"title": " Claim ID ", "minLength": 2, "maxLength": 20},
            amount_number={"title": "Amount", "minimum": 0.5, "maximum": 10},
            labels_tag={"items": {"minLength": 1, "maxLength": 9}, "minItems": 1, "maxItems": 3, "uniqueItems": True},
        )
    )
    assert [(each.name, each.heading, each.kind, each.required, each.low, each.high) for each in found] == [
        ("claim_id_identifier", "Claim ID", "identifier", True, 2, 20),
        ("amount_number", "Amount", "number", False, 0.5, 10),
        ("labels_tag", "labels_tag", "tag", False, 1, 3),
    ]
    assert (found[2].entry_low, found[2].entry_high, found[2].unique) == (1, 9, True)


@pytest.mark.parametrize("kind", KINDS)
def test_custom_field_kind_is_what_its_key_ends_with(kind: str) -> None:
    """The core type is what follows the last underscore."""
    assert only(f"a_b_{kind}").kind == kind


@pytest.mark.parametrize("name", ["odd_thing", "text", "_text", "x"])
def test_custom_field_of_an_unknown_kind_is_a_text(name: str) -> None:
    """What is not known is sent as it stands."""
    assert only(name).kind == "text"


@pytest.mark.parametrize(
    "broken",
    [
        {}, {"jsonSchema": None}, {"jsonSchema": []}, {"jsonSchema": {}}, {"jsonSchema": {"properties": None}},
        {"jsonSchema": {"properties": {"a_text": "x"}, "required": 5}},
    ],
)  # fmt: skip
def test_custom_fields_of_a_schema_that_has_none_are_none(broken: dict[str, Any]) -> None:
    """A schema without readable properties has no fields, and is no failure."""
    assert custom_fields(broken) == ()


def test_custom_field_ignores_limits_that_are_none() -> None:
    """A limit that is not a number, an enum that is not a list: as if they were not there."""
    found = only("a_enum", enum="x", minLength="3", maxLength=True)
    assert (found.choices, found.low, found.high) == ((), None, None)


def test_custom_field_help_tells_kind_and_limits() -> None:
    """The help is the schema's own words, the kind, and the limits."""
    assert (
        only("a_text", description="Who asked.", maxLength=1000).help == "Who asked. A text. At most 1,000 characters."
    )
    assert only("a_enum", enum=["x", "y"]).help == "One of a list. Choices: x, y."
    assert only("a_number", minimum=0, maximum=1e6).help == "A number, such as 12.5. 0 to 1,000,000."


# Values


@pytest.mark.parametrize("kind", KINDS)
def test_custom_value_blank_is_none_or_missing(kind: str) -> None:
    """A blank cell is no value, and V350 where the schema requires one."""
    assert judged(f"a_{kind}", " \n") is None
    assert code(f"a_{kind}", " ", required=True) == "V350"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("a_text", " abc ", "abc"),
        ("a_longtext", "line\nline", "line\nline"),
        ("a_url", "https://example.com/x?y", "https://example.com/x?y"),
        ("a_identifier", "00123", "00123"),
        ("a_date", "18.12.2026", "2026-12-18"),
        ("a_datetime", "2026-12-18 17:00", "2026-12-18T17:00:00.000Z"),
        ("a_integer", "-12", -12),
        ("a_number", "12.5", 12.5),
        ("a_number", "12", 12),
        ("a_tag", "red; blue;;red", ["red", "blue", "red"]),
    ],
)
def test_custom_value_has_its_json_type(name: str, text: str, value: Value) -> None:
    """A cell's text becomes the JSON value of the field's type."""
    found = judged(name, text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (("true", "TRUE", "yes", "Ja", "oui", "sí", "Wahr", "1"), True),
        (("false", "FALSE", "no", "nein", "non", "falso", "0"), False),
    ],
)
def test_custom_checkbox_takes_yes_and_no_in_four_languages(words: tuple[str, ...], value: bool) -> None:
    """Yes and no, and what spreadsheets show for true and false, are booleans."""
    assert [judged("a_checkbox", word) for word in words] == [value] * len(words)


@pytest.mark.parametrize(
    ("name", "text", "told", "expected"),
    [
        ("a_text", "abcd", {"maxLength": 3}, "V351"),
        ("a_text", "a", {"minLength": 2}, "V351"),
        ("a_text", "zero\u200bwidth", {}, "V203"),
        ("a_longtext", "bell\x07", {}, "V203"),
        ("a_url", "example.com", {}, "V353"),
        ("a_url", "https:// x", {}, "V353"),
        ("a_enum", "Huge", {"enum": ["Low", "High"]}, "V352"),
        ("a_date", "12/11/2026", {}, "V362"),
        ("a_date", "2026-02-30", {}, "V363"),
        ("a_date", "2026-12-18 10:00", {}, "V361"),
        ("a_datetime", "soon", {}, "V361"),
        ("a_integer", "1.5", {}, "V355"),
        ("a_integer", "1_000", {}, "V355"),
        ("a_integer", "11", {"maximum": 10}, "V357"),
        ("a_number", "1,5", {}, "V356"),
        ("a_number", "1e5", {}, "V356"),
        ("a_number", "nan", {}, "V356"),
        ("a_number", "0.4", {"minimum": 0.5}, "V357"),
        ("a_checkbox", "maybe", {}, "V358"),
        ("a_tag", "a;b;c", {"maxItems": 2}, "V359"),
        ("a_tag", "a", {"minItems": 2}, "V359"),
        ("a_tag", ";;", {}, "V359"),
        ("a_tag", "a;toolong", {"items": {"maxLength": 3}}, "V351"),
        ("a_tag", "a;b\u200b", {}, "V203"),
    ],
)
def test_custom_value_that_does_not_fit_is_told(name: str, text: str, told: dict[str, Any], expected: str) -> None:
    """A text that is no value of its field has the code that says why."""
    assert code(name, text, **told) == expected


def test_custom_enum_is_matched_without_regard_to_case() -> None:
    """A choice in another case is that choice as the schema writes it; where two differ by case alone, it must be exact."""
    assert judged("a_enum", "hIGH", enum=["Low", "High"]) == "High"
    assert judged("a_enum", "high", enum=["High", "high"]) == "high"
    assert code("a_enum", "HIGH", enum=["High", "high"]) == "V352"


def test_custom_enum_suggests_the_nearest_choice() -> None:
    """A misspelt choice is answered with the one that it resembles."""
    found = judged("a_enum", "Mediun", enum=["Low", "Medium", "High"])
    assert isinstance(found, Problem)
    assert "“Medium”" in found.facts["suggestion"]


def test_custom_tags_that_must_differ_are_each_sent_once() -> None:
    """Where the schema wants different entries, a repeated one is sent once."""
    assert judged("a_tag", "red;blue;red", uniqueItems=True) == ["red", "blue"]


def test_custom_time_without_offset_is_in_the_time_zone() -> None:
    """A date and time of a custom field follows the same time zone as the due date."""
    assert judge_value(only("a_datetime"), "2026-12-18 17:00", "Europe/Berlin") == "2026-12-18T16:00:00.000Z"


@given(st.sampled_from(KINDS), st.text(max_size=20), st.integers(0, 5), st.integers(0, 9))
def test_custom_problem_fills_its_message(kind: str, text: str, low: int, high: int) -> None:
    """Whatever a cell holds, it has a value, is blank, or has a problem whose message can be filled in."""
    limits = {"minLength": low, "maxLength": high, "minimum": low, "maximum": high, "minItems": low, "maxItems": high}
    found = judged(f"a_{kind}", text, enum=["a", "b"], **limits)
    if isinstance(found, Problem):
        assert found.code in CATALOGUE
        assert finding(found.code, value=text, **found.facts).message
