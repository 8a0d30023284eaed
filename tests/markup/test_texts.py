"""Values are worded one way, and nothing in them hides, breaks a page or runs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.findings import Severity
from importer.core.unseen import BROKEN, UNSEEN
from importer.markup import environment, texts
from importer.writers.words import STYLES, worded
from tests.hostile import hostile
from tests.markup.page import read


@pytest.mark.parametrize(
    ("value", "text"), [(1234, "1,234"), (0, "0"), (1234567.25, "1,234,567.2"), (3.0, "3"), (None, "–")]
)
def test_number_groups_thousands(value: float | None, text: str) -> None:
    """A number has commas, at most one decimal, and a dash where there is none."""
    assert texts.number(value) == text


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        ("2026-11-25T02:15:00Z", "2026-11-25 02:15 UTC"),
        ("2026-11-25T03:15:59.999+01:00", "2026-11-25 02:15 UTC"),
        ("<b>", "<b>"),
        ("2026-11-25T02:15:00", "2026-11-25T02:15:00"),
        ("", "–"),
    ],
)
def test_moment_is_told_in_utc(at: str, shown: str) -> None:
    """A time is shown in UTC to the minute; what is no time with an offset stays the text that it is."""
    assert read(str(texts.moment(at))).text == shown


def test_moment_has_the_time_for_programs() -> None:
    """The element has the time to the second."""
    assert read(str(texts.moment("2026-11-25T03:15:09+01:00"))).one("time").attributes == {
        "datetime": "2026-11-25T02:15:09Z"
    }


def test_visible_hides_nothing() -> None:
    """No hostile text keeps a character that hides, turns the reading direction or cannot be encoded."""
    for text in hostile(2000):
        shown = texts.visible(text)
        assert not UNSEEN.search(shown.replace("\n", "").replace("\t", "")), ascii(text)
        assert not BROKEN.search(shown)
        assert "\n" not in texts.line(text)


@given(st.text(alphabet=st.characters(blacklist_categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Cn"))))
def test_visible_leaves_plain_text(text: str) -> None:
    """A text of letters, digits, signs and spaces is unchanged."""
    assert texts.visible(text) == UNSEEN.sub(lambda match: f"<U+{ord(match[0]):04X}>", text)


def test_visible_cuts_where_told() -> None:
    """A text that is too long ends in a sign for it."""
    assert texts.visible("abcdef", 4) == "abc…"
    assert texts.line("abcd", 4) == "abcd"


@pytest.mark.parametrize(
    ("part", "of", "text"),
    [(1, 3, "33 %"), (1, 100, "1 %"), (15, 1000, "1.5 %"), (1, 100_000, "under 0.1 %"), (0, 0, "0 %"), (9, 9, "100 %")],
)
def test_percent_never_rounds_a_row_away(part: int, of: int, text: str) -> None:
    """A small share is told as small, not as nothing."""
    assert texts.percent(part, of) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.2, "under a minute"), (1.0, "1 minute"), (12.3, "12 minutes"), (200.0, "3 h 20 min"), (180.0, "3 h")],
)
def test_minutes_read_as_people_say_them(value: float, text: str) -> None:
    """Minutes become hours where there are many."""
    assert texts.minutes(value) == text


@pytest.mark.parametrize(
    ("path", "name"), [("/data/a.xlsx", "a.xlsx"), ("C:\\data\\a.xlsx", "a.xlsx"), ("a\\b.csv", "a\\b.csv"), ("", "")]
)
def test_basename_knows_both_kinds_of_paths(path: str, name: str) -> None:
    """A file's own name is what follows the last separator of its kind of path."""
    assert texts.basename(path) == name


def test_words_have_one_colour_everywhere() -> None:
    """Verdicts, outcomes and severities have the tones and signs of the workbooks."""
    assert texts.TONES == STYLES
    assert {word: f"{texts.icon(word)} {texts.words(word)}" for word in STYLES if word not in set(Severity)} == {
        word: worded(word) for word in STYLES if word not in set(Severity)
    }


def test_environment_prints_what_cannot_be_encoded_as_a_sign() -> None:
    """Half of a surrogate pair in a value does not keep a page from being sent."""
    page = environment().from_string("{{ text }}").render(text="a\ud800b")
    assert page.encode() == "a\ufffdb".encode()
