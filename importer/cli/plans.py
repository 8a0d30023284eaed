"""plan show, plan verify and approve."""

from collections.abc import Iterator
from collections.abc import Mapping as Table
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from importer.cli import screen
from importer.cli.look import json_wanted, show_preview
from importer.core.approval import Approval, LeftOut, Person
from importer.core.errors import UsageError
from importer.core.findings import listed
from importer.core.plan import findings_record, short
from importer.desk.permission import unchanged
from importer.quantities import parse_lines
from importer.settings import Settings, load

if TYPE_CHECKING:
    from importer.ports import Ledger


@dataclass(frozen=True, slots=True)
class Decided:
    """What the command line says of a decision."""

    comment: str
    approved: bool
    expires: str | None = None
    skip: str | None = None
    reason: str | None = None
    to: Path | None = None  # where the decision is written too
    given: Path | None = None  # a decision that was made elsewhere

    def is_alone(self) -> None:
        """Raises UsageError where something is said of a decision that was made elsewhere."""
        if self.comment or not self.approved or self.expires or self.skip or self.reason or self.to:
            raise UsageError(
                "A decision that comes with --from is made already.", "Give --from alone, or decide here without it."
            )

    def left_out(self) -> list[LeftOut]:
        """The rows to leave out. Raises UsageError."""
        if not self.skip:
            if self.reason:
                raise UsageError("--reason is given, but no --skip.", "Say which rows to leave out: --skip 17,20-25.")
            return []
        if not self.approved:
            raise UsageError("Rows are left out of what is approved.", "Leave --skip out, or --reject.")
        return [LeftOut(line, self.reason or "") for line in sorted(parse_lines(self.skip or "", "--skip"))]


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
    from importer.desk.deciding import decisions
    from importer.wiring import ledger, plans

    settings = load(flags, profile)
    as_json = json_wanted(format_)
    file = plans(settings).find(plan)
    preview = file.verify()
    book = ledger(settings)
    try:
        decided, ran = decisions(settings, book, preview.about.plan), book.run_of_plan(preview.about.plan)
    finally:
        book.close()
    head, about = preview.head, preview.about
    if as_json:
        body: dict[str, Any] = {"schema": "importer.plan-shown/1", "plan": about.plan, "digest": about.digest}
        body |= {"source": about.source, "made_at": about.made_at, "preparer": about.preparer, "counts": head.counts}
        body |= {"environment": str(head.environment), "warnings": head.warnings, "queues": list(head.queues)}
        body |= {"findings": findings_record(head.findings), "run": ran, "exit_code": 0}
        body["approvals"] = [
            {"approved": d.approved, "who": str(d.who), "at": d.at, "expires_at": d.expires_at, "comment": d.comment,
             "left_out": [asdict(each) for each in d.left_out]}
            for d in decided
        ]  # fmt: skip
        screen.say_json(body)
        return 0
    show_preview(Path(about.source), preview, settings, plan)
    screen.say(
        f"made {about.made_at} by {Person(about.preparer, about.preparer_how)} from {screen.harmless(about.source)}"
    )
    columns = ("queue", "status", "room", "rows", "ready", "existing", "invalid", "duplicate")
    rows = [[("" if line[name] is None else line[name]) for name in columns] for line in head.queues]
    screen.table(rows, [name.capitalize() for name in columns])
    sha256 = file.sha256() if decided else ""
    for each in decided:
        word = "approved" if each.approved else "rejected"
        fits = "" if (each.digest, each.sha256) == (about.digest, sha256) else " (of other bytes: does not count)"
        until = f", until {each.expires_at}" if each.expires_at else ""
        screen.say(f"{word} {screen.harmless(str(each))}{until}{fits}")
    if ran:
        screen.say(f"ran as {ran}")
    return 0


def approve(
    plan: str,
    asked: Decided,
    flags: Table[str, Any],
    profile: str | None,
    format_: str,
) -> int:
    """`importer approve`: needs neither the target nor its secrets."""
    from importer.wiring import approvals, ledger, plans

    settings = load(flags, profile)
    as_json = json_wanted(format_)
    book = ledger(settings)
    try:
        approval = _decided(settings, book, plan, asked)
    finally:
        book.close()
    about = plans(settings).find(plan).preview().about
    if as_json:
        body: dict[str, Any] = {"schema": "importer.approval/2", **approval.record()}
        body |= {"left_out": [asdict(each) for each in approval.left_out], "chain": approvals(settings).read().head}
        screen.say_json(body | {"exit_code": 0})
        return 0
    word = "approved" if approval.approved else "rejected"
    until = f", until {approval.expires_at}" if approval.expires_at else ""
    screen.say(f"{word} {approval.plan}, digest {short(approval.digest)}, by {approval.who} at {approval.at}{until}")
    if asked.to is not None:
        screen.say(
            f"written, to be mailed: {screen.harmless(asked.to)}; there: importer approve {approval.plan} --from FILE"
        )
        return 0
    if approval.left_out:
        lines = listed(str(each.line) for each in approval.left_out)
        screen.say(f"left out, with the reason: line {lines}")
    if approval.who.is_same(Person(about.preparer, about.preparer_how)):
        screen.tell("▲ The same person prepared this plan; who approves is known from the login alone.")
    if approval.approved:
        screen.say(f"Next: importer run {plan}")
    return 0


def _decided(settings: Settings, book: "Ledger", plan: str, asked: Decided) -> Approval:
    """The decision, made here or taken over from elsewhere, and in a file of its own where that was asked for."""
    from importer.desk.deciding import decide
    from importer.desk.mailed import content, letter_of, taken_over
    from importer.wiring import person

    if asked.given is not None:
        asked.is_alone()
        return taken_over(settings, book, plan, content(asked.given))
    decided = partial(
        decide, settings, book, plan, person(), asked.comment,
        approved=asked.approved, expires=asked.expires, left_out=asked.left_out(),
    )  # fmt: skip
    if asked.to is None:
        return decided()
    with _new(asked.to) as file:
        approval = decided()
        file.write(letter_of(settings, approval))
    return approval


@contextmanager
def _new(path: Path) -> Iterator[BinaryIO]:
    """A file that was not there, and is not there if nothing comes of it. Raises UsageError."""
    try:
        file = path.open("xb")
    except OSError as problem:
        raise UsageError(f"{path} cannot be written: {problem.strerror}.", "Choose another name for --to.") from problem
    try:
        with file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise
