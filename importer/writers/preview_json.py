"""preview.json: a preview for programs, streamed."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from importer.core.plan import PlanRow, Preview, findings_record
from importer.core.report import Causes, forecast
from importer.writers.results_json import streamed

SCHEMA = "importer.preview-report/1"


def write_preview_json(
    folder: Path, preview: Preview, rows: Callable[[], Iterator[PlanRow]], rate: tuple[int, float]
) -> Path:
    """Writes preview.json into `folder` and returns its path: one entry for every row read, in file order."""
    head, about = preview.head, preview.about
    causes = Causes()
    for row in rows():
        if row.findings:
            causes.add(row.findings)
    looked_up = sum(1 for queue in head.queues if queue["id"])
    record: dict[str, Any] = {"schema": SCHEMA, "plan": about.plan, "digest": about.digest, "source": about.source}
    record |= {"sheet": head.sheet, "environment": str(head.environment), "made_at": about.made_at}
    record |= {"preparer": about.preparer, "counts": head.counts, "warnings": head.warnings}
    record |= {"columns": head.matched, "queues": list(head.queues), "findings": findings_record(head.findings)}
    record["problems"] = [asdict(cause) for cause in causes.ranked()]
    record["forecast"] = forecast(head.counts, looked_up, *rate)
    return streamed(folder / "preview.json", record, (_row(row) for row in rows()))


def _row(row: PlanRow) -> dict[str, Any]:
    return {
        "line": row.line,
        "verdict": row.verdict.value,
        "external_id": row.external_id or None,
        "queue": row.queue or None,
        "task_id": row.task_id,
        "payload": row.payload,
        "findings": findings_record(row.findings),
    }
