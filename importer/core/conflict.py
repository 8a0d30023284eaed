"""Conflict: what is told of an existing task that is not as the row asks for, or of several with one external ID."""

import re
from collections.abc import Sequence

from importer.core.findings import listed

REWRITABLE = frozenset({"queue", "priority"})
"""Fields that the platform's own flows may rewrite: a transfer changes the queue, a flow the priority."""

_DIFFERS = re.compile(r"; it differs in ([^;]*)")
_SEVERAL = re.compile(r"; ([0-9]+) tasks have it: ([^;]*)")


def told(reason: str, fields: Sequence[str], task_ids: Sequence[str]) -> str:
    """A row's reason with its conflicts, as `differs` and `several` read them back."""
    if fields:
        reason += f"; it differs in {listed(fields)}"
    if len(task_ids) > 1:
        reason += f"; {len(task_ids)} tasks have it: {', '.join(task_ids)}"
    return reason


def differs(reason: str) -> str:
    """The fields in which the existing task differs; a blank where there is none."""
    found = _DIFFERS.search(reason)
    return found[1] if found else ""


def several(reason: str) -> tuple[str, str]:
    """How many tasks have the external ID, and all their IDs; blanks where it is one."""
    found = _SEVERAL.search(reason)
    return (found[1], found[2]) if found else ("", "")
