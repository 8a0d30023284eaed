"""The cap on calls, counted as a server counts: one moment a call, somewhere between its start and its end."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.errors import TargetDown
from importer.targets.pace import LOST_AFTER_S, WAIT_MOST_S, CallLog, Rate, SharedPace
from tests.clocks import HandClock

RATE = Rate(5, 10.0)


@contextmanager
def call_log(path: Path, rate: Rate = RATE, client: str = "me") -> Iterator[CallLog]:
    """A call log that is closed at the end."""
    log = CallLog(path, client, rate)
    try:
        yield log
    finally:
        log.close()


def most_in_a_window(moments: list[float], window_s: float) -> int:
    """The largest number of moments in any half-open window, as the strictest server counts."""
    ordered = sorted(moments)
    return max(
        (sum(start <= each < start + window_s for each in ordered[i:]) for i, start in enumerate(ordered)), default=0
    )


Calls = st.lists(
    st.tuples(
        st.floats(0, 20),  # how long after the last one it is asked for
        st.floats(0, 15),  # how long it takes
        st.floats(0, 1),  # at which part of that the server counts it
        st.sampled_from(("one", "other")),  # by which process
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(calls=Calls, cap=st.integers(1, 6), window_s=st.floats(0.5, 12))
def test_pace_holds_the_cap_in_every_window(
    calls: list[tuple[float, float, float, str]], cap: int, window_s: float
) -> None:
    """No window ever holds more calls than the cap, whenever within a call the server counts it, for two processes."""
    clock = HandClock()
    rate = Rate(cap, window_s)
    counted: list[float] = []

    async def call(pace: SharedPace, takes_s: float, part: float) -> None:
        async with pace.slot():
            began = clock.monotonic()
            await clock.sleep(takes_s)
            counted.append(began + takes_s * part)

    async def day(folder: Path) -> None:
        with call_log(folder / "pace.sqlite", rate) as one, call_log(folder / "pace.sqlite", rate) as other:
            paces = {"one": SharedPace(one, rate, clock), "other": SharedPace(other, rate, clock)}
            async with asyncio.TaskGroup() as group:
                for pause_s, takes_s, part, who in calls:
                    await clock.sleep(pause_s)
                    group.create_task(call(paces[who], takes_s, part))

    with TemporaryDirectory() as folder:
        clock.run(day(Path(folder)))
    assert len(counted) == len(calls)
    assert most_in_a_window(counted, window_s - 1e-5) <= cap


def test_pace_uses_the_cap(tmp_path: Path) -> None:
    """Where calls wait, at least 97 % of the cap is used."""
    clock = HandClock()
    rate = Rate(300, 60.0)

    async def rush() -> int:
        with call_log(tmp_path / "pace.sqlite", rate) as log:
            pace = SharedPace(log, rate, clock)
            made = count()

            async def work() -> None:
                while clock.monotonic() < 600:
                    async with pace.slot():
                        next(made)
                        await clock.sleep(0.1)

            async with asyncio.TaskGroup() as group:
                for _ in range(8):
                    group.create_task(work())
            return next(made)

    assert clock.run(rush()) >= 0.97 * 300 * 10


def test_pace_spaces_calls_after_a_burst_of_four(tmp_path: Path) -> None:
    """At the start four calls go at once, the fifth after its share of the window."""
    clock = HandClock()

    async def start() -> list[float]:
        with call_log(tmp_path / "pace.sqlite", Rate(60, 60.0)) as log:
            pace = SharedPace(log, Rate(60, 60.0), clock)
            began = []
            for _ in range(6):
                async with pace.slot():
                    began.append(clock.monotonic())
            return began

    assert clock.run(start()) == pytest.approx([0, 0, 0, 0, 1, 2], abs=0.1)


def test_pace_counts_calls_of_two_logs_on_one_file_together(tmp_path: Path) -> None:
    """What one process calls is taken from what the other may call."""
    with call_log(tmp_path / "pace.sqlite") as one, call_log(tmp_path / "pace.sqlite") as other:
        assert all(one.admit(100.0)[0] for _ in range(3))
        assert all(other.admit(100.0)[0] for _ in range(2))
        assert one.admit(100.0)[0] == 0
        assert other.admit(100.0)[0] == 0


def test_pace_counts_clients_apart(tmp_path: Path) -> None:
    """Another OAuth client has a cap of its own."""
    with call_log(tmp_path / "pace.sqlite") as mine, call_log(tmp_path / "pace.sqlite", client="other") as others:
        assert all(mine.admit(100.0)[0] for _ in range(5))
        others_first, _ = others.admit(100.0)
        assert others_first


def test_pace_tells_how_it_stands(tmp_path: Path) -> None:
    """Who watches reads the calls that count now, also where nothing was called since, and how long nobody calls after a 429."""
    clock = HandClock()
    with call_log(tmp_path / "pace.sqlite") as log:
        pace = SharedPace(log, RATE, clock)
        for _ in range(3):
            log.ended(log.admit(clock.monotonic())[0], clock.monotonic())
        assert (pace.counted(), pace.held_s(), pace.throttles) == (3, 0.0, 0)
        pace.throttled(4.0)
        assert 4.0 <= pace.held_s() <= 4.4
        assert pace.throttles == 1
        clock.turn(RATE.window_s + 0.1)
        assert (pace.counted(), pace.held_s()) == (0, 0.0)


def test_pace_remembers_calls_over_a_restart(tmp_path: Path) -> None:
    """Calls of a process that ended count until their window is over."""
    with call_log(tmp_path / "pace.sqlite") as log:
        for _ in range(5):
            log.ended(log.admit(100.0)[0], 101.0)
    with call_log(tmp_path / "pace.sqlite") as log:
        assert log.admit(110.5)[0] == 0
        assert log.admit(111.1)[0] > 0


def test_pace_counts_a_call_in_flight_however_long_it_takes(tmp_path: Path) -> None:
    """A call that is not answered counts beyond the window in which it began."""
    with call_log(tmp_path / "pace.sqlite") as log:
        assert all(log.admit(100.0)[0] for _ in range(5))
        assert log.admit(150.0)[0] == 0


def test_pace_buries_a_call_that_is_lost(tmp_path: Path) -> None:
    """A call that began long ago has ended; its window runs from the moment in which that is noticed."""
    with call_log(tmp_path / "pace.sqlite") as log:
        assert all(log.admit(100.0)[0] for _ in range(5))
        later = 100.0 + LOST_AFTER_S + 1
        assert log.admit(later)[0] == 0
        assert log.admit(later + RATE.window_s + 0.01)[0] > 0


def test_pace_keeps_a_buried_call_apart_from_later_ones(tmp_path: Path) -> None:
    """The late end of a call that was given up for lost does not end another call."""
    with call_log(tmp_path / "pace.sqlite", Rate(1, 10.0)) as log:
        lost, _ = log.admit(100.0)
        log.admit(300.0)
        later, _ = log.admit(311.0)
        log.ended(lost, 311.0)
        assert later not in (0, lost)
        assert log.admit(330.0)[0] == 0


def test_pace_ends_the_calls_of_a_process_that_died(tmp_path: Path) -> None:
    """Calls in flight of a dead process count one window from when its death is noticed, not for ever."""
    path = tmp_path / "pace.sqlite"
    script = (
        "import sys; from pathlib import Path; from importer.targets.pace import CallLog, Rate\n"
        "log = CallLog(Path(sys.argv[1]), 'me', Rate(5, 10.0))\n"
        "print([log.admit(100.0)[0] for _ in range(5)])"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, capture_output=True, timeout=30)
    with call_log(path) as log:
        assert log.admit(101.0)[0] == 0
        assert log.admit(110.9)[0] == 0
        assert log.admit(111.1)[0] > 0


def test_pace_does_not_count_a_call_that_was_never_made(tmp_path: Path) -> None:
    """A slot given back unused leaves its place to another call."""
    clock = HandClock()

    async def day() -> int:
        with call_log(tmp_path / "pace.sqlite") as log:
            pace = SharedPace(log, RATE, clock)
            async with pace.slot() as slot:
                slot.unused()
            return log.counted()

    assert clock.run(day()) == 0


def test_pace_ends_the_call_of_a_body_that_fails(tmp_path: Path) -> None:
    """A call whose work raises still ends, and counts for one window."""
    clock = HandClock()

    async def day() -> float:
        with call_log(tmp_path / "pace.sqlite", Rate(1, 10.0)) as log:
            pace = SharedPace(log, Rate(1, 10.0), clock)
            with pytest.raises(ValueError, match="broken"):
                async with pace.slot():
                    raise ValueError("broken")
            async with pace.slot():
                return clock.monotonic()

    assert clock.run(day()) == pytest.approx(10.0, abs=0.1)


def test_pace_closes_the_gate_for_everyone(tmp_path: Path) -> None:
    """After a 429 no call begins before the time asked for, in this process or in another."""
    clock = HandClock()

    async def day() -> list[float]:
        with call_log(tmp_path / "pace.sqlite") as one, call_log(tmp_path / "pace.sqlite") as other:
            paces = [SharedPace(one, RATE, clock), SharedPace(other, RATE, clock)]
            paces[0].throttled(30.0)
            began = []
            for pace in reversed(paces):  # the other one first: later it would be no wonder
                async with pace.slot():
                    began.append(clock.monotonic())
            return began

    assert all(30.0 <= each <= 33.1 for each in clock.run(day()))


def test_pace_never_opens_a_gate_early(tmp_path: Path) -> None:
    """A shorter wait asked for later does not cut a longer one."""
    clock = HandClock()

    async def day() -> float:
        with call_log(tmp_path / "pace.sqlite") as log:
            pace = SharedPace(log, RATE, clock)
            pace.throttled(30.0)
            pace.throttled(1.0)
            pace.told(300, 300, 2.0)
            async with pace.slot():
                return clock.monotonic()

    assert clock.run(day()) >= 30.0


def test_pace_gate_of_another_process_is_not_opened_early(tmp_path: Path) -> None:
    """A shorter wait that another process was told does not cut a longer one, for whoever starts later either."""
    path = tmp_path / "pace.sqlite"
    with call_log(path) as one, call_log(path) as other:
        one.shut(130.0)
        other.shut(101.0)
        with call_log(path) as third:
            assert third.gate() == 130.0


def test_pace_spreads_returns_after_a_429(tmp_path: Path) -> None:
    """The wait is lengthened by up to a tenth, by chance, so that not all processes return at one instant."""
    clock = HandClock()
    gates = set()
    for number in range(20):
        with call_log(tmp_path / f"{number}.sqlite") as log:
            SharedPace(log, RATE, clock).throttled(100.0)
            gates.add(log.gate() - clock.monotonic())
    assert all(100.0 <= each <= 110.01 for each in gates)
    assert max(gates) - min(gates) > 1


@pytest.mark.parametrize("wait_s", [301.0, 3600.0])
def test_pace_does_not_sit_a_long_wait_out(tmp_path: Path, wait_s: float) -> None:
    """A wait beyond the longest stops the run and says how long, now and at every start before its end."""
    clock = HandClock()

    async def call(log: CallLog) -> None:
        async with SharedPace(log, RATE, clock).slot():
            pass

    with call_log(tmp_path / "pace.sqlite") as log:
        with pytest.raises(TargetDown, match=f"{wait_s / 60:.0f} minutes"):
            SharedPace(log, RATE, clock).throttled(wait_s)
        if wait_s > 330:
            with pytest.raises(TargetDown, match="minutes"):
                clock.run(call(log))
            assert clock.monotonic() < 0.1
        clock.turn(wait_s)
        clock.run(call(log))
        assert clock.monotonic() == pytest.approx(wait_s, abs=1)


def test_pace_forgets_an_absurd_wait_after_a_day(tmp_path: Path) -> None:
    """A server that asks to wait for ages does not stop the importer for ever."""
    clock = HandClock()
    with call_log(tmp_path / "pace.sqlite") as log:
        with pytest.raises(TargetDown):
            SharedPace(log, RATE, clock).throttled(1e60)
        assert log.gate() <= clock.monotonic() + WAIT_MOST_S


@pytest.mark.parametrize(
    ("allowed", "counted", "reset_s", "waits"),
    [
        (300, 299, 20.0, False),  # there is room
        (300, 300, 20.0, True),  # someone else used it up
        (300, 400, 20.0, True),
        (300, 300, 0.0, False),
        (300, 300, -5.0, False),
        (300, 300, 1e9, False),  # no window is that long: ignored
        (300, 300, float("nan"), False),
        (10_000, 0, 60.0, False),  # more than our cap never speeds us up
    ],
)
def test_pace_is_only_slowed_by_what_it_is_told(
    tmp_path: Path, allowed: int, counted: int, reset_s: float, *, waits: bool
) -> None:
    """Rate headers close the gate where the server's window is full, and otherwise change nothing."""
    clock = HandClock()
    with call_log(tmp_path / "pace.sqlite") as log:
        pace = SharedPace(log, RATE, clock)
        pace.told(allowed, counted, reset_s)
        assert (log.admit(clock.monotonic())[1] > 0) == waits
        taken = sum(log.admit(clock.monotonic())[0] > 0 for _ in range(20))
        assert taken == (0 if waits else RATE.calls - 1)


