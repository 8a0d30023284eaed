"""reconcile and ledger: commands for what could not be settled, and for the ledger itself."""

import time
from collections.abc import Mapping as Table
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.cli import screen
from importer.cli.again import GRAVEST_FIRST
from importer.cli.desk import Desk, at, opened, reconciled
from importer.cli.ending import run_object, show_ending
from importer.cli.look import json_wanted
from importer.core.errors import LedgerError, PlanRefused, UsageError
from importer.core.moments import written
from importer.desk.desk import running
from importer.desk.results import Reports, as_before, may_report, one_run, results_folder, results_reports
from importer.settings import load

if TYPE_CHECKING:
    from importer.ports import RunRecord


def reconcile(
    run_id: str | None, flags: Table[str, Any], profile: str | None, format_: str, *, resend: bool, adopt: bool
) -> int:
    """`importer reconcile [RUN]`."""
    from importer.wiring import clock

    began = time.monotonic()
    with opened(flags, profile, format_) as desk:
        desk.book.trusted(though_older=True, adopt=adopt)
        older = desk.book.is_older_copy()
        if older and run_id:
            raise UsageError("The ledger is an older copy: all its runs are to be looked up.", "Leave RUN out.")
        if older and resend:
            raise UsageError("The ledger is an older copy.", "Run importer reconcile without --resend first.")
        unsettled = [record for record in desk.book.runs() if desk.book.unsettled(record.run)]
        wanted = [one_run(desk.book, run_id)] if run_id else unsettled
        bodies = [_reconcile(desk, record, began, resend=resend, older=older) for record in wanted]
        if older and all("problem" not in body for body in bodies):
            desk.book.accept_as_newest(written(clock().now()))
            screen.tell("the ledger is taken for the newest again; importer resume sends what is ready")
        exit_code = next((code for code in GRAVEST_FIRST if code in [body["exit_code"] for body in bodies]), 0)
        if desk.as_json:
            screen.say_json({"schema": "importer.reconcile/1", "runs": bodies, "exit_code": exit_code})
        elif not bodies:
            screen.say("nothing to reconcile")
        return exit_code


def _reconcile(desk: Desk, record: "RunRecord", began: float, *, resend: bool, older: bool) -> dict[str, Any]:
    from importer.flow.run import Ending
    from importer.wiring import connected

    own = at(desk, as_before(desk.settings, record))
    with connected(own.settings) as connection:
        if record.preview.head.environment != connection.environment:
            if older:  # it cannot be asked from here: its rows are looked up when it is resumed in its own environment
                connection.run(running(own, connection, screen.ProgressLine(quiet=True)).suspect(record.run))
                screen.tell(
                    f"the run {record.run} of {record.preview.head.environment} is looked up when it is resumed there"
                )
                return run_object(own.book, Ending(record.run), Reports(), began)
            raise PlanRefused(
                f"The run {record.run} belongs to {record.preview.head.environment}, this is {connection.environment}.",
                "Use the settings that it was started with (--sandbox, --profile, GENESYS_… variables).",
            )
        if resend:
            may_report(results_folder(own.settings, record))
        ending = reconciled(own, record.run, connection, resend=resend)
    reports = results_reports(own.settings, own.book, record.run)
    body = run_object(own.book, ending, reports, began)
    if not desk.as_json:
        show_ending(own, ending, body)
    return body


def verify_ledger(flags: Table[str, Any], profile: str | None, format_: str) -> int:
    """`importer ledger verify`."""
    from importer.ledgers.checkup import TOLD, verified

    as_json = json_wanted(format_)
    path = load(flags, profile).state_dir / "ledger.sqlite"
    found = verified(path)
    whole = not any(check.problems for check in found)
    exit_code = 0 if whole else LedgerError.exit_code
    if as_json:
        checks = [{"check": check.name, "problems": list(check.problems)} for check in found]
        screen.say_json(
            {
                "schema": "importer.ledger/1",
                "ledger": str(path),
                "whole": whole,
                "checks": checks,
                "exit_code": exit_code,
            }
        )
        return exit_code
    for check in found:
        screen.say(f"{'✔' if not check.problems else '✖'} {check.name}")
        for problem in check.problems[:TOLD]:
            screen.say(f"    {screen.harmless(problem)}")
    screen.say(f"{path} says what was written" if whole else f"{path} is damaged: keep it; nothing is sent with it")
    return exit_code


def export_ledger(folder: Path, flags: Table[str, Any], profile: str | None) -> int:
    """`importer ledger export`."""
    from importer.ledgers.checkup import exported

    path = load(flags, profile).state_dir / "ledger.sqlite"
    try:
        lines = exported(path, folder)
    except OSError as problem:
        raise UsageError(f"{folder} cannot be written: {problem.strerror}.", "Choose another folder.") from problem
    for table, count in lines.items():
        screen.say(f"wrote {folder / f'{table}.jsonl'}: {count:,} lines")
    return 0
