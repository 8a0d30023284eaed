"""All workitems of the organisation and what time makes of them. Pure and seeded; no network, no files."""

import bisect
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from importer.sandbox.life import seeded_id, timestamp
from importer.sandbox.workitems import life
from importer.sandbox.workitems.jobs import BulkJob, QueryJob
from importer.sandbox.workitems.life import Change, Values
from importer.sandbox.workitems.references import Directory
from importer.sandbox.workitems.schemas import SCHEMAS, Schema
from importer.sandbox.workitems.settings import WorkitemLife, WorkitemSettings
from importer.sandbox.workitems.worktypes import WORKBINS, WORKTYPES, Workbin, Worktype, as_told

Record = Mapping[str, Any]
ROUNDING_S = 5e-7
"""Forgiven when a clock was put forward by exactly a lag; a float of seconds since 1970 is coarser than it looks."""
DAY_S = 86_400.0


class Host(Protocol):
    """The sandbox's world, of which the workitems are a part: its settings, who it is, and its journal."""

    @property
    def workitem_settings(self) -> WorkitemSettings: ...
    @property
    def index_lag_s(self) -> float: ...
    @property
    def seed(self) -> int: ...
    @property
    def client_id(self) -> str: ...
    def keep_record(self, record: Record) -> None: ...


