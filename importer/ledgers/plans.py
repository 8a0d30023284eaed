"""Plans as files: a zip with `rows.jsonl`, `plan.json` and `about.json`, written beside and renamed, mode 0600."""

import hashlib
import json
import os
import re
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from importer import __version__
from importer.core.approval import Person
from importer.core.errors import LedgerError, PlanRefused, UsageError
from importer.core.fixes import Fixed
from importer.core.moments import written
from importer.core.plan import (
    SCHEMA,
    About,
    Digest,
    PlanHead,
    PlanRow,
    Preview,
    canonical,
    plan_about,
    plan_head,
    plan_row,
    short,
)
from importer.core.verdicts import Verdict
from importer.folders import private_folder, put_whole, sync_folder

FIXED = (1980, 1, 1, 0, 0, 0)
"""The date of every member: the same plan is the same bytes but for about.json."""
PLAN_ID = re.compile(r"[0-9a-f]{8}-[0-9]{8}-[0-9]{6}(?:-[0-9]+)?")
UNFINISHED = ".draft-"
LEFT_S = 24 * 3600.0
"""A plan that nobody wrote to for so long was left by a process that died."""
MALFORMED = (
    KeyError, TypeError, ValueError, AttributeError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What reading an altered zip or record may raise."""


class PlanFolder:
    """The plans that were made on this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def draft(self, mapping_file: str = "", kept: str = "", fixed: Sequence[Fixed] = ()) -> "Draft":
        """Begins a plan; the arguments are those of `About`. Raises LedgerError where the folder cannot be written."""
        try:
            private_folder(self._folder)
            self._tidy()
            return Draft(self._folder, mapping_file, kept, fixed)
        except OSError as problem:
            raise LedgerError(
                f"Plans cannot be written to {self._folder}: {problem.strerror}.", "Check --state-dir."
            ) from problem

    def _tidy(self) -> None:
        """Takes away what processes left that died in the middle of a plan. What was written to lately may be another's."""
        for left in self._folder.glob(f"{UNFINISHED}*"):
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > LEFT_S:
                    left.unlink()

    def newest_first(self) -> Iterator["PlanFile"]:
        """All plans, the one that was made last first, as their names tell."""
        known = self._folder.glob("*.plan") if self._folder.is_dir() else ()
        for path in sorted(known, key=lambda each: each.stem.partition("-")[2], reverse=True):
            yield PlanFile(path)

    def kept(self, file: "PlanFile", plan: str) -> "PlanFile":
        """The plan of this ID in this folder, a copy of a file from elsewhere where it was not there. Raises LedgerError."""
        path = self._folder / f"{plan}.plan"
        if path.exists():
            return PlanFile(path)
        try:
            private_folder(self._folder)
            put_whole(path, file.path.read_bytes())
        except OSError as problem:
            raise LedgerError(
                f"The plan cannot be kept in {self._folder}: {problem.strerror}.", "Check --state-dir."
            ) from problem
        return PlanFile(path)

    def named(self, plan: str) -> "PlanFile":
        """The plan of exactly this ID, and never a file elsewhere: for what comes in an address. Raises UsageError."""
        if not PLAN_ID.fullmatch(plan) or not (path := self._folder / f"{plan}.plan").is_file():
            raise UsageError(f"There is no plan {plan[:80]}.", "Look for it in the history, or preview the file again.")
        return PlanFile(path)

    def find(self, reference: str) -> "PlanFile":
        """The plan by path, by ID, or by an unambiguous beginning of its ID. Raises UsageError."""
        with suppress(UsageError):
            return self.named(reference)
        path = Path(reference)
        if path.is_file():
            return PlanFile(path)
        known = sorted(self._folder.glob("*.plan")) if self._folder.is_dir() else []
        wanted = reference.replace("-", "") if re.fullmatch(r"[0-9a-f]{4}-[0-9a-f]{4}", reference) else reference
        found = [each for each in known if each.stem == reference] or [p for p in known if p.stem.startswith(wanted)]
        if len(found) == 1:
            return PlanFile(found[0])
        if found:
            names = ", ".join(each.stem for each in found[:5])
            raise UsageError(f"{reference} stands for several plans: {names}.", "Give more of the ID.")
        raise UsageError(
            f"There is no plan {reference}.", "Make one with importer preview FILE, or check the path and --state-dir."
        )


class Draft:
    """See ports.PlanDraft. Rows go straight into the zip; the digest grows with them."""

    def __init__(self, folder: Path, mapping_file: str, kept: str = "", fixed: Sequence[Fixed] = ()) -> None:
        self._folder = folder
        self._mapping_file = mapping_file
        self._kept = kept
        self._fixed = tuple(fixed)
        handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=folder)  # mode 0600
        self._file = os.fdopen(handle, "w+b")
        self._temporary = Path(name)
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, compresslevel=4)
        self._rows: IO[bytes] = self._zip.open(_member("rows.jsonl"), "w", force_zip64=True)
        self._digest = Digest()

    def add(self, row: PlanRow) -> None:
        line = canonical(row.record())
        self._digest.add(line)
        self._rows.write(line.encode())
        self._rows.write(b"\n")

    def finish(self, head: PlanHead, *, source: str, made_at: datetime, preparer: Person) -> Preview:
        digest = self._digest.value(head)
        name = self._free(f"{digest[:8]}-{made_at:%Y%m%d-%H%M%S}")
        made = written(made_at)
        about = About(
            name,
            digest,
            source,
            made,
            preparer.name,
            __version__,
            self._mapping_file,
            kept=self._kept,
            fixed=self._fixed,
            preparer_how=preparer.how,
        )
        self._rows.close()
        self._zip.writestr(_member("plan.json"), canonical(head.record()))
        self._zip.writestr(_member("about.json"), canonical(asdict(about)))
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self._folder / f"{name}.plan")
        sync_folder(self._folder)
        return Preview(head, about)

    def discard(self) -> None:
        if not self._file.closed:
            self._rows.close()
            self._zip.close()
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def _free(self, name: str) -> str:
        names = [name, *(f"{name}-{number}" for number in range(2, 1000))]
        return next(each for each in names if not (self._folder / f"{each}.plan").exists())


