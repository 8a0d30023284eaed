"""Permission: whether a plan may run here and now, and if not, why and what to do."""

from pathlib import Path
from typing import TYPE_CHECKING

from importer.core.approval import Approval, Person, Refusal, one_person, standing, use_of, used_up
from importer.core.errors import PlanRefused, SettingsError
from importer.core.plan import RULES, Environment, Preview, canonical
from importer.desk.desk import Desk
from importer.settings import Settings

if TYPE_CHECKING:
    from importer.approvals.log import Chain
    from importer.ledgers.plans import PlanFile
    from importer.ports import Ledger

AGAIN = "Preview the file again; approvals of the old plan do not count."


def unchanged(plan: "PlanFile") -> Preview:
    """The plan, if plan, file and mapping are what they were; what is not there any more is not compared. Raises PlanRefused."""
    from importer.sources.reader import fingerprint

    preview = plan.verify()
    head, about = preview.head, preview.about
    source = Path(about.kept or about.source)
    if source.is_file():
        sha256, _ = fingerprint(source)
        if sha256 != head.source_sha256:
            raise PlanRefused(
                f"The file {about.source} was changed since the preview (SHA-256 {sha256[:8]}…, was {head.source_sha256[:8]}…).",
                AGAIN,
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


def known_heads(book: "Ledger") -> list[str]:
    """Heads of the log that runs were opened under: what the log must still have."""
    return [record.chain for record in book.runs() if record.chain]


def may_run(desk: Desk, plan: str, environment: Environment | None = None) -> tuple[Preview, Approval | None]:
    """The plan, and the approval under which it may run now (None: none was needed). `plan`: an ID or a file's path.

    Everything that was approved must still be so: the plan's file, the source, mapping, settings and rules, the
    environment. Without an `environment` that is not compared. Raises PlanRefused with the next command, LedgerError
    where the log of approvals was altered.
    """
    from importer.wiring import plans

    file = plans(desk.settings).find(plan)
    sha256 = file.sha256()
    preview = unchanged(file)
    _not_run(desk.book, preview)
    _same_rules(preview)
    _same_settings(desk.settings, preview)
    if environment is not None:
        _same_environment(preview, environment)
    return preview, approved(desk, preview, sha256)


def approved(desk: Desk, preview: Preview, sha256: str) -> Approval | None:
    """The approval under which a plan whose file has this hash may run now; None where none is needed. Raises PlanRefused."""
    from importer.wiring import approvals

    found = allowed(desk, preview, sha256, approvals(desk.settings).read(known_heads(desk.book)))
    if isinstance(found, Refusal):
        raise refused(found)
    return found


def allowed(desk: Desk, preview: Preview, sha256: str, chain: "Chain") -> Approval | Refusal | None:
    """The same as the log is at a moment, as a value."""
    from importer.wiring import clock

    about, four_eyes = preview.about, desk.settings.four_eyes(desk.identity)
    use = use_of(about.plan, chain.entries)
    if use is not None and use.stage == "opened":
        return used_up(use)
    required = desk.settings.require_approval or four_eyes
    found = standing(about.plan, about.digest, sha256, chain.entries, now=clock().now(), required=required)
    if isinstance(found, Refusal) or not four_eyes:
        return found
    return one_person(found, Person(about.preparer, about.preparer_how)) or found


def refused(found: Refusal) -> PlanRefused:
    """A refusal as what ends a command."""
    return PlanRefused(found.reason, found.fix)


def _not_run(book: "Ledger", preview: Preview) -> None:
    about = preview.about
    ran = book.run_of_plan(about.plan)
    if ran:
        raise PlanRefused(
            f"The plan {about.plan} ran already, as {ran}.",
            f"Preview the file again for a new plan, or carry the run on: importer resume {ran}",
        )
    restored = book.restored_at()
    if about.made_at <= restored:
        raise PlanRefused(
            f"The plan {about.plan} was made before the ledger was put back from an older copy (at {restored}); it may have run.",
            "Preview the file again: what was created meanwhile is found then.",
        )


def _same_rules(preview: Preview) -> None:
    if preview.head.rules != RULES:
        raise PlanRefused(
            f"The plan was judged by version {preview.head.rules} of the rules (importer {preview.about.version}), "
            f"this importer has version {RULES}.",
            AGAIN,
        )


def _same_settings(settings: Settings, preview: Preview) -> None:
    """What the target is sent hangs on them; a mapping is compared where one is given now."""
    from importer.wiring import limits

    head = preview.head
    if settings.text("target") == head.environment.target:
        for name, now in limits(settings).settings().items():
            before = head.settings.get(name)
            if before != now:
                origin = settings.values[name].origin
                raise PlanRefused(
                    f"The setting {name} was {before} when the plan was made and is {now} now ({origin}).",
                    f"Set it back to {before}, or preview the file again.",
                )
    _same_mapping(settings, preview)


def _same_mapping(settings: Settings, preview: Preview) -> None:
    """The mapping that is given now, by a file or by the profile, is the plan's. On the page people choose it for each upload."""
    head, about, now = preview.head, preview.about, settings.mapping
    given = settings.mapping_file or (not about.mapping_file and now != type(now)())
    if about.kept or not given or canonical(now.record()) == canonical(head.mapping):
        return
    raise PlanRefused(
        f"The mapping {settings.mapping_file or 'of the profile'} is not the one that the plan was made with.",
        "Leave --map out (the plan has its mapping), choose the plan's profile, or preview the file again.",
    )


def _same_environment(preview: Preview, environment: Environment) -> None:
    made_for = preview.head.environment
    changes = made_for.differs(environment)
    if changes:
        raise PlanRefused(
            f"The plan was made for {made_for} (client {made_for.client}), this is {environment} (client "
            f"{environment.client}): {', '.join(changes)}.",
            "Preview the file again in this environment, or choose the plan's own.",
        )
