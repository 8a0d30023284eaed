"""results.xlsx accounts for every row and executes nothing."""

from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importer.core.columns import OWN_HEADINGS
from importer.core.deviation import THERE_BY_THEN
from importer.core.findings import finding
from importer.core.outcomes import Outcome
from importer.core.report import NOT_REQUIRED, OUTCOME_KEYS, ResultRow, RunFacts, StateChange
from importer.core.timing import Timing
from importer.ports import ReadOptions
from importer.sources.reader import open_source
from importer.writers.results_xlsx import CAUSES_SHOWN, write_results
from importer.writers.survey import CAUSES_MOST, survey
from importer.writers.text import visible
from importer.writers.words import worded
from tests.writers.made import HEADINGS, PAYLOADS, STATES, a_run, again, books, facts, parts, result, sheet_rows

REJECTED = ("invalid", "duplicate", "failed", "not_sent")


def write(folder: Path, rows: list[ResultRow], about: RunFacts | None = None, **more: Any) -> Path:
    return write_results(folder, about or facts(), books(rows), again(rows), **more)


def outcome_table(path: Path) -> dict[str, Any]:
    lines = sheet_rows(path, "Summary")
    start = next(index for index, line in enumerate(lines) if line[0] == "Outcome")
    return {str(line[0]): line[1] for line in lines[start + 1 : start + 10]}


def test_results_books_balance_in_every_sheet(tmp_path: Path) -> None:
    """Summary, Results, Rejects and Run info tell the same numbers, and they add up to the rows read."""
    rows = a_run()
    path, counts = write(tmp_path, rows), books(rows)
    summary = outcome_table(path)
    assert {key: summary[worded(key)] for key in OUTCOME_KEYS} == {key: counts[key] for key in OUTCOME_KEYS}
    assert summary["rows read"] == counts["read"] == len(rows)
    words = [line[1] for line in sheet_rows(path, "Results")[1:]]
    assert {key: words.count(worded(key)) for key in OUTCOME_KEYS} == {key: counts[key] for key in OUTCOME_KEYS}
    assert len(sheet_rows(path, "Rejects")) - 1 == sum(counts[key] for key in REJECTED)
    info = {line[0]: line[1] for line in sheet_rows(path, "Run info")}
    assert info["rows read"] == str(len(rows))


def deviations(path: Path) -> dict[tuple[Any, Any], Any]:
    """The lines of the comparison with the plan: rows by name and cause, with the first of them."""
    lines = sheet_rows(path, "Summary")
    start = next(index for index, line in enumerate(lines) if str(line[0]).endswith(" and done"))
    table = takewhile(lambda line: line[0] is not None, lines[start + 1 :])
    return {(line[0], line[2] if len(line) > 2 else None): line[1] for line in table}


def test_results_tell_what_was_approved_and_not_done(tmp_path: Path) -> None:
    """Rows approved are rows created and deviations, each with its cause; what was left out with the approval is none."""
    refused = finding("S601", line=3, status="400", problem="no such queue")
    late = finding("S603", line=5, run="r-0001", problem="the run stopped before its turn")
    drift = finding("P703", line=6, change="The queue Billing is closed now")
    rows = [
        result(2), result(3, Outcome.FAILED, findings=(refused,)), result(4, Outcome.FAILED, findings=(refused,)),
        result(5, Outcome.NOT_SENT, findings=(late,)), result(6, Outcome.SKIPPED, findings=(drift,)),
        result(7, Outcome.SKIPPED, findings=(finding("P702", line=7, who="ben", reason="later"),)),
        result(8, Outcome.EXISTING, findings=(finding("D402", line=8, task_id="task-8"),)),
        result(9, Outcome.EXISTING), result(10, Outcome.INVALID),
    ]  # fmt: skip
    assert deviations(write(tmp_path, rows)) == {
        ("Approved to be created", None): 6,
        (worded("created"), "sent, and a task was made"): 1,
        (worded("failed"), refused.message): 2,
        (worded("not_sent"), late.message): 1,
        (worded("skipped"), drift.message): 1,
        (worded("existing"), THERE_BY_THEN): 1,
    }