def test_pace_ignores_a_full_window_that_is_its_own(tmp_path: Path) -> None:
    """A count that our own calls explain does not close the gate: the log paces them already."""
    clock = HandClock()
    with call_log(tmp_path / "pace.sqlite") as log:
        for _ in range(5):
            log.admit(clock.now().timestamp())
        SharedPace(log, RATE, clock).told(5, 5, 8.0)
        assert log.gate() == 0


@pytest.mark.parametrize("jump_s", [-86_400.0, -3_600.0, -11.0, 11.0, 3_600.0, 86_400.0, 400_000_000.0])
def test_pace_is_not_moved_by_a_clock_that_is_set(tmp_path: Path, jump_s: float) -> None:
    """A wall clock that is set, by seconds or beyond 2038, makes no room for a call and nobody wait longer; another process neither."""
    clock = HandClock()

    async def day() -> list[float]:
        began: list[float] = []
        with call_log(tmp_path / "pace.sqlite") as one, call_log(tmp_path / "pace.sqlite") as other:
            pace = SharedPace(one, RATE, clock)
            for _ in range(5):
                async with pace.slot():
                    began.append(clock.monotonic())
            clock.set_by(jump_s)
            for each in (pace, SharedPace(other, RATE, clock)):
                for _ in range(3):
                    async with each.slot():
                        began.append(clock.monotonic())
        return began

    began = clock.run(day())
    assert most_in_a_window(began, RATE.window_s - 1e-5) <= RATE.calls
    assert clock.monotonic() <= 3 * RATE.window_s + 1


