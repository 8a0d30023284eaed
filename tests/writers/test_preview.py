"""preview.xlsx and preview.json show what would happen, and nothing runs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from importer.core.findings import finding
from importer.core.fixes import Fix, Fixed
from importer.core.plan import Environment, PlanRow
from importer.core.verdicts import Verdict
from importer.schemas import schema
from importer.writers.preview_json import write_preview_json
from importer.writers.preview_xlsx import write_preview
from importer.writers.text import visible
from importer.writers.words import worded
from tests.writers.made import HEADINGS, PAYLOADS, RATE, a_plan, again, parts, planned, preview, sheet_rows, wrong


def write(folder: Path, rows: list[PlanRow], **other: Any) -> Path:
    return write_preview(folder, preview(rows, **other), again(rows), RATE)


def summary(path: Path) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for line in sheet_rows(path, "Summary"):
        found.setdefault(str(line[0]), line[1:])
    return found


def test_preview_books_balance(tmp_path: Path) -> None:
    """The verdicts of the summary add up to the rows read, and to the lines of the sheet Rows."""
    rows = a_plan()
    path = write(tmp_path, rows)
    found = summary(path)
    counted = {verdict: found[worded(verdict.value)][0] for verdict in Verdict}
    assert sum(counted.values()) == found["rows read"][0] == len(rows) == len(sheet_rows(path, "Rows")) - 1
    assert sum(found[worded(verdict.value)][1] for verdict in Verdict) == 1


def test_preview_tells_what_an_approver_needs(tmp_path: Path) -> None:
    """File, plan, digest, preparer, warnings apart, forecast and the exact command stand on the first sheet."""
    found = summary(write(tmp_path, a_plan()))
    assert "Import preview: nothing has been sent" in found
    assert found["File"][0] == "tasks-nightly.xlsx"
    assert "7f3a-91c2" in found["Digest"][0]
    assert found["▲ with a warning"][0] == 1
    assert found["in all"][0] == 18
    assert 'importer approve p-0001 --comment "…"' in found
    assert "importer run p-0001 --sandbox" in found


def test_preview_summary_tells_warnings_apart_and_queues_that_are_too_full(tmp_path: Path) -> None:
    """Warnings on the whole file stand before what was assumed; a queue's state has a sign, and says what has no room."""
    queue = preview(a_plan()).head.queues[0]
    queues = (
        {**queue, "room": 2},
        {**queue, "queue": "Old", "status": "closed"},
        {**queue, "queue": "No", "status": None},
    )
    path = write(tmp_path, a_plan(), queues=(*queues, {**queue, "queue": "Any", "room": None}))
    names = [line[0] for line in sheet_rows(path, "Summary")]
    warned = names.index("Warnings on the whole file")
    assert names[warned + 1] == "▲ warning F204"
    assert warned < names.index("What would be sent") < names.index("· note H304")
    found = summary(path)
    states = [found[name][3] for name in ("Billing", "Old", "No", "Any")]
    assert states == ["▲ open, room for 2 of the 3 ready rows", "▲ closed", "✖ not found", "✔ open"]


def test_preview_tells_its_address_as_text(tmp_path: Path) -> None:
    """Where there is a page the workbook names the plan's address, and has no link to it."""
    path = write_preview(tmp_path, preview(a_plan()), again(a_plan()), RATE, "https://importer.example/plans/p-0001")
    assert "On the page: https://importer.example/plans/p-0001" in summary(path)
    assert "hyperlink" not in "".join(parts(path).values())


def test_preview_summary_draws_the_verdicts(tmp_path: Path) -> None:
    """A bar for each verdict, drawn from the table beside it, with a text that says the same; none where no row was read."""
    drawing = parts(write(tmp_path, a_plan()))["xl/drawings/drawing1.xml"]
    assert 'descr="Rows by verdict: ✔ ready 3, • existing 1, ✖ invalid 3, ≡ duplicate 1, – skipped 1"' in drawing
    assert not [name for name in parts(write(tmp_path, [])) if "chart" in name]


def test_preview_rows_show_what_would_be_sent(tmp_path: Path) -> None:
    """A ready row shows the payload's values, a warning is a word, an existing task has its ID; then the user's cells."""
    lines = sheet_rows(write(tmp_path, a_plan()), "Rows")
    assert lines[0][11:] == list(HEADINGS)
    assert lines[1][:8] == [2, "✔ ready", "EXT-0002", "Billing", 50, "email", "Task of line 2", "language: de"]
    assert lines[2][1] == "▲ ready, warning"
    assert lines[3][10] == "task-9"
    assert lines[6][8] == "V304: Priority 150 is outside 0–99."
    assert lines[1][11:] == ["EXT-0002", "Billing", "50", "Task of line 2"]


