"""Opening: the beginning of a run, with every row in the ledger before the first call."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from importer.core.approval import Approval, Person, Refusal, Use, decisions_on
from importer.core.drift import Drift, in_words
from importer.core.drift import left_out as left_out_of
from importer.core.errors import PlanRefused
from importer.core.findings import Finding, finding
from importer.core.moments import written
from importer.core.plan import Digest, PlanRow, Preview, canonical, short
from importer.desk.desk import Desk, running
from importer.desk.permission import allowed, may_run, refused

if TYPE_CHECKING:
    from importer.approvals.log import Chain
    from importer.wiring import Connection

STOPS = ("timeout", "longest_wait", "outage_wait", "canary", "max_failures")
"""Settings that say when a run stops: kept with it, as those of its pace."""
KEPT = ("rate", "concurrency", "index_lag", "track", "track_for", "audit", "notifications", *STOPS)
NOTHING: Mapping[int, Finding] = MappingProxyType({})


async def started(
    desk: Desk,
    plan: str,
    connection: "Connection",
    *,
    who: Person | None = None,
    on_drift: str | None = None,
    tell: Callable[[Drift], None] = lambda _: None,
) -> str:
    """Opens the run of a plan that may run here and now; gives its ID, and sends nothing.

    `who` opens it; `on_drift`: stop or skip (None: as the settings say); `tell` hears what has drifted. What takes a
    while runs in threads. Raises PlanRefused, also for drift where it is to stop, NotAuthorised, TargetDown, LedgerError.
    """
    from importer.flow.drift import drifted, resting
    from importer.flow.run import PREVIEW_SCOPES
    from importer.wiring import plans

    target = connection.target
    await target.log_in(PREVIEW_SCOPES)
    here = replace(connection.environment, organization=await target.organization())
    preview, approval = await asyncio.to_thread(may_run, desk, plan, here)  # hashes whole files
    gone = {each.line for each in approval.left_out} if approval else set()
    rows = plans(desk.settings).find(plan).rows()
    rested = await asyncio.to_thread(resting, target, preview.head, rows, gone.__contains__)  # reads every row
    found = await drifted(target, preview.head, rested)
    for each in found:
        tell(each)
    if found and (on_drift or desk.settings.on_drift) == "stop":
        raise PlanRefused(
            f"What the rows rest on changed since the plan was made. {in_words(found)}.",
            f"Preview the file again, or leave these rows out: importer run {preview.about.plan} --on-drift skip",
        )
    opened = partial(open_run, desk, preview, approval, connection, who=who, plan=plan, left_out=left_out_of(found))
    return await asyncio.to_thread(opened)  # writes every row


def open_run(
    desk: Desk,
    preview: Preview,
    approval: Approval | None,
    connection: "Connection",
    *,
    who: Person | None = None,
    plan: str = "",
    left_out: Mapping[int, Finding] = NOTHING,
) -> str:
    """Records the run with every row before the first POST; gives its ID. Raises PlanRefused if the plan ran already.

    `who` opens it (default: whose process this is); `plan`: the plan's file, where it is not the one of that ID;
    `left_out`: rows that become skipped, by line, beside those that the approval leaves out.
    """
    from importer.wiring import approvals, clock, plans
    from importer.wiring import person as myself

    about = preview.about
    moment = clock().now()
    file = plans(desk.settings).find(plan or about.plan)
    log = approvals(desk.settings)
    run_id, chain = _free(desk, log.read(), f"{moment:%Y%m%d-%H%M%S}-{about.digest[:4]}"), ""
    use = Use(about.plan, about.digest, run_id, "taken", who or myself(), written(moment))
    if approval is not None:
        sha256 = file.sha256()
        run_id, seen = log.take(use, lambda chain: _still(desk, preview, approval, sha256, chain))
        chain = seen.head
    settings = desk.settings
    kept: dict[str, object] = {name: settings.given(name) for name in KEPT}
    out = str(Path(settings.text("out")).absolute())
    every = {**left_out, **(_left_out(approval) if approval else {})}
    rows = _as_approved(preview, file.rows(), lambda: _not_decided_anew(log.read(), about.plan, approval))
    plans(desk.settings).kept(file, about.plan)  # a file from elsewhere: whoever checks the run later asks for it
    running(desk, connection, _unheard).open(run_id, preview, rows, approval, out, kept, chain=chain, left_out=every)
    if approval is not None:
        log.opened(replace(use, run=run_id))
    return run_id


def _free(desk: Desk, chain: "Chain", stem: str) -> str:
    """The ID of a new run: neither one in the ledger nor one that an approval was used for."""
    taken = {record.run for record in desk.book.runs()} | {use.run for use in chain.entries if isinstance(use, Use)}
    return next(name for name in (stem, *(f"{stem}-{n}" for n in range(2, 1000))) if name not in taken)


def _still(desk: Desk, preview: Preview, approval: Approval, sha256: str, chain: "Chain") -> PlanRefused | None:
    """Why an approval does not count any more, as the log is at the moment of its use."""
    found = allowed(desk, preview, sha256, chain)
    if isinstance(found, Refusal):
        return refused(found)
    return None if found == approval else _anew(preview.about.plan)


def _not_decided_anew(chain: "Chain", plan: str, approval: Approval | None) -> None:
    """A decision that was taken down while the run was opened counts: whoever made it was told so. Raises PlanRefused."""
    decisions = decisions_on(plan, chain.entries)
    if decisions and decisions[-1] != approval:
        raise _anew(plan)


def _anew(plan: str) -> PlanRefused:
    return PlanRefused(f"The plan {plan} was decided anew meanwhile.", f"importer run {plan} tells how it stands.")


def _left_out(approval: Approval) -> dict[int, Finding]:
    who = str(approval.who)
    return {each.line: finding("P702", line=each.line, who=who, reason=each.reason) for each in approval.left_out}


def _as_approved(preview: Preview, rows: Iterator[PlanRow], still: Callable[[], None]) -> Iterator[PlanRow]:
    """The rows, and at their end the proof that they are those that the digest names: the file may have been swapped meanwhile.

    `still` raises PlanRefused where the plan may not run any more: a hundred thousand rows take a while. Raises PlanRefused inside the ledger's transaction, so that nothing of the run is kept.
    """
    digest = Digest()
    for row in rows:
        digest.add(canonical(row.record()))
        yield row
    actual = digest.value(preview.head)
    if actual != preview.about.digest:
        raise PlanRefused(
            f"The plan {preview.about.plan} was altered while it was opened: its digest is {short(actual)}.",
            "Preview the file again.",
        )
    still()


def _unheard(event: str, numbers: object) -> None:
    """Opening a run tells nothing on its way."""
