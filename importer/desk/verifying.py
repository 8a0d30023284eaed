"""Verifying: whether a sealed run's folder says what it said, and its parts agree. Needs no account, no ledger, and nobody's word."""

import base64
import binascii
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from importer.approvals.keys import PublicKey, public_key
from importer.approvals.log import Chain, verified
from importer.core.approval import Approval, decisions_on, use_of
from importer.core.errors import ImporterError, UsageError
from importer.core.findings import listed
from importer.core.health import Line, fine, unchecked, wrong
from importer.core.outcomes import Outcome
from importer.core.plan import PlanRow, Preview, canonical, short
from importer.core.report import OUTCOME_KEYS
from importer.desk.seal import APPROVAL, LOG, MANIFEST, PLAN, SCHEMA
from importer.ledgers.plans import PlanFile

ALTERED = 4
"""The exit code of a folder that is not what it was."""
SENT = frozenset({Outcome.CREATED, Outcome.FAILED, Outcome.UNKNOWN, Outcome.NOT_SENT})
TOLD = 5
ADVICE = "Ask for the folder as it was sealed; what differs is not to be relied on."


@dataclass(slots=True)
class _Folder:
    """What was found so far."""

    path: Path
    given: Path | None  # the input, from elsewhere
    manifest: Mapping[str, Any] = field(default_factory=dict)
    key: PublicKey | None = None
    chain: Chain = field(default_factory=Chain)
    preview: Preview | None = None
    results: Mapping[str, Any] = field(default_factory=dict)


