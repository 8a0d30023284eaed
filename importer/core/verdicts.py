"""The verdict on a row before sending: ready, invalid, duplicate, existing or skipped. Decides; does no I/O."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

from importer.core.checks import CHECKS, Subject, Tell
from importer.core.facts import Content, Facts, QueueFact
from importer.core.findings import Finding, Severity, worst
from importer.core.rows import Row
from importer.core.shape import Shaped, Shaper
from importer.core.task import TaskRequest
from importer.core.workitem_checks import WORKITEM_CHECKS


class Verdict(StrEnum):
    """What would happen to a row."""

    READY = "ready"
    INVALID = "invalid"
    DUPLICATE = "duplicate"
    EXISTING = "existing"
    SKIPPED = "skipped"


class Judged(NamedTuple):
    """A row with its verdict and everything that was found about it."""

    row: Row
    verdict: Verdict
    external_id: str
    request: TaskRequest | None
    findings: tuple[Finding, ...]
    queue: QueueFact | None = None  # where it was looked up
    task_id: str | None = None  # of the task that exists


class Seen:
    """The external IDs of one file and the lines where they stood first."""

    def __init__(self) -> None:
        self._lines: dict[str, int] = {}

    @property
    def keep(self) -> Callable[[str, int], int]:
        """Keeps the line of an external ID that is new; gives the line that stood first. Called for each row of a file."""
        return self._lines.setdefault

    def first(self, external_id: str, line: int) -> int | None:
        """The earlier line with this external ID; None for the first one, which is kept."""
        first = self._lines.setdefault(external_id, line)
        return None if first == line else first


NOBODY: Mapping[int, str] = {}


def judge_shape(shaped: Shaped, seen: Seen, shaper: Shaper, skipped: Mapping[int, str] = NOBODY) -> Judged:
    """The offline half: shape and repeats within the file. `skipped` has lines and why they are left out, or a blank.

    A skipped row is not judged and hides no other.
    """
    row, external_id = shaped.row, shaped.external_id
    if row.line in skipped:
        reason = skipped[row.line]
        left_out = (shaper.at_line(row, "P701", reason=reason),) if reason else ()
        return Judged(row, Verdict.SKIPPED, external_id, None, left_out)
    first = seen.first(external_id, row.line) if external_id else None
    findings = shaped.findings
    if first is not None:
        repeated = shaper.at_field(row, "D401", "external_id", external_id, first=first)
        findings = (*findings, repeated)
    if shaped.request is None:
        return Judged(row, Verdict.INVALID, external_id, None, findings)
    if first is not None:
        return Judged(row, Verdict.DUPLICATE, external_id, shaped.request, findings)
    return Judged(row, Verdict.READY, external_id, shaped.request, findings)


def judge_facts(judged: Judged, content: Content, facts: Facts, tell: Tell) -> Judged:
    """The online half, for a row that is ready so far. A task that exists beats a queue that is wrong by now."""
    if judged.verdict is not Verdict.READY or judged.request is None or not facts.online:
        return judged
    subject = Subject(judged.request, content, facts, tell)
    found = [each for check in (*CHECKS, *WORKITEM_CHECKS) for each in check(subject)]
    earlier = subject.earlier
    task_id = subject.tasks[0].task_id if subject.tasks else earlier.task_id if earlier else None
    if task_id is not None:
        found = [each for each in found if each.code[0] not in "QV"]
    verdict = Verdict.EXISTING if task_id else Verdict.INVALID if worst(found) is Severity.ERROR else Verdict.READY
    findings = (*judged.findings, *found)
    return judged._replace(verdict=verdict, findings=findings, queue=subject.queue, task_id=task_id)


def has_warning(judged: Judged) -> bool:
    """Whether a row that would be sent wants a look."""
    return judged.verdict is Verdict.READY and any(f.severity is Severity.WARNING for f in judged.findings)
