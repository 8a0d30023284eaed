"""Pace: the cap on calls, shared by all processes of one OAuth client on this machine and kept over a restart.

Two things together reach the whole cap without a 429 (performance.md, section 5): an aiolimiter spaces calls, with a
burst of 4; and a log admits at most *cap* calls that are in flight or were answered less than a window ago. The server
counted each of those before its answer arrived, so no delay can put one call too many into any window.
"""

import asyncio
import logging
import os
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from aiolimiter import AsyncLimiter

from importer.core.errors import LedgerError, LongWait
from importer.folders import private_file, private_folder
from importer.ports import Clock

log = logging.getLogger(__name__)

BURST = 4
LOST_AFTER_S = 120.0
"""A call that began so long ago has ended, whatever became of its process."""
POLL_S = 0.02
MARGIN_S = 0.002
JITTER = 0.1
WAIT_MOST_S = 86_400.0
"""A target that asks to wait longer is asked again after a day."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY AUTOINCREMENT, client TEXT NOT NULL, process INTEGER NOT NULL, began REAL NOT NULL, ended REAL
);
CREATE INDEX IF NOT EXISTS calls_by_end ON calls (client, ended);
CREATE TABLE IF NOT EXISTS closings (
    client TEXT PRIMARY KEY, until REAL NOT NULL, wall REAL NOT NULL, boot TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS boots (client TEXT PRIMARY KEY, boot TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `calls` in any `window_s` seconds."""

    calls: int
    window_s: float

    def __str__(self) -> str:
        return f"{self.calls}/{self.window_s:g}s"


class Processes:
    """The machine's processes: which one this is, and which are alive."""

    def __init__(self) -> None:
        self.own = os.getpid()

    def alive(self, process: int) -> bool:
        """Whether it is still there; a process of someone else's counts as well."""
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True
        return True


