"""run: the command that creates tasks."""

import sys
import time
from collections.abc import Mapping as Table
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.cli.desk import Desk, carried_on, opened, running
from importer.cli.ending import Reports, ended, may_report, results_reports
from importer.cli.look import Asked, preview_reports, previewed, show_preview
from importer.core.errors import PlanRefused, UsageError
from importer.core.plan import Approval, Environment, Preview, short
from importer.settings import Value

if TYPE_CHECKING:
    from importer.flow.run import Ending
    from importer.wiring import Connection


STOPS = ("timeout", "longest_wait", "outage_wait", "canary", "max_failures")
"""Settings that say when a run stops: kept with it, as those of its pace."""


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
        preview, _ = _may_run(desk, source)
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
        preview, approval = _may_run(desk, plan, connection.environment)
        run_id = open_run(desk, preview, approval, connection)
        ending = carried_on(desk, run_id, connection)
    return ending, results_reports(desk.settings, desk.book, run_id).after(reports)


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


def _may_run(desk: Desk, plan: str, environment: Environment | None = None) -> tuple[Preview, Approval | None]:
    """The plan, verified against its digest, file, mapping, approval and environment. Raises PlanRefused."""
    from importer.cli.plans import unchanged
    from importer.wiring import plans

    preview = unchanged(plans(desk.settings).find(plan))
    about = preview.about
    ran = desk.book.run_of_plan(about.plan)
    if ran:
        raise PlanRefused(
            f"The plan {about.plan} ran already, as {ran}.",
            f"Preview the file again for a new plan, or carry the run on: importer resume {ran}",
        )
    restored = desk.book.restored_at()
    if about.made_at <= restored:
        raise PlanRefused(
            f"The plan {about.plan} was made before the ledger was put back from an older copy (at {restored}); it may have run.",
            "Preview the file again: what was created meanwhile is found then.",
        )
    approval = _approval(desk, preview)
    made_for = preview.head.environment
    if environment is not None and made_for != environment:
        raise PlanRefused(
            f"The plan was made for {made_for} (client {made_for.client}), this is {environment} (client {environment.client}).",
            "Preview the file again in this environment, or choose the plan's own.",
        )
    return preview, approval


def _approval(desk: Desk, preview: Preview) -> Approval | None:
    """The last decision on exactly this digest. Raises PlanRefused where one is needed and is not there."""
    about = preview.about
    decisions = desk.book.approvals(about.plan)
    fitting = [each for each in decisions if each.digest == about.digest]
    last = fitting[-1] if fitting else None
    if last is not None and not last.approved:
        raise PlanRefused(
            f"The plan was rejected by {last.who} at {last.at}: {last.comment}", "Preview the file again."
        )
    if desk.settings.require_approval and last is None:
        stale = f" An approval of {short(decisions[-1].digest)} exists, but the plan was altered." if decisions else ""
        raise PlanRefused(
            f"The plan {about.plan} is not approved.{stale}", f"importer approve {about.plan} --comment TEXT"
        )
    return last


def open_run(desk: Desk, preview: Preview, approval: Approval | None, connection: "Connection") -> str:
    """Records the run with every row before the first POST; gives its ID."""
    from importer.wiring import clock, plans

    about = preview.about
    moment = clock().now()
    stem = f"{moment:%Y%m%d-%H%M%S}-{about.digest[:4]}"
    taken = {record.run for record in desk.book.runs()}
    run_id = next(name for name in (stem, *(f"{stem}-{n}" for n in range(2, 1000))) if name not in taken)
    settings = desk.settings
    kept: dict[str, object] = {
        name: settings.given(name)
        for name in ("rate", "concurrency", "index_lag", "track", "track_for", "audit", "notifications", *STOPS)
    }
    out = str(Path(settings.text("out")).absolute())
    rows = plans(settings).find(about.plan).rows()
    running(desk, connection).open(run_id, preview, rows, approval, out, kept)
    return run_id
