"""Referee: compares what really happened at the sandbox with what the importer says. Imports nothing of the importer.

    python -m tests.harness.referee --journal F --ledger F [--results-json F] [--results-xlsx F] [--summary F]
                                    [--cap N/S] [--margin S] [--rows N] [--unsettled]

Exit code 0 and one line if all holds; 1 and every violation, one a line, if not.
"""

import argparse
import hashlib
import json
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from openpyxl import load_workbook

OUTCOMES = ("created", "existing", "failed", "unknown", "not_sent", "invalid", "duplicate", "skipped")
OUTCOME_OF_STAGE = {"ready": "not_sent", "sending": "unknown", "doubt": "unknown"}
"""Outcomes of the stages that are not named like their outcome."""
MARGIN_S = 0.5
"""So long after such an answer a call may still arrive that was sent before its client knew of it."""
PROOFS = frozenset({400, 401, 403, 404, 409, 413, 415, 422, 429})
"""Answers to a POST which prove that nothing was done: its repeat is not one in doubt."""
HOLDING = frozenset({429, 503})
"""Answers whose Retry-After everybody waits for."""
RESENDS_MOST = 2
RETRY_MOST_S = 300.0
"""A longer Retry-After pauses the run; when it goes on is then a person's decision."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call as the sandbox saw it. Times are seconds on one scale for all processes; no body: `sha256` is None."""

    arrived: float
    name: str  # which process's how manieth call
    operation: str
    external_id: str | None = None
    external_ids: tuple[str | None, ...] = ()  # of a job that is to make several
    job: str = ""  # the ID of the job that is spoken of
    sha256: str | None = None
    answered: float | None = None
    status: int = 0
    sent: bool = False
    gate: float | None = None  # until when its Retry-After closes the way


@dataclass(frozen=True, slots=True)
class Commit:
    """A task that really exists."""

    task_id: str
    external_id: str | None
    job: str = ""  # whose workitem it is, where a job made it


