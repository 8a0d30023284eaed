"""Making: a plan out of a file, and the reports of a plan."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.core.errors import FileRefused
from importer.core.findings import finding
from importer.core.fixes import Fixed
from importer.core.moments import written
from importer.ports import ReadOptions
from importer.settings import Settings

if TYPE_CHECKING:
    from importer.core.plan import Preview
    from importer.flow.read import Choices
    from importer.ports import Ledger, PlanDraft, Progress
    from importer.wiring import Connection


async def previewed(
    file: Path,
    sheet: str | None,
    choices: "Choices",
    settings: Settings,
    connection: "Connection",
    book: "Ledger",
    progress: "Progress",
) -> "Preview":
    """Makes the plan of a file. Raises FileRefused, NotAuthorised, TargetDown."""
    from importer.flow.preview import Origin, Previewing
    from importer.flow.run import PREVIEW_SCOPES
    from importer.sources.reader import fingerprint, open_source
    from importer.wiring import clock, person, plans

    sha256, size = fingerprint(file)
    with open_source(file, ReadOptions(sheet, file_limits=settings.file_limits)) as reading:
        await connection.target.log_in(PREVIEW_SCOPES)
        previewing = Previewing(
            connection.target, book, connection.environment, clock(), progress, settings.server_check
        )
        origin = Origin(str(file.absolute()), sha256, size, person())
        at = written(clock().now())
        fixed = [Fixed(each.line, each.column, origin.preparer.name, at) for each in sorted(choices.fixes)]
        draft = _Unchanged(plans(settings).draft(settings.mapping_file, fixed=fixed), file, sha256)
        return await previewing.preview(reading, choices, origin, draft)


class _Unchanged:
    """A draft that is finished only if the file is still what it was when it was read."""

    def __init__(self, draft: "PlanDraft", file: Path, sha256: str) -> None:
        self._file = file
        self._sha256 = sha256
        self._draft = draft
        self.add = draft.add
        self.discard = draft.discard

    def finish(self, *arguments: Any, **named: Any) -> "Preview":
        from importer.sources.reader import fingerprint

        if fingerprint(self._file)[0] != self._sha256:
            raise FileRefused(finding("F116"))
        return self._draft.finish(*arguments, **named)


def preview_reports(settings: Settings, made: "Preview") -> dict[str, str]:
    """Writes the reports of a plan; absolute paths by name, the plan's own among them. Raises NotWritten."""
    from importer.desk.kinds import beside
    from importer.wiring import plans
    from importer.writers import preview_html, preview_json, preview_xlsx

    plan = plans(settings).find(made.about.plan)
    folder = Path(settings.text("out")).absolute() / f"plan-{made.about.plan}"
    paths = {
        "preview_xlsx": preview_xlsx.write_preview(folder, made, plan.rows, settings.rate, _link(settings, made)),
        "preview_html": preview_html.write_preview_html(
            folder, made, plan.rows, settings.rate, _link(settings, made), beside(plans(settings), made)
        ),
        "preview_json": preview_json.write_preview_json(folder, made, plan.rows, settings.rate),
        "plan": plan.path,
    }
    return {name: str(path.absolute()) for name, path in paths.items()}


def _link(settings: Settings, made: "Preview") -> str:
    """The plan's page, where it is known what the page is called. No link has a token."""
    public = settings.given("public_url")
    return f"{str(public).rstrip('/')}/plans/{made.about.plan}" if public else ""
