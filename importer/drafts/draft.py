"""Draft: an upload that is worked on until it is a plan, and what is shown of it. Plain values."""

from dataclasses import dataclass
from typing import Any, Literal

from importer.core.approval import Person
from importer.core.errors import UsageError
from importer.core.findings import Finding
from importer.core.fixes import FixMany

Step = Literal["sheet", "columns", "values", "rows", "planned"]
PAGE_ROWS = 100


class NoPlace(UsageError):
    """There is no place for another draft: too many, too big, or the disk is full."""


@dataclass(frozen=True, slots=True)
class DraftHead:
    """What a draft is, and how far it is."""

    id: str
    file_name: str  # as the person's machine calls it; only ever a text
    sha256: str
    size: int  # bytes
    format: str  # "csv" or "xlsx", by content
    by: Person
    at: str  # RFC 3339, UTC
    revision: int  # grows with each change; a form carries the one that the person saw
    step: Step
    sheet: str | None  # None: the first visible one
    header_row: int | None  # None: the one that is found
    mapping: dict[str, Any]  # a record of core.mapping.Mapping
    plan: str | None  # the plan made of exactly this revision
    problem: str  # why the last preview did not end well
    busy: str  # "" or what is going on: "previewing", "planning"
    rows_done: int  # of what is going on
    previewed_at: str  # when the target was asked; a blank: not yet, or something was changed that needs a new preview
    changed_by: str  # who made the last change
    fixes: int  # cells that are fixed


@dataclass(frozen=True, slots=True)
class SheetChoice:
    """A sheet that can be chosen. The sheet of a CSV file is called by a blank."""

    name: str
    rows: int | None  # rows with something in them, the header among them; None: too many sheets to count in all
    hidden: bool
    chosen: bool


@dataclass(frozen=True, slots=True)
class FirstRow:
    """One of the first rows of a sheet: one of them has the headings."""

    line: int
    cells: tuple[str, ...]
    chosen: bool  # it is the header row, as found or as the person said


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """A column of the sheet and the field that it feeds."""

    index: int  # 0-based
    letter: str
    heading: str
    samples: tuple[str, ...]  # at most 3
    field: str | None  # "queue", "attribute:NAME", or None
    how: Literal["exact", "looks like", "mapped", "not used"]
    suggestion: str | None  # a field that the heading resembles
    locked: str = ""  # why its field cannot be chosen here; a blank: it can


@dataclass(frozen=True, slots=True)
class FieldChoice:
    """A field that the target takes."""

    field: str
    name: str
    help: str
    required: bool


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns step: what can be chosen and what is missing still."""

    columns: tuple[ColumnChoice, ...]
    fields: tuple[FieldChoice, ...]
    missing: tuple[FieldChoice, ...]  # required ones that no column feeds
    remembered: str  # whose mapping for files like this is offered, and from when; a blank: none
    header_line: int


@dataclass(frozen=True, slots=True)
class UnknownValue:
    """Something that cells name and the target does not know."""

    field: str
    name: str  # the field's, for people
    value: str
    rows: int
    suggestions: tuple[str, ...]
    known: tuple[str, ...]  # all that could be meant, at most KNOWN_MOST


KNOWN_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows a page shows. A blank part does not filter."""

    verdict: str = ""
    code: str = ""
    heading: str = ""  # rows with a finding in the column of this heading
    text: str = ""  # rows with this in a cell, without regard to case
    line: int | None = None  # the page that has this line (or the next one that is shown)
    number: int = 1  # the page, 1-based; `line` beats it
    fixed: bool = False  # rows with fixes alone


@dataclass(frozen=True, slots=True)
class FixedCell:
    """A cell that was fixed: what the file says, and who changed it when."""

    column: int
    old: str
    who: str
    at: str


@dataclass(frozen=True, slots=True)
class DraftRow:
    """A row of the preview, with its fixes."""

    line: int
    file_line: int | None
    cells: tuple[str, ...]  # as they are sent
    verdict: str
    external_id: str
    queue: str
    task_id: str | None
    findings: tuple[Finding, ...]
    fixed: tuple[FixedCell, ...] = ()
    left_out: str | None = None  # the reason, where a person left it out


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of the preview."""

    rows: tuple[DraftRow, ...]
    total: int  # rows that the filter lets through
    number: int  # 1-based
    pages: int  # at least 1
    first: int  # position of the first row among `total`, 1-based; 0 where there is none
    headings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """One change that can be undone: a fix, a fix of many cells, rows left out, or an undo."""

    id: int
    kind: Literal["fix", "many", "skip", "undo"]
    words: str  # for people
    who: str
    at: str
    cells: int  # cells, or rows that were left out
    undone: bool
    can_undo: bool  # no later batch changed the same cells


@dataclass(frozen=True, slots=True)
class Offer:
    """A fix of many cells that would mend something, and how many cells it would change."""

    many: FixMany
    words: str
    cells: int
