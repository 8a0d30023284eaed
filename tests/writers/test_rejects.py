"""rejects.xlsx holds what a person can mend, in the person's own columns; mended and handed in, it is read as the first file was."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from importer.core.columns import ANNOTATED_HEADINGS, OWN_HEADINGS, added_columns, match_headings
from importer.core.findings import Finding
from importer.core.mapping import Mapping, read_mapping
from importer.core.outcomes import Outcome
from importer.core.report import ResultRow, RunFacts
from importer.core.rows import Line, Row
from importer.core.shape import Shaper
from importer.flow.check import Checked, check
from importer.flow.read import Choices
from importer.ports import ReadOptions
from importer.sources.reader import open_source
from importer.targets.limits import TASKS
from importer.writers.rejects import Help, write_rejects
from tests.writers.made import HEADINGS, PAYLOADS, a_run, again, books, facts, parts, result, sheet_rows

HANDED_BACK = {Outcome.INVALID, Outcome.DUPLICATE, Outcome.FAILED}


def write(folder: Path, rows: Sequence[ResultRow], about: RunFacts | None = None) -> Path:
    return write_rejects(folder, about or facts(), books(rows), again(rows))


def checked(path: Path, mapping: Mapping | None = None) -> Checked:
    with open_source(path, ReadOptions()) as reading:
        return check(reading, Choices(mapping or Mapping()), TASKS)


def codes(findings: Sequence[Finding]) -> list[str]:
    return [each.code for each in findings]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_rejects_are_what_a_person_can_mend(tmp_path: Path, outcome: Outcome) -> None:
    """Rows invalid, duplicate or failed; never one whose task may exist, nor one that the run will still send."""
    lines = sheet_rows(write(tmp_path, [result(2, outcome)]), "Rejects")
    assert (len(lines) == 2) == (outcome in HANDED_BACK)


def test_rejects_are_the_users_own_columns_and_ours(tmp_path: Path) -> None:
    """One sheet: the user's columns in their order, then what is wrong, how to mend it, and where it comes from."""
    path = write(tmp_path, a_run())
    lines = sheet_rows(path, "Rejects")
    assert load_workbook(path).sheetnames == ["Rejects"]
    assert lines[0] == [*HEADINGS, *OWN_HEADINGS]
    assert all(line[6:] == [line[0].replace("EXT-00", "").lstrip("0"), "r-0001"] for line in lines[1:])


def test_rejects_mended_are_ready_without_a_mapping(tmp_path: Path) -> None:
    """Each row's cell corrected and the file saved: all are ready, no column is told as unused, none as without a heading."""
    headings = ("Notes", "Queue", "External ID", "", "Priority", "Description")
    rows = [
        result(2, Outcome.INVALID, ("n", "Billing", "E-2", "", "500", "one")),
        result(3, Outcome.FAILED, ("n", "Nowhere", "E-3", "", "5", "two"), reason="400: no such queue"),
        result(4, Outcome.DUPLICATE, ("n", "Billing", "E-3", "", "5", "=SUM(1)")),
        result(5, Outcome.CREATED, ("n", "Billing", "E-5", "", "5", "five")),
    ]
    path = write(tmp_path, rows, facts(headings=headings))
    book = load_workbook(path)
    sheet = book["Rejects"]
    sheet["E2"], sheet["B3"], sheet["C4"] = 50, "Billing", "E-4"
    book.save(path)
    found = checked(path)
    assert (found.counts["read"], found.counts["ready"]) == (3, 3)
    assert found.header.unused == ("Notes",)
    assert codes(found.findings) == ["H305", "H304"]  # the blank heading is the user's own


