"""Plans as files: a zip with `rows.jsonl`, `plan.json` and `about.json`, written beside and renamed, mode 0600."""

import json
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from importer import __version__
from importer.core.errors import LedgerError, PlanRefused, UsageError
from importer.core.plan import SCHEMA, About, Digest, PlanHead, PlanRow, Preview, canonical, plan_head, plan_row, short
from importer.folders import private_folder

FIXED = (1980, 1, 1, 0, 0, 0)
"""The date of every member: the same plan is the same bytes but for about.json."""
PLAN_ID = re.compile(r"[0-9a-f]{8}-[0-9]{8}-[0-9]{6}(?:-[0-9]+)?")
MALFORMED = (
    KeyError, TypeError, ValueError, AttributeError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What reading an altered zip or record may raise."""


class PlanFolder:
    """The plans that were made on this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def draft(self, mapping_file: str = "") -> "Draft":
        """Begins a plan. Raises LedgerError where the folder cannot be written."""
        try:
            private_folder(self._folder)
            return Draft(self._folder, mapping_file)
        except OSError as problem:
            raise LedgerError(
                f"Plans cannot be written to {self._folder}: {problem.strerror}.", "Check --state-dir."
            ) from problem

    def find(self, reference: str) -> "PlanFile":
        """The plan by path, by ID, or by an unambiguous beginning of its ID. Raises UsageError."""
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

    def __init__(self, folder: Path, mapping_file: str) -> None:
        self._folder = folder
        self._mapping_file = mapping_file
        handle, name = tempfile.mkstemp(prefix=".draft-", dir=folder)  # mode 0600
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

    def finish(self, head: PlanHead, *, source: str, made_at: datetime, preparer: str) -> Preview:
        digest = self._digest.value(head)
        name = self._free(f"{digest[:8]}-{made_at:%Y%m%d-%H%M%S}")
        made = made_at.isoformat(timespec="seconds").replace("+00:00", "Z")
        about = About(name, digest, source, made, preparer, __version__, self._mapping_file)
        self._rows.close()
        self._zip.writestr(_member("plan.json"), canonical(head.record()))
        self._zip.writestr(_member("about.json"), canonical(asdict(about)))
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self._folder / f"{name}.plan")
        _sync(self._folder)
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
            preview = Preview(plan_head(head), About(**about))
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


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, FIXED)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info


def _sync(folder: Path) -> None:
    """Makes a rename durable, where folders can be synced (not on Windows)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
