"""Runs that a server carries on: started, paused, resumed, stopped, picked up again, and seen by whoever looks."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from importer.core.errors import LedgerError, PlanRefused, UsageError
from importer.desk.desk import running
from importer.desk.keeper import RunKeeper
from importer.desk.opening import open_run
from importer.desk.permission import may_run
from importer.desk.picture import POINTS_MOST, Course, Picture, Standing
from importer.desk.watching import BEHIND_MOST, KEPT, Channel, Event
from importer.desk.wishes import Wishes
from importer.flow.lease import Who
from importer.ledgers.lock import SubmissionLock
from importer.sandbox.scenario import Fault
from tests.desk.house import ANN, BOB, House, house


async def test_run_goes_to_its_end_and_is_reported(tmp_path: Path) -> None:
    """A run that was started creates its tasks, follows them to their end and leaves its reports."""
    async with house(tmp_path) as it:
        run = await it.started(20)
        picture = await it.ended(run)
        reports = it.keeper.reports_of(run)
        assert (picture.standing, picture.problem) == (Standing.COMPLETED, "")
        assert set(it.tasks) == {f"rows-{n}" for n in range(20)}
        assert len(it.tasks) == 20
        assert picture.states == {"closed": 20}
        assert [(deed.what, deed.who) for deed in picture.deeds] == [("started", ANN)]
        assert json.loads(reports["results_json"].read_text("utf-8"))["counts"]["created"] == 20


def created(number: int) -> Callable[[Picture], bool]:
    """Once so many tasks are created."""
    return lambda picture: picture.counts["created"] >= number


async def test_pause_holds_the_rows_and_resume_sends_them(tmp_path: Path) -> None:
    """A paused run sends nothing more; resumed by anyone, it sends the rest, each row once."""
    async with house(tmp_path, first=5) as it:
        run = await it.started(20)
        await it.until(run, created(5))
        await it.keeper.pause(run, BOB)
        it.door.open()
        picture = await it.ended(run)
        assert (picture.standing, len(it.tasks)) == (Standing.PAUSED, 5)
        assert "bob (token)" in picture.problem
        await it.keeper.resume(run, ANN)
        picture = await it.ended(run)
        assert (picture.standing, len(it.tasks), len(set(it.tasks))) == (Standing.COMPLETED, 20, 20)
        assert [deed.what for deed in picture.deeds] == ["started", "paused", "resumed"]


async def test_stop_leaves_rows_not_sent(tmp_path: Path) -> None:
    """A stopped run leaves its rows `not sent`, says how to go on, and has its reports."""
    async with house(tmp_path, first=5) as it:
        run = await it.started(20)
        await it.until(run, created(5))
        await it.keeper.stop(run, BOB)
        it.door.open()
        picture = await it.ended(run)
        assert (picture.standing, picture.counts["not_sent"]) == (Standing.STOPPED, 15)
        assert "importer resume" in picture.fix
        assert picture.reports == ("manifest", "results_json", "results_xlsx")


async def test_paused_run_stays_so_over_the_servers_end(tmp_path: Path) -> None:
    """What was paused when the server ended is paused when it starts again."""
    async with house(tmp_path, first=5) as it:
        run = await it.started(20)
        await it.until(run, created(5))
        await it.keeper.pause(run, BOB)
        it.door.open()
        await it.again()
        assert it.keeper.picture(run).standing is Standing.PAUSED
        assert len(it.tasks) == 5


async def test_run_goes_on_with_the_next_server(tmp_path: Path) -> None:
    """A run that went on when the server was ended goes on when it starts again, and each row is sent once."""
    async with house(tmp_path, first=5) as it:
        run = await it.started(20)
        await it.until(run, created(5))
        it.door.open()
        await it.again()
        picture = await it.ended(run)
        assert (picture.standing, len(it.tasks), len(set(it.tasks))) == (Standing.COMPLETED, 20, 20)


async def test_run_that_was_opened_and_never_begun_is_begun(tmp_path: Path) -> None:
    """A server that died between opening a run and carrying it on begins it at its next start, for who wanted it."""
    async with house(tmp_path) as it:
        plan = await it.plan(3)
        await it.keeper.close()
        wishes = Wishes(it.settings.state_dir / "page.sqlite")
        wishes.begin(plan, BOB, "2026-11-24T10:00:00Z")
        wishes.close()
        run = opened(it, plan)
        await it.again(closing=False)
        picture = await it.ended(run)
        assert picture.standing is Standing.COMPLETED
        assert picture.deeds[0].who == BOB


def opened(it: House, plan: str) -> str:
    """A run as the command line opens it."""
    preview, approval = may_run(it.desk, plan, it.connection.environment)
    return open_run(it.desk, preview, approval, it.connection)


async def test_run_whose_start_was_called_off_is_begun_if_it_was_opened(tmp_path: Path) -> None:
    """A server that is ended while it opens a run, which goes on in a thread, begins it at its next start."""
    async with house(tmp_path) as it:
        plan = await it.plan(3)
        starting = asyncio.create_task(it.keeper.start(plan, BOB))
        with closing(Wishes(it.settings.state_dir / "page.sqlite")) as wishes:
            async with asyncio.timeout(20):
                while not wishes.beginnings():  # noqa: ASYNC110 - as in House.until
                    await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait({starting})
        run = opened(it, plan)
        await it.again()
        picture = await it.ended(run)
        assert (picture.standing, picture.deeds[0].who) == (Standing.COMPLETED, BOB)


async def test_plan_that_two_start_at_once_runs_once(tmp_path: Path) -> None:
    """Of two who start a plan at the same time one has the run, and the other reads which it is."""
    async with house(tmp_path) as it:
        plan = await it.plan(3)
        run, refused = sorted(
            await asyncio.gather(*(it.keeper.start(plan, who) for who in (ANN, BOB)), return_exceptions=True),
            key=lambda found: not isinstance(found, str),
        )
        assert isinstance(run, str)
        assert isinstance(refused, PlanRefused)
        assert run in str(refused)
        assert (await it.ended(run)).counts["created"] == 3


async def test_run_of_the_command_line_is_shown_and_not_touched(tmp_path: Path) -> None:
    """While another program sends a run, the keeper shows how far it is and who is at work; it cannot be paused here."""
    async with house(tmp_path, first=5) as it:
        run = opened(it, await it.plan(20))
        carrier = running(it.desk, it.connection, lambda *_: None)
        carrier.who = Who(replace(carrier.who.me, process=1, started=""), lambda _: False)
        going = asyncio.create_task(carrier.carry_on(run))
        picture = await it.until(run, created(5))
        assert (picture.standing, picture.elsewhere) == (Standing.IMPORTING, "process 1 on this machine")
        with pytest.raises(UsageError, match="not going on here"):
            await it.keeper.pause(run, BOB)
        it.door.open()
        await going
        assert it.keeper.picture(run).standing is Standing.COMPLETED


async def test_unfinished_run_of_the_command_line_waits_for_a_person(tmp_path: Path) -> None:
    """A run that the command line left unfinished is not begun by itself, but by whoever resumes it."""
    async with house(tmp_path) as it:
        run = opened(it, await it.plan(3))
        await it.again()
        assert it.keeper.picture(run).standing is Standing.UNFINISHED
        assert it.tasks == []
        await it.keeper.resume(run, BOB)
        assert (await it.ended(run)).counts["created"] == 3


async def test_second_run_waits_and_says_for_whom(tmp_path: Path) -> None:
    """One run is sent at a time: the second names the first, and goes on when that one is sent."""
    async with house(tmp_path, first=5) as it:
        first = await it.started(20, "first")
        await it.until(first, created(5))
        second = await it.started(3, "second")
        picture = await it.until(second, lambda picture: bool(picture.wait))
        assert (picture.standing, first in picture.wait) == (Standing.WAITING, True)
        it.door.open()
        assert (await it.ended(second)).counts["created"] == 3
        assert (await it.ended(first)).counts["created"] == 20


async def test_run_waits_for_another_program(tmp_path: Path) -> None:
    """While another program sends a run with the same client, a run waits, says for whom, and then goes on by itself."""
    async with house(tmp_path) as it:
        other = SubmissionLock(it.settings.state_dir / "locks", "key")
        with other.held("importer run elsewhere"):
            run = await it.started(3)
            picture = await it.until(run, lambda picture: bool(picture.wait))
            assert "importer run elsewhere" in picture.wait
            assert it.tasks == []
        assert (await it.ended(run)).counts["created"] == 3


async def test_paused_run_that_the_command_line_ended_is_completed(tmp_path: Path) -> None:
    """What was paused here and brought to its end by the command line is shown as completed, not as paused."""
    async with house(tmp_path, first=5) as it:
        run = await it.started(20)
        await it.until(run, created(5))
        await it.keeper.pause(run, BOB)
        it.door.open()
        await it.ended(run)
        await running(it.desk, it.connection, lambda *_: None).carry_on(run)
        picture = it.keeper.picture(run)
        assert (picture.standing, picture.problem) == (Standing.COMPLETED, "")


async def test_waiting_run_can_be_paused(tmp_path: Path) -> None:
    """A run that waits for its turn can be paused, and lets those behind it pass."""
    async with house(tmp_path, first=5) as it:
        first = await it.started(20, "first")
        await it.until(first, created(5))
        second = await it.started(3, "second")
        await it.keeper.pause(second, BOB)
        picture = await it.ended(second)
        assert (picture.standing, picture.counts["not_sent"]) == (Standing.PAUSED, 3)
        it.door.open()
        await it.ended(first)


async def test_second_press_changes_nothing(tmp_path: Path) -> None:
    """Of two who pause at once the first is named; a pause after a stop leaves it stopped; neither is refused, nor told twice."""
    async with house(tmp_path, first=5) as it:
        run = await it.started(20)
        await it.until(run, created(5))
        await it.keeper.pause(run, BOB)
        await it.keeper.pause(run, ANN)
        await it.keeper.stop(run, ANN)
        await it.keeper.pause(run, BOB)
        it.door.open()
        picture = await it.ended(run)
        await it.keeper.pause(run, BOB)
        await it.keeper.stop(run, BOB)
        assert (picture.standing, "Stopped by ann" in picture.problem) == (Standing.STOPPED, True)
        deeds = [(deed.what, deed.who.name) for deed in it.keeper.picture(run).deeds]
        assert deeds == [("started", "ann"), ("paused", "bob"), ("stopped", "ann")]


def renamed(it: House, file: str, table: str, name: str) -> None:
    """A table that cannot be used under its name any more, as by a fault of the disk."""
    with closing(sqlite3.connect(it.settings.state_dir / file)) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME TO {name}")


async def test_run_that_cannot_be_noted_rests_all_the_same(tmp_path: Path) -> None:
    """Where it cannot be written down how a run ended, it is not shown as going on for ever; the ledger knows how it ended."""
    async with house(tmp_path, first=5) as it:
        run = await it.started(20)
        await it.until(run, created(5))
        renamed(it, "page.sqlite", "run_wishes", "gone")
        it.door.open()
        async with asyncio.timeout(20):
            while it.keeper.carries(run):  # noqa: ASYNC110 - as in House.until
                await asyncio.sleep(0.01)
        renamed(it, "page.sqlite", "gone", "run_wishes")
        picture = it.keeper.picture(run)
        assert (picture.standing, picture.counts["created"]) == (Standing.COMPLETED, 20)
        assert "cannot be used" in picture.problems[-1].text


async def test_run_that_could_not_be_begun_is_begun_by_the_next_press(tmp_path: Path) -> None:
    """Where the ledger cannot be read as somebody resumes, that is told; the run does not pass for going on, and can be resumed again."""
    async with house(tmp_path, first=5) as it:
        run = await it.started(20)
        await it.until(run, created(5))
        await it.keeper.pause(run, BOB)
        it.door.open()
        await it.ended(run)
        renamed(it, "ledger.sqlite", "rows", "gone")
        with pytest.raises(LedgerError):
            await it.keeper.resume(run, BOB)
        renamed(it, "ledger.sqlite", "gone", "rows")
        assert it.keeper.picture(run).standing is Standing.UNFINISHED
        await it.keeper.resume(run, BOB)
        assert (await it.ended(run)).standing is Standing.COMPLETED


async def test_run_that_may_not_be_sent_can_be_paused(tmp_path: Path) -> None:
    """While nothing may be sent from here, because the ledger is not the newest, a run that is to go on can be paused."""
    async with house(tmp_path, first=5) as it:
        run = await it.started(20)
        await it.until(run, created(5))
        it.door.open()
        await it.keeper.close()
        counter = it.settings.state_dir / "ledger.counter"
        counter.write_text(f"{int(counter.read_text()) + 1:020}\n")
        await it.again(closing=False)
        picture = it.keeper.picture(run)
        assert (picture.standing, "older copy" in picture.problem) == (Standing.WAITING, True)
        await it.keeper.pause(run, BOB)
        assert it.keeper.picture(run).standing is Standing.PAUSED


async def test_row_on_its_way_is_being_sent_as_long_as_its_sender_lives(tmp_path: Path) -> None:
    """While a run's process is at work, rows in its calls are shown as being sent; after its death they are unknown, as in the books."""
    async with house(tmp_path, first=0, concurrency=2) as it:
        it.door.after_claim = True
        run = await it.started(5)
        picture = await it.until(run, lambda picture: picture.being_sent == 2)
        assert (picture.shown["being_sent"], picture.shown["unknown"], picture.shown["not_sent"]) == (2, 0, 3)
        assert (picture.counts["unknown"], picture.record()["being_sent"]) == (2, 2)
        after_its_death = RunKeeper(it.desk, it.connection).picture(run)
        assert (after_its_death.standing.is_going_on, after_its_death.shown["unknown"]) == (False, 2)
        it.door.open()
        assert (await it.ended(run)).shown["created"] == 5


