"""Survey: what a results workbook must know of its rows before the first is written; bounded, whatever the rows."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from importer.core.deviation import deviation
from importer.core.report import OUTCOME_KEYS, VERSION, ResultRow
from importer.writers.words import stayed, when

if TYPE_CHECKING:
    import pandas as pd

QUEUES_MOST = 500
OTHERS = "(other queues)"
CAUSES_MOST = 200
OTHER_CAUSES = "(other causes)"
SPANS = (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440)
SPANS_SHOWN = 60


@dataclass(slots=True)
class Survey:
    """Counts over all rows of a run. Its size depends on queues and seconds, never on rows."""

    width: int = 0  # cells of the widest row
    outcomes: Counter[str] = field(default_factory=Counter)
    queues: Counter[tuple[str, str]] = field(default_factory=Counter)  # by queue and outcome
    dwells: Counter[tuple[str, float]] = field(default_factory=Counter)  # by state and seconds
    audits: int = 0
    not_fetched: int = 0  # rows with a task whose audits were not fetched
    minutes: Counter[str] = field(default_factory=Counter)  # tasks created by this run, by `2026-01-05 21:00`
    deviations: Counter[tuple[str, str]] = field(default_factory=Counter)  # by outcome and cause
    versions: int = 0  # entries that are versions of a history: nothing else was kept
    _names: set[str] = field(default_factory=set)

    def add(self, row: ResultRow) -> None:
        """One row."""
        self.width = max(self.width, widest(row.cells))
        self.outcomes[row.outcome.value] += 1
        self.queues[self._queue(row.queue), row.outcome.value] += 1
        for state, seconds in stayed(row.states):
            self.dwells[state, _rounded(seconds)] += 1
        self.audits += row.audit_count or 0
        self.versions += sum(entry.action == VERSION for entry in row.audits)
        if row.states and row.states[0].source == "created" and (minute := _minute(row.states[0].at)):
            self.minutes[minute] += 1
        if (found := deviation(row)) is not None:
            self.deviations[self._cause(found[0].value, found[1])] += 1
        self.not_fetched += row.task_id is not None and row.audit_count is None

    def queue_table(self) -> tuple[list[str], list[list[Any]]]:
        """Queue × outcome with totals: the headings and the lines, the fullest queue first."""
        table = _queue_frame(self.queues)
        keys = [key for key in OUTCOME_KEYS if key in table.columns]
        table = table[keys].assign(rows=table[keys].sum(axis=1))
        table = table.sort_values(["rows"], ascending=False, kind="stable")
        lines = [[name, *(int(count) for count in counts)] for name, *counts in table.itertuples()]
        return ["Queue", *(key.replace("_", " ") for key in keys), "rows"], lines

    def dwell_table(self) -> list[list[Any]]:
        """For each state: changes counted, median and 95th percentile of the seconds in it, longest first."""
        lines = [_dwell_line(str(state), group) for state, group in _dwell_frame(self.dwells).groupby("state")]
        return sorted(lines, key=lambda line: (-line[2], line[0]))

    def throughput(self) -> tuple[int, list[tuple[str, int]]]:
        """Tasks created in each span from the first minute to the last, and the minutes of a span: so many that lines are few."""
        begin, end = (datetime.fromisoformat(each(self.minutes)) for each in (min, max))
        whole = int((end - begin).total_seconds()) // 60 + 1
        step = next((each for each in SPANS if whole <= each * SPANS_SHOWN), -(-whole // SPANS_SHOWN))
        numbers = [0] * -(-whole // step)
        for minute, tasks in self.minutes.items():
            numbers[int((datetime.fromisoformat(minute) - begin).total_seconds()) // 60 // step] += tasks
        form = "%H:%M" if begin.date() == end.date() else "%Y-%m-%d %H:%M"
        names = ((begin + timedelta(minutes=step * index)).strftime(form) for index in range(len(numbers)))
        return step, list(zip(names, numbers, strict=True))

    def _cause(self, outcome: str, cause: str) -> tuple[str, str]:
        known = (outcome, cause) in self.deviations or len(self.deviations) < CAUSES_MOST
        return outcome, cause if known else OTHER_CAUSES

    def _queue(self, name: str) -> str:
        if name not in self._names and len(self._names) >= QUEUES_MOST:
            return OTHERS
        self._names.add(name)
        return name or "(no queue)"


def survey(rows: Iterable[ResultRow]) -> Survey:
    """The survey of all rows."""
    made = Survey()
    for row in rows:
        made.add(row)
    return made


def full_headings(headings: Sequence[str], width: int) -> list[str]:
    """The headings, blank ones added where rows are wider."""
    return [*headings, *[""] * (width - len(headings))]


def full_cells(cells: Sequence[str], width: int) -> Iterator[str]:
    """A row's cells, blank ones added or dropped to fit."""
    yield from cells[:width]
    yield from [""] * (width - len(cells))


def widest(cells: Sequence[str]) -> int:
    """How many cells a row has up to its last one that is not blank."""
    width = len(cells)
    while width and not cells[width - 1]:
        width -= 1
    return width


def _minute(at: str) -> str:
    """`2026-01-05 21:00`, UTC; blank where there is no such time: it may be the target's own text."""
    minute = when(at)[:16]
    try:
        return minute if datetime.fromisoformat(minute).strftime("%Y-%m-%d %H:%M") == minute else ""
    except ValueError:
        return ""


def _rounded(seconds: float) -> float:
    return round(seconds, 1) if abs(seconds) < 600 else float(round(seconds))


def _queue_frame(queues: Counter[tuple[str, str]]) -> "pd.DataFrame":
    import pandas as pd

    lines = [(queue, outcome, rows) for (queue, outcome), rows in queues.items()]
    frame = pd.DataFrame(lines, columns=["queue", "outcome", "rows"])
    return frame.pivot_table(index="queue", columns="outcome", values="rows", aggfunc="sum", fill_value=0)


def _dwell_frame(dwells: Counter[tuple[str, float]]) -> "pd.DataFrame":
    import pandas as pd

    lines = [(state, seconds, times) for (state, seconds), times in dwells.items()]
    return pd.DataFrame(lines, columns=["state", "seconds", "times"])


def _dwell_line(state: str, group: "pd.DataFrame") -> list[Any]:
    ordered = group.sort_values("seconds")
    reached = ordered["times"].cumsum()
    total = int(reached.iloc[-1])
    median, late = (float(ordered["seconds"][reached >= share * total].iloc[0]) for share in (0.5, 0.95))
    return [state, total, median, late]
