"""PlanView: a plan as an approver decides by it, as plain values for a template. Gathered in one pass; its size does not grow with the rows."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from importer.core.columns import COLUMN_OF
from importer.core.findings import Finding, Severity
from importer.core.plan import About, PlanHead, PlanRow, Preview
from importer.core.report import Cause, Causes, forecast
from importer.core.rows import cell_address, column_letter
from importer.core.verdicts import Verdict
from importer.markup import charts
from importer.markup.texts import visible

READY_MOST = 200
PROBLEMS_MOST = 2000
READY_BYTES = 120_000
PROBLEM_BYTES = 200_000
"""What the rows that are listed may take in the mailed file, as HTML. Whichever limit comes first ends the list."""
CAUSES_MOST = 100
QUEUES_MOST = 200
LEFT_MOST = 200
FIXES_MOST = 200
TYPES_MOST = 50
PRIORITIES_MOST = 10_000
ROW_COST = 160  # bytes of the elements around a row's texts

WHY = "The row was left out: "
"""What the finding on a row that was left out begins with."""
OWN = frozenset({"externalId", "source"})
"""Attributes that every task gets and nobody has to look at."""
_PLACED = frozenset({"type", "description", "name", "priority", "state", "routingData", "customAttributes", "customFields", "externalTag", "queueId"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class FixShown:
    """A correction that a person made, in one cell or alike in many. The file stays as it was."""

    where: str  # `Tasks!C17`, or `312 cells, the first Tasks!C17`
    column: str  # its heading
    old: str
    new: str
    who: str
    at: str  # RFC 3339; blank where it is not known


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that a person left out."""

    line: int
    external_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs from the last plan of this kind."""

    what: str
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class Beside:
    """What a plan does not say of itself."""

    valid_until: str = ""  # RFC 3339; blank: until it is approved or replaced
    reasons: Mapping[int, str] = field(default_factory=dict)  # why a line was left out, beside what its row says
    changes: Sequence[Change] | None = None  # None: there is no earlier plan of this kind
    last_plan: str = ""  # that they are told against


@dataclass(frozen=True, slots=True)
class RowShown:
    """One row of a list: what would be created, or why nothing would."""

    line: int
    verdict: str
    warned: bool
    external_id: str
    queue: str
    priority: str
    kind: str  # the task's type, where it has one
    text: str  # the description, or the workitem's name and description
    rest: str  # attributes and whatever else is sent: `language: de; dueDate: …`
    problems: tuple[str, ...]  # `V304: Priority 150 is outside 0–99.`
    task_id: str  # of the task that exists


@dataclass(frozen=True, slots=True)
class PlanView:
    """Everything that is shown of a plan."""

    head: PlanHead
    about: About
    forecast: Mapping[str, Any]  # calls by kind, their total, minutes at the cap
    rate: tuple[int, float]  # calls, and the seconds in which they are allowed
    types: tuple[tuple[str, int], ...]
    priorities: tuple[tuple[str, int], ...]  # ready rows in bins
    queues: tuple[Mapping[str, Any], ...]  # the fullest first
    queues_in_all: int
    causes: tuple[Cause, ...]
    causes_in_all: int
    assumed: tuple[tuple[str, str], ...]
    beside: Beside
    fixes: tuple[FixShown, ...]
    fixed_cells: int
    fixes_in_all: int  # kinds of fixes: equal ones in a column are one
    left_out: tuple[LeftOut, ...]
    ready: tuple[RowShown, ...]
    warned: tuple[RowShown, ...]
    problems: tuple[RowShown, ...]  # rows that nothing is sent for, but for those left out

    @property
    def not_sent(self) -> int:
        """Rows that nothing is sent for because of what they are: all but the ready ones and those left out."""
        counts = self.head.counts
        return counts["read"] - counts["ready"] - counts["skipped"]


def plan_view(
    preview: Preview,
    rows: Iterable[PlanRow],
    rate: tuple[int, float],
    beside: Beside | None = None,
    *,
    ready_most: int = READY_MOST,
    problems_most: int = PROBLEMS_MOST,
) -> PlanView:
    """The view of a plan; `rows` is gone through once. `rate` is calls and the seconds in which they are allowed.

    With `ready_most=0` and `problems_most=0` no rows are listed: a page has them elsewhere, a hundred at a time.
    """
    beside = beside or Beside()
    survey = _Survey(beside.reasons, _Listed(ready_most, READY_BYTES), _Listed(problems_most, PROBLEM_BYTES))
    for row in rows:
        survey.add(row)
    head = preview.head
    ranked = survey.causes.ranked()
    looked_up = sum(1 for queue in head.queues if queue["id"])
    fixes = _fixes(preview)
    return PlanView(
        head=head,
        about=preview.about,
        forecast=forecast(head.counts, looked_up, *rate, head.environment.target),
        rate=rate,
        types=tuple(survey.types.most_common()),
        priorities=tuple(charts.bins(survey.priorities)),
        queues=tuple(sorted(head.queues, key=lambda queue: (-queue["ready"], -queue["rows"]))[:QUEUES_MOST]),
        queues_in_all=len(head.queues),
        causes=tuple(ranked[:CAUSES_MOST]),
        causes_in_all=len(ranked),
        assumed=tuple(_assumed(head)),
        beside=beside,
        fixes=tuple(fixes[:FIXES_MOST]),
        fixed_cells=len(head.fixes),
        fixes_in_all=len(fixes),
        left_out=tuple(survey.left_out),
        ready=tuple(survey.ready.rows),
        warned=tuple(survey.warned.rows),
        problems=tuple(survey.problems.rows),
    )


@dataclass(slots=True)
class _Listed:
    """The first rows of a kind, as many as there is room for."""

    most: int
    room: int  # bytes
    rows: list[RowShown] = field(default_factory=list)
    full: bool = False

    def add(self, row: PlanRow) -> None:
        if self.full or len(self.rows) >= self.most:
            self.full = True
            return
        shown = row_shown(row)
        self.room -= _cost(shown)
        if self.room < 0:
            self.full = True
        else:
            self.rows.append(shown)


class _Survey:
    """What is kept of the rows while they pass by."""

    def __init__(self, reasons: Mapping[int, str], ready: _Listed, problems: _Listed) -> None:
        self.causes = Causes()
        self.types: Counter[str] = Counter()
        self.priorities: Counter[int] = Counter()
        self.left_out: list[LeftOut] = []
        self.ready = ready
        self.problems = problems
        self.warned = _Listed(problems.most // 4, problems.room // 4)
        self._reasons = reasons

    def add(self, row: PlanRow) -> None:
        """One row."""
        if row.findings:
            self.causes.add(row.findings)
        if row.verdict is Verdict.READY:
            self._sent(row)
        elif row.verdict is not Verdict.SKIPPED:
            self.problems.add(row)
        elif len(self.left_out) < LEFT_MOST:
            reason = self._reasons.get(row.line) or " ".join(each.message.removeprefix(WHY) for each in row.findings)
            self.left_out.append(LeftOut(row.line, row.external_id, reason))

    def _sent(self, row: PlanRow) -> None:
        payload = row.payload or {}
        self.ready.add(row)
        if _warned(row):
            self.warned.add(row)
        kind = payload.get("type")
        if kind is not None:
            self.types[str(kind) if kind in self.types or len(self.types) < TYPES_MOST else "(others)"] += 1
        priority = priority_of(payload)
        if isinstance(priority, int) and (priority in self.priorities or len(self.priorities) < PRIORITIES_MOST):
            self.priorities[priority] += 1


def _warned(row: PlanRow) -> bool:
    return row.verdict is Verdict.READY and any(each.severity is Severity.WARNING for each in row.findings)


def priority_of(payload: Mapping[str, Any]) -> Any:
    """The priority that is sent, or None: tasks have it in `routingData`, workitems at the top."""
    return payload.get("routingData", payload).get("priority")


def row_shown(row: PlanRow) -> RowShown:
    """One row as it is listed."""
    payload = row.payload or {}
    priority = priority_of(payload)
    attributes = {**payload.get("customAttributes", {}), **payload.get("customFields", {})}
    others = {name: value for name, value in payload.items() if name not in _PLACED}
    told = [f"{name}: {_listed(value)}" for name, value in (others | attributes).items() if name not in OWN]
    texts = [str(payload[name]) for name in ("name", "description") if payload.get(name)]
    wanted = (each for each in row.findings if row.verdict is not Verdict.READY or each.severity is not Severity.NOTE)
    return RowShown(
        line=row.line, verdict=row.verdict.value, warned=_warned(row), external_id=row.external_id, queue=row.queue,
        priority="" if priority is None else str(priority), kind=str(payload.get("type") or ""), text="\n".join(texts),
        rest="; ".join(told), problems=tuple(map(_problem, wanted)), task_id=row.task_id or "",
    )  # fmt: skip


def _problem(finding: Finding) -> str:
    return f"{finding.code}: {finding.message}"


def _cost(row: RowShown) -> int:
    texts = (row.external_id, row.queue, row.priority, row.kind, row.text, row.rest, *row.problems, row.task_id)
    return ROW_COST + sum(len(escape(visible(text)).encode()) for text in texts)


def _fixes(preview: Preview) -> list[FixShown]:
    """The fixes in file order, equal ones of a column together."""
    head = preview.head
    makers = {(each.line, each.column): (each.who, each.at) for each in preview.about.fixed}
    alike: dict[tuple[int, str, str, str], tuple[str, str, int]] = {}
    for fix in head.fixes:
        who, at = makers.get((fix.line, fix.column), ("", ""))
        key = fix.column, fix.old, fix.new, who
        first, when, cells = alike.get(key, (cell_address(head.sheet, fix.column, fix.line), at, 0))
        alike[key] = first, when, cells + 1
    return [
        FixShown(
            first if cells == 1 else f"{cells:,} cells, the first {first}", heading_of(head, column), old, new, who, at
        )
        for (column, old, new, who), (first, at, cells) in alike.items()
    ]


def heading_of(head: PlanHead, column: int) -> str:
    """A column's heading; its letter where it has none."""
    return (head.headings[column] if column < len(head.headings) else "") or column_letter(column)


def _assumed(head: PlanHead) -> Iterable[tuple[str, str]]:
    """What was taken for granted when the file was read."""
    yield "Format", head.format
    if head.encoding:
        yield "Encoding", head.encoding
    yield "Header row", f"line {head.header_line}"
    for name, heading in head.matched.items():
        column = COLUMN_OF.get(name)
        yield f"{column.name if column else name}", f"from “{heading}”"
    for name, value in head.settings.items():
        if value:
            yield name.replace("_", " ").capitalize(), _listed(value)


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
