"""Log: every decision on a plan and every use of one, a line each, chained by hashes and signed. What was written stays as it was.

    approvals.jsonl   one JSON object a line: `number`, `before` (SHA-256 of the line before), `entry`, `key`, `signature`
    head.json         number and hash of the last line that was acknowledged: what is missing after it was cut off
    key.pem           signs (0600); public.pem beside it verifies

An entry is acknowledged when its line is on disk and the head names it. A line beyond the head is either whole, and then
it counts (its writer was killed before it could say so), or torn, and then nobody was told that it stands: it is dropped,
and that is told. The head is never ahead of the lines, unless somebody took lines away.
"""

import base64
import binascii
import json
import logging
import os
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from importer.core.approval import Approval, Entry, Use, approval_read, use_of, use_read, used_up
from importer.core.errors import LedgerError, PlanRefused
from importer.core.plan import canonical
from importer.folders import private_folder, put_whole, sync_folder

if TYPE_CHECKING:
    from importer.approvals.keys import PublicKey

LOG, HEAD, LOCK = "approvals.jsonl", "head.json", "approvals.lock"
NONE = "0" * 64
"""What stands before the first line."""
HASH = re.compile("[0-9a-f]{64}")
CUT = "Put the log back from a copy. Nothing runs under approvals that cannot be trusted."
told = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Chain:
    """The whole log as it was verified: its entries, oldest first, and the hash of each line."""

    entries: tuple[Entry, ...] = ()
    hashes: tuple[str, ...] = ()
    torn: int = 0  # bytes of a last line that its writer could not finish, and that never counted

    @property
    def head(self) -> str:
        """The SHA-256 of the last line, 64 hexadecimal digits; a blank where there is none. It stands for all before it."""
        return self.hashes[-1] if self.hashes else ""


def verified(folder: Path) -> Chain:
    """The log as a copy of it stands in a folder that nobody writes to (see `copies`). Raises LedgerError."""
    return ApprovalLog(folder).as_it_stands()


