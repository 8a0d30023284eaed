"""One call's way through the sandbox: counted, limited, perhaps made to fail, answered. Knows the clock; no sockets."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from importer.sandbox.answers import Answer, error
from importer.sandbox.api import SCOPES, Api, Call, Credentials, route
from importer.sandbox.clock import Clock
from importer.sandbox.faults import FaultPlan, distorted, instead_of, retry_after
from importer.sandbox.journal import Note, unnoted
from importer.sandbox.life import timestamp
from importer.sandbox.limits import Busiest, Standing, rate_limit
from importer.sandbox.scenario import Fault, QueueSpec
from importer.sandbox.workitems.audit_log import AuditLog
from importer.sandbox.workitems.channels import Channels
from importer.sandbox.workitems.door import Door
from importer.sandbox.workitems.names import CREATES
from importer.sandbox.workitems.platform import Platform
from importer.sandbox.workitems.refusal import Refusal
from importer.sandbox.workitems.routes import Found, WrongMethod
from importer.sandbox.workitems.world import Workitem
from importer.sandbox.world import Task, World


@dataclass(slots=True)
class Visit:
    """A call in the journal. `arrived` is in monotonic seconds; `status` 0 means that no answer was sent (yet)."""

    n: int
    arrived: float
    at: float
    method: str
    path: str
    operation: str
    argument: str = ""
    status: int = 0
    fault: Fault | None = None
    standing: Standing | None = None
    found: Found | None = None
    """What is asked of the platform, if the call is one to it."""

    def json(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "arrived": self.arrived,
            "at": timestamp(self.at),
            "method": self.method,
            "path": self.path,
            "operation": self.operation,
            "status": self.status,
            "fault": self.fault.kind if self.fault else None,
        }


class Service:
    """Takes calls to a world one by one. Its state: `visits`, late calls, the limit's count, the fault plan."""

    def __init__(self, world: World, credentials: Credentials, clock: Clock) -> None:
        self.world = world
        self.clock = clock
        self.api = Api(world, credentials)
        self.platform = Platform(
            world.workitems,
            world.organization,
            AuditLog(world.workitems),
            Channels(world.workitems),
            end_token=self.api.end_token,
            _scenario=lambda: self.world.scenario,
            _identity=lambda: self.world.identity,
        )
        self.door = Door(self.platform)
        self.visits: list[Visit] = []
        self._late: list[tuple[float, Visit, Call]] = []
        self._note: Note = unnoted
        self.set_faults(world.scenario.faults)
        self._set_limit()

    def noted_by(self, note: Note) -> None:
        """From now on `note` is told what really happens, beginning with who this is; see journal.py."""
        self._note = note
        scenario = self.world.scenario
        note(
            {
                "kind": "start",
                "world": self.world.id,
                "tasks": self._committed(),
                "monotonic": self.clock.monotonic(),
                "now": self.clock.now(),
                "limit": scenario.limit.model_dump(),
                "unique": scenario.unique,
                "index_lag_s": scenario.index_lag_s,
            }
        )

    # A call

    def arrive(self, method: str, path: str) -> tuple[Visit, Answer | None]:
        """Count a call; the answer is given here if it is turned away: 429, 404 or 405.

        The visit's fault is the one to carry out, if it is not turned away.
        """
        self._catch_up()
        arrived = self.clock.monotonic()
        visit, answer = self._routed(method, path, arrived)
        self.visits.append(visit)
        self.busiest.arrive(arrived)
        visit.standing = self._limit.admit(arrived)
        if not visit.standing.admitted:
            answer = self._too_many(visit)
        elif answer is None and not self.faults.needs_row(visit.operation):
            visit.fault = self.faults.next(visit.operation)
        self._note({"kind": "arrived", "monotonic": arrived, **_named(visit)})
        return visit, answer

    def _routed(self, method: str, path: str, arrived: float) -> tuple[Visit, Answer | None]:
        """The visit that a call is, and its answer if nothing can be asked there."""
        visit = Visit(len(self.visits) + 1, arrived, self.clock.now(), method, path, "other")
        match self.door.find(method, path):
            case Found() as found:
                visit.operation, visit.found = found.operation.name, found
                return visit, None
            case WrongMethod(allowed):
                return visit, Refusal(405, headers={"Allow": ", ".join(allowed)}).answer()
        routed = route(method, path)
        if isinstance(routed, Answer):
            return visit, routed
        visit.operation, visit.argument = routed
        return visit, None

    def read(self, visit: Visit, body: bytes) -> None:
        """Note what a call to create asks for; other calls ask for nothing that could be done twice.

        Where faults are counted for each row, the visit has its fault from here on.
        """
        if visit.operation == "create" or visit.operation in CREATES:
            asked = {**_asked(visit.operation, body), "sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}
            if self.faults.needs_row(visit.operation):
                row = asked["external_id"] or "\n".join(map(str, asked.get("external_ids", ()))) or None
                visit.fault = self.faults.next(visit.operation, row)
            self._note({"kind": "read", "n": visit.n, **asked, "fault": visit.fault.kind if visit.fault else None})

    def process(self, visit: Visit, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Answer:
        """Carry a call out, or what its fault puts in the place of that; what is committed is committed on return."""
        fault = visit.fault
        if visit.found is None and len(body) > self.world.scenario.body_limit_bytes:
            return error(413)
        if fault is None:
            return self._carried_out(visit, Call(visit.operation, visit.argument, query, headers, body))
        instead = instead_of(fault)
        if instead is not None:
            return distorted(self._failure(instead, visit), fault, self.clock.now())
        if fault.kind == "same_page":
            query = {**query, "pageNumber": "1"}
            query.pop("after", None)
            body = _without_cursor(body)
        answer = self._carried_out(visit, Call(visit.operation, visit.argument, query, headers, body))
        if fault.kind == "error_after":
            answer = self._failure(fault.status or 500, visit)
            fault = fault.model_copy(update={"kind": "status"})
        return distorted(answer, fault, self.clock.now())

    def postpone(self, visit: Visit, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> None:
        """Carry a call out only after the seconds of its fault, though its client gets no answer and may look it up."""
        assert visit.fault is not None
        due = self.clock.now() + visit.fault.seconds
        self._late.append((due, visit, Call(visit.operation, visit.argument, query, headers, body)))

    def _catch_up(self) -> None:
        """Carry out what was postponed and is due: whoever looks next cannot tell that it was not done in time."""
        now = self.clock.now()
        due = sorted((each for each in self._late if each[0] <= now), key=lambda each: each[0])
        self._late = [each for each in self._late if each[0] > now]
        for at, visit, call in due:
            self._carried_out(visit, call, late_at=at)

    def _carried_out(self, visit: Visit, call: Call, late_at: float | None = None) -> Answer:
        """The API's answer; what it committed is noted before anybody can learn of it."""
        now = self.clock.now() if late_at is None else late_at
        before = len(self.world.tasks), len(self.world.workitems.workitems)
        answer = self._of_platform(visit.found, call, now) if visit.found else self.api.answer(call, now)
        made: list[Task | Workitem] = [*_newest(self.world.tasks, before[0])]
        made += _newest(self.world.workitems.workitems, before[1])
        for each in made:
            external_id = each.external_id if isinstance(each, Task) else each.external_tag
            told = {"task_id": each.id, "external_id": external_id, "late": late_at is not None}
            self._note({"kind": "committed", "n": visit.n, "monotonic": self.clock.monotonic(), **told})
        return answer

    def _of_platform(self, found: Found, call: Call, now: float) -> Answer:
        known = self.api.token_is_valid(call.headers.get("Authorization", ""), now)
        return self.door.answer(found, call.query, call.headers, call.body, now, known=known)

    def answered(self, visit: Visit, at: float, retry_after: str | None, *, sent: bool) -> None:
        """Note how a visit ended; `at` (monotonic seconds) is before the first byte of its answer."""
        told = {"status": visit.status, "retry_after": retry_after, "fault": visit.fault.kind if visit.fault else None}
        self._note({"kind": "answered", "n": visit.n, "monotonic": at, **told, "sent": sent})

    def lost(self, visit: Visit) -> None:
        """Note that a visit ended without an answer."""
        self.answered(visit, self.clock.monotonic(), None, sent=False)

    def depart(self, visit: Visit, answer: Answer) -> dict[str, str]:
        """Note the answer of a visit; gives the headers to send, those of the rate limit among them."""
        visit.status = answer.status
        standing, visit.standing = visit.standing, None
        if standing is None or standing.allowed == 0 or not self.world.scenario.limit.headers:
            return answer.headers
        return {
            **answer.headers,
            "inin-ratelimit-count": str(standing.count),
            "inin-ratelimit-allowed": str(standing.allowed),
            "inin-ratelimit-reset": str(math.ceil(standing.reset_s)),
        }

    def _failure(self, status: int, visit: Visit) -> Answer:
        if visit.found is not None:
            return Refusal(status).answer()
        if status == 403 and visit.operation in SCOPES:
            return error(403, message=f"the OAuth client lacks the scope {SCOPES[visit.operation]}")
        return error(status)

    def _too_many(self, visit: Visit) -> Answer:
        assert visit.standing is not None
        wait_s = max(1, math.ceil(visit.standing.wait_s - 1e-9))
        headers = {
            "seconds": {"Retry-After": str(wait_s)},
            # A date has no fractions: one second more than needed is never too early.
            "date": {"Retry-After": retry_after(f"date+{wait_s + 1}", self.clock.now())},
            "absent": {},
        }[self.world.scenario.limit.retry_after]
        code = "too.many.requests.retry.after"
        if visit.found is not None:
            message = "Rate limit exceeded the maximum. Retry the request in [{seconds}] seconds"
            return Refusal(429, code, message, {"seconds": wait_s}, headers=headers).answer()
        message = f"Rate limit exceeded. Retry the request in [{wait_s}] seconds"
        return error(429, code, message, headers=headers)

    # What can be changed while it runs

    def set_faults(self, rules: tuple[Fault, ...]) -> None:
        """Replace the fault rules; their counts start at 1 again."""
        self.faults = FaultPlan(rules, self.world.identity.seed, self.world.scenario.faults_per_row)

    def change(self, changes: Mapping[str, Any]) -> None:
        """Change settings as they would stand in a scenario; raises ScenarioError and then changes nothing."""
        scenario = self.world.scenario.changed(changes)
        if scenario.life != self.world.scenario.life:
            self.world.live_as(scenario.life)
        if scenario.workitems.life != self.world.workitems.life:
            self.world.workitems.live_as(scenario.workitems.life)
        limit_before, self.world.scenario = self.world.scenario.limit, scenario
        if scenario.limit != limit_before:
            self._set_limit()
        if changes.keys() & {"faults", "faults_per_row"}:
            self.set_faults(scenario.faults)
        for spec in scenario.queues if "queues" in changes else ():
            self.world.put_queue(spec)

    def put_queue(self, spec: QueueSpec) -> dict[str, Any]:
        """Add or replace a queue; gives it as the API shows it."""
        return self.world.put_queue(spec).json()

    def advance(self, seconds: float) -> None:
        """Put the clock forward, in the world's journal too, so that its time never goes back."""
        self.clock.advance(seconds)
        self.world.record({"kind": "clock", "advance_s": seconds})

    def _set_limit(self) -> None:
        self._limit = rate_limit(self.world.scenario.limit)
        self.busiest = Busiest(self.world.scenario.limit.window_s)

    # What it tells

    def journal(self) -> dict[str, Any]:
        """All that happened: every task in the world, and counts of this process's calls and answers.

        `answers` counts statuses as strings, `0` being calls without an answer; `most_in_window` is the most calls,
        refused ones included, that arrived in one window of the limit; `committed` is the number of tasks.
        """
        self._catch_up()
        return {
            "world": self.world.id,
            "now": timestamp(self.clock.now()),
            "tasks": [*map(self._told, self.world.tasks.values()), *self.door.told(self.clock.now())],
            "duplicates": self.world.duplicates() | self.world.workitems.duplicates(),
            "calls": dict(Counter(visit.operation for visit in self.visits)),
            "answers": dict(Counter(str(visit.status) for visit in self.visits)),
            "faults": dict(Counter(visit.fault.kind for visit in self.visits if visit.fault)),
            "most_in_window": self.busiest.most,
            "committed": self._committed(),
        }

    def _committed(self) -> int:
        return len(self.world.tasks) + len(self.world.workitems.workitems)

    def _told(self, task: Task) -> dict[str, Any]:
        now = self.clock.now()
        steps = self.world.steps(task, now)
        return {
            "id": task.id,
            "externalId": task.external_id,
            "createdAt": timestamp(task.created_at),
            "states": [{"state": step.state, "at": timestamp(step.at)} for step in steps],
            "audits": self.world.audit_count(task, now),
            "task": self.world.json(task, now),
        }


def _named(visit: Visit) -> dict[str, Any]:
    """A visit as the journal names it when it arrives."""
    return {name: value for name, value in visit.json().items() if name not in ("arrived", "status")}


def _newest(made: dict[str, Any], before: int) -> list[Any]:
    """What was added since there were so many, oldest first."""
    return [made[key] for key in [*islice(reversed(made), len(made) - before)][::-1]] if len(made) > before else []


def _asked(operation: str, body: bytes) -> dict[str, Any]:
    """The external IDs that a body asks for; None stands for one that cannot be read, or for several."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {"external_id": None}
    if operation == "bulk_add_create":
        entities = value.get("entities") if isinstance(value, dict) else None
        listed = entities if isinstance(entities, list) else []
        return {"external_id": None, "external_ids": [_text(each, "externalTag") for each in listed]}
    if operation == "workitem_create":
        return {"external_id": _text(value, "externalTag")}
    return {"external_id": _text(value.get("customAttributes") if isinstance(value, dict) else None, "externalId")}


def _text(table: object, key: str) -> str | None:
    value = table.get(key) if isinstance(table, dict) else None
    return value if isinstance(value, str) else None


def _without_cursor(body: bytes) -> bytes:
    """A query's body that asks for the first page again."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body
    kept = {key: each for key, each in value.items() if key != "after"} if isinstance(value, dict) else value
    return json.dumps(kept).encode()
