"""Approval: a person's decision on exactly one plan, its use by one run, and the rules by which it counts. Decides; does no I/O."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from importer.core.moments import written
from importer.core.plan import short


@dataclass(frozen=True, slots=True)
class Person:
    """Who somebody is, and how that is known: `uid 1000`, `token`, `header`. Never from a flag or from $USER."""

    name: str
    how: str

    def __str__(self) -> str:
        return f"{self.name} ({self.how})" if self.how else self.name

    def is_same(self, other: "Person") -> bool:
        """Whether two may be one human being: by name, whatever the door they came through, or by the system's number."""
        if self.name.casefold() == other.name.casefold():
            return True
        return self.how.startswith("uid ") and self.how == other.how


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that an approver left out, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's decision on one plan: on its digest, and on every byte of its file."""

    plan: str
    digest: str
    sha256: str  # of all bytes of the plan file; a blank in runs of before there was one
    approved: bool  # False: rejected
    who: Person
    at: str  # RFC 3339, UTC
    expires_at: str | None  # RFC 3339, UTC; None for a rejection
    comment: str
    left_out: tuple[LeftOut, ...] = ()

    def record(self) -> dict[str, Any]:
        """The decision as plain values; `approval_read` reads it back."""
        return asdict(self)

    def __str__(self) -> str:
        """`by anna (uid 1000) at 2026-01-05T20:00:00Z: fine`."""
        out = f"; {len(self.left_out):,} row{'s'[: len(self.left_out) > 1]} left out" if self.left_out else ""
        return f"by {self.who} at {self.at}: {self.comment}{out}"


Stage = Literal["taken", "opened"]


@dataclass(frozen=True, slots=True)
class Use:
    """An approved plan is used up by one run: `taken` before that run is in the ledger, `opened` once it is."""

    plan: str
    digest: str
    run: str
    stage: Stage
    who: Person
    at: str  # RFC 3339, UTC

    def record(self) -> dict[str, Any]:
        """The use as plain values; `use_read` reads it back."""
        return asdict(self)


Entry = Approval | Use


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a plan may not run, and the next command."""

    reason: str
    fix: str


def approval_read(record: dict[str, Any]) -> Approval:
    """The decision from its record; one of before approvals were signed has a name alone. Raises KeyError, TypeError."""
    known = {"sha256": "", "expires_at": None, **record}
    who = known["who"]
    known["who"] = Person(who, "") if isinstance(who, str) else Person(**who)
    known["left_out"] = tuple(LeftOut(**each) for each in known.get("left_out", ()))
    return Approval(**known)


def use_read(record: dict[str, Any]) -> Use:
    """The use from its record. Raises KeyError, TypeError."""
    return Use(**{**record, "who": Person(**record["who"])})


def decisions_on(plan: str, entries: Iterable[Entry]) -> list[Approval]:
    """The decisions on a plan, oldest first."""
    return [each for each in entries if isinstance(each, Approval) and each.plan == plan]


def use_of(plan: str, entries: Iterable[Entry]) -> Use | None:
    """The last thing known of a plan's use; None for one that was never used."""
    uses = [each for each in entries if isinstance(each, Use) and each.plan == plan]
    return uses[-1] if uses else None


def used_up(use: Use) -> Refusal:
    """Why a plan that was used is not used again."""
    return Refusal(
        f"The approval of the plan {use.plan} was used by the run {use.run} at {use.at}.",
        f"Preview the file again for a new plan, or carry the run on: importer resume {use.run}",
    )


def expiry(at: datetime, lasts_s: float) -> str:
    """When an approval given at `at` (UTC) ends, after so many seconds: RFC 3339, UTC."""
    return written(at + timedelta(seconds=lasts_s))


def standing(
    plan: str, digest: str, sha256: str, entries: Sequence[Entry], *, now: datetime, required: bool
) -> Approval | Refusal | None:
    """The decision under which a plan may run now; None where there is none and none is required.

    The last decision on the plan counts, required or not: who rejected a plan, or let an approval of it run out, was heard.
    """
    decisions = decisions_on(plan, entries)
    if not decisions:
        approve = f"importer approve {plan} --comment TEXT"
        return Refusal(f"The plan {plan} is not approved.", approve) if required else None
    last = decisions[-1]
    return _unfit(last, digest, sha256, now) or last


def _unfit(last: Approval, digest: str, sha256: str, now: datetime) -> Refusal | None:
    """Why a decision lets nothing run; None where it does."""
    again = f"importer approve {last.plan} --comment TEXT"
    if last.digest != digest:
        said = "An approval" if last.approved else "A rejection"
        return Refusal(
            f"The plan {last.plan} is not approved: {said.lower()} of {short(last.digest)} exists, but the plan was altered "
            f"and is {short(digest)} now.",
            f"Preview the file again, or have this one approved: {again}",
        )
    if not last.approved:
        return Refusal(
            f"The plan {last.plan} was rejected by {last.who} at {last.at}: {last.comment}", "Preview the file again."
        )
    if last.sha256 != sha256:
        return Refusal(
            f"The plan file was altered after {last.who} approved it at {last.at} (SHA-256 {sha256[:8]}…, was {last.sha256[:8]}…).",
            f"Put the approved file back, or have this one approved: {again}",
        )
    if last.expires_at is None or datetime.fromisoformat(last.expires_at) <= now:
        return Refusal(
            f"The approval by {last.who} at {last.at} expired at {last.expires_at}.", f"Have it approved again: {again}"
        )
    return None


def one_person(approval: Approval | None, preparer: Person) -> Refusal | None:
    """Four eyes: who prepared a plan may not be who approved it. None where two did."""
    if approval is None or not approval.who.is_same(preparer):
        return None
    return Refusal(
        f"{preparer} prepared this plan and {approval.who} approved it: four_eyes asks for two persons.",
        f"Another person runs importer approve {approval.plan} --comment TEXT",
    )
