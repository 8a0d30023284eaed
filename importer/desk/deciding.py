"""Deciding: a person approves or rejects exactly one plan. Needs neither the target nor its secrets."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from importer.core.approval import Approval, LeftOut, Person, decisions_on, expiry, use_of
from importer.core.errors import PlanRefused, UsageError
from importer.core.findings import listed
from importer.core.moments import written
from importer.core.verdicts import Verdict
from importer.desk.permission import known_heads, unchanged
from importer.quantities import parse_duration
from importer.settings import Settings

if TYPE_CHECKING:
    from importer.approvals.log import Chain
    from importer.ledgers.plans import PlanFile
    from importer.ports import Clock, Ledger

LONGEST = timedelta(days=366)
"""An approval that holds for longer is a mistake."""


def decide(
    settings: Settings,
    book: "Ledger",
    plan: str,
    who: Person,
    comment: str,
    *,
    approved: bool,
    expires: str | None = None,
    left_out: Iterable[LeftOut] = (),
    clock: "Clock | None" = None,
) -> Approval:
    """Records a decision; durable when it returns. `plan`: an ID or a file's path; `expires`: such as 24h.

    Rows that would not be sent anyway are not kept among those left out. Raises UsageError, SettingsError, PlanRefused
    (altered, or run already), LedgerError.
    """
    from importer.wiring import approvals, plans
    from importer.wiring import clock as system_clock

    if not comment.strip():
        raise UsageError("A decision needs a comment.", 'Add --comment "…".')
    file = plans(settings).find(plan)
    sha256 = file.sha256()
    about = unchanged(file).about
    now = (clock or system_clock()).now()
    lasts_s = _lasts_s(settings, expires)
    approval = Approval(
        plan=about.plan,
        digest=about.digest,
        sha256=sha256,
        approved=approved,
        who=who,
        at=written(now),
        expires_at=expiry(now, lasts_s) if approved else None,
        comment=comment.strip(),
        left_out=rows_left_out(file, tuple(left_out)) if approved else (),
    )
    log = approvals(settings)
    log.read(known_heads(book))
    log.decide(approval, lambda chain: ran(about.plan, book, chain))
    return approval


def decisions(settings: Settings, book: "Ledger", plan: str) -> list[Approval]:
    """The decisions on a plan (its ID), oldest first, verified. Raises LedgerError where the log was altered."""
    from importer.wiring import approvals

    return decisions_on(plan, approvals(settings).read(known_heads(book)).entries)


def _lasts_s(settings: Settings, expires: str | None) -> float:
    lasts_s = settings.approval_expires_s if expires is None else parse_duration(expires, "--expires")
    if not 0 < lasts_s <= LONGEST.total_seconds():
        raise UsageError(f"An approval cannot last {expires}.", "Write --expires 24h; a year at most.")
    return lasts_s


def ran(plan: str, book: "Ledger", chain: "Chain") -> PlanRefused | None:
    """A plan that ran is past deciding; one that was about to run, and whose run was never opened, is not."""
    use = use_of(plan, chain.entries)
    run = book.run_of_plan(plan) or (use.run if use is not None and use.stage == "opened" else None)
    return (
        PlanRefused(f"The plan {plan} ran already, as {run}.", "Preview the file again for a new plan.")
        if run
        else None
    )


def rows_left_out(file: "PlanFile", wanted: Sequence[LeftOut]) -> tuple[LeftOut, ...]:
    """The rows that would be sent among those to leave out, each once, by line. Raises UsageError."""
    if not wanted:
        return ()
    by_line = {each.line: each for each in wanted}
    if not all(each.reason.strip() for each in by_line.values()):
        raise UsageError("Leaving rows out needs a reason.", 'Add --reason "…".')
    verdicts = {row.line: row.verdict for row in file.rows() if row.line in by_line}
    missing = sorted(line for line in by_line if line not in verdicts)
    if missing:
        raise UsageError(
            f"The plan has no row on line {listed(map(str, missing))}.", "Give lines as the spreadsheet shows them."
        )
    sent = sorted(line for line, verdict in verdicts.items() if verdict is Verdict.READY)
    if not sent:
        raise UsageError("None of these rows would be sent: there is nothing to leave out.", "Approve without --skip.")
    return tuple(LeftOut(line, by_line[line].reason.strip()) for line in sent)
