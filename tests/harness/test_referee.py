"""The referee on the evidence of a real run, and on the same evidence forged."""

import ast
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from tests.harness import referee
from tests.harness.scene import Scene, external_ids, scene

ROWS = 8
CAP = (50, 1.0)
WEATHER = """
unique = false
index_lag_s = 0.05
[limit]
calls = 0
[[faults]]
operation = "create"
kind = "status:503"
at = [3]
[[faults]]
operation = "create"
kind = "error_after"
at = [5]
[[faults]]
operation = "create"
kind = "status:429"
retry_after = 1
at = [8]
"""
"""One row is resent, one is found again, and everybody waits for a second."""

CALL = ("call", "no", "kind", "body", "began_at", "ended_at", "answer", "correlation_id", "seal")
"""The columns of the ledger's calls."""
Fact = dict[str, Any]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A run that ended; its sandbox is gone, what both wrote is there."""
    folder = tmp_path_factory.mktemp("honest")
    with scene(folder, WEATHER, ROWS, settings={"IMPORTER_INDEX_LAG": "200ms"}) as real:
        code, body = real.ends("run", "tasks.csv", "--yes", "--track", "none", "--rate", "50/s")
    assert (code, body["counts"]["created"]) == (0, ROWS)
    return real


@pytest.fixture
def honest(ran: Scene, tmp_path: Path) -> Scene:
    """The same evidence, in copies that may be forged."""
    journal, summary, state = (tmp_path / name for name in ("journal.jsonl", "summary.json", "state"))
    journal.write_bytes(ran.journal.read_bytes())
    body = json.loads((ran.folder / "summary.json").read_text("utf-8"))
    for name in ("results_json", "results_xlsx"):
        copy = tmp_path / Path(body["reports"][name]).name
        copy.write_bytes(Path(body["reports"][name]).read_bytes())
        body["reports"][name] = str(copy)
    summary.write_text(json.dumps(body), "utf-8")
    state.mkdir()
    with closing(sqlite3.connect(ran.ledger)) as real, closing(sqlite3.connect(state / "ledger.sqlite")) as copied:
        real.backup(copied)
    return replace(ran, folder=tmp_path, journal=journal)


def judged(honest: Scene, **promised: Any) -> list[str]:
    """What the referee finds."""
    return referee.violations(honest.evidence(**{"cap": CAP, "rows": ROWS} | promised))


def forge(path: Path, change: Callable[[list[Fact]], None]) -> None:
    """Change the facts of a journal."""
    facts = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    change(facts)
    path.write_text("".join(json.dumps(fact) + "\n" for fact in facts), "utf-8")


def forge_ledger(honest: Scene, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(honest.ledger)) as ledger, ledger:
        ledger.execute(statement, values)


def report(honest: Scene, name: str) -> Path:
    """The path of a report."""
    return Path(json.loads((honest.folder / "summary.json").read_text("utf-8"))["reports"][name])


def those(facts: list[Fact], **wanted: object) -> list[Fact]:
    """The facts that have these values."""
    return [fact for fact in facts if all(fact.get(name) == value for name, value in wanted.items())]


def test_referee_finds_nothing_in_an_honest_run(honest: Scene) -> None:
    """A real run with a resend, a look-up and a 429 is without a violation."""
    assert judged(honest) == []


def test_referee_sees_the_faults_of_the_honest_run(honest: Scene) -> None:
    """The evidence has more POSTs than rows, and a gate that was closed: the green verdict was about something."""
    evidence = honest.evidence()
    assert len([call for call in evidence.calls if call.operation == "create"]) > ROWS
    assert len([call for call in evidence.calls if call.gate is not None]) == 1
    assert len(evidence.commits) == len(evidence.ledger) == ROWS
    assert [book.rows and len(book.rows) for book in evidence.books] == [ROWS, ROWS, None]


def test_referee_finds_a_duplicate(honest: Scene) -> None:
    """A second committed task of one external ID is a violation, and the task is one that no row tells of."""

    def duplicate(facts: list[Fact]) -> None:
        facts.append(those(facts, kind="committed")[0] | {"task_id": "second"})

    forge(honest.journal, duplicate)
    found = judged(honest)
    assert found[0].startswith("duplicate: ")
    assert found[1].startswith("lost task: second")
    assert len(found) == 2


def test_referee_allows_more_tasks_where_told(honest: Scene) -> None:
    """An external ID that may have two tasks, because somebody else made one, is no duplicate."""
    first = external_ids(1)[0]

    def duplicate(facts: list[Fact]) -> None:
        facts.append(those(facts, kind="committed", external_id=first)[0] | {"task_id": "second"})

    forge(honest.journal, duplicate)
    assert not any(found.startswith("duplicate") for found in judged(honest, tasks_of={first: 2}))


def test_referee_finds_a_lost_row_in_the_ledger(honest: Scene) -> None:
    """A row of the file that the ledger lacks is a violation: in the count, in the reports and as a task without a row."""
    forge_ledger(honest, "DELETE FROM rows WHERE position = 4")
    kinds = {found.partition(":")[0] for found in judged(honest)}
    assert kinds >= {"lost rows", "lost task", "books"}


def test_referee_finds_a_lost_row_in_results_json(honest: Scene) -> None:
    """A row that results.json lacks is a violation, though its counts still say what the ledger says."""
    path = report(honest, "results_json")
    body = json.loads(path.read_text("utf-8"))
    del body["rows"][2]
    path.write_text(json.dumps(body), "utf-8")
    assert any(found.startswith("lost rows: results.json") for found in judged(honest))


def test_referee_finds_a_missing_line_in_the_sheet(honest: Scene) -> None:
    """A line that the Results sheet lacks is a violation."""
    path = report(honest, "results_xlsx")
    book = load_workbook(path)
    book["Results"].delete_rows(5)
    book.save(path)
    assert any(found.startswith("lost rows: results.xlsx") for found in judged(honest))


def test_referee_finds_one_call_more_than_the_cap(honest: Scene) -> None:
    """As many calls as the cap within a window are fine, one more is a violation."""

    def crowd(number: int) -> Callable[[list[Fact]], None]:
        def change(facts: list[Fact]) -> None:
            last = max(fact["monotonic"] for fact in those(facts, kind="arrived")) + 10
            arrived = those(facts, kind="arrived", operation="queues")[0]
            facts.extend(arrived | {"n": 1000 + n, "monotonic": last + n * 0.9 / CAP[0]} for n in range(number))

        return change

    kept = honest.journal.read_bytes()
    forge(honest.journal, crowd(CAP[0]))
    assert judged(honest) == []
    honest.journal.write_bytes(kept)
    forge(honest.journal, crowd(CAP[0] + 1))
    (found,) = judged(honest)
    assert found.startswith(f"cap: {CAP[0] + 1} calls")


def test_referee_finds_an_early_retry(honest: Scene) -> None:
    """A call within the Retry-After of a 429 is a violation, but for one that was on its way when the answer came."""

    def early(after_s: float) -> Callable[[list[Fact]], None]:
        def change(facts: list[Fact]) -> None:
            told = those(facts, kind="answered", status=429)[0]
            arrived = those(facts, kind="arrived", operation="queues")[0]
            facts.append(arrived | {"n": 1000, "monotonic": told["monotonic"] + after_s})

        return change

    kept = honest.journal.read_bytes()
    forge(honest.journal, early(0.2))
    assert judged(honest) == []
    honest.journal.write_bytes(kept)
    forge(honest.journal, early(0.7))
    (found,) = judged(honest)
    assert found.startswith("early: call 1.1000 (queues) came 0.7")


def test_referee_reads_a_retry_after_that_is_a_date(honest: Scene) -> None:
    """A Retry-After as an HTTP date closes the way until that date."""

    def dated(facts: list[Fact]) -> None:
        those(facts, kind="answered", status=429)[0]["retry_after"] = "Fri, 31 Dec 2100 00:00:00 GMT"
        start = facts[0]
        start["now"] += 4_133_894_300 - (start["now"] - start["monotonic"] + facts[-1]["monotonic"])

    forge(honest.journal, dated)
    assert any(found.startswith("early: ") for found in judged(honest))


def test_referee_finds_a_created_row_without_a_commit(honest: Scene) -> None:
    """A row that says `created` of a task that never came to be is a violation."""

    def uncommit(facts: list[Fact]) -> None:
        facts.remove(those(facts, kind="committed")[0])

    forge(honest.journal, uncommit)
    (found,) = judged(honest)
    assert found.startswith("no such task: ")


def test_referee_finds_the_task_id_of_another_row(honest: Scene) -> None:
    """A row that names another row's task is a violation, even where ledger and reports agree on it."""
    forge_ledger(honest, "UPDATE rows SET task_id = (SELECT task_id FROM rows WHERE position = 0) WHERE position = 1")
    kinds = [found.partition(":")[0] for found in judged(honest)]
    assert "wrong task" in kinds
    assert "reports differ" in kinds


