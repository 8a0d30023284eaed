"""The parts of the preparer's pages: views as addresses, cells with their findings, and templates that need no inline script."""

import re
from pathlib import Path

import pytest

from importer.core.approval import Person
from importer.core.findings import finding
from importer.drafts.draft import ColumnChoice, Columns, DraftHead, DraftRow, Filter, FixedCell
from importer.web.pages import cells
from importer.web.pages.uploads import DRAFTS_SHOWN, own_and_newest
from importer.web.pages.views import View, view_from, view_of
from tests.hostile import hostile

WEB = Path(cells.__file__).parents[1]


@pytest.mark.parametrize(
    "which",
    [
        Filter(),
        Filter(verdict="invalid", number=3),
        Filter(code="V304", heading="Größe & Co", text="a=b&c=d", fixed=True),
        Filter(text="'; DROP TABLE rows; --", line=17),
    ],
)
def test_view_survives_its_address(which: Filter) -> None:
    """A view is the same after it went through the query of an address."""
    view = View("d", which, wide=True)
    assert view_from("d", view.query) == view


@pytest.mark.parametrize(
    "query",
    [
        {"verdict": "lost", "code": "X999", "page": "-1", "line": "0"},
        {"page": "99999999999", "line": "٣", "verdict": "READY"},
        {"page": "1e3", "code": "v304", "fixed": "no", "all": "1"},
    ],
)
def test_view_leaves_nonsense_aside(query: dict[str, str]) -> None:
    """What a query cannot mean is left aside, never an error."""
    assert view_of("d", query) == View("d", Filter())


def test_view_of_any_text_is_an_address_of_ours() -> None:
    """Whatever is searched for, the address is plain ASCII below the draft, and carries the text unchanged."""
    for text in hostile(300):
        if re.search("[\ud800-\udfff]", text):
            continue
        view = view_of("d", {"text": text})
        assert view.path.isascii()
        assert view.path.startswith("/imports/d/rows")
        assert view_from("d", view.query).which.text == text.strip()


def test_view_of_too_many_fields_is_that_of_all_rows() -> None:
    """A form that carries more than a view has is no error."""
    assert view_from("abc", "&".join(f"text={number}" for number in range(30))) == View("abc")


def draft_of(name: str, number: int) -> DraftHead:
    """A draft that somebody uploaded."""
    return DraftHead(
        id=f"{name}-{number}", file_name="x.csv", sha256="", size=1, format="csv", by=Person(name, "token"), at="",
        revision=1, step="sheet", sheet=None, header_row=None, mapping={}, plan=None, problem="", busy="", rows_done=0,
        previewed_at="", changed_by=name, fixes=0,
    )  # fmt: skip


def test_own_uploads_are_listed_however_many_others_there_are() -> None:
    """Who has to throw uploads away finds all the own ones on the list, beside the newest of the others."""
    others = [draft_of("bob", number) for number in range(DRAFTS_SHOWN + 5)]
    own = [draft_of("ada", number) for number in range(2)]
    assert own_and_newest([own[0], *others, own[1]], "ada") == [own[0], *others[:DRAFTS_SHOWN], own[1]]


def row(**changes: object) -> DraftRow:
    """A row of three cells."""
    given: dict[str, object] = {
        "line": 17, "file_line": None, "cells": ("E-1", "150"), "verdict": "invalid", "external_id": "E-1", "queue": "",
        "task_id": None, "findings": (), **changes,
    }  # fmt: skip
    return DraftRow(**given)  # type: ignore[arg-type]  # of the right types, above


COLUMNS = [
    cells.ColumnShown(0, "A", "External ID", "", used=True),
    cells.ColumnShown(1, "B", "Prio", "Priority", used=True),
    cells.ColumnShown(2, "C", "Text", "", used=True),
]


def test_finding_is_shown_under_its_cell_and_others_beside_the_verdict() -> None:
    """A finding with a cell stands in it, whatever its sheet is called; one without stands beside the verdict."""
    bad = finding("V304", sheet="My sheet!", column=1, line=17, heading="Prio", value="150", low=0, high=99, default=50)
    lost = finding("V304", sheet="My sheet!", column=9, line=17, heading="X", value="1", low=0, high=99, default=50)
    shown = cells.row_shown(row(findings=(bad, lost)), COLUMNS, "/imports/d/rows")
    assert [each.findings for each in shown.cells] == [(), (bad,), ()]
    assert shown.findings == (lost,)
    assert shown.cells[1].css == "cell bad"
    assert shown.cells[1].label == "Prio 150, row 17, edit"


def test_cell_beyond_the_row_is_blank_and_can_be_fixed() -> None:
    """A row that ends early has blank cells, which are buttons like others; a fix tells what the file says."""
    fixed = FixedCell(1, "999", "Ada", "2026-11-25T00:00:00Z")
    shown = cells.row_shown(row(fixed=(fixed,)), COLUMNS, "/imports/d/rows")
    assert shown.cells[2].label == "Text (blank), row 17, edit"
    assert shown.cells[2].url == "/imports/d/rows/17/2"
    assert shown.cells[1].fixed == fixed


def test_only_columns_that_feed_something_are_shown_unless_asked() -> None:
    """Columns that are not used are left aside; all are shown where it is asked for, or where none is used."""
    used = ColumnChoice(0, "A", "ID", (), "external_id", "exact", None)
    other = ColumnChoice(1, "B", "Notes", (), None, "not used", None)
    both = Columns((used, other), (), (), "", 1)
    assert [each.index for each in cells.columns_shown(both, ("ID", "Notes"), wide=False)] == [0]
    assert [each.index for each in cells.columns_shown(both, ("ID", "Notes"), wide=True)] == [0, 1]
    assert [
        each.index for each in cells.columns_shown(Columns((other,), (), (), "", 1), ("", "Notes"), wide=False)
    ] == [1, 0]


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b", "a\r\nb", "plain", "\x1b[31m", "a\u200bb"])
def test_typed_text_survives_a_form(text: str) -> None:
    """What stands in a field can be encoded and comes back from a form as it was; what can be seen stays."""
    typed = cells.typed(text)
    assert cells.sent(typed.replace("\n", "\r\n")) == typed
    assert typed.encode()
    assert not re.search("[\x00-\x08\x0b-\x1f]", typed)


def test_templates_hold_no_script_and_no_style() -> None:
    """No template has inline script or style, an event attribute, or a value that htmx would run."""
    for path in (WEB / "templates").glob("*.html"):
        text = path.read_text("utf-8")
        found = re.findall(r"<script(?![^>]*\bsrc=)|<style\b|\sstyle=|\son[a-z]+=|hx-on|\bjs:|javascript:", text)
        assert found == [], path.name


def test_script_of_cells_is_small() -> None:
    """What fixing a cell in its place takes beside htmx is less than 3 KB."""
    assert len((WEB / "static" / "cells.js").read_bytes()) < 3_000
