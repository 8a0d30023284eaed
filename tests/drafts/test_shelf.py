"""The shelf keeps what was finished, private and counted, and throws away what is old or was aborted."""

import os
import resource
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from importer.core.approval import Person
from importer.core.errors import FileRefused, NoSuchDraft
from importer.drafts import shelf as shelves
from importer.drafts.draft import NoPlace
from importer.drafts.shelf import Incoming, Shelf, harmless_name

ANNA = Person("anna", "token")
AT = "2026-11-25T08:00:00Z"


def kept(shelf: Shelf, name: str = "tasks.csv", content: bytes = b"x") -> str:
    """A draft of these bytes."""
    incoming = shelf.incoming(name, ANNA, None)
    incoming.write(content)
    return finished(incoming)


def finished(incoming: Incoming) -> str:
    """The upload as a draft."""
    incoming.sealed()
    return incoming.kept("csv", ANNA, AT, "{}", lambda _: None)


def test_draft_is_private(tmp_path: Path) -> None:
    """Folders have mode 0700 and files 0600, whatever the umask."""
    shelf = Shelf(tmp_path / "state" / "drafts")
    draft = kept(shelf)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in (shelf.folder, *shelf.folder.rglob("*"))}
    assert modes == {"drafts": 0o700, draft: 0o700, "upload": 0o600, "draft.sqlite": 0o600}


def test_draft_says_what_was_uploaded(tmp_path: Path) -> None:
    """Name, size and hash are those of the upload, and its bytes are untouched."""
    shelf = Shelf(tmp_path)
    draft = kept(shelf, "../../etc/пример.xlsx", b"bytes")
    head = shelf.head(draft)
    assert (head.file_name, head.size, head.by, head.revision, head.step) == ("пример.xlsx", 5, ANNA, 1, "sheet")
    assert head.sha256 == "277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9"
    assert shelf.upload(draft).read_bytes() == b"bytes"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("C:\\Users\\anna\\tasks.xlsx", "tasks.xlsx"), ("/etc/passwd", "passwd"), ("..", ".."), ("", "upload"),
        ("a\r\nSet-Cookie: x", "a��Set-Cookie: x"), ("a\u202exslx.exe", "a�xslx.exe"), ("x" * 300, "x" * 200),
    ],
)  # fmt: skip
def test_file_name_is_only_a_text(name: str, shown: str) -> None:
    """Of a hostile name the last part stays, its invisible characters replaced."""
    assert harmless_name(name) == shown


def test_upload_that_is_too_big_is_gone(tmp_path: Path) -> None:
    """The first byte beyond the cap ends the upload and takes its bytes away."""
    shelf = Shelf(tmp_path)
    incoming = shelf.incoming("big.csv", ANNA, 10)
    incoming.write(b"x" * 10)
    with pytest.raises(FileRefused, match="more than 10"):
        incoming.write(b"x")
    assert list(tmp_path.iterdir()) == []


def test_person_may_have_so_many_drafts(tmp_path: Path) -> None:
    """One more than are kept is refused, and is welcome once another is thrown away."""
    shelf = Shelf(tmp_path)
    drafts = [kept(shelf) for _ in range(shelves.DRAFTS_MOST)]
    with pytest.raises(NoPlace, match="at most 50"):
        shelf.incoming("more.csv", ANNA, None)
    shelf.incoming("theirs.csv", Person("bert", "token"), None).discard()
    shelf.discard(drafts[0])
    kept(shelf)


def test_person_may_upload_so_much_at_once(tmp_path: Path) -> None:
    """So many uploads of one person may be under way, kept ones and discarded ones no more among them; others are not held up."""
    shelf = Shelf(tmp_path)
    begun = [shelf.incoming("tasks.csv", ANNA, None) for _ in range(shelves.COMING_MOST)]
    with pytest.raises(NoPlace, match="under way"):
        shelf.incoming("more.csv", ANNA, None)
    shelf.incoming("theirs.csv", Person("bert", "token"), None).discard()
    begun[0].discard()
    finished(shelf.incoming("next.csv", ANNA, None))
    for each in (shelf.incoming("last.csv", ANNA, None), *begun):
        each.discard()


def test_drafts_of_a_person_are_counted_with_those_under_way(tmp_path: Path) -> None:
    """Uploads under way take the places that are left, so that no more are kept than may be."""
    shelf = Shelf(tmp_path)
    for _ in range(shelves.DRAFTS_MOST - 2):
        kept(shelf)
    begun = [shelf.incoming("tasks.csv", ANNA, None) for _ in range(2)]
    with pytest.raises(NoPlace, match="at most 50"):
        shelf.incoming("more.csv", ANNA, None)
    for each in begun:
        each.write(b"x")
        finished(each)