@dataclass(frozen=True, slots=True)
class Begun:
    """A job that the ledger says is begun: its run and the external IDs of its rows."""

    run: str
    external_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Row:
    """A row as ledger, results.json or results.xlsx tell it; a sheet does not say `external_id`."""

    run: str
    line: int
    outcome: str
    task_id: str | None
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Book:
    """One place's account of one run: its counts and, but for the printed summary, its rows."""

    place: str
    run: str
    counts: Mapping[str, int] | None
    rows: tuple[Row, ...] | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is compared, and what is promised about it."""

    calls: tuple[Call, ...]
    commits: tuple[Commit, ...]
    whole_world: bool  # whether the journal knows of every task
    ledger: tuple[Row, ...]
    books: tuple[Book, ...]
    cap: tuple[int, float] | None = None  # calls, seconds
    margin_s: float = MARGIN_S
    rows: int | None = None  # how many rows the file of each run has
    settled: bool = True  # whether all runs ended, so that no committed task may be of a row that is still `unknown`
    tasks_of: Mapping[str, int] = field(default_factory=dict)  # external IDs that may have more tasks than one
    intents: Mapping[tuple[str, str], int] | None = None  # POSTs begun, by external ID and SHA-256; None: not known
    jobs: Mapping[str, tuple[Begun, ...]] | None = None  # jobs begun, by their IDs; None: not known
    payloads: Mapping[str, Mapping[str, str]] | None = None  # what a row sends, by external ID and run; None: not known


def violations(evidence: Evidence) -> list[str]:
    """All that does not hold, as sentences; empty if everything does."""
    return [found for rule in RULES for found in rule(evidence)]


# Rules: tasks and rows


def _no_duplicates(evidence: Evidence) -> Iterator[str]:
    made: dict[str, list[str]] = defaultdict(list)
    for commit in evidence.commits:
        if commit.external_id is not None:
            made[commit.external_id].append(commit.task_id)
    for external_id, ids in made.items():
        if len(ids) > evidence.tasks_of.get(external_id, 1):
            yield f"duplicate: {external_id} has {len(ids)} tasks: {', '.join(ids)}"


def _commits_have_rows(evidence: Evidence) -> Iterator[str]:
    """Each task that was committed belongs to a row that tells of it."""
    by_external: dict[str | None, list[Row]] = defaultdict(list)
    for row in evidence.ledger:
        by_external[row.external_id].append(row)
    for commit in evidence.commits:
        rows = by_external.get(commit.external_id, [])
        if any(row.outcome in ("created", "existing") and row.task_id == commit.task_id for row in rows):
            continue
        if not evidence.settled and any(row.outcome == "unknown" for row in rows):
            continue
        told = ", ".join(f"{row.run} line {row.line}: {row.outcome} {row.task_id or '-'}" for row in rows)
        yield f"lost task: {commit.task_id} of {commit.external_id} was committed; told are: {told or 'no rows'}"


def _created_was_committed(evidence: Evidence) -> Iterator[str]:
    committed = {commit.task_id: commit for commit in evidence.commits}
    creators: Counter[str] = Counter()
    for row in evidence.ledger:
        if row.outcome not in ("created", "existing"):
            continue
        where = f"{row.run} line {row.line}: {row.outcome}"
        if row.task_id is None:
            yield f"no task ID: {where} without one"
        elif row.task_id not in committed:
            if row.outcome == "created" or evidence.whole_world:
                yield f"no such task: {where} as {row.task_id}, which was never committed"
        elif committed[row.task_id].external_id != row.external_id:
            yield f"wrong task: {where} {row.external_id} as {row.task_id}, which is {committed[row.task_id].external_id}'s"
        if row.outcome == "created" and row.task_id is not None:
            creators[row.task_id] += 1
    yield from (f"wrong task: {n} rows say that they created {task}" for task, n in creators.items() if n > 1)


def _lines_once(evidence: Evidence) -> Iterator[str]:
    """Each row of the file appears once in the ledger, and once in each report of its run."""
    by_run: dict[str, list[Row]] = defaultdict(list)
    for row in evidence.ledger:
        by_run[row.run].append(row)
    for run, rows in by_run.items():
        if evidence.rows is not None and len(rows) != evidence.rows:
            yield f"lost rows: {run} has {len(rows)} rows in the ledger, its file has {evidence.rows}"
        yield from _twice(f"the ledger of {run}", rows)
    for book in evidence.books:
        if book.rows is None:
            continue
        yield from _twice(book.place, book.rows)
        here, there = {row.line for row in book.rows}, {row.line for row in by_run.get(book.run, [])}
        if here != there:
            lines = ", ".join(map(str, sorted(here ^ there)[:20]))
            yield f"lost rows: {book.place} and the ledger of {book.run} differ in lines {lines}"


def _twice(place: str, rows: Iterable[Row]) -> Iterator[str]:
    lines = Counter(row.line for row in rows)
    yield from (f"row told twice: line {line} is {n} times in {place}" for line, n in lines.items() if n > 1)


# Rules: books


def _books_balance(evidence: Evidence) -> Iterator[str]:
    counts = {run: _counted(rows) for run, rows in _by_run(evidence.ledger).items()}
    for book in evidence.books:
        if book.run not in counts:
            yield f"books: {book.place} tells of {book.run}, which the ledger does not know"
            continue
        if book.counts is not None:
            yield from _balanced(book.place, book.counts, counts[book.run])
        if book.rows is not None and (own := _counted(book.rows)) != counts[book.run]:
            yield f"books: the rows of {book.place} are {_short(own)}, the ledger's {_short(counts[book.run])}"


def _balanced(place: str, told: Mapping[str, int], ledger: Mapping[str, int]) -> Iterator[str]:
    if told.get("read") != sum(told.get(name, 0) for name in OUTCOMES):
        yield f"books: {place} does not add up: {dict(told)}"
    if {name: told.get(name, 0) for name in ("read", *OUTCOMES)} != ledger:
        yield f"books: {place} says {_short(told)}, the ledger {_short(ledger)}"


def _rows_agree(evidence: Evidence) -> Iterator[str]:
    known = {(row.run, row.line): row for row in evidence.ledger}
    for book in evidence.books:
        for row in book.rows or ():
            ours = known.get((row.run, row.line))
            if ours is None:
                continue
            if (row.outcome, row.task_id) != (ours.outcome, ours.task_id):
                told, kept = f"{row.outcome} {row.task_id or '-'}", f"{ours.outcome} {ours.task_id or '-'}"
                yield f"reports differ: line {row.line} is {told} in {book.place}, {kept} in the ledger of {row.run}"
            if row.external_id not in (None, ours.external_id):
                yield f"reports differ: line {row.line} is {row.external_id} in {book.place}, not {ours.external_id}"


def _by_run(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.run].append(row)
    return found


def _counted(rows: Iterable[Row]) -> dict[str, int]:
    counts = Counter(row.outcome for row in rows)
    return {"read": counts.total(), **{name: counts[name] for name in OUTCOMES}}


def _short(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items() if number)


# Rules: pressure


def _cap_held(evidence: Evidence) -> Iterator[str]:
    """No window of the cap's length, wherever it begins, has more calls than the cap."""
    if evidence.cap is None:
        return
    most, window_s = evidence.cap
    arrivals = sorted(call.arrived for call in evidence.calls)
    over = [(first, last) for first, last in zip(arrivals, arrivals[most:], strict=False) if last - first < window_s]
    if over:
        first, last = min(over, key=lambda pair: pair[1] - pair[0])
        yield f"cap: {most + 1} calls within {last - first:.4f} s from {first:.4f} on, allowed are {most} in {window_s:g} s; {len(over)} such windows"


