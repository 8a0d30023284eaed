"""run, resume and track: commands that create tasks or follow them."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from importer.cli import screen
from importer.cli.look import Asked, json_wanted, preview_reports, previewed, sandbox_flag, show_preview
from importer.core.errors import ImporterError, Interrupted, PlanRefused, UsageError
from importer.core.plan import Approval, Environment, Preview, short
from importer.core.report import in_words
from importer.settings import Settings, Value, load

if TYPE_CHECKING:
    from importer.flow.run import Ending, How, Running
    from importer.ledgers.lock import SubmissionLock
    from importer.ports import Ledger, RunRecord
    from importer.wiring import Connection

CONNECT_S = 5.0
FINE = frozenset({"read", "created", "existing", "skipped"})
GRAVEST_FIRST = (130, 143, 1, 6, 8, 4, 2, 7, 5, 0)


@dataclass(slots=True)
class Desk:
    """What a sending command works with."""

    settings: Settings
    book: "Ledger"
    lock: "SubmissionLock"
    as_json: bool
    early: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @contextlib.contextmanager
    def submitting(self, run: str) -> Iterator[None]:
        """Holds the lock while rows are sent, and no longer: tracking does not need it."""
        with self.lock.held(f"importer run {run}"):
            yield
        self.early.close()

    @property
    def track_for_s(self) -> float | None:
        """How long to follow: without a terminal 15 minutes, on one to the end."""
        if self.settings.given("track_for"):
            return self.settings.seconds("track_for")
        return None if sys.stderr.isatty() else 900.0


def run(source: str, asked: Asked, flags: Table[str, Any], profile: str | None, format_: str, *, yes: bool) -> int:
    """`importer run PLAN` and `importer run FILE`."""
    began = time.monotonic()
    with _desk(flags, profile, format_) as desk:
        is_file = Path(source).suffix.lower() in (".csv", ".tsv", ".txt", ".xlsx", ".xlsm") or (
            Path(source).is_file() and Path(source).suffix != ".plan"
        )
        if is_file:
            _may_run_file(desk, yes=yes)
        with desk.early:
            # From the very start, so that a second one ends at once; given back when everything is sent.
            desk.early.enter_context(desk.lock.held(f"importer run {source}"))
            ending, reports = _run(desk, source, asked, yes=yes, is_file=is_file)
        return _ended(desk, ending, reports, began)


def _run(desk: Desk, source: str, asked: Asked, *, yes: bool, is_file: bool) -> "tuple[Ending, dict[str, str]]":
    from importer.wiring import connected

    if not is_file:
        _may_run(desk, source)
    reports: dict[str, str] = {}
    with connected(desk.settings) as connection:
        if is_file:
            made = connection.run(
                previewed(Path(source), asked, desk.settings, connection, desk.book, quiet=desk.as_json)
            )
            reports = preview_reports(desk.settings, made)
            plan = made.about.plan
            if not desk.as_json:
                show_preview(Path(source), made, desk.settings)
            if not yes:
                _ask(made)
        else:
            plan = source
        preview, approval = _may_run(desk, plan, connection.environment)
        run_id = open_run(desk, preview, approval, connection)
        ending = carried_on(desk, run_id, connection)
    return ending, reports | results_reports(desk.settings, desk.book, run_id)


def _may_run_file(desk: Desk, *, yes: bool) -> None:
    """Before anything is looked up: a file needs a yes, and no approval can exist yet."""
    if desk.settings.require_approval:
        raise PlanRefused(
            "Only approved plans run here (require_approval).",
            "Run importer preview FILE, have the plan approved (importer approve PLAN), then importer run PLAN.",
        )
    if not yes and not (sys.stdin.isatty() and sys.stderr.isatty() and not desk.as_json):
        raise UsageError("There is nobody to ask whether to create the tasks.", "Add --yes, or run an approved plan.")


def _ask(made: Preview) -> None:
    """The question on a terminal. Anything but yes creates nothing."""
    ready = made.head.counts["ready"]
    sys.stderr.write(f"Create {ready:,} tasks in {made.head.environment}? Type yes: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes", "ja", "oui", "sí", "si"):
        raise UsageError("Nothing was created.", f"importer run {made.about.plan} would create exactly this plan.")


def _may_run(desk: Desk, plan: str, environment: Environment | None = None) -> tuple[Preview, Approval | None]:
    """The plan, verified against its digest, file, mapping, approval and environment. Raises PlanRefused."""
    from importer.cli.plans import unchanged
    from importer.wiring import plans

    preview = unchanged(plans(desk.settings).find(plan))
    about = preview.about
    ran = desk.book.run_of_plan(about.plan)
    if ran:
        raise PlanRefused(
            f"The plan {about.plan} ran already, as {ran}.",
            f"Preview the file again for a new plan, or carry the run on: importer resume {ran}",
        )
    approval = _approval(desk, preview)
    made_for = preview.head.environment
    if environment is not None and made_for != environment:
        raise PlanRefused(
            f"The plan was made for {made_for} (client {made_for.client}), this is {environment} (client {environment.client}).",
            "Preview the file again in this environment, or choose the plan's own.",
        )
    return preview, approval


def _approval(desk: Desk, preview: Preview) -> Approval | None:
    """The last decision on exactly this digest. Raises PlanRefused where one is needed and is not there."""
    about = preview.about
    decisions = desk.book.approvals(about.plan)
    fitting = [each for each in decisions if each.digest == about.digest]
    last = fitting[-1] if fitting else None
    if last is not None and not last.approved:
        raise PlanRefused(
            f"The plan was rejected by {last.who} at {last.at}: {last.comment}", "Preview the file again."
        )
    if desk.settings.require_approval and last is None:
        stale = f" An approval of {short(decisions[-1].digest)} exists, but the plan was altered." if decisions else ""
        raise PlanRefused(
            f"The plan {about.plan} is not approved.{stale}", f"importer approve {about.plan} --comment TEXT"
        )
    return last


def open_run(desk: Desk, preview: Preview, approval: Approval | None, connection: "Connection") -> str:
    """Records the run with every row before the first POST; gives its ID."""
    from importer.wiring import clock, plans

    about = preview.about
    moment = clock().now()
    stem = f"{moment:%Y%m%d-%H%M%S}-{about.digest[:4]}"
    taken = {record.run for record in desk.book.runs()}
    run_id = next(name for name in (stem, *(f"{stem}-{n}" for n in range(2, 1000))) if name not in taken)
    settings = desk.settings
    kept: dict[str, object] = {
        name: settings.given(name) for name in ("rate", "concurrency", "index_lag", "track", "track_for", "audit")
    }
    out = str(Path(settings.text("out")).absolute())
    rows = plans(settings).find(about.plan).rows()
    _running(desk, connection).open(run_id, preview, rows, approval, out, kept)
    return run_id


def _running(desk: Desk, connection: "Connection", progress: Any = None) -> "Running":
    from importer.flow.run import Running
    from importer.wiring import clock

    return Running(
        ledger=desk.book,
        target=connection.target,
        clock=clock(),
        lock=desk.submitting,
        progress=progress or screen.ProgressLine(quiet=True),
        how=_how(desk),
    )


def _how(desk: Desk) -> "How":
    from importer.flow.run import How, Track

    settings = desk.settings
    return How(
        lag_s=settings.seconds("index_lag"),
        concurrency=settings.concurrency,
        track=cast("Track", settings.track),
        track_for_s=desk.track_for_s,
        audit=settings.audit,
        flight_s=settings.seconds("timeout") + CONNECT_S,
    )


def carried_on(desk: Desk, run_id: str, connection: "Connection", *, only_follow: bool = False) -> "Ending":
    """Submits, tracks and audits; Ctrl-C and SIGTERM end it cleanly."""
    from importer.flow.run import Ending

    progress = screen.ProgressLine(quiet=desk.as_json)
    running = _running(desk, connection, progress)

    async def carried() -> Ending:
        with _signals(running.stop):
            if not only_follow:
                return await running.carry_on(run_id)
            ending = Ending(run_id)
            await running.follow(run_id, ending)
            return ending

    try:
        ending: Ending = connection.run(carried())
        return ending
    finally:
        progress.end()


@contextlib.contextmanager
def _signals(stop: Callable[[Interrupted], None]) -> Any:
    """The first signal ends cleanly, the second at once."""
    loop = asyncio.get_running_loop()
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143}

    def stopped(number: signal.Signals) -> None:
        loop.remove_signal_handler(number)
        screen.tell("\nstopping: calls in flight may land; once more to leave at once")
        stop(Interrupted(codes[number]))

    with contextlib.suppress(NotImplementedError):  # Windows has no such handlers; Ctrl-C ends at once there
        for number in codes:
            loop.add_signal_handler(number, stopped, number)
    try:
        yield
    finally:
        with contextlib.suppress(NotImplementedError):
            for number in codes:
                loop.remove_signal_handler(number)


def resume(run_id: str | None, flags: Table[str, Any], profile: str | None, format_: str) -> int:
    """`importer resume [RUN]`."""
    began = time.monotonic()
    with _desk(flags, profile, format_) as desk:
        wanted = [one_run(desk.book, run_id)] if run_id else _unfinished(desk.book)
        if not wanted:
            return _nothing_to_do(desk)
        bodies = []
        others = 0
        for record in wanted:
            body = _resume(desk, record, began, only_own=run_id is None)
            if body is None:
                others += 1
                continue
            bodies.append(body)
            if body["exit_code"] in (130, 143, 6):
                break
        if others:
            screen.tell(f"{others} unfinished runs belong to another environment and were left alone")
        exit_code = next((c for c in GRAVEST_FIRST if c in [body["exit_code"] for body in bodies]), 0)
        if desk.as_json:
            screen.say_json({"schema": "importer.resume/1", "runs": bodies, "exit_code": exit_code})
        return exit_code


def _resume(desk: Desk, record: "RunRecord", began: float, *, only_own: bool) -> dict[str, Any] | None:
    """Carries one run on, at the pace it was started with; None for a run of another environment, if only own ones count."""
    from importer.wiring import connected

    own = Desk(_as_before(desk.settings, record), desk.book, desk.lock, desk.as_json)
    made_for = record.preview.head.environment
    with connected(own.settings) as connection:
        if made_for != connection.environment:
            if only_own:
                return None
            raise PlanRefused(
                f"The run {record.run} belongs to {made_for}, this is {connection.environment}.",
                "Use the settings that it was started with (--sandbox, --profile, GENESYS_… variables).",
            )
        if not desk.as_json:
            screen.tell(f"resuming {record.run}: {in_words(desk.book.counts(record.run))}")
        ending = carried_on(own, record.run, connection)
    reports = results_reports(own.settings, own.book, record.run)
    body = run_object(own.book, ending, reports, began)
    if not desk.as_json:
        _show_ending(own, ending, body)
    return body


def _as_before(settings: Settings, record: "RunRecord") -> Settings:
    """The settings with what the run was started with, where nothing else is asked for now."""
    values = dict(settings.values)
    for name, value in {**record.settings, "out": record.out}.items():
        if name in values and values[name].origin in ("default", "sandbox"):
            values[name] = Value(value, f"run {record.run}")
    return Settings(values, settings.mapping, settings.mapping_file)


def _unfinished(book: "Ledger") -> "list[RunRecord]":
    return [record for record in book.runs() if record.state == "open" or book.unsettled(record.run)]


def _nothing_to_do(desk: Desk) -> int:
    if desk.as_json:
        screen.say_json({"schema": "importer.resume/1", "runs": [], "exit_code": 0})
    else:
        screen.say("nothing to resume")
    return 0


def track(run_id: str, flags: Table[str, Any], profile: str | None, format_: str) -> int:
    """`importer track RUN`."""
    from importer.wiring import connected

    began = time.monotonic()
    with _desk(flags, profile, format_) as desk:
        record = one_run(desk.book, run_id)
        own = Desk(_as_before(desk.settings, record), desk.book, desk.lock, desk.as_json)
        if own.settings.track == "none":
            own.settings.values["track"] = Value("closed", "importer track")
        with connected(own.settings) as connection:
            if record.preview.head.environment != connection.environment:
                raise PlanRefused(
                    f"The run {record.run} belongs to {record.preview.head.environment}.", "Use its own settings."
                )
            ending = carried_on(own, record.run, connection, only_follow=True)
        return _ended(own, ending, results_reports(own.settings, own.book, record.run), began)


def one_run(book: "Ledger", run_id: str) -> "RunRecord":
    """A run by its ID or its beginning. Raises UsageError."""
    record = book.run(run_id)
    if record is None:
        raise UsageError(f"There is no run {run_id}, or several begin so.", "See importer runs.")
    return record


def results_reports(settings: Settings, book: "Ledger", run_id: str) -> dict[str, str]:
    """Writes results.xlsx and results.json; absolute paths by name."""
    from importer.writers import results_json, results_xlsx

    record = book.run(run_id)
    assert record is not None
    out = settings.text("out") if settings.values["out"].origin not in ("default",) else record.out
    folder = Path(out).absolute() / f"run-{run_id}"
    facts, counts = book.run_facts(run_id), book.counts(run_id)
    paths = {
        "results_xlsx": results_xlsx.write_results(folder, facts, counts, lambda: book.result_rows(run_id)),
        "results_json": results_json.write_results_json(folder, facts, counts, lambda: book.result_rows(run_id)),
    }
    return {name: str(path.absolute()) for name, path in paths.items()}


def run_object(book: "Ledger", ending: "Ending", reports: Table[str, str], began: float) -> dict[str, Any]:
    """The JSON object of one run."""
    counts = book.counts(ending.run)
    record = book.run(ending.run)
    assert record is not None
    body: dict[str, Any] = {"schema": "importer.run/1", "run": ending.run, "plan": record.preview.about.plan}
    body |= {"counts": counts, "reports": dict(reports), "exit_code": exit_code_of(counts, ending.problem)}
    body["seconds"] = round(time.monotonic() - began, 3)
    if ending.problem is not None:
        body["problem"] = str(ending.problem)
    if ending.audits_denied:
        body["audits"] = f"denied: {ending.audits_denied}"
    return body


def exit_code_of(counts: Table[str, int], problem: ImporterError | None) -> int:
    """What stopped the run comes first; then whether every row was created, existing or skipped."""
    if problem is not None:
        return problem.exit_code
    return 5 if any(count for name, count in counts.items() if name not in FINE) else 0


def _ended(desk: Desk, ending: "Ending", reports: Table[str, str], began: float) -> int:
    body = run_object(desk.book, ending, reports, began)
    if desk.as_json:
        screen.say_json(body)
    else:
        _show_ending(desk, ending, body)
    return int(body["exit_code"])


def _show_ending(desk: Desk, ending: "Ending", body: Table[str, Any]) -> None:
    if ending.problem is not None:
        screen.tell(f"✖ {screen.harmless(ending.problem)}")
        if ending.problem.fix:
            screen.tell(f"  fix {screen.harmless(ending.problem.fix)}")
    if ending.audits_denied:
        screen.tell(f"▲ A801 audits denied: {screen.harmless(ending.audits_denied)}")
    screen.say(f"run {ending.run}: {in_words(body['counts'])}")
    for path in body["reports"].values():
        screen.say(f"wrote {path}")
    if desk.book.unsettled(ending.run):
        screen.say(f"Carry it on with: importer resume {ending.run}{sandbox_flag(desk.settings)}")


@contextlib.contextmanager
def _desk(flags: Table[str, Any], profile: str | None, format_: str) -> Any:
    from importer.wiring import begin_log, ledger, submission_lock

    as_json = json_wanted(format_)
    settings = load(flags, profile)
    _ = (
        settings.rate,
        settings.concurrency,
        settings.track,
        settings.seconds("index_lag"),
    )  # wrong ones are told at once
    lock = submission_lock(settings)
    begin_log(settings)
    book = ledger(settings)
    try:
        yield Desk(settings, book, lock, as_json)
    finally:
        book.close()