def test_rejects_mended_need_the_first_imports_mapping_and_no_more(tmp_path: Path) -> None:
    """A file that needed a mapping needs the same one again."""
    headings = ("Nr", "Ziel", "Betreff")
    mapping = read_mapping({"columns": {"external_id": "HD-{Nr}", "queue": "Ziel", "description": "Betreff"}}, "m")
    rows = [result(2, Outcome.INVALID, ("7", "Billing", ""))]
    path = write(tmp_path, rows, facts(headings=headings))
    book = load_workbook(path)
    book["Rejects"]["C2"] = "now there is one"
    book.save(path)
    found = checked(path, mapping)
    assert found.counts["ready"] == found.counts["read"] == 1
    assert codes(found.findings) == []


def test_rejects_with_shifted_cells_stay_rejected(tmp_path: Path) -> None:
    """A row with more cells than headings is still told when it comes back as it was: our columns do not hide the slip; put right, it is ready."""
    rows = [result(2, Outcome.INVALID, ("E-2", "Billing", "5", "Dear Sir", " or Madam"))]
    path = write(tmp_path, rows)
    found = checked(path)
    assert found.counts["invalid"] == 1
    assert [each.code for each in found.causes] == ["V331"]
    assert codes(found.findings) == []
    book = load_workbook(path)
    book["Rejects"]["D2"], book["Rejects"]["E2"] = "Dear Sir, or Madam", None
    book.save(path)
    assert checked(path).counts["ready"] == 1


def test_rejects_help_as_the_template_does(tmp_path: Path) -> None:
    """Type has the drop-down and priority the bounds of the target; both warn, and a number typed there is read as it is shown."""
    headings = ("External ID", "Queue", "Prio", "Type", "Description")
    rows = [result(2, Outcome.INVALID, ("E-2", "Billing", "500", "mail", "one"))]
    helped = Help(TASKS, {"priority": "Prio", "type": "Type", "queue": "Queue"})
    path = write_rejects(tmp_path, facts(headings=headings), books(rows), again(rows), helped)
    book = load_workbook(path)
    found = {str(each.sqref): each for each in book["Rejects"].data_validations.dataValidation}
    assert (found["C2"].type, found["C2"].formula1, found["C2"].formula2) == ("whole", "0", "99")
    assert (found["D2"].type, found["D2"].formula1) == ("list", '"call,callback,chat,email,message,workitem"')
    assert {each.errorStyle for each in found.values()} == {"warning"}
    book["Rejects"]["C2"], book["Rejects"]["D2"] = 50, "email"
    book.save(path)
    assert checked(path).counts["ready"] == 1


def test_rejects_offer_the_queues_that_were_found(tmp_path: Path) -> None:
    """The queue has a drop-down of names however many, which warns only; one chosen there, the file is read again with nothing to say."""
    rows = [result(2, Outcome.INVALID, ("E-2", "Biling", "5", "one"))]
    names = [f"Queue with quite a long name {number}" for number in range(40)] + ["Billing", "=1+1"]
    path = write_rejects(tmp_path, facts(), books(rows), again(rows), Help(TASKS, {"queue": "Queue"}, names))
    book = load_workbook(path)
    (rule,) = book["Rejects"].data_validations.dataValidation
    assert (str(rule.sqref), rule.type, rule.formula1, rule.errorStyle) == ("B2", "list", "lk_queues", "warning")
    assert book.defined_names["lk_queues"].attr_text == "Lookups!$A$1:$A$42"
    assert [line[0] for line in sheet_rows(path, "Lookups")] == names
    assert book["Lookups"].sheet_state == "veryHidden"
    book["Rejects"]["B2"] = "Billing"
    book.save(path)
    found = checked(path)
    assert found.counts["ready"] == 1
    assert codes(found.findings) == []


@pytest.mark.parametrize("headings", [("Prio", "Prio"), ("Priority class",), ()])
def test_rejects_help_only_where_a_column_is_plain(tmp_path: Path, headings: tuple[str, ...]) -> None:
    """A heading that stands twice, or that only a template names, gets no rule."""
    rows = [result(2, Outcome.INVALID)]
    helped = Help(TASKS, {"priority": "Prio", "type": "{a} {b}"})
    path = write_rejects(tmp_path, facts(headings=headings), books(rows), again(rows), helped)
    assert load_workbook(path)["Rejects"].data_validations.dataValidation == []