def checks(folder: Path, given: Path | None = None) -> Iterator[Line]:
    """One line a check, in their order; the first that is wrong for a reason that all others rest on ends them.

    `given`: the input, where it is not in the folder. Raises UsageError where the folder was never sealed.
    """
    if not (folder / MANIFEST).is_file():
        raise UsageError(
            f"{folder} holds no {MANIFEST}.", "Name the folder of a run: reports/run-… (importer report RUN seals it)."
        )
    strange = [each.relative_to(folder).as_posix() for each in folder.rglob("*") if not _is_plain(each)]
    if strange:  # reading a pipe or a device may never end
        yield wrong("files", f"no files, and not sealed so: {listed(strange, TOLD)}", ADVICE, ALTERED)
        return
    found = _Folder(folder, given)
    for name, check in CHECKS.items():
        try:
            problem = check(found)
        except (ImporterError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as trouble:
            problem = _Found(f"it cannot be read: {trouble}", bad=True)
        if problem.bad:
            yield wrong(name, problem.text, ADVICE, ALTERED)
            if name in FIRST:
                return
        else:
            yield unchecked(name, problem.text, "") if problem.open else fine(name, problem.text)


def _is_plain(path: Path) -> bool:
    """Whether this is a file or a folder, which is all that a sealed folder holds."""
    return path.is_file() or (path.is_dir() and not path.is_symlink())


@dataclass(frozen=True, slots=True)
class _Found:
    text: str
    bad: bool = False
    open: bool = False  # it could not be looked at


def _manifest(found: _Folder) -> _Found:
    """The manifest is as it was signed, with the key that lies beside it."""
    record = json.loads((found.path / MANIFEST).read_bytes())
    found.key = public_key(found.path / APPROVAL)
    said = {name: value for name, value in record.items() if name not in ("key", "signature")}
    if record.get("schema") != SCHEMA:
        return _Found("it was sealed by another version of the importer", bad=True)
    try:
        signature = base64.b64decode(record["signature"], validate=True)
    except binascii.Error:
        return _Found("its signature is no signature", bad=True)
    if record["key"] != found.key.name or not found.key.signed(canonical(said).encode(), signature):
        return _Found("its signature does not fit: it was altered, or sealed with another key", bad=True)
    found.manifest = record
    return _Found(f"run {record['run']}, sealed at {record['sealed_at']} with the key {found.key.name}")


def _files(found: _Folder) -> _Found:
    """Every file is the one that was sealed."""
    problems = []
    for name, sealed in found.manifest["files"].items():
        path = found.path / PurePosixPath(name)
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            problems.append(f"{name} is outside of the folder")
        elif not path.is_file():
            problems.append(f"{name} is missing")
        elif _sha256(path) != sealed["sha256"]:
            problems.append(f"{name} was altered (SHA-256 {_sha256(path)[:8]}…, was {sealed['sha256'][:8]}…)")
    sealed_names = {MANIFEST, *found.manifest["files"]}
    others = [each for each in _names(found.path) if each not in sealed_names]
    more = f"; not sealed, and not looked at: {', '.join(others[:TOLD])}" if others else ""
    return _told(problems, f"{len(found.manifest['files'])} files are what they were{more}")


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _plan(found: _Folder) -> _Found:
    """The plan says what its digest says."""
    found.preview = PlanFile(found.path / PLAN).verify()
    about = found.preview.about
    if (about.plan, about.digest) != (found.manifest["plan"], found.manifest["digest"]):
        return _Found(f"the plan is {about.plan}, and the run's was {found.manifest['plan']}", bad=True)
    return _Found(f"{about.plan}, digest {short(about.digest)}, made {about.made_at} by {about.preparer}")


def _input(found: _Folder) -> _Found:
    """The input is the file that the plan was made of."""
    head = _preview(found).head
    path = found.given or found.path / f"input.{head.format}"
    if not path.is_file():
        return _Found(
            f"no copy is here; its SHA-256 was {head.source_sha256} (compare it with --input FILE)", open=True
        )
    if _sha256(path) != head.source_sha256:
        return _Found(f"{path.name} is not the file that was read", bad=True)
    return _Found(f"{path.name} is the file that was read")


def _approval(found: _Folder) -> _Found:
    """The log of approvals is whole, and what it says of this plan allows the run."""
    found.chain = verified(found.path / APPROVAL)
    plan, run = found.manifest["plan"], found.manifest["run"]
    use = use_of(plan, found.chain.entries)
    if use is not None and use.run != run:
        return _Found(f"the approval of {plan} was used by the run {use.run}", bad=True)
    decisions = decisions_on(plan, found.chain.entries)
    if not decisions:
        return _Found("the log is whole; the plan ran without an approval, none was required", open=True)
    last = decisions[-1]
    if not last.approved:
        return _Found(f"the plan was rejected {last}", bad=True)
    if last.digest != found.manifest["digest"] or last.sha256 != _sha256(found.path / PLAN):
        return _Found(f"the plan that was approved {last} is not this one, byte for byte", bad=True)
    return _Found(f"approved {last}")


def _results(found: _Folder) -> _Found:
    """The results account for every row of the plan, and what was sent is what was ready in it."""
    names = [each for each in found.manifest["files"] if each.startswith("results") and each.endswith(".json")]
    if not names:
        return _Found("it was sealed without results.json: importer report RUN writes it, and seals it again", bad=True)
    name = names[0]
    found.results = json.loads((found.path / name).read_bytes())
    rows = found.results["rows"]
    problems = list(_rows_apart(found, rows))
    counted = Counter(row["outcome"] for row in rows)
    counts = {"read": len(rows), **{key: counted[key] for key in OUTCOME_KEYS}}
    if counts != found.results["counts"]:
        problems.append("its counts are not those of its rows")
    if found.results["plan"] != found.manifest["plan"] or found.results["run"] != found.manifest["run"]:
        problems.append("they are those of another run")
    return _told(problems, f"{len(rows):,} rows, as many as were read: {counted['created']:,} created")


def _rows_apart(found: _Folder, rows: list[dict[str, Any]]) -> Iterator[str]:
    approval = _last_approval(found)
    left_out = {each.line for each in approval.left_out} if approval else set()
    planned = PlanFile(found.path / PLAN).rows()
    told = iter(rows)
    for row in planned:
        result = next(told, None)
        if result is None or result["line"] != row.line or (result["external_id"] or "") != row.external_id:
            yield f"line {row.line} of the plan is not in its place"
            return
        if problem := _row_apart(row, result, left_out=row.line in left_out):
            yield problem
    if next(told, None) is not None:
        yield "they have rows that the plan does not have"


def _row_apart(row: PlanRow, result: Mapping[str, Any], *, left_out: bool) -> str:
    outcome = Outcome(result["outcome"])
    if outcome in SENT and (row.payload is None or left_out):
        return f"line {row.line} is {outcome.value}, and was not to be sent"
    if outcome is Outcome.CREATED and not result["task_id"]:
        return f"line {row.line} was created, and has no task ID"
    return ""


def _last_approval(found: _Folder) -> Approval | None:
    decisions = decisions_on(found.manifest["plan"], found.chain.entries)
    return decisions[-1] if decisions else None


def _log(found: _Folder) -> _Found:
    """Every task that was created has a call that created it, or was found when its answer was lost."""
    if not found.results:
        return _Found("not compared: there are no results", open=True)
    called: set[int] = set()
    calls = 0
    with (found.path / LOG).open("rb") as lines:
        for line in lines:
            call = json.loads(line)
            if call["run"] != found.manifest["run"]:
                return _Found("it has calls of another run", bad=True)
            called.update(call["lines"])
            calls += 1
    missing = [
        row["line"] for row in found.results["rows"] if row["outcome"] == "created" and row["line"] not in called
    ]
    return _told([f"line {line} was created, and no call says so" for line in missing], f"{calls:,} calls that create")


def _told(problems: list[str], fine_text: str) -> _Found:
    if not problems:
        return _Found(fine_text)
    more = f" (and {len(problems) - TOLD:,} more)" if len(problems) > TOLD else ""
    return _Found("; ".join(problems[:TOLD]) + more, bad=True)


def _preview(found: _Folder) -> Preview:
    assert found.preview is not None
    return found.preview


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


CHECKS: dict[str, Callable[[_Folder], _Found]] = {
    "manifest": _manifest, "files": _files, "plan": _plan, "input": _input, "approval": _approval, "results": _results, "log": _log,
}  # fmt: skip
FIRST = frozenset({"manifest", "plan"})
"""Checks that the later ones rest on."""
