"""Shelf: the folder of all drafts, and uploads on their way into it. Counts bytes and drafts of each person; knows no rows."""

import hashlib
import os
import re
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from importer.core.approval import Person
from importer.core.errors import LedgerError, NoSuchDraft
from importer.core.file_limits import check as check_limit
from importer.drafts.book import Book, Entry
from importer.drafts.draft import DraftHead, NoPlace
from importer.folders import private_folder, private_opener, sync_folder

ID = re.compile(r"[A-Za-z0-9_-]{16}")
UPLOAD, BOOK = "upload", "draft.sqlite"
INCOMING = ".incoming-"
STALE_S = 3600.0
"""An upload that no process finished for so long was aborted."""
NAME_MOST = 200
DRAFTS_MOST = 50
"""Drafts of one person."""
COMING_MOST = 8
"""Uploads of one person that are under way at once."""
BYTES_MOST = 500 * 1024 * 1024
"""Uploaded bytes of one person's drafts together."""
FREE_LEAST = 200 * 1024 * 1024
"""So many bytes stay free on the disk: a draft takes several times the room of its upload."""


class Incoming:
    """An upload under way, in a folder of its own. `discard` leaves nothing; so does `Shelf.tidy` after a death."""

    def __init__(self, shelf: "Shelf", file_name: str, person: Person, most: int | None) -> None:
        self.file_name = harmless_name(file_name)
        self.person = person
        self.size = 0
        self._shelf = shelf
        self._most = most
        self._digest = hashlib.sha256()
        self.folder = shelf.folder / f"{INCOMING}{os.getpid()}-{secrets.token_urlsafe(12)}"
        private_folder(self.folder)
        self.path = self.folder / UPLOAD
        self._file: IO[bytes] = open(self.path, "xb", opener=private_opener)  # noqa: SIM115 - open until finish or discard

    @property
    def sha256(self) -> str:
        """The hash of what has come so far."""
        return self._digest.hexdigest()

    def write(self, piece: bytes) -> None:
        """The next bytes. Raises FileRefused, NoPlace; then the upload is discarded."""
        try:
            check_limit(self.size + len(piece), self._most, "packed", "it has {found} bytes or more")
            self._shelf.make_room(self, len(piece))
            self._digest.update(piece)
            self._file.write(piece)
        except OSError as problem:
            self.discard()
            raise _no_disk(problem) from problem
        except BaseException:
            self.discard()
            raise

    def sealed(self) -> None:
        """All bytes are on the disk. Raises NoPlace where they do not get there."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as problem:
            raise _no_disk(problem) from problem

    def kept(self, format_: str, person: Person, at: str, mapping: str, settle: Callable[[Book], None]) -> str:
        """Makes it a draft with all that `settle` adds; its ID. Either all of it is there afterwards, or nothing. Raises NoPlace."""
        head = (self.file_name, self.sha256, self.size, format_, person.name, person.how, at, mapping, person.name)
        draft = secrets.token_urlsafe(12)
        try:
            with Book.made(self.folder / BOOK, head) as book, book.writing():
                settle(book)
            self._shelf.take(self, draft)
        except OSError as problem:
            raise _no_disk(problem) from problem
        return draft

    def discard(self) -> None:
        """Throws it away. Does nothing once it is kept."""
        self._shelf.forget(self)
        with suppress(OSError):
            self._file.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Shelf:
    """The drafts of this state folder. The mutable state, under one lock: uploads under way, and each person's kept bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._coming: set[Incoming] = set()
        self._kept: Counter[str] = Counter()  # by person: as counted when an upload began, and what was kept since

    def incoming(self, file_name: str, person: Person, most: int | None) -> Incoming:
        """Begins an upload of at most so many bytes. Raises NoPlace."""
        with self._lock:
            own = [head for head in self.heads() if head.by.name == person.name]
            self._kept[person.name] = sum(head.size for head in own)
            coming = self._coming_of(person)
            if len(coming) >= COMING_MOST:
                raise NoPlace(
                    f"{len(coming)} of your uploads are under way.", "Wait until they have come, then try again."
                )
            if len(own) + len(coming) >= DRAFTS_MOST:
                raise NoPlace(
                    f"You have {len(own) + len(coming)} uploads that are not thrown away; at most {DRAFTS_MOST} are kept.",
                    "Throw away those that you do not need.",
                )
            if self._bytes_of(person) >= BYTES_MOST:
                raise _no_room()
            begun = self._begun(file_name, person, most)
            self._coming.add(begun)
            return begun

    def _begun(self, file_name: str, person: Person, most: int | None) -> Incoming:
        try:
            private_folder(self.folder)
            if shutil.disk_usage(self.folder).free < FREE_LEAST:
                raise NoPlace("The disk is nearly full.", f"Make room where {self.folder.parent} lies.")
            return Incoming(self, file_name, person, most)
        except OSError as problem:
            raise NoPlace(f"Uploads cannot be kept: {problem.strerror}.", "Check --state-dir.") from problem

    def make_room(self, upload: Incoming, size: int) -> None:
        """Counts so many more bytes of an upload. Raises NoPlace where the person's uploads are too big together."""
        with self._lock:
            if self._bytes_of(upload.person) + size > BYTES_MOST:
                raise _no_room()
            upload.size += size

    def take(self, upload: Incoming, draft: str) -> None:
        """Makes the folder of an upload that of a draft, at once for everybody. Raises OSError."""
        with self._lock:
            upload.folder.rename(self.folder / draft)
            self._coming.discard(upload)
            self._kept[upload.person.name] += upload.size
        sync_folder(self.folder)

    def forget(self, upload: Incoming) -> None:
        """The upload is not under way any more."""
        with self._lock:
            self._coming.discard(upload)

    def _coming_of(self, person: Person) -> list[Incoming]:
        return [each for each in self._coming if each.person.name == person.name]

    def _bytes_of(self, person: Person) -> int:
        return self._kept[person.name] + sum(each.size for each in self._coming_of(person))

    def book(self, draft: str) -> Book:
        """The record of a draft. Raises NoSuchDraft, LedgerError."""
        return Book(self._folder_of(draft) / BOOK)

    def upload(self, draft: str) -> Path:
        """The uploaded file. Raises NoSuchDraft."""
        return self._folder_of(draft) / UPLOAD

    def head(self, draft: str) -> DraftHead:
        """A draft as it stands on the disk. Raises NoSuchDraft, LedgerError."""
        with self.book(draft) as book:
            return book.entry(draft).head

    def heads(self) -> list[DraftHead]:
        """All drafts, newest first; one that cannot be read is left out."""
        return [entry.head for entry in self.entries()]

    def entries(self) -> list[Entry]:
        """The same with the processes that are busy with them. One that is thrown away meanwhile is left out."""
        found = []
        for each in self._ids():
            with suppress(LedgerError, NoSuchDraft), self.book(each) as book:
                found.append(book.entry(each))
        return sorted(found, key=lambda entry: (entry.head.at, entry.head.id), reverse=True)

    def discard(self, draft: str) -> None:
        """Throws a draft away. Raises NoSuchDraft."""
        folder = self._folder_of(draft)
        doomed = self.folder / f"{INCOMING}0-{draft}"  # gone for everybody at once; the rest may take a while
        folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)

    def tidy(self, days: int, now: datetime) -> int:
        """Throws away drafts that were not touched for so many days, and what aborted uploads left; how many drafts."""
        if not self.folder.is_dir():
            return 0
        for left in self.folder.glob(f"{INCOMING}*"):
            process = left.name.removeprefix(INCOMING).partition("-")[0]
            if not _alive(process) or time.time() - left.stat().st_mtime > STALE_S:
                shutil.rmtree(left, ignore_errors=True)
        old = [each for each in self._ids() if self._touched(each) < now - timedelta(days=days)]
        for each in old:
            self.discard(each)
        return len(old)

    def _touched(self, draft: str) -> datetime:
        """When it was last changed. Its folder changes whenever somebody looks: SQLite puts files there and takes them away."""
        files = [self.folder / draft / name for name in (BOOK, UPLOAD)]
        last = max(each.stat().st_mtime for each in files if each.exists())  # somebody may have taken the upload away
        return datetime.fromtimestamp(last, UTC)

    def _ids(self) -> list[str]:
        if not self.folder.is_dir():
            return []
        return [each.name for each in self.folder.iterdir() if ID.fullmatch(each.name) and (each / BOOK).is_file()]

    def _folder_of(self, draft: str) -> Path:
        if not ID.fullmatch(draft) or not (self.folder / draft / BOOK).is_file():
            raise NoSuchDraft(draft)
        return self.folder / draft


def _no_room() -> NoPlace:
    return NoPlace("Your uploads take too much room together.", "Throw away uploads that you do not need.")


def _no_disk(problem: OSError) -> NoPlace:
    return NoPlace(f"The upload cannot be kept: {problem.strerror}.", "Make room on the disk.")


def harmless_name(file_name: str) -> str:
    """The last part of a name, whatever system it comes from; only ever shown, never opened."""
    name = re.split(r"[\\/]", file_name)[-1].strip()
    shown = "".join(character if character.isprintable() else "�" for character in name)
    return shown[:NAME_MOST] or "upload"


def _alive(process: str) -> bool:
    """Whether a process of this number is there; it may be another one, then an upload waits for its age."""
    if not process.isdigit() or int(process) in (0, os.getpid()):
        return process == str(os.getpid())
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
