"""The operations on worktypes, workbins and schemas, all of which are only read. Commits nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from importer.sandbox.answers import Answer, success
from importer.sandbox.workitems import checks, items, query
from importer.sandbox.workitems.platform import Operation, Platform, Request
from importer.sandbox.workitems.query import Rules
from importer.sandbox.workitems.refusal import Refusal
from importer.sandbox.workitems.schemas import CORE_TYPES, Schema
from importer.sandbox.workitems.worktypes import Worktype

_T = TypeVar("_T")
_ROOT = "/api/v2/taskmanagement"
_SCHEMAS = f"{_ROOT}/workitems/schemas"
_EXPANDS = ("defaultQueue", "defaultSkills", "defaultLanguage", "schema", "flow", "defaultScript")
_WORKTYPE_RULES = Rules(
    frozenset(
        [
            "divisionId",
            "id",
            "name",
            "description",
            "defaultWorkbinId",
            "defaultPriority",
            "dateCreated",
            "dateModified",
            "modifiedBy",
        ]
    ),
    in_most=50,
)
_WORKBIN_RULES = Rules(
    frozenset(["id", "name", "description", "divisionId", "dateCreated", "dateModified", "modifiedBy"]), in_most=50
)


def worktypes(platform: Platform, request: Request) -> Answer:
    """POST worktypes/query."""
    body = request.json()
    wanted = body.get("expands") or []
    known = [
        each for each in platform.world.worktypes() if _seen(platform, "workitems:worktype:view", each.division.id)
    ]

    def flat(one: Worktype) -> dict[str, Any]:
        return {**one.json(), "divisionId": one.division.id, "defaultWorkbinId": one.workbin.id}

    return _found(body, known, _WORKTYPE_RULES, flat, lambda one: one.json(wanted), f"{_ROOT}/worktypes/query")


def worktype(platform: Platform, request: Request) -> Answer:
    """GET a worktype."""
    return success(_worktype(platform, request).json(items.expands(request, _EXPANDS)))


def statuses(platform: Platform, request: Request) -> Answer:
    """GET the statuses of a worktype."""
    one = _worktype(platform, request, "workitems:status:view", "invalid.input.invalid.path.id")
    told = [one.status_json(each) for each in one.statuses]
    return success({"entities": told, "total": len(told), "selfUri": f"{_ROOT}/worktypes/{one.id}/statuses"})


def _worktype(
    platform: Platform,
    request: Request,
    permission: str = "workitems:worktype:view",
    invalid: str = "invalid.input.invalid.uuid",
) -> Worktype:
    checks.uuid("worktypeId", request.arguments["worktypeId"], invalid)
    one = platform.world.worktype(request.arguments["worktypeId"])
    if one is None:
        raise Refusal(404, "not.found.error", "Worktype not found.")
    checks.may(platform, permission, one.division.id)
    return one


def workbins(platform: Platform, request: Request) -> Answer:
    """POST workbins/query."""
    body = request.json()
    every = sorted(platform.world.workbins.values(), key=lambda each: each.name)
    known = [each for each in every if _seen(platform, "workitems:workbin:view", each.division.id)]
    uri = f"{_ROOT}/workbins/query"
    return _found(
        body,
        known,
        _WORKBIN_RULES,
        lambda one: {**one.json(), "divisionId": one.division.id},
        lambda one: one.json(),
        uri,
    )


def workbin(platform: Platform, request: Request) -> Answer:
    """GET a workbin."""
    checks.uuid("workbinId", request.arguments["workbinId"])
    one = platform.world.workbins.get(request.arguments["workbinId"].lower())
    if one is None:
        raise Refusal(404, "not.found.error", "Workbin not found.")
    checks.may(platform, "workitems:workbin:view", one.division.id)
    return success(one.json())


def _seen(platform: Platform, permission: str, division_id: str) -> bool:
    try:
        checks.may(platform, permission, division_id)
    except Refusal:
        return False
    return True


def _found(
    body: Mapping[str, Any],
    known: Sequence[_T],
    rules: Rules,
    flat: Callable[[_T], Mapping[str, Any]],
    told: Callable[[_T], dict[str, Any]],
    uri: str,
) -> Answer:
    """A page of those that fulfil the filters, of which there may be none."""
    conditions = query.filters(body.get("filters"), rules)
    size, at = query.page_size(body), query.cursor(body.get("after"))
    fitting = [one for one in known if all(each.fits(query.attribute(flat(one), each.name)) for each in conditions)]
    if body.get("select") == "Count":
        return success({"count": len(fitting), "selfUri": uri})
    page = query.page(len(fitting), at, size, empties=0, fill=1.0)
    after = {} if page.after is None else {"after": page.after}
    return success({"entities": [told(one) for one in fitting[page.first : page.last]], **after, "selfUri": uri})


# Schemas


def schemas(platform: Platform, request: Request) -> Answer:  # noqa: ARG001 - the signature is the table's
    """GET schemas: the newest version of each."""
    told = [versions[-1].json() for versions in platform.world.schemas().values()]
    return success({"entities": told, "total": len(told), "selfUri": _SCHEMAS})


def schema(platform: Platform, request: Request) -> Answer:
    """GET the newest version of a schema."""
    return success(_schema(platform, request)[-1].json())


def schema_versions(platform: Platform, request: Request) -> Answer:
    """GET all versions of a schema."""
    told = [each.json() for each in _schema(platform, request)]
    return success({"entities": told, "total": len(told), "selfUri": _SCHEMAS})


def schema_version(platform: Platform, request: Request) -> Answer:
    """GET one version of a schema."""
    wanted = request.arguments["versionId"]
    one = next((each for each in _schema(platform, request) if str(each.version) == wanted), None)
    if one is None:
        raise Refusal(404)
    return success(one.json())


def schema_limits(platform: Platform, request: Request) -> Answer:  # noqa: ARG001 - the signature is the table's
    """GET the limits of schemas, with the numbers of the definition's text."""
    told = {"maxNumberOfSchemasPerOrg": 20, "maxNumberOfFieldsPerSchema": 25, "maxNumberOfFieldsPerOrg": 500}
    return success({**told, "selfUri": f"{_SCHEMAS}/limits"})


