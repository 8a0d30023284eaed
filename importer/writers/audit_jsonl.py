"""audit.jsonl: every audit entry of a run's tasks, one line each, in file order."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from importer.core.report import ResultRow, RunFacts
from importer.writers.files import written


def write_audit_jsonl(
    folder: Path,
    facts: RunFacts,
    counts: Mapping[str, int],  # noqa: ARG001 - as all writers of a run
    rows: Callable[[], Iterator[ResultRow]],
) -> Path:
    """Writes audit.jsonl into `folder`; returns its path. Raises NotWritten."""
    with written(folder / "audit.jsonl") as draft:
        for row in rows():
            task = {"run": facts.run, "line": row.line, "external_id": row.external_id, "task_id": row.task_id}
            for entry in row.audits:
                told = {
                    "id": entry.id,
                    "action": entry.action,
                    "actor": entry.actor,
                    "at": entry.at,
                    "diff": entry.diff,
                }
                draft.file.write(json.dumps({**task, **told}, ensure_ascii=True).encode() + b"\n")
    return draft.path