class CallLog:
    """The calls of one OAuth client in a small SQLite file: short locked transactions, no fsync.

    Times are seconds of the clock that never goes back and is alike in all processes since the system's start: whoever sets
    the wall clock opens no gate and makes no room. A gate also has its wall-clock time, for the next start of the system.
    A file that cannot be read is made anew. Then, and after another start of the system (a power loss may have taken calls from the
    file), whatever was called before counts as a full window of the cap.
    """

    def __init__(self, path: Path, client: str, rate: Rate, boot: str = "", processes: Processes | None = None) -> None:
        self._processes = processes or Processes()
        self._path = path
        self._client = client
        self._rate = rate
        self._boot = boot
        self._unclean = False
        self._shut_until = 0.0  # a gate that holds even where the file could not be told of it
        try:
            private_folder(path.parent)
            self._begin(path)
        except (OSError, sqlite3.Error) as problem:
            raise self._unusable(problem) from problem

    def _begin(self, path: Path) -> None:
        try:
            self._connection = self._open(path)
        except sqlite3.OperationalError:
            raise  # busy or out of reach, but not broken: other processes count in it
        except sqlite3.DatabaseError:
            for each in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
                each.unlink(missing_ok=True)
            self._connection = self._open(path)
            self._unclean = True
        if self._boot:
            known = self._connection.execute("SELECT boot FROM boots WHERE client = ?", (self._client,)).fetchone()
            self._unclean = self._unclean or (known is not None and known[0] != self._boot)
            if known is None:
                self._know_boot()

    def _know_boot(self) -> None:
        self._connection.execute("INSERT OR REPLACE INTO boots VALUES (?, ?)", (self._client, self._boot))

    def _unusable(self, problem: sqlite3.Error | OSError) -> LedgerError:
        return LedgerError(
            f"The record of calls {self._path} cannot be kept: {problem}.",
            "Nothing more is sent, for the cap could not be kept. Check the disk, its space and the limit of open files"
            " (ulimit -n), then run importer resume.",
        )

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        private_file(path)
        connection = sqlite3.connect(path, timeout=10.0, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("malformed")
            connection.executescript(SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def admit(self, now: float) -> tuple[int, float]:
        """The number of an admitted call and 0; or 0 and the seconds to wait before asking again.

        Raises LedgerError where the call cannot be recorded. Nothing else here does: what is told after a call must
        not take its answer away.
        """
        try:
            return self._admitted(now)
        except sqlite3.Error as problem:
            raise self._unusable(problem) from problem

    def _admitted(self, now: float) -> tuple[int, float]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._fill(now)
            wait = self._wait(now)
            if wait > 0:
                return 0, wait
            cursor = self._connection.execute(
                "INSERT INTO calls (client, process, began) VALUES (?, ?, ?)", (self._client, self._processes.own, now)
            )
            return cursor.lastrowid or 0, 0.0
        finally:
            self._connection.execute("COMMIT")

    def _fill(self, now: float) -> None:
        """After an unclean stop: as if a whole window's calls had ended just now."""
        if self._unclean:
            self._unclean = False
            ended = [(self._client, 0, now, now)] * self._rate.calls
            self._connection.executemany("INSERT INTO calls (client, process, began, ended) VALUES (?, ?, ?, ?)", ended)
            if self._boot:
                self._know_boot()  # not before: who ends without a call leaves the window to the next one

    def _wait(self, now: float) -> float:
        gate = self.gate()
        if gate > now:
            return gate - now
        window_s = self._rate.window_s
        # After another start the clock begins anew: what ended in its future ends now.
        self._connection.execute(
            "UPDATE calls SET ended = ? WHERE client = ? AND ended > ?", (now, self._client, now + window_s)
        )
        self._connection.execute("DELETE FROM calls WHERE client = ? AND ended <= ?", (self._client, now - window_s))
        counting = self._counting()
        if counting < self._rate.calls:
            return 0.0
        if self._bury(now):
            counting = self._counting()
            if counting < self._rate.calls:
                return 0.0
        oldest = self._connection.execute("SELECT min(ended) FROM calls WHERE client = ?", (self._client,)).fetchone()[
            0
        ]
        if oldest is None:
            return POLL_S
        return float(min(max(oldest + window_s - now, 0.0), window_s)) + MARGIN_S

    def _counting(self) -> int:
        query = "SELECT count(*) FROM calls WHERE client = ?"
        return int(self._connection.execute(query, (self._client,)).fetchone()[0])

    def _bury(self, now: float) -> bool:
        """Calls of processes that died end now: the server may have counted them until then."""
        open_calls = "SELECT id, process, began FROM calls WHERE client = ? AND ended IS NULL"
        rows = self._connection.execute(open_calls, (self._client,)).fetchall()
        dead = [
            number
            for number, process, began in rows
            if now - began > LOST_AFTER_S or not self._processes.alive(process)
        ]
        self._connection.executemany("UPDATE calls SET ended = ? WHERE id = ?", [(now, number) for number in dead])
        return bool(dead)

    def ended(self, number: int, now: float) -> None:
        """The call was answered, or given up."""
        self._note("UPDATE calls SET ended = ? WHERE id = ?", (now, number))

    def unused(self, number: int) -> None:
        """The call was never made."""
        self._note("DELETE FROM calls WHERE id = ?", (number,))

    def counted(self) -> int:
        """How many calls of ours count in this window."""
        return self._counting()

    def counted_at(self, now: float) -> int:
        """The same at a moment, without those that only wait to be forgotten."""
        query = "SELECT count(*) FROM calls WHERE client = ? AND (ended IS NULL OR ended > ?)"
        return int(self._connection.execute(query, (self._client, now - self._rate.window_s)).fetchone()[0])

    def gate(self) -> float:
        """Nobody calls before this moment."""
        gate = self._connection.execute("SELECT until FROM closings WHERE client = ?", (self._client,)).fetchone()
        return max(float(gate[0]) if gate else 0.0, self._shut_until)

    def shut(self, until: float, wall: float = 0.0) -> None:
        """Nobody calls before this moment, which is `wall` on the wall clock, at the least."""
        self._shut_until = max(self._shut_until, until)
        self._note(
            "INSERT INTO closings VALUES (?, ?, ?, ?) ON CONFLICT (client) DO UPDATE "
            "SET until = max(until, excluded.until), wall = max(wall, excluded.wall), boot = excluded.boot",
            (self._client, until, wall, self._boot),
        )

    def carry_over(self, now: float, wall: float) -> None:
        """A gate of an earlier start of the system, whose seconds say nothing now, counts by the wall clock."""
        self._note(
            "UPDATE closings SET until = ? + max(wall - ?, 0), boot = ? WHERE client = ? AND (boot != ? OR boot = '')",
            (now, wall, self._boot, self._client, self._boot),
        )

    def _note(self, statement: str, values: tuple[object, ...]) -> None:
        """Records what has happened already. Where it cannot be, the call counts as one in flight, and no next one is admitted."""
        try:
            self._connection.execute(statement, values)
        except sqlite3.Error as problem:
            log.warning("pace not recorded", extra={"problem": str(problem)})


class SharedPace:
    """See ports.Pace and ports.Gauge. The mutable state is the call log's file, the limiter's level, and the order of waiters."""

    def __init__(
        self,
        log: CallLog,
        rate: Rate,
        clock: Clock,
        longest_wait_s: float = 300.0,
        chance: random.Random | None = None,
    ) -> None:
        self._log = log
        self._clock = clock
        self._longest_wait_s = longest_wait_s
        self._chance = chance or random.Random()
        burst = min(BURST, rate.calls)
        self._spacing = AsyncLimiter(burst, burst * rate.window_s / rate.calls)
        self._turn = asyncio.Lock()  # waiters go in the order in which they came
        self.throttles = 0
        log.carry_over(self._now(), clock.now().timestamp())

    @asynccontextmanager
    async def slot(self) -> AsyncIterator["GrantedSlot"]:
        slot = GrantedSlot(await self._granted())
        try:
            yield slot
        finally:
            if slot.used:
                self._log.ended(slot.number, self._now())
            else:
                self._log.unused(slot.number)

    async def _granted(self) -> int:
        async with self._turn:
            await self._spacing.acquire()
            while True:
                number, wait_s = self._log.admit(self._now())
                if number:
                    return number
                if wait_s > self._longest_wait_s * (1 + JITTER) and self._log.gate() > self._now():
                    raise self._long_wait(wait_s)
                await self._clock.sleep(wait_s)

    def counted(self) -> int:
        return self._log.counted_at(self._now())

    def held_s(self) -> float:
        return max(self._log.gate() - self._now(), 0.0)

    def throttled(self, wait_s: float) -> None:
        self.throttles += 1
        if wait_s > self._longest_wait_s:
            wait_s = min(wait_s, WAIT_MOST_S)
            self._shut(wait_s)
            raise self._long_wait(wait_s)
        self._shut(wait_s * (1 + JITTER * self._chance.random()))

    def told(self, allowed: int, count: int, reset_s: float) -> None:
        # Only calls that are not in our own log can make the server's count larger than ours: someone else uses the
        # limit too. Our own calls are paced by the log already; obeying the header for them would waste the window.
        if count >= allowed and count > self._log.counted() and 0 < reset_s <= self._longest_wait_s:
            self._shut(reset_s)

    def _shut(self, wait_s: float) -> None:
        self._log.shut(self._now() + wait_s, self._clock.now().timestamp() + wait_s)

    def _long_wait(self, wait_s: float) -> LongWait:
        until = self._clock.now() + timedelta(seconds=wait_s)
        return LongWait(
            f"The target asks to wait until {until:%Y-%m-%d %H:%M:%S} UTC ({wait_s / 60:.0f} minutes).",
            "Nothing is lost. Run importer resume after that time.",
        )

    def _now(self) -> float:
        return self._clock.monotonic()


class GrantedSlot:
    """See ports.Slot."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.used = True

    def unused(self) -> None:
        self.used = False