def test_referee_finds_a_refused_row_whose_task_was_committed(honest: Scene) -> None:
    """A row that says `failed` while its task exists is a lost task."""
    forge_ledger(honest, "UPDATE rows SET stage = 'failed', task_id = NULL WHERE position = 1")
    assert any(found.startswith("lost task: ") for found in judged(honest))


def test_referee_lets_an_unknown_row_be_only_before_the_end(honest: Scene) -> None:
    """A committed task of a row in doubt is fine while the run is unsettled, and a lost task after it."""
    forge_ledger(honest, "UPDATE rows SET stage = 'doubt', task_id = NULL WHERE position = 1")
    assert any(found.startswith("lost task: ") for found in judged(honest))
    assert not any(found.startswith("lost task: ") for found in judged(honest, settled=False))


def test_referee_finds_a_changed_body(honest: Scene) -> None:
    """A resend with other bytes than the first POST is a violation."""

    def change(facts: list[Fact]) -> None:
        reads = those(facts, kind="read")
        twice = next(fact for fact in reads if len(those(reads, external_id=fact["external_id"])) > 1)
        twice["sha256"] = "0" * 64

    forge(honest.journal, change)
    assert [found.partition(":")[0] for found in judged(honest)] == ["changed body", "no intent"]


def test_referee_finds_one_resend_too_many(honest: Scene) -> None:
    """Three POSTs of one external ID without proof are fine, a fourth is a violation; a 429 proves and is not counted."""

    def resend(number: int, status: int) -> Callable[[list[Fact]], None]:
        def change(facts: list[Fact]) -> None:
            once = those(facts, kind="read", external_id=external_ids(1)[0])[0]
            (arrived,) = those(facts, kind="arrived", n=once["n"])
            (answered,) = those(facts, kind="answered", n=once["n"])
            for n in range(1000, 1000 + number):
                late = {"n": n, "monotonic": arrived["monotonic"] + n}
                facts.extend([arrived | late, once | late, answered | late | {"status": status}])

        return change

    for number in range(1000, 6000, 1000):  # the intents are recorded
        once = "WHERE call < 1000 AND call IN (SELECT call FROM call_rows WHERE position = 0)"
        forge_ledger(honest, f"INSERT INTO calls SELECT call + ?, {', '.join(CALL[1:])} FROM calls {once}", number)
        forge_ledger(honest, f"INSERT INTO call_rows SELECT call + ?, position FROM call_rows {once}", number)
    kept = honest.journal.read_bytes()
    for number, status in ((2, 503), (5, 429)):
        forge(honest.journal, resend(number, status))
        assert judged(honest) == []
        honest.journal.write_bytes(kept)
    forge(honest.journal, resend(3, 503))
    (found,) = judged(honest)
    assert found.startswith(f"resends: {external_ids(1)[0]} was POSTed 4 times")