def _nobody_early(evidence: Evidence) -> Iterator[str]:
    """After a 429 or 503 with Retry-After nothing arrives until it has passed, but for what was on its way already."""
    calls = sorted(evidence.calls, key=lambda call: call.arrived)
    for closed in calls:
        if closed.gate is None or closed.answered is None or not closed.sent:
            continue
        begin = closed.answered + evidence.margin_s
        early = [call for call in calls if begin < call.arrived < closed.gate]
        if early:
            wait_s, first = closed.gate - closed.answered, early[0]
            yield f"early: {first.name} came {first.arrived - closed.answered:.3f} s after {closed.name}'s Retry-After of {wait_s:.1f} s; {len(early)} such calls"


def _same_bytes(evidence: Evidence) -> Iterator[str]:
    bodies: dict[str, set[str]] = defaultdict(set)
    for call in evidence.calls:
        if call.external_id is not None and call.sha256 is not None:
            bodies[call.external_id].add(call.sha256)
    for external_id, hashes in bodies.items():
        if len(hashes) > 1:
            yield f"changed body: {external_id} was sent as {len(hashes)} different bodies"


def _few_resends(evidence: Evidence) -> Iterator[str]:
    """A POST that may have been done is repeated twice at most."""
    posts: Counter[str] = Counter()
    for call in evidence.calls:
        if call.external_id is not None and not (call.sent and call.status in PROOFS):
            posts[call.external_id] += 1
    for job in _started(evidence):
        posts.update({name for begun in (evidence.jobs or {}).get(job, ()) for name in begun.external_ids})
    for external_id, number in posts.items():
        if number > 1 + RESENDS_MOST:
            yield f"resends: {external_id} was POSTed {number} times without a proof that nothing was done"


def _intent_first(evidence: Evidence) -> Iterator[str]:
    """Whatever reached the sandbox had been recorded before; a 401 is answered by the same call with a new token."""
    if evidence.intents is None:
        return
    arrived: Counter[tuple[str, str]] = Counter()
    for call in evidence.calls:
        if call.external_id is not None and call.sha256 is not None and not (call.sent and call.status == 401):
            arrived[call.external_id, call.sha256] += 1
    for key, number in arrived.items():
        recorded = evidence.intents.get(key, 0)
        if number > recorded:
            yield f"no intent: {key[0]} was POSTed {number} times, the ledger has recorded {recorded} such calls"


def _jobs_as_recorded(evidence: Evidence) -> Iterator[str]:
    """A job is not begun before the ledger names it and its rows; it makes what these rows ask for and nothing else."""
    if evidence.jobs is None:
        return
    for job in sorted(_started(evidence) - evidence.jobs.keys()):
        yield f"no intent: the job {job} was begun, and the ledger does not know it"
    for commit in evidence.commits:
        begun = evidence.jobs.get(commit.job, ())
        if begun and not any(commit.external_id in each.external_ids for each in begun):
            yield f"wrong job: {commit.external_id} was made by the job {commit.job}, which the ledger has for other rows"