def test_results_tell_causes_beyond_the_most(tmp_path: Path) -> None:
    """A target that gives each row a reason of its own fills no memory and no sheet: what is not shown is counted."""
    rows = [
        result(line, Outcome.FAILED, findings=(finding("S601", line=line, status="400", problem=f"odd {line}"),))
        for line in range(2, 2 + CAUSES_MOST + 50)
    ]
    assert len(survey(rows).deviations) == CAUSES_MOST + 1
    path = write(tmp_path, rows, facts(approval=NOT_REQUIRED))
    assert deviations(path)["Planned to be created", None] == len(rows)
    assert sum(rows for (name, _), rows in deviations(path).items() if name == worded("failed")) < len(rows)
    told = [str(line[0]) for line in sheet_rows(path, "Summary")]
    assert any(text.startswith(f"{CAUSES_MOST - CAUSES_SHOWN + 1:,} more rows") for text in told), told


def test_results_queue_table_adds_up(tmp_path: Path) -> None:
    """The queue × outcome table of the summary counts every row once."""
    rows = [*a_run(), result(99, queue="Support"), result(100, Outcome.INVALID, queue="")]
    lines = sheet_rows(write(tmp_path, rows), "Summary")
    start = next(index for index, line in enumerate(lines) if line[0] == "Queue")
    table = lines[start + 1 : start + 4]
    total = [cell for cell in lines[start] if cell].index("rows")
    assert {line[0] for line in table} == {"Billing", "Support", "(no queue)"}
    assert sum(line[total] for line in table) == len(rows)


def test_results_summary_tells_dwell_times(tmp_path: Path) -> None:
    """For each state that was left there are changes, median and 95th percentile in seconds."""
    lines = sheet_rows(write(tmp_path, [result(2), result(3)]), "Summary")
    found = {line[0]: line[1:4] for line in lines}
    assert found["new"] == [2, 1.5, 1.5]
    assert found["queued"][0] == 2
    assert found["queued"][1] == pytest.approx(12 * 3600, abs=1)


def test_results_summary_draws_the_outcomes(tmp_path: Path) -> None:
    """A bar for each outcome, drawn from the table beside it, flat, with a text that says the same as the picture."""
    from openpyxl import load_workbook

    path = write(tmp_path, a_run())
    (chart,) = load_workbook(path)["Summary"]._charts  # type: ignore[attr-defined]
    lines = sheet_rows(path, "Summary")
    first = next(index for index, line in enumerate(lines) if line[0] == "Outcome") + 2
    assert chart.series[0].cat.strRef.f == f"Summary!$A${first}:$A${first + len(OUTCOME_KEYS) - 1}"
    assert chart.series[0].val.numRef.f == f"Summary!$B${first}:$B${first + len(OUTCOME_KEYS) - 1}"
    drawing = parts(path)["xl/drawings/drawing1.xml"]
    assert 'descr="Rows by outcome: ✔ created 6, • existing 1, ✖ failed 1' in drawing
    assert "3D" not in parts(path)["xl/charts/chart1.xml"]


def test_results_summary_tells_and_draws_tasks_over_time(tmp_path: Path) -> None:
    """Tasks created each minute, pauses included: a table, the busiest minute, and a line drawn from it."""
    times = ["23:58:01", "23:58:59", "23:59:30", "23:56:00"]
    rows = [
        result(line, states=(StateChange("new", f"2026-01-05T{time}Z", "created"),)) for line, time in enumerate(times)
    ]
    path = write(tmp_path, [*rows, result(9, Outcome.EXISTING)])
    lines = sheet_rows(path, "Summary")
    start = next(i for i, line in enumerate(lines) if line[0] == "Created each minute from (UTC)")
    assert [line[:2] for line in lines[start + 1 : start + 5]] == [["23:56", 1], ["23:57", 0], ["23:58", 2], ["23:59", 1]]  # fmt: skip
    assert ["In one minute at most", 2] in [line[:2] for line in lines]
    assert "Created each minute: from 0 to 2, 23:56 to 23:59" in parts(path)["xl/drawings/drawing1.xml"]