def schema_coretypes(platform: Platform, request: Request) -> Answer:  # noqa: ARG001 - the signature is the table's
    """GET the core types of custom fields."""
    told = [{"name": each, "version": 1, "current": True} for each in CORE_TYPES]
    return success({"entities": told, "total": len(told), "selfUri": f"{_SCHEMAS}/coretypes"})


def _schema(platform: Platform, request: Request) -> tuple[Schema, ...]:
    checks.uuid("schemaId", request.arguments["schemaId"])
    found = platform.world.schemas().get(request.arguments["schemaId"].lower())
    if found is None:
        raise Refusal(404)
    return found


_SCHEMA_VIEW = "workitems:workitemSchema:view"
OPERATIONS = (
    Operation("worktype_query", "POST", f"{_ROOT}/worktypes/query", "workitems:worktype:view", worktypes),
    Operation("worktype_get", "GET", f"{_ROOT}/worktypes/{{worktypeId}}", "workitems:worktype:view", worktype),
    Operation(
        "worktype_statuses", "GET", f"{_ROOT}/worktypes/{{worktypeId}}/statuses", "workitems:status:view", statuses
    ),
    Operation("workbin_query", "POST", f"{_ROOT}/workbins/query", "workitems:workbin:view", workbins),
    Operation("workbin_get", "GET", f"{_ROOT}/workbins/{{workbinId}}", "workitems:workbin:view", workbin),
    Operation("schemas", "GET", _SCHEMAS, _SCHEMA_VIEW, schemas),
    Operation("schema_get", "GET", f"{_SCHEMAS}/{{schemaId}}", _SCHEMA_VIEW, schema),
    Operation("schema_versions", "GET", f"{_SCHEMAS}/{{schemaId}}/versions", _SCHEMA_VIEW, schema_versions),
    Operation("schema_version", "GET", f"{_SCHEMAS}/{{schemaId}}/versions/{{versionId}}", _SCHEMA_VIEW, schema_version),
    Operation("schema_limits", "GET", f"{_SCHEMAS}/limits", _SCHEMA_VIEW, schema_limits),
    Operation("schema_coretypes", "GET", f"{_SCHEMAS}/coretypes", _SCHEMA_VIEW, schema_coretypes),
)