def _jobs_of_frozen_bytes(evidence: Evidence) -> Iterator[str]:
    """What a job is made of is, byte by byte, what the ledger has frozen for its rows, of one run."""
    if evidence.payloads is None:
        return
    for call in evidence.calls:
        if call.external_ids and call.sha256 is not None:
            held = [evidence.payloads.get(name or "", {}) for name in call.external_ids]
            runs = set(held[0]).intersection(*held)
            if not any(call.sha256 == _of_job([each[run] for each in held]) for run in runs):
                yield f"changed body: the job of {call.name} has other bytes than the ledger for {call.external_ids[0]} …"


def _of_job(payloads: Sequence[str]) -> str:
    return hashlib.sha256(f'{{"entities":[{",".join(payloads)}]}}'.encode()).hexdigest()


def _started(evidence: Evidence) -> set[str]:
    """The jobs of which something asked that they begin, without an answer that proves it in vain."""
    wanted = [call for call in evidence.calls if call.operation == "bulk_add_patch"]
    return {call.job for call in wanted if not (call.sent and call.status in PROOFS)}


RULES: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    _no_duplicates,
    _commits_have_rows,
    _created_was_committed,
    _lines_once,
    _books_balance,
    _rows_agree,
    _cap_held,
    _nobody_early,
    _same_bytes,
    _few_resends,
    _intent_first,
    _jobs_as_recorded,
    _jobs_of_frozen_bytes,
)


# Reading: the journal


def gathered(
    journals: Sequence[Path],
    ledger: Path,
    results_json: Sequence[Path] = (),
    results_xlsx: Sequence[Path] = (),
    summaries: Sequence[Path] = (),
    **promised: Any,
) -> Evidence:
    """Reads everything; `promised` are the last fields of Evidence. Raises OSError, ValueError, KeyError, sqlite3.Error."""
    calls, commits, whole = read_journals(journals)
    books = [*map(read_json, results_json), *map(read_workbook, results_xlsx)]
    books += [book for summary in summaries for book in read_summary(summary)]
    kept = {"intents": read_intents(ledger), "jobs": read_jobs(ledger), "payloads": read_payloads(ledger)}
    known = {**kept, **promised}
    return Evidence(calls, commits, whole, read_ledger(ledger), tuple(books), **known)


def read_journals(paths: Sequence[Path]) -> tuple[tuple[Call, ...], tuple[Commit, ...], bool]:
    """All calls and commits of all processes, and whether they began with an empty world."""
    calls: list[Call] = []
    commits: list[Commit] = []
    zero, whole = None, True
    worlds: set[str] = set()
    for number, facts in enumerate(_processes(paths), 1):
        start, rest = facts[0], facts[1:]
        zero = start["now"] if zero is None else zero
        whole = whole and (start["world"] in worlds or start["tasks"] == 0)
        worlds.add(start["world"])
        calls += _calls(rest, number, start, start["now"] - zero - start["monotonic"])
        commits += _commits(rest)
    return tuple(calls), tuple(commits), whole


def _commits(facts: Sequence[Mapping[str, Any]]) -> Iterator[Commit]:
    jobs = {fact["n"]: _job(fact) for fact in facts if fact["kind"] == "arrived"}
    for fact in facts:
        if fact["kind"] == "committed":
            yield Commit(fact["task_id"], fact["external_id"], jobs.get(fact["n"], ""))


def _job(arrived: Mapping[str, Any]) -> str:
    """The job that a call begins, by its path; a blank for any other call."""
    return str(arrived["path"]).rpartition("/")[2] if arrived["operation"] == "bulk_add_patch" else ""


def _processes(paths: Sequence[Path]) -> Iterator[list[dict[str, Any]]]:
    """The facts of each process. A last line without its end is what a kill tore."""
    for path in paths:
        facts: list[dict[str, Any]] = []
        data = path.read_bytes()
        for line in data[: data.rfind(b"\n") + 1].splitlines():
            fact = json.loads(line)
            if fact["kind"] == "start" and facts:
                yield facts
                facts = []
            facts.append(fact)
        if not facts or facts[0]["kind"] != "start":
            raise ValueError(f"{path} is not a journal that begins with a start")
        yield facts


