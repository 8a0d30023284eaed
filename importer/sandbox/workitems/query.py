"""Filters of queries over workitems, worktypes and workbins: what they may say, and what they find. Decides; no I/O."""

import base64
import binascii
import json
import operator
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from importer.sandbox.workitems.refusal import Detail, Refusal

PAGE_MOST, PAGE_DEFAULT = 200, 25
FILTERS_MOST = 3
OPERATORS = ("EQ", "NEQ", "GT", "LT", "GTE", "LTE", "IN", "CONTAINS", "BETWEEN", "BEGINS_WITH")
MANDATORY = frozenset({"workbinId", "assigneeId", "queueId", "typeId"})
IDS = frozenset({"workbinId", "typeId", "assigneeId", "id", "queueId", "statusId", "divisionId", "languageId"})
NUMBERS = frozenset({"priority", "durationInSeconds", "ttl"})
WORKITEM_NAMES = frozenset(
    [
        "workbinId",
        "typeId",
        "assigneeId",
        "id",
        "name",
        "description",
        "languageId",
        "priority",
        "dateCreated",
        "dateModified",
        "dateDue",
        "dateExpires",
        "durationInSeconds",
        "ttl",
        "statusId",
        "statusCategory",
        "dateClosed",
        "externalContactId",
        "reporterId",
        "queueId",
        "externalTag",
        "modifiedBy",
        "assignmentState",
        "divisionId",
        "caseId",
    ]
)
JOB_NAMES = frozenset(
    [
        "workbinId",
        "id",
        "typeId",
        "priority",
        "dateCreated",
        "dateDue",
        "statusId",
        "dateClosed",
        "externalContactId",
        "assigneeId",
        "assignmentState",
        "queueId",
        "externalTag",
        "divisionId",
    ]
)
CUSTOM = "customFields."
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "GT": operator.gt,
    "LT": operator.lt,
    "GTE": operator.ge,
    "LTE": operator.le,
}


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition; `values` are strings, or numbers where the attribute is one."""

    name: str
    operator: str
    values: tuple[Any, ...]

    def fits(self, value: Any) -> bool:
        """Whether an attribute's value fulfils it; one that is absent only fulfils NEQ."""
        if value is None:
            return self.operator == "NEQ"
        try:
            return self._holds(value)
        except TypeError:  # a custom field of another type than what it is compared with
            return False

    def _holds(self, value: Any) -> bool:
        first = self.values[0]
        match self.operator:
            case "EQ":
                return bool(value == first)
            case "NEQ":
                return bool(value != first)
            case "IN":
                return value in self.values
            case "CONTAINS":
                return first in value
            case "BEGINS_WITH":
                return isinstance(value, str) and value.startswith(first)
            case "BETWEEN":
                return bool(first <= value <= self.values[1])
            case compared:
                return _COMPARED[compared](value, first)


@dataclass(frozen=True, slots=True)
class Rules:
    """What filters may say: their names, how many values IN takes, and what it cannot be used with."""

    names: frozenset[str]
    in_most: int
    in_refused: frozenset[str] = frozenset()
    custom: bool = False
    typed: bool = True
    case_blind: frozenset[str] = frozenset()


def refused(code: str, message: str, field: str = "filters", **params: object) -> Refusal:
    """400 about a query."""
    return Refusal(400, code, message, params, (Detail(code, field),))


def filters(given: object, rules: Rules) -> tuple[Filter, ...]:
    """The checked filters; Refusal 400 for the first that cannot be used."""
    if not isinstance(given, list):
        raise refused("invalid.query.missing.filters", "Missing filters.")
    return tuple(_filter(each, rules) for each in given)


def _filter(given: object, rules: Rules) -> Filter:
    if not isinstance(given, dict):
        raise refused("invalid.query", "Invalid query")
    name, how, values = given.get("name"), given.get("operator"), given.get("values")
    if not isinstance(name, str) or not (
        name in rules.names or (rules.custom and name.startswith(CUSTOM) and name != CUSTOM)
    ):
        raise refused("invalid.query", "Invalid query: there is no attribute {name} to filter by.", name=name)
    if how not in OPERATORS or (rules.typed and given.get("type") not in ("String", "Int")):
        raise refused("invalid.query", "Invalid query: operator or type of the filter on {name} is wrong.", name=name)
    if not isinstance(values, list) or not values:
        raise refused("invalid.input.filter.without.value", "Missing filter values of {name}", name=name)
    if how == "IN" and name in rules.in_refused:
        told = "Certain operators and types cannot be used together: {operator} with {name}"
        raise refused("invalid.query.operator.and.type", told, operator=how, name=name)
    most = {"IN": rules.in_most, "BETWEEN": 2}.get(how, 1)
    if len(values) > most or (how == "BETWEEN" and len(values) != 2):
        told = "Wrong number of values provided for filter {name}: {given}, at most {most}"
        raise refused("invalid.input.wrong.number.values", told, name=name, given=len(values), most=most)
    found = Filter(name, how, tuple(_value(name, how, each, given.get("type"), rules) for each in values))
    if how == "BETWEEN" and found.values[0] > found.values[1]:
        told = "First value cannot be greater than the second value for a BETWEEN operator"
        raise refused("invalid.query.between.order.of.values", told)
    return found


