"""A report appears under its name whole, durable and private, or not at all."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.writers.files import written


@pytest.fixture(params=[0o000, 0o022, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Some umask for the length of a test."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def write(path: Path, content: bytes) -> Path:
    with written(path) as draft:
        draft.file.write(content)
    return draft.path


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


def test_written_keeps_the_rights_of_folders_that_exist(tmp_path: Path) -> None:
    """A shared folder stays shared."""
    tmp_path.chmod(0o755)
    write(tmp_path / "a.txt", b"x")
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_written_takes_another_name_where_the_file_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be replaced, as Windows has it for an open workbook, gets a neighbour `name (2).ext`."""
    path = tmp_path / "results.xlsx"
    path.write_bytes(b"held open")
    replace = Path.replace

    def refuses(self: Path, target: Path) -> Path:
        if target == path:
            raise PermissionError(13, "held open", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuses)  # no system that tests run on holds files
    assert write(path, b"new") == tmp_path / "results (2).xlsx"
    assert path.read_bytes() == b"held open"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["results (2).xlsx", "results.xlsx"]
