"""workitems-mixed.xlsx: a week's list for the target workitems. After a check: 45 ready, 12 invalid, 3 duplicate."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from importer.samples.files import Cell, fill, widths, workbook
from importer.samples.mixed import LONG
from importer.samples.tasks import Maker

WORKITEM_HEADINGS = (
    "External ID", "Name", "Worktype", "Queue", "Priority", "Description", "Assignee", "Skills", "Language", "Due",
    "Duration", "Notes",
)  # fmt: skip

QUEUES = {"Billing": 24, "Onboarding": 18, "Claims": 12, "": 6}
"""The 60 rows by queue; blank means the worktype's own."""

WORKTYPES = {"Claims": "Claim", "": "Callback"}
"""Others are a Case."""

SKILLS = {
    "Billing": ("Invoices", "Invoices; Escalation", ""),
    "Claims": ("Claims Handling", "Claims Handling, English", ""),
}
LANGUAGES = ("English", "", "", "Spanish", "German")
DURATIONS = ("15 min", "30 min", "1h 30m", "0:45", "", "")
PRIORITIES = (None, None, 10, 50, 100, 250, 1000)


class Workitem(NamedTuple):
    """One row in the order of WORKITEM_HEADINGS. Due is blank but for mistakes: a sample's dates would soon be past."""

    external_id: Cell
    name: str
    worktype: str
    queue: str
    priority: Cell
    description: str
    assignee: str
    skills: str
    language: str
    due: Cell
    duration: Cell
    notes: str


MISTAKES: dict[int, Callable[[Workitem], Workitem]] = {
    2: lambda row: row._replace(name=""),
    7: lambda row: row._replace(name="??"),
    11: lambda row: row._replace(worktype=""),
    16: lambda row: row._replace(due="next Friday"),
    19: lambda row: row._replace(due="12/11/2026"),
    23: lambda row: row._replace(due="30.02.2026"),
    28: lambda row: row._replace(duration="a while"),
    33: lambda row: row._replace(assignee="Jo of the night shift"),
    37: lambda row: row._replace(skills="; ".join(f"Skill {number}" for number in range(1, 22))),
    42: lambda row: row._replace(priority=30_000_000),
    47: lambda row: row._replace(priority="high"),
    52: lambda row: row._replace(description=f"{LONG} {LONG}"),
}
"""Row (0-based, below the header) -> what someone did wrong there."""

LOOKED_UP: dict[int, Callable[[Workitem], Workitem]] = {
    5: lambda row: row._replace(worktype="Csae"),
    14: lambda row: row._replace(queue="Biling", worktype="Case"),
    30: lambda row: row._replace(skills="Invoics"),
    45: lambda row: row._replace(worktype="Claim", queue="Billing"),  # of another division than its worktype
}
"""Mistakes that only a preview finds, because only the target knows."""

REPEATS = {26: 12, 39: 20, 56: 50}
"""Row -> the earlier row whose external ID it repeats."""

BARE = (9, 35)
"""Rows whose duration is a number alone: it is read as seconds, which is told."""


def make_workitems(path: Path, seed: int) -> Path:
    """Writes the workbook: one sheet, headings in its first line."""
    with workbook(path) as book:
        sheet = book.add_worksheet("Workitems")
        fill(book, sheet, [WORKITEM_HEADINGS, *workitems(seed)])
        widths(sheet, 16, 60, 12, 14, 11, 50, 22, 26, 10, 14, 10, 24)
        sheet.freeze_panes(1, 1)
    return path


def workitems(seed: int) -> list[Workitem]:
    """The 60 rows, mistakes included."""
    maker = Maker(seed)
    queues = maker.mixed([queue for queue, rows in QUEUES.items() for _ in range(rows)])
    rows = [_workitem(maker, number, queue) for number, queue in enumerate(queues, 1)]
    for index, earlier in REPEATS.items():
        rows[index] = rows[index]._replace(external_id=rows[earlier].external_id)
    for index in BARE:
        rows[index] = rows[index]._replace(duration=90)
    for index, mistake in {**MISTAKES, **LOOKED_UP}.items():
        rows[index] = mistake(rows[index])
    return rows


def _workitem(maker: Maker, number: int, queue: str) -> Workitem:
    about = queue or "Billing"
    return Workitem(
        f"WI-2026-{number:04}",
        maker.story(about),
        WORKTYPES.get(queue, "Case"),
        queue,
        maker.pick(PRIORITIES),
        maker.pick(("", "Asked for a written answer", "Second contact; the first one is on file", "From the web form")),
        maker.pick(("", "", "", "user1@example.com", "user2@example.com")) if queue != "Claims" else "",
        maker.pick(SKILLS.get(about, ("", "English"))),
        maker.pick(LANGUAGES),
        None,
        maker.pick(DURATIONS),
        maker.pick(("", "", "photos on file", "prefers mornings")),
    )