def test_pace_reads_times_of_another_clock_as_a_full_window_at_most(tmp_path: Path) -> None:
    """Calls whose times lie far ahead, as of an earlier start or an older version, cost one window and no more."""
    with call_log(tmp_path / "pace.sqlite") as log:
        for _ in range(5):
            log.ended(log.admit(1_800_000_000.0)[0], 1_800_000_000.0)
        number, wait_s = log.admit(100.0)
        assert number == 0
        assert wait_s <= RATE.window_s + 1
        assert log.admit(100.0 + wait_s)[0] > 0


@contextmanager
def after_start(path: Path, boot: str) -> Iterator[CallLog]:
    """A call log on a system that was started as `boot`."""
    log = CallLog(path, "me", RATE, boot)
    try:
        yield log
    finally:
        log.close()


@pytest.mark.parametrize("jump_s", [-3_600.0, 3_600.0])
def test_pace_keeps_its_gate_shut_when_the_clock_is_set(tmp_path: Path, jump_s: float) -> None:
    """What a 429 asked for is waited out, no more and no less, also by a process that starts after the clock was set."""
    clock = HandClock()
    path = tmp_path / "pace.sqlite"

    async def waited_s() -> float:
        with after_start(path, "one") as log:
            SharedPace(log, RATE, clock).throttled(30.0)
        clock.set_by(jump_s)
        with after_start(path, "one") as log:
            async with SharedPace(log, RATE, clock).slot():
                return clock.monotonic()

    assert 30.0 <= clock.run(waited_s()) <= 34.0


