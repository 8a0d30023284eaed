"""audit.jsonl: every audit entry of a run, for programs."""

import json
from pathlib import Path

from importer.core.outcomes import Outcome
from importer.writers.audit_jsonl import write_audit_jsonl
from tests.writers.made import facts, result


def test_audit_lines_say_whose_they_are(tmp_path: Path) -> None:
    """Each entry is one line with its row and task; rows without entries have none; hostile text stays in its string."""
    rows = [result(2, external_id="E\n\u2028=1+1"), result(3, Outcome.INVALID), result(4)]
    path = write_audit_jsonl(tmp_path, facts(), {}, lambda: iter(rows))
    raw = path.read_bytes()
    assert raw.isascii()
    lines = [json.loads(line) for line in raw.splitlines()]
    assert [(each["line"], each["id"]) for each in lines] == [(2, "a1"), (2, "a2"), (4, "a1"), (4, "a2")]
    assert lines[0]["external_id"] == "E\n\u2028=1+1"
    assert lines[1]["diff"] == {"state": {"from": "new", "to": "queued"}}
