"""A hostile sheet by the command line: texts in cells, headings and the file's own name act nowhere."""

import csv
import json
import re
import zipfile
from pathlib import Path

from tests.cli.conftest import Shell
from tests.hostile import FILE_NAMES, hostile

STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
TEXTS = [text for text in hostile(500) if text.encode("utf-8", "ignore").decode() == text and "\0" not in text]


def sheet(path: Path) -> Path:
    """A file with every hostile text as description, in a column of its own, and (where it may be one) as external ID."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["External ID", "Queue", "Description", "=1+1\x1b[31m\u202e"])
        for number, text in enumerate(TEXTS):
            writer.writerow([text if number % 2 else f"E-{number}", "Billing" if number % 3 else text, text, text])
    return path


def test_hostile_sheet_runs_and_acts_nowhere(importer: Shell) -> None:
    """500 hostile rows are checked and run at the sandbox: the books balance, the terminal is not steered, no workbook has a
    formula or link, the log has one record a line, and a second run finds every task by exactly its ID."""
    file = sheet(importer.folder / "=1+1 &P \u202e'$(id).csv")
    checked = importer("check", file)
    ended = importer(
        "run", file, "--yes", "--sandbox", "--track", "none", "--no-audit", "--format", "json", "--out", "out"
    )
    assert (checked.code, ended.code) == (3, 5), ended.err
    body = ended.json
    counts = body["counts"]
    assert counts["read"] == sum(count for name, count in counts.items() if name != "read") == len(TEXTS)
    assert counts["created"] > 100
    for shown in (checked.out, checked.err, ended.out, ended.err):
        assert [ascii(found) for found in STEERING.findall(shown)] == []
    for name in ("preview_xlsx", "results_xlsx"):
        with zipfile.ZipFile(body["reports"][name]) as package:
            xml = "".join(package.read(part).decode() for part in package.namelist())
        assert not re.search(r"<f[ >]|<hyperlink|TargetMode=\"External\"", xml)
    log = (importer.folder / "state" / "logs" / "importer.jsonl").read_bytes()
    assert [json.loads(line)["level"] for line in log.splitlines()]
    assert not re.search(rb"[^\x20-\x7e\n]", log)
    again = importer(
        "run", file, "--yes", "--sandbox", "--track", "none", "--no-audit", "--format", "json", "--out", "out"
    )
    assert again.json["counts"]["existing"] == counts["created"] + counts["existing"]


NAMES = [
    name
    for name in FILE_NAMES
    if name and not set(name) & set("\0/\ud800") and len(name.encode()) < 240 and name not in (".", "..")
]


def test_hostile_file_names_stay_names(importer: Shell) -> None:
    """A file may be called anything: it is read, told harmlessly, and nothing appears anywhere but in its place."""
    inside = importer.folder / "inside"
    inside.mkdir()
    for number, name in enumerate(NAMES):
        (inside / f"{name}{'' if name.endswith('.csv') else '.csv'}").write_text(
            f"External ID,Queue,Description\nE-{number},Billing,d\n", "utf-8"
        )
    files = sorted(inside.iterdir())
    assert len(files) > 35
    for file in files[::4]:  # a process each: some of them
        ended = importer("check", file)
        assert ended.code == 0, ended.err
        assert not STEERING.search(ended.out + ended.err)
        assert len(ended.out.splitlines()) == 2
    assert sorted(inside.iterdir()) == files
    assert sorted(each.name for each in importer.folder.iterdir()) == ["inside"]