def test_pace_keeps_its_gate_over_a_start_of_the_system(tmp_path: Path) -> None:
    """After another start of the system, whose seconds begin anew, a gate counts by the wall clock."""
    before, after = HandClock(), HandClock()
    path = tmp_path / "pace.sqlite"
    before.turn(500_000)
    with after_start(path, "one") as log:
        SharedPace(log, RATE, before).throttled(200.0)
    after.set_by(500_000 + 50)  # so long the system took to start
    with after_start(path, "two") as log:
        SharedPace(log, RATE, after)
        assert 150.0 <= log.gate() - after.monotonic() <= 170.1


def test_pace_makes_a_file_anew_that_cannot_be_read(tmp_path: Path) -> None:
    """A file that is no call log, or a broken one, is replaced by an empty one of mode 0600."""
    path = tmp_path / "pace.sqlite"
    path.write_bytes(b"no database at all" * 100)
    path.chmod(0o600)
    before = os.umask(0)
    try:
        with call_log(path) as log:
            assert log.admit(100.0)[0] == 0  # what was called before is not known: a full window
            assert log.admit(200.0)[0] > 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_pace_makes_a_file_anew_whose_pages_are_broken(tmp_path: Path) -> None:
    """Damage beyond the file's first page is noticed when it is opened, not in the middle of a run."""
    path = tmp_path / "pace.sqlite"
    with call_log(path) as log:
        log.ended(log.admit(datetime.now(UTC).timestamp())[0], datetime.now(UTC).timestamp())
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))
    with call_log(path) as log:
        assert log.counted() == 0
        assert log.admit(100.0)[0] == 0
        assert log.admit(200.0)[0] > 0


