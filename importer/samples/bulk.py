"""Large files to measure with: about 178 bytes a row, the same for the same seed."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from importer.samples.files import Cell, fill, workbook, write_csv
from importer.samples.tasks import FIRST_DUE, Maker

BULK_HEADINGS = ("external_id", "queue", "priority", "description", "type", "due_at", "customer_ref", "notes")
QUEUES = ("Billing", "Claims", "Onboarding")
TYPES = ("email", "call", "callback", "chat", "message", "workitem")
REMARKS = ("first contact", "second contact", "third contact", "prefers mornings", "prefers evenings")
POOL = 996  # different descriptions and notes; making each anew would take most of the time
REMARK = "Photos and letters are filed already"
SHARED_ROWS = 200_000
"""Up to here a workbook has shared strings, as Excel saves it; beyond, it is written row by row in constant memory."""

Record = tuple[Cell, ...]


def make_file(path: Path, rows: int, seed: int = 1, *, bad: float = 0.0) -> Path:
    """Writes a .csv or .xlsx of so many rows; the share `bad` of them, evenly spread, is invalid in five ways by turns.

    Raises ValueError for another file type and for a share that is not from 0 to 1.
    """
    if not 0 <= bad <= 1:
        raise ValueError(f"bad is a share from 0 to 1, not {bad}")
    records = _records(rows, seed, bad)
    if path.suffix.lower() == ".csv":
        return write_csv(path, records)
    if path.suffix.lower() != ".xlsx":
        raise ValueError(f"{path.name}: only .csv and .xlsx can be made")
    with workbook(path, constant_memory=rows > SHARED_ROWS) as book:
        fill(book, book.add_worksheet("Tasks"), records)
    return path


def _records(rows: int, seed: int, bad: float) -> Iterator[Record]:
    maker = Maker(seed)
    pool = [(queue, maker.story(queue), f"{REMARK}, {maker.pick(REMARKS)}") for queue in QUEUES * (POOL // 3)]
    made = 0
    yield BULK_HEADINGS
    for number in range(1, rows + 1):
        queue, description, notes = maker.pick(pool)
        due = (FIRST_DUE + timedelta(minutes=15 * (number % 2000))).isoformat(timespec="minutes") + "Z"
        priority, kind, customer = maker.number(10, 99), maker.pick(TYPES), maker.number(1, 999_999)
        record: Record = (f"EXT-{number:08}", queue, priority, description, kind, due, f"{customer:08}", notes)
        if int(number * bad) > made:
            made += 1
            record = _spoilt(record, made % 5)
        yield record


def _spoilt(record: Record, way: int) -> Record:
    """The record with one mistake: V201, V304, V305, V311 or V312."""
    external_id, queue, priority, description, kind, *rest = record
    return (
        ("", queue, priority, description, kind, *rest),
        (external_id, queue, 150, description, kind, *rest),
        (external_id, queue, priority, description, "fax", *rest),
        (external_id, queue, priority, "", kind, *rest),
        (external_id, queue, priority, f"{description} ".ljust(300, "."), kind, *rest),
    )[way]
