"""results.json: the results for programs, streamed."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from importer.core.report import ResultRow, RunFacts
from importer.writers.files import written

SCHEMA = "importer.results/1"


def write_results_json(
    folder: Path, facts: RunFacts, counts: Mapping[str, int], rows: Callable[[], Iterator[ResultRow]]
) -> Path:
    """Writes results.json into `folder` and returns its path: one entry for every row read, in file order."""
    head: dict[str, object] = {
        "schema": SCHEMA,
        "run": facts.run,
        "plan": facts.plan,
        "digest": facts.digest,
        "source": facts.source,
    }
    head |= {"sheet": facts.sheet, "environment": facts.environment, "counts": dict(counts)}
    return streamed(folder / "results.json", head, (row.record() for row in rows()))


def streamed(path: Path, head: Mapping[str, object], rows: Iterator[Mapping[str, object]]) -> Path:
    """One JSON object: what `head` says, and `rows`, a row a line."""
    with written(path) as file, file.beside.open("w", encoding="utf-8") as out:
        out.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "rows": [')
        for number, row in enumerate(rows):
            out.write(",\n" if number else "\n")
            out.write(_encodable(json.dumps(row, ensure_ascii=False)))
        out.write("\n]}\n")
    return file.path


def _encodable(text: str) -> str:
    """Lone surrogates, which UTF-8 does not have, become replacement characters."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
