"""Difference: what differs between two plans, row by row and in what they rest on. The words that explain a stale approval."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from importer.core.plan import PlanHead, PlanRow, canonical
from importer.core.verdicts import Verdict

VALUE_SHOWN = 200
"""So many characters of a value are shown."""


class Change(NamedTuple):
    """One thing that differs: what it is called, and its value in either plan; a blank where there is none."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row that only one of two plans has (`added`, `removed`), or that differs between them (`changed`)."""

    kind: str
    external_id: str
    line_before: int | None
    line_after: int | None
    changes: tuple[Change, ...] = ()


class _Kept(NamedTuple):
    line: int
    said: str  # canonical JSON of what a person would call the row's content


def head_changes(before: PlanHead, after: PlanHead) -> list[Change]:
    """What differs above the rows: file, sheet, headings, mapping, environment, settings, counts, and queue by queue."""
    one, other = _facts(before), _facts(after)
    names = dict.fromkeys((*one, *other))
    found = [Change(name, one.get(name, ""), other.get(name, "")) for name in names]
    return [each for each in found if each.before != each.after]


def row_changes(before: Iterable[PlanRow], after: Iterable[PlanRow]) -> Iterator[RowChange]:
    """What differs between the rows: those of the second plan in its order, then those that only the first has.

    Rows are the same where their external ID is, and among equal ones by their order; a row without one by its line.
    A row that only moved to another line does not differ. Keeps what the first plan says of each row, some hundred bytes.
    """
    kept: dict[tuple[str, int], _Kept] = {}
    counted: Counter[str] = Counter()
    for row in before:
        kept[_key(row, counted)] = _Kept(row.line, canonical(_content(row)))
    counted.clear()
    for row in after:
        key = _key(row, counted)
        known = kept.pop(key, None)
        if known is None:
            yield RowChange("added", row.external_id, None, row.line)
        elif (said := canonical(_content(row))) != known.said:
            yield RowChange("changed", row.external_id, known.line, row.line, tuple(_between(known.said, said)))
    for (external_id, _), known in kept.items():
        yield RowChange("removed", external_id.strip("\n"), known.line, None)


def _key(row: PlanRow, counted: Counter[str]) -> tuple[str, int]:
    if not row.external_id:
        return "\n", row.line  # no external ID holds a line break
    counted[row.external_id] += 1
    return row.external_id, counted[row.external_id]


def _content(row: PlanRow) -> dict[str, Any]:
    """What is compared of a row: flat, by name."""
    content: dict[str, Any] = {"verdict": row.verdict.value, "existing task": row.task_id or "", "queue": row.queue}
    content["findings"] = ", ".join(sorted({each.code for each in row.findings}))
    if row.payload is not None:
        content |= dict(_flat(row.payload, ""))
    elif row.verdict is Verdict.SKIPPED:
        content["left out"] = " ".join(each.message for each in row.findings)  # with the reason
    elif row.verdict is Verdict.INVALID:
        content["cells"] = " | ".join(row.cells)  # what would be sent is not known: what was read is
    return content


def _flat(value: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, each in value.items():
        if isinstance(each, Mapping):
            yield from _flat(each, f"{before}{name}.")
        else:
            yield f"{before}{name}", each


def _between(before: str, after: str) -> Iterator[Change]:
    one, other = json.loads(before), json.loads(after)
    for name in dict.fromkeys((*one, *other)):
        if one.get(name) != other.get(name):
            yield Change(name, _shown(one.get(name)), _shown(other.get(name)))


def _facts(head: PlanHead) -> dict[str, str]:
    facts = {
        "file": f"SHA-256 {head.source_sha256}, {head.source_bytes:,} bytes",
        "sheet": head.sheet or "",
        "encoding": head.encoding or "",
        "header row": str(head.header_line),
        "headings": " | ".join(head.headings),
        "columns": ", ".join(f"{field} ← {source}" for field, source in sorted(head.matched.items())),
        "mapping": canonical(head.mapping),
        "environment": f"{head.environment}, client {head.environment.client}",
        "schema": head.schema,
    }
    facts |= {"rules": f"version {head.rules}", "fixes": _fixes(head)}
    facts |= {f"setting {name}": _shown(value) for name, value in head.settings.items()}
    facts |= {f"rows {name.replace('_', ' ')}": f"{count:,}" for name, count in head.counts.items()}
    facts["ready rows with warnings"] = f"{head.warnings:,}"
    for line in head.queues:
        room = "" if line["room"] is None else f", room for {line['room']:,}"
        facts[f"queue {line['queue']}"] = f"{line['status'] or 'not found'}{room}, {line['ready']:,} rows ready"
    return facts


def _fixes(head: PlanHead) -> str:
    """How many cells were fixed, and by what: a fix of a column that is not sent changes no row."""
    if not head.fixes:
        return "none"
    said = canonical([each.record() for each in head.fixes])
    return f"{len(head.fixes):,} cells (SHA-256 {hashlib.sha256(said.encode()).hexdigest()[:8]}…)"


def _shown(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else canonical(value)
    return text if len(text) <= VALUE_SHOWN else f"{text[:VALUE_SHOWN]}… ({len(text):,} characters)"
