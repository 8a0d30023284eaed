"""View: which rows of a preview a person looks at, as the query of an address and back. A query is never an error."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from importer.core.findings import CATALOGUE
from importer.core.verdicts import Verdict
from importer.drafts.draft import Filter

TEXT_MOST = 200
"""Characters of a search, and of a heading."""
NUMBER_MOST = 9_999_999


@dataclass(frozen=True, slots=True)
class View:
    """Rows of one draft under a filter, with all columns or only those that are used."""

    draft: str
    which: Filter = field(default_factory=Filter)
    wide: bool = False

    @property
    def query(self) -> str:
        """The view as a query, without what is as usual; a blank for the first page of all rows."""
        which = self.which
        pairs: dict[str, Any] = {
            "verdict": which.verdict,
            "code": which.code,
            "column": which.heading,
            "text": which.text,
            "fixed": "yes" if which.fixed else "",
            "line": which.line or "",
            "page": which.number if which.number > 1 and which.line is None else "",
            "all": "yes" if self.wide else "",
        }
        return urlencode({name: value for name, value in pairs.items() if value})

    @property
    def path(self) -> str:
        """Its address."""
        return f"/imports/{self.draft}/rows" + (f"?{self.query}" if self.query else "")

    def url(self, *, wide: bool | None = None, **changes: Any) -> str:
        """The address of this view with other values: `view.url(number=3, line=None)`."""
        which = replace(self.which, **changes)
        return replace(self, which=which, wide=self.wide if wide is None else wide).path

    @property
    def bare(self) -> str:
        """The address of all rows."""
        return replace(self, which=Filter()).path

    @property
    def filtered(self) -> bool:
        """Whether rows are hidden by the filter."""
        return replace(self.which, line=None, number=1) != Filter()

    @property
    def more(self) -> str:
        """An address that lacks only a finding's code at its end."""
        return f"/imports/{self.draft}/rows?code="

    def cell(self, line: int, column: int) -> str:
        """Where one cell is fixed."""
        return f"/imports/{self.draft}/rows/{line}/{column}"


def view_of(draft: str, query: Mapping[str, str]) -> View:
    """The view that a query asks for. What it does not know, or what makes no sense, is left aside."""
    which = Filter(
        verdict=query.get("verdict", "") if query.get("verdict", "") in set(Verdict) else "",
        code=query.get("code", "") if query.get("code", "") in CATALOGUE else "",
        heading=query.get("column", "")[:TEXT_MOST],
        text=query.get("text", "").strip()[:TEXT_MOST],
        fixed=query.get("fixed", "") == "yes",
        line=_number(query.get("line", "")),
        number=_number(query.get("page", "")) or 1,
    )
    return View(draft, which, query.get("all", "") == "yes")


def view_from(draft: str, kept: str) -> View:
    """The view that a form carried as its `view` field."""
    try:
        return view_of(draft, dict(parse_qsl(kept[:2000], max_num_fields=20)))
    except ValueError:  # more fields than a view has: nobody's
        return View(draft)


def _number(text: str) -> int | None:
    text = text.strip()
    if not (text.isascii() and text.isdigit()) or len(text) > 7:
        return None
    return min(int(text), NUMBER_MOST) or None
