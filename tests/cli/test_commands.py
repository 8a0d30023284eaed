"""What scripts and people rely on: exit codes, one JSON object, messages that say what to do."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from importer.schemas import schema
from tests.cli.conftest import Shell

SAMPLES = Path(__file__).parents[2] / "samples"
HEAD = "External ID,Queue,Priority,Description,Case note"
BALANCED = ("created", "existing", "failed", "unknown", "not_sent", "invalid", "duplicate", "skipped")
HEAVY = ("pandas", "openpyxl", "aiohttp", "xlsxwriter", "numpy")


def loaded(*arguments: str | Path) -> set[str]:
    """The modules that a command has loaded when it ends."""
    code = (
        "import sys, json\nfrom importer.cli.door import guarded\n"
        f"guarded({[str(each) for each in arguments]!r})\n"
        "sys.stderr.write('\\nMODULES ' + json.dumps(sorted(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(ended.stderr.rpartition("MODULES ")[2]))


def test_help_loads_nothing_heavy() -> None:
    """`importer --help` loads neither pandas, openpyxl nor aiohttp."""
    assert not loaded("--help").intersection(HEAVY)


def test_check_of_a_csv_loads_nothing_heavy() -> None:
    """`importer check FILE.csv` loads neither pandas, openpyxl nor aiohttp."""
    assert not loaded("check", SAMPLES / "tasks-small.csv").intersection(HEAVY)


def test_help_lists_the_exit_codes(importer: Shell) -> None:
    """The help lists the exit codes."""
    ended = importer("--help")
    assert ended.code == 0
    assert "8 another importer sends" in " ".join(ended.out.split())


@pytest.mark.parametrize(
    "command",
    [
        "check",
        "preview",
        "run",
        "resume",
        "reconcile",
        "ledger",
        "track",
        "report",
        "status",
        "runs",
        "approve",
        "map",
        "explain",
        "template",
        "serve",
        "sandbox",
        "demo",
        "doctor",
    ],
)
def test_command_has_help(importer: Shell, command: str) -> None:
    """Every command explains itself."""
    ended = importer(command, "--help")
    assert ended.code == 0
    assert "Usage:" in ended.out


def test_check_says_every_problem_of_a_row(importer: Shell) -> None:
    """All findings of a row are told at once, with cell, value and fix, and the exit code is 3."""
    file = importer.file("a.csv", HEAD, "E1,Billing,150,,x", "E2,Billing,7,fine,y")
    ended = importer("check", file, "--format", "json")
    assert ended.code == 3
    body = ended.json
    jsonschema.validate(body, schema("importer.check/1"))
    assert body["counts"]["ready"] == 1
    assert {each["code"] for each in body["problems"]} >= {"V304", "V311"}
    words = importer("check", file)
    assert "Priority 150 is outside 0–99" in words.err
    assert "C2" in words.err


def test_run_of_a_file_balances_and_a_second_run_finds_all(importer: Shell) -> None:
    """A file is created once: the second run of it finds every task as existing. Both end with 5 for the invalid row."""
    file = importer.file("a.csv", HEAD, "E1,billing,5,one,a", "E2,Claims,,two,b", "E3,Claims,500,three,c")
    first = importer("run", file, "--yes", "--sandbox", "--format", "json", "--out", "out")
    body = first.json
    jsonschema.validate(body, schema("importer.run/1"))
    assert (first.code, body["exit_code"]) == (5, 5)
    assert {name: count for name, count in body["counts"].items() if count} == {"read": 3, "created": 2, "invalid": 1}
    results = json.loads(Path(body["reports"]["results_json"]).read_text("utf-8"))
    jsonschema.validate(results, schema("importer.results/1"))
    assert [row["line"] for row in results["rows"]] == [2, 3, 4]
    assert results["rows"][0]["state"] in ("closed", "cancelled")
    assert results["rows"][0]["audit_count"] == len(results["rows"][0]["states"])
    second = importer("run", file, "--yes", "--sandbox", "--format", "json", "--out", "out").json
    assert second["counts"]["existing"] == 2
    assert second["counts"]["read"] == sum(second["counts"][name] for name in BALANCED)


def test_preview_writes_reports_that_agree(importer: Shell) -> None:
    """A preview leaves a workbook, a page that can be mailed, JSON and the plan; the page names the plan and its counts."""
    file = importer.file("a.csv", HEAD, "E1,Billing,5,one,a", "E2,Claims,500,two,b")
    body = importer("preview", file, "--sandbox", "--format", "json", "--out", "out").json
    assert set(body["reports"]) == {"preview_xlsx", "preview_html", "preview_json", "plan"}
    page = Path(body["reports"]["preview_html"]).read_text("utf-8")
    assert f'importer approve {body["plan"]} --comment "…"' in page
    assert "2 rows read = 1 ready + 1 invalid." in page
    assert body["digest"] in page


def test_plan_runs_once(importer: Shell) -> None:
    """A plan that ran is refused with exit code 4 and the way on."""
    file = importer.file("a.csv", HEAD, "E1,Billing,5,one,a")
    plan = importer("preview", file, "--sandbox", "--format", "json").json["plan"]
    assert importer("run", plan, "--sandbox", "--track", "none").code == 0
    again = importer("run", plan, "--sandbox", "--track", "none")
    assert again.code == 4
    assert "ran already" in again.err


def test_required_approval_is_asked_for_and_counts(importer: Shell) -> None:
    """With --require-approval a plan runs only after it was approved, and never after it was rejected."""
    file = importer.file("a.csv", HEAD, "E1,Billing,5,one,a")
    plan = importer("preview", file, "--sandbox", "--format", "json").json["plan"]
    options = ("--sandbox", "--track", "none", "--require-approval")
    assert importer("run", plan, *options).code == 4
    assert importer("approve", plan, "--comment", "fine").code == 0
    assert importer("approve", plan, "--reject", "--comment", "no, wait").code == 0
    assert importer("run", plan, *options).code == 4
    assert importer("approve", plan, "--comment", "fine after all").code == 0
    assert importer("run", plan, *options).code == 0


def test_changed_file_is_refused(importer: Shell) -> None:
    """A plan whose file was changed since is refused with exit code 4, naming the file."""
    file = importer.file("a.csv", HEAD, "E1,Billing,5,one,a")
    plan = importer("preview", file, "--sandbox", "--format", "json").json["plan"]
    importer.file("a.csv", HEAD, "E1,Billing,6,one,a")
    refused = importer("run", plan, "--sandbox")
    assert refused.code == 4
    assert "a.csv was changed" in refused.err
    assert importer("plan", "verify", plan).code == 4


def test_plan_of_another_environment_is_refused(importer: Shell) -> None:
    """A plan that was made for one world is not run in another: exit code 4, both are named, and no run is opened."""
    file = importer.file("a.csv", HEAD, "E1,Billing,5,one,a")
    plan = importer("preview", file, "--sandbox", "--format", "json").json["plan"]
    (importer.folder / "state" / "sandbox" / "world.jsonl").unlink()
    refused = importer("run", plan, "--sandbox", "--track", "none")
    assert refused.code == 4
    assert refused.err.count("tasks at sandbox:") == 2
    assert importer("runs", "--format", "json").json["runs"] == []


@pytest.mark.parametrize("command", ["resume", "reconcile"])
def test_run_of_another_environment_is_not_carried_on(importer: Shell, command: str) -> None:
    """A run of one world is neither resumed nor reconciled in another: exit code 4, and both are named."""
    file = importer.file("a.csv", HEAD, "E1,Billing,5,one,a")
    done = importer("run", file, "--yes", "--sandbox", "--track", "none", "--format", "json").json["run"]
    (importer.folder / "state" / "sandbox" / "world.jsonl").unlink()
    refused = importer(command, done, "--sandbox")
    assert refused.code == 4
    assert f"{done} belongs to tasks at sandbox:" in refused.err


def test_file_without_yes_asks_nobody(importer: Shell) -> None:
    """Without a terminal and without --yes a file is not run: exit code 2."""
    file = importer.file("a.csv", HEAD, "E1,Billing,5,one,a")
    ended = importer("run", file, "--sandbox")
    assert ended.code == 2
    assert "--yes" in ended.err


def test_missing_credentials_are_named(importer: Shell) -> None:
    """Without credentials a command that needs them says which variables, or --sandbox: exit code 6."""
    file = importer.file("a.csv", HEAD, "E1,Billing,5,one,a")
    importer.environment["GENESYS_ENV_HOST"] = "mypurecloud.com"
    ended = importer("preview", file)
    assert ended.code == 6
    assert "GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET" in ended.err
    assert "--sandbox" in ended.err


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ((), "F101"),
        (("",), "F102"),
        ((HEAD,), "F103"),
        (("a,b", "1,2"), "H301"),
        (("queue,Queue,External ID,Description", "a,b,c,d"), "H302"),
    ],
)
def test_unusable_file_is_refused(importer: Shell, lines: tuple[str, ...], code: str) -> None:
    """A file that cannot be taken ends with exit code 2, its code, and no traceback; as JSON too."""
    file = importer.file("a.csv", *lines) if lines else importer.folder / "nothing.csv"
    ended = importer("check", file, "--format", "json")
    body: dict[str, Any] = ended.json
    assert (ended.code, body["exit_code"]) == (2, 2)
    assert body["findings"][0]["code"] == code
    assert "Traceback" not in ended.err


def test_nothing_to_resume_is_fine(importer: Shell) -> None:
    """`importer resume` with nothing to do ends with 0."""
    ended = importer("resume", "--sandbox", "--format", "json")
    assert ended.code == 0
    jsonschema.validate(ended.json, schema("importer.resume/1"))


def test_sandbox_never_makes_a_live_row_existing(importer: Shell) -> None:
    """What a sandbox world holds is not `existing` in another world."""
    file = importer.file("a.csv", HEAD, "E1,Billing,5,one,a")
    importer("run", file, "--yes", "--sandbox", "--track", "none")
    (importer.folder / "state" / "sandbox" / "world.jsonl").unlink()
    again = importer("preview", file, "--sandbox", "--format", "json").json
    assert again["counts"]["ready"] == 1


def test_template_is_read_without_mapping(importer: Shell) -> None:
    """What is filled in on the template's first sheet is read without a mapping."""
    import openpyxl

    assert importer("template", "--out", "t.xlsx", "--sandbox").code == 0
    path = importer.folder / "t.xlsx"
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    for address, value in (("A2", "E1"), ("B2", "Billing"), ("D2", "email"), ("E2", "a description")):
        sheet[address] = value
    sheet["C2"] = 7
    book.save(path)
    body = importer("check", path, "--format", "json").json
    assert body["counts"]["ready"] == body["counts"]["read"] == 1


