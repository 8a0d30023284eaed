"""Picture: what there is to see of one run at one moment, as plain values, and the numbers that a run tells while it goes on."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from importer.core.approval import Person

PROBLEMS_KEPT = 20
REASON_MOST = 300
"""Characters of a problem that are kept for the screen; the ledger has all of it."""
POINTS_MOST = 600
RECENT = 10
"""So many of the last points make up the rate."""


class Standing(StrEnum):
    """The state of a run in a word that people know."""

    WAITING = "waiting"
    IMPORTING = "importing"
    TRACKING = "tracking"
    PAUSED = "paused"
    STOPPED = "stopped"
    UNFINISHED = "unfinished"
    FAILED = "failed"
    COMPLETED = "completed"
    WITH_ERRORS = "completed with errors"

    @property
    def words(self) -> str:
        """As people read it: `Completed with errors`."""
        return self.value.capitalize()

    @property
    def icon(self) -> str:
        """A sign beside the word."""
        return ICONS[self]

    @property
    def tone(self) -> str:
        """The class of its colour: good, look, bad or calm."""
        return TONES[self]

    @property
    def is_going_on(self) -> bool:
        """Whether somebody carries the run on."""
        return self in (Standing.WAITING, Standing.IMPORTING, Standing.TRACKING)


ICONS = {
    Standing.WAITING: "…", Standing.IMPORTING: "▶", Standing.TRACKING: "▶", Standing.PAUSED: "‖", Standing.STOPPED: "■",
    Standing.UNFINISHED: "▲", Standing.FAILED: "✖", Standing.COMPLETED: "✔", Standing.WITH_ERRORS: "▲",
}  # fmt: skip
TONES = {
    Standing.WAITING: "calm", Standing.IMPORTING: "calm", Standing.TRACKING: "calm", Standing.PAUSED: "look",
    Standing.STOPPED: "look", Standing.UNFINISHED: "look", Standing.FAILED: "bad", Standing.COMPLETED: "good",
    Standing.WITH_ERRORS: "look",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that did not become a task, or what held the run up."""

    at: str  # RFC 3339, UTC
    line: int | None
    outcome: str  # "failed", "unknown"; a blank for what is about no row
    text: str

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {"at": self.at, "line": self.line, "outcome": self.outcome, "text": self.text}


@dataclass(frozen=True, slots=True)
class Deed:
    """Who did what to a run, and when."""

    what: str  # "started", "paused", "resumed", "stopped"
    who: Person
    at: str  # RFC 3339, UTC


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a run's course."""

    second: float  # since the first point
    rows: float  # settled a second
    calls: int  # that counted in the cap's window then


@dataclass(slots=True)
class Course:
    """Rows settled a second, since a run goes on here: at most POINTS_MOST points, whose step doubles when they are too many."""

    step_s: int = 1
    points: list[Point] = field(default_factory=list)
    _second: int = 0
    _rows: int = 0
    _seconds: int = 0
    _recent: deque[int] = field(default_factory=lambda: deque(maxlen=RECENT))

    def add(self, rows: int, calls: int) -> None:
        """One more second, in which so many rows were settled."""
        self._recent.append(rows)
        self._rows += rows
        self._seconds += 1
        self._second += 1
        if self._seconds >= self.step_s:
            self.points.append(Point(self._second, self._rows / self._seconds, calls))
            self._rows = self._seconds = 0
        if len(self.points) >= POINTS_MOST:  # an even number: each has its pair
            self._halve()

    @property
    def rate(self) -> float:
        """Rows a second, over the last seconds."""
        return sum(self._recent) / len(self._recent) if self._recent else 0.0

    def _halve(self) -> None:
        pairs = zip(self.points[::2], self.points[1::2], strict=False)
        self.points = [Point(b.second, (a.rows + b.rows) / 2, max(a.calls, b.calls)) for a, b in pairs]
        self.step_s *= 2


