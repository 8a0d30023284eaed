"""The terminal, the log and JSON on it: text from files and servers steers nothing."""

import json
import logging
import re
from pathlib import Path

import pytest

from importer.cli import screen
from importer.cli.look import _toml
from importer.core.findings import finding
from importer.core.unseen import BROKEN, UNSEEN
from importer.logs import begin
from tests.hostile import FILE_NAMES, hostile

TEXTS = (*hostile(500), *FILE_NAMES)
STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")


@pytest.mark.parametrize("show", ["finding", "table", "harmless"])
def test_terminal_is_steered_by_no_text(capsys: pytest.CaptureFixture[str], show: str) -> None:
    """A text on the terminal is one line without control, direction or invisible characters."""
    for text in TEXTS:
        text = BROKEN.sub("?", text)  # what the streams do with what has no encoding (errors="replace")
        if show == "finding":
            screen.show_finding(
                finding(
                    "V305",
                    sheet=text,
                    column=1,
                    line=2,
                    heading=text,
                    value=text,
                    types=text,
                    suggestion="",
                    default=text,
                ),
                text,
            )
        elif show == "table":
            screen.table([(text, 5)], ("A", "B"))
        else:
            screen.say(screen.harmless(text))
        shown = "".join(capsys.readouterr())
        lines = shown.removesuffix("\n").split("\n")
        assert len(lines) == {"finding": 3, "table": 2, "harmless": 1}[show], ascii(text)
        assert not STEERING.search(shown.replace("\n", "").replace("\t", "")), ascii(text)


def test_terminal_json_is_ascii_where_it_matters_and_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    """The one object on stdout holds every text verbatim and no character that a terminal heeds, C1 controls included."""
    screen.say_json({"texts": TEXTS})
    shown = capsys.readouterr().out
    assert json.loads(shown)["texts"] == list(TEXTS)
    assert not STEERING.search(shown.removesuffix("\n"))
    assert not BROKEN.search(shown)


def test_terminal_mapping_draft_holds_headings_as_toml_texts() -> None:
    """A heading in a drafted mapping is a TOML text that reads back, whatever it holds."""
    import tomllib

    for text in TEXTS:
        line = _toml(text)
        assert not STEERING.search(line)
        assert tomllib.loads(f"x = {line}")["x"] == BROKEN.sub("\ufffd", text)


def test_log_has_one_record_a_line_whatever_a_text_holds(tmp_path: Path) -> None:
    """Hostile texts in an event, a field or an exception are one line of ASCII JSON each; nothing forges a record."""
    path = begin(tmp_path / "logs")
    log = logging.getLogger("importer.test")
    for text in TEXTS:
        log.info("row settled", extra={"reason": text, "run": "r-1"})
        log.warning(text.replace("%", "%%"))
        try:
            raise ValueError(text)
        except ValueError:
            log.exception("call failed")
    for handler in logging.getLogger("importer").handlers:
        handler.flush()
    raw = path.read_bytes()
    records = [json.loads(line) for line in raw.split(b"\n")[:-1]]
    assert len(records) == 3 * len(TEXTS)
    assert not re.search(rb"[^\x20-\x7e\n]", raw)
    assert [record["reason"] for record in records[::3]] == list(TEXTS)
    assert {record["event"] for record in records[::3]} == {"row settled"}


def test_log_format_codes_in_a_text_are_text(tmp_path: Path) -> None:
    """`%s` or `{}` in a text that is logged as an argument is not a format."""
    path = begin(tmp_path / "logs")
    logging.getLogger("importer.test").warning("said %s", "%n%s%(x)d{0.__class__}")
    assert json.loads(path.read_text("utf-8"))["event"] == "said %n%s%(x)d{0.__class__}"


def test_terminal_unseen_covers_every_format_character() -> None:
    """What is called invisible holds all control, direction and zero-width characters that the hostile texts use."""
    assert [ascii(each) for text in TEXTS for each in STEERING.findall(text) if not UNSEEN.match(each)] == []
