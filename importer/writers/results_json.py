"""results.json: one entry for every row read, in file order; its schema is in importer/schemas."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from importer.core.report import ResultRow, RunFacts
from importer.writers.files import written
from importer.writers.json_file import end_object, write_object

SCHEMA = "importer.results/1"


def write_results_json(
    folder: Path, facts: RunFacts, counts: Mapping[str, int], rows: Callable[[], Iterator[ResultRow]]
) -> Path:
    """Writes results.json into `folder`; returns its path."""
    head: dict[str, Any] = {"schema": SCHEMA, "run": facts.run, "plan": facts.plan, "counts": dict(counts)}
    head |= {"approval": facts.approval, "approvals_head": facts.chain or None}
    with written(folder / "results.json") as draft:
        write_object(draft.file, head, (row.record() for row in rows()))
        end_object(draft.file)
    return draft.path
