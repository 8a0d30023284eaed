"""tasks-mixed.xlsx: what a week's list looks like. After a preview: 106 ready (6 with warnings), 9 invalid, 5 duplicate."""

from collections.abc import Callable
from pathlib import Path

from importer.samples.files import Cell, fill, widths, workbook
from importer.samples.tasks import HEADINGS, Maker, Task

QUEUES = {"Billing": 48, "Claims": 31, "Onboarding": 16, "Renewals": 5, "Night Desk": 6}
"""The 106 rows without a mistake. Night Desk is in transition (a warning on each row); Renewals has room for three."""

LONG = (
    "Customer has called four times about the same invoice. On Monday a fee was explained, on Tuesday a credit was "
    "promised, on Wednesday it was refused, and on Thursday nobody knew of it. Please read the full history, "
    "decide, and then answer in writing: the next call will be the fifth one and the final."
)
"""300 characters."""

MISTAKES: dict[int, Callable[[Task, Maker], Task]] = {
    6: lambda task, _: task._replace(external_id=""),
    18: lambda task, _: task._replace(priority=150, type="fax"),
    31: lambda task, maker: task._replace(queue="Biling", description=maker.story("Biling")),
    42: lambda task, _: task._replace(external_id="4.01235E+14"),
    57: lambda task, maker: task._replace(queue="VIP Desk", description=maker.story("VIP Desk")),
    66: lambda task, _: task._replace(description=LONG),
    79: lambda task, _: task._replace(priority="high"),
    91: lambda task, maker: task._replace(queue="Old Complaints", description=maker.story("Old Complaints")),
    104: lambda task, _: task._replace(external_id=4_012_345_678_901_230, description=""),
}
"""Row (0-based, below the header) -> what someone did wrong there."""

REPEATS = {27: 12, 48: 20, 72: 50, 97: 60, 115: 88}
"""Row -> the earlier row whose external ID it repeats."""

REWORDED = frozenset({72, 115})
"""Repeats that say something else: the same request, entered by two people."""

UNTRIMMED = (9, 36, 85)
"""Rows with a blank after the queue's name, as it comes from copying."""


def make_mixed(path: Path, seed: int) -> Path:
    """Writes the workbook: a title above the header row on Tasks, and a second sheet."""
    with workbook(path) as book:
        sheet = book.add_worksheet("Tasks")
        sheet.write(0, 0, "Contact centre: requests of week 10", book.add_format({"bold": True, "font_size": 14}))
        fill(book, sheet, [HEADINGS, *mixed_tasks(seed)], line=2)
        widths(sheet, 18, 15, 9, 10, 70, 17, 14, 26)
        sheet.freeze_panes(2, 1)
        notes = book.add_worksheet("Notes")
        fill(book, notes, NOTES_SHEET)
        widths(notes, 18, 70)
    return path


NOTES_SHEET: tuple[tuple[Cell, ...], ...] = (
    ("Topic", "Agreed"),
    ("External ID", "CC, the year, four digits. Never used twice."),
    ("Priority", "0 to 99; leave blank if you do not know."),
    ("Night Desk", "Moves to its new rooms this week."),
)


def mixed_tasks(seed: int) -> list[Task]:
    """The 120 rows."""
    maker = Maker(seed)
    queues = iter(maker.mixed([queue for queue, count in QUEUES.items() for _ in range(count)]))
    tasks: list[Task] = []
    for row in range(sum(QUEUES.values()) + len(MISTAKES) + len(REPEATS)):
        external_id = f"CC-2026-{row + 1:04}"
        if row in REPEATS:
            first = tasks[REPEATS[row]]
            task = maker.task(str(first.external_id), first.queue) if row in REWORDED else first
        elif row in MISTAKES:
            task = MISTAKES[row](maker.task(external_id, "Billing"), maker)
        else:
            task = maker.task(external_id, next(queues))
        tasks.append(task._replace(queue=f"{task.queue} ") if row in UNTRIMMED else task)
    return tasks