class PlanFile:
    """A plan on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def preview(self) -> Preview:
        """Everything but the rows. Raises PlanRefused where it cannot be read."""
        with self._opened() as archive:
            head, about = (self._json(archive, name) for name in ("plan.json", "about.json"))
        try:
            if head["schema"] != SCHEMA:
                raise PlanRefused(f"{self.path.name} was made by another version of the importer.", "Preview again.")
            preview = Preview(plan_head(head), plan_about(about))
            fits = PLAN_ID.fullmatch(preview.about.plan) and preview.about.digest.startswith(preview.about.plan[:8])
        except MALFORMED as problem:
            raise self._damaged(problem) from problem
        if not fits:
            raise PlanRefused(
                f"{self.path.name} was altered: its ID does not fit its digest.", "Preview the file again."
            )
        return preview

    def rows(self) -> Iterator[PlanRow]:
        """The rows in file order. Raises PlanRefused where one cannot be read."""
        with self._opened() as archive:
            try:
                with archive.open("rows.jsonl") as lines:
                    for line in lines:
                        yield plan_row(json.loads(line))
            except MALFORMED as problem:
                raise self._damaged(problem) from problem

    def sha256(self) -> str:
        """The hash of every byte of the file. Raises PlanRefused where it cannot be read."""
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as problem:
            raise self._damaged(problem) from problem

    def some_rows(self, verdict: Verdict | None, skip: int, most: int) -> list[PlanRow]:
        """At most so many rows of a verdict (None: all), after so many of them. Those before are not parsed. Raises PlanRefused."""
        found: list[PlanRow] = []
        with self._opened() as archive:
            try:
                with archive.open("rows.jsonl") as lines:
                    for line in lines:
                        if verdict is not None and not _has(line, verdict):
                            continue
                        if skip:
                            skip -= 1
                        elif len(found) < most:
                            found.append(plan_row(json.loads(line)))
                        else:
                            break
            except MALFORMED as problem:
                raise self._damaged(problem) from problem
        return found

    def verify(self) -> Preview:
        """The plan, if it says what its digest says. Raises PlanRefused."""
        preview = self.preview()
        digest = Digest()
        try:
            for row in self.rows():
                digest.add(canonical(row.record()))
            actual = digest.value(preview.head)
        except (TypeError, ValueError) as problem:  # NaN or half a character, which no plan of ours has
            raise self._damaged(problem) from problem
        if actual != preview.about.digest:
            raise PlanRefused(
                f"The plan {preview.about.plan} was altered: its digest is {short(actual)}, it says {short(preview.about.digest)}.",
                "Preview the file again; approvals of the altered plan do not count.",
            )
        return preview

    def _opened(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except (OSError, zipfile.BadZipFile) as problem:
            raise self._damaged(problem) from problem

    def _json(self, archive: zipfile.ZipFile, name: str) -> Any:
        try:
            return json.loads(archive.read(name))
        except MALFORMED as problem:
            raise self._damaged(problem) from problem

    def _damaged(self, problem: Exception) -> PlanRefused:
        return PlanRefused(f"{self.path.name} is no plan, or was altered: {problem}.", "Preview the file again.")


def _has(line: bytes, verdict: Verdict) -> bool:
    """Whether a row's canonical JSON has this verdict. Within a text its quotes would be escaped; a payload may have such a name."""
    if b'"verdict":"%b"' % verdict.value.encode() not in line:
        return False
    return line.count(b'"verdict":') == 1 or bool(json.loads(line)["verdict"] == verdict.value)


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, FIXED)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info
