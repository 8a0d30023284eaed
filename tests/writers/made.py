"""Runs and previews made by hand, for the tests of what writers make of them."""

import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from importer.core.findings import Finding, finding
from importer.core.outcomes import Outcome
from importer.core.plan import About, Environment, PlanHead, PlanRow, Preview
from importer.core.report import AuditEntry, ResultRow, RunFacts, StateChange, preview_counts, tally
from importer.core.verdicts import Verdict

HEADINGS = ("External ID", "Queue", "Priority", "Description")
RATE = (300, 60.0)
PAYLOADS = (
    '=HYPERLINK("http://evil.example","click")', "=cmd|' /C calc'!A0", "+1+cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0", "\t=1+1", "\r=1+1", "\n=1+1", "＝1+1", "＋1+1", "－1+1", "＠SUM(1)", "{=1+1}", " =1+1",
    "http://evil.example", "internal:Sheet!A1", "external:\\\\host\\file.xlsx", "mailto:a@evil.example",
    "<r><t>x</t></r>", "<r></is></c><c r=\"Z9\"><f>1+1</f><v>2</v></c><c><is></r>", "</t></is></c><f>1+1</f>", "<r></r>",
    "&G", "_x003D_1+1", "'=1+1", "]]>", "<f>1</f>",
)  # fmt: skip
"""Texts that some writer, some day, made a formula, a link or markup of."""

STATES = (
    StateChange("new", "2026-01-05T21:00:01Z", "created"),
    StateChange("queued", "2026-01-05T21:00:02.500Z", "audit"),
    StateChange("closed", "2026-01-06T09:00:02Z", "poll"),
)
AUDITS = (
    AuditEntry("a1", "task-create", "client-1", "2026-01-05T21:00:01Z", {"state": "new"}),
    AuditEntry("a2", "task-update", "system", "2026-01-05T21:00:02Z", {"state": {"from": "new", "to": "queued"}}),
)


def facts(**other: Any) -> RunFacts:
    """What a run's reports say above the rows."""
    known: dict[str, Any] = {
        "run": "r-0001", "plan": "p-0001", "digest": "7f3a91c2" + "0" * 56, "source": "/data/tasks-nightly.xlsx",
        "sheet": "Tasks", "headings": HEADINGS, "header_line": 1, "environment": "tasks at sandbox:w1",
        "opened_at": "2026-01-05T21:00:00Z", "preparer": "anna", "approval": "by ben at 2026-01-05T20:00:00Z: fine",
        "settings": {"rate": "300/min", "concurrency": 8}, "state": "done", "version": "0.1.0",
    }  # fmt: skip
    return RunFacts(**{**known, **other})


def result(
    line: int, outcome: Outcome = Outcome.CREATED, cells: Sequence[str] | None = None, **other: Any
) -> ResultRow:
    """One row of a run; created ones have a history and audits."""
    done = outcome is Outcome.CREATED
    has_task = outcome in (Outcome.CREATED, Outcome.EXISTING)
    known: dict[str, Any] = {
        "line": line, "file_line": None, "outcome": outcome, "external_id": f"EXT-{line:04}", "queue": "Billing",
        "cells": tuple(cells) if cells is not None else (f"EXT-{line:04}", "Billing", "50", f"Task of line {line}"),
        "task_id": f"task-{line}" if has_task else None, "state": "closed" if done else None,
        "states": STATES if done else (), "audit_count": 2 if done else None, "audits": AUDITS if done else (),
        "attempts": 1 if done else 0, "reason": "", "correlation_id": f"corr-{line}" if done else None,
        "findings": (wrong(line),) if outcome is Outcome.INVALID else (),
    }  # fmt: skip
    return ResultRow(**{**known, **other})


def wrong(line: int, value: str = "150") -> Finding:
    """A priority out of range."""
    return finding(
        "V304", sheet="Tasks", column=2, line=line, heading="Priority", value=value, low=0, high=99, default=50
    )


def a_run() -> list[ResultRow]:
    """A run with every outcome."""
    outcomes = [Outcome.CREATED] * 5 + list(Outcome) + [Outcome.INVALID] * 2
    return [result(line, outcome) for line, outcome in enumerate(outcomes, 2)]


