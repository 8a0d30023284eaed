"""Plans of a table with one column, as a preview would make them: for tests of what becomes of their rows."""

from collections.abc import Mapping
from typing import Any

from importer.core.plan import About, Environment, PlanHead, PlanRow, Preview
from importer.core.report import preview_counts
from importer.core.verdicts import Verdict

MADE_AT = "2027-01-15T08:00:00Z"


def one_column_plan(
    environment: Environment,
    counts: Mapping[Verdict, int],
    plan: str = "plan",
    digest: str = "0",
    made_at: str = MADE_AT,
) -> Preview:
    """A plan without its rows, of which there are so many of each verdict. `digest` is filled up with zeros."""
    head = PlanHead(
        source_sha256="0" * 64,
        source_bytes=1,
        format="csv",
        sheet=None,
        encoding="utf-8",
        header_line=1,
        headings=("External ID",),
        matched={},
        mapping={},
        environment=environment,
        settings={},
        counts=preview_counts(dict(counts)),
        warnings=0,
        queues=(),
        findings=(),
    )
    return Preview(head, About(plan, f"{digest:0>64}", f"{environment.target}.csv", made_at, "tester", "0"))


def one_column_row(
    line: int,
    external_id: str,
    payload: dict[str, Any] | None,
    *,
    verdict: Verdict = Verdict.READY,
    queue: str = "",
    task_id: str | None = None,
) -> PlanRow:
    """A row of such a plan, without findings."""
    return PlanRow(
        line=line,
        file_line=None,
        cells=(external_id,),
        verdict=verdict,
        external_id=external_id,
        queue=queue,
        task_id=task_id,
        payload=payload,
        findings=(),
    )