def test_referee_finds_other_numbers_in_the_printed_summary(honest: Scene) -> None:
    """A printed count that the ledger does not bear out is a violation, also where it adds up."""
    path = honest.folder / "summary.json"
    body = json.loads(path.read_text("utf-8"))
    body["counts"] |= {"created": ROWS - 1, "failed": 1}
    path.write_text(json.dumps(body), "utf-8")
    (found,) = judged(honest)
    assert found.startswith("books: summary.json says")


def test_referee_finds_books_that_do_not_add_up(honest: Scene) -> None:
    """A Summary sheet whose numbers do not add up to the rows read is a violation."""
    path = report(honest, "results_xlsx")
    book = load_workbook(path)
    sheet = book["Summary"]
    line = next(cell.row for cell in sheet["A"] if cell.value == "✔ created")  # of the outcomes, which stand first
    sheet.cell(line, 2).value = ROWS - 2
    book.save(path)
    assert any(found.startswith("books: results.xlsx does not add up") for found in judged(honest))


def test_referee_finds_reports_that_tell_of_a_row_differently(honest: Scene) -> None:
    """A row whose outcome differs between results.json and ledger is a violation."""
    path = report(honest, "results_json")
    body = json.loads(path.read_text("utf-8"))
    body["rows"][0]["outcome"] = "existing"
    path.write_text(json.dumps(body), "utf-8")
    assert any(found.startswith("reports differ: line 2") for found in judged(honest))


