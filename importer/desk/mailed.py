"""Mailed: decisions that were made in another state folder, and whose they may be."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from importer.core.approval import Approval, Person, decisions_on
from importer.core.errors import PlanRefused, UsageError
from importer.core.moments import written
from importer.desk.deciding import LONGEST, ran, rows_left_out
from importer.desk.permission import known_heads, unchanged
from importer.settings import Settings

if TYPE_CHECKING:
    from importer.approvals.approvers import Approver
    from importer.approvals.keys import PublicKey
    from importer.approvals.log import Chain
    from importer.ports import Ledger

AHEAD = timedelta(minutes=10)
"""So far the clock of the approver may be ahead of ours."""


def letter_of(settings: Settings, approval: Approval) -> bytes:
    """A decision of this state folder as a file for another. Raises LedgerError."""
    from importer.approvals.letter import written as letter
    from importer.wiring import approvals

    return letter(approval, approvals(settings))


def taken_over(settings: Settings, book: "Ledger", plan: str, letter: bytes) -> Approval:
    """A letter's decision becomes one of this folder's log, durable when it returns; `plan`: an ID or a file's path.

    It counts as if it had been made here: for these bytes of this plan alone, until its own end. Raises UsageError (no
    letter, or altered), PlanRefused (unknown key, another plan, too old, decided anew meanwhile, run already), LedgerError.
    """
    from importer.approvals.letter import read
    from importer.wiring import approvals, approvers, clock, plans

    found = read(letter)
    approver = approvers(settings).of(found.key)
    if approver is None:
        raise PlanRefused(
            f"The decision is signed with the key {found.key.name}, which is nobody's here.",
            "Compare that with what the approver reads out (importer approver key), then: importer approver add NAME FILE",
        )
    file = plans(settings).find(plan)
    sha256 = file.sha256()
    about = unchanged(file).about
    approval = replace(found.approval, who=Person(approver.name, f"key {found.key.name}"))
    if (approval.plan, approval.digest, approval.sha256) != (about.plan, about.digest, sha256):
        raise PlanRefused(
            f"The decision is on other bytes: on the plan {approval.plan[:80]}, SHA-256 {approval.sha256[:8]}…; this is "
            f"{about.plan}, SHA-256 {sha256[:8]}….",
            "Name the plan that was mailed, or mail this one.",
        )
    if approval.left_out and rows_left_out(file, approval.left_out) != approval.left_out:
        raise UsageError("The decision leaves rows out that would not be sent.", "Have the plan approved again.")
    _in_time(approval, clock().now())
    log = approvals(settings)
    log.read(known_heads(book))
    log.decide(approval, lambda chain: _late(approval, chain) or ran(about.plan, book, chain))
    return approval


def added(settings: Settings, name: str, given: Path) -> "Approver":
    """Whoever owns the key in this file (a public key, or a decision) may approve by letter from now on, under this name.

    Raises UsageError, LedgerError.
    """
    from importer.approvals.approvers import Approver
    from importer.wiring import approvers, clock, person

    if not name.strip() or not name.isprintable() or len(name) > 100:
        raise UsageError(
            "An approver needs a name of at most 100 characters.", "Such as: importer approver add ben FILE"
        )
    approver = Approver(name.strip(), _key_in(content(given)).text, str(person()), written(clock().now()))
    approvers(settings).add(approver)
    return approver


def content(given: Path) -> bytes:
    """The bytes of a file that a person named; no more of it than a letter may have. Raises UsageError."""
    from importer.approvals.letter import LONGEST as MOST

    try:
        with given.open("rb") as file:
            return file.read(MOST + 1)
    except OSError as problem:
        raise UsageError(
            f"{given} cannot be read: {problem.strerror or problem}.", "Name the file that was mailed."
        ) from problem


def _key_in(text: bytes) -> "PublicKey":
    from importer.approvals.letter import key_read, read

    return key_read(text) if text.lstrip().startswith(b"-----BEGIN") else read(text).key


def _in_time(approval: Approval, now: datetime) -> None:
    """Times are the approver's own: neither may lie where ours says that it cannot."""
    try:
        at = datetime.fromisoformat(approval.at)
        end = datetime.fromisoformat(approval.expires_at) if approval.expires_at else None
        ahead, over, long = at > now + AHEAD, end is not None and end <= now, end is not None and end > now + LONGEST
    except (ValueError, TypeError) as problem:
        raise UsageError("The times of the decision cannot be read.", "Have the plan approved again.") from problem
    if approval.approved and end is None:
        raise UsageError("The approval has no end.", "Have the plan approved again.")
    if over:
        raise PlanRefused(
            f"The approval by {approval.who} at {approval.at} expired at {approval.expires_at}.",
            "Have it approved again.",
        )
    if ahead or long:
        raise PlanRefused(
            f"The decision says that it was made at {approval.at} and holds until {approval.expires_at}, and it is "
            f"{written(now)} here.",
            "Set the clocks of both machines, and have the plan approved again.",
        )


def _late(approval: Approval, chain: "Chain") -> PlanRefused | None:
    """A letter that comes after a later decision changes nothing: it may have been answered by that."""
    later = [each for each in decisions_on(approval.plan, chain.entries) if each.at >= approval.at]
    if not later:
        return None
    return PlanRefused(
        f"The plan {approval.plan} was decided on since: {'approved' if later[-1].approved else 'rejected'} {later[-1]}.",
        "Have it approved again, if that is not meant.",
    )