def _value(name: str, how: str, value: object, kind: object, rules: Rules) -> Any:
    if not isinstance(value, str):
        raise refused(
            "invalid.input.wrong.attribute.type", "Wrong attribute type: values of {name} are strings.", name=name
        )
    if value == "":
        raise refused("invalid.input.empty.value", "Empty value of {name}.", name=name)
    if name in NUMBERS and how in ("CONTAINS", "BEGINS_WITH"):
        told = "Certain operators and types cannot be used together: {operator} with {name}"
        raise refused("invalid.query.operator.and.type", told, operator=how, name=name)
    if name in NUMBERS:
        try:
            return int(value)
        except ValueError:
            told = "Wrong attribute type: {name} is a number."
            raise refused("invalid.input.wrong.attribute.type", told, name=name) from None
    if kind == "Int" and rules.typed and not name.startswith(CUSTOM):
        told = "Certain operators and types cannot be used together: Int with {name}"
        raise refused("invalid.query.operator.and.type", told, name=name)
    if name in IDS:
        return value.lower()
    return value.casefold() if name in rules.case_blind else value


def mandatory(found: Sequence[Filter]) -> Filter:
    """The EQ filter that the synchronous query of workitems demands; Refusal 400 without it or with too many filters."""
    if not found:
        raise refused("invalid.query.missing.filters", "Missing filters.")
    if len(found) > FILTERS_MOST:
        told = "Invalid query: {given} filters, at most {most}"
        raise refused("invalid.query", told, given=len(found), most=FILTERS_MOST)
    known = [each for each in found if each.operator == "EQ" and each.name in MANDATORY]
    if not known:
        told = "At least one EQ filter on workbinId, assigneeId, queueId or typeId is required."
        raise refused("invalid.query.missing.workitem.filter", told)
    return known[0]


def page_size(body: Mapping[str, Any]) -> int:
    """The page size of a query's body, 1 to 200, 25 unless told."""
    size = body.get("pageSize")
    if size is None:
        return PAGE_DEFAULT
    if not isinstance(size, int) or isinstance(size, bool):
        raise refused("invalid.input.wrong.attribute.type", "pageSize is a number.", "pageSize")
    if size > PAGE_MOST:
        raise refused(
            "invalid.input.int.value.too.high", "Page size too large: at most {most}", "pageSize", most=PAGE_MOST
        )
    if size < 1:
        raise refused("invalid.input.int.value.too.low", "Page size too small.", "pageSize")
    return size


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: after the workitem of this number, and how many empty pages came before it."""

    number: int = 0
    empties: int = 0

    def text(self) -> str:
        """The cursor as clients see it: nothing to them."""
        return base64.urlsafe_b64encode(json.dumps([self.number, self.empties]).encode()).decode()


def cursor(text: object) -> Cursor:
    """The cursor that a client gives back; Refusal 400 for anything else."""
    if text is None:
        return Cursor()
    try:
        number, empties = json.loads(base64.urlsafe_b64decode(str(text).encode()))
        return Cursor(max(0, int(number)), int(empties))
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error):
        raise refused("invalid.input.invalid.base64.string", "Wrong cursor (after key) format", "after") from None


@dataclass(frozen=True, slots=True)
class Page:
    """The numbers (places in the list of all that was found) that a page shows, and the next page's cursor."""

    first: int
    last: int
    after: str | None


def page(total: int, at: Cursor, size: int, *, empties: int, fill: float) -> Page:
    """One page; the first `empties` pages show nothing but have a cursor, each later one is filled to `fill` at most."""
    if at.number == 0 and at.empties < empties and total:
        return Page(0, 0, Cursor(0, at.empties + 1).text())
    last = min(total, at.number + max(1, int(size * fill)))
    return Page(at.number, last, Cursor(last, at.empties).text() if last < total else None)


def attribute(values: Mapping[str, Any], name: str) -> Any:
    """The value of a flat workitem by the name that filters use."""
    if name.startswith(CUSTOM):
        value = (values.get("customFields") or {}).get(name.removeprefix(CUSTOM))
        return value if isinstance(value, list) or value is None else _told(value)
    return values.get({"durationInSeconds": "durationSeconds"}.get(name, name))


def _told(value: object) -> str:
    return json.dumps(value) if isinstance(value, bool | int | float) else str(value)


def selected(shown: Iterable[Mapping[str, Any]], attributes: Collection[str]) -> list[Mapping[str, Any]]:
    """Entities with only these attributes besides `id` and `selfUri`; all where none are named."""
    if not attributes:
        return list(shown)
    kept = {"id", "selfUri", *attributes}
    return [{key: value for key, value in each.items() if key in kept} for each in shown]
