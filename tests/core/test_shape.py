"""From rows to task requests: all findings at once, nothing guessed, nothing cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.columns import match_headings
from importer.core.mapping import read_mapping
from importer.core.rows import Mark
from importer.core.screen import Screen
from importer.targets.limits import TASKS
from tests.core.rows import HEADINGS, row, shaper


def codes(*cells: str, marks: tuple[Mark, ...] = ()) -> list[str]:
    """The codes of a row's findings."""
    return [each.code for each in shaper()(row(*cells, marks=marks)).findings]


def test_good_row_becomes_a_request_with_defaults() -> None:
    """Blank priority and type take their defaults; the request holds what was read."""
    shaped = shaper()(row("E-1", "Billing", "", "", "Invoice", "x"))
    assert shaped.findings == ()
    assert shaped.request == {
        "external_id": "E-1", "queue": "Billing", "priority": 50, "type": "email", "description": "Invoice", "attributes": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("", "Q", "", "", "d", ""), ["V201"]),
        (("E" * 101, "Q", "", "", "d", ""), ["V202"]),
        (("E\u200b1", "Q", "", "", "d", ""), ["V203"]),
        (("1.23457E+14", "Q", "", "", "d", ""), ["V204"]),
        (("E", " ", "", "", "d", ""), ["V330", "V211"]),
        (("E", "Q" * 201, "", "", "d", ""), ["V212"]),
        (("E", "Q", "high", "", "d", ""), ["V303"]),
        (("E", "Q", "1_0", "", "d", ""), ["V303"]),
        (("E", "Q", "٣", "", "d", ""), ["V303"]),
        (("E", "Q", "1e2", "", "d", ""), ["V303"]),
        (("E", "Q", "50.5", "", "d", ""), ["V303"]),
        (("E", "Q", "100", "", "d", ""), ["V304"]),
        (("E", "Q", "-1", "", "d", ""), ["V304"]),
        (("E", "Q", "", "fax", "d", ""), ["V305"]),
        (("E", "Q", "", "", "", ""), ["V311"]),
        (("E", "Q", "", "", "d" * 256, ""), ["V312"]),
        (("E", "Q", "", "", "bell\x07", ""), ["V341"]),
        (("E", "Q", "", "", "d", "", "slipped"), ["V331"]),
        (("", "", "150", "fax", "", ""), ["V201", "V211", "V304", "V305", "V311"]),
    ],
)
def test_findings_of_a_row_are_told_at_once(cells: tuple[str, ...], expected: list[str]) -> None:
    """Each mistake has its code, and all mistakes of a row are told."""
    assert codes(*cells) == expected or sorted(codes(*cells)) == sorted(expected)


def test_length_counts_characters_not_bytes() -> None:
    """255 characters of any script fit; the founding program counted bytes."""
    assert codes("E", "Q", "", "", "ß" * 255, "") == []
    assert codes("E", "Q", "", "", "字" * 255, "") == []


def test_finding_has_address_value_and_fix() -> None:
    """A finding says sheet, cell, heading, value and what to do."""
    finding = shaper()(row("E", "Q", "150", "", "d", "", line=17)).findings[0]
    assert (finding.cell, finding.heading, finding.value) == ("Tasks!C17", "Priority", "150")
    assert "0 to 99" in finding.fix


def test_type_is_read_without_regard_to_case() -> None:
    """`Email` is email."""
    shaped = shaper()(row("E", "Q", "07", "Email", "d", ""))
    assert shaped.request is not None
    assert (shaped.request["type"], shaped.request["priority"]) == ("email", 7)


def test_white_space_is_trimmed_with_a_note() -> None:
    """Outer white space goes, with a note; the row stays ready."""
    shaped = shaper()(row(" E ", "Q", "", "", "d", ""))
    assert shaped.request is not None
    assert shaped.request["external_id"] == "E"
    assert [each.code for each in shaped.findings] == ["V330"]


@pytest.mark.parametrize(
    ("column", "code", "expected"),
    [
        (0, "V205", ["V205"]),
        (4, "V205", []),
        (4, "V320", ["V320"]),
        (5, "V320", ["V322"]),
        (4, "V321", ["V321"]),
        (5, "V321", []),
    ],
)
def test_mark_counts_where_the_cell_is_sent(column: int, code: str, expected: list[str]) -> None:
    """Damage that the source knows of is an error in a column that is sent, at most a warning elsewhere."""
    assert codes("1234567890123456", "Q", "", "", "d", "", marks=(Mark(column, code),)) == expected


def test_blank_cell_with_a_mark_is_told_once() -> None:
    """A formula without value is told as such, not as a blank description as well."""
    assert codes("E", "Q", "", "", "", "", marks=(Mark(4, "V321"),)) == ["V321"]


def test_mapping_makes_ids_values_constants_and_attributes() -> None:
    """Templates, meanings, constants and attributes of a mapping end up in the request."""
    record = {
        "columns": {
            "external_id": "HD-{id}",
            "queue": "team",
            "priority": "urgency",
            "description": "{subject}: {{x}}",
        },
        "values": {"priority": {"High": 90}},
        "constants": {"type": "chat"},
        "attributes": {"language": "lang"},
    }
    mapping = read_mapping(record, "m.toml")
    made = shaper(("id", "team", "urgency", "subject", "lang"), mapping)
    shaped = made(row("7", "Claims", "HIGH", "Hello", "de"))
    assert shaped.request == {
        "external_id": "HD-7", "queue": "Claims", "priority": 90, "type": "chat", "description": "Hello: {x}",
        "attributes": {"language": "de"},
    }  # fmt: skip
    blank = made(row("", "Claims", "12", "Hello", ""))
    assert [each.code for each in blank.findings] == ["V201"]


def test_shortening_is_told_and_only_where_allowed() -> None:
    """A long description is cut only where the mapping says so, with a note."""
    mapping = read_mapping({"overflow": {"description": "shorten"}}, "m.toml")
    shaped = shaper(HEADINGS, mapping)(row("E", "Q", "", "", "d" * 300, ""))
    assert shaped.request is not None
    assert len(shaped.request["description"]) == 255
    assert [each.code for each in shaped.findings] == ["V313"]


TEXTS = st.one_of(
    st.sampled_from(
        ["", " ", "E-1", "Billing", "50", "99", "100", "email", "fax", "1.2E+10", "a\tb", "x\u200b", "=1", "٣"]
    ),
    st.text(max_size=20),
    st.text(min_size=250, max_size=260, alphabet="ab"),
)


@given(st.lists(st.lists(TEXTS, min_size=4, max_size=8), min_size=1, max_size=20))
def test_screen_calls_good_only_what_has_nothing_to_say(sheet: list[list[str]]) -> None:
    """Whatever the screen calls good has a request with that external ID and no finding."""
    screen = Screen(match_headings(row(*HEADINGS, line=1), read_mapping({}, ""), TASKS), read_mapping({}, ""), TASKS)
    rows = [row(*cells, line=number) for number, cells in enumerate(sheet, 2)]
    for each, external_id in zip(rows, screen(rows), strict=True):
        if external_id:
            shaped = shaper()(each)
            assert shaped.findings == ()
            assert shaped.request is not None
            assert shaped.external_id == external_id


@given(st.lists(TEXTS, min_size=0, max_size=8))
def test_shaping_never_raises(cells: list[str]) -> None:
    """Whatever the cells hold, a row becomes a request or findings, never an exception."""
    shaped = shaper()(row(*cells))
    assert (shaped.request is None) == any(each.severity == "error" for each in shaped.findings)