def test_referee_takes_several_processes_as_one_world(honest: Scene) -> None:
    """A journal that a second process went on with is judged whole: its task is a duplicate of the first one's."""

    def goes_on(facts: list[Fact]) -> None:
        start, task = facts[0], those(facts, kind="committed")[0]
        facts.append(start | {"tasks": ROWS, "now": start["now"] + 60, "monotonic": 5.0})
        facts.append(task | {"task_id": "second", "monotonic": 6.0})

    forge(honest.journal, goes_on)
    assert judged(honest)[0].startswith("duplicate: ")


def test_referee_finds_a_call_without_a_recorded_intent(honest: Scene) -> None:
    """A POST that reached the sandbox without a call in the ledger is a violation."""
    forge_ledger(honest, "DELETE FROM call_rows WHERE call = (SELECT max(call) FROM call_rows)")
    (found,) = judged(honest)
    assert found.startswith("no intent: ")


def command(honest: Scene) -> "subprocess.CompletedProcess[str]":
    """The referee as a command."""
    reports = ["--results-json", report(honest, "results_json"), "--results-xlsx", report(honest, "results_xlsx")]
    arguments = ["--journal", honest.journal, "--ledger", honest.ledger, *reports, "--cap", "50/1"]
    whole = [
        sys.executable,
        "-m",
        "tests.harness.referee",
        *map(str, arguments),
        "--summary",
        str(honest.folder / "summary.json"),
    ]
    return subprocess.run(whole, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])


def test_referee_as_a_command_says_all_holds(honest: Scene) -> None:
    """Exit code 0 and one line where nothing is wrong."""
    done = command(honest)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("all holds: ")
    assert done.stdout.count("\n") == 1


def test_referee_as_a_command_lists_what_is_wrong(honest: Scene) -> None:
    """Exit code 1 and each violation on a line."""
    forge_ledger(honest, "UPDATE rows SET stage = 'failed', task_id = NULL WHERE position = 1")
    done = command(honest)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1 + int(done.stdout.split()[0])


def test_referee_imports_nothing_of_the_importer() -> None:
    """Only the standard library and openpyxl are imported, so that no mistake is shared with what is judged."""
    tree = ast.parse(Path(referee.__file__).read_text("utf-8"))
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "." * node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names | {"openpyxl"}
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, tests.harness.referee; print(*(n for n in sys.modules if n.startswith('importer')))"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2], env=dict(os.environ),
    )  # fmt: skip
    assert loaded.stdout.split() == []