def test_pace_counts_a_full_window_after_another_start_of_the_system(tmp_path: Path) -> None:
    """Calls that a power loss may have taken from the file count: the first window after another start is full."""
    path = tmp_path / "pace.sqlite"
    rate = Rate(3, 60.0)
    for boot, moment, admitted in (("one", 0.0, True), ("one", 100.0, True), ("two", 200.0, False)):
        log = CallLog(path, "me", rate, boot)
        assert (log.admit(moment)[0] > 0) is admitted
        if not admitted:
            assert log.admit(moment + 59.0)[0] == 0
            assert log.admit(moment + 60.1)[0] > 0
        log.close()


def test_pace_leaves_a_busy_file_alone(tmp_path: Path) -> None:
    """A file that another process is writing to is waited for, never replaced."""
    path = tmp_path / "pace.sqlite"
    with call_log(path) as log:
        log.admit(100.0)
    inode = path.stat().st_ino
    script = (
        "import sys; from pathlib import Path; from importer.targets.pace import CallLog, Rate\n"
        "for n in range(20):\n"
        "    log = CallLog(Path(sys.argv[1]), 'me', Rate(1000, 60.0)); log.admit(100.0); log.close()"
    )
    children = [subprocess.Popen([sys.executable, "-c", script, str(path)]) for _ in range(4)]
    assert [child.wait(60) for child in children] == [0] * 4
    assert path.stat().st_ino == inode
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM calls").fetchone()[0] == 81
    connection.close()


def test_pace_file_is_private(tmp_path: Path) -> None:
    """The file has mode 0600 and its new folders 0700, whatever the umask."""
    before = os.umask(0)
    try:
        with call_log(tmp_path / "state" / "deep" / "pace.sqlite") as log:
            log.admit(100.0)
            files = list((tmp_path / "state" / "deep").iterdir())
            assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
    finally:
        os.umask(before)
    for folder in (tmp_path / "state", tmp_path / "state" / "deep"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_pace_after_a_start_of_the_system_is_not_forgotten_by_who_makes_no_call(tmp_path: Path) -> None:
    """The full window after another start of the system is left to the first that calls, whoever opened the record before."""
    path, rate = tmp_path / "pace.sqlite", Rate(2, 60.0)
    for boot, calls, admitted in (("one", True, True), ("two", False, True), ("two", True, False)):
        log = CallLog(path, "me", rate, boot)
        if calls:
            assert bool(log.admit(100.0)[0]) is admitted
        log.close()
