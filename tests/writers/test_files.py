"""A report appears under its name whole, durable and private, or not at all."""

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from importer.core.errors import NotWritten
from importer.writers.files import Rename, probe, written
from tests.harness import trace


@pytest.fixture(params=[0o000, 0o022, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Some umask for the length of a test."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def write(path: Path, content: bytes, rename: Rename = Path.replace) -> Path:
    with written(path, rename) as draft:
        draft.file.write(content)
    return draft.path


def holding(held: Collection[Path], number: int) -> Rename:
    """Renaming as on a system where other programs hold files; none that tests run on does."""

    def renamed(file: Path, name: Path) -> Path:
        if name in held:
            raise OSError(number, os.strerror(number), str(name))
        return file.replace(name)

    return renamed


def write_half(path: Path) -> None:
    with written(path) as draft:
        draft.file.write(b"new")
        raise ValueError("half way")


def test_written_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """The file has mode 0600 and each folder made for it 0700."""
    path = write(tmp_path / "deep" / "down" / "a.txt", b"x")
    assert path.stat().st_mode & 0o777 == 0o600
    assert {folder.stat().st_mode & 0o777 for folder in (path.parent, path.parent.parent)} == {0o700}


def test_written_shows_nothing_before_the_end(tmp_path: Path) -> None:
    """While the block runs the old content stands under the name."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with written(path) as draft:
        draft.file.write(b"new")
        draft.file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_written_leaves_nothing_after_an_error(tmp_path: Path) -> None:
    """An error keeps the old file and removes the temporary one."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="half way"):
        write_half(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(bool(trace.missing()), reason=trace.missing())
def test_written_is_on_disk_before_it_has_its_name(tmp_path: Path) -> None:
    """The content is synced, then the file gets its name, then the folder is synced: no power loss shows half a report."""
    script = (
        "import sys; from pathlib import Path; from importer.writers.files import written\n"
        "with written(Path(sys.argv[1])) as draft: draft.file.write(b'x')"
    )
    made = trace.calls_of(script, tmp_path / "out" / "a.txt", tmp_path / "trace", "fsync", "/^rename")
    assert [call for call, _ in made if not call.startswith("rename")] == ["fsync", "fsync"]
    assert [made[0][0], made[2][0]] == ["fsync", "fsync"]
    assert made[0][1].endswith(".tmp")
    assert made[2][1] == str(tmp_path / "out")


def test_written_keeps_the_rights_of_folders_that_exist(tmp_path: Path) -> None:
    """A shared folder stays shared."""
    tmp_path.chmod(0o755)
    write(tmp_path / "a.txt", b"x")
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_written_takes_another_name_where_the_file_is_held(tmp_path: Path) -> None:
    """A file that cannot be replaced, as Windows has it for an open workbook, gets a neighbour `name (2).ext`."""
    path = tmp_path / "results.xlsx"
    path.write_bytes(b"held open")
    assert write(path, b"new", holding({path}, errno.EACCES)) == tmp_path / "results (2).xlsx"
    assert path.read_bytes() == b"held open"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["results (2).xlsx", "results.xlsx"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EBUSY, errno.ETXTBSY])
def test_written_counts_up_where_neighbours_are_held_too(tmp_path: Path, number: int) -> None:
    """Whatever the system says of a held file, the next free name is taken: `(2)` is held, so `(3)` it is."""
    held = {tmp_path / "preview.xlsx", tmp_path / "preview (2).xlsx"}
    for each in held:
        each.write_bytes(b"held open")
    assert write(tmp_path / "preview.xlsx", b"new", holding(held, number)) == tmp_path / "preview (3).xlsx"
    assert {each.read_bytes() for each in held} == {b"held open"}


def test_written_tells_a_folder_that_stands_under_the_name(tmp_path: Path) -> None:
    """A folder under the report's own name, which no file may replace, is told as NotWritten; it stays."""
    (tmp_path / "results.xlsx").mkdir()
    with pytest.raises(NotWritten, match=r"results\.xlsx cannot be written"):
        write(tmp_path / "results.xlsx", b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["results.xlsx"]


@pytest.mark.parametrize(
    "name",
    [
        "x" * 256 + ".xlsx",
        "ü" * 200 + ".xlsx",
        "a\0b.xlsx",
        "x" * 300 + "/results.xlsx",
        "/".join(["d" * 200] * 25) + "/r",
    ],
)
def test_written_tells_a_name_that_no_folder_takes(tmp_path: Path, name: str) -> None:
    """A name that is too long, or that no system takes, is told with the way out; nothing is left behind."""
    with pytest.raises(NotWritten) as told:
        write(tmp_path / name, b"new")
    assert told.value.exit_code == 2
    assert "--out DIR" in told.value.fix
    assert not [each for each in tmp_path.rglob("*") if each.is_file()]


def test_written_takes_the_longest_name_that_the_system_takes(tmp_path: Path) -> None:
    """The name that is written beside is short: 255 bytes are a name like any other."""
    name = "x" * 250 + ".xlsx"
    assert write(tmp_path / name, b"new").name == name


def test_written_tells_a_folder_that_takes_no_file(tmp_path: Path) -> None:
    """A folder that takes no new file, or that is none, is told as NotWritten: never a traceback."""
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", Path("/proc")):
        with pytest.raises(NotWritten, match="cannot be written"):
            write(folder / "results.xlsx", b"new")
        with pytest.raises(NotWritten, match="cannot be written"):
            probe(folder)


def test_written_tells_a_disk_that_is_full() -> None:
    """A file that may not grow any more (quota, full disk) is told as NotWritten, and no half of it is left."""
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\nfrom importer.core.errors import NotWritten\n"
        "from importer.writers.files import written\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "path = Path(sys.argv[1]) / 'results.json'\n"
        "try:\n    with written(path) as draft:\n        draft.file.write(b'x' * 100_000)\n"
        "except NotWritten as told:\n    print(told, list(path.parent.iterdir()))\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert ended.stdout.strip().endswith("cannot be written: File too large. []")


def test_written_tells_that_no_handle_is_left(tmp_path: Path) -> None:
    """With no file handle left a report is told as NotWritten, and the old one stays as it was."""
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom importer.core.errors import NotWritten\n"
        "from importer.writers.files import written\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "try:\n    with written(Path(sys.argv[1])) as draft:\n        draft.file.write(b'new')\n"
        "except NotWritten as told:\n    print(told)\n"
    )
    path = write(tmp_path / "results.json", b"old")
    ended = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert ended.stdout.strip().endswith("cannot be written: Too many open files.")
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"old"]


def test_probe_leaves_nothing_and_is_private(tmp_path: Path, umask: int) -> None:
    """The folder that is made for reports is its owner's alone, and the probe's file is gone."""
    probe(tmp_path / "deep" / "out")
    assert not list((tmp_path / "deep" / "out").iterdir())
    assert (tmp_path / "deep" / "out").stat().st_mode & 0o777 == 0o700
