"""Reports of a run, and the seal of its folder: complete, current, and true whoever writes them at the same time."""

import asyncio
import os
from functools import partial
from pathlib import Path
from threading import Thread

from importer.desk.desk import running
from importer.desk.papers import run_paper
from importer.desk.picture import Standing
from importer.desk.results import reporting, results_reports
from importer.desk.verifying import checks
from importer.ledgers.sqlite import SqliteLedger
from importer.settings import Settings, Value
from tests.desk.house import house

UNDONE_S = 0.3
"""More than a report of three rows takes where nothing holds it up."""


def reported(settings: Settings, run: str) -> None:
    """What each program does at a run's end."""
    book = SqliteLedger(settings.state_dir / "ledger.sqlite")
    try:
        assert results_reports(settings, book, run).unwritten is None
    finally:
        book.close()


async def test_reports_of_a_run_are_written_by_one_at_a_time(tmp_path: Path) -> None:
    """Whoever reports a run, or takes a paper along, waits for who is at it: a seal names nothing that another one replaces meanwhile."""
    async with house(tmp_path) as it:
        run = await it.started(3)
        await it.ended(run)
        others = [
            Thread(target=partial(run_paper, it.settings, run, "results.csv")),
            Thread(target=partial(reported, it.settings, run)),
        ]
        with reporting(it.settings, run):
            for each in others:
                each.start()
            await asyncio.to_thread(others[0].join, UNDONE_S)
            assert [each.is_alive() for each in others] == [True, True]
        for each in others:
            await asyncio.to_thread(each.join)
        folder = it.keeper.reports_of(run)["manifest"].parent
        assert [line.found for line in checks(folder) if line.exit_code] == []


async def test_paper_of_before_the_tasks_were_looked_up_again_is_written_anew(tmp_path: Path) -> None:
    """Once a run was followed further, a copy that was taken along before is not given for what is known now."""
    async with house(tmp_path, track="none") as it:
        run = await it.started(3)
        await it.ended(run)
        before = run_paper(it.settings, run, "results.csv").read_text("utf-8")
        assert "closed" not in before
        it.settings.values["track"] = Value("closed", "a test")
        await running(it.desk, it.connection, lambda *_: None).carry_on(run)
        reported(it.settings, run)
        assert run_paper(it.settings, run, "results.csv").read_text("utf-8").count("→ closed") == 3
        kept = run_paper(it.settings, run, "results.csv")
        os.utime(kept, ns=(kept.stat().st_atime_ns, kept.stat().st_mtime_ns + 1))
        age = kept.stat().st_mtime_ns
        assert run_paper(it.settings, run, "results.csv").stat().st_mtime_ns == age


async def test_run_goes_on_being_shown_where_a_report_is_a_dead_link(tmp_path: Path) -> None:
    """What stands in the folder of the reports and cannot be looked at is no report, and no reason to show nothing."""
    async with house(tmp_path, first=1) as it:
        run = await it.started(3)
        folder = tmp_path / "out" / f"run-{run}"
        folder.mkdir(parents=True)
        (folder / "results (2).xlsx").symlink_to(tmp_path / "nowhere")
        assert it.keeper.picture(run).reports == ()
        it.door.open()
        assert (await it.ended(run)).standing is Standing.COMPLETED


async def test_folder_that_was_sealed_without_results_says_so(tmp_path: Path) -> None:
    """Where somebody took results.json away before the folder was sealed again, verifying tells that, and how to have it back."""
    async with house(tmp_path) as it:
        run = await it.started(3)
        await it.ended(run)
        it.keeper.reports_of(run)["results_json"].unlink()
        run_paper(it.settings, run, "results.csv")
        problems = {line.check: line.found for line in checks(tmp_path / "out" / f"run-{run}") if line.exit_code}
        assert list(problems) == ["results"]
        assert "importer report" in problems["results"]