@dataclass(slots=True)
class Live:
    """See ports.Progress. What a run that goes on here told last; `now` gives the wall clock, RFC 3339, UTC."""

    now: Any
    standing: Standing = Standing.WAITING
    doing: str = ""  # in words, where the state alone does not tell
    wait: str = ""  # why nothing happens at the moment
    states: dict[str, int] = field(default_factory=dict)
    followed: int | None = None  # tasks that are still followed
    audited: tuple[int, int] | None = None  # done, of how many
    is_sending: bool = False  # rows may be in a call of this process
    doubt: int = 0
    settled: int = 0
    problems: deque[Problem] = field(default_factory=lambda: deque(maxlen=PROBLEMS_KEPT))
    told: int = 0  # problems, ever
    course: Course = field(default_factory=Course)
    throttles: int = 0  # answers of 429 while it went on here
    held_s: int = 0  # seconds in which nobody called because of them

    def __call__(self, event: str, numbers: Mapping[str, Any]) -> None:
        """An event of the flow and its numbers."""
        match event:
            case "submitting":
                self.standing, self.doing, self.wait, self.is_sending = Standing.IMPORTING, "", "", True
            case "settled":
                self.doubt = numbers["doubt"]
                self.settled = sum(count for name, count in numbers.items() if name != "doubt")
                self.wait = ""
            case "not created":
                self.tell(numbers["reason"] or numbers["outcome"], numbers["line"], numbers["outcome"])
            case "tracked":
                self.standing, self.doing, self.wait = Standing.TRACKING, "", ""
                self.followed = numbers["open"]
                self.states = {name: count for name, count in numbers.items() if name not in ("open", "total")}
            case "audited":
                self.doing = "fetching audit entries"
                self.audited = numbers["done"], numbers["total"]
            case "outage":
                self.wait = f"The service has trouble ({numbers['problem']}), for {numbers['seconds']} s so far; it is asked every 30 s."
            case "waiting for a lease":
                self.wait = f"Another importer's hold on this run ends in {numbers['seconds']} s."
            case "not heard":
                self.tell(f"Notifications do not come ({numbers['problem']}): tasks are polled.")
            case _:
                pass

    def tell(self, text: str, line: int | None = None, outcome: str = "") -> None:
        """Something went wrong."""
        self.told += 1
        self.problems.append(Problem(self.now(), line, outcome, text[:REASON_MOST]))


@dataclass(frozen=True, slots=True)
class Brief:
    """A run in one line."""

    standing: Standing
    counts: Mapping[str, int]  # as they are shown
    seconds: int | None  # so long it took, or has taken
    course: Sequence[float]  # rows a second; empty where it is not known


@dataclass(frozen=True, slots=True)
class Picture:
    """A run as people see it."""

    run: str
    plan: str
    source: str
    opened_at: str
    environment: str
    preparer: str
    approver: str
    standing: Standing
    doing: str  # what is going on, where the state alone does not tell
    wait: str  # why nothing happens at the moment
    problem: str  # what stopped it
    fix: str
    elsewhere: str  # who else carries it on: not touched from here
    counts: Mapping[str, int]  # the books
    being_sent: int  # rows that the books call unknown, and that somebody at work has on their way
    to_send: int
    settled: int  # of those
    doubt: int
    rate: float  # rows a second, over the last seconds
    calls: int  # in the cap's window now
    cap: int
    window_s: float
    throttles: int
    held_s: int
    left_s: int | None  # until everything is sent, at this rate
    states: Mapping[str, int]
    followed: int | None
    audited: tuple[int, int] | None
    problems: tuple[Problem, ...]
    points: tuple[Point, ...]
    step_s: int
    deeds: tuple[Deed, ...]
    reports: tuple[str, ...]  # names of those that can be had

    @property
    def shown(self) -> dict[str, int]:
        """The books as people see them."""
        return with_sent(self.counts, self.being_sent)

    def record(self) -> dict[str, Any]:
        """What changes while a run goes on, as plain values; all points of its course among them."""
        points = [[point.second, round(point.rows, 2), point.calls] for point in self.points]
        return {**self.tick(), "points": points, "problems": [each.record() for each in self.problems]}

    def tick(self) -> dict[str, Any]:
        """The numbers alone, with the last point."""
        last = self.points[-1] if self.points else None
        return {
            "standing": self.standing.value, "words": self.standing.words, "icon": self.standing.icon,
            "tone": self.standing.tone, "going_on": self.standing.is_going_on, "doing": self.doing, "wait": self.wait,
            "problem": self.problem, "fix": self.fix, "elsewhere": self.elsewhere, "counts": dict(self.counts),
            "being_sent": self.being_sent, "to_send": self.to_send, "settled": self.settled, "doubt": self.doubt, "rate": round(self.rate, 2),
            "calls": self.calls, "cap": self.cap, "window_s": self.window_s, "throttles": self.throttles,
            "held_s": self.held_s, "left_s": self.left_s, "states": dict(self.states), "followed": self.followed,
            "audited": list(self.audited) if self.audited else None, "reports": list(self.reports),
            "point": [last.second, round(last.rows, 2), last.calls] if last else None, "step_s": self.step_s,
        }  # fmt: skip


def with_sent(counts: Mapping[str, int], being_sent: int) -> dict[str, int]:
    """The books with so many of the unknown rows named as what they are while their sender is at work."""
    return {**counts, "unknown": counts["unknown"] - being_sent, "being_sent": being_sent}
