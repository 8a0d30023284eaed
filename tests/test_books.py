"""The books balance in ledger, results.json and workbook, whatever the rows, the faults and the halts."""

import asyncio
import json
import tempfile
from collections import Counter
from pathlib import Path

import openpyxl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importer.core.errors import Interrupted
from importer.core.outcomes import Outcome
from importer.core.verdicts import Verdict
from importer.sandbox.clock import HandClock
from importer.sandbox.scenario import Fault, Limit, Scenario
from importer.sandbox.server import Sandbox
from importer.writers.results_json import write_results_json
from importer.writers.results_xlsx import write_results
from tests.flow.conftest import INDEX_LAG_S, Office

KINDS = (
    "reset_before", "reset_after", "error_after", "html", "html_after", "truncated", "empty", "no_id", "short",
    "wrong_type", "status:400", "status:401", "status:403", "status:409", "status:422", "status:429", "status:500",
    "status:503", "status:504", "redirect", "bad_utf8",
)  # fmt: skip

faults = st.builds(
    lambda kind, operation, probability: Fault(operation=operation, kind=kind, probability=probability),
    st.sampled_from(KINDS),
    st.sampled_from(("create", "create", "find")),
    st.sampled_from((0.1, 0.3, 0.7, 1.0)),
)
verdicts = st.lists(st.sampled_from([*Verdict, *[Verdict.READY] * 4]), max_size=30)


@settings(max_examples=15, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(verdicts, st.lists(faults, max_size=3), st.lists(st.integers(0, 40), max_size=2), st.booleans())
def test_books_balance(rows: list[Verdict], broken: list[Fault], halts: list[int], unique: bool) -> None:
    """However a run goes, counts equal the rows in every output, no task is made twice, and a calm resume settles it."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(lived(Path(folder), rows, broken, halts, unique))


async def lived(folder: Path, rows: list[Verdict], broken: list[Fault], halts: list[int], unique: bool) -> None:
    """One run through bad weather, halted and resumed, then through good."""
    hand = HandClock()
    scenario = Scenario(unique=unique, index_lag_s=INDEX_LAG_S, limit=Limit(calls=0))
    async with Sandbox(scenario, seed=7, clock=hand) as sandbox:
        office = Office(sandbox, hand, folder)
        run = office.opens([f"B-{n}" for n in range(len(rows))], verdicts=rows)
        sandbox.breaks(*broken)
        for halt in halts:
            await halted(office, run, halt)
            check_books(office, run, rows)
            await office.starts_again()
        await office.carries_on(run)
        check_books(office, run, rows)
        office.recovers()
        await office.starts_again()
        ending = await office.carries_on(run)
        check_books(office, run, rows)
        assert ending.problem is None
        assert "not_sent" not in office.outcomes(run)
        await office.closes()


async def halted(office: Office, run: str, after: int) -> None:
    """The run, asked to stop once the sandbox has seen `after` calls more."""
    running = office.running()
    seen = len(office.visits())

    async def asks() -> None:
        while len(office.visits()) < seen + after:  # noqa: ASYNC110 - the loop's turns are what is waited for
            await asyncio.sleep(0)
        running.stop(Interrupted(130))

    asking = asyncio.ensure_future(asks())
    await office.driven(running.carry_on(run))
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


def check_books(office: Office, run: str, rows: list[Verdict]) -> None:
    """Ledger, JSON and workbook say the same, and the sandbox agrees with them."""
    ledger, folder = office.ledger, office.folder / "reports"
    counts, facts = ledger.counts(run), ledger.run_facts(run)
    assert counts["read"] == sum(number for name, number in counts.items() if name != "read") == len(rows)
    wanted = {name: number for name, number in counts.items() if number and name != "read"}
    for verdict in (Verdict.INVALID, Verdict.DUPLICATE, Verdict.SKIPPED):
        assert counts[verdict.value] == rows.count(verdict)
    told = json.loads(write_results_json(folder, facts, counts, lambda: ledger.result_rows(run)).read_text("utf-8"))
    assert told["counts"] == counts
    assert Counter(row["outcome"] for row in told["rows"]) == wanted
    assert [row["line"] for row in told["rows"]] == list(range(2, len(rows) + 2))
    path = write_results(folder, facts, counts, lambda: ledger.result_rows(run))
    assert outcomes_in(path) == Counter({Outcome(name).words: number for name, number in wanted.items()})
    tasks = office.tasks()
    assert set(tasks.values()) <= {1}
    created = {row["external_id"]: row["task_id"] for row in told["rows"] if row["outcome"] == "created"}
    assert set(created) <= set(tasks)
    assert set(created.values()) <= set(office.sandbox.world.tasks)
    open_rows = {row["external_id"] for row in told["rows"] if row["outcome"] in ("unknown", "existing")}
    assert set(tasks) <= set(created) | open_rows


def outcomes_in(path: Path) -> Counter[str]:
    """The outcomes on the Results sheet, without their icons."""
    book = openpyxl.load_workbook(path, read_only=True)
    rows = book["Results"].iter_rows(values_only=True)
    heads = next(rows)
    column = heads.index("Outcome")
    found = Counter(str(row[column]).lstrip("✔•✖?…≡– ") for row in rows if row[column] is not None)
    book.close()
    return found
