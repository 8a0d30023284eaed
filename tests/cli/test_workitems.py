"""Workitems from the command line, as a business user meets them: the same commands, the same results."""

import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.cli.conftest import Shell

HEAD = "External ID,Name,Worktype,Queue,Due,External contact"
HELPDESK = Path(__file__).parents[3] / "shared" / "real" / "helpdesk_customer_tickets.csv"
SANDBOX = ("--target", "workitems", "--sandbox")


def rows(count: int) -> list[str]:
    """Good rows."""
    return [HEAD, *(f"W-{n},Workitem {n},Case,Billing,," for n in range(1, count + 1))]


def results(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of results.json."""
    found: list[dict[str, Any]] = json.loads(Path(body["reports"]["results_json"]).read_text("utf-8"))["rows"]
    return found


def test_workitems_are_created_once_and_found_the_second_time(importer: Shell) -> None:
    """A file's rows become workitems with whole histories; the same file again finds all of them and creates none."""
    file = importer.file("a.csv", *rows(8))
    first = importer("run", file, *SANDBOX, "--yes", "--format", "json")
    assert first.code == 0, first.err
    assert first.json["counts"]["created"] == 8
    for row in results(first.json):
        assert row["states"][0]["state"] == "Open/Idle"
        assert row["states"][-1]["state"] == row["state"]
        assert row["state"].startswith("Closed/")
        assert {each["source"] for each in row["states"]} == {"history"}
        assert row["audit_count"] >= len(row["states"])
    again = importer("run", file, *SANDBOX, "--yes", "--format", "json")
    assert again.json["counts"]["existing"] == 8


def test_plan_and_run_know_their_target(importer: Shell) -> None:
    """Who runs a plan, or follows a run, does not name the target again: the plan was made for one."""
    made = importer("preview", importer.file("a.csv", *rows(3)), *SANDBOX, "--format", "json")
    ran = importer("run", made.json["plan"], "--sandbox", "--track", "none", "--format", "json")
    assert (ran.code, ran.json["counts"]["created"]) == (0, 3)
    followed = importer("track", ran.json["run"], "--sandbox", "--format", "json")
    assert followed.code == 0, followed.err
    assert all(row["state"].startswith("Closed/") for row in results(followed.json))


def test_server_check_tells_what_only_the_target_knows(importer: Shell) -> None:
    """With --server-check the target judges the rows too, and what it refuses is invalid; nothing is created by that."""
    lines = rows(5)
    lines[3] = "W-3,Workitem 3,Case,Billing,2020-01-31,"
    file = importer.file("a.csv", *lines)
    plain = importer("preview", file, *SANDBOX, "--format", "json")
    assert plain.json["counts"]["ready"] == 5
    checked = importer("preview", file, *SANDBOX, "--server-check", "--format", "json")
    assert (checked.json["counts"]["ready"], checked.json["counts"]["invalid"]) == (4, 1)
    preview = Path(checked.json["reports"]["preview_json"]).read_text("utf-8")
    assert "Q523" in preview
    assert importer("preview", file, *SANDBOX, "--format", "json").json["counts"]["existing"] == 0


def test_server_check_of_a_target_without_jobs_is_wrong_usage(importer: Shell) -> None:
    """The founding API cannot check a row without creating it; who asks for that is told so."""
    file = importer.file("a.csv", "External ID,Queue,Description", "E-1,Billing,x")
    ended = importer("preview", file, "--sandbox", "--server-check")
    assert ended.code == 2
    assert "--server-check" in ended.err


@pytest.mark.parametrize("how", ["--bulk", "--no-bulk"])
def test_workitems_are_created_by_jobs_or_one_by_one(importer: Shell, how: str) -> None:
    """By jobs the results tell no correlation ID of a row's own POST; one by one they do. The rest is alike."""
    ran = importer(
        "run", importer.file("a.csv", *rows(4)), *SANDBOX, how, "--yes", "--track", "none", "--format", "json"
    )
    assert ran.json["counts"]["created"] == 4
    assert {row["correlation_id"] is None for row in results(ran.json)} == {how == "--bulk"}
    assert all(row["task_id"] for row in results(ran.json))


def test_template_has_the_names_and_fields_of_the_organisation(importer: Shell) -> None:
    """The template's drop-downs list worktypes and queues, and it has a column for each custom field; it is read back."""
    path = importer.folder / "t.xlsx"
    assert importer("template", *SANDBOX, "--out", path).code == 0
    book = openpyxl.load_workbook(path)
    headings = [str(cell.value) for cell in book["Workitems"][1]]
    assert headings[:3] == ["External ID *", "Name *", "Worktype *"]
    lists = {str(cell.value) for row in book["Lookups"].iter_rows() for cell in row if cell.value}
    assert {"Case", "Complaint", "Billing"} <= lists
    assert len(headings) > 15
    sheet = book["Workitems"]
    for column, text in enumerate(("T-1", "From the template", "Case"), 1):
        sheet.cell(2, column, text)
    book.save(path)
    made = importer("preview", path, *SANDBOX, "--format", "json")
    assert made.json["counts"]["ready"] == 1, made.out


def test_run_of_the_other_target_is_not_carried_on_by_a_wrong_word(importer: Shell) -> None:
    """A plan for workitems does not run where --target names tasks."""
    made = importer("preview", importer.file("a.csv", *rows(2)), *SANDBOX, "--format", "json")
    ran = importer("run", made.json["plan"], "--target", "tasks", "--sandbox")
    assert ran.code == 4
    assert "workitems" in ran.err


@pytest.mark.nightly
@pytest.mark.skipif(not HELPDESK.is_file(), reason="the helpdesk's file is not beside this checkout")
def test_helpdesk_tickets_become_workitems_once_each(importer: Shell) -> None:
    """The real export, named by a template, becomes 600 workitems with whole histories; a second run finds all 600."""
    mapping = Path(__file__).parents[2] / "samples" / "helpdesk-workitems.toml"
    command = ("run", HELPDESK, "--map", mapping, *SANDBOX, "--yes", "--format", "json")
    first = importer(*command)
    assert first.json["counts"]["created"] == 600
    for row in results(first.json):
        assert {each["source"] for each in row["states"]} == {"history"}
        assert row["states"][0]["state"] == "Open/Idle"
        assert row["state"].startswith("Closed/")
    assert importer(*command).json["counts"]["existing"] == 600
