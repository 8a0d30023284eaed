"""check, preview and map: commands that only look."""

import time
from collections.abc import Mapping as Table
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.cli import screen
from importer.core.errors import FileRefused, UsageError
from importer.core.findings import Finding, finding
from importer.core.screen import ScreenTask
from importer.core.unseen import BROKEN, UNSEEN
from importer.ports import ReadOptions
from importer.quantities import parse_lines
from importer.settings import Settings, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.core.fixes import FixesFile
    from importer.core.limits import Limits
    from importer.core.plan import Preview
    from importer.flow.read import Choices
    from importer.ports import Ledger
    from importer.wiring import Connection

FIXES_MOST = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says about the file."""

    sheet: str | None
    header_row: int | None
    skip: str | None
    skip_reason: str = ""
    fixes: Path | None = None  # a file of fixes

    def choices(self, settings: Settings, sha256: str = "") -> "Choices":
        """The choices about rows of a file, whose hash is known if it is to be compared. Raises UsageError."""
        from importer.core.fixes import reason_of
        from importer.flow.read import Choices

        if self.skip_reason and not self.skip:
            raise UsageError("--skip-reason says why lines are left out, but none are.", "Add --skip LINES.")
        reason = reason_of(self.skip_reason)
        skipped = dict.fromkeys(parse_lines(self.skip or "", "--skip"), reason)
        if self.fixes is None:
            return Choices(settings.mapping, self.header_row, skipped)
        given = _read_fixes(self.fixes)
        if given.sha256 and sha256 and given.sha256 != sha256:
            raise UsageError(
                f"The fixes in {self.fixes} were made for another file (SHA-256 {given.sha256[:8]}…, this has {sha256[:8]}…).",
                "Use them with the file that they were made for, or make them anew.",
            )
        if not reason:  # a line that both leave out keeps the reason of the file
            skipped |= {line: told for line, told in given.skipped.items() if line in skipped}
        return Choices(settings.mapping, self.header_row, {**given.skipped, **skipped}, given.fixes)


def json_wanted(format_: str) -> bool:
    """Whether stdout is to be one JSON object. Raises UsageError for another format than human and json."""
    if format_ not in ("human", "json"):
        raise UsageError(f"--format {format_} is unknown.", "Use human or json.")
    return format_ == "json"


def check(file: Path, asked: Asked, flags: Table[str, Any], profile: str | None, format_: str) -> int:
    """`importer check`."""
    from importer.sources.reader import open_source
    from importer.wiring import limits

    began = time.monotonic()
    as_json = json_wanted(format_)
    settings = load(flags, profile)
    progress = screen.ProgressLine(quiet=as_json)
    screen_task = ScreenTask(settings.mapping.record(), asked.header_row, limits(settings).record())
    with open_source(
        file, ReadOptions(asked.sheet, screen_task, settings.file_limits), meanwhile=_load_judging
    ) as reading:
        from importer.flow.check import check as judged

        found = judged(
            reading, asked.choices(settings), limits(settings), lambda rows: progress("checked", {"rows": rows})
        )
    progress.end()
    from importer.core.plan import findings_record
    from importer.core.report import in_words

    exit_code = 3 if found.counts["invalid"] or found.counts["duplicate"] else 0
    if as_json:
        body: dict[str, Any] = {"schema": "importer.check/1", "counts": found.counts, "warnings": found.warnings}
        body |= {"reports": {}, "findings": findings_record(found.findings)}
        body["problems"] = [cause_record(cause) for cause in found.causes]
        screen.say_json(body | {"exit_code": exit_code, "seconds": _since(began)})
        return exit_code
    _tell_assumptions(file, found.header.matched, found.findings)
    screen.show_causes(found.causes)
    screen.say(f"checked {screen.harmless(file.name)}: {in_words(found.counts)}")
    if found.warnings:
        screen.say(f"{found.warnings:,} of the ready rows have warnings")
    screen.say("Nothing was sent, and the target was not asked. Next: importer preview FILE")
    return exit_code


def _load_judging() -> None:
    """What judging needs, loaded while the reader starts."""
    import importer.flow.check
    from importer.core.task import validator
    from importer.targets.limits import TASKS

    validator(TASKS)
    del importer


def preview(file: Path, asked: Asked, flags: Table[str, Any], profile: str | None, format_: str) -> int:
    """`importer preview`."""
    from importer.core.plan import findings_record
    from importer.desk.making import preview_reports
    from importer.wiring import begin_log, connected, ledger

    began = time.monotonic()
    as_json = json_wanted(format_)
    settings = load(flags, profile)
    _must_be_there(file)
    begin_log(settings)
    book = ledger(settings)
    try:
        with connected(settings) as connection:
            made = connection.run(previewed(file, asked, settings, connection, book, quiet=as_json))
    finally:
        book.close()
    reports = preview_reports(settings, made)
    counts = made.head.counts
    exit_code = 3 if counts["invalid"] or counts["duplicate"] else 0
    if as_json:
        body: dict[str, Any] = {"schema": "importer.preview/1", "plan": made.about.plan, "digest": made.about.digest}
        body |= {"counts": counts, "warnings": made.head.warnings, "reports": reports}
        body["findings"] = findings_record(made.head.findings)
        screen.say_json(body | {"exit_code": exit_code, "seconds": _since(began)})
        return exit_code
    show_preview(file, made, settings)
    for path in reports.values():
        screen.say(f"wrote {screen.harmless(path)}")
    screen.say(f"Nothing has been sent. Next: importer run {made.about.plan}{sandbox_flag(settings)}")
    return exit_code


async def previewed(
    file: Path, asked: Asked, settings: Settings, connection: "Connection", book: "Ledger", *, quiet: bool
) -> "Preview":
    """Makes the plan of a file, with its progress on the screen. Raises FileRefused, NotAuthorised, TargetDown."""
    from importer.desk.making import previewed as made
    from importer.sources.reader import fingerprint

    progress = screen.ProgressLine(quiet=quiet)
    try:
        choices = asked.choices(settings, fingerprint(file)[0] if asked.fixes else "")
        return await made(file, asked.sheet, choices, settings, connection, book, progress)
    finally:
        progress.end()


def show_preview(file: Path, made: "Preview", settings: Settings, plan: str = "") -> None:
    """The preview on the screen: what was assumed, problems by cause, the books, the forecast. `plan`: its file, where it is elsewhere."""
    from importer.core.plan import short
    from importer.core.report import Causes, forecast, in_words
    from importer.wiring import plans

    head = made.head
    _tell_assumptions(file, head.matched, head.findings)
    causes = Causes()
    for row in plans(settings).find(plan or made.about.plan).rows():
        if row.findings:
            causes.add(row.findings)
    screen.show_causes(causes.ranked())
    screen.say(f"previewed {screen.harmless(file.name)} for {head.environment}: {in_words(head.counts)}")
    if head.warnings:
        screen.say(f"{head.warnings:,} of the ready rows have warnings")
    looked_up = sum(1 for queue in head.queues if queue["id"])
    cost = forecast(head.counts, looked_up, *settings.rate, head.environment.target)
    screen.say(f"plan {made.about.plan}, digest {short(made.about.digest)}")
    if head.counts["ready"]:
        screen.say(f"forecast: about {cost['total']:,} calls, {cost['minutes']:g} minutes at {settings.text('rate')}")


def draft_mapping(file: Path, asked: Asked, target: str = "tasks") -> int:
    """`importer map`: a draft from the headings found, with the fields of the target. Raises UsageError, FileRefused."""
    from importer.core.columns import HEADER_SEARCHED, find_header, match_headings
    from importer.core.mapping import Mapping
    from importer.sources.reader import open_source
    from importer.targets.limits import LIMITS

    if target not in LIMITS:
        raise UsageError(f"The target {target} is unknown.", f"Use one of: {', '.join(LIMITS)}.")
    limits = LIMITS[target]
    with open_source(file, ReadOptions(asked.sheet)) as reading:
        rows = []
        for row in reading.rows:
            rows.append(row)
            if len(rows) >= HEADER_SEARCHED or row.line == asked.header_row:
                break
    index = len(rows) - 1 if asked.header_row else find_header(rows, Mapping(), limits)
    if index is None or not rows:
        raise FileRefused(finding("F103"))
    header = match_headings(rows[index], Mapping(), limits)
    for line in _draft(file.name, header.headings, header.matched, limits):
        screen.say(line)
    return 0


def _draft(name: str, headings: tuple[str, ...], matched: dict[str, str], limits: "Limits") -> "Iterator[str]":
    from importer.core.columns import columns_of
    from importer.core.mapping import SHORTENED

    yield f"# A mapping for {screen.harmless(name)}. Use it with --map FILE. Headings: see below."
    yield "[columns]"
    for column in columns_of(limits):
        found = matched.get(column.field)
        start = "" if found else "# "
        need = "required" if column.required else "optional"
        yield f"{start}{column.field} = {_toml(found or 'HEADING')}  # {need}: {column.help}"
    yield ""
    yield "# [values.priority]   # what a cell says = what it means"
    yield "# high = 90"
    yield "# [constants]"
    yield '# worktype = "Case"   # one for the whole file' if "worktype" in limits.fields else '# type = "email"'
    yield ""
    yield "[attributes]          # name on the task = heading or template; delete what is not wanted"
    for heading in dict.fromkeys(headings):
        if heading and heading not in matched.values():
            yield f"# {_toml(_key(heading))} = {_toml(_escaped(heading))}"
    yield ""
    yield "[overflow]"
    for field in SHORTENED:
        if field in limits.fields:
            yield f'{field} = "refuse"   # or "shorten"'


def _toml(text: str) -> str:
    """A TOML basic string (JSON's escapes are TOML's); what is invisible is escaped."""
    import json

    body = json.dumps(BROKEN.sub("\ufffd", text), ensure_ascii=False)
    return UNSEEN.sub(lambda match: f"\\U{ord(match[0]):08x}", body)


def _escaped(heading: str) -> str:
    return heading.replace("{", "{{").replace("}", "}}") if "{" in heading or "}" in heading else heading


def _key(heading: str) -> str:
    words = "".join(c if c.isalnum() else " " for c in heading).split()
    return "".join([words[0].lower(), *(word.capitalize() for word in words[1:])]) if words else "attribute"


def _tell_assumptions(file: Path, matched: dict[str, str], findings: tuple[Finding, ...]) -> None:
    """Nothing is guessed silently."""
    columns = ", ".join(f"{field} ← {source}" for field, source in matched.items())
    screen.tell(f"columns: {screen.harmless(columns)}")
    for each in findings:
        screen.show_finding(each, file.name)


def cause_record(cause: Any) -> dict[str, Any]:
    """A cause as plain values."""
    from dataclasses import asdict

    return {name: value for name, value in asdict(cause).items() if value != ""}


def sandbox_flag(settings: Settings) -> str:
    """` --sandbox` where the command line said so: for the next command that is shown."""
    return " --sandbox" if settings.values["sandbox"].origin == "--sandbox" else ""


def _read_fixes(path: Path) -> "FixesFile":
    """The fixes in a file. Raises UsageError."""
    import json

    from importer.core.fixes import read_fixes

    try:
        if path.stat().st_size > FIXES_MOST:
            raise UsageError(f"{path} is too large for a file of fixes.", f"At most {FIXES_MOST:,} bytes are read.")
        record = json.loads(path.read_text("utf-8"))
    except OSError as problem:
        raise UsageError(f"{path} cannot be read: {problem.strerror}.", "Check the path (--fixes).") from problem
    except (ValueError, RecursionError) as problem:
        raise UsageError(
            f"{path} is not a file of fixes: {problem}.", "It is JSON of the form importer.fixes/1."
        ) from None
    return read_fixes(record, str(path))


def _must_be_there(file: Path) -> None:
    """Told before anything else is asked for."""
    if not file.exists():
        raise FileRefused(finding("F101", problem=f"there is no file {file}"))


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)
