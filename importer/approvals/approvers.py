"""Approvers: whose letters count here. A name for a key, said by who owns this state folder."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from importer.approvals.keys import PublicKey
from importer.approvals.letter import key_read
from importer.core.errors import LedgerError, UsageError
from importer.folders import private_folder, put_whole

FILE, LOCK = "approvers.json", "approvers.lock"


@dataclass(frozen=True, slots=True)
class Approver:
    """A person, and the key that signs for them."""

    name: str
    public_key: str  # PEM
    by: str  # who said so
    since: str  # RFC 3339, UTC

    @property
    def key(self) -> PublicKey:
        """The key itself. Raises UsageError."""
        return key_read(self.public_key)


class Approvers:
    """The list in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / FILE

    def all(self) -> list[Approver]:
        """Everyone, by name. Raises LedgerError."""
        if not self._path.exists():
            return []
        try:
            return [Approver(**each) for each in json.loads(self._path.read_bytes())]
        except (OSError, ValueError, TypeError) as problem:
            raise LedgerError(
                f"The list of approvers {self._path} cannot be read: {problem}.", "Put it back from a copy."
            ) from problem

    def of(self, key: PublicKey) -> Approver | None:
        """Whose key this is. Raises LedgerError."""
        return next((each for each in self.all() if each.key.text == key.text), None)

    def add(self, approver: Approver) -> None:
        """Raises UsageError where the name or the key is there already, LedgerError."""
        with self._changing() as known:
            for each in known:
                if each.name.casefold() == approver.name.casefold():
                    raise UsageError(
                        f"There is an approver {each.name} already.", f"importer approver remove {each.name}"
                    )
                if each.key.text == approver.key.text:
                    raise UsageError(
                        f"This is the key of {each.name} already.", f"importer approver remove {each.name}"
                    )
            known.append(approver)

    def remove(self, name: str) -> None:
        """Letters of this person count no more; decisions that were taken over stand. Raises UsageError, LedgerError."""
        with self._changing() as known:
            found = next((each for each in known if each.name.casefold() == name.casefold()), None)
            if found is None:
                raise UsageError(f"There is no approver {name[:60]}.", "See importer approver list.")
            known.remove(found)

    @contextmanager
    def _changing(self) -> Iterator[list[Approver]]:
        try:
            private_folder(self._folder)
            with FileLock(self._folder / LOCK, mode=0o600):
                known = self.all()
                yield known
                known.sort(key=lambda each: each.name.casefold())
                put_whole(self._path, json.dumps([asdict(each) for each in known], ensure_ascii=False).encode())
        except OSError as problem:
            raise LedgerError(
                f"The list of approvers {self._path} cannot be written: {problem.strerror or problem}.",
                "Check --state-dir.",
            ) from problem
