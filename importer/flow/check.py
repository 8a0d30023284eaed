"""check: the offline half of a preview. Streams; keeps counts and causes, no rows."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from importer.core.columns import Header
from importer.core.findings import Finding, Severity
from importer.core.limits import Limits
from importer.core.report import Cause, Causes, preview_counts
from importer.core.rows import Row, Sheet
from importer.core.verdicts import Judged, Verdict, has_warning
from importer.flow.read import Choices, Table, read_table
from importer.ports import Reading

EXAMPLES = 3
TOLD_EVERY = 10_000


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` found. `examples` are the first findings of severity error, for the screen."""

    sheet: Sheet
    header: Header
    counts: dict[str, int]
    warnings: int
    findings: tuple[Finding, ...]
    causes: list[Cause]
    examples: tuple[Finding, ...]


@dataclass(slots=True)
class _Tally:
    ready: int = 0
    others: Counter[Verdict] = field(default_factory=Counter)
    warnings: int = 0
    causes: Causes = field(default_factory=Causes)
    examples: list[Finding] = field(default_factory=list)


def check(reading: Reading, choices: Choices, limits: Limits, told: Callable[[int], None] = lambda _: None) -> Checked:
    """Judges every row without asking the target. `told` hears how many rows were read. Raises FileRefused."""
    table = read_table(reading, choices, limits)
    tally = _Tally()
    good = 0
    keep, skipped = table.seen.keep, choices.skipped
    for number, row in enumerate(table.rows, 1):
        line, screened = row.line, row.screened
        if not screened or line in skipped:
            _add(tally, table.judge(row))
        elif (first := keep(screened, line)) == line:
            good += 1  # surely nothing can be said about it
        else:
            _add_repeat(tally, table, row, first)
        if number % TOLD_EVERY == 0:
            told(number)
    verdicts = {Verdict.READY: good + tally.ready, **tally.others}
    return Checked(
        sheet=reading.sheet,
        header=table.header,
        counts=preview_counts(verdicts),
        warnings=tally.warnings,
        findings=(*reading.findings, *table.header.findings),
        causes=tally.causes.ranked(),
        examples=tuple(tally.examples[:EXAMPLES]),
    )


def _add_repeat(tally: _Tally, table: Table, row: Row, first: int) -> None:
    """A screened row whose external ID stands there already."""
    tally.others[Verdict.DUPLICATE] += 1
    _add_findings(tally, (table.shaper.at_field(row, "D401", "external_id", row.screened, first=first),))


def _add(tally: _Tally, judged: Judged) -> None:
    if judged.verdict is Verdict.READY:
        tally.ready += 1
    else:
        tally.others[judged.verdict] += 1
    tally.warnings += has_warning(judged)
    if judged.findings:
        _add_findings(tally, judged.findings)


def _add_findings(tally: _Tally, findings: Sequence[Finding]) -> None:
    tally.causes.add(findings)
    if len(tally.examples) < EXAMPLES:
        tally.examples += [each for each in findings if each.severity is Severity.ERROR]
