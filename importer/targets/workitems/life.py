"""Life: the states of workitems, from the platform's own record of versions, so that none is missed between two looks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from importer.core.report import VERSION, AuditEntry, StateChange
from importer.core.states import state_of
from importer.targets.exchange import Exchange
from importer.targets.paging import by_cursor_in_url

VIEW = "workitems:workitem:view"
PAGE = 200


@dataclass(frozen=True, slots=True)
class Version:
    """A workitem at one moment."""

    number: int
    state: str
    at: str  # RFC 3339, UTC
    by: str  # the ID of who or what made the change


async def versions(exchange: Exchange, task_id: str) -> tuple[Version, ...]:
    """All versions of a workitem, oldest first; none where it is not visible yet (the platform may answer 404 at first)."""
    path = f"/api/v2/taskmanagement/workitems/{quote(task_id, safe='')}/versions?pageSize={PAGE}&sortOrder=ascending"
    found = [_version(each) async for each in by_cursor_in_url(exchange, path, VIEW)]
    return tuple(sorted(found, key=lambda version: version.number))


def states(record: tuple[Version, ...]) -> tuple[StateChange, ...]:
    """The states in turn; versions that change neither of the two are left out."""
    changes: list[StateChange] = []
    for version in record:
        if not changes or changes[-1].state != version.state:
            changes.append(StateChange(version.state, version.at, "history"))
    return tuple(changes)


def entries(record: tuple[Version, ...]) -> tuple[AuditEntry, ...]:
    """Versions in the place of audit entries."""
    before = [None, *(version.state for version in record)]
    return tuple(
        AuditEntry(f"version {each.number}", VERSION, each.by, each.at, _moved(earlier, each.state))
        for earlier, each in zip(before, record, strict=False)
    )


def _moved(earlier: str | None, later: str) -> dict[str, Any]:
    return {} if earlier == later else {"state": {"from": earlier, "to": later}}


def _version(entity: Mapping[str, Any]) -> Version:
    number, by = entity.get("version"), entity.get("modifiedBy")
    return Version(
        number if isinstance(number, int) else 0,
        state_of(entity.get("statusCategory"), entity.get("assignmentState")),
        str(entity.get("dateModified") or entity.get("dateCreated") or ""),
        str(by.get("id") or "") if isinstance(by, dict) else "",
    )
