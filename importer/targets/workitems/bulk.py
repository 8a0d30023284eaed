"""Bulk: add jobs of up to 50 workitems. A job does nothing until it is queued, and runs once, so starting it may be repeated."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from importer.core.errors import Forbidden, Unavailable
from importer.core.outcomes import Answer, Created, Lost, NotDone, Refused
from importer.core.states import state_of
from importer.ports import Job
from importer.targets.exchange import Exchange
from importer.targets.transport import Reply
from importer.targets.workitems.payload import SINGLE_ONLY
from importer.targets.workitems.problems import ROW_FORBIDDEN, cause, code_of, correlation_of, day_limit, reason
from importer.targets.workitems.search import Search

JOBS = "/api/v2/taskmanagement/workitems/bulk/add/jobs"
ADD, EDIT = "workitems:bulkAddJob:add", "workitems:bulkAddJob:edit"
VIEW, DELETE, RESULTS = "workitems:bulkAddJob:view", "workitems:bulkAddJob:delete", "workitems:bulkAddJobResults:view"
SIZE = 50
PROOF = 3
"""So many workitems at their rows' places show that results are in the order of the rows."""
DOUBTFUL = ("schedule.service.error", "internal.server.error", "service.unavailable", "request.timeout",
            "authentication.request.timeout", "client.timeout", "too.many.requests")  # fmt: skip
"""Beginnings of codes that do not prove that a workitem was not created."""
BUSY = "service.limit.bulk.jobs.concurrent.maximum.limit.reached"
BUSY_WAIT_S = 5.0
STATES: Mapping[str, Literal["idle", "working", "over", "void"]] = {
    "Idle": "idle", "Queued": "working", "Running": "working",
    "Succeeded": "over", "Failed": "over", "Cancelled": "over",
    "Terminated": "void",  # only an idle job can be terminated
}  # fmt: skip


@dataclass(slots=True)
class BulkAdd:
    """See ports.Bulk."""

    exchange: Exchange
    search: Search
    size: int = SIZE

    def fits(self, payload: str) -> bool:
        return not (SINGLE_ONLY & json.loads(payload).keys())

    async def prepare(self, payloads: Sequence[str]) -> str | Refused:
        body = '{"entities":[' + ",".join(payloads) + "]}"
        try:
            reply = await self.exchange.ask(JOBS, body, needs=ADD)  # an Idle job that a lost answer leaves does nothing
        except Forbidden as problem:
            if problem.code in ROW_FORBIDDEN:  # of some rows' worktype: alone, each gets its own answer
                return Refused(403, str(problem), cause=f"403 {problem.code}")
            raise
        job_id = reply.body.get("id") if isinstance(reply.body, dict) else None
        if reply.status in (200, 201) and isinstance(job_id, str) and job_id:
            return job_id
        if code_of(reply).startswith("service.limit.per.day"):
            raise day_limit(reply)
        if 400 <= reply.status < 500:
            return Refused(reply.status, reason(reply), correlation_of(reply), cause(reply))
        raise Unavailable(f"A bulk job could not be made ({reply.status}: {reply.problem}).", "Try again later.")

    async def start(self, job: str, claim: Callable[[], Awaitable[bool]]) -> NotDone | Refused | None:
        reply = await self.exchange.change("PATCH", _path(job), '{"state":"Queued"}', needs=EDIT, claim=claim)
        if reply is None or reply.status in (200, 202, 204):
            return None
        code = code_of(reply)
        if code.startswith("service.limit.per.day"):
            raise day_limit(reply)
        if code == BUSY:
            return NotDone("the organisation runs as many bulk jobs as it may", BUSY_WAIT_S)
        if reply.status in (404, 409):  # it may run already, for an earlier try: `read` tells how far it is
            return None
        return Refused(reply.status, reason(reply), correlation_of(reply), cause(reply))

    async def read(self, job: str) -> Job:
        reply = await self.exchange.get(_path(job), needs=VIEW)
        if reply.status in (400, 404, 410):
            return Job(job, "gone")
        state = reply.body.get("state") if reply.status == 200 and isinstance(reply.body, dict) else None
        if not isinstance(state, str) or state not in STATES:
            raise Unavailable(f"A bulk job could not be read ({reply.status}: {reply.problem}).", "Try again later.")
        return Job(job, STATES[state])

    async def discard(self, job: str) -> bool:
        reply = await self.exchange.change("DELETE", _path(job), "", needs=DELETE)
        return reply is not None and reply.status in (200, 204, 404)

    # Results

    async def answers(self, job: str, payloads: Sequence[str]) -> Sequence[Answer | None]:
        results = await self._results(job)
        if results is None:
            return [None] * len(payloads)
        entities = {str(each["id"]): each for each in map(_entity, results) if each}
        errors = [error for error in map(_error, results) if error is not None]
        made = await self._by_tag([json.loads(each) for each in payloads], entities)
        return _matched([str(json.loads(each)["externalTag"]) for each in payloads], made, results, errors)

    async def _results(self, job: str) -> list[Mapping[str, Any]] | None:
        reply = await self.exchange.get(f"{_path(job)}/results", needs=RESULTS)
        results = reply.body.get("results") if reply.status == 200 and isinstance(reply.body, dict) else None
        return [each for each in results if isinstance(each, dict)] if isinstance(results, list) else None

    async def _by_tag(self, bodies: Sequence[Mapping[str, Any]], entities: Mapping[str, Any]) -> dict[str, Created]:
        """The workitems of a job by their tags: from the index as far as it knows them by now, else read one by one.

        The order of a job's results is not documented, so it says nothing of which row is which.
        """
        by_type: dict[str, list[str]] = {}
        for body in bodies:
            by_type.setdefault(body["typeId"], []).append(body["externalTag"])
        made: dict[str, Created] = {}
        for worktype, tags in by_type.items():
            for item in await self.search.at_once(tags, list(entities), worktype):
                if item.get("id") in entities and isinstance(item.get("externalTag"), str):
                    made[item["externalTag"]] = _created(item)
        known = {each.task_id for each in made.values()}
        for task_id in entities:
            if task_id not in known:
                shown = await self._read(task_id)
                if shown is not None:
                    made[str(shown["externalTag"])] = _created(shown)
        return made

    async def _read(self, task_id: str) -> Mapping[str, Any] | None:
        path = f"/api/v2/taskmanagement/workitems/{quote(task_id, safe='')}"
        reply = await self.exchange.get(path, needs="workitems:workitem:view")
        shown = reply.body if reply.status == 200 and isinstance(reply.body, dict) else {}
        return shown if isinstance(shown.get("externalTag"), str) and shown.get("id") == task_id else None


