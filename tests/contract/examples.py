"""One good value of each model that a rule is about; changed by a rule's bad values, they show what it refuses."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tests.contract import missing
from tests.contract.definition import Json, Side
from tests.contract.rules import ABSENT, ID, Everywhere, Rule
from tests.contract.tighten import split

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
_AT = "2026-11-24T11:59:00.000Z"
_REFERENCE = {"id": ID, "selfUri": f"/api/v2/things/{ID}"}
_NAMED = _REFERENCE | {"name": "Claims"}
_PAGE = {"pageSize": 25, "pageNumber": 1, "total": 1, "pageCount": 1}
_QUERY_FILTER = {"name": "typeId", "type": "String", "operator": "EQ", "values": [ID]}

# Without dates and time to live: they are judged together, and each rule must be seen alone.
_WRITE: Json = {
    "name": "Invoice discrepancy 4711",
    "priority": 50,
    "description": "Manual review",
    "externalTag": "EXT-TASK-9981",
    "durationSeconds": 600,
    "statusId": ID,
    "workbinId": ID,
    "languageId": ID,
    "externalContactId": ID,
    "skillIds": [ID],
    "scriptId": ID,
    "customFields": {
        "claim_id_identifier": "A-1",
        "info_complete_checkbox": True,
        "words_tag": ["one"],
        "n_number": 1.5,
    },
}
_SINGLE = {"utilizationLabelId": ID, "preferredAgentIds": [ID], "scoredAgents": [{"id": ID, "score": 100}]}
_WORKITEM: Json = {
    "id": ID,
    "name": "Invoice discrepancy 4711",
    "division": {"id": "*", "name": "Home", "selfUri": "/api/v2/authorization/divisions/home"},
    "type": _NAMED,
    "workbin": _NAMED,
    "status": _NAMED,
    "statusCategory": "Open",
    "assignmentState": "Idle",
    "priority": 50,
    "dateCreated": _AT,
    "dateModified": _AT,
    "durationSeconds": 600,
    "customFields": {"claim_id_identifier": "A-1"},
    "selfUri": f"/api/v2/taskmanagement/workitems/{ID}",
}
_SUMMARY = {"id": ID, "name": "HD-1 Printer", "workbin": _REFERENCE, "type": _REFERENCE, "selfUri": f"/api/v2/x/{ID}"}
_MADE = {
    "id": ID,
    "name": "Claims",
    "division": _NAMED,
    "dateCreated": _AT,
    "dateModified": _AT,
    "selfUri": f"/api/v2/x/{ID}",
}
_ERROR = {
    "status": 400,
    "code": "bad.request",
    "message": "The request could not be understood.",
    "contextId": ID,
    "limit": {"key": "workitems.per.day", "namespace": "task.management", "value": 1000},
}
_AUDITS = {"interval": "2026-11-01T00:00:00Z/2026-11-02T00:00:00Z", "filters": [{"property": "ClientId", "value": ID}]}
_DELTA = {
    "dateModified": {"newValue": _AT},
    "assignmentState": {"oldValue": "Idle", "newValue": "AcdStarted"},
}
_ORGANIZATION = {"id": ID, "name": "Example"}

GOOD: dict[str, Any] = {
    "WorkitemCreate": _WRITE | _SINGLE | {"typeId": ID, "queueId": ID, "assigneeId": ID, "wrapupCode": ID},
    "WorkitemCommonCreate": _WRITE | {"typeId": ID, "queueId": ID, "assigneeId": ID},
    "WorkitemUpdate": _WRITE | _SINGLE,
    "WorkitemScoredAgentRequest": {"id": ID, "score": 100},
    "BulkJobEntity": {"id": ID},
    "WorkbinCreate": {"name": "Claims", "description": "Claims of customers"},
    "WorkitemQueryPostRequest": {
        "filters": [_QUERY_FILTER],
        "pageSize": 200,
        "attributes": ["type"],
        "expands": ["type"],
    },
    "WorkbinQueryRequest": {"filters": [], "pageSize": 200},
    "WorktypeQueryRequest": {"filters": [], "pageSize": 200},
    "WorkitemQueryJobFilter": {"name": "externalTag", "operator": "IN", "values": ["E-1", "E-2"]},
    "AuditQueryRequest": _AUDITS,
    "AuditRealtimeQueryRequest": _AUDITS,
    "ChannelTopic": {"id": "v2.taskmanagement.workitems.queues.x", "state": "Permitted"},
    "?body": {"topics": [{"id": "v2.taskmanagement.workitems.x"}]},
    "?getTaskmanagementWorkitemVersion": {"workitemId": ID, "entityVersion": 1},
    "sdk.UserSearchRequest": {"query": [{"type": "EXACT", "fields": ["email"], "value": "a@example.com"}]},
    "Workitem": _WORKITEM,
    "WorkitemVersion": _WORKITEM | {"version": 1},
    "ExternalContactReference": _REFERENCE,
    "LanguageReference": _REFERENCE,
    "RoutingSkillReference": _REFERENCE,
    "UserReference": _REFERENCE,
    "WorkitemUtilizationLabelReference": _REFERENCE,
    "WorkitemPostQueryEntityListing": {"entities": [_WORKITEM], "after": "x"},
    "WorktypeQueryEntityListing": {"entities": []},
    "WorkbinQueryEntityListing": {"entities": []},
    "WorkitemVersionListing": {"entities": [_WORKITEM | {"version": 1}]},
    "WorkitemChangeListing": {"entities": []},
    "WorkitemsChangeWorkitemDelta": {"version": 2, "delta": _DELTA},
    "WorkitemDelta": _DELTA,
    "BulkJob": {
        "id": ID,
        "state": "Idle",
        "action": "AddWorkitems",
        "totalCount": 2,
        "successfulCount": 0,
        "failedCount": 0,
        "dateModified": _AT,
    },
    "BulkJobsListing": {"entities": []},
    "BulkJobAddResponse": {"results": [{"entity": _SUMMARY}], "errorCount": 0, "errorIndexes": []},
    "BulkJobTerminateResultsResponse": {"results": [], "errorCount": 0, "errorIndexes": []},
    "BulkJobAddResult": {"entity": _SUMMARY},
    "BulkJobTerminateResult": {"entity": {"id": ID}},
    "BulkJobAddWorkitemSummary": _SUMMARY,
    "BulkJobError": {"code": "not.found", "message": "none"},
    "WorkitemQueryJobResponse": {"id": ID, "state": "Running"},
    "WorkitemQueryJobError": {"code": "internal.server.error", "message": "none"},
    "WorkitemPagedEntityListing": _PAGE | {"entities": [_WORKITEM]},
    "Worktype": _MADE | {"defaultWorkbin": _NAMED, "assignmentEnabled": False},
    "WorkitemStatus": {"id": ID, "name": "Open", "category": "Open"},
    "WorkitemStatusListing": {"entities": []},
    "Workbin": _MADE,
    "DataSchema": {"id": ID, "name": "Claims", "version": 1, "enabled": True, "jsonSchema": {"properties": {}}},
    "DataSchemaListing": {"entities": []},
    "JsonSchemaDocument": {"properties": {"claim_id_identifier": {"title": "Claim"}}},
    "WorkitemSchema": {"id": ID, "version": 1},
    "Queue": {
        "id": ID,
        "name": "Claims",
        "division": _NAMED,
        "memberCount": 3,
        "joinedMemberCount": 1,
        "selfUri": "/api/v2/x",
    },
    "QueueEntityListing": _PAGE | {"entities": []},
    "AuditQueryExecutionStatusResponse": {"id": ID, "state": "Running", "interval": _AUDITS["interval"]},
    "AuditQueryExecutionResultsResponse": {"id": ID, "entities": []},
    "AuditQueryExecutionLargeResultsResponse": {"downloadUrl": "https://downloads.example.com/1"},
    "AuditRealtimeQueryResultsResponse": _PAGE | {"entities": []},
    "AuditRealtimeRelatedResultsResponse": {"entities": []},
    "AuditLogMessage": {
        "id": ID,
        "serviceName": "TaskManagement",
        "eventDate": _AT,
        "action": "Create",
        "entity": {"id": ID},
        "entityType": "BulkJob",
        "status": "SUCCESS",
    },
    "AuditQueryServiceMapping": {"services": []},
    "AuditQueryService": {"name": "TaskManagement", "entities": [{"name": "BulkJob", "actions": ["Create"]}]},
    "AuditQueryEntity": {"name": "BulkJob", "actions": []},
    "PropertyChange": {"property": "name", "oldValues": [], "newValues": ["x"]},
    "Channel": {
        "id": "streaming-1",
        "connectUri": "wss://streaming.mypurecloud.com/channels/streaming-1",
        "expires": _AT,
    },
    "ChannelEntityListing": {"entities": []},
    "ChannelTopicEntityListing": {"entities": []},
    "AvailableTopicEntityListing": {"entities": []},
    "AvailableTopic": {"id": "v2.taskmanagement.workitems.{id}"},
    "OrgOAuthClient": {"id": ID, "name": "Importer", "authorizedGrantType": "CLIENT-CREDENTIALS", "roleDivisions": []},
    "NamedEntity": _ORGANIZATION,
    "login.Token": {"access_token": "x", "token_type": "bearer", "expires_in": 86_400},
    "login.Error": {
        "error": "invalid_client",
        "description": "client not found",
        "error_description": "client not found",
    },
    "error": _ERROR,
    "Detail": {"errorCode": "invalid.input.invalid.uuid", "fieldName": "queueId"},
    "Limit": _ERROR["limit"],
    "sdk.LimitsEntityListing": {"entities": []},
    "sdk.Limit": _ERROR["limit"],
    "sdk.UsersSearchResponse": _PAGE | {"results": []},
    "sdk.User": {"id": ID},
    "sdk.AuthzDivisionEntityListing": {"entities": []},
    "sdk.AuthzDivision": {"id": ID, "name": "Home"},
    "sdk.SkillEntityListing": _PAGE | {"entities": []},
    "sdk.RoutingSkill": {"id": ID, "name": "German", "state": "active"},
    "sdk.LanguageEntityListing": _PAGE | {"entities": []},
    "sdk.Language": {"id": ID, "name": "German", "state": "active"},
    "sdk.WrapupCodeEntityListing": _PAGE | {"entities": []},
    "sdk.WrapupCode": {"id": ID, "name": "Done"},
    "sdk.Organization": _ORGANIZATION,
}
_EVENT = {"id": ID, "operation": "add", "statusCategory": "Open", "assignmentState": "Idle", "dateModified": _AT}
for _model in ("WorkitemsQueueEventsNotificationWorkitem", "WorkitemsEventsNotificationWorkitem"):
    GOOD[f"sdk.{_model}"] = _EVENT
    GOOD[f"event.{_model}"] = {"topicName": f"v2.taskmanagement.workitems.{ID}", "eventBody": _EVENT}
GOOD["TokenInfo"] = {"organization": _ORGANIZATION, "OAuthClient": GOOD["OrgOAuthClient"]}
for _model in ("WorktypeReference", "WorkbinReference", "WorkitemStatusReference", "WorkitemQueueReference"):
    GOOD[_model] = _NAMED
for _model in ("UserReferenceWithName", "Division", "WorkitemScriptReference"):
    GOOD[_model] = _NAMED


def good(model: str) -> Any:
    """A good value of the model; of an operation's parameters, those in its path."""
    if model not in GOOD and model.startswith("?"):
        operation = next(each for each in missing.both() if model == f"?{each.id}")
        return {each.name: ID for each in operation.parameters if each.place == "path"}
    return GOOD[model]


def refused(rule: Rule | Everywhere) -> Iterator[tuple[Side, str, Any]]:
    """Side, model and value of all that the rule says it refuses."""
    if isinstance(rule, Everywhere):
        for side, model, changes in rule.bad:
            yield side, model, changed(good(model), changes)
        return
    for place in rule.at:
        model, path = split(place)
        for bad in rule.bad:
            side = rule.side or ("answer" if model in ("Workitem", "WorkitemVersion") else "request")
            value = [*good(model)[path[:-2]], bad] if path.endswith("[]") else bad
            yield side, model, changed(good(model), {path.removesuffix("[]"): value} if path else bad)


def changed(value: Json, changes: Any) -> Json:
    """The value with fields replaced, or taken away where they are ABSENT."""
    return {name: each for name, each in {**value, **changes}.items() if each is not ABSENT}