async def test_run_that_rests_has_neither_rate_nor_look_ups(tmp_path: Path) -> None:
    """Once nothing is sent any more, no rows a second are told; once nobody is at work, a row in doubt is unknown and not being looked up."""
    async with house(tmp_path, first=3, index_lag="60s", concurrency=1) as it:
        plan = await it.plan(4)
        it.sandbox.breaks(Fault(operation="create", kind="reset_before", at=(1,)))
        run = await it.keeper.start(plan, ANN)
        await it.until(run, lambda picture: picture.doubt == 1 and picture.counts["created"] == 2)
        it.keeper.tick()
        assert it.keeper.picture(run).rate > 0
        await it.keeper.pause(run, BOB)
        it.door.open()
        picture = await it.ended(run)
        assert (picture.counts["unknown"], picture.doubt, picture.rate) == (1, 0, 0)


async def test_trouble_becomes_a_problem_with_its_fix(tmp_path: Path) -> None:
    """Where the target lets us in no more, the run rests with the reason and what to do; resuming tries again."""
    async with house(tmp_path) as it:
        plan = await it.plan(3)
        it.sandbox.breaks(Fault(operation="create", kind="status:401"))
        run = await it.keeper.start(plan, ANN)
        picture = await it.ended(run)
        assert (picture.standing, picture.counts["not_sent"]) == (Standing.FAILED, 3)
        assert "refused a token" in picture.problem
        assert picture.fix
        await it.again()
        assert it.keeper.picture(run).problem == picture.problem
        it.sandbox.breaks()
        await it.keeper.resume(run, ANN)
        assert (await it.ended(run)).standing is Standing.COMPLETED


