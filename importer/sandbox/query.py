"""The search grammar: at most 50 terms `FIELD eq 'VALUE'` joined by ` or `, quotes doubled. Decides; does no I/O."""

import re
from dataclasses import dataclass

MAX_TERMS = 50
ID = "id"
EXTERNAL_ID = "customAttributes.externalId"

_TERM = re.compile(r"(id|customAttributes\.externalId) eq '((?:[^']|'')*)'")
_OR = " or "


@dataclass(frozen=True, slots=True)
class Term:
    """One thing looked for; `value` has its quotes single again."""

    field: str
    value: str


class QueryError(ValueError):
    """A query that does not parse; the message says where."""


def parse(text: str) -> tuple[Term, ...]:
    """The terms of `text`, 1 to 50, in their order; raises QueryError."""
    terms: list[Term] = []
    at = 0
    while True:
        found = _TERM.match(text, at)
        if found is None:
            raise QueryError(f"query: no term FIELD eq 'VALUE' at character {at + 1}: {text[at : at + 40]!r}")
        terms.append(Term(found[1], found[2].replace("''", "'")))
        if found.end() == len(text):
            return _counted(terms)
        if not text.startswith(_OR, found.end()):
            raise QueryError(f"query: ' or ' expected at character {found.end() + 1}: {text[found.end() :][:40]!r}")
        at = found.end() + len(_OR)


def _counted(terms: list[Term]) -> tuple[Term, ...]:
    if len(terms) > MAX_TERMS:
        raise QueryError(f"query: {len(terms)} terms, at most {MAX_TERMS} are allowed")
    return tuple(terms)