def test_rejects_repaired_work_when_handed_in(importer: Shell) -> None:
    """The Rejects sheet, one cell repaired, is taken as it is."""
    import openpyxl

    file = importer.file("a.csv", HEAD, "E1,Billing,5,one,a", "E2,Billing,500,two,=SUM(1)")
    body = importer("run", file, "--yes", "--sandbox", "--track", "none", "--format", "json").json
    path = Path(body["reports"]["results_xlsx"])
    book = openpyxl.load_workbook(path)
    sheet = book["Rejects"]
    assert [cell.value for cell in sheet[2]][:5] == ["E2", "Billing", "500", "two", "=SUM(1)"]
    sheet["C2"] = 50
    book.save(path)
    again = importer("preview", path, "--sheet", "Rejects", "--sandbox", "--format", "json").json
    assert again["counts"]["ready"] == again["counts"]["read"] == 1


def test_report_writes_rejects_and_the_annotated_copy(importer: Shell) -> None:
    """Rejects of a real run, one cell repaired, are taken as they are; the user's workbook comes back with outcomes and task IDs."""
    import openpyxl

    file = importer.folder / "mine.xlsx"
    book = openpyxl.Workbook()
    for line in (HEAD, "E1,Billing,5,one,a", "E2,Billing,500,two,b", "E1,Billing,7,three,c"):
        book.worksheets[0].append(line.split(","))
    book.save(file)
    run = importer("run", file, "--yes", "--sandbox", "--track", "none", "--format", "json").json["run"]
    paths = importer("report", run, "--results", "annotated,rejects", "--format", "json").json["reports"]
    assert set(paths) == {"annotated_xlsx", "rejects_xlsx"}
    lines = list(openpyxl.load_workbook(paths["annotated_xlsx"]).worksheets[0].iter_rows(values_only=True))
    assert lines[0][5:] == ("Import verdict", "What to fix", "Task ID")
    assert [line[5] for line in lines[1:]] == ["✔ created", "✖ invalid", "≡ duplicate"]
    assert lines[1][7]
    assert str(lines[2][6]).startswith("C3: Priority 500 is outside 0–99.")
    rejects = openpyxl.load_workbook(paths["rejects_xlsx"])
    assert [line[0] for line in rejects.worksheets[0].iter_rows(values_only=True)] == ["External ID", "E2", "E1"]
    rejects.worksheets[0]["C2"], rejects.worksheets[0]["A3"] = 50, "E3"
    rejects.save(paths["rejects_xlsx"])
    again = importer("preview", paths["rejects_xlsx"], "--sandbox", "--format", "json").json
    assert again["counts"]["ready"] == again["counts"]["read"] == 2
    assert "H305" not in [each["code"] for each in again["findings"]]


