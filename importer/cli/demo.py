"""demo: the whole story on the sandbox, with the commands' own code: check, preview, approve, run, results."""

import shutil
import tempfile
import time
from pathlib import Path

from importer.cli import screen
from importer.cli.desk import Desk, carried_on
from importer.cli.look import Asked, previewed
from importer.core.approval import Approval, Person
from importer.core.plan import Preview, short
from importer.core.report import Causes, in_words
from importer.core.states import in_words as in_words_of
from importer.desk.copies import annotated_run
from importer.desk.deciding import decide
from importer.desk.making import preview_reports
from importer.desk.opening import open_run
from importer.desk.results import exit_code_of, results_folder, results_reports
from importer.settings import Settings, Value, load
from importer.wiring import connected, ledger, plans, submission_lock

SHOWN = 3
SOURCES = {"tasks": "tasks-mixed.xlsx", "workitems": "workitems-mixed.xlsx"}


def samples() -> Path:
    """The samples: beside the package in an installed wheel, else in the checkout."""
    package = Path(__file__).parents[1]
    installed = package / "_samples"
    return installed if installed.is_dir() else package.parent / "samples"


def demo(out: Path, target: str) -> int:
    """Runs the story in a state folder of its own, which is thrown away; the reports stay. The exit code is 0 if it went as told."""
    began = time.monotonic()
    folder = out.absolute() / "demo"
    with tempfile.TemporaryDirectory(prefix="importer-demo-") as state:
        settings = _settings(Path(state), folder, target)
        book = ledger(settings)
        try:
            desk = Desk(settings, book, submission_lock(settings))
            counts = _story(desk, folder)
        finally:
            book.close()
    screen.say(f"The demo took {time.monotonic() - began:.0f} s and used no account and no network.")
    screen.say("Next: importer template --sandbox · importer preview YOUR.xlsx --sandbox · importer --help")
    return 0 if exit_code_of(counts, None) in (0, 5) else 1


def _settings(state: Path, folder: Path, target: str) -> Settings:
    loaded = load({"sandbox": True, "state_dir": str(state), "out": str(folder), "target": target}, folder=state)
    loaded.values["track_for"] = Value("60s", "demo")
    loaded.values["require_approval"] = Value(True, "demo")
    return loaded


def _story(desk: Desk, folder: Path) -> dict[str, int]:
    source = folder / SOURCES[desk.settings.text("target")]
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(samples() / source.name, source)
    with connected(desk.settings) as connection:
        screen.say(f"1. A sandbox stands for Genesys Cloud: {connection.environment.origin}")
        made = connection.run(
            previewed(source, Asked(None, None, None), desk.settings, connection, desk.book, quiet=True)
        )
        _show(made, desk, source)
        reports = preview_reports(desk.settings, made)
        approval = _approved(desk, made)
        run = open_run(desk, made, approval, connection)
        screen.say(
            f"4. Creating {made.head.counts['ready']} tasks at {desk.settings.text('rate')}, then following them to their end …"
        )
        ending = carried_on(desk, run, connection)
    results = results_reports(desk.settings, desk.book, run)
    counts = desk.book.counts(run)
    if ending.problem is not None:
        raise ending.problem
    if results.unwritten is not None:
        raise results.unwritten
    reports |= results.paths
    reports["annotated_xlsx"] = str(_copied(desk, run))
    _show_results(desk, run, counts)
    screen.say("6. Written, open them:")
    for name in ("preview_xlsx", "preview_html", "results_xlsx", "annotated_xlsx", "results_json"):
        screen.say(f"   {_near(reports[name])}")
    return counts


def _copied(desk: Desk, run: str) -> Path:
    """The file itself again, with what became of each row beside it."""
    record = desk.book.run(run)
    assert record is not None
    return annotated_run(results_folder(desk.settings, record), desk.book, record).path


def _near(path: str) -> str:
    """A path as seen from here, where it is below this folder."""
    found = Path(path)
    return str(found.relative_to(Path.cwd())) if found.is_relative_to(Path.cwd()) else path


def _show(made: Preview, desk: Desk, source: Path) -> None:
    counts = made.head.counts
    screen.say(
        f"2. Previewed {source.name}: {counts['read']} rows, {counts['ready']} ready, {made.head.warnings} of them with "
        f"warnings, {counts['invalid']} invalid, {counts['duplicate']} duplicate. Nothing has been sent. For example:"
    )
    causes = Causes()
    for row in plans(desk.settings).find(made.about.plan).rows():
        causes.add(row.findings)
    for cause in [each for each in causes.ranked() if each.severity == "error"][:SHOWN]:
        screen.say(
            f"   {screen.sign(cause.severity)} {cause.code} at {cause.example}: {screen.harmless(cause.message)}"
        )
        screen.say(f"     {screen.harmless(cause.fix)}")


def _approved(desk: Desk, made: Preview) -> Approval:
    about, who = made.about, Person("demo-approver", "a demo")
    approval = decide(desk.settings, desk.book, about.plan, who, "a demo: looks fine", approved=True)
    screen.say(
        f"3. The plan {about.plan} (digest {short(about.digest)}) is approved by “demo-approver”; this exact plan alone may run."
    )
    return approval


def _show_results(desk: Desk, run: str, counts: dict[str, int]) -> None:
    states: dict[str, int] = {}
    entries = filled = 0
    for row in desk.book.result_rows(run):
        if row.state:
            state = in_words_of(row.state)
            states[state] = states.get(state, 0) + 1
        entries += row.audit_count or 0
        filled += sum(each.source == "audit" for each in row.states)
    ends = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    screen.say(f"5. {in_words(counts)}. The tasks ended: {ends}.")
    screen.say(f"   {entries:,} audit entries; {filled} states that no poll saw were filled from them.")