class ApprovalLog:
    """The log in one folder. The mutable state is the file; `_seen` holds lines whose signatures were found good before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / LOG
        self._seen: set[tuple[str, bytes]] = set()

    def read(self, known: Collection[str] = ()) -> Chain:
        """The log, verified; `known` are heads that were written down elsewhere, and must be in it. Raises LedgerError."""
        if not self.path.exists() and not (self.folder / HEAD).exists():
            chain = Chain()
        else:
            with self._in_words("read"), self._locked():
                chain = self.as_it_stands()
        for head in known:
            if head and head not in chain.hashes:
                raise LedgerError(
                    f"The log of approvals {self.path} does not have the line {head[:8]}… that a run was opened under: "
                    "it was cut off or replaced.",
                    CUT,
                )
        return chain

    def decide(self, approval: Approval, refused: Callable[[Chain], PlanRefused | None]) -> Chain:
        """Adds a decision, unless `refused` says why not, seeing the log as it is then. Durable when it returns. Raises PlanRefused, LedgerError."""
        with self._writing() as chain:
            problem = refused(chain)
            if problem is not None:
                raise problem
            return self._added(chain, approval)

    def take(self, use: Use, refused: Callable[[Chain], PlanRefused | None] = lambda _: None) -> tuple[str, Chain]:
        """Uses an approved plan up for one run: the run's ID, and the log whose head the run is opened under.

        Call it before the run is opened, `opened` afterwards. A process that is killed between the two has left the line
        `taken` behind, and no run: then the ID given here is that run's, not the new one, and no line is added. So the
        approval is not lost, for that run can still be opened; nor is it used twice, for every other ID is out of the
        question, and the ledger opens one ID, and one plan, once. `refused` as in `decide`. Raises PlanRefused, also
        where the run was opened, and LedgerError.
        """
        with self._writing() as chain:
            before = use_of(use.plan, chain.entries)
            if before is not None and before.stage == "opened":
                found = used_up(before)
                raise PlanRefused(found.reason, found.fix)
            problem = refused(chain)
            if problem is not None:
                raise problem
            if before is not None:
                return before.run, chain
            return use.run, self._added(chain, use)

    def opened(self, use: Use) -> None:
        """The run is in the ledger: from now on the approval is used up even where no ledger knows of it any more."""
        with self._writing() as chain:
            before = use_of(use.plan, chain.entries)
            if before is None or before.stage != "opened":
                self._added(chain, replace(use, stage="opened"))

    def signed(self, text: bytes) -> tuple[str, bytes]:
        """The name of the key, and its signature of a text. Raises LedgerError."""
        from importer.approvals.keys import PublicKey, private_key

        with self._writing() as chain:
            key = private_key(self.folder, may_make=not chain.hashes)
            return PublicKey(key.public_key()).name, key.sign(text)

    def key(self) -> "PublicKey":
        """What verifies this log; a new pair is made where there is none yet. Raises LedgerError."""
        from importer.approvals.keys import PublicKey, private_key

        with self._writing() as chain:
            return PublicKey(private_key(self.folder, may_make=not chain.hashes).public_key())

    def copies(self) -> dict[str, bytes]:
        """What another folder needs for `verified`: the log as it is, its head and the public key, by file name. Raises LedgerError."""
        from importer.approvals.keys import PUBLIC, private_key

        with self._writing() as chain:
            private_key(self.folder, may_make=not chain.hashes)
            paths = (self.folder / name for name in (LOG, HEAD, PUBLIC))
            return {path.name: path.read_bytes() for path in paths if path.exists()}

    # Writing

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time, readers too: nobody sees half a line that is being written."""
        with FileLock(self.folder / LOCK, mode=0o600):
            yield

    @contextmanager
    def _in_words(self, what: str) -> Iterator[None]:
        """The system's refusals in words."""
        try:
            yield
        except OSError as problem:
            raise LedgerError(
                f"The log of approvals {self.path} cannot be {what}: {problem.strerror or problem}.",
                "Check --state-dir.",
            ) from problem

    @contextmanager
    def _writing(self) -> Iterator[Chain]:
        """The log as it is, whole, and nobody else's until the end. Raises LedgerError."""
        with self._in_words("written"):
            if not self.folder.is_dir():
                private_folder(self.folder)
                sync_folder(self.folder.parent)
            with self._locked():
                yield self._mended()

    def _mended(self) -> Chain:
        """The log after a kill is brought to what counts."""
        chain = self.as_it_stands()
        if chain.torn:
            told.warning("torn line dropped", extra={"file": str(self.path), "bytes": chain.torn})
            with self.path.open("r+b") as file:
                file.truncate(self.path.stat().st_size - chain.torn)
                os.fsync(file.fileno())
        if chain.hashes and len(chain.hashes) != self._acknowledged()[0]:
            self._acknowledge(chain)
        return replace(chain, torn=0)

    def _added(self, chain: Chain, entry: Entry) -> Chain:
        from importer.approvals.keys import PublicKey, private_key

        key = private_key(self.folder, may_make=not chain.hashes)
        name = PublicKey(key.public_key()).name
        record = {"number": len(chain.hashes) + 1, "before": chain.head or NONE, "entry": _record(entry), "key": name}
        signature = base64.b64encode(key.sign(canonical(record).encode())).decode()
        line = canonical({**record, "signature": signature}).encode()
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "ab", buffering=0) as file:
            file.write(line + b"\n")
            os.fsync(file.fileno())
        grown = Chain((*chain.entries, entry), (*chain.hashes, sha256(line).hexdigest()))
        self._acknowledge(grown)
        return grown

    def _acknowledge(self, chain: Chain) -> None:
        put_whole(self.folder / HEAD, canonical({"lines": len(chain.hashes), "head": chain.head}).encode())

    # Reading

    def _acknowledged(self) -> tuple[int, str]:
        """How many lines were acknowledged, and the hash of the last. Raises LedgerError."""
        path = self.folder / HEAD
        if not path.exists():
            return 0, NONE
        try:
            head = json.loads(path.read_bytes())
            lines, last = head["lines"], head["head"]
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise LedgerError(f"The head of the log of approvals, {path}, is damaged: {problem}.", CUT) from problem
        if not isinstance(lines, int) or lines < 1 or not isinstance(last, str) or not HASH.fullmatch(last):
            raise LedgerError(f"The head of the log of approvals, {path}, is damaged.", CUT)
        return lines, last

    def as_it_stands(self) -> Chain:
        """The log, verified, without a lock. Raises LedgerError, naming the first line that is not as it was written."""
        lines, last = self._acknowledged()
        whole = self.path.read_bytes() if self.path.exists() else b""
        *complete, rest = whole.split(b"\n")
        chain = self._of(complete) if complete else Chain()
        if len(chain.hashes) < lines:
            raise self._altered(f"{lines} lines were written and {len(chain.hashes)} are left", len(chain.hashes) + 1)
        if lines and chain.hashes[lines - 1] != last:
            raise self._altered("it is not the line that was acknowledged", lines)
        if len(chain.hashes) > lines + 1 or (rest and len(chain.hashes) > lines):
            # Each writer says that its line stands before the next one writes: more than one at a time is never left behind.
            raise self._altered("lines were added that were never acknowledged", lines + 1)
        return replace(chain, torn=len(rest))

    def _of(self, complete: list[bytes]) -> Chain:
        from importer.approvals.keys import public_key

        key = public_key(self.folder)
        before, entries, hashes = NONE, [], []
        for number, line in enumerate(complete, 1):
            record = self._line(line, number, key)
            if record["number"] != number or record["before"] != before:
                raise self._altered("it does not follow the line before it", number)
            entries.append(self._entry(record["entry"], number))
            before = sha256(line).hexdigest()
            hashes.append(before)
        return Chain(tuple(entries), tuple(hashes))

    def _line(self, line: bytes, number: int, key: "PublicKey") -> dict[str, Any]:
        """What a line says, if it says it in the one form that it was signed in."""
        try:
            record = json.loads(line)
            signature = base64.b64decode(record["signature"], validate=True)
            said = {name: record[name] for name in ("number", "before", "entry", "key")}
            as_written = canonical({**said, "signature": record["signature"]}).encode() == line
        except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as problem:
            raise self._altered("it cannot be read", number) from problem
        if not as_written:
            raise self._altered("it is not written as the importer writes", number)
        if said["key"] != key.name:
            raise self._altered(f"it was signed by another key ({said['key']}, this one is {key.name})", number)
        if (key.name, line) not in self._seen:
            if not key.signed(canonical(said).encode(), signature):
                raise self._altered("its signature does not fit", number)
            self._seen.add((key.name, line))
        return said

    def _entry(self, record: Any, number: int) -> Entry:
        try:
            kind, said = record["kind"], {name: value for name, value in record.items() if name != "kind"}
            return approval_read(said) if kind == "decision" else use_read(said)
        except (KeyError, TypeError, AttributeError) as problem:
            raise self._altered("it is of another version of the importer", number) from problem

    def _altered(self, why: str, number: int) -> LedgerError:
        return LedgerError(f"The log of approvals {self.path} was altered at line {number}: {why}.", CUT)


def _record(entry: Entry) -> dict[str, Any]:
    return {"kind": "decision" if isinstance(entry, Approval) else "use", **entry.record()}
