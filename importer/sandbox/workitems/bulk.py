"""Bulk add jobs: Idle until they are set to Queued, then their workitems exist, then they tell the results."""

import random
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from importer.sandbox.answers import CORRELATION, Answer, success
from importer.sandbox.workitems import checks
from importer.sandbox.workitems.jobs import ACTIVE, BULK, BulkJob
from importer.sandbox.workitems.platform import Operation, Platform, Request
from importer.sandbox.workitems.refusal import Detail, Refusal
from importer.sandbox.workitems.world import Draft

ENTITIES_MOST = 50


def create(platform: Platform, request: Request) -> Answer:
    """POST a job: 201, Idle; 400 validation.failed refuses all of it for one entity that breaks a constraint."""
    entities = request.json().get("entities")
    if not isinstance(entities, list):
        raise checks.refused("constraint.validation", "entities", "{name} must be a list")
    if not 1 <= len(entities) <= ENTITIES_MOST:
        raise checks.refused(
            "constraint.validation", "entities", "{name} must have 1 to {most} entries", most=ENTITIES_MOST
        )
    if not all(isinstance(each, dict) for each in entities):
        raise Refusal(400)
    wrong = list(checks.problems(entities, request.now, platform))
    if wrong:
        told = "One or more workitems contain invalid data that failed constraint validation checks."
        details = tuple(_named(index, detail) for index, refusal in wrong for detail in refusal.details)
        raise Refusal(400, "validation.failed", told, details=details)
    for entity in entities:
        worktype = platform.world.worktype(str(entity["typeId"]))
        if worktype is not None:
            checks.may(platform, "workitems:bulkAddJob:add", worktype.division.id)
    job = BulkJob(platform.world.job_id("bulk-job"), request.now, entities)
    platform.world.keep_bulk_job(job)
    return success(job.json(request.now), 201)


def _named(index: int, detail: Detail) -> Detail:
    return Detail(detail.code, f"entities[{index}].{detail.field}", detail.entity_id, detail.entity_name)


def get(platform: Platform, request: Request) -> Answer:
    """GET a job."""
    return success(_job(platform, request).json(request.now))


def _job(platform: Platform, request: Request) -> BulkJob:
    job = platform.world.bulk_jobs.get(request.arguments["bulkJobId"].lower())
    if job is None:
        raise Refusal(404, "not.found", "Bulk add job with the specified ID was not found.")
    return job


def patch(platform: Platform, request: Request) -> Answer:
    """PATCH a job to Queued, by which its workitems come into being, or to Terminated; only while it is Idle."""
    job, wanted = _job(platform, request), request.json().get("state")
    if wanted not in ("Queued", "Terminated"):
        message = "Value [{value}] is not valid for field type [state]. Allowable values are: Queued, Terminated"
        raise checks.refused("invalid.value", "state", message, value=wanted)
    if job.asked != "Idle":
        raise Refusal(409)
    if wanted == "Queued":
        _limited(platform, request.now)
        queue(platform, job, request.now)
    else:
        platform.world.end_bulk_job(job, request.now, deleted=False)
    return success(job.json(request.now))


def _limited(platform: Platform, now: float) -> None:
    most = platform.scenario.workitems.bulk_jobs_concurrent
    if sum(each.state(now) in ACTIVE for each in platform.world.bulk_jobs.values()) >= most:
        code = "service.limit.bulk.jobs.concurrent.maximum.limit.reached"
        raise Refusal(
            400, code, "The maximum number of concurrent active bulk jobs has been reached.", {}, (Detail(code),)
        )


def queue(platform: Platform, job: BulkJob, now: float) -> None:
    """Commit the workitems of a job, all in one record. Its times depend on its ID and the seed alone."""
    settings = platform.scenario.workitems
    chance = random.Random(f"{platform.identity.seed}:{job.id}")
    starts_at = round(now + chance.uniform(*settings.bulk_queued), 3)
    ends_at = round(starts_at + chance.uniform(*settings.bulk_running), 3)
    most = settings.bulk_fails_after
    judged = list(islice(_judged(platform, job, now), most))
    platform.world.run_bulk_job(job, judged, now, starts_at, ends_at, fails=most is not None)


