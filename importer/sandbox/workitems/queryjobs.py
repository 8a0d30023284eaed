"""Query jobs: a query that is answered some time later, whole and counted."""

import random
from collections.abc import Mapping
from typing import Any

from importer.sandbox.answers import Answer, success
from importer.sandbox.workitems import checks, items, query, shown
from importer.sandbox.workitems.jobs import ACTIVE, QUERIES, QueryJob
from importer.sandbox.workitems.platform import Operation, Platform, Request
from importer.sandbox.workitems.query import Filter
from importer.sandbox.workitems.refusal import Detail, Refusal
from importer.sandbox.workitems.world import Workitem

CRITERIA_MOST = PREDICATES_MOST = 5


def create(platform: Platform, request: Request) -> Answer:
    """POST a job: 200, Queued. Refusal 400 for what cannot be asked or for too many jobs, 409 while it runs already."""
    body = request.json()
    items.may_view(platform)
    try:
        _checked(platform, body, request.now)
    except Refusal as refusal:
        # The definition of query jobs has none of the codes that the synchronous query has for what it cannot use.
        if refusal.code.startswith(("invalid.query", "invalid.input")):
            refusal.code = "constraint.validation"
        raise
    settings, world = platform.scenario.workitems, platform.world
    chance = random.Random(world.job_id("query-job"))
    starts_at = round(request.now + chance.uniform(*settings.query_queued), 3)
    ends_at = round(starts_at + chance.uniform(*settings.query_running), 3)
    job = QueryJob(world.job_id("query-job"), body, request.now, starts_at, ends_at, settings.query_jobs_fail)
    _limited(platform, job, request.now)
    world.keep_query_job(job)
    return success(job.json(request.now))


def _checked(platform: Platform, body: Mapping[str, Any], now: float) -> None:
    _criteria(body)
    _conditions(platform, body)
    items.expanded(body)
    _paged(body)
    for key in ("dateIntervalStart", "dateIntervalEnd"):
        if body.get(key) is not None:
            checks.seconds(key, str(body[key]))
    items.in_order([], body.get("sort"), now)


def _limited(platform: Platform, job: QueryJob, now: float) -> None:
    settings = platform.scenario.workitems
    active = [each for each in platform.world.query_jobs.values() if each.state(now) in ACTIVE]
    if any(each.digest == job.digest for each in active):
        raise Refusal(409, "invalid.query.previous.job.still.running", "Job with identical query already running")
    who = {settings.query_jobs_per_organization: "organization", settings.query_jobs_per_user: "user"}
    for most, whose in sorted(who.items()):
        if len(active) >= most:
            code = f"workitem.concurrent.query.job.per.{whose}.limit.exceeded"
            raise Refusal(400, code, f"Rate limit exceeded for concurrent queries per {whose}", {}, (Detail(code),))


def _conditions(platform: Platform, body: Mapping[str, Any]) -> tuple[Filter, ...]:
    if "filters" not in body:
        raise query.refused("query.filters.validation", "Query filters validation error: filters are missing")
    return query.filters(body["filters"], items.rules(platform, query.JOB_NAMES, typed=False))


def _paged(body: Mapping[str, Any]) -> tuple[int, int]:
    """Number and size of the page that a job is to have."""
    number = body.get("pageNumber")
    number = 1 if number is None else number
    if not isinstance(number, int) or number < 1:
        raise query.refused("query.filters.validation", "pageNumber is a whole number from 1 on", "pageNumber")
    return number, query.page_size(body)


