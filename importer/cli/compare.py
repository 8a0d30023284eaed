"""plan diff: what differs between two plans."""

from collections import Counter
from collections.abc import Mapping as Table
from dataclasses import asdict
from itertools import islice
from typing import Any

from importer.cli import screen
from importer.cli.look import json_wanted
from importer.core.difference import RowChange, head_changes, row_changes
from importer.settings import load

SHOWN = 200
"""So many rows are told on the screen; JSON has all of them."""


def diff(before: str, after: str, flags: Table[str, Any], profile: str | None, format_: str) -> int:
    """`importer plan diff A B`. Raises UsageError, PlanRefused."""
    from importer.wiring import plans

    as_json = json_wanted(format_)
    folder = plans(load(flags, profile))
    files = folder.find(before), folder.find(after)
    one, other = (file.verify() for file in files)
    heads = head_changes(one.head, other.head)
    rows = row_changes(files[0].rows(), files[1].rows())
    if as_json:
        body: dict[str, Any] = {"schema": "importer.plan-diff/1", "before": one.about.plan, "after": other.about.plan}
        body["changes"] = [each._asdict() for each in heads]
        body["rows"] = [_record(each) for each in rows]
        screen.say_json({**body, "exit_code": 0})
        return 0
    screen.say(f"from {one.about.plan} (made {one.about.made_at}) to {other.about.plan} (made {other.about.made_at})")
    for name, was, now in heads:
        screen.say(
            f"{screen.harmless(name)}: {screen.harmless(was) or '(nothing)'} → {screen.harmless(now) or '(nothing)'}"
        )
    counted: Counter[str] = Counter()
    for each in islice(rows, SHOWN):
        counted[each.kind] += 1
        _show(each)
    more = Counter(each.kind for each in rows)
    if more:
        screen.say(f"… and {more.total():,} rows more (--format json has them all)")
    counted += more
    told = ", ".join(f"{count:,} {kind}" for kind, count in counted.items())
    screen.say(f"rows: {told}" if told else "no row differs" if heads else "nothing differs")
    return 0


def _record(change: RowChange) -> dict[str, Any]:
    return {**asdict(change), "changes": [each._asdict() for each in change.changes]}


def _show(change: RowChange) -> None:
    lines = [f"line {line}" for line in dict.fromkeys((change.line_before, change.line_after)) if line is not None]
    screen.say(f"{change.kind} {screen.harmless(change.external_id) or '(no external ID)'}, {', now '.join(lines)}")
    for name, was, now in change.changes:
        screen.say(
            f"    {screen.harmless(name)}: {screen.harmless(was) or '(blank)'} → {screen.harmless(now) or '(blank)'}"
        )