@pytest.mark.parametrize("at", ["2026-02-30T21:00:00Z", "0000-00-00T00:00:00Z", "2026-01-05T24:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])  # fmt: skip
def test_results_tell_times_that_are_none_as_they_are(tmp_path: Path, at: str) -> None:
    """A time of the target's that no calendar has costs no report: its text is shown, and other tasks are counted over time."""
    odd = result(2, states=(StateChange("new", at, "created"), *STATES[1:]))
    path = write(tmp_path, [odd, result(3)])
    assert at[:10] in str(sheet_rows(path, "States")[1][5])
    assert ["In one minute at most", 1] in [line[:2] for line in sheet_rows(path, "Summary")]


def test_results_summary_tells_how_long_creating_took(tmp_path: Path) -> None:
    """Duration against what the cap alone takes, calls that were told to wait or got no answer, and how fast answers came."""
    taken = Timing(
        calls=600, throttled=3, lost=1, begun_at="2026-01-05T21:00:00.000Z", ended_at="2026-01-05T21:03:20.000Z",
        took_s=200.0, least_s=120.0, median_s=0.08, late_s=0.2, most_s=1.25,
    )  # fmt: skip
    found = {line[0]: line[1:4] for line in sheet_rows(write(tmp_path, [result(2)], facts(timing=taken)), "Summary")}
    assert found["Took, pauses included"][0] == "3 min 20 s; at the cap of the rate so many calls take 2 min 0 s"
    assert [found[name][0] for name in ("Answered", "Of these, told to wait (429)", "Not answered, looked up")] == [
        600,
        3,
        1,
    ]
    assert found["of these calls"] == [0.08, 0.2, 1.25]


def test_survey_shows_long_runs_in_longer_spans() -> None:
    """A run of days is told in at most 60 spans of so many minutes; every task is counted once."""
    times = [f"2026-01-{5 + hour // 24:02}T{hour % 24:02}:30:00Z" for hour in range(100)]
    rows = [result(line, states=(StateChange("new", at, "created"),)) for line, at in enumerate(times)]
    step, spans = survey(rows).throughput()
    assert step == 120
    assert len(spans) <= 60
    assert sum(number for _, number in spans) == 100
    assert spans[0][0] == "2026-01-05 00:30"


def test_results_columns_stand_in_the_users_order(tmp_path: Path) -> None:
    """Line and outcome, then all the user's columns under their own headings, blank ones too, then ours."""
    headings = ("Notes", "", "External ID", "Line", "Notes")
    row = result(2, cells=("n", "extra", "007", "x", "m"))
    lines = sheet_rows(write(tmp_path, [row], facts(headings=headings)), "Results")
    assert lines[0][:8] == ["Line", "Outcome", "Notes", None, "External ID", "Line", "Notes", "Task ID"]
    assert lines[1][:8] == [2, "✔ created", "n", "extra", "007", "x", "m", "task-2"]


def test_results_row_wider_than_the_headings_keeps_its_cells(tmp_path: Path) -> None:
    """Cells beyond the last heading stand under blank headings, before our columns, in both tables."""
    rows = [result(2), result(3, Outcome.INVALID, cells=("a", "b", "c", "d", "e", "f"))]
    path = write(tmp_path, rows)
    results, rejects = sheet_rows(path, "Results"), sheet_rows(path, "Rejects")
    assert results[0][6:9] == [None, None, "Task ID"]
    assert results[2][2:8] == list("abcdef")
    assert rejects[0][4:8] == [None, None, *OWN_HEADINGS[:2]]
    assert rejects[1][:6] == list("abcdef")


def test_results_history_is_compact_and_marks_audits(tmp_path: Path) -> None:
    """States stand with their times, the date where it changes, and `(audit)` where an audit entry filled a hole."""
    line = sheet_rows(write(tmp_path, [result(2)]), "Results")[1]
    assert line[8] == "new 21:00:01 → queued 21:00:02 (audit) → closed 2026-01-06 09:00:02"


def test_results_audits_not_fetched_are_blank(tmp_path: Path) -> None:
    """An audit count that is not known is an empty cell, a known one of none is 0."""
    lines = sheet_rows(write(tmp_path, [result(2, audit_count=None), result(3, audit_count=0)]), "Results")
    assert [line[9] for line in lines[1:]] == [None, 0]


def test_results_reason_tells_what_was_found(tmp_path: Path) -> None:
    """A row never sent shows its findings' messages, a failed one its reason."""
    rows = [result(2, Outcome.INVALID), result(3, Outcome.FAILED, reason="400: no such queue")]
    lines = sheet_rows(write(tmp_path, rows), "Results")
    assert lines[1][11] == "V304: Priority 150 is outside 0–99."
    assert lines[2][11] == "400: no such queue"


def test_results_rows_are_as_high_as_their_texts(tmp_path: Path) -> None:
    """A row whose reason wraps has room for all its lines, whatever program opens it; others are as high as usual."""
    from openpyxl import load_workbook

    rows = [result(2), result(3, Outcome.FAILED, reason="x" * 150), result(4, Outcome.FAILED, reason="a\nb" * 99)]
    sheet = load_workbook(write(tmp_path, rows))["Results"]
    assert [sheet.row_dimensions[line].height for line in (2, 3, 4)] == [None, 45, 405]


def test_states_has_a_line_each_change(tmp_path: Path) -> None:
    """Each change has line, sequence, time, source and the seconds until the next; the last has none."""
    lines = sheet_rows(write(tmp_path, [result(7)]), "States")
    assert lines[1] == [7, "EXT-0007", "task-7", 1, "new", "2026-01-05 21:00:01", "created", 1.5]
    assert [line[4] for line in lines[1:]] == [each.state for each in STATES]
    assert lines[3][7] is None


def test_audit_has_a_line_each_entry(tmp_path: Path) -> None:
    """Each entry has its time, actor, action, task, row and what changed."""
    lines = sheet_rows(write(tmp_path, [result(7)]), "Audit")
    assert lines[2] == ["2026-01-05 21:00:02", "system", "task-update", "task-7", "EXT-0007", 7, "state: new → queued"]


def test_full_sheet_goes_on_in_a_second_one(tmp_path: Path) -> None:
    """Where a sheet's rows end, `States 2` goes on under the same headings; no change is lost."""
    path = write(tmp_path, [result(line) for line in range(2, 6)], rows_most=6)
    first, second, third = (sheet_rows(path, name) for name in ("States", "States 2", "States 3"))
    assert first[0] == second[0] == third[0]
    assert [len(first), len(second), len(third)] == [6, 6, 3]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_rejects_hold_what_can_be_handed_in_again(tmp_path: Path, outcome: Outcome) -> None:
    """Rows invalid, duplicate, failed and not sent are rejects; an unknown one never is."""
    lines = sheet_rows(write(tmp_path, [result(2, outcome)]), "Rejects")
    assert (len(lines) == 2) == (outcome.value in REJECTED)


def test_rejects_read_back_as_the_users_own_rows(tmp_path: Path) -> None:
    """Our own source reads the sheet Rejects: header on line 1, each cell the text that was read."""
    cells = ("00123", "Fragen & Antworten", "1e5", "Grüße\nzweite Zeile 😀")
    path = write(tmp_path, [result(2), result(3, Outcome.INVALID, cells=cells)])
    with open_source(path, ReadOptions("Rejects")) as reading:
        rows = list(reading.rows)
    assert tuple(rows[0].cells) == (*HEADINGS, *OWN_HEADINGS)
    assert rows[0].line == 1
    assert tuple(rows[1].cells[:4]) == cells
    assert tuple(rows[1].cells[6:8]) == ("3", "r-0001")


def test_rejects_of_rejects_have_our_columns_once(tmp_path: Path) -> None:
    """Columns that an earlier Rejects sheet had added are not carried along."""
    about = facts(headings=(*HEADINGS, *OWN_HEADINGS))
    row = result(2, Outcome.INVALID, cells=("a", "b", "c", "d", "old", "old", "9", "r-0000"))
    lines = sheet_rows(write(tmp_path, [row], about), "Rejects")
    assert lines[0] == [*HEADINGS, *OWN_HEADINGS]
    assert lines[1][:4] == ["a", "b", "c", "d"]
    assert lines[1][6:] == ["2", "r-0001"]


def test_results_user_text_never_becomes_a_formula_or_link(tmp_path: Path) -> None:
    """In cells, headings, names and times alike a payload stays text: no formula, link or foreign markup anywhere."""
    hostile = facts(
        headings=PAYLOADS, source="/data/=1+1&G&P.csv", sheet="=1+1", preparer="=1+1", note="=cmd", approval="@x",
        settings={"=1+1": "=1+1"}, environment="=1+1",
    )  # fmt: skip
    rows = [
        result(2, cells=PAYLOADS),
        result(3, Outcome.FAILED, cells=PAYLOADS, reason="=1+1"),
        *(result(4 + i, external_id=text, queue=text, task_id=text, state=text) for i, text in enumerate(PAYLOADS)),
    ]
    path = write(tmp_path, rows, hostile)
    sheets = {name: xml for name, xml in parts(path).items() if name.startswith("xl/worksheets/")}
    assert not [name for name, xml in sheets.items() if "<f>" in xml or "<f " in xml or "<hyperlink" in xml]
    assert not any('<c r="Z9"' in xml for xml in sheets.values())
    assert not any("relationships/hyperlink" in xml or "externalLink" in xml for xml in parts(path).values())
    assert tuple(sheet_rows(path, "Rejects")[1][: len(PAYLOADS)]) == tuple(map(visible, PAYLOADS))
    assert tuple(sheet_rows(path, "Results")[0][2 : 2 + len(PAYLOADS)]) == tuple(map(visible, PAYLOADS))


@pytest.mark.parametrize("name", ["A&G.csv", "&[Picture]&P&D.csv", "2026 & more.csv"])
@pytest.mark.filterwarnings("error")
def test_results_file_name_is_no_code_of_the_footer(tmp_path: Path, name: str) -> None:
    """A file's name in the footer is a name: its ampersands are no codes, its first digit is no font size."""
    path = write(tmp_path, [], facts(source=f"/data/{name}"))
    footer = parts(path)["xl/worksheets/sheet1.xml"].split("<oddFooter>")[1]
    assert footer.startswith("&amp;L&amp;8 " + name.replace("&", "＆"))


def test_results_control_characters_are_visible(tmp_path: Path) -> None:
    """A control character, a NUL or half a surrogate pair does not break the workbook; it is shown."""
    row = result(2, Outcome.INVALID, cells=("a\x00b", "c\x0bd", "e\ud800f", "g\uffffh"))
    line = sheet_rows(write(tmp_path, [row], facts(headings=("a\x01", "b", "c", "d"))), "Rejects")[1]
    assert line[:4] == ["a␀b", "c␋d", "e�f", "g�h"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(codec=None), max_size=30), min_size=1, max_size=8))
