"""The mapping: templates that are our own, and mistakes told with file, key and suggestion."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.errors import SettingsError
from importer.core.mapping import FIELDS, RESERVED, Mapping, Template, read_mapping
from tests.core.conftest import mapping


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Queue", ("", "Queue", "")),
        ("{Queue}", ("", "Queue", "")),
        ("HD-{id}", ("HD-", "id", "")),
        ("{a}{b}", ("", "a", "", "b", "")),
        ("{ a } / {b}!", ("", "a", " / ", "b", "!")),
        ("{{{a}}}", ("{", "a", "}")),
        ("{{a}}", ("{a}",)),
        ("{a:>10}", ("", "a:>10", "")),
        ("{a.__class__}", ("", "a.__class__", "")),
        ("%s {0}", ("%s ", "0", "")),
    ],
)
def test_template_alternates_text_and_headings(text: str, parts: tuple[str, ...]) -> None:
    """Braces hold headings, doubled ones are braces; nothing of str.format means anything."""
    assert Template.parse(text).parts == parts


@pytest.mark.parametrize("text", ["{", "}", "{a", "a}", "{}", "{ }", "{a}}", "{{a}", "{a{b}}", "}{", "{a}{"])
def test_template_with_braces_that_do_not_pair_is_refused(text: str) -> None:
    """A brace alone is told with file, section and key."""
    with pytest.raises(SettingsError, match=r"map\.toml: \[columns\] queue = .*brace|one heading"):
        mapping(columns={"queue": text})


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4), st.text(max_size=8))
def test_template_text_never_becomes_a_heading(headings: list[str], text: str) -> None:
    """Text with its braces doubled stays text, whatever it holds; what cells say is not read as a template."""
    literal = text.replace("{", "{{").replace("}", "}}")
    names = [f"h{number}" for number in range(len(headings))]
    template = Template.parse(literal + "".join(f"{{{name}}}{literal}" for name in names))
    places = {name: number for number, name in enumerate(names)}
    filled = template.placed(places).fill([f"x{each}x" for each in headings], all_needed=False)
    assert filled == text + "".join(f"x{each}x{text}" for each in headings)


@pytest.mark.parametrize(
    ("cells", "any_filled", "all_filled"),
    [
        (("a", "b"), "a/b", "a/b"),
        (("a", " "), "a/", ""),
        (("", ""), "", ""),
        (("a",), "a/", ""),
        ((" a ", "b"), "a/b", "a/b"),
    ],
)
def test_template_is_blank_where_its_cells_are(cells: tuple[str, ...], any_filled: str, all_filled: str) -> None:
    """A template is blank where all its cells are, and for an external ID where any is: half an ID is no ID."""
    template = Template.parse("{x}/{y}").placed({"x": 0, "y": 1})
    assert template.fill(cells, all_needed=False) == any_filled
    assert template.fill(cells, all_needed=True) == all_filled


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"colums": {}}, "[colums] is unknown", "Did you mean “columns”"),
    ({"columns": {"que": "x"}}, "[columns] que is unknown", ""),
    ({"columns": {"descripton": "x"}}, "[columns] descripton is unknown", "Did you mean “description”"),
    ({"columns": {"queue": 5}}, "[columns] queue is not a heading", ""),
    ({"columns": {"queue": " "}}, "[columns] queue is not a heading", ""),
    ({"columns": ["queue"]}, "columns is not a table", ""),
    ({"values": {"prioritty": {}}}, "[values.prioritty] is unknown", "Did you mean “priority”"),
    ({"values": {"priority": 5}}, "[values] priority is not a table", ""),
    ({"values": {"priority": {"high": True}}}, "[values.priority] high is neither", ""),
    ({"values": {"priority": {"high": [1]}}}, "[values.priority] high is neither", ""),
    ({"values": {"priority": {"High": 90, "high": 80}}}, "[values.priority] high stands twice", ""),
    ({"constants": {"typ": "x"}}, "[constants] typ is unknown", "Did you mean “type”"),
    ({"constants": {"type": False}}, "[constants] type is neither", ""),
    ({"constants": {"external_id": "x"}}, "[constants] external_id would give every row the same ID", ""),
    ({"columns": {"type": "x"}, "constants": {"type": "chat"}}, "type stands in [columns] and in [constants]", ""),
    ({"overflow": {"descriptions": "shorten"}}, "[overflow] descriptions is unknown", "Did you mean “description”"),
    ({"overflow": {"external_id": "shorten"}}, "[overflow] external_id is unknown", ""),
    ({"overflow": {"description": "cut"}}, "[overflow] description = 'cut'", ""),
    *(
        ({"attributes": {name: "x"}}, f"[attributes] {name} is set by the importer itself", "")
        for name in sorted(RESERVED)
    ),
]


@pytest.mark.parametrize(("record", "said", "suggestion"), MISTAKES)
def test_mapping_mistake_names_file_key_and_suggestion(record: dict[str, Any], said: str, suggestion: str) -> None:
    """Every mistake is an error with the file, the key, and what is near."""
    with pytest.raises(SettingsError) as told:
        mapping(**record)
    assert str(told.value).startswith(f"map.toml: {said}")
    assert suggestion in str(told.value)
    assert told.value.fix


def test_mapping_values_are_read_without_regard_to_case() -> None:
    """What a cell says is kept in lower case, what it means as text; the same twice is no mistake."""
    found = mapping(values={"priority": {" HIGH ": 90, "high": "90", "Straße": 10}})
    assert found.values == {"priority": {"high": "90", "strasse": "10"}}


texts = st.text(min_size=1, max_size=12).filter(str.strip)
templates = texts.map(lambda text: "{" + text.replace("{", "").replace("}", "").strip() + "} x").filter(
    lambda t: t != "{} x"
)
records = st.fixed_dictionaries(
    {},
    optional={
        "columns": st.dictionaries(st.sampled_from(FIELDS[:3]), templates),
        "values": st.dictionaries(
            st.sampled_from(FIELDS), st.dictionaries(texts.map(str.casefold).map(str.strip), texts, max_size=3)
        ),
        "constants": st.dictionaries(st.sampled_from(FIELDS[3:]), texts | st.integers()),
        "attributes": st.dictionaries(texts.filter(lambda name: name not in RESERVED), templates, max_size=3),
        "overflow": st.dictionaries(st.just("description"), st.sampled_from(["refuse", "shorten"])),
    },
)


@given(records)
def test_mapping_record_reads_back(record: dict[str, Any]) -> None:
    """A mapping read from its record is the same mapping: a plan that keeps it keeps all of it."""
    found = read_mapping(record, "map.toml")
    assert read_mapping(found.record(), "the plan") == found


def test_mapping_names_all_its_headings() -> None:
    """The headings of columns and attributes are all known, those in templates among them."""
    found = mapping(columns={"external_id": "HD-{id}", "queue": "team"}, attributes={"language": "{lang}-{land}"})
    assert found.headings() == {"id", "team", "lang", "land"}
    assert Mapping().headings() == set()