def again(rows: Sequence[Any]) -> Callable[[], Iterator[Any]]:
    """A fresh iterator each time, as a ledger gives it."""
    return lambda: iter(rows)


def books(rows: Sequence[ResultRow]) -> dict[str, int]:
    """The counts of a run."""
    return tally((row.outcome.value, 1) for row in rows)


def planned(line: int, verdict: Verdict = Verdict.READY, *findings: Finding, cells: Sequence[str] = ()) -> PlanRow:
    """One row of a plan."""
    external_id = f"EXT-{line:04}"
    payload = {
        "type": "email", "description": f"Task of line {line}", "state": "new",
        "routingData": {"queueId": "q-1", "priority": 50},
        "customAttributes": {"language": "de", "externalId": external_id, "source": "api-integration"},
    }  # fmt: skip
    return PlanRow(
        line=line,
        file_line=None,
        cells=tuple(cells) or (external_id, "Billing", "50", f"Task of line {line}"),
        verdict=verdict,
        external_id=external_id,
        queue="Billing",
        task_id="task-9" if verdict is Verdict.EXISTING else None,
        payload=payload if verdict is Verdict.READY else None,
        findings=findings,
    )


def a_plan() -> list[PlanRow]:
    """Rows with every verdict; one ready row has a warning."""
    warning = finding("V341", sheet="Tasks", column=3, line=3, heading="Description", characters="U+0007")
    blank = finding("V311", sheet="Tasks", column=3, line=9, heading="Description")
    return [
        planned(2), planned(3, Verdict.READY, warning), planned(4, Verdict.EXISTING), planned(5, Verdict.DUPLICATE),
        planned(6, Verdict.SKIPPED), planned(7, Verdict.INVALID, wrong(7)), planned(8, Verdict.INVALID, wrong(8)),
        planned(9, Verdict.INVALID, blank, wrong(9)), planned(10),
    ]  # fmt: skip


def preview(rows: Sequence[PlanRow], **other: Any) -> Preview:
    """The plan's head, counted from its rows."""
    verdicts = {verdict: sum(row.verdict is verdict for row in rows) for verdict in Verdict}
    queue: dict[str, Any] = {
        "queue": "Billing", "id": "q-1", "status": "open", "members": 3, "limit": 10, "room": 7, "rows": len(rows),
        **{verdict.value: number for verdict, number in verdicts.items()},
    }  # fmt: skip
    head: dict[str, Any] = {
        "source_sha256": "0" * 64, "source_bytes": 1, "format": "xlsx", "sheet": "Tasks", "encoding": None,
        "header_line": 1, "headings": HEADINGS, "matched": {"external_id": "External ID", "queue": "Queue"},
        "mapping": {}, "environment": Environment("tasks", "sandbox:w1", "client"), "settings": {"header_row": None},
        "counts": preview_counts(verdicts), "warnings": 1, "queues": (queue,), "fixes": (),
        "findings": (finding("H304", count=1, headings="Notes"), finding("F204", count=1, sheets="Old")),
    }  # fmt: skip
    about = About("p-0001", "7f3a91c2" + "0" * 56, "/data/tasks-nightly.xlsx", "2026-01-05T20:00:00Z", "anna", "0.1.0")
    made = {name: other.pop(name) for name in list(other) if name in head}
    assert not other
    return Preview(PlanHead(**{**head, **made}), about)


def sheet_rows(path: Path, sheet: str) -> list[list[Any]]:
    """The values of a sheet, as openpyxl reads them; the escapes of OOXML undone."""
    from openpyxl import load_workbook
    from openpyxl.utils.escape import unescape

    book = load_workbook(path, rich_text=False)
    return [
        [unescape(value) if isinstance(value, str) else value for value in row]
        for row in book[sheet].iter_rows(values_only=True)
    ]


def parts(path: Path) -> dict[str, str]:
    """The XML of a workbook by part name."""
    with zipfile.ZipFile(path) as package:
        return {name: package.read(name).decode() for name in package.namelist()}
