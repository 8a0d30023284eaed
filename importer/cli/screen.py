"""What people see: results on stdout, everything else on stderr. Text from files and servers is shown harmless."""

import json
import os
import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from importer.core.errors import FileRefused, ImporterError
from importer.core.findings import Finding, Severity
from importer.core.unseen import BROKEN, UNSEEN

if TYPE_CHECKING:
    from importer.core.report import Cause

SIGNS = {Severity.ERROR: "✖", Severity.WARNING: "▲", Severity.NOTE: "·"}
PLAIN_SIGNS = {Severity.ERROR: "[ERR]", Severity.WARNING: "[WARN]", Severity.NOTE: "[NOTE]"}
CAUSES_SHOWN = 12
LINE_EVERY_S = 10.0
WAITS = {
    "outage": "waiting for the service ({problem}), {seconds} s so far; it is asked every 30 s",
    "waiting for a lease": "waiting {seconds} s for another importer's hold on this run to end",
}
"""Events of waiting, and how they are told."""
NOTES = {"not heard": "· Notifications do not come ({problem}): tasks are polled."}
"""Events that are told once, and stay."""
UNSAID = frozenset({"not created"})
"""Events that the line says by its counts."""


def harmless(text: object) -> str:
    """A text for a terminal: what is invisible or steers a terminal is shown by its number."""
    return UNSEEN.sub(lambda match: f"<U+{ord(match[0]):04X}>", str(text).replace("\n", " ⏎ ").replace("\t", " "))


def say(text: str = "") -> None:
    """One line of the result."""
    print(text, file=sys.stdout)  # noqa: T201 - the one place that prints results


def tell(text: str = "") -> None:
    """One line beside the result."""
    print(text, file=sys.stderr)  # noqa: T201 - the one place that prints messages


def speaks_utf8() -> bool:
    """Whether signs beyond ASCII can be shown."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def sign(severity: Severity) -> str:
    """The mark of a severity; a word beside the colour, and instead of the sign where it cannot be shown."""
    return (SIGNS if speaks_utf8() else PLAIN_SIGNS)[severity]


def show_finding(finding: Finding, where: str = "") -> None:
    """What, where, how."""
    tell(f"{sign(finding.severity)} {finding.code} {harmless(finding.message)}")
    place = " › ".join(
        part for part in (where, finding.cell or (f"line {finding.line}" if finding.line else "")) if part
    )
    if place:
        tell(f"  at  {harmless(place)}")
    if finding.severity is not Severity.NOTE:
        tell(f"  fix {harmless(finding.fix)}")


def show_causes(causes: Sequence["Cause"]) -> None:
    """Errors and warnings by cause, the most freeing first."""
    grave = [cause for cause in causes if cause.severity is not Severity.NOTE]
    for cause in grave[:CAUSES_SHOWN]:
        rows = f"{cause.rows:,} row{'s' if cause.rows != 1 else ''}"
        tell(f"{sign(cause.severity)} {cause.code} {harmless(cause.message)}")
        tell(f"  at  {harmless(cause.example or 'the file')}, {rows}{f': line {cause.lines}' if cause.lines else ''}")
        tell(f"  fix {harmless(cause.fix)}")
    if len(grave) > CAUSES_SHOWN:
        tell(f"… and {len(grave) - CAUSES_SHOWN} more causes (see the Problems sheet of the preview)")


def tell_problem(problem: ImporterError, arguments: Iterable[str]) -> None:
    """Why a command ended; with `--format json` also as the one object on stdout."""
    tell(f"✖ {harmless(problem)}" if speaks_utf8() else f"[ERR] {harmless(problem)}")
    if problem.fix:
        tell(f"  fix {harmless(problem.fix)}")
    others = problem.others if isinstance(problem, FileRefused) else ()
    for other in others:
        if other.severity is not Severity.NOTE:
            show_finding(other)
    if isinstance(problem, FileRefused):
        tell(f"  more: importer explain {problem.finding.code}")
    if wants_json(list(arguments)):
        from importer.core.plan import findings_record

        found = findings_record([problem.finding, *others]) if isinstance(problem, FileRefused) else []
        body = {"schema": "importer.problem/1", "problem": str(problem), "fix": problem.fix, "findings": found}
        say_json({**body, "exit_code": problem.exit_code})


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether the command line asks for one JSON object, also where it could not be parsed."""
    return "--format=json" in arguments or ("--format", "json") in pairwise(arguments)


