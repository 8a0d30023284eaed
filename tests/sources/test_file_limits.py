"""Limits on what a file holds: at the limit it is read, one beyond it is refused with the number and the setting."""

import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from importer.core.errors import FileRefused
from importer.core.file_limits import COMMAND_LINE, UPLOAD, FileLimits
from importer.core.rows import column_letter
from importer.ports import ReadOptions
from importer.sources.reader import open_source

from .odd_files import ROWS, book, cell, inline, merges, text
from .test_xlsx_made import parts

FREE = FileLimits(None, None, None, 0, None, None, None, None, None)
"""No limit at all."""


def read(path: Path, limits: FileLimits) -> int:
    """The number of rows."""
    with open_source(path, ReadOptions(file_limits=limits)) as reading:
        return len(list(reading.rows))


def wide(columns: int) -> str:
    """Rows of so many cells."""
    return f'<row r="1">{"".join(cell(f"{column_letter(n)}1", "1") for n in range(columns))}</row>'


def lines(number: int) -> str:
    """So many rows with a value."""
    return "".join(f'<row r="{n}">{cell(f"A{n}", "7")}</row>' for n in range(1, number + 1))


MADE: dict[str, tuple[str, str, Callable[[int], Callable[[Path], object]], str]] = {
    # a name: field, file, maker of a file with so many, what is said of one too many
    "packed": ("packed", "a.csv", lambda n: text("a,b\n" + ("1," + "x" * 997 + "\n") * ((n - 4) // 1000) + "\n" * ((n - 4) % 1000)), "it has 20,971,521 bytes, more than 20,971,520"),
    "members": ("members", "a.xlsx", lambda n: book(ROWS, more={f"xl/media/{k}": "" for k in range(n - len(parts()))}), "it has 2,001 parts, more than 2,000"),
    "rows of a table": ("rows", "a.csv", lambda n: text("a,b\n" + "1,x\n" * n), "it has more than 100,000 rows below the first"),
    "rows of a workbook": ("rows", "a.xlsx", lambda n: book(lines(n + 1)), "it has more than 100,000 rows below the first"),
    "columns of a table": ("columns", "a.csv", lambda n: text(("x," * n)[:-1] + "\n1,2\n"), "a row has 201 columns, more than 200"),
    "columns of a workbook": ("columns", "a.xlsx", lambda n: book(wide(n)), "line 1 has 201 columns, more than 200"),
    "cell of a table": ("cell", "a.csv", lambda n: text("a,b\n1," + "x" * n + "\n"), "a cell in line 2 has more than 32,767 characters"),
    "cell of a workbook": ("cell", "a.xlsx", lambda n: book(f'<row r="1">{inline("A1", "x" * n)}</row>'), "a cell in line 1 has 32,768 characters, more than 32,767"),
    "merges": ("merges", "a.xlsx", lambda n: book(ROWS, after=merges(n)), "it has at least 5,001 merged areas, more than 5,000"),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_limit_of_uploads_holds_at_its_number(name: str, tmp_path: Path) -> None:
    """A file at the limit is read; one beyond it is refused, and told the number and the setting."""
    field, file, make, problem = MADE[name]
    limit = asdict(UPLOAD)[field]
    path = tmp_path / file
    make(limit)(path)
    assert read(path, UPLOAD) > 0
    make(limit + 1)(path)
    with pytest.raises(FileRefused) as refused:
        read(path, UPLOAD)
    told = refused.value.finding
    assert (told.code, told.message) == ("F112", f"The file is beyond a limit: {problem}.")
    assert f"The setting file_limits.{field} is this limit." in told.fix
    assert read(path, replace(UPLOAD, **{field: limit + 1})) > 0


def test_limit_of_the_unpacked_size_holds_at_its_number(tmp_path: Path) -> None:
    """All parts together may unpack to exactly so many bytes."""
    path = tmp_path / "a.xlsx"
    book(ROWS, more={"xl/media/x.bin": bytes(1000)})(path)
    with zipfile.ZipFile(path) as archive:
        size = sum(each.file_size for each in archive.infolist())
    assert read(path, replace(FREE, unpacked=size)) == 2
    with pytest.raises(FileRefused, match=f"it unpacks to {size:,} bytes, more than {size - 1:,}") as refused:
        read(path, replace(FREE, unpacked=size - 1))
    assert "file_limits.unpacked" in refused.value.finding.fix


def test_limit_of_the_ratio_holds_at_its_number(tmp_path: Path) -> None:
    """A part may unpack to so many times its packed size, beyond what is free."""
    path = tmp_path / "a.xlsx"
    book(ROWS, more={"xl/media/x.bin": bytes(200_000)})(path)
    with zipfile.ZipFile(path) as archive:
        packed = archive.getinfo("xl/media/x.bin").compress_size
    ratio = -(-200_000 // packed)
    assert read(path, replace(FREE, ratio=ratio)) == 2
    assert read(path, replace(FREE, ratio=1, ratio_free=200_000)) == 2
    told = f"from {packed:,} to 200,000 bytes, more than {ratio - 1} times"
    with pytest.raises(FileRefused, match=told) as refused:
        read(path, replace(FREE, ratio=ratio - 1, ratio_free=199_999))
    assert "file_limits.ratio" in refused.value.finding.fix


def test_limits_of_uploads_are_those_of_the_plan() -> None:
    """Uploads have the figures that were agreed on."""
    assert FileLimits(
        packed=20 * 2**20, unpacked=200 * 2**20, ratio=100, ratio_free=100_000, members=2_000,
        rows=100_000, columns=200, cell=32_767, merges=5_000,
    ) == UPLOAD  # fmt: skip


def test_command_line_has_no_limit_on_size_and_rows() -> None:
    """A file that a person names may be as large as it likes."""
    assert (COMMAND_LINE.packed, COMMAND_LINE.rows) == (None, None)


def test_limits_may_all_be_lifted(tmp_path: Path) -> None:
    """With every limit at none, a file is read as always."""
    path = tmp_path / "a.xlsx"
    book(ROWS)(path)
    assert read(path, FREE) == 2


def test_refusal_that_no_setting_lifts_says_so(tmp_path: Path) -> None:
    """A limit that is no setting is told as such."""
    path = tmp_path / "a.xlsx"
    book(f'<row r="1">{cell("XFE1", "1")}</row>')(path)
    with pytest.raises(FileRefused, match="16,385") as refused:
        read(path, FREE)
    assert "No setting changes this limit." in refused.value.finding.fix
