"""Shelf: the folder of all drafts, and uploads on their way into it. Counts bytes and drafts of each person; knows no rows."""

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from importer.core.approval import Person
from importer.core.errors import LedgerError, NoSuchDraft
from importer.core.file_limits import check as check_limit
from importer.drafts.book import Book
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

    def __init__(self, shelf: "Shelf", file_name: str, person: Person, most: int | None, room: int) -> None:
        self.file_name = harmless_name(file_name)
        self.person = person
        self.size = 0
        self._shelf = shelf
        self._most = most
        self._room = room
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
            self.size += len(piece)
            check_limit(self.size, self._most, "packed", "it has {found} bytes or more")
            if self.size > self._room:
                raise NoPlace("Your uploads take too much room together.", "Throw away uploads that you do not need.")
            self._digest.update(piece)
            self._file.write(piece)
        except OSError as problem:
            self.discard()
            raise NoPlace(f"The upload cannot be kept: {problem.strerror}.", "Make room on the disk.") from problem
        except BaseException:
            self.discard()
            raise

    def sealed(self) -> None:
        """All bytes are on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def kept(self, format_: str, person: Person, at: str, mapping: str, settle: Callable[[Book], None]) -> str:
        """Makes it a draft with all that `settle` adds; its ID. Either all of it is there afterwards, or nothing."""
        head = (self.file_name, self.sha256, self.size, format_, person.name, person.how, at, mapping, person.name)
        with Book.made(self.folder / BOOK, head) as book, book.writing():
            settle(book)
        draft = secrets.token_urlsafe(12)
        self.folder.rename(self._shelf.folder / draft)
        self._shelf.coming.discard(self)
        sync_folder(self._shelf.folder)
        return draft

    def discard(self) -> None:
        """Throws it away. Does nothing once it is kept."""
        self._shelf.coming.discard(self)
        with suppress(OSError):
            self._file.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Shelf:
    """The drafts of this state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.coming: set[Incoming] = set()
        """Uploads under way."""

    def incoming(self, file_name: str, person: Person, most: int | None) -> Incoming:
        """Begins an upload of at most so many bytes. Raises NoPlace."""
        own = [head for head in self.heads() if head.by.name == person.name]
        if len(own) >= DRAFTS_MOST:
            raise NoPlace(
                f"You have {len(own)} uploads that are not thrown away; at most {DRAFTS_MOST} are kept.",
                "Throw away those that you do not need.",
            )
        coming = [each for each in tuple(self.coming) if each.person.name == person.name]
        if len(coming) >= COMING_MOST:
            raise NoPlace(f"{len(coming)} of your uploads are under way.", "Wait until they have come, then try again.")
        room = BYTES_MOST - sum(head.size for head in own) - sum(each.size for each in coming)
        if room <= 0:
            raise NoPlace("Your uploads take too much room together.", "Throw away uploads that you do not need.")
        try:
            private_folder(self.folder)
            if shutil.disk_usage(self.folder).free < FREE_LEAST:
                raise NoPlace("The disk is nearly full.", f"Make room where {self.folder.parent} lies.")
            begun = Incoming(self, file_name, person, most, room)
        except OSError as problem:
            raise NoPlace(f"Uploads cannot be kept: {problem.strerror}.", "Check --state-dir.") from problem
        self.coming.add(begun)
        return begun

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
        found = []
        for each in self._ids():
            with suppress(LedgerError, NoSuchDraft):
                found.append(self.head(each))
        return sorted(found, key=lambda head: (head.at, head.id), reverse=True)

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
        folder = self.folder / draft
        last = max(each.stat().st_mtime for each in (folder, *folder.iterdir()))
        return datetime.fromtimestamp(last, UTC)

    def _ids(self) -> list[str]:
        if not self.folder.is_dir():
            return []
        return [each.name for each in self.folder.iterdir() if ID.fullmatch(each.name) and (each / BOOK).is_file()]

    def _folder_of(self, draft: str) -> Path:
        if not ID.fullmatch(draft) or not (self.folder / draft / BOOK).is_file():
            raise NoSuchDraft(draft)
        return self.folder / draft


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