def test_rejects_of_an_annotated_copy_have_our_columns_once(tmp_path: Path) -> None:
    """Columns that an earlier report had added are not carried along, neither those of rejects nor those of an annotated copy."""
    about = facts(headings=(*HEADINGS, *OWN_HEADINGS, *ANNOTATED_HEADINGS))
    cells = ("a", "b", "c", "d", "old", "old", "9", "r-0000", "✖ invalid", "old", "")
    lines = sheet_rows(write(tmp_path, [result(2, Outcome.INVALID, cells)], about), "Rejects")
    assert lines[0] == [*HEADINGS, *OWN_HEADINGS]
    assert lines[1][:4] == ["a", "b", "c", "d"]


def test_rejects_text_is_text(tmp_path: Path) -> None:
    """No cell and no heading becomes a formula or a link."""
    rows = [result(2, Outcome.FAILED, PAYLOADS, reason="=1+1")]
    xml = "".join(parts(write(tmp_path, rows, facts(headings=PAYLOADS))).values())
    assert not any(sign in xml for sign in ("<f>", "<f ", "<hyperlink", '<c r="Z9"'))


def test_rejects_of_none_is_a_workbook(tmp_path: Path) -> None:
    """Where nothing was rejected, there are the headings alone."""
    assert len(sheet_rows(write(tmp_path, [result(2)]), "Rejects")) == 1


# What the columns of ours mean when they come back


@pytest.mark.parametrize(
    ("headings", "ours"),
    [
        (HEADINGS, range(4, 4)),
        ((*HEADINGS, *OWN_HEADINGS), range(4, 8)),
        ((*HEADINGS, *ANNOTATED_HEADINGS, "", ""), range(4, 7)),
        ((*HEADINGS, *OWN_HEADINGS, *ANNOTATED_HEADINGS), range(4, 11)),
        ((*HEADINGS, *ANNOTATED_HEADINGS, *OWN_HEADINGS), range(4, 11)),
        ((*HEADINGS, "Task ID"), range(5, 5)),
        ((*HEADINGS, *ANNOTATED_HEADINGS, "Remark"), range(8, 8)),
        (ANNOTATED_HEADINGS, range(3)),
        ((), range(0)),
    ],
)
def test_added_columns_are_those_at_the_end(headings: tuple[str, ...], ours: range) -> None:
    """Ours are found by their headings together, at the right end; a column of the person's own may have one of these names."""
    assert added_columns(headings) == ours


def test_header_does_not_tell_what_we_added() -> None:
    """Neither unused nor blank: nothing is said of our columns, and none of them feeds an attribute of the same name."""
    mapping, cells = Mapping(), [*HEADINGS, "", *ANNOTATED_HEADINGS]
    limits = TASKS.__class__.of({**TASKS.record(), "attributes": (("Task ID", "task_id"),)})
    found = match_headings(Row(Line(1), cells), mapping, limits)
    assert (found.findings, found.unused, found.attributes) == ((), (), {})


@given(st.lists(st.sampled_from(["", "x"]), max_size=10), st.booleans())
def test_shape_says_the_same_with_our_columns(cells: list[str], full: bool) -> None:
    """A row's findings on slipped cells are those that it has without our columns, wherever these stand."""
    mapping = Mapping()

    def slipped(headings: Sequence[str], values: Sequence[str]) -> Any:
        shaper = Shaper(match_headings(Row(Line(1), list(headings)), mapping, TASKS), mapping, TASKS, "Tasks")
        found = shaper(Row(Line(2), list(values))).findings
        return [(each.code, each.cell) for each in found if each.code == "V331"]

    own = ["E-1", "Billing", "5", "text", *cells]
    blank = [""] * len(cells)
    ours = ["✖", "fix", "2", "r"] if full else []
    assert slipped([*HEADINGS, *blank, *OWN_HEADINGS], [*own, *ours]) == slipped(HEADINGS, own)
