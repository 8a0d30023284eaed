"""Copies: what goes back to the person whose file it was: the file annotated by a plan or a run, and the rows to be mended."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importer.core.plan import Preview
    from importer.ledgers.plans import PlanFile
    from importer.ports import Ledger, RunRecord
    from importer.writers.annotated import Written
    from importer.writers.annotations import Annotation, Annotations


def annotated_plan(folder: Path, plan: "PlanFile") -> "Written":
    """Writes annotated.xlsx of a plan: verdicts, before anything is sent. Raises NotWritten, PlanRefused."""
    from importer.writers.annotations import plan_annotations

    return _written(folder, plan.preview(), "", lambda: plan_annotations(plan.rows()))


def annotated_run(folder: Path, book: "Ledger", record: "RunRecord") -> "Written":
    """Writes annotated.xlsx of a run: outcomes and task IDs as the ledger knows them now. Raises NotWritten, LedgerError."""
    from importer.writers.annotations import result_annotations

    return _written(folder, record.preview, record.run, lambda: result_annotations(book.result_rows(record.run)))


def rejects_run(folder: Path, book: "Ledger", record: "RunRecord") -> Path:
    """Writes rejects.xlsx of a run, with the template's help where columns are in the target's own words. Raises NotWritten, LedgerError."""
    from importer.targets.limits import LIMITS
    from importer.writers.rejects import Help, write_rejects

    head, run = record.preview.head, record.run
    translated = head.mapping.get("values", {})
    plain = {field: heading for field, heading in head.matched.items() if field not in translated}
    queues = sorted({str(each["queue"]) for each in head.queues if each["id"]}, key=str.casefold)
    helped = Help(LIMITS[head.environment.target], plain, queues)
    return write_rejects(folder, book.run_facts(run), book.counts(run), lambda: book.result_rows(run), helped)


def _written(folder: Path, preview: "Preview", run: str, annotations: "Annotations") -> "Written":
    from importer.sources.workbook import open_workbook
    from importer.writers.annotated import write_annotated
    from importer.writers.annotations import annotated, with_fixes

    def told() -> Iterator["Annotation"]:
        return with_fixes(annotations(), preview.head.fixes)

    return write_annotated(folder, annotated(preview, run), told, open_workbook)
