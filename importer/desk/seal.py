"""Seal: a run's folder made complete and signed, so that anyone can check a year later what was approved and what was done.

manifest.json   names every file below with its SHA-256, the input's as well, and is signed with the key of the approvals
plan.plan       the plan as it ran: every cell that was read, every payload, every verdict
input.xlsx      the file that was read, as far as it can be read, is still what it was and not beyond INPUT_MOST (or input.csv)
approval/       the log of approvals up to then, with the key that verifies it
log.jsonl       every call of the run that creates, with its rows, its answer and the platform's own ID of it
results.*       what came of each row
"""

import base64
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer import __version__
from importer.core.errors import FileRefused
from importer.core.plan import canonical
from importer.folders import private_folder
from importer.writers.files import written

if TYPE_CHECKING:
    from importer.approvals.log import ApprovalLog
    from importer.ledgers.plans import PlanFile
    from importer.ports import Ledger, RunRecord

SCHEMA = "importer.manifest/1"
MANIFEST, PLAN, LOG, APPROVAL = "manifest.json", "plan.plan", "log.jsonl", "approval"
INPUT_MOST = 64 << 20
"""Bytes: a larger input is named by its hash alone."""


def sealed(
    folder: Path,
    record: "RunRecord",
    plan: "PlanFile",
    approvals: "ApprovalLog",
    book: "Ledger",
    results: Iterable[Path],
    at: str,
) -> Path:
    """Completes and signs a run's folder; `results` are the reports that were just written into it. Gives the manifest's path.

    Raises NotWritten, OSError, LedgerError. May be called again whenever the results are written again, one at a time
    (see results.reporting): two at once would name files that the other one has replaced meanwhile.
    """
    files = [*_kept(folder, record, plan), _logged(folder, book, record.run), *_approval(folder, approvals), *results]
    head = record.preview.head
    body: dict[str, Any] = {
        "schema": SCHEMA, "run": record.run, "plan": record.preview.about.plan, "digest": record.preview.about.digest,
        "input": {"name": Path(record.preview.about.source).name, "sha256": head.source_sha256, "bytes": head.source_bytes},
        "files": {path.relative_to(folder).as_posix(): _fingerprint(path) for path in files},
        "sealed_at": at, "version": __version__,
    }  # fmt: skip
    key, signature = approvals.signed(canonical(body).encode())
    with written(folder / MANIFEST) as draft:
        whole = {**body, "key": key, "signature": base64.b64encode(signature).decode()}
        draft.file.write(json.dumps(whole, ensure_ascii=False, indent=1).encode() + b"\n")
    return draft.path


def _kept(folder: Path, record: "RunRecord", plan: "PlanFile") -> Iterator[Path]:
    """The plan, and the input where it is still the one that was read."""
    yield _copied(plan.path, folder / PLAN)
    head, about, name = record.preview.head, record.preview.about, folder / f"input.{record.preview.head.format}"
    if name.is_file() and _fingerprint(name)["sha256"] == head.source_sha256:
        yield name  # kept by an earlier seal
    elif head.source_bytes <= INPUT_MOST and _input(Path(about.kept or about.source), name, head.source_sha256):
        yield name


def _input(source: Path, name: Path, sha256: str) -> bool:
    """Copies the input, if it can be read and is what it was: whoever verifies the folder asks for no more than its hash."""
    from importer.sources.reader import fingerprint

    try:
        if fingerprint(source)[0] != sha256:
            return False
        _copied(source, name)
    except (FileRefused, OSError):
        return False
    if _fingerprint(name)["sha256"] != sha256:  # it was changed while it was copied
        name.unlink()
        return False
    return True


def _approval(folder: Path, approvals: "ApprovalLog") -> Iterator[Path]:
    private_folder(folder / APPROVAL)
    for name, content in approvals.copies().items():
        with written(folder / APPROVAL / name) as draft:
            draft.file.write(content)
        yield draft.path


def _logged(folder: Path, book: "Ledger", run: str) -> Path:
    with written(folder / LOG) as draft:
        for call in book.calls(run):
            draft.file.write(json.dumps({"run": run, **asdict(call)}, ensure_ascii=True).encode() + b"\n")
    return draft.path


def _copied(source: Path, path: Path) -> Path:
    with source.open("rb") as original, written(path) as draft:
        shutil.copyfileobj(original, draft.file, 1 << 20)
    return draft.path


def _fingerprint(path: Path) -> Mapping[str, Any]:
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": path.stat().st_size}
