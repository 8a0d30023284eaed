"""resume and track: commands that go on with a run."""

import time
from collections.abc import Mapping as Table
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.cli import screen
from importer.cli.desk import Desk, at, carried_on, opened
from importer.cli.ending import ended, run_object, show_ending
from importer.core.errors import PlanRefused
from importer.core.report import in_words
from importer.desk.results import as_before, may_report, one_run, results_folder, results_reports
from importer.settings import Value

if TYPE_CHECKING:
    from importer.ports import Ledger, RunRecord

GRAVEST_FIRST = (130, 143, 1, 6, 8, 4, 2, 7, 5, 0)


def resume(run_id: str | None, flags: Table[str, Any], profile: str | None, format_: str) -> int:
    """`importer resume [RUN]`."""
    began = time.monotonic()
    with opened(flags, profile, format_) as desk:
        desk.book.trusted()
        wanted = [one_run(desk.book, run_id)] if run_id else _unfinished(desk.book)
        if not wanted:
            return _nothing_to_do(desk)
        bodies = []
        others = 0
        for record in wanted:
            body = _resume(desk, record, began, only_own=run_id is None)
            if body is None:
                others += 1
                continue
            bodies.append(body)
            if body["exit_code"] in (130, 143, 6):
                break
        if others:
            screen.tell(f"{others} unfinished runs belong to another environment and were left alone")
        exit_code = next((c for c in GRAVEST_FIRST if c in [body["exit_code"] for body in bodies]), 0)
        if desk.as_json:
            screen.say_json({"schema": "importer.resume/1", "runs": bodies, "exit_code": exit_code})
        return exit_code


def _resume(desk: Desk, record: "RunRecord", began: float, *, only_own: bool) -> dict[str, Any] | None:
    """Carries one run on, at the pace it was started with; None for a run of another environment, if only own ones count."""
    from importer.wiring import connected

    own = at(desk, as_before(desk.settings, record))
    made_for = record.preview.head.environment
    with connected(own.settings) as connection:
        if made_for != connection.environment:
            if only_own:
                return None
            raise PlanRefused(
                f"The run {record.run} belongs to {made_for}, this is {connection.environment}.",
                "Use the settings that it was started with (--sandbox, --profile, GENESYS_… variables).",
            )
        may_report(results_folder(own.settings, record))
        if not desk.as_json:
            screen.tell(f"resuming {record.run}: {in_words(desk.book.counts(record.run))}")
        ending = carried_on(own, record.run, connection)
    reports = results_reports(own.settings, own.book, record.run)
    body = run_object(own.book, ending, reports, began)
    if not desk.as_json:
        show_ending(own, ending, body)
    return body


def _unfinished(book: "Ledger") -> "list[RunRecord]":
    """Runs with rows to settle, and the newest one if it ended before its results were written."""
    known = book.runs()
    return [
        record
        for record in known
        if record.state == "open" or book.unsettled(record.run) or (record is known[-1] and not _reported(record))
    ]


def _reported(record: "RunRecord") -> bool:
    folder = Path(record.out) / f"run-{record.run}"
    return all(any(folder.glob(name)) for name in ("results*.xlsx", "results*.json"))


def _nothing_to_do(desk: Desk) -> int:
    if desk.as_json:
        screen.say_json({"schema": "importer.resume/1", "runs": [], "exit_code": 0})
    else:
        screen.say("nothing to resume")
    return 0


def track(run_id: str, flags: Table[str, Any], profile: str | None, format_: str) -> int:
    """`importer track RUN`."""
    from importer.wiring import connected

    began = time.monotonic()
    with opened(flags, profile, format_) as desk:
        record = one_run(desk.book, run_id)
        own = at(desk, as_before(desk.settings, record))
        if own.settings.track == "none":
            own.settings.values["track"] = Value("closed", "importer track")
        with connected(own.settings) as connection:
            if record.preview.head.environment != connection.environment:
                raise PlanRefused(
                    f"The run {record.run} belongs to {record.preview.head.environment}.", "Use its own settings."
                )
            ending = carried_on(own, record.run, connection, only_follow=True)
        return ended(own, ending, results_reports(own.settings, own.book, record.run), began)