@dataclass(frozen=True, slots=True)
class Draft:
    """Checked values of a workitem to be made, and whether it goes to its queue at once."""

    values: Values
    routed: bool


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a workitem: its number from 1 on, all its fields, and who made it when."""

    number: int
    at: float
    by: str | None
    values: Values


@dataclass(slots=True)
class Workitem:
    """A workitem. Its state: changes that people made or that time made before those (`done`), and those `ahead`.

    `ahead` is what will happen by itself from the last of `done` on, if nobody interferes.
    """

    id: str
    created_at: float
    type_id: str
    life: WorkitemLife
    done: list[Change]
    ahead: tuple[Change, ...] = ()
    number: int = 0
    job: str | None = None
    _seen: list[Version] = field(default_factory=list)

    @property
    def external_tag(self) -> str | None:
        """The tag that it was created with."""
        tag: str | None = self.done[0].values.get("externalTag")
        return tag

    def changes(self, now: float) -> list[Change]:
        """All changes by `now`, the first being the creation; at least that one."""
        known = self.done + list(self.ahead)
        return [known[0], *(change for change in known[1:] if change.at <= now)]

    def versions(self, now: float) -> list[Version]:
        """All versions by `now`, oldest first."""
        changes = self.changes(now)
        while len(self._seen) < len(changes):
            self._seen.append(_next(self._seen[-1] if self._seen else None, changes[len(self._seen)]))
        return self._seen[: len(changes)]

    def values(self, now: float) -> Values:
        """All its fields as they are at `now`."""
        if len(self._seen) == len(self.done) + len(self.ahead) and now >= self._seen[-1].at:
            return self._seen[-1].values  # nothing will happen any more: most workitems of a long run
        return self.versions(now)[-1].values


def _next(before: Version | None, change: Change) -> Version:
    old: Values = before.values if before else {}
    at = timestamp(change.at)
    values = {**old, **change.values, "dateModified": at, "modifiedBy": change.by}
    if before is None:
        values |= {"dateCreated": at, "dateStatusChanged": at, "dateAssignmentStateChanged": at}
    if values.get("statusId") != old.get("statusId"):
        values["dateStatusChanged"] = at
        values["dateClosed"] = at if values.get("statusCategory") == "Closed" else None
    if values.get("assignmentState") != old.get("assignmentState"):
        values["dateAssignmentStateChanged"] = at
    return Version(before.number + 1 if before else 1, change.at, change.by, values)


@dataclass(frozen=True, slots=True)
class Event:
    """A version that came into being, with the one before it (None for a creation)."""

    workitem: Workitem
    before: Version | None
    version: Version


class WorkitemWorld:
    """All workitems. Each change is recorded in the host's journal before it is made; if that raises, nothing changed.

    Its whole mutable state is `workitems` with the indexes over them, the jobs, and the life that new ones are given.
    """

    def __init__(self, host: Host, directory: Directory) -> None:
        self._host = host
        self.directory = directory
        self.life = host.workitem_settings.life
        self.workitems: dict[str, Workitem] = {}
        self.workbins: dict[str, Workbin] = dict(WORKBINS)
        self._by_tag: dict[str, list[Workitem]] = {}
        self._retagged: dict[str, list[Workitem]] = {}
        self._by_field: dict[tuple[str, str], list[Workitem]] = {}
        self._created: list[float] = []
        self.bulk_jobs: dict[str, BulkJob] = {}
        self.query_jobs: dict[str, QueryJob] = {}
        self._jobs_made = 0

    # Worktypes

    def worktype(self, type_id: str) -> Worktype | None:
        """The worktype of this ID as the settings of the moment make it."""
        found = WORKTYPES.get(type_id.lower())
        return found and self._as_told(found)

    def worktypes(self) -> list[Worktype]:
        """All worktypes, by name."""
        return sorted(map(self._as_told, WORKTYPES.values()), key=lambda each: each.name)

    def schemas(self) -> dict[str, tuple[Schema, ...]]:
        """All versions of each schema by its ID, oldest first, the newest as the settings of the moment make it."""
        return {key: (*versions[:-1], self._newest(versions[-1])) for key, versions in SCHEMAS.items()}

    def _as_told(self, worktype: Worktype) -> Worktype:
        told = as_told(worktype, self.life.closed_terminates)
        return told if told.schema is None else replace(told, schema=self._newest(told.schema))

    def _newest(self, schema: Schema) -> Schema:
        settings = self._host.workitem_settings
        return replace(schema, required=settings.required_fields, enabled=settings.schema_enabled)

    # Workitems

    def create(self, values: Values, now: float, *, routed: bool) -> Workitem:
        """Commit a workitem of checked values (see checks.py); `routed` is whether it goes to its queue at once."""
        record = self._record(Draft(values, routed), len(self.workitems), now)
        self._host.keep_record(record)
        return self._keep(record)

    def _record(self, draft: Draft, number: int, now: float, job: str | None = None) -> Record:
        by = self._host.client_id if self._host.workitem_settings.client_is_user else None
        made = {"id": seeded_id(self._host.seed, "workitem", number), "at": math.floor(now * 1000) / 1000, "by": by}
        return {"kind": "workitem", **made, "values": dict(draft.values), "routed": draft.routed, "job": job}

    def change(self, workitem: Workitem, values: Values, now: float, *, then: str = "keep") -> None:
        """Change a workitem; `then` says what time makes of it afterwards: `keep` what was ahead, `stop`, or `route`."""
        at = math.floor(now * 1000) / 1000
        record = {"kind": "workitem_change", "id": workitem.id, "at": at, "by": self._host.client_id}
        self._host.keep_record({**record, "values": dict(values), "then": then})
        self._change(workitem, at, self._host.client_id, values, then)

    def workitem(self, workitem_id: str) -> Workitem | None:
        """The workitem of this ID."""
        return self.workitems.get(workitem_id.lower())

    def indexed(self, now: float) -> float:
        """What came into being until then can be found by queries at `now`."""
        return now - self._host.index_lag_s + ROUNDING_S

    def candidates(self, name: str, value: str) -> Iterable[Workitem]:
        """The workitems that may have this value of typeId, workbinId, queueId or externalTag; all for another field."""
        if name in ("typeId", "workbinId"):
            return self._by_field.get((name, value.lower()), ())
        return self.workitems.values()

    def created_since(self, at: float) -> int:
        """How many workitems were created later than `at`."""
        return len(self._created) - bisect.bisect_right(self._created, at)

    def oldest_since(self, at: float) -> float | None:
        """When the first workitem later than `at` was created."""
        place = bisect.bisect_right(self._created, at)
        return self._created[place] if place < len(self._created) else None

    def routing_in(self, queue_id: str, now: float) -> int:
        """How many workitems of a queue are routing (AcdStarted) at `now`, or just about to."""
        return sum(self._is_routing(each, queue_id, now) for each in self.workitems.values())

    def duplicates(self) -> dict[str, list[str]]:
        """The tags that more than one workitem was created with, with the IDs of those workitems."""
        return {tag: [each.id for each in found] for tag, found in self._by_tag.items() if len(found) > 1}

    def tagged(self, tag: str) -> list[Workitem]:
        """The workitems that were created with this tag, or were given it later; some may have lost it since."""
        return [*self._by_tag.get(tag, ()), *self._retagged.get(tag, ())]

    def events(self, after: float, until: float) -> list[Event]:
        """What happened to all workitems later than `after` and by `until`, in order of time."""
        return sorted(self._events(after, until), key=lambda event: event.version.at)

    def _events(self, after: float, until: float) -> Iterator[Event]:
        for workitem in self.workitems.values():
            last = workitem.ahead[-1].at if workitem.ahead else workitem.done[-1].at
            if last <= after or workitem.created_at > until:
                continue
            versions = workitem.versions(until)
            for number, version in enumerate(versions):
                if after < version.at <= until:
                    yield Event(workitem, versions[number - 1] if number else None, version)

    def _is_routing(self, workitem: Workitem, queue_id: str, now: float) -> bool:
        values = workitem.values(now)
        if values.get("queueId") != queue_id:
            return False
        if values["assignmentState"] == "AcdStarted":
            return True
        coming = next((change for change in workitem.ahead if change.at > now), None)
        return coming is not None and coming.values.get("assignmentState") == "AcdStarted"

    def _keep(self, record: Record) -> Workitem:
        workitem_id, at, by, values = (record[key] for key in ("id", "at", "by", "values"))
        first = Change(at, {**values, "reporterId": by}, by)
        number, job = len(self.workitems), record["job"]
        workitem = Workitem(workitem_id, at, values["typeId"], self.life, [first], (), number, job)
        workitem.ahead = self._ahead(workitem, at, routed=record["routed"])
        self.workitems[workitem_id] = workitem
        if workitem.external_tag is not None:
            self._by_tag.setdefault(workitem.external_tag, []).append(workitem)
        for name in ("typeId", "workbinId"):
            self._by_field.setdefault((name, values[name]), []).append(workitem)
        bisect.insort(self._created, at)
        return workitem

    def _change(self, workitem: Workitem, at: float, by: str | None, values: Values, then: str) -> None:
        happened = tuple(change for change in workitem.ahead if change.at <= at)
        ahead = tuple(change for change in workitem.ahead if change.at > at)
        # One version per moment and no time that goes back, even for changes within a millisecond.
        at = max(at, *(change.at for change in (*workitem.done, *happened)))
        workitem.done += [*happened, Change(at, dict(values), by)]
        del workitem._seen[len(workitem.done) - 1 :]  # seen, but not to come: this change was asked for before them
        workitem.ahead = ahead if then == "keep" else ()
        if then == "route":
            workitem.ahead = self._ahead(workitem, at, routed=True)[1:]  # AcdStarted is what the change itself says
        if "externalTag" in values:
            self._retagged.setdefault(values["externalTag"], []).append(workitem)
        if "workbinId" in values:
            self._by_field.setdefault(("workbinId", values["workbinId"]), []).append(workitem)

    def _ahead(self, workitem: Workitem, at: float, *, routed: bool) -> tuple[Change, ...]:
        worktype = self._of_life(workitem)
        if workitem.done[-1].values.get("statusCategory") == "Closed":
            return ()
        lived = life.routed if routed else life.worked
        changes = lived(self._host.seed, workitem.id, worktype, workitem.life, at)
        rules = self._ruled(worktype.name, workitem.life, at) if at == workitem.created_at else ()
        return tuple(sorted((*changes, *rules), key=lambda change: change.at))

    def _of_life(self, workitem: Workitem) -> Worktype:
        return as_told(WORKTYPES[workitem.type_id], workitem.life.closed_terminates)

    def _ruled(self, worktype: str, lived: WorkitemLife, at: float) -> Iterator[Change]:
        for rule in lived.rules:
            if rule.worktype != worktype:
                continue
            queue = self.directory.queue_named(rule.queue) if rule.queue else None
            values = {} if queue is None else {"queueId": queue.id}
            values |= {} if rule.priority is None else {"priority": rule.priority}  # type: ignore[dict-item]
            yield Change(round(at + max(rule.after_s, 0.001), 3), values)

    # Jobs

    def job_id(self, kind: str) -> str:
        """The ID of the job that is made next."""
        return seeded_id(self._host.seed, kind, self._jobs_made)

    def keep_bulk_job(self, job: BulkJob) -> None:
        """Commit an Idle job."""
        self._host.keep_record({"kind": "bulk_job", "job": asdict(job)})
        self._keep_job(job)

    def run_bulk_job(
        self,
        job: BulkJob,
        judged: Sequence[Draft | Mapping[str, str]],
        now: float,
        starts_at: float,
        ends_at: float,
        *,
        fails: bool,
    ) -> None:
        """Commit the workitems of a job in one record; `judged` has a draft, or code and message, for each entity.

        Nobody sees them before `ends_at`, from which they count as created: a job that waits has made nothing yet.
        A job that `fails` comes to an early end, so that it may have judged fewer than all.
        """
        results: list[Mapping[str, str]] = []
        made: list[Record] = []
        for each in judged:
            if isinstance(each, Draft):
                made.append(self._record(each, len(self.workitems) + len(made), ends_at, job.id))
                results.append({"id": made[-1]["id"]})
            else:
                results.append(dict(each))
        about = {"changed_at": now, "starts_at": starts_at, "ends_at": ends_at, "fails": fails}
        record = {"kind": "bulk_job_run", "id": job.id, **about, "results": results, "workitems": made}
        self._host.keep_record(record)
        self._run(record)

    def end_bulk_job(self, job: BulkJob, now: float, *, deleted: bool) -> None:
        """Terminate an Idle job, or delete it."""
        record = {"kind": "bulk_job_ended", "id": job.id, "at": now, "deleted": deleted}
        self._host.keep_record(record)
        self._end(record)

    def keep_query_job(self, job: QueryJob) -> None:
        """Commit a query job."""
        self._host.keep_record({"kind": "query_job", "job": asdict(job)})
        self._keep_query(job)

    def _keep_job(self, job: BulkJob) -> None:
        self.bulk_jobs[job.id] = job
        self._jobs_made += 1

    def _keep_query(self, job: QueryJob) -> None:
        self.query_jobs[job.id] = job
        self._jobs_made += 1

    def _run(self, record: Record) -> None:
        job = self.bulk_jobs[record["id"]]
        for each in record["workitems"]:
            self._keep(each)
        job.asked, job.results, job.fails = "Queued", list(record["results"]), record["fails"]
        job.changed_at, job.starts_at, job.ends_at = (record[key] for key in ("changed_at", "starts_at", "ends_at"))

    def _end(self, record: Record) -> None:
        if record["deleted"]:
            del self.bulk_jobs[record["id"]]
        else:
            job = self.bulk_jobs[record["id"]]
            job.asked, job.changed_at = "Terminated", record["at"]

    # The journal

    def live_as(self, lived: WorkitemLife) -> None:
        """Record how workitems live from now on; those created before keep their own life."""
        self._host.keep_record({"kind": "workitem_life", "life": lived.model_dump(mode="json")})
        self.life = lived

    def replay(self, record: Record) -> bool:
        """Take over a change from the journal; False for one that is not about workitems."""
        match record["kind"]:
            case "workitem":
                self._keep(record)
            case "workitem_change":
                workitem = self.workitems[record["id"]]
                self._change(workitem, record["at"], record["by"], record["values"], record["then"])
            case "bulk_job":
                self._keep_job(BulkJob(**record["job"]))
            case "bulk_job_run":
                self._run(record)
            case "bulk_job_ended":
                self._end(record)
            case "query_job":
                self._keep_query(QueryJob(**record["job"]))
            case "workitem_life":
                self.life = WorkitemLife.model_validate(record["life"])
            case _:
                return False
        return True
