"""check: the offline half of a preview. Streams; keeps counts and causes, no rows."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from importer.core.columns import Header
from importer.core.findings import Finding
from importer.core.report import Cause, Causes, preview_counts
from importer.core.rows import Sheet
from importer.core.task import Limits
from importer.core.verdicts import Verdict, has_warning
from importer.flow.read import Choices, read_table
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


def check(reading: Reading, choices: Choices, limits: Limits, told: Callable[[int], None] = lambda _: None) -> Checked:
    """Judges every row without asking the target. `told` hears how many rows were read. Raises FileRefused."""
    table = read_table(reading, choices, limits)
    verdicts: Counter[Verdict] = Counter()
    causes = Causes()
    examples: list[Finding] = []
    warnings = 0
    for number, judged in enumerate(table.judged, 1):
        verdicts[judged.verdict] += 1
        if judged.findings:
            causes.add(judged.findings)
            warnings += has_warning(judged)
            if len(examples) < EXAMPLES:
                examples += [each for each in judged.findings if each.severity == "error"]
        if number % TOLD_EVERY == 0:
            told(number)
    return Checked(
        sheet=reading.sheet,
        header=table.header,
        counts=preview_counts(verdicts),
        warnings=warnings,
        findings=(*reading.findings, *table.header.findings),
        causes=causes.ranked(),
        examples=tuple(examples[:EXAMPLES]),
    )
