"""Ending: what a run came to, on the screen, as JSON, in reports and as an exit code."""

import time
from collections.abc import Mapping as Table
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.cli import screen
from importer.cli.desk import Desk
from importer.cli.look import sandbox_flag
from importer.core.errors import ImporterError, UsageError
from importer.core.report import in_words
from importer.settings import Settings

if TYPE_CHECKING:
    from importer.flow.run import Ending
    from importer.ports import Ledger, RunRecord

FINE = frozenset({"read", "created", "existing", "skipped"})


def one_run(book: "Ledger", run_id: str) -> "RunRecord":
    """A run by its ID or its beginning. Raises UsageError."""
    record = book.run(run_id)
    if record is None:
        raise UsageError(f"There is no run {run_id}, or several begin so.", "See importer runs.")
    return record


def results_reports(settings: Settings, book: "Ledger", run_id: str) -> dict[str, str]:
    """Writes results.xlsx and results.json; absolute paths by name."""
    from importer.writers import results_json, results_xlsx

    record = book.run(run_id)
    assert record is not None
    out = settings.text("out") if settings.values["out"].origin not in ("default",) else record.out
    folder = Path(out).absolute() / f"run-{run_id}"
    facts, counts = book.run_facts(run_id), book.counts(run_id)
    paths = {
        "results_xlsx": results_xlsx.write_results(folder, facts, counts, lambda: book.result_rows(run_id)),
        "results_json": results_json.write_results_json(folder, facts, counts, lambda: book.result_rows(run_id)),
    }
    return {name: str(path.absolute()) for name, path in paths.items()}


def run_object(book: "Ledger", ending: "Ending", reports: Table[str, str], began: float) -> dict[str, Any]:
    """The JSON object of one run."""
    counts = book.counts(ending.run)
    record = book.run(ending.run)
    assert record is not None
    body: dict[str, Any] = {"schema": "importer.run/1", "run": ending.run, "plan": record.preview.about.plan}
    body |= {"counts": counts, "reports": dict(reports), "exit_code": exit_code_of(counts, ending.problem)}
    body["seconds"] = round(time.monotonic() - began, 3)
    if ending.problem is not None:
        body["problem"] = str(ending.problem)
    if ending.audits_denied:
        body["audits"] = f"denied: {ending.audits_denied}"
    return body


def exit_code_of(counts: Table[str, int], problem: ImporterError | None) -> int:
    """What stopped the run comes first; then whether every row was created, existing or skipped."""
    if problem is not None:
        return problem.exit_code
    return 5 if any(count for name, count in counts.items() if name not in FINE) else 0


def ended(desk: Desk, ending: "Ending", reports: Table[str, str], began: float) -> int:
    body = run_object(desk.book, ending, reports, began)
    if desk.as_json:
        screen.say_json(body)
    else:
        show_ending(desk, ending, body)
    return int(body["exit_code"])


def show_ending(desk: Desk, ending: "Ending", body: Table[str, Any]) -> None:
    if ending.problem is not None:
        screen.tell(f"✖ {screen.harmless(ending.problem)}")
        if ending.problem.fix:
            screen.tell(f"  fix {screen.harmless(ending.problem.fix)}")
    if ending.audits_denied:
        screen.tell(f"▲ A801 audits denied: {screen.harmless(ending.audits_denied)}")
    screen.say(f"run {ending.run}: {in_words(body['counts'])}")
    for path in body["reports"].values():
        screen.say(f"wrote {path}")
    if desk.book.unsettled(ending.run):
        screen.say(f"Carry it on with: importer resume {ending.run}{sandbox_flag(desk.settings)}")