async def test_failed_rows_are_among_the_problems(tmp_path: Path) -> None:
    """A row that is refused is told with its line and reason, while the run goes on and afterwards."""
    async with house(tmp_path) as it:
        plan = await it.plan(3)
        it.sandbox.breaks(Fault(operation="create", kind="status:400", at=(1,)))
        run = await it.keeper.start(plan, ANN)
        picture = await it.ended(run)
        assert picture.standing is Standing.WITH_ERRORS
        assert [each.outcome for each in picture.problems] == ["failed"]
        assert [each.line for each in await it.keeper.problems(run)] == [picture.problems[0].line]


async def test_plan_runs_once(tmp_path: Path) -> None:
    """A plan that ran is refused."""
    async with house(tmp_path) as it:
        plan = await it.plan(3)
        await it.ended(await it.keeper.start(plan, ANN))
        with pytest.raises(PlanRefused, match="ran already"):
            await it.keeper.start(plan, BOB)


async def test_two_watchers_see_the_same(tmp_path: Path) -> None:
    """Whoever watches gets a whole picture and then the same events, the end among them."""
    async with house(tmp_path, first=5) as it:
        run = await it.started(20)
        seen: list[list[Event]] = [[], []]

        async def look(events: list[Event]) -> None:
            async for event in it.keeper.watch(run):
                events.append(event)
                if event.name == "end":
                    return

        looking = [asyncio.create_task(look(events)) for events in seen]
        await it.until(run, created(5))
        it.door.open()
        await asyncio.gather(*looking)
        assert seen[0] == seen[1]
        assert (seen[0][0].name, seen[0][-1].name) == ("picture", "end")
        assert seen[0][-1].data["standing"] == "completed"


