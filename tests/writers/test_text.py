"""User text is made safe and stays readable."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.writers.text import CELL_MOST, CUT, csv_cell, label, visible
from tests.writers.made import PAYLOADS

ANY_TEXT = st.text(st.characters(codec=None), max_size=50)


def test_visible_shows_control_characters() -> None:
    """Control characters become pictures; line breaks and tabs stay."""
    assert visible("a\x00b\x07c\x7fd\te\nf") == "a␀b␇c␡d\te\nf"


def test_visible_takes_every_line_break_as_one() -> None:
    """CR LF and CR become LF, which is what a cell holds."""
    assert visible("a\r\nb\rc") == "a\nb\nc"


def test_visible_replaces_what_no_file_can_hold() -> None:
    """Half surrogate pairs and the two non-characters that XML forbids become �."""
    assert visible("a\ud83db\ufffec\uffff") == "a\ufffdb\ufffdc\ufffd"


@pytest.mark.parametrize("character", ["x", "😀", "é"])
def test_visible_cuts_what_a_cell_cannot_hold(character: str) -> None:
    """A text over 32,767 UTF-16 units is cut to them and says so."""
    shown = visible(character * 40_000)
    assert len(shown.encode("utf-16-le")) // 2 <= CELL_MOST
    assert shown.endswith(CUT)
    assert visible(character * 16_000) == character * 16_000


def test_label_is_one_line_without_tricks() -> None:
    """In our own sentences a text cannot break the line or turn the reading direction."""
    assert label("a\nb\u202egpj.exe") == "a b<U+202E>gpj.exe"


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-1-1", "@SUM(1)", "\t=1", "\n=1", "＝1", "－1", " =1", "\u200b=1", "|x", '"=1']
)
def test_csv_cell_disarms_formulas(text: str) -> None:
    """What a spreadsheet program would calculate starts with an apostrophe."""
    assert csv_cell(text) == "'" + text


@pytest.mark.parametrize("text", ["-12.5", "+49", "-1,234.00", "12%", "", "abc", "a=b", "0001", "é"])
def test_csv_cell_leaves_numbers_and_plain_text(text: str) -> None:
    """A plain number keeps its sign, other text is untouched."""
    assert csv_cell(text) == text


@pytest.mark.parametrize("text", PAYLOADS)
def test_csv_cell_never_starts_a_formula(text: str) -> None:
    """No payload begins with a sign that starts a formula."""
    assert csv_cell(text)[0] not in "=+-@\t\r\n＝＋－＠"


@given(ANY_TEXT)
def test_visible_is_stable_and_encodable(text: str) -> None:
    """What was made visible once is not changed again and has a UTF-8 form."""
    assert visible(visible(text)) == visible(text)
    visible(text).encode()


@given(ANY_TEXT)
def test_csv_cell_reads_back(text: str) -> None:
    """A CSV reader gives the cell's visible text, but for the apostrophe."""
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerow([csv_cell(text)])
    (read,) = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert read[0] in (visible(text), "'" + visible(text))