def _calls(facts: Iterable[Mapping[str, Any]], process: int, start: Mapping[str, Any], shift: float) -> list[Call]:
    """Joins the facts of each call; `shift` brings the process's monotonic time to the common scale."""
    joined: dict[int, dict[str, Any]] = {}
    for fact in facts:
        if fact["kind"] == "arrived":
            arrived = {"arrived": fact["monotonic"] + shift, "operation": fact["operation"]}
            named = {"name": f"call {process}.{fact['n']} ({fact['operation']})", "job": _job(fact)}
            joined[fact["n"]] = {**arrived, **named}
        elif fact["kind"] == "read":
            asked = {"external_id": fact["external_id"], "external_ids": tuple(fact.get("external_ids", ()))}
            joined[fact["n"]] |= {**asked, "sha256": fact["sha256"]}
        elif fact["kind"] == "answered":
            told = {"answered": fact["monotonic"] + shift, "status": fact["status"], "sent": fact["sent"]}
            wall = start["now"] + fact["monotonic"] - start["monotonic"]
            joined[fact["n"]] |= told | {"gate": _gate(fact, told["answered"], wall)}
    return [Call(**each) for each in joined.values()]


def _gate(fact: Mapping[str, Any], answered: float, wall: float) -> float | None:
    """Until when an answer closes the way, on the scale of `answered`; None where it says nothing that can be understood."""
    header = fact["retry_after"]
    if fact["status"] not in HOLDING or header is None:
        return None
    if header.isascii() and header.isdigit():
        wait_s = float(header)
    else:
        try:
            # The header `Date`, which a client counts from, has whole seconds: up to one of them is lost.
            wait_s = parsedate_to_datetime(header).timestamp() - wall
        except (ValueError, TypeError):
            return None
    return answered + wait_s if 0 < wait_s <= RETRY_MOST_S else None


# Reading: what the importer says

ROWS = """SELECT run, line, stage, task_id, external_id FROM rows JOIN runs ON runs.no = rows.no
    ORDER BY rows.no, rows.position"""
INTENTS = """SELECT rows.external_id, calls.body FROM calls JOIN call_rows ON call_rows.call = calls.call
    JOIN rows ON rows.no = calls.no AND rows.position = call_rows.position WHERE calls.kind = 'create'"""
JOBS = """SELECT substr(calls.kind, 6), calls.call, run, rows.external_id FROM calls JOIN runs ON runs.no = calls.no
    JOIN call_rows ON call_rows.call = calls.call
    JOIN rows ON rows.no = calls.no AND rows.position = call_rows.position WHERE calls.kind LIKE 'bulk %'"""
PAYLOADS = "SELECT rows.external_id, run, payload FROM rows JOIN runs ON runs.no = rows.no WHERE payload <> ''"


def read_ledger(path: Path) -> tuple[Row, ...]:
    """All rows of all runs, in file order."""
    found = _queried(path, ROWS)
    return tuple(
        Row(run, line, OUTCOME_OF_STAGE.get(stage, stage), task, name) for run, line, stage, task, name in found
    )


def read_intents(path: Path) -> Counter[tuple[str, str]]:
    """How often the ledger says that a POST of these bytes for this external ID was begun."""
    return Counter((name, bytes(digest).hex()) for name, digest in _queried(path, INTENTS))


def read_jobs(path: Path) -> dict[str, tuple[Begun, ...]]:
    """The jobs of which the ledger says that they were begun, by their IDs."""
    rows: dict[tuple[str, int, str], set[str]] = defaultdict(set)
    for job, call, run, name in _queried(path, JOBS):
        rows[job, call, run].add(name)
    found: dict[str, tuple[Begun, ...]] = {}
    for (job, _, run), names in rows.items():
        found[job] = (*found.get(job, ()), Begun(run, frozenset(names)))
    return found


