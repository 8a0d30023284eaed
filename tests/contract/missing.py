"""Operations that a workitems importer needs and the definition lacks: where the SDK knows them, or what is written of them.

The log-in is in neither; its shapes are in section 3 of the facts.
"""

from functools import cache

from tests.contract import definition, sdk_models
from tests.contract.definition import Json, Operation

# Section 4.3: what any operation may answer.
COMMON: dict[str, frozenset[str]] = {
    status: frozenset(codes.split())
    for status, codes in {
        "400": "bad.request invalid.date invalid.value invalid.property constraint.validation invalid.query.param.value "
        "response.entity.too.large client.failed.request",
        "401": "authentication.required bad.credentials ip.not.authorized",
        "403": "missing.permissions missing.any.permissions missing.division.permission missing.any.division.permissions "
        "not.authorized app.not.authorized.for.scope authz.policy.denied",
        "404": "not.found",
        "408": "client.timeout",
        "409": "request.conflict",
        "413": "request.entity.too.large",
        "415": "unsupported.media.type",
        "429": "too.many.requests too.many.requests.retry.after",
        "500": "internal.server.error",
        "503": "service.unavailable",
        "504": "request.timeout authentication.request.timeout",
    }.items()
}

# Method, path, the SDK's module, status of a success; what it may say beyond the common codes is beside it.
IN_SDK: tuple[tuple[str, str, str, str], ...] = (
    ("GET", "/api/v2/organizations/me", "organization_api", "200"),
    ("GET", "/api/v2/organizations/limits/namespaces", "organization_api", "200"),
    ("GET", "/api/v2/organizations/limits/namespaces/{namespaceName}", "organization_api", "200"),
    ("GET", "/api/v2/organizations/limits/namespaces/{namespaceName}/defaults", "organization_api", "200"),
    ("GET", "/api/v2/organizations/limits/docs", "organization_api", "200"),
    ("POST", "/api/v2/users/search", "users_api", "200"),
    ("GET", "/api/v2/users", "users_api", "200"),
    ("GET", "/api/v2/users/me", "users_api", "200"),
    ("GET", "/api/v2/users/{userId}", "users_api", "200"),
    ("GET", "/api/v2/authorization/divisions", "authorization_api", "200"),
    ("GET", "/api/v2/authorization/divisions/home", "authorization_api", "200"),
    ("GET", "/api/v2/authorization/divisions/{divisionId}", "authorization_api", "200"),
    ("GET", "/api/v2/routing/queues/me", "routing_api", "200"),
    ("GET", "/api/v2/routing/queues/divisionviews/all", "routing_api", "200"),
    ("GET", "/api/v2/routing/queues/{queueId}/wrapupcodes", "routing_api", "200"),
    ("GET", "/api/v2/routing/skills", "routing_api", "200"),
    ("GET", "/api/v2/routing/skills/{skillId}", "routing_api", "200"),
    ("GET", "/api/v2/routing/languages", "routing_api", "200"),
    ("GET", "/api/v2/routing/languages/{languageId}", "routing_api", "200"),
    ("GET", "/api/v2/routing/wrapupcodes", "routing_api", "200"),
    ("GET", "/api/v2/routing/wrapupcodes/{codeId}", "routing_api", "200"),
    ("GET", "/api/v2/routing/utilization/labels", "routing_api", "200"),
    ("GET", "/api/v2/externalcontacts/contacts", "external_contacts_api", "200"),
    ("GET", "/api/v2/externalcontacts/contacts/{contactId}", "external_contacts_api", "200"),
    ("GET", "/api/v2/taskmanagement/workitems/schemas/{schemaId}/versions", "task_management_api", "200"),
    ("GET", "/api/v2/taskmanagement/workitems/schemas/limits", "task_management_api", "200"),
    ("GET", "/api/v2/taskmanagement/workitems/schemas/coretypes", "task_management_api", "200"),
    ("POST", "/api/v2/taskmanagement/workitems/{workitemId}/terminate", "task_management_api", "200"),
    ("DELETE", "/api/v2/taskmanagement/workitems/{workitemId}", "task_management_api", "204"),
    ("GET", "/api/v2/taskmanagement/workitems/{workitemId}/wrapups", "task_management_api", "200"),
    ("POST", "/api/v2/analytics/taskmanagement/metrics/query", "analytics_api", "200"),
    ("POST", "/api/v2/analytics/queues/observations/query", "analytics_api", "200"),
)
# What comes over a websocket; section 12. Its shape is the SDK's, in whose names a topic has no dots.
EVENTS = ("WorkitemsQueueEventsNotificationWorkitem", "WorkitemsEventsNotificationWorkitem")
EVENT_MODEL: dict[str, Json] = {
    f"event.{name}": {
        "type": "object",
        "properties": {"topicName": {"type": "string"}, "eventBody": {"$ref": f"#/$defs/{sdk_models.PREFIX}{name}"}},
    }
    for name in EVENTS
}
# Of `/users/me` and `/routing/queues/me` in section 3.4.
MORE_CODES = {
    ("GET", "/api/v2/routing/queues/me"): {"400": {"not.a.user"}},
    ("GET", "/api/v2/users/me"): {"400": {"not.a.user"}},
}

LOG_IN = "/oauth/token"
# Sections 3.2 and 3.3.
LOG_IN_MODELS: dict[str, Json] = {
    "login.Token": {
        "type": "object",
        "properties": {
            "access_token": {"type": "string"},
            "token_type": {"type": "string"},
            "expires_in": {"type": "integer"},
        },
    },
    "login.Error": {
        "type": "object",
        "properties": {name: {"type": "string"} for name in ("error", "description", "error_description")},
    },
}
_REFUSAL: Json = {"$ref": "#/$defs/login.Error"}
TOKEN = Operation(
    "postOauthToken",
    "POST",
    LOG_IN,
    (),
    None,
    {"200": {"$ref": "#/$defs/login.Token"}, "400": _REFUSAL, "401": _REFUSAL},
    {},
)


@cache
def operations() -> tuple[Operation, ...]:
    """All of them, the log-in first; raises NotInSdk where the SDK has one no more."""
    return TOKEN, *(_operation(*row) for row in IN_SDK)


@cache
def models() -> dict[str, Json]:
    """The models that these operations answer with, send or refer to."""
    found: dict[str, Json] = LOG_IN_MODELS | EVENT_MODEL
    for event in EVENTS:
        found |= sdk_models.models(event)
    for operation in operations():
        for told in (operation.body, *operation.answers.values()):
            for name in sdk_names(told):
                found |= sdk_models.models(name)
    return found


def sdk_names(told: Json | None) -> list[str]:
    """Models of the SDK that a schema names."""
    reference = (told or {}).get("items", told or {}).get("$ref", "")
    name = reference.rpartition("/")[2]
    return [name.removeprefix(sdk_models.PREFIX)] if name.startswith(sdk_models.PREFIX) else []


def _operation(method: str, path: str, api: str, status: str) -> Operation:
    more = MORE_CODES.get((method, path), {})
    codes = {status: codes | more.get(status, set()) for status, codes in COMMON.items()}
    return sdk_models.operation(method, path, api, codes, status)


def both() -> tuple[Operation, ...]:
    """Every operation that is known, such that the first whose path matches is the right one."""
    return tuple(sorted((*definition.operations(), *operations()), key=lambda operation: operation.path.count("{")))