def test_uploads_at_once_are_never_one_too_many(tmp_path: Path) -> None:
    """Uploads that begin in the same moment are counted one after the other."""
    shelf, start = Shelf(tmp_path), threading.Barrier(4 * shelves.COMING_MOST)

    def begins(_: int) -> Incoming | None:
        start.wait()
        try:
            return shelf.incoming("tasks.csv", ANNA, None)
        except NoPlace:
            return None

    with ThreadPoolExecutor(start.parties) as threads:
        begun = [each for each in threads.map(begins, range(start.parties)) if each is not None]
    assert len(begun) == shelves.COMING_MOST
    for each in begun:
        each.discard()


def test_uploads_at_once_share_the_room_of_a_person(tmp_path: Path) -> None:
    """Bytes of uploads that come at once are counted together, also once one of them is kept."""
    shelf = Shelf(tmp_path)
    first, second, theirs = (shelf.incoming("tasks.csv", who, None) for who in (ANNA, ANNA, Person("bert", "token")))
    shelf.make_room(first, shelves.BYTES_MOST - 10)
    second.write(b"x" * 6)
    finished(second)
    first.write(b"x" * 4)
    with pytest.raises(NoPlace, match="too much room"):
        first.write(b"x")
    theirs.write(b"x")
    theirs.discard()


def test_upload_that_a_full_disk_ends_is_told(tmp_path: Path) -> None:
    """Bytes that do not get onto the disk when the upload is sealed are a reason to make room, not a fault of ours."""
    incoming = Shelf(tmp_path).incoming("tasks.csv", ANNA, None)
    incoming.write(b"x" * 100)
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, most[1]))
    try:
        with pytest.raises(NoPlace, match="cannot be kept"):
            incoming.sealed()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    incoming.discard()
    assert list(tmp_path.iterdir()) == []


def test_looking_at_drafts_does_not_keep_them(tmp_path: Path) -> None:
    """Only changes count: a draft that is past its days goes, however often the list was shown."""
    shelf = Shelf(tmp_path)
    old = kept(shelf)
    past = (datetime.now(UTC) - timedelta(days=91)).timestamp()
    for path in (*(tmp_path / old).iterdir(), tmp_path / old):
        os.utime(path, (past, past))
    assert [head.id for head in shelf.heads()] == [old]
    assert shelf.tidy(90, datetime.now(UTC)) == 1


def test_old_drafts_are_thrown_away(tmp_path: Path) -> None:
    """What nobody touched for the days that are set is gone; what was touched since stays."""
    shelf = Shelf(tmp_path)
    old, young = kept(shelf), kept(shelf)
    past = (datetime.now(UTC) - timedelta(days=91)).timestamp()
    for path in (tmp_path / old, *(tmp_path / old).iterdir()):
        os.utime(path, (past, past))
    assert shelf.tidy(90, datetime.now(UTC)) == 1
    with pytest.raises(NoSuchDraft):
        shelf.head(old)
    assert [head.id for head in shelf.heads()] == [young]


def test_uploads_of_dead_processes_are_thrown_away(tmp_path: Path) -> None:
    """What a killed process left of an upload goes at the next start; an upload under way stays."""
    shelf = Shelf(tmp_path)
    under_way = shelf.incoming("now.csv", ANNA, None)
    (tmp_path / ".incoming-4194305-left").mkdir()
    (tmp_path / ".incoming-0-thrown").mkdir()
    shelf.tidy(90, datetime.now(UTC))
    assert [each.name for each in tmp_path.iterdir()] == [under_way.folder.name]
    assert finished(under_way) in {head.id for head in shelf.heads()}


def test_damaged_draft_does_not_hide_the_others(tmp_path: Path) -> None:
    """A record that is no database is left out of the list."""
    shelf = Shelf(tmp_path)
    broken, whole = kept(shelf), kept(shelf)
    (tmp_path / broken / "draft.sqlite").write_bytes(b"no database at all" * 100)
    assert [head.id for head in shelf.heads()] == [whole]


def test_draft_whose_file_was_taken_away_holds_nothing_up(tmp_path: Path) -> None:
    """A folder from which somebody took the upload is tidied like any other, and keeps no server from its start."""
    shelf = Shelf(tmp_path)
    shelf.upload(kept(shelf)).unlink()
    assert shelf.tidy(90, datetime.now(UTC)) == 0
    assert shelf.tidy(90, datetime.now(UTC) + timedelta(days=91)) == 1
