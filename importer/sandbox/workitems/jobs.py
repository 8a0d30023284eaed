"""Jobs of the platform as functions of time: bulk add jobs and query jobs. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from importer.sandbox.life import timestamp

BULK = "/api/v2/taskmanagement/workitems/bulk/add/jobs"
ACTIVE = frozenset({"Queued", "Running"})
QUERIES = "/api/v2/taskmanagement/workitems/query/jobs"


@dataclass(slots=True)
class BulkJob:
    """A job; times are seconds since 1970. Its state: `asked` by the client, and what time makes of it after `queued_at`.

    `results` has the ID of a workitem or the code and message of an error for each entity, in the order of `entities`;
    none before the job was queued, and fewer where it `fails` on the way.
    """

    id: str
    made_at: float
    entities: list[dict[str, Any]]
    asked: str = "Idle"
    changed_at: float = 0.0
    starts_at: float = 0.0
    ends_at: float = 0.0
    fails: bool = False
    results: list[dict[str, str]] = field(default_factory=list)

    def state(self, now: float) -> str:
        """Idle, Queued, Running, Succeeded, Failed or Terminated at `now`."""
        if self.asked != "Queued":
            return self.asked
        if now < self.starts_at:
            return "Queued"
        ended = "Failed" if self.fails else "Succeeded"
        return "Running" if now < self.ends_at else ended

    def json(self, now: float) -> dict[str, Any]:
        """The job as the platform shows it."""
        state = self.state(now)
        done = self.results if state == "Succeeded" else []
        failed = sum("code" in each for each in done)
        told: dict[str, Any] = {
            "id": self.id,
            "state": state,
            "action": "AddWorkitems",
            "totalCount": len(self.entities),
            "successfulCount": len(done) - failed,
            "failedCount": failed,
            "dateModified": timestamp(max(at for at in (self.made_at, self.changed_at, self.starts_at, self.ends_at) if at <= now)),
            "selfUri": f"{BULK}/{self.id}",
        }  # fmt: skip
        if state in ("Running", "Succeeded", "Failed"):
            told["dateStarted"] = timestamp(self.starts_at)
        if state in ("Succeeded", "Failed"):
            told["dateFinished"] = timestamp(self.ends_at)
        return told


@dataclass(frozen=True, slots=True)
class QueryJob:
    """A job: what it asks for, and its times in seconds since 1970. The results are as of `ends_at`."""

    id: str
    body: Mapping[str, Any]
    made_at: float
    starts_at: float
    ends_at: float
    fails: bool = False

    @property
    def digest(self) -> str:
        """The same for identical queries."""
        return hashlib.sha256(json.dumps(self.body, sort_keys=True).encode()).hexdigest()

    def state(self, now: float) -> str:
        """Queued, Running, Succeeded or Failed at `now`."""
        if now < self.starts_at:
            return "Queued"
        ended = "Failed" if self.fails else "Succeeded"
        return "Running" if now < self.ends_at else ended

    def json(self, now: float) -> dict[str, Any]:
        """The job as the platform shows it."""
        state = self.state(now)
        told: dict[str, Any] = {"id": self.id, "state": state, "selfUri": f"{QUERIES}/{self.id}"}
        if state != "Queued":
            told["dateStarted"] = timestamp(self.starts_at)
        if state in ("Succeeded", "Failed"):
            told["dateFinished"] = timestamp(self.ends_at)
        if state == "Failed":
            told["error"] = {"code": "internal.server.error", "message": "The query could not be carried out."}
        return told