def read_payloads(path: Path) -> dict[str, dict[str, str]]:
    """What each row of each run sends, by its external ID."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for name, run, payload in _queried(path, PAYLOADS):
        found[name][run] = payload
    return found


def _queried(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as ledger:
        return ledger.execute(query).fetchall()


def read_json(path: Path) -> Book:
    """results.json."""
    body = json.loads(path.read_text("utf-8"))
    run = body["run"]
    rows = (Row(run, row["line"], row["outcome"], row["task_id"], row["external_id"] or "") for row in body["rows"])
    return Book(path.name, run, body["counts"], tuple(rows))


def read_summary(path: Path) -> Iterator[Book]:
    """What `run` or `resume` printed with `--format json`: the books of one run or several."""
    body = json.loads(path.read_text("utf-8"))
    for run in body.get("runs", [body]):
        yield Book(path.name, run["run"], run["counts"], None)


def read_workbook(path: Path) -> Book:
    """results.xlsx: the sheets Results, Summary and Run info."""
    book = load_workbook(path, read_only=True)
    try:
        sheets = {name: list(book[name].iter_rows(values_only=True)) for name in book.sheetnames}
    finally:
        book.close()
    run = next(str(cells[1]) for cells in sheets["Run info"] if cells[0] == "run")
    rows = tuple(row for name, lines in sheets.items() if _is_results(name) for row in _sheet_rows(run, lines))
    return Book(path.name, run, _summary(sheets["Summary"]), rows)


def _is_results(name: str) -> bool:
    """Results, and what follows it where it is full: `Results 2`."""
    return name == "Results" or (name.startswith("Results ") and name.removeprefix("Results ").isdigit())


def _sheet_rows(run: str, lines: Sequence[tuple[Any, ...]]) -> Iterator[Row]:
    heads = list(lines[0])
    task = len(heads) - 1 - heads[::-1].index("Task ID")  # the last: the file may have a column of that name
    for cells in lines[1:]:
        if cells[0] is not None:
            yield Row(run, int(cells[0]), _outcome(cells[1]), str(cells[task]) if cells[task] else None)


def _summary(lines: Sequence[tuple[Any, ...]]) -> dict[str, int]:
    """The numbers between the heading `Outcome` and the line `rows read`."""
    begin = next(number for number, cells in enumerate(lines) if cells[0] == "Outcome")
    counts: dict[str, int] = {}
    for name, number, *_ in lines[begin + 1 :]:
        if name == "rows read":
            return {"read": int(number), **counts}
        counts[_outcome(name)] = int(number)
    raise ValueError("the Summary has no line `rows read`")


def _outcome(cell: Any) -> str:
    """`✔ not sent` is not_sent."""
    return str(cell).partition(" ")[2].replace(" ", "_")


def main(argv: Sequence[str] | None = None) -> int:
    """Reads, compares, prints; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.harness.referee", description=__doc__)
    parser.add_argument("--journal", type=Path, action="append", required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    for name in ("--results-json", "--results-xlsx", "--summary"):
        parser.add_argument(name, type=Path, action="append", default=[])
    parser.add_argument("--cap", type=_cap, help="calls/seconds, such as 200/1")
    parser.add_argument("--margin", type=float, default=MARGIN_S, help="seconds that a call may have been on its way")
    parser.add_argument("--rows", type=int, help="how many rows the file of each run has")
    parser.add_argument("--unsettled", action="store_true", help="runs may have rows that are still to be settled")
    asked = parser.parse_args(argv)
    evidence = gathered(
        asked.journal, asked.ledger, asked.results_json, asked.results_xlsx, asked.summary, cap=asked.cap,
        margin_s=asked.margin, rows=asked.rows, settled=not asked.unsettled,
    )  # fmt: skip
    found = violations(evidence)
    print(verdict(evidence, found), *found, sep="\n")  # noqa: T201 - the door of a process
    return 1 if found else 0


def verdict(evidence: Evidence, found: Sequence[str]) -> str:
    """One line: what was compared, and whether it holds."""
    compared = f"{len(evidence.calls)} calls, {len(evidence.commits)} tasks, {len(evidence.ledger)} rows, {len(evidence.books)} reports"
    return f"{len(found)} violations: {compared}" if found else f"all holds: {compared}"


def _cap(text: str) -> tuple[int, float]:
    calls, _, seconds = text.partition("/")
    return int(calls), float(seconds)


if __name__ == "__main__":
    sys.exit(main())
