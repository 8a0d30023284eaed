"""A ledger, and rows, plans and runs to put into it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from importer.core.approval import Approval
from importer.core.findings import finding
from importer.core.plan import About, Environment, PlanHead, PlanRow, Preview
from importer.core.verdicts import Verdict
from importer.ledgers.sqlite import SqliteLedger
from importer.ports import RunRecord, RunRow

HERE = Environment("tasks", "https://api.mypurecloud.ie", "client-1")
SANDBOX = Environment("tasks", "sandbox:w1", "client-1")
AT = "2026-11-23T21:00:00Z"
DIGEST = "0123abcd" * 8

Opens = Callable[..., str]


def plan_row(number: int = 0, **changes: Any) -> PlanRow:
    """A ready row."""
    external_id = f"EXT-{number}"
    row = PlanRow(
        line=number + 2, file_line=None, cells=(external_id, "Billing", "a text"), verdict=Verdict.READY,
        external_id=external_id, queue="Billing", task_id=None, payload={"description": "a text", "n": number},
        findings=(),
    )  # fmt: skip
    return replace(row, **changes)


def plan_head(environment: Environment = HERE, **changes: Any) -> PlanHead:
    """What a plan says besides its rows."""
    head = PlanHead(
        source_sha256="ab" * 32, source_bytes=100, format="csv", sheet=None, encoding="utf-8", header_line=1,
        headings=("External ID", "Queue", "Description"), matched={"queue": "Queue"}, mapping={"columns": {}},
        environment=environment, settings={"header_row": None}, counts={"read": 1}, warnings=0,
        queues=({"queue": "Billing", "room": None},),
        findings=(finding("F202", count=2), finding("H304", line=1, count=1, headings="Remark")),
    )  # fmt: skip
    return replace(head, **changes)


def preview(plan: str = "plan-1", environment: Environment = HERE) -> Preview:
    """A plan without its rows."""
    return Preview(plan_head(environment), About(plan, DIGEST, "tasks.csv", AT, "ada", "0.1.0"))


def run_record(
    run: str, plan: str, environment: Environment = HERE, approval: Approval | None = None, out: str = "reports"
) -> RunRecord:
    """A run that opens."""
    return RunRecord(run, preview(plan, environment), AT, "open", "", {"rate": "300/min"}, approval, out)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the ledger is."""
    return tmp_path / "state" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[SqliteLedger]:
    """An empty ledger."""
    book = SqliteLedger(path)
    yield book
    book.close()


@pytest.fixture
def opens(ledger: SqliteLedger) -> Opens:
    """Opens a run with rows, by default three ready ones."""

    def opened(run: str = "run-1", rows: list[PlanRow] | None = None, environment: Environment = HERE) -> str:
        planned = [plan_row(number) for number in range(3)] if rows is None else rows
        frozen = (
            RunRow(row, json.dumps({"id": row.external_id}, separators=(",", ":")) if row.payload else None)
            for row in planned
        )
        ledger.open_run(run_record(run, f"plan-of-{run}", environment), frozen)
        return run

    return opened