def test_rejects_round_trip_any_text(tmp_path: Path, cells: list[str]) -> None:
    """Whatever text a cell had, openpyxl reads its visible form back."""
    path = write(tmp_path, [result(2, Outcome.INVALID, cells=cells)], facts(headings=tuple("abcdefgh")[: len(cells)]))
    line = sheet_rows(path, "Rejects")[1]
    assert [cell or "" for cell in line[: len(cells)]] == [visible(cell) for cell in cells]


def test_results_of_no_rows_is_a_workbook(tmp_path: Path) -> None:
    """A run without rows has all sheets and balanced books."""
    path = write(tmp_path, [])
    assert outcome_table(path)["rows read"] == 0
    assert len(sheet_rows(path, "Results")) == 1


def test_results_say_when_the_run_went_on(tmp_path: Path) -> None:
    """Counts that the rows do not bear out are told on the summary, never silently shown."""
    rows = a_run()
    path = write_results(tmp_path, facts(), books(rows[:-1]), again(rows))
    assert any("went on while" in str(line[0]) for line in sheet_rows(path, "Summary"))


def test_results_leave_no_temporary_files(tmp_path: Path) -> None:
    """The folder holds the workbook alone, also after an error in the middle of the rows."""
    write(tmp_path / "good", a_run())
    assert [each.name for each in (tmp_path / "good").iterdir()] == ["results.xlsx"]
    bad = [*a_run(), None]
    with pytest.raises(AttributeError):
        write_results(tmp_path / "bad", facts(), books(a_run()), again(bad))
    assert not (tmp_path / "bad").exists() or not list((tmp_path / "bad").iterdir())


def test_results_words_stand_beside_colours(tmp_path: Path) -> None:
    """Each outcome cell has sign, word and fill; the same outcome always the same fill."""
    from openpyxl import load_workbook

    sheet = load_workbook(write(tmp_path, a_run()))["Results"]
    fills = {(sheet.cell(row, 2).value, sheet.cell(row, 2).fill.fgColor.rgb) for row in range(2, sheet.max_row + 1)}
    assert len(fills) == len(OUTCOME_KEYS)
    assert sheet.freeze_panes == "C2"
    assert sheet.auto_filter.ref is not None
    assert max(column.width for column in sheet.column_dimensions.values()) <= 61
