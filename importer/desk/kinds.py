"""Kinds: plans that are made again and again from files alike, so that the last one says what is unusual about this one."""

from collections import Counter
from typing import TYPE_CHECKING

from importer.core.difference import Change, head_changes, row_changes
from importer.core.errors import PlanRefused
from importer.core.plan import Preview

if TYPE_CHECKING:
    from importer.ledgers.plans import PlanFile, PlanFolder
    from importer.markup.plan_view import Beside

TOLD = ("file", "mapping", "columns", "environment")
"""Facts whose values say nothing to a reader: that they differ is what is told."""


def last_of_kind(folder: "PlanFolder", preview: Preview) -> "PlanFile | None":
    """The newest plan before this one with the same headings and sheet, for the same target; None where there is none."""
    head, made_at = preview.head, preview.about.made_at
    for file in folder.newest_first():
        try:
            other = file.preview()
        except PlanRefused:  # a plan that cannot be read is none to compare with
            continue
        alike = (other.head.headings, other.head.sheet, other.head.environment.target) == (
            head.headings, head.sheet, head.environment.target,
        )  # fmt: skip
        if alike and other.about.plan != preview.about.plan and other.about.made_at <= made_at:
            return file
    return None


def above_rows(before: Preview, after: Preview) -> list[Change]:
    """What differs from an earlier plan but for single rows. Reads no rows."""
    return [
        Change(each.name, "as before", "another one") if each.name in TOLD else each
        for each in head_changes(before.head, after.head)
    ]


def beside(folder: "PlanFolder", made: Preview) -> "Beside":
    """What a report says of a plan against the last one of its kind; not row by row, which would take memory for every row."""
    from importer.markup import plan_view

    last = last_of_kind(folder, made)
    if last is None:
        return plan_view.Beside()
    before = last.preview()
    changes = [plan_view.Change(*each) for each in above_rows(before, made)]
    return plan_view.Beside(changes=changes, last_plan=before.about.plan)


def unusual(last: "PlanFile", this: "PlanFile") -> list[Change]:
    """What differs from the last plan of this kind, for a person who decides. Goes through both plans once."""
    changes = above_rows(last.preview(), this.preview())
    kinds = Counter(change.kind for change in row_changes(last.rows(), this.rows()))
    rows = [Change(f"rows {kind}", "", f"{count:,}") for kind, count in sorted(kinds.items())]
    return [*changes, *rows]