def test_preview_of_workitems_shows_what_would_be_sent(tmp_path: Path) -> None:
    """Workitems have a name, their priority at the top and no type: all that is sent is shown, and no word None."""
    sent = {"externalTag": "E", "name": "Case 4711", "description": "late", "priority": 700, "queueId": "q-1"}
    sent |= {"dateDue": "2026-12-01T00:00:00Z", "customFields": {"ticket_text": "T-1"}}
    path = write(tmp_path, [replace(planned(2), payload=sent)], environment=Environment("workitems", "sandbox:w1", ""))
    (line,) = sheet_rows(path, "Rows")[1:]
    assert line[4:8] == [700, None, "Case 4711\nlate", "dateDue: 2026-12-01T00:00:00Z; ticket_text: T-1"]
    found = summary(path)
    assert found["Priorities"][0] == "700 (1 row)"
    assert "Types" not in found


def test_preview_tells_the_fixes_that_were_made(tmp_path: Path) -> None:
    """Each corrected cell has a line: where, what it was, what it is now, who did it and when; the first sheet says how many."""
    made = preview(a_plan(), fixes=(Fix(7, 2, "=1+1", "50"), Fix(8, 9, "", "x")))
    about = replace(made.about, fixed=(Fixed(7, 2, "anna", "2026-01-05T19:00:00Z"),))
    path = write_preview(tmp_path, replace(made, about=about), again(a_plan()), RATE)
    lines = sheet_rows(path, "Fixes")
    assert lines[1] == [7, "Tasks!C7", "Priority", "=1+1", "50", "anna", "2026-01-05 19:00:00"]
    assert lines[2] == [8, "Tasks!J8", "J", None, "x", None, None]
    assert "in 2 cells" in summary(path)["Fixes made"][0]


def test_preview_problems_are_ranked_by_what_they_free(tmp_path: Path) -> None:
    """Errors come first, the one that frees most rows at the top, warnings after them."""
    lines = sheet_rows(write(tmp_path, a_plan()), "Problems")[1:]
    assert [(line[1], line[5], line[6]) for line in lines] == [("V304", 3, 2), ("V311", 1, 0), ("V341", 1, 0)]
    assert lines[0][7] == "7, 8, 9"


def test_preview_queues_tell_room_and_rows(tmp_path: Path) -> None:
    """Each queue has its state, room and rows by verdict."""
    line = sheet_rows(write(tmp_path, a_plan()), "Queues")[1]
    assert line == ["Billing", "q-1", "open", 3, 10, 7, 9, 3, 1, 3, 1]


def test_preview_user_text_never_becomes_a_formula(tmp_path: Path) -> None:
    """Payloads in cells, headings, findings, queue names and the mapping stay text."""
    rows = [planned(2, Verdict.INVALID, *(wrong(2, text) for text in PAYLOADS), cells=PAYLOADS)]
    told = tuple(finding("H304", count=1, headings=text) for text in PAYLOADS)
    path = write(tmp_path, rows, headings=PAYLOADS, findings=told, sheet="=1+1", matched=dict.fromkeys(PAYLOADS, "=1"))
    sheets = [xml for name, xml in parts(path).items() if name.startswith("xl/worksheets/")]
    assert not [xml for xml in sheets if "<f>" in xml or "<f " in xml or "<hyperlink" in xml]
    assert tuple(sheet_rows(path, "Rows")[1][11:]) == tuple(map(visible, PAYLOADS))


def test_preview_json_fits_its_schema(tmp_path: Path) -> None:
    """What is written validates; rows are in file order with payloads as they would be sent."""
    rows = a_plan()
    path = write_preview_json(tmp_path, preview(rows), again(rows), RATE)
    found = json.loads(path.read_text("utf-8"))
    Draft202012Validator(schema("importer.preview-report/1")).validate(found)
    assert [row["line"] for row in found["rows"]] == [row.line for row in rows]
    assert found["rows"][0]["payload"] == rows[0].payload
    assert [cause["code"] for cause in found["problems"]] == ["V304", "V311", "V341"]
    counts = dict(found["counts"])
    assert counts.pop("read") == sum(counts.values())