def _criteria(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The criteria over custom fields; none where there are no query filters."""
    given = body.get("queryFilters")
    if given is None:
        return []
    sound = isinstance(given, list) and len(given) == 1 and isinstance(given[0], dict)
    criteria = given[0].get("criteria") if sound and given[0].get("name") == "customFields" else None
    if not _joined(given[0] if sound else None) or not isinstance(criteria, list) or not all(map(_sound, criteria)):
        raise query.refused("query.filters.validation", "Query filters validation error", "queryFilters")
    if not 1 <= len(criteria) <= CRITERIA_MOST:
        raise query.refused("query.filters.validation", "Query filters validation error", "queryFilters")
    return list(criteria)


def _joined(given: object) -> bool:
    return isinstance(given, dict) and given.get("operator") in (None, "AND", "OR")


def _sound(criterion: object) -> bool:
    predicates = criterion.get("predicates") if isinstance(criterion, dict) and _joined(criterion) else None
    return (
        isinstance(predicates, list) and 1 <= len(predicates) <= PREDICATES_MOST and all(map(_comparable, predicates))
    )


def _comparable(predicate: object) -> bool:
    if not isinstance(predicate, dict) or not isinstance(predicate.get("name"), str):
        return False
    how, values = predicate.get("operator"), predicate.get("values")
    if how == "EXISTS":
        return True
    counted = isinstance(values, list) and len(values) >= (2 if how == "BETWEEN" else 1)
    return how in query.OPERATORS and counted


def get(platform: Platform, request: Request) -> Answer:
    """GET a job."""
    return success(_job(platform, request).json(request.now))


def _job(platform: Platform, request: Request) -> QueryJob:
    # The definition lists no code of its own for this.
    checks.uuid("jobId", request.arguments["jobId"], "invalid.value")
    job = platform.world.query_jobs.get(request.arguments["jobId"].lower())
    if job is None:
        raise Refusal(404, "not.found", "Job not found with the supplied id")
    return job


def results(platform: Platform, request: Request) -> Answer:
    """GET the page that a job asked for, as of its end; 409 before that."""
    job = _job(platform, request)
    if job.state(request.now) != "Succeeded":
        raise Refusal(409)
    found = _found(platform, job)
    number, size = _paged(job.body)
    wanted, attributes = items.expanded(job.body)
    page = found[(number - 1) * size : number * size]
    entities = query.selected(
        [shown.workitem(item, item.versions(job.ends_at)[-1], platform, wanted) for item in page], attributes
    )
    counts = {"total": len(found), "pageCount": -(-len(found) // size)}
    return success({"entities": entities, "pageSize": size, "pageNumber": number, **counts})


def _found(platform: Platform, job: QueryJob) -> list[Workitem]:
    body = job.body
    matches = items.matches(platform, _conditions(platform, body), job.ends_at)
    since, until = (
        checks.seconds(key, body[key]) if body.get(key) else default
        for key, default in (("dateIntervalStart", 0.0), ("dateIntervalEnd", float("inf")))
    )
    matches = [item for item in matches if since <= item.created_at <= until and _fits(item, body, job.ends_at)]
    return items.in_order(matches, body.get("sort"), job.ends_at)


def _fits(item: Workitem, body: Mapping[str, Any], now: float) -> bool:
    criteria = _criteria(body)
    if not criteria:
        return True
    fields = item.values(now).get("customFields") or {}
    joined = {"AND": all, "OR": any}
    of_each = [
        joined[each.get("operator") or "AND"](_holds(predicate, fields) for predicate in each["predicates"])
        for each in criteria
    ]
    return joined[body["queryFilters"][0].get("operator") or "AND"](of_each)


def _holds(predicate: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    value = fields.get(str(predicate.get("name")))
    if predicate["operator"] == "EXISTS":
        return value is not None
    return Filter(str(predicate["name"]), predicate["operator"], tuple(predicate["values"])).fits(value)


OPERATIONS = (
    Operation("query_job_create", "POST", QUERIES, "workitems:queryJob:add", create),
    Operation("query_job_get", "GET", f"{QUERIES}/{{jobId}}", "workitems:queryJob:view", get),
    Operation("query_job_results", "GET", f"{QUERIES}/{{jobId}}/results", "workitems:queryJobResults:view", results),
)
