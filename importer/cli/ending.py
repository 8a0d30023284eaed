"""Ending: what a run came to, on the screen, as JSON, in reports and as an exit code."""

import time
from collections.abc import Mapping as Table
from typing import TYPE_CHECKING, Any

from importer.cli import screen
from importer.cli.desk import Desk
from importer.cli.look import sandbox_flag
from importer.core.report import in_words
from importer.desk.results import Reports, exit_code_of

if TYPE_CHECKING:
    from importer.flow.run import Ending
    from importer.ports import Ledger


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