async def test_end_is_told_to_who_came_right_before_it(tmp_path: Path) -> None:
    """Whoever begins to watch between two ticks, and sees nothing but the first picture before the run ends, is told the end."""
    async with house(tmp_path, first=5) as it:
        run = await it.started(20)
        await it.until(run, created(5))
        watching = it.keeper.watch(run)
        assert (await anext(watching)).data["going_on"]
        it.door.open()
        while (event := await anext(watching)).name != "end":
            pass
        assert event.data["standing"] == "completed"


async def test_watcher_who_comes_back_gets_what_it_missed() -> None:
    """Whoever names the last event seen gets those after it; where they are not known any more, a whole picture."""
    channel = Channel("now")
    for number in range(3):
        channel.tell("tick", {"number": number})
    channel.tell("end", {})
    watching = channel.watch("now-2", dict)
    assert [(await anext(watching)).data for _ in range(2)] == [{"number": 2}, {}]
    for last in ("now-77", "before-2", "", "'"):
        first = await anext(channel.watch(last, lambda: {"whole": True}))
        assert (first.name, first.id) == ("picture", "now-4")


def test_channels_number_apart() -> None:
    """What was seen on a channel that is gone says nothing about another one of the same run."""
    assert Channel().id != Channel().id


async def test_events_are_kept_in_bounds() -> None:
    """However long a run lasts, only the last events are kept."""
    channel = Channel("now")
    for number in range(KEPT * 3):
        channel.tell("tick", {"number": number})
    assert (len(channel.kept), channel.kept[0].data) == (KEPT, {"number": KEPT * 2})


async def test_slow_watcher_is_let_go() -> None:
    """A watcher who reads nothing holds nobody up: its queue is bounded, and it is let go once that is full."""
    channel = Channel("now")
    slow = channel.watch("", dict)
    await anext(slow)
    assert len(channel.watchers) == 1
    for number in range(BEHIND_MOST + 1):
        channel.tell("tick", {"number": number})
    read = [event async for event in slow]
    assert len(read) < BEHIND_MOST
    assert channel.watchers == set()


def test_course_stays_in_bounds() -> None:
    """A course of many hours has a bounded number of points, and says the same about the rows."""
    course = Course()
    for _ in range(POINTS_MOST * 5):
        course.add(3, 100)
    assert len(course.points) <= POINTS_MOST
    assert {point.rows for point in course.points} == {3.0}
    assert course.rate == 3


def test_course_loses_no_row_when_its_points_become_fewer() -> None:
    """The points of a course together say how many rows were settled, also after their step has doubled."""
    course = Course()
    for second in range(POINTS_MOST + 2):
        course.add(second, 100)
    assert course.step_s == 2
    assert sum(point.rows * course.step_s for point in course.points) == sum(range(POINTS_MOST + 2))
