"""Ending: what a run came to, on the screen, as JSON, in reports and as an exit code."""

import time
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.cli import screen
from importer.cli.desk import Desk
from importer.cli.look import sandbox_flag
from importer.core.errors import ImporterError, NotWritten, UsageError
from importer.core.report import in_words
from importer.settings import Settings

if TYPE_CHECKING:
    from importer.flow.run import Ending
    from importer.ports import Ledger, RunRecord

FINE = frozenset({"read", "created", "existing", "skipped"})


@dataclass(frozen=True, slots=True)
class Reports:
    """The reports of a command: absolute paths by name, and why others are not there."""

    paths: Table[str, str] = field(default_factory=dict)
    unwritten: NotWritten | None = None

    def after(self, before: Table[str, str]) -> "Reports":
        """Together with reports that were written before."""
        return Reports({**before, **self.paths}, self.unwritten)


def one_run(book: "Ledger", run_id: str) -> "RunRecord":
    """A run by its ID or its beginning. Raises UsageError."""
    record = book.run(run_id)
    if record is None:
        raise UsageError(f"There is no run {run_id}, or several begin so.", "See importer runs.")
    return record


def results_folder(settings: Settings, record: "RunRecord") -> Path:
    """Where the reports of a run go: into the folder that is asked for now, else into that of its beginning."""
    out = settings.text("out") if settings.values["out"].origin not in ("default",) else record.out
    return Path(out).absolute() / f"run-{record.run}"


def may_report(folder: Path) -> None:
    """Before anything is sent: reports can be written into a folder, or into the one in which it will be made. Raises NotWritten."""
    from importer.writers.files import probe

    probe(folder if folder.is_dir() else folder.parent)


def results_reports(settings: Settings, book: "Ledger", run_id: str) -> Reports:
    """Writes results.xlsx and results.json. A fault of the output is told, and changes nothing of the run."""
    from importer.writers import results_json, results_xlsx

    record = book.run(run_id)
    assert record is not None
    folder = results_folder(settings, record)
    facts, counts = book.run_facts(run_id), book.counts(run_id)
    writers = {"results_xlsx": results_xlsx.write_results, "results_json": results_json.write_results_json}
    paths: dict[str, str] = {}
    unwritten: NotWritten | None = None
    for name, write in writers.items():
        try:
            paths[name] = str(write(folder, facts, counts, lambda: book.result_rows(run_id)).absolute())
        except NotWritten as problem:
            fix = f"Nothing of the run is lost. Write its reports elsewhere: importer report {run_id} --out DIR"
            unwritten = NotWritten(str(problem), fix)
    return Reports(paths, unwritten)


def run_object(book: "Ledger", ending: "Ending", reports: Reports, began: float) -> dict[str, Any]:
    """The JSON object of one run."""
    counts = book.counts(ending.run)
    record = book.run(ending.run)
    assert record is not None
    body: dict[str, Any] = {"schema": "importer.run/1", "run": ending.run, "plan": record.preview.about.plan}
    body |= {"counts": counts, "reports": dict(reports.paths)}
    # 1, not 2: a 2 says that nothing was done, and here everything was done but the reports.
    body["exit_code"] = exit_code_of(counts, ending.problem) or (1 if reports.unwritten is not None else 0)
    body["seconds"] = round(time.monotonic() - began, 3)
    if ending.problem is not None:
        body["problem"] = str(ending.problem)
    if reports.unwritten is not None:
        body["reports_problem"] = f"{reports.unwritten} {reports.unwritten.fix}"
    if ending.audits_denied:
        body["audits"] = f"denied: {ending.audits_denied}"
    return body


def exit_code_of(counts: Table[str, int], problem: ImporterError | None) -> int:
    """What stopped the run comes first; then whether every row was created, existing or skipped."""
    if problem is not None:
        return problem.exit_code
    return 5 if any(count for name, count in counts.items() if name not in FINE) else 0


def ended(desk: Desk, ending: "Ending", reports: Reports, began: float) -> int:
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
        screen.say(f"wrote {screen.harmless(path)}")
    if "reports_problem" in body:
        screen.tell(f"✖ {screen.harmless(body['reports_problem'])}")
    if desk.book.unsettled(ending.run):
        screen.say(f"Carry it on with: importer resume {ending.run}{sandbox_flag(desk.settings)}")
