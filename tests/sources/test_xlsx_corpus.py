"""The example corpus: real workbooks with real trouble behave as its index says."""

import csv
import re
from pathlib import Path

import pytest

from importer.core.errors import FileRefused
from importer.core.findings import Finding
from importer.core.rows import Row
from importer.ports import ReadOptions
from importer.sources import xlsx

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
SAID = {"MERGED_CELLS": "F206", "FORMULA_CELL": "F207", "HIDDEN_SHEET": "F204"}
"""What the reader itself has to say; HEADER_NOT_FIRST is said by whoever finds the header row."""
PROBE = re.compile(r"r(\d+)c(\d+)=(.*)", re.DOTALL)

Index = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def index() -> Index:
    if not CORPUS.is_dir():
        pytest.skip("the example corpus is not beside this checkout")
    with (CORPUS / "index.tsv").open(encoding="utf-8", newline="") as file:
        return {each["file"]: each for each in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}


def read(name: str) -> tuple[list[Row], list[Finding]]:
    with (CORPUS / name).open("rb") as file:
        reading = xlsx.read(file, ReadOptions())
        return list(reading.rows), reading.findings


def readable(index: Index) -> dict[str, dict[str, str]]:
    return {
        name: each for name, each in index.items() if name.startswith("xlsx/") and each["expect"].startswith("read")
    }


def test_xlsx_corpus_probes_come_through(index: Index) -> None:
    """Each workbook's probe cell comes through exactly, counted from the first row and the first column with values."""
    for name, each in readable(index).items():
        rows, _ = read(name)
        probe = PROBE.fullmatch(each["probe"])
        assert probe is not None
        line, column, text = int(probe[1]), int(probe[2]), probe[3]
        assert rows[line].cells[column - 1] == text, name


def test_xlsx_corpus_has_its_rows_and_columns(index: Index) -> None:
    """Each workbook has as many rows below its first, and as many columns, as the index counts."""
    for name, each in readable(index).items():
        rows, _ = read(name)
        assert len(rows) - 1 == int(each["rows"]), name
        if each["cols"]:
            used = {column for row in rows for column, text in enumerate(row.cells) if text.strip()}
            assert max(used) + 1 == int(each["cols"]), name


def test_xlsx_corpus_warnings_are_said(index: Index) -> None:
    """What the index wants the user to be told is among the findings."""
    for name, each in readable(index).items():
        code = SAID.get(each["message_class"])
        assert code is None or code in [found.code for found in read(name)[1]], name


def test_xlsx_corpus_entity_bomb_is_refused(index: Index) -> None:
    """The workbook with entities is refused as such."""
    assert index["xlsx/poc-xmlbomb.xlsx"]["message_class"] == "XML_ENTITIES"
    with pytest.raises(FileRefused) as refused:
        read("xlsx/poc-xmlbomb.xlsx")
    assert refused.value.finding.code == "F108"