def _judged(platform: Platform, job: BulkJob, now: float) -> Iterator[Draft | dict[str, str]]:
    """Each entity's workitem, or the code and message of what is wrong with it."""
    made, routing = 0, Counter[str]()
    for entity in job.entities:
        try:
            known = checks.shaped(entity, checks.COMMON, now, platform)
            values = checks.completed(known, platform, now)
            routed = checks.admitted(values, known, platform, now, made=made, routing=routing)
        except Refusal as refusal:
            yield {"code": refusal.code, "message": refusal.told()}
        else:
            made += 1
            routing[values["queueId"] if routed else ""] += 1
            yield Draft(values, routed=routed)


def delete(platform: Platform, request: Request) -> Answer:
    """DELETE a job: 204, only while it is Idle."""
    job = _job(platform, request)
    if job.asked != "Idle":
        raise Refusal(409)
    platform.world.end_bulk_job(job, request.now, deleted=True)
    return Answer(204, b"", {CORRELATION: str(uuid.uuid4())})


def results(platform: Platform, request: Request) -> Answer:
    """GET the results of a job; none before it has ended. They have no externalTag, and where set no order either."""
    job = _job(platform, request)
    ended = job.state(request.now) == "Succeeded"
    told = [_result(platform, each) for each in job.results] if ended else []
    if platform.scenario.workitems.results_shuffled:
        random.Random(f"{platform.identity.seed}:{job.id}:results").shuffle(told)
    wrong = [index for index, each in enumerate(told) if "error" in each]
    return success({"results": told, "errorCount": len(wrong), "errorIndexes": wrong})


def _result(platform: Platform, result: Mapping[str, str]) -> dict[str, Any]:
    if "code" in result:
        return {"error": {"code": result["code"], "message": result["message"]}}
    item = platform.world.workitems[result["id"]]
    values = item.done[0].values
    worktype = platform.world.worktype(item.type_id)
    assert worktype is not None
    entity = {
        "id": item.id,
        "name": values["name"],
        "workbin": platform.world.workbins[values["workbinId"]].reference(named=False),
        "type": worktype.reference(named=False),
        "selfUri": f"/api/v2/taskmanagement/workitems/{item.id}",
    }
    return {"entity": entity}


def mine(platform: Platform, request: Request) -> Answer:
    """GET bulk/jobs/users/me: the jobs, newest first unless told."""
    size = request.whole("pageSize", 25, 1, 200)
    first = request.whole("after", 0, 0)
    action = request.one("action", "AddWorkitems")
    jobs = list(platform.world.bulk_jobs.values()) if action == "AddWorkitems" else []
    if request.one("sortOrder", "descending") != "ascending":
        jobs.reverse()
    shown = [job.json(request.now) for job in jobs[first : first + size]]
    after = {"after": str(first + size)} if first + size < len(jobs) else {}
    return success({"entities": shown, **after, "selfUri": "/api/v2/taskmanagement/workitems/bulk/jobs/users/me"})


OPERATIONS = (
    Operation("bulk_add_create", "POST", BULK, "workitems:bulkAddJob:add", create),
    Operation("bulk_add_get", "GET", f"{BULK}/{{bulkJobId}}", "workitems:bulkAddJob:view", get),
    Operation("bulk_add_patch", "PATCH", f"{BULK}/{{bulkJobId}}", "workitems:bulkAddJob:edit", patch),
    Operation("bulk_add_delete", "DELETE", f"{BULK}/{{bulkJobId}}", "workitems:bulkAddJob:delete", delete),
    Operation("bulk_add_results", "GET", f"{BULK}/{{bulkJobId}}/results", "workitems:bulkAddJobResults:view", results),
    Operation(
        "bulk_jobs_mine", "GET", "/api/v2/taskmanagement/workitems/bulk/jobs/users/me", "workitems:bulkJob:view", mine
    ),
)
