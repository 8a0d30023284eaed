"""plan show, plan verify and approve."""

from collections.abc import Mapping as Table
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.cli import screen
from importer.cli.look import json_wanted, show_preview
from importer.core.errors import PlanRefused, SettingsError, UsageError
from importer.core.plan import Approval, Preview, canonical, findings_record, short
from importer.settings import load

if TYPE_CHECKING:
    from importer.ledgers.plans import PlanFile


def unchanged(plan: "PlanFile") -> Preview:
    """The plan, if plan, file and mapping are what they were; what is not there any more is not compared. Raises PlanRefused."""
    from importer.sources.reader import fingerprint

    preview = plan.verify()
    head, about = preview.head, preview.about
    source = Path(about.source)
    if source.is_file():
        sha256, _ = fingerprint(source)
        if sha256 != head.source_sha256:
            raise PlanRefused(
                f"The file {source} was changed since the preview (SHA-256 {sha256[:8]}…, was {head.source_sha256[:8]}…).",
                "Preview it again; approvals of the old plan do not count.",
            )
    if about.mapping_file and Path(about.mapping_file).is_file():
        _mapping_unchanged(preview)
    return preview


def _mapping_unchanged(preview: Preview) -> None:
    from importer.core.mapping import read_mapping
    from importer.settings import read_toml

    path = Path(preview.about.mapping_file)
    try:
        now = read_mapping(read_toml(path), str(path)).record()
    except SettingsError as problem:
        raise PlanRefused(
            f"The mapping was changed since the preview: {problem}", "Preview the file again."
        ) from problem
    if canonical(now) != canonical(preview.head.mapping):
        raise PlanRefused(f"The mapping {path} was changed since the preview.", "Preview the file again.")


def verify(plan: str, flags: Table[str, Any], profile: str | None, format_: str) -> int:
    """`importer plan verify`."""
    from importer.wiring import plans

    settings = load(flags, profile)
    as_json = json_wanted(format_)
    preview = unchanged(plans(settings).find(plan))
    if as_json:
        body = {"schema": "importer.plan-verified/1", "plan": preview.about.plan, "digest": preview.about.digest}
        screen.say_json({**body, "exit_code": 0})
    else:
        screen.say(
            f"plan {preview.about.plan} is what it was: digest {short(preview.about.digest)} ({preview.about.digest})"
        )
    return 0


def show(plan: str, flags: Table[str, Any], profile: str | None, format_: str) -> int:
    """`importer plan show`."""
    from importer.wiring import ledger, plans

    settings = load(flags, profile)
    as_json = json_wanted(format_)
    preview = plans(settings).find(plan).verify()
    book = ledger(settings)
    try:
        decisions, ran = book.approvals(preview.about.plan), book.run_of_plan(preview.about.plan)
    finally:
        book.close()
    head, about = preview.head, preview.about
    if as_json:
        body: dict[str, Any] = {"schema": "importer.plan-shown/1", "plan": about.plan, "digest": about.digest}
        body |= {"source": about.source, "made_at": about.made_at, "preparer": about.preparer, "counts": head.counts}
        body |= {"environment": str(head.environment), "warnings": head.warnings, "queues": list(head.queues)}
        body |= {"findings": findings_record(head.findings), "run": ran, "exit_code": 0}
        body["approvals"] = [
            {"approved": d.approved, "who": d.who, "at": d.at, "comment": d.comment} for d in decisions
        ]
        screen.say_json(body)
        return 0
    show_preview(Path(about.source), preview, settings)
    screen.say(f"made {about.made_at} by {about.preparer} from {screen.harmless(about.source)}")
    columns = ("queue", "status", "room", "rows", "ready", "existing", "invalid", "duplicate")
    rows = [[("" if line[name] is None else line[name]) for name in columns] for line in head.queues]
    screen.table(rows, [name.capitalize() for name in columns])
    for each in decisions:
        word = "approved" if each.approved else "rejected"
        fits = "" if each.digest == about.digest else " (another digest: does not count)"
        screen.say(f"{word} by {each.who} at {each.at}: {screen.harmless(each.comment)}{fits}")
    if ran:
        screen.say(f"ran as {ran}")
    return 0


def approve(
    plan: str, comment: str, flags: Table[str, Any], profile: str | None, format_: str, *, approved: bool
) -> int:
    """`importer approve`: needs neither the target nor its secrets."""
    from importer.wiring import clock, ledger, plans, preparer

    settings = load(flags, profile)
    as_json = json_wanted(format_)
    if not comment.strip():
        raise UsageError("A decision needs a comment.", 'Add --comment "…".')
    preview = unchanged(plans(settings).find(plan))
    about = preview.about
    at = clock().now().isoformat(timespec="seconds").replace("+00:00", "Z")
    approval = Approval(about.plan, about.digest, approved, preparer(), at, comment.strip())
    book = ledger(settings)
    try:
        ran = book.run_of_plan(about.plan)
        if ran:
            raise PlanRefused(f"The plan {about.plan} ran already, as {ran}.", "Preview the file again for a new plan.")
        book.add_approval(approval)
    finally:
        book.close()
    word = "approved" if approved else "rejected"
    if as_json:
        body = {"schema": "importer.approval/1", "plan": about.plan, "digest": about.digest, "approved": approved}
        screen.say_json({**body, "who": approval.who, "at": at, "comment": approval.comment, "exit_code": 0})
        return 0
    screen.say(f"{word} {about.plan}, digest {short(about.digest)}, by {approval.who} at {at}")
    if approval.who == about.preparer:
        screen.tell("▲ The same person prepared this plan; who approves is known from the login alone.")
    if approved:
        screen.say(f"Next: importer run {about.plan}")
    return 0
