"""Results: what a run came to, as reports and as an exit code; and the settings that a run goes on with."""

from collections.abc import Iterator
from collections.abc import Mapping as Table
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from importer.core.errors import ImporterError, LedgerError, NotWritten, UsageError
from importer.settings import Settings, Value

if TYPE_CHECKING:
    from importer.ports import Ledger, RunRecord

REPORTS = ("results*.xlsx", "results*.json", "results*.csv", "rejects*.xlsx", "annotated*.xls[xm]", "audit*.jsonl")
"""What a run's folder holds beside the parts of its seal."""
FINE = frozenset({"read", "created", "existing", "skipped"})


@dataclass(frozen=True, slots=True)
class Reports:
    """The reports of a command: absolute paths by name, and why others are not there."""

    paths: Table[str, str] = field(default_factory=dict)
    unwritten: NotWritten | None = None

    def after(self, before: Table[str, str]) -> "Reports":
        """Together with reports that were written before."""
        return Reports({**before, **self.paths}, self.unwritten)


def one_run(book: "Ledger", run_id: str) -> "RunRecord":
    """A run by its ID or its beginning. Raises UsageError."""
    record = book.run(run_id)
    if record is None:
        raise UsageError(f"There is no run {run_id}, or several begin so.", "See importer runs.")
    return record


def results_folder(settings: Settings, record: "RunRecord") -> Path:
    """Where the reports of a run go: into the folder that is asked for now, else into that of its beginning."""
    out = settings.text("out") if settings.values["out"].origin not in ("default",) else record.out
    return Path(out).absolute() / f"run-{record.run}"


def newest(folder: Path, name: str) -> Path | None:
    """A report of a folder, also where it had to be called `results (2).xlsx` because the first was held open; None where there is none."""
    stem, _, ending = name.partition(".")
    found: list[tuple[int, Path]] = []
    for pattern in (name, f"{stem} (*).{ending}"):
        with suppress(OSError):  # a share that is away, a file that is taken away just now
            found += [(path.stat().st_mtime_ns, path) for path in folder.glob(pattern)]
    return max(found)[1] if found else None


def may_report(folder: Path) -> None:
    """Before anything is sent: reports can be written into a folder, or into the one in which it will be made. Raises NotWritten."""
    from importer.writers.files import probe

    probe(folder if folder.is_dir() else folder.parent)


@contextmanager
def reporting(settings: Settings, run: str) -> Iterator[None]:
    """Held while reports of a run are written and its folder is sealed, by one thread of one process at a time. Waits for its turn.

    Else a seal could name what another one has replaced meanwhile, and the folder would pass for altered. Raises NotWritten.
    """
    from importer.wiring import report_lock

    try:
        lock = report_lock(settings, run)
        lock.acquire()
    except OSError as problem:
        raise NotWritten(f"The state folder cannot be used: {problem.strerror or problem}.") from problem
    try:
        yield
    finally:
        lock.release()


def results_reports(settings: Settings, book: "Ledger", run_id: str) -> Reports:
    """Writes results.xlsx and results.json, and seals the folder. A fault of the output is told, and changes nothing of the run."""
    record = book.run(run_id)
    assert record is not None
    try:
        with reporting(settings, record.run):
            return _results_reports(settings, book, record)
    except NotWritten as problem:
        return Reports(unwritten=_elsewhere(problem, run_id))


def _results_reports(settings: Settings, book: "Ledger", record: "RunRecord") -> Reports:
    from importer.writers import results_json, results_xlsx

    run_id, folder = record.run, results_folder(settings, record)
    facts, counts = book.run_facts(run_id), book.counts(run_id)
    writers = {"results_xlsx": results_xlsx.write_results, "results_json": results_json.write_results_json}
    paths: dict[str, str] = {}
    unwritten: NotWritten | None = None
    for name, write in writers.items():
        try:
            paths[name] = str(write(folder, facts, counts, lambda: book.result_rows(run_id)).absolute())
        except NotWritten as problem:
            unwritten = _elsewhere(problem, run_id)
    if unwritten is None:
        try:
            paths["manifest"] = str(seal_again(settings, book, record, folder))
        except (NotWritten, UsageError, LedgerError) as problem:
            fix = problem.fix or f"Nothing of the run is lost; importer report {run_id} seals it again."
            unwritten = NotWritten(f"The run's folder is not sealed: {problem}", fix)
    return Reports(paths, unwritten)


def _elsewhere(problem: NotWritten, run: str) -> NotWritten:
    fix = f"Nothing of the run is lost. Write its reports elsewhere: importer report {run} --out DIR"
    return NotWritten(str(problem), fix)


def seal_again(settings: Settings, book: "Ledger", record: "RunRecord", folder: Path) -> Path:
    """Seals a run's folder with the reports that lie in it now, after any of them was written anew; the manifest's path.

    Call it within `reporting`. Raises NotWritten, UsageError (the plan is not here any more), LedgerError.
    """
    results = sorted(path for pattern in REPORTS for path in folder.glob(pattern))
    from importer.core.moments import written
    from importer.desk.seal import sealed
    from importer.wiring import approvals, clock, plans

    plan = plans(settings).find(record.preview.about.plan)
    try:
        return sealed(folder, record, plan, approvals(settings), book, results, written(clock().now()))
    except OSError as problem:  # what is copied or named cannot be read
        raise NotWritten(f"{problem.filename or folder} cannot be used: {problem.strerror or problem}.") from problem


def exit_code_of(counts: Table[str, int], problem: ImporterError | None) -> int:
    """What stopped the run comes first; then whether every row was created, existing or skipped."""
    if problem is not None:
        return problem.exit_code
    return 5 if any(count for name, count in counts.items() if name not in FINE) else 0


def as_before(settings: Settings, record: "RunRecord") -> Settings:
    """The settings with what the run was started with, where nothing else is asked for now."""
    values = dict(settings.values)
    target = record.preview.head.environment.target
    for name, value in {**record.settings, "target": target, "out": record.out}.items():
        if name in values and values[name].origin in ("default", "sandbox"):
            values[name] = Value(value, f"run {record.run}")
    return Settings(values, settings.mapping, settings.mapping_file)
