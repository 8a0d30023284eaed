"""The `/sandbox/…` addresses, by which tests and people look inside and turn the knobs. No limits, no log-in."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from importer.sandbox.answers import Answer, error, success
from importer.sandbox.scenario import ScenarioError, checked_faults, checked_queue
from importer.sandbox.service import Service
from importer.sandbox.world import Refused


def control(service: Service, method: str, path: str, body: bytes) -> Answer:
    """Answer a control call: 400 with the reason for a body that makes no sense, 404 and 405 as elsewhere."""
    methods = _ADDRESSES.get(path)
    if methods is None:
        return error(404, message=f"known are {', '.join(_ADDRESSES)}")
    if method not in methods:
        return error(405, headers={"Allow": ", ".join(sorted(methods))})
    try:
        return success(methods[method](service, json.loads(body) if body else {}))
    except Refused as refused:
        return error(refused.status, refused.code, refused.message)
    except (ScenarioError, ValueError, TypeError, KeyError) as problem:
        return error(400, message=str(problem))


def _clock(service: Service, body: Any) -> dict[str, Any]:
    service.advance(float(_table(body)["advance_s"]))
    return {"now": service.clock.now()}


def _faults(service: Service, body: Any) -> dict[str, Any]:
    """Both a bare list of rules and `{"faults": [...]}` are taken."""
    service.set_faults(checked_faults(body["faults"] if isinstance(body, dict) else body))
    return {"faults": [rule.model_dump(exclude_defaults=True) for rule in service.faults.rules]}


def _queues(service: Service, body: Any) -> dict[str, Any]:
    """A queue that exists only changes its status if nothing else is given."""
    table = _table(body)
    known = [queue for queue in service.world.queues.values() if queue.name == table.get("name")]
    if known and table.keys() == {"name", "status"}:
        return service.world.turn_queue(table["name"], checked_queue(table).status).json()
    return service.put_queue(checked_queue(table))


def _settings(service: Service, body: Any) -> dict[str, Any]:
    service.change(_table(body))
    return service.world.scenario.model_dump(mode="json")


def _table(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise TypeError("the body must be a JSON object")
    return body


_ADDRESSES: dict[str, dict[str, Callable[[Service, Any], Any]]] = {
    "/sandbox/journal": {"GET": lambda service, _: service.journal()},
    "/sandbox/calls": {"GET": lambda service, _: {"calls": [visit.json() for visit in service.visits]}},
    "/sandbox/clock": {"POST": _clock},
    "/sandbox/faults": {"POST": _faults},
    "/sandbox/queues": {"POST": _queues},
    "/sandbox/settings": {"POST": _settings, "GET": lambda service, _: service.world.scenario.model_dump(mode="json")},
    "/sandbox/tokens/expire": {"POST": lambda service, _: {"expired": service.api.expire_tokens()}},
}