def _matched(
    tags: Sequence[str],
    made: Mapping[str, Created],
    results: Sequence[Mapping[str, Any]],
    errors: Sequence[Refused | NotDone | Lost],
) -> list[Answer | None]:
    """Each row's answer. Rows without a workitem are those that the job refused, if there are as many errors as such rows.

    Which error is whose is told by its place, where so many workitems are at their rows' places that this is no chance.
    """
    left = [tag for tag in tags if tag not in made]
    if len(left) != len(errors):
        return [made.get(tag) for tag in tags]
    at_its_place = len(made) >= PROOF and all(
        _is_at(results, place, made[tag].task_id) for place, tag in enumerate(tags) if tag in made
    )
    answers: list[Answer | None] = []
    for place, tag in enumerate(tags):
        own = _error(results[place]) if at_its_place and place < len(results) else None
        answers.append(made.get(tag) or own or _one_of(errors))
    return answers


def _one_of(errors: Sequence[Refused | NotDone | Lost]) -> Answer | None:
    """The reason of one of several rows that a job refused, where it does not say which is whose.

    None where not all of them are refusals: then any of these rows is looked up.
    """
    if len({(type(each), each.problem) for each in errors}) == 1:
        return errors[0]
    if not all(isinstance(each, Refused) for each in errors):
        return None
    told = " / ".join(dict.fromkeys(each.problem for each in errors))
    return Refused(
        400, f"the job refused {len(errors)} of its rows, this one for one of these reasons: {told}"[:600], cause="bulk"
    )


def _is_at(results: Sequence[Mapping[str, Any]], place: int, task_id: str) -> bool:
    entity = _entity(results[place]) if place < len(results) else None
    return entity is not None and entity["id"] == task_id


def _entity(result: Mapping[str, Any]) -> Mapping[str, Any] | None:
    entity = result.get("entity")
    return entity if isinstance(entity, dict) and isinstance(entity.get("id"), str) else None


def _error(result: Mapping[str, Any]) -> Refused | NotDone | Lost | None:
    """What an error of a job's results proves: trouble of the service says nothing, a limit of the day is about no row."""
    error = result.get("error")
    if not isinstance(error, dict):
        return None
    reply = Reply(400, error, {})
    code = code_of(reply)
    if code.startswith("service.limit.per.day"):
        return NotDone(reason(reply), stop=day_limit(reply))
    if code.startswith(DOUBTFUL) or not code:
        return Lost(reason(reply))
    return Refused(400, reason(reply), None, cause(reply))


def _created(item: Mapping[str, Any]) -> Created:
    return Created(str(item["id"]), state_of(item.get("statusCategory"), item.get("assignmentState")), dict(item))


def _path(job: str) -> str:
    return f"{JOBS}/{quote(job, safe='')}"
