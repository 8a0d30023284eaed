"""run: the command that creates tasks."""

import sys
import time
from collections.abc import Mapping as Table
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.cli import screen
from importer.cli.desk import Desk, carried_on, opened
from importer.cli.ending import ended
from importer.cli.look import Asked, previewed, show_preview
from importer.core.errors import PlanRefused, UsageError
from importer.core.plan import Preview
from importer.desk.making import preview_reports
from importer.desk.opening import started
from importer.desk.permission import may_run
from importer.desk.results import Reports, may_report, results_reports
from importer.settings import Value

if TYPE_CHECKING:
    from importer.core.drift import Drift
    from importer.flow.run import Ending


def run(source: str, asked: Asked, flags: Table[str, Any], profile: str | None, format_: str, *, yes: bool) -> int:
    """`importer run PLAN` and `importer run FILE`."""
    began = time.monotonic()
    with opened(flags, profile, format_) as desk:
        is_file = Path(source).suffix.lower() in (".csv", ".tsv", ".txt", ".xlsx", ".xlsm") or (
            Path(source).is_file() and Path(source).suffix != ".plan"
        )
        if is_file:
            _may_run_file(desk, yes=yes)
        desk.book.trusted()
        with desk.early:
            # From the very start, so that a second one ends at once; given back when everything is sent.
            desk.early.enter_context(desk.lock.held(f"importer run {source}"))
            ending, reports = _run(desk, source, asked, yes=yes, is_file=is_file)
        return ended(desk, ending, reports, began)


def _run(desk: Desk, source: str, asked: Asked, *, yes: bool, is_file: bool) -> "tuple[Ending, Reports]":
    from importer.wiring import connected

    if not is_file:
        preview, _ = may_run(desk, source)
        if desk.settings.values["target"].origin == "default":
            desk.settings.values["target"] = Value(preview.head.environment.target, f"plan {preview.about.plan}")
    may_report(Path(desk.settings.text("out")).absolute() / "run-new")  # its own folder does not exist yet
    reports: dict[str, str] = {}
    with connected(desk.settings) as connection:
        if is_file:
            made = connection.run(
                previewed(Path(source), asked, desk.settings, connection, desk.book, quiet=desk.as_json)
            )
            reports = preview_reports(desk.settings, made)
            plan = made.about.plan
            if not desk.as_json:
                show_preview(Path(source), made, desk.settings)
            if not yes:
                _ask(made)
        else:
            plan = source
        run_id = connection.run(started(desk, plan, connection, tell=_told))
        ending = carried_on(desk, run_id, connection)
    return ending, results_reports(desk.settings, desk.book, run_id).after(reports)


def _told(found: "Drift") -> None:
    """What changed since the plan, a line each."""
    screen.tell(f"▲ {screen.harmless(str(found))}")


def _may_run_file(desk: Desk, *, yes: bool) -> None:
    """Before anything is looked up: a file needs a yes, and no approval can exist yet."""
    if desk.settings.require_approval:
        raise PlanRefused(
            "Only approved plans run here (require_approval).",
            "Run importer preview FILE, have the plan approved (importer approve PLAN), then importer run PLAN.",
        )
    if not yes and not (sys.stdin.isatty() and sys.stderr.isatty() and not desk.as_json):
        raise UsageError("There is nobody to ask whether to create the tasks.", "Add --yes, or run an approved plan.")


def _ask(made: Preview) -> None:
    """The question on a terminal. Anything but yes creates nothing."""
    ready = made.head.counts["ready"]
    sys.stderr.write(f"Create {ready:,} tasks in {made.head.environment}? Type yes: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes", "ja", "oui", "sí", "si"):
        raise UsageError("Nothing was created.", f"importer run {made.about.plan} would create exactly this plan.")
