"""The calls that tell the organisation's limits. They tell; what enforces a limit is elsewhere."""

from collections.abc import Mapping

from importer.sandbox.answers import Answer, success
from importer.sandbox.scenario import Scenario
from importer.sandbox.workitems.platform import Operation, Platform, Request
from importer.sandbox.workitems.refusal import Refusal

NAMESPACES = "/api/v2/organizations/limits/namespaces"
TOKEN_RATE = "client.credentials.token.rate.per.minute"  # noqa: S105 - the name of a limit
DEFAULTS: dict[str, dict[str, int]] = {
    "platform.api": {
        TOKEN_RATE: 300,
        "token.rate.per.minute": 300,
        "org.app.user.rate.per.minute": 300,
        "request.bytes.max": 512_000,
    },
    "task.management": {
        "sandbox.workitems.created.per.day": 1_000_000,
        "sandbox.acd.started.per.queue": 100_000,
        "sandbox.bulk.jobs.concurrent": 10,
        "sandbox.query.jobs.per.user": 5,
        "sandbox.query.jobs.per.organization": 20,
    },
    "audit": {"sandbox.realtime.queries.in.flight": 3},
    "notifications": {"sandbox.channels.per.user.and.app": 20, "sandbox.topics.per.channel": 1000},
    "routing": {"sandbox.queues": 5000},
}
"""Value by key by namespace. Where the platform's own key is not known it begins with `sandbox`, so that nobody takes
it for one: a client must show what it is told, whatever the key."""


def effective(scenario: Scenario) -> dict[str, dict[str, int]]:
    """The limits that the sandbox keeps to as it is set, and on top of them what the scenario says is told."""
    rate, rules, services = scenario.limit, scenario.workitems, scenario.services
    kept: dict[str, dict[str, int | None]] = {
        "platform.api": {
            TOKEN_RATE: int(rate.calls * 60 / rate.window_s) or None,
            "request.bytes.max": rules.request_bytes_max,
        },
        "task.management": {
            "sandbox.workitems.created.per.day": rules.created_per_day,
            "sandbox.acd.started.per.queue": rules.acd_started_per_queue,
            "sandbox.bulk.jobs.concurrent": rules.bulk_jobs_concurrent,
            "sandbox.query.jobs.per.user": rules.query_jobs_per_user,
            "sandbox.query.jobs.per.organization": rules.query_jobs_per_organization,
        },
        "audit": {"sandbox.realtime.queries.in.flight": services.audit_realtime_most},
        "notifications": {
            "sandbox.channels.per.user.and.app": services.channels_most,
            "sandbox.topics.per.channel": services.topics_most,
        },
        "routing": {},
    }
    return {
        namespace: {
            **defaults,
            **{key: value for key, value in kept[namespace].items() if value is not None},
            **services.limits.get(namespace, {}),
        }
        for namespace, defaults in DEFAULTS.items()
    }


def _limits(platform: Platform, request: Request) -> Answer:
    return _told(platform, request, effective(platform.scenario))


def _defaults(platform: Platform, request: Request) -> Answer:
    return _told(platform, request, DEFAULTS)


def _told(platform: Platform, request: Request, limits: Mapping[str, Mapping[str, int]]) -> Answer:
    namespace = request.arguments["namespaceName"]
    if not platform.scenario.services.limits_are_told:
        raise Refusal(403)
    if namespace not in limits:
        raise Refusal(404)
    entities = [{"key": key, "namespace": namespace, "value": value} for key, value in limits[namespace].items()]
    return success({"entities": entities})


def _docs(platform: Platform, request: Request) -> Answer:  # noqa: ARG001 - the seam's signature
    namespaces = [
        {
            "name": namespace,
            "friendlyName": namespace.replace(".", " ").title(),
            "limits": [{"key": key, "defaultValue": value, "description": key} for key, value in limits.items()],
        }
        for namespace, limits in DEFAULTS.items()
    ]
    return success({"url": "/api/v2/organizations/limits/docs", "namespaces": namespaces})


OPERATIONS: tuple[Operation, ...] = (
    Operation("limits", "GET", f"{NAMESPACES}/{{namespaceName}}", None, _limits),
    Operation("limit_defaults", "GET", f"{NAMESPACES}/{{namespaceName}}/defaults", None, _defaults),
    Operation("limit_docs", "GET", "/api/v2/organizations/limits/docs", None, _docs),
)