def say_json(value: Mapping[str, Any]) -> None:
    """The one object on stdout."""
    say(harmless_json(value))


def harmless_json(value: object) -> str:
    """JSON whose text steers no terminal: what is invisible or broken is escaped, and reads back as it was."""
    text = json.dumps(value, ensure_ascii=False)
    return BROKEN.sub(_escape, UNSEEN.sub(_escape, text))


def _escape(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]


def table(rows: Sequence[Sequence[object]], heading: Sequence[str]) -> None:
    """A small table: aligned on a terminal, tab-separated in a pipe."""
    lines = [[harmless(cell) for cell in row] for row in (heading, *rows)]
    if not sys.stdout.isatty():
        for line in lines:
            say("\t".join(line))
        return
    widths = [max(len(line[i]) for line in lines) for i in range(len(heading))]
    for line in lines:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


@dataclass(slots=True)
class ProgressLine:
    """Progress on stderr: one line that is rewritten on a terminal, a plain line each 10 s in a pipe, nothing if quiet."""

    quiet: bool = False
    _live: bool = field(default_factory=lambda: sys.stderr.isatty() and os.environ.get("TERM") != "dumb")
    _said: float = 0.0
    _waited: float = -LINE_EVERY_S
    _began: float = field(default_factory=time.monotonic)
    _phase: str = ""
    _total: int = 0
    _shown: int = 0

    def __call__(self, event: str, numbers: Mapping[str, Any]) -> None:
        """An event of the flow and its numbers."""
        now = time.monotonic()
        if event in UNSAID:
            return
        if event in WAITS:
            self._wait(event, numbers, now)
            return
        if event in NOTES:
            self._note(NOTES[event].format(**numbers))
            return
        if event != self._phase and event != "submitting":
            self._phase, self._began, self._said = event, now, 0.0 if self._live else now
        if event == "submitting":
            self._total = numbers.get("not_sent", 0) + numbers.get("unknown", 0)
            return
        if self.quiet or now - self._said < (0.1 if self._live else LINE_EVERY_S):
            return
        self._said = now
        self._show(self._text(event, numbers, max(now - self._began, 0.001)))

    def _wait(self, event: str, numbers: Mapping[str, Any], now: float) -> None:
        """Why nothing happens for a while: said at once, and then no more often than other lines."""
        if not self.quiet and (self._live or now - self._waited >= LINE_EVERY_S):
            self._waited = now
            self._show(WAITS[event].format(**numbers))

    def _note(self, text: str) -> None:
        self.end()
        if not self.quiet:
            tell(harmless(text))

    def _show(self, text: str) -> None:
        text = harmless(text)  # states and problems are the server's words
        if self._live:
            columns = 100
            sys.stderr.write("\r" + text[:columns].ljust(self._shown))
            sys.stderr.flush()
            self._shown = min(len(text), columns)
        else:
            tell(text)

    def end(self) -> None:
        """Clears the line."""
        if self._live and self._shown:
            sys.stderr.write("\r" + " " * self._shown + "\r")
            sys.stderr.flush()
            self._shown = 0

    def _text(self, event: str, numbers: Mapping[str, Any], seconds: float) -> str:
        if event == "settled":
            done = sum(value for name, value in numbers.items() if name != "doubt")
            rate = done / seconds
            left = max(self._total - done, 0) / rate if rate else 0
            parts = [f"{value:,} {name.replace('_', ' ')}" for name, value in numbers.items() if value]
            return f"sending {done:,}/{self._total:,} · {', '.join(parts)} · {rate:.1f}/s · {left:.0f} s left"
        if event == "tracked":
            states = ", ".join(f"{n} {state}" for state, n in numbers.items() if state not in ("open", "total"))
            closed = numbers["total"] - numbers["open"]
            return f"tracking {closed:,}/{numbers['total']:,} at their end · {states}"
        if event == "audited":
            return f"audits {numbers['done']:,}/{numbers['total']:,}"
        return f"read {numbers.get('rows', 0):,} rows"
