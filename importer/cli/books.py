"""status, runs, report, explain, template and config: commands that read what is known."""

from collections.abc import Mapping as Table
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.cli import screen
from importer.cli.look import json_wanted
from importer.core.errors import LedgerError, UsageError
from importer.core.findings import CATALOGUE
from importer.core.names import did_you_mean
from importer.core.report import in_words
from importer.hosts import masked
from importer.settings import CLIENT_ID, CLIENT_SECRET, load

if TYPE_CHECKING:
    from importer.core.custom_fields import CustomField
    from importer.ports import Ledger, RunRecord
    from importer.settings import Settings
    from importer.wiring import Connection


REPORTS = {"rejects": "rejects_xlsx", "annotated": "annotated_xlsx"}
"""What reports that are not called results are called in JSON."""


def status(run: str | None, flags: Table[str, Any], profile: str | None, format_: str) -> int:
    """`importer status`."""
    from importer.desk.results import one_run
    from importer.wiring import ledger

    as_json = json_wanted(format_)
    book = ledger(load(flags, profile))
    try:
        known = book.runs()
        record = one_run(book, run) if run else known[-1] if known else None
        if record is None:
            screen.say_json({"schema": "importer.status/1", "run": None, "exit_code": 0}) if as_json else screen.say(
                "no runs yet"
            )
            return 0
        counts, unsettled = book.counts(record.run), book.unsettled(record.run)
    finally:
        book.close()
    if as_json:
        body: dict[str, Any] = {"schema": "importer.status/1", "run": record.run, "plan": record.preview.about.plan}
        body |= {"state": record.state, "counts": counts, "unsettled": unsettled, "opened_at": record.opened_at}
        screen.say_json(body | {"source": record.preview.about.source, "note": record.note, "exit_code": 0})
        return 0
    screen.say(f"run {record.run} ({record.state}), opened {record.opened_at}, {record.preview.head.environment}")
    screen.say(f"{screen.harmless(record.preview.about.source)}: {in_words(counts)}")
    if record.note:
        screen.say(f"stopped: {screen.harmless(record.note)}")
    if unsettled:
        screen.say(f"{unsettled:,} rows are not settled: importer resume {record.run}")
    return 0


def runs(flags: Table[str, Any], profile: str | None, format_: str) -> int:
    """`importer runs`."""
    from importer.wiring import ledger

    as_json = json_wanted(format_)
    book = ledger(load(flags, profile))
    try:
        records = [(record, book.counts(record.run)) for record in book.runs()]
    finally:
        book.close()
    if as_json:
        listed = [
            {"run": r.run, "plan": r.preview.about.plan, "state": r.state, "opened_at": r.opened_at, "counts": counts,
             "source": r.preview.about.source, "environment": str(r.preview.head.environment)}
            for r, counts in records
        ]  # fmt: skip
        screen.say_json({"schema": "importer.runs/1", "runs": listed, "exit_code": 0})
        return 0
    rows = [
        (r.run, r.state, r.opened_at, Path(r.preview.about.source).name, in_words(counts), r.preview.head.environment)
        for r, counts in records
    ]
    screen.table(rows, ("Run", "State", "Opened (UTC)", "File", "Books", "Environment"))
    return 0


def report(run: str, results: str, flags: Table[str, Any], profile: str | None, format_: str) -> int:
    """`importer report`."""
    from importer.desk.copies import rejects_run
    from importer.desk.results import one_run, reporting
    from importer.wiring import ledger
    from importer.writers import results_csv, results_json, results_xlsx

    as_json = json_wanted(format_)
    writers: dict[str, Any] = {
        "xlsx": results_xlsx.write_results,
        "json": results_json.write_results_json,
        "csv": results_csv.write_results_csv,
        "rejects": None,
        "annotated": None,
    }
    wanted = [each.strip() for each in results.split(",") if each.strip()] or ["xlsx", "json"]
    for each in wanted:
        if each not in writers:
            raise UsageError(f"--results {each} is unknown.", f"Use {', '.join(writers)}.")
    settings = load(flags, profile)
    book = ledger(settings)
    try:
        record = one_run(book, run)
        chosen = settings.values["out"].origin != "default"
        folder = Path(settings.text("out") if chosen else record.out).absolute() / f"run-{record.run}"
        facts, counts = book.run_facts(record.run), book.counts(record.run)
        paths: dict[str, str] = {}
        with reporting(settings, record.run):
            for each in wanted:
                if each == "annotated":
                    made = _annotated(folder, book, record)
                elif each == "rejects":
                    made = rejects_run(folder, book, record)
                else:
                    made = writers[each](folder, facts, counts, lambda: book.result_rows(record.run))
                paths[REPORTS.get(each, f"results_{each}")] = str(made.absolute())
            _seal(settings, book, record, folder)
    finally:
        book.close()
    if as_json:
        body = {"schema": "importer.report/1", "run": record.run, "plan": record.preview.about.plan, "counts": counts}
        screen.say_json({**body, "reports": paths, "exit_code": 0})
        return 0
    screen.say(f"run {record.run}: {in_words(counts)}")
    for path in paths.values():
        screen.say(f"wrote {screen.harmless(path)}")
    return 0