def test_report_of_a_csv_says_that_its_copy_is_a_new_workbook(importer: Shell) -> None:
    """Where the file itself cannot be annotated, the command says so, and why."""
    file = importer.file("a.csv", HEAD, "E1,Billing,5,one,a")
    run = importer("run", file, "--yes", "--sandbox", "--track", "none", "--format", "json").json["run"]
    ended = importer("report", run, "--results", "annotated")
    assert ended.code == 0
    assert "annotated.xlsx is a new workbook, not a copy of the file: a CSV file has no place for it" in ended.err


def test_map_drafts_a_mapping_that_loads(importer: Shell) -> None:
    """The draft of `importer map` is a mapping that the importer takes once the headings are filled in."""
    file = importer.file("a.csv", "Nr,Queue,Betreff,Spra{che", "1,Billing,x,de")
    draft = importer("map", file).out
    filled = draft.replace('# external_id = "HEADING"', 'external_id = "N-{Nr}"')
    filled = filled.replace('# description = "HEADING"', 'description = "Betreff"')
    (importer.folder / "m.toml").write_text(filled, "utf-8")
    assert importer("check", file, "--map", "m.toml").code == 0


def test_secret_is_in_no_output(importer: Shell) -> None:
    """A planted secret shows up in no output and no file, also when the log-in fails."""
    secret = "planted-5ecret-value"
    importer.environment |= {
        "GENESYS_API_URL": "http://127.0.0.1:9", "GENESYS_CLIENT_ID": "me", "GENESYS_CLIENT_SECRET": secret,
    }  # fmt: skip
    file = importer.file("a.csv", HEAD, "E1,Billing,5,one,a")
    for command in (("config", "show", "--origin"), ("preview", str(file))):
        ended = importer(*command)
        assert secret not in ended.out + ended.err
    for path in importer.folder.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes()


@pytest.mark.parametrize("command", ["check", "preview"])
def test_line_to_leave_out_that_holds_no_row_is_told(importer: Shell, command: str) -> None:
    """Whoever writes 170 and means 17 is told: the row that was meant may still be sent."""
    file = importer.file("a.csv", "External ID,Queue,Priority,Description", "E1,Billing,5,one", "", "E2,Billing,5,two")
    sandbox = ("--sandbox",) if command == "preview" else ()
    slip = importer(command, file, "--skip", "2-3,170", *sandbox)
    assert "▲ F213 Lines that were to be left out and hold no row (2): 3, 170." in slip.err
    assert "1 ready, 1 skipped" in slip.out
    assert "F213" not in importer(command, file, "--skip", "2", *sandbox).err
