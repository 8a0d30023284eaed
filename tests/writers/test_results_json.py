"""results.json and results.csv say what the workbook says."""

import csv
import json
from collections import Counter
from pathlib import Path

from jsonschema import Draft202012Validator

from importer.core.outcomes import Outcome
from importer.schemas import schema
from importer.writers.results_csv import write_results_csv
from importer.writers.results_json import write_results_json
from tests.writers.made import HEADINGS, PAYLOADS, a_run, again, books, facts, result


def test_results_json_fits_its_schema(tmp_path: Path) -> None:
    """What is written validates, with one entry for every row in file order and books that balance."""
    rows = a_run()
    found = json.loads(write_results_json(tmp_path, facts(), books(rows), again(rows)).read_text("utf-8"))
    Draft202012Validator(schema("importer.results/1")).validate(found)
    assert [row["line"] for row in found["rows"]] == [row.line for row in rows]
    counts = dict(found["counts"])
    assert counts.pop("read") == sum(counts.values()) == len(rows)
    assert found["rows"][0] == rows[0].record()


def test_results_json_counts_what_its_rows_are(tmp_path: Path) -> None:
    """Each outcome is counted as often as there are rows with it, the unknown ones apart from those that failed."""
    rows = [result(line, outcome) for line, outcome in enumerate([*Outcome, Outcome.UNKNOWN, Outcome.UNKNOWN], 2)]
    found = json.loads(write_results_json(tmp_path, facts(), books(rows), again(rows)).read_text("utf-8"))
    told = Counter(row["outcome"] for row in found["rows"])
    assert found["counts"] == {"read": len(rows), **told}
    assert (told["failed"], told["unknown"]) == (1, 3)


def test_results_json_of_no_rows_is_an_object(tmp_path: Path) -> None:
    """A run without rows gives an empty list."""
    found = json.loads(write_results_json(tmp_path, facts(), books([]), again([])).read_text("utf-8"))
    assert found["rows"] == []


def test_results_json_takes_half_a_surrogate_pair(tmp_path: Path) -> None:
    """A text that UTF-8 cannot hold is escaped, and the rest of the file stays readable."""
    rows = [result(2, external_id="a\ud83d"), result(3, external_id="Grüße")]
    text = write_results_json(tmp_path, facts(), books(rows), again(rows)).read_text("utf-8")
    assert [row["external_id"] for row in json.loads(text)["rows"]] == ["a\ud83d", "Grüße"]
    assert "Grüße" in text


def test_results_csv_has_every_row_and_the_users_columns(tmp_path: Path) -> None:
    """The table of the Results sheet, with the plain word of the outcome, marked as UTF-8 for Excel."""
    rows = [*a_run(), result(99, Outcome.INVALID, cells=("a", "b", "c", "Grüße\r\n2", "extra"))]
    path = write_results_csv(tmp_path, facts(), books(rows), again(rows))
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        head, *lines = csv.reader(file)
    assert head[:7] == ["Line", "Outcome", *HEADINGS, ""]
    assert [line[1] for line in lines] == [row.outcome.words for row in rows]
    assert lines[-1][2:7] == ["a", "b", "c", "Grüße\n2", "extra"]
    assert {len(line) for line in lines} == {len(head)}


def test_results_csv_starts_no_formula(tmp_path: Path) -> None:
    """No cell of the file begins like a formula, headings included."""
    rows = [result(2, cells=PAYLOADS)]
    path = write_results_csv(tmp_path, facts(headings=PAYLOADS), books(rows), again(rows))
    with path.open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert not [cell for cell in cells if cell and cell[0] in "=+-@\t\r\n＝＋－＠"]
