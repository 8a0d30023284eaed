"""Papers: the files that can be had of a plan, a run or a target. What is not there yet is written, with a ledger of its own."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.core.errors import UsageError
from importer.desk.copies import annotated_plan, annotated_run, rejects_run
from importer.desk.results import as_before, newest, one_run, reporting, results_folder, seal_again
from importer.settings import Settings

if TYPE_CHECKING:
    from importer.core.plan import Preview
    from importer.ledgers.plans import PlanFile
    from importer.ports import Ledger, RunRecord

OVER = ("manifest.json",)
"""Written when a run is sealed, and not by being asked for."""
AS_WRITTEN = ("results.xlsx", "results.json", *OVER)
"""Written at the end of whatever is done with a run."""
RUN_PAPERS = ("results.xlsx", "results.json", "results.csv", "rejects.xlsx", "annotated.xlsx", "audit.jsonl", *OVER)
PLAN_PAPERS = ("preview.xlsx", "preview.html", "preview.json", "checked.xlsx", "plan")


def plan_paper(settings: Settings, plan: str, name: str, link: str = "") -> Path:
    """One of PLAN_PAPERS. `link`: where the page shows the plan, for the file that is mailed. Raises UsageError, PlanRefused, NotWritten."""
    from importer.wiring import plans

    if name not in PLAN_PAPERS:
        raise UsageError(f"A plan has no {name}.", f"Ask for one of: {', '.join(PLAN_PAPERS)}.")
    file = plans(settings).named(plan)
    preview = file.preview()
    folder = Path(settings.text("out")).absolute() / f"plan-{preview.about.plan}"
    if name == "plan":
        return file.path
    if (folder / name).is_file() and not link:
        return folder / name
    return _plan_writers(settings, file, preview, link)[name](folder)


def _plan_writers(
    settings: Settings, file: "PlanFile", preview: "Preview", link: str
) -> Mapping[str, Callable[[Path], Path]]:
    from importer.desk.kinds import beside
    from importer.wiring import plans
    from importer.writers import preview_html, preview_json, preview_xlsx

    rate = settings.rate
    return {
        "preview.xlsx": lambda folder: preview_xlsx.write_preview(folder, preview, file.rows, rate, link),
        "preview.json": lambda folder: preview_json.write_preview_json(folder, preview, file.rows, rate),
        "preview.html": lambda folder: preview_html.write_preview_html(
            folder, preview, file.rows, rate, link, beside(plans(settings), preview)
        ),
        "checked.xlsx": lambda folder: annotated_plan(folder, file).path,
    }


def run_paper(settings: Settings, run: str, name: str, *, going_on: bool = False) -> Path:
    """One of RUN_PAPERS, as the ledger knows the run of exactly this ID now. Raises UsageError, NotWritten, LedgerError.

    `going_on`: somebody carries the run on, so that what was written before is not the last word.
    """
    from importer.wiring import ledger

    if name not in RUN_PAPERS:
        raise UsageError(f"A run has no {name}.", f"Ask for one of: {', '.join(RUN_PAPERS)}.")
    book = ledger(settings)
    try:
        record = one_run(book, run)
        if record.run != run:  # the beginning of an ID will do on a command line, not in an address
            raise UsageError(f"There is no run {run}.", "See the history.")
        folder = results_folder(as_before(settings, record), record)
        there = newest(folder, name)
        if name in OVER and there is None:
            raise UsageError(f"The run {record.run} is not sealed yet.", "It is when its results are written.")
        if name not in OVER and (going_on or record.state != "done" or book.unsettled(record.run)):
            there = None
        if there is not None and (name in AS_WRITTEN or _is_current(folder, there)):
            return there
        with reporting(settings, record.run):
            path = _run_writers(book, record)[name](folder)
            if newest(folder, OVER[0]) is not None:
                seal_again(settings, book, record, folder)
        return path
    finally:
        book.close()


def _is_current(folder: Path, paper: Path) -> bool:
    """Whether a paper is no older than the results: they are written whenever something of the run was looked up again."""
    results = newest(folder, "results.json")
    return results is None or paper.stat().st_mtime_ns >= results.stat().st_mtime_ns


def _run_writers(book: "Ledger", record: "RunRecord") -> Mapping[str, Callable[[Path], Path]]:
    from importer.writers import audit_jsonl, results_csv, results_json, results_xlsx

    facts, counts = book.run_facts(record.run), book.counts(record.run)

    def writes(writer: Callable[..., Any]) -> Callable[[Path], Path]:
        return lambda folder: Path(writer(folder, facts, counts, lambda: book.result_rows(record.run)))

    return {
        "results.xlsx": writes(results_xlsx.write_results),
        "results.json": writes(results_json.write_results_json),
        "results.csv": writes(results_csv.write_results_csv),
        "rejects.xlsx": lambda folder: rejects_run(folder, book, record),
        "audit.jsonl": writes(audit_jsonl.write_audit_jsonl),
        "annotated.xlsx": lambda folder: annotated_run(folder, book, record).path,
    }
