"""Plan: a preview made fast. Its digest covers file, mapping, payloads, verdicts, facts and settings that matter, and no times or names."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from importer.core.findings import Finding, Severity
from importer.core.fixes import Fix, Fixed
from importer.core.rows import Line
from importer.core.verdicts import Verdict

SCHEMA = "importer.plan/2"
RULES = 1
"""The version of the rules that judge rows and make payloads: one more whenever the same row comes out otherwise."""


WORDS = {"client": "OAuth client", "organization": "organisation"}


@dataclass(frozen=True, slots=True)
class Environment:
    """Where tasks are created. A plan is refused in another environment than its own."""

    target: str  # "tasks"
    origin: str  # the API's origin, or `sandbox:WORLD`
    client: str  # the OAuth client's ID
    organization: str = field(default="", compare=False)  # its ID, where it was asked for and the target tells it

    def __str__(self) -> str:
        return f"{self.target} at {self.origin}"

    def differs(self, now: "Environment") -> list[str]:
        """What is another one now, in words. An organisation that is not told is not compared."""
        names = ("target", "origin", "client", "organization")
        pairs = [(name, getattr(self, name), getattr(now, name)) for name in names]
        return [
            f"the {WORDS.get(name, name)} was {before} and is {after}"
            for name, before, after in pairs
            if before != after and (name != "organization" or (before and after))
        ]


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One row read, with its verdict and the frozen payload of what would be sent."""

    line: int
    file_line: int | None
    cells: tuple[str, ...]  # as read, so that results never need the file again
    verdict: Verdict
    external_id: str
    queue: str  # its name as the target spells it, or as written
    task_id: str | None
    payload: dict[str, Any] | None  # None unless ready
    findings: tuple[Finding, ...]

    def skipped(self, why: Finding) -> "PlanRow":
        """The row left out, if it would have been sent; else as it is."""
        if self.verdict is not Verdict.READY:
            return self
        return replace(self, verdict=Verdict.SKIPPED, payload=None, findings=(*self.findings, why))

    def record(self) -> dict[str, Any]:
        """The row as plain values; `plan_row` reads it back."""
        record = asdict(self)
        record["findings"] = [_finding_record(each) for each in self.findings]
        return record


@dataclass(frozen=True, slots=True)
class PlanHead:
    """What a plan says besides its rows. All of it is covered by the digest."""

    source_sha256: str
    source_bytes: int
    format: str
    sheet: str | None
    encoding: str | None
    header_line: int
    headings: tuple[str, ...]
    matched: dict[str, str]
    mapping: dict[str, Any]
    environment: Environment
    settings: dict[str, Any]  # those that matter for what is sent
    counts: dict[str, int]
    warnings: int  # ready rows with a warning
    queues: tuple[dict[str, Any], ...]  # per queue: what was looked up, and rows by verdict
    findings: tuple[Finding, ...]  # on the file and its headings
    schema: str = SCHEMA
    rules: int = 0  # RULES when it was made; 0: before they were counted
    fixes: tuple[Fix, ...] = ()  # cells that people corrected, by line and column; the rows have the new texts

    def record(self) -> dict[str, Any]:
        """The head as plain values, without fixes where there are none; `plan_head` reads it back."""
        record = asdict(self)
        record["findings"] = [_finding_record(each) for each in self.findings]
        if not self.fixes:
            del record["fixes"]
        return record


@dataclass(frozen=True, slots=True)
class About:
    """Who made a plan and when. Not covered by the digest: the same input gives the same digest."""

    plan: str  # the plan's ID
    digest: str
    source: str  # the file's path when it was read
    made_at: str  # RFC 3339, UTC
    preparer: str
    version: str  # the importer's
    mapping_file: str = ""  # the path of the mapping, where it came from a file
    kept: str = ""  # the path of the file as it was uploaded; a blank: it was read where `source` says
    fixed: tuple[Fixed, ...] = ()  # who made the fixes, and when
    preparer_how: str = ""  # how the preparer is known: see core.approval.Person


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan that was read or made: everything but its rows, which are streamed."""

    head: PlanHead
    about: About


@dataclass(slots=True)
class Digest:
    """Builds a plan's digest: rows first, in file order, then the head."""

    _rows: Any = field(default_factory=hashlib.sha256)

    def add(self, line: str) -> None:
        """One row as `canonical` JSON."""
        self._rows.update(line.encode())
        self._rows.update(b"\n")

    def value(self, head: PlanHead) -> str:
        """The digest: 64 hexadecimal digits."""
        whole = hashlib.sha256(self._rows.hexdigest().encode())
        whole.update(canonical(head.record()).encode())
        return whole.hexdigest()


def canonical(value: Any) -> str:
    """JSON with one form only: sorted keys, no spaces, real characters. Raises ValueError for NaN and infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def plan_row(record: dict[str, Any]) -> PlanRow:
    """The row from its record."""
    findings = tuple(_finding(each) for each in record["findings"])
    known = {**record, "cells": tuple(record["cells"]), "verdict": Verdict(record["verdict"]), "findings": findings}
    return PlanRow(**known)


def plan_head(record: dict[str, Any]) -> PlanHead:
    """The head from its record. Raises TypeError or KeyError where the record is of another schema."""
    known = {
        **record,
        "headings": tuple(record["headings"]),
        "environment": Environment(**record["environment"]),
        "queues": tuple(record["queues"]),
        "findings": tuple(_finding(each) for each in record["findings"]),
        "fixes": tuple(Fix(**each) for each in record.get("fixes", ())),
    }
    return PlanHead(**known)


def plan_about(record: dict[str, Any]) -> About:
    """The `About` from its record. Raises TypeError or KeyError where the record is of another schema."""
    about = About(**{**record, "fixed": tuple(Fixed(**each) for each in record.get("fixed", ()))})
    odd = [
        each.name for each in fields(About) if each.name != "fixed" and not isinstance(getattr(about, each.name), str)
    ]
    if odd:  # no digest covers it, and paths are made of it
        raise TypeError(f"{odd[0]} is no text")
    return about


def findings_record(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings as plain values, blank parts left out; `findings_read` reads them back."""
    return [_finding_record(each) for each in findings]


def findings_read(records: Iterable[dict[str, Any]]) -> tuple[Finding, ...]:
    """Findings from their records."""
    return tuple(_finding(each) for each in records)


def _finding_record(finding: Finding) -> dict[str, Any]:
    return {name: value for name, value in asdict(finding).items() if value is not None}


def _finding(record: dict[str, Any]) -> Finding:
    line = record.get("line")
    return Finding(**{**record, "severity": Severity(record["severity"]), "line": None if line is None else Line(line)})


def short(digest: str) -> str:
    """A digest as people compare it: `7f3a-91c2`."""
    return f"{digest[:4]}-{digest[4:8]}"
