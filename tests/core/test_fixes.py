"""Fixes are laid over rows: exactly, without touching anything else, and refused where they do not fit."""

from typing import Any

import jsonschema
import pytest

from importer.core.errors import UsageError
from importer.core.fixes import Fix, FixesFile, FixMany, FixRefused, fixed, overlaid, read_fixes, reason_of
from importer.core.rows import Line, Mark, Row
from importer.schemas import schema

ROWS = [Row(Line(2), ["a", "b"], None, (Mark(1, "V320"),)), Row(Line(3), ["c"], 4)]


def test_fixed_cell_loses_what_the_source_knew_of_it() -> None:
    """A mark goes with the text that it was about; marks of other cells stay."""
    assert fixed(ROWS[0], {1: "B"}) == Row(Line(2), ["a", "B"], None, ())
    assert fixed(ROWS[0], {0: "A"}).marks == ROWS[0].marks


def test_fix_that_changes_nothing_leaves_the_row_alone() -> None:
    """A row whose fixes say what it says already is the same row, marks and all."""
    assert fixed(ROWS[0], {1: "b", 7: ""}) is ROWS[0]


def test_row_that_ends_early_is_extended() -> None:
    """A fix beyond the last cell fills what is between with blanks."""
    assert list(overlaid(ROWS, [Fix(3, 3, "", "x")]))[1] == Row(Line(3), ["c", "", "", "x"], 4)


@pytest.mark.parametrize("fix", [Fix(2, 1, "B", "x"), Fix(2, 5, "b", "x"), Fix(9, 0, "a", "x")])
def test_fix_that_does_not_fit_is_refused(fix: Fix) -> None:
    """What a fix replaces must be what the file says, to the letter, on a line that is there."""
    with pytest.raises(FixRefused):
        list(overlaid(ROWS, [fix]))


@pytest.mark.parametrize(
    ("many", "text", "after"),
    [
        (FixMany("blank", 0, "50"), "", "50"), (FixMany("blank", 0, "50"), " \u00a0", "50"),
        (FixMany("blank", 0, "50"), "7", "7"), (FixMany("trim", 0), " a b ", "a b"), (FixMany("trim", 0), "a", "a"),
        (FixMany("replace", 0, "Billing", "Biling"), "Biling", "Billing"),
        (FixMany("replace", 0, "Billing", "Biling"), "biling", "biling"),
        (FixMany("replace", 0, "Billing", "Biling"), "Biling ", "Biling "),
    ],
)  # fmt: skip
def test_fix_of_many_changes_what_it_says(many: FixMany, text: str, after: str) -> None:
    """Blank cells are filled, white space is removed, and a value is replaced where it stands exactly."""
    assert many.change(text) == after


def test_fixes_file_is_read_back_and_fits_its_schema() -> None:
    """What is written is what is read, and what its JSON Schema describes."""
    file = FixesFile((Fix(2, 1, "b", "=1+1"), Fix(3, 0, "c", "")), {9: "no", 4: ""}, "ab" * 32)
    jsonschema.validate(file.record(), schema("importer.fixes/1"))
    assert read_fixes(file.record(), "fixes.json") == file


@pytest.mark.parametrize(
    "record",
    [
        [], {}, {"schema": "importer.fixes/2", "fixes": []}, {"schema": "importer.fixes/1", "fixes": [{"line": 2}]},
        {"schema": "importer.fixes/1", "fixes": [{"line": 0, "column": 0, "old": "", "new": "x"}]},
        {"schema": "importer.fixes/1", "fixes": [{"line": True, "column": 0, "old": "", "new": "x"}]},
        {"schema": "importer.fixes/1", "fixes": [{"line": 2, "column": 16_384, "old": "", "new": "x"}]},
        {"schema": "importer.fixes/1", "fixes": [{"line": 2, "column": 0, "old": "", "new": "\ud800"}]},
        {"schema": "importer.fixes/1", "fixes": [{"line": 2, "column": 0, "old": "", "new": n} for n in "ab"]},
        {"schema": "importer.fixes/1", "fixes": 7}, {"schema": "importer.fixes/1", "skipped": [{"line": "2"}]},
    ],
)  # fmt: skip
def test_fixes_file_of_another_form_is_told(record: Any) -> None:
    """Whatever else a file holds is refused with its name."""
    with pytest.raises(UsageError):
        read_fixes(record, "fixes.json")


def test_reason_is_one_line() -> None:
    """White space in a reason becomes single blanks, and a long one is refused."""
    assert reason_of(" a\n\tb ") == "a b"
    with pytest.raises(UsageError, match="501"):
        reason_of("x" * 501)
