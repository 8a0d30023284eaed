"""Odd files through the real child process: each is read right or refused with its code, and a good file works after it."""

import socket
from pathlib import Path
from typing import NamedTuple

import pytest

from importer.core.errors import FileRefused
from importer.core.file_limits import UPLOAD
from importer.core.rows import Row
from importer.ports import ReadOptions
from importer.sources.reader import Limits, open_source

from .conftest import CORPUS, Specimen, corpus, needs_corpus
from .odd_files import ALL, READ, ROWS, Odd, book, raw, sparse, workbook
from .test_child import linux_only
from .test_xlsx_made import parts


class Told(NamedTuple):
    """What became of a file."""

    refused: str
    rows: list[Row]
    codes: set[str]  # of findings and of marks


def told(path: Path, limits: Limits | None = None, *, upload: bool = False) -> Told:
    rows: list[Row] = []
    options = ReadOptions(file_limits=UPLOAD) if upload else ReadOptions()
    try:
        with open_source(path, options, limits=limits) as reading:
            rows += reading.rows
    except FileRefused as refused:
        return Told(refused.finding.code, rows, set())
    codes = {each.code for each in reading.findings} | {mark.code for row in rows for mark in row.marks}
    return Told("", rows, codes)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.xlsx"
    book(ROWS)(path)
    return path


def works(good: Path) -> bool:
    rows = told(good).rows
    return all(rows[row].cells[column] == text for row, column, text in READ)


@pytest.mark.parametrize("odd", ALL, ids=lambda odd: odd.name)
def test_odd_file_is_read_right_or_refused_with_its_code(odd: Odd, tmp_path: Path, good: Path) -> None:
    """Each kind of odd file gives the cells that a person sees or the refusal that fits, and the next file works."""
    path = tmp_path / odd.name
    odd.make(path)
    found = told(path)
    assert found.refused == odd.refused
    assert [(row, column, found.rows[row].cells[column]) for row, column, _ in odd.cells] == list(odd.cells)
    assert odd.rows in (None, len(found.rows))
    assert found.codes >= set(odd.says)
    assert works(good)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([odd.name, "good.xlsx"])


@pytest.fixture(scope="module")
def refused() -> dict[str, str]:
    """What became of each file of the corpus, under the limits for uploads: all read in a row in one process."""
    return {each.file: told(each.path, upload=True).refused for each in _tables()}


@needs_corpus
def test_good_file_works_after_the_whole_corpus(good: Path, refused: dict[str, str]) -> None:
    """All files of the corpus in a row in one process, each as its index says, then a good one."""
    assert {file for file, code in refused.items() if code} == {
        each.file for each in _tables() if each.expect == "refuse" and each.message_class != "NO_DATA_ROWS"
    }
    assert works(good)


@needs_corpus
def test_corpus_is_within_the_limits_for_uploads(refused: dict[str, str]) -> None:
    """No readable file of the corpus is refused for the limits that hold for uploads."""
    assert [each.file for each in _tables() if each.expect.startswith("read") and refused[each.file]] == []


def _tables() -> list[Specimen]:
    return [
        each for folder in ("csv/", "xlsx/", "other/") for each in corpus(folder) if each.expect != "aux"
    ] if CORPUS.is_dir() else []  # fmt: skip


@linux_only
@pytest.mark.parametrize(
    ("limits", "reason"),
    [(Limits(memory_mb=16), "more than 16 MB of memory"), (Limits(silence_s=0.001), "silent for more than")],
)
def test_good_file_works_after_a_reader_that_was_killed(
    limits: Limits, reason: str, tmp_path: Path, good: Path
) -> None:
    """A workbook that drives its reader into a limit of the kernel is refused with the limit, and the next one works."""
    path = tmp_path / "large.xlsx"
    book(ROWS + "".join(f"<row r='{n}'><c><v>{n}</v></c></row>" for n in range(3, 60_000)))(path)
    with pytest.raises(FileRefused, match=reason), open_source(path, limits=limits) as reading:
        list(reading.rows)
    assert works(good)


@linux_only
@pytest.mark.parametrize(
    ("head", "code"),
    [(b"id,text\n1,", "F112"), (b'id,text\n1,"', "F112"), (b"\xff\xfei\0d\0\n\0", "F112")],
    ids=["one cell", "open quote", "UTF-16"],
)
def test_gigabyte_without_a_line_break_is_refused_within_200_mb(head: bytes, code: str, tmp_path: Path) -> None:
    """A gigabyte without a line break is refused by a reader that has 200 MB and two seconds of processor time."""
    path = tmp_path / "large.csv"
    sparse(head, 2**30)(path)
    assert told(path, Limits(memory_mb=200, cpu_s=2)).refused == code


@pytest.mark.parametrize("name", ["external.xlsx", "entity.xlsx", "include.xlsx"])
def test_workbook_that_names_a_server_reaches_none(name: str, tmp_path: Path) -> None:
    """Links, entities and inclusions that name a server that listens here bring nobody to it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        content = {
            "external.xlsx": {"xl/_rels/workbook.xml.rels": str(parts()["xl/_rels/workbook.xml.rels"]).replace("worksheets/sheet1.xml", url)},
            "entity.xlsx": {"xl/workbook.xml": f'<!DOCTYPE x SYSTEM "{url}">' + workbook("")},
            "include.xlsx": {"docProps/core.xml": f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{url}"/>'},
        }[name]  # fmt: skip
        path = tmp_path / name
        book(ROWS, more=dict(content))(path)
        assert told(path).refused == {"external.xlsx": "F107", "entity.xlsx": "F108", "include.xlsx": ""}[name]
        with pytest.raises(BlockingIOError):
            server.accept()


def test_lock_file_is_named_as_such(tmp_path: Path) -> None:
    """The small file that Office keeps beside an open workbook is refused with words that say what it is."""
    path = tmp_path / "~$tasks.xlsx"
    raw(b"\x05Alice" + b" " * 49 + b"\x05\0" + "Alice".encode("utf-16-le") + b" \0" * 49)(path)
    with pytest.raises(FileRefused, match="lock file of Office"), open_source(path):
        pass
