"""Sight: what there is to see of a run, whoever carries it on: from the ledger, the wishes, and what it told last. Changes nothing."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from importer.core.errors import ImporterError, UsageError
from importer.core.lease import Held, standing
from importer.core.moments import written
from importer.core.stages import Stage
from importer.core.states import in_words
from importer.desk.desk import Desk
from importer.desk.picture import PROBLEMS_KEPT, REASON_MOST, Brief, Live, Picture, Problem, Standing, with_sent
from importer.desk.results import as_before, exit_code_of, newest, results_folder
from importer.desk.wishes import Wish, Wishes

if TYPE_CHECKING:
    from importer.flow.lease import Who
    from importer.ports import Clock, RunRecord
    from importer.wiring import Connection

SENT = ("created", "existing", "failed", "unknown", "not_sent")
REPORTS = {"results_xlsx": "results.xlsx", "results_json": "results.json", "manifest": "manifest.json"}
STATES_S = 3.0
"""So long the count of tasks by state is good: of 100,000 rows it takes a tenth of a second."""


@dataclass(frozen=True, slots=True)
class Course:
    """A run that goes on here: what it tells, and whether it was asked to rest."""

    live: Live
    is_stopping: bool


@dataclass(frozen=True, slots=True)
class Found:
    """The state of a run, what is going on, what stopped it and how to go on, and who else is at work."""

    standing: Standing
    doing: str = ""
    problem: str = ""
    fix: str = ""
    elsewhere: str = ""


@dataclass(slots=True)
class Sight:
    """See above. `blocked`: why nothing may be sent from here. The mutable state is what was counted lately."""

    desk: Desk
    connection: "Connection"
    wishes: Wishes
    clock: "Clock"
    who: "Who"
    blocked: ImporterError | None = None
    _by_state: dict[str, tuple[float, dict[str, int]]] = field(default_factory=dict)
    _settled: dict[str, dict[str, int]] = field(default_factory=dict)  # the books of runs that nothing changes any more

    def record(self, run: str) -> "RunRecord":
        """A run by its whole ID. Raises UsageError."""
        record = self.desk.book.run(run)
        if record is None or record.run != run:
            raise UsageError(f"There is no run {run}.", "See the history.")
        return record

    def picture(self, run: str, course: Course | None, past: Live | None) -> Picture:
        """A run as it is now; `course` of one that goes on here, `past` of one that did. Raises UsageError."""
        record = self.record(run)
        about, counts = record.preview.about, self.counts(run)
        live = course.live if course is not None else past or Live(self.stamp)
        unsettled, to_send = _unsettled(counts), sum(counts[name] for name in SENT)
        found, rate = self._found(record, counts, course), live.course.rate
        being_sent = self._being_sent(run, counts, course, found)
        gauge, (cap, window_s) = self.connection.gauge, self.desk.settings.rate
        return Picture(
            run=run, plan=about.plan, source=about.source, opened_at=record.opened_at,
            environment=str(record.preview.head.environment), preparer=about.preparer,
            approver=str(record.approval.who) if record.approval else "", standing=found.standing, doing=found.doing,
            wait=self._wait(live) if course is not None else "", problem=found.problem, fix=found.fix,
            elsewhere=found.elsewhere, counts=counts, being_sent=being_sent, to_send=to_send, settled=to_send - unsettled, doubt=live.doubt,
            rate=rate, calls=gauge.counted() if gauge is not None else 0, cap=cap, window_s=window_s,
            throttles=live.throttles, held_s=live.held_s,
            left_s=round(unsettled / rate) if rate > 0 and found.standing is Standing.IMPORTING else None,
            states=self._states(run), followed=live.followed if course is not None else None, audited=live.audited,
            problems=tuple(live.problems), points=tuple(live.course.points), step_s=live.course.step_s,
            deeds=self.wishes.deeds(run), reports=tuple(sorted(self.reports_of(run))),
        )  # fmt: skip

    def brief(self, record: "RunRecord", course: Course | None, past: Live | None) -> Brief:
        """The same in one line."""
        counts, live = self.counts(record.run), course.live if course is not None else past
        found = self._found(record, counts, course)
        shown = with_sent(counts, self._being_sent(record.run, counts, course, found))
        points = tuple(point.rows for point in live.course.points) if live is not None else ()
        return Brief(found.standing, shown, self._lasted_s(record, found.standing), points)

    def reports_of(self, run: str) -> dict[str, Path]:
        """The reports of a run that are there, by name: `results_xlsx`, `results_json`, `manifest`. Raises UsageError."""
        record = self.record(run)
        folder = results_folder(as_before(self.desk.settings, record), record)
        found = {name: newest(folder, file) for name, file in REPORTS.items()}
        return {name: path for name, path in found.items() if path is not None}

    async def problems(self, run: str) -> tuple[Problem, ...]:
        """The first rows of a run that did not become tasks, in file order."""
        entries = await self.desk.book.entries(run, [Stage.FAILED, Stage.UNKNOWN], -1, PROBLEMS_KEPT)
        return tuple(Problem("", each.line, each.outcome.value, each.reason[:REASON_MOST]) for each in entries)

    def counts(self, run: str) -> dict[str, int]:
        """The books of a run."""
        if run in self._settled:
            return self._settled[run]
        counts = self.desk.book.counts(run)
        if not _unsettled(counts):
            self._settled[run] = counts
        return counts

    def forget(self, run: str) -> None:
        """What was counted of a run is counted anew."""
        self._by_state.pop(run, None)

    def stamp(self) -> str:
        """The wall clock, RFC 3339, UTC."""
        return written(self.clock.now())

    def _states(self, run: str) -> dict[str, int]:
        """How many of its tasks are in each state, in words."""
        now = self.clock.monotonic()
        at, states = self._by_state.get(run, (-STATES_S, {}))
        if now - at >= STATES_S:
            states = {}
            for state, count in self.desk.book.counts_by_state(run).items():
                name = in_words(state) or "not seen yet"
                states[name] = states.get(name, 0) + count
            self._by_state[run] = now, states
        return states

    def _being_sent(self, run: str, counts: dict[str, int], course: Course | None, found: Found) -> int:
        """Rows in calls of a process that is at work; after its death they are what the books say, unknown."""
        at_work = course.live.is_sending if course is not None else bool(found.elsewhere)
        return min(self.desk.book.being_sent(run), counts["unknown"]) if at_work and counts["unknown"] else 0

    def _found(self, record: "RunRecord", counts: dict[str, int], course: Course | None) -> Found:
        if course is not None:
            doing = "calls in flight may land" if course.is_stopping else course.live.doing
            return Found(course.live.standing, doing)
        elsewhere = self._elsewhere(record.run)
        if elsewhere:
            return Found(Standing.IMPORTING, elsewhere=elsewhere)
        wish, unsettled = self.wishes.of(record.run), _unsettled(counts)
        over = Standing.WITH_ERRORS if exit_code_of(counts, None) else Standing.COMPLETED
        if not unsettled and record.state == "done" and not record.note:
            return Found(over)  # whatever was wanted here: somebody has brought it to its end
        return self._wished(record, wish, over, unsettled) or Found(over, problem=record.note)

    def _wished(self, record: "RunRecord", wish: Wish | None, over: Standing, unsettled: int) -> Found | None:
        """How a run rests that is not at its end, or was followed no further."""
        run = record.run
        match wish:
            case Wish(kind="paused", who=who, at=at):
                return Found(Standing.PAUSED, "", f"Paused by {who} at {at}.", "Resume goes on where it was.")
            case Wish(kind="stopped", who=who, at=at):
                rest = f"{unsettled:,} rows are not sent." if unsettled else "Its tasks are not followed any more."
                fix = f"Resume goes on, here or with importer {'resume' if unsettled else 'track'} {run}."
                return Found(Standing.STOPPED if unsettled else over, "", f"Stopped by {who} at {at}. {rest}", fix)
            case Wish(kind="halted", problem=problem, fix=fix):
                return Found(Standing.FAILED, "", problem, fix)
            case Wish(kind="running") if self.blocked is not None:
                return Found(Standing.WAITING, "", str(self.blocked), self.blocked.fix)
            case _ if unsettled or record.state != "done":
                fix = f"Resume goes on, here or with importer resume {run}."
                return Found(Standing.UNFINISHED, "", record.note or "Nobody carries it on.", fix)
            case _:
                return None

    def _elsewhere(self, run: str) -> str:
        """Another program that sends the run's rows now; a blank where none does."""
        lease = self.desk.book.lease(run)
        if lease is None or lease.holder == self.who.me:
            return ""
        now, gone = self.clock.monotonic(), self.who.is_gone(lease.holder)
        at_work = isinstance(standing(lease, self.who.me, now, 0.0, gone=gone), Held)
        return f"{lease.holder} on this machine" if at_work else ""

    def _wait(self, live: Live) -> str:
        held_s = self.connection.gauge.held_s() if self.connection.gauge is not None else 0.0
        if held_s >= 0.5 and not live.wait:
            return f"The target asked for a pause (429): nobody calls for {held_s:.0f} s."
        return live.wait

    def _lasted_s(self, record: "RunRecord", found: Standing) -> int | None:
        """From its opening to its rest, or until now; None where the end is not known here."""
        wish = self.wishes.of(record.run)
        if found.is_going_on:
            end = self.clock.now()
        elif wish is not None and wish.kind != "running":
            end = datetime.fromisoformat(wish.at)
        else:
            return None
        return max(round((end - datetime.fromisoformat(record.opened_at)).total_seconds()), 0)


def _unsettled(counts: dict[str, int]) -> int:
    """Rows that are not sent, or whose outcome is not known."""
    return counts["not_sent"] + counts["unknown"]
