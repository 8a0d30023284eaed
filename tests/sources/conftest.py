"""What the tests of the sources share: the corpus, files written on the spot, and hostile children."""

import csv as stdlib_csv
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pytest

from importer.core.findings import Finding
from importer.core.rows import Row, Sheet
from importer.ports import ReadOptions
from importer.sources import csv

SHARED = Path(__file__).parents[3] / "shared"
CORPUS = SHARED / "corpus"

needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real spreadsheets is not on this machine")


_others: set[str] = set()


@pytest.fixture(autouse=True)
def others() -> None:
    """Remembers the children that this process has before a test, of whatever ran in it earlier."""
    _others.clear()
    _others.update(_children())


def children() -> list[str]:
    """Children of this process that have not been reaped and that the test itself began, by their IDs."""
    return [child for child in _children() if child not in _others]


def _children() -> list[str]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children")
    return listed.read_text(encoding="ascii").split() if listed.exists() else []


class Specimen(NamedTuple):
    """One line of the corpus's index."""

    file: str
    expect: str
    message_class: str
    rows: str
    cols: str
    probe: str

    @property
    def path(self) -> Path:
        return CORPUS / self.file


def corpus(folder: str) -> list[Specimen]:
    """The specimens of one folder; none where there is no corpus."""
    if not CORPUS.is_dir():
        return []
    with (CORPUS / "index.tsv").open(encoding="utf-8", newline="") as index:
        lines = list(stdlib_csv.DictReader(index, delimiter="\t", quoting=stdlib_csv.QUOTE_NONE))
    return [
        Specimen(*((line[name] or "") for name in Specimen._fields))
        for line in lines
        if line["file"].startswith(folder)
    ]


class Read(NamedTuple):
    """A file that was read to its end."""

    sheet: Sheet
    rows: list[Row]
    findings: list[Finding]

    @property
    def cells(self) -> list[list[str]]:
        return [list(row.cells) for row in self.rows]

    @property
    def codes(self) -> list[str]:
        return [finding.code for finding in self.findings]


def read_csv(content: bytes | str) -> Read:
    """Reads a CSV text in this process, to its end."""
    data = content.encode() if isinstance(content, str) else content
    reading = csv.read(BytesIO(data), ReadOptions())
    return Read(reading.sheet, list(reading.rows), reading.findings)


Program = Sequence[str]


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Program]:
    """Makes a child's program whose source for CSV is `read(file, options)` as the given body defines it."""

    def make(body: str) -> Program:
        script = tmp_path / "hostile.py"
        script.write_text(_HEAD + textwrap.dedent(body) + _TAIL, encoding="utf-8")
        return (sys.executable, "-I", "-X", "utf8", str(script))

    return make


_HEAD = """
import ctypes, encodings.ascii, os, pydantic_core, resource, socket, struct, sys
from importer.core.rows import Row, Sheet
from importer.ports import Reading
from importer.sources import child

pydantic_core.to_json([])  # imports what it needs: a source that becomes nobody may not be able to later

def rows_of(*texts):
    return Reading(Sheet("csv", None), iter([Row(n, [text]) for n, text in enumerate(texts, 1)]))
"""

_TAIL = """
sys.exit(child.main({"csv": read}, {}))
"""
