"""preview.json: a plan for programs, every row and its payload; its schema is in importer/schemas."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from importer.core.plan import PlanRow, Preview, findings_record
from importer.core.report import Causes, forecast
from importer.writers.files import written
from importer.writers.json_file import end_object, write_object

SCHEMA = "importer.preview-report/1"


def write_preview_json(
    folder: Path, preview: Preview, rows: Callable[[], Iterator[PlanRow]], rate: tuple[int, float]
) -> Path:
    """Writes preview.json into `folder`; returns its path. `rate` is calls and the seconds in which they are allowed."""
    causes = Causes()
    with written(folder / "preview.json") as draft:
        write_object(draft.file, _head(preview, rate), (_row(row, causes) for row in rows()))
        problems = [asdict(cause) for cause in causes.ranked()]
        end_object(draft.file, {"problems": problems})
    return draft.path


def _head(preview: Preview, rate: tuple[int, float]) -> dict[str, Any]:
    head, about = preview.head, preview.about
    looked_up = sum(1 for queue in head.queues if queue["id"])
    return {
        "schema": SCHEMA,
        "plan": about.plan,
        "digest": about.digest,
        "source": about.source,
        "sheet": head.sheet,
        "environment": asdict(head.environment),
        "prepared_by": about.preparer,
        "made_at": about.made_at,
        "counts": head.counts,
        "warnings": head.warnings,
        "forecast": forecast(head.counts, looked_up, *rate, head.environment.target),
        "columns": head.matched,
        "queues": list(head.queues),
        "findings": findings_record(head.findings),
    }


def _row(row: PlanRow, causes: Causes) -> dict[str, Any]:
    if row.findings:
        causes.add(row.findings)
    return {
        "line": row.line,
        "verdict": row.verdict.value,
        "external_id": row.external_id or None,
        "queue": row.queue or None,
        "task_id": row.task_id,
        "payload": row.payload,
        "findings": findings_record(row.findings),
    }