def _seal(settings: "Settings", book: "Ledger", record: "RunRecord", folder: Path) -> None:
    """The folder's seal covers what was just written; without the plan it cannot, which is told."""
    from importer.desk.results import seal_again

    if not any(folder.glob("results*.json")):
        return
    try:
        seal_again(settings, book, record, folder)
    except (UsageError, LedgerError) as problem:
        screen.tell(f"▲ The folder is not sealed: {screen.harmless(problem)}")


def _annotated(folder: Path, book: "Ledger", record: "RunRecord") -> Path:
    from importer.desk.copies import annotated_run

    written = annotated_run(folder, book, record)
    if written.fresh:
        screen.tell(
            f"· {written.path.name} is a new workbook, not a copy of the file: {screen.harmless(written.fresh)}"
        )
    return written.path


def explain(code: str) -> int:
    """`importer explain`."""
    if not code:
        rows = [(name, entry.severity.value, entry.message) for name, entry in CATALOGUE.items()]
        screen.table(rows, ("Code", "Severity", "Message"))
        return 0
    entry = CATALOGUE.get(code.upper())
    if entry is None:
        raise UsageError(
            f"There is no code {code}.{did_you_mean(code.upper(), list(CATALOGUE))}", "See importer explain."
        )
    screen.say(f"{code.upper()} ({entry.severity.value})")
    screen.say(f"  says  {entry.message}")
    screen.say(f"  why   {entry.why}")
    screen.say(f"  fix   {entry.fix}")
    return 0


def template(out: Path, flags: Table[str, Any], profile: str | None, *, offline: bool) -> int:
    """`importer template`: with the target's names and fields where it can be asked."""
    from importer.wiring import limits
    from importer.writers import template_xlsx

    settings = load(flags, profile)
    choices: Table[str, Sequence[str]] = {}
    fields: Sequence[CustomField] = ()
    if not offline and (settings.sandbox or settings.given("host") or settings.given("api_url")):
        choices, fields = _choices(settings)
    path = template_xlsx.write_template(out.absolute(), choices, limits(settings), fields)
    screen.say(f"wrote {screen.harmless(path)}")
    if not choices:
        screen.tell("· without names of queues: set GENESYS_ENV_HOST and credentials, or add --sandbox")
    return 0


def _choices(settings: Any) -> "tuple[Table[str, Sequence[str]], Sequence[CustomField]]":
    from importer.wiring import connected

    async def asked(connection: "Connection") -> "tuple[Table[str, Sequence[str]], Sequence[CustomField]]":
        await connection.target.log_in(["queue:view"])
        return await connection.target.choices()

    with connected(settings) as connection:
        found: tuple[Table[str, Sequence[str]], Sequence[CustomField]] = connection.run(asked(connection))
        return found


def config(profile: str | None, flags: Table[str, Any], *, origin: bool) -> int:
    """`importer config show`."""
    import os

    settings = load(flags, profile)
    rows: list[tuple[object, ...]] = [
        (
            name,
            settings.state_dir if name == "state_dir" else "" if value.value is None else masked(value.value),
            value.origin,
        )
        for name, value in settings.values.items()
    ]
    for name, names in (("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET)):
        found = next((each for each in names if os.environ.get(each)), "")
        rows.append((name, "set" if found else "not set", found or "default"))
    heading = ("Setting", "Value", "Origin")
    screen.table([row if origin else row[:2] for row in rows], heading if origin else heading[:2])
    return 0
