"""What the definition leaves open and the facts do not: each rule with its section, and values that it alone refuses.

Data only. `tighten` lays the rules over the schemas; a test takes each rule away and sees that its values then pass.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.contract.definition import Json, Side

ABSENT: Any = ...


@dataclass(frozen=True, slots=True)
class Rule:
    """Keywords of JSON Schema `must` hold at places, on one side or on both.

    A place is `Model`, `Model.field`, `Model.field[]` (each item) or `?operation.parameter`. `bad` are values there that
    nothing else refuses; at a model they are changes to a good one. `open` says that it is not known what the platform
    does with such a request: a target must not send it, a sandbox may take it.
    """

    name: str
    source: str
    at: tuple[str, ...]
    must: Json
    bad: tuple[Any, ...]
    side: Side | None = None
    open: bool = False


@dataclass(frozen=True, slots=True)
class Everywhere:
    """Keywords `must` hold wherever a schema has the keywords `where`; `bad` are changes to good models, by side."""

    name: str
    source: str
    where: Json
    must: Json
    bad: tuple[tuple[Side, str, Mapping[str, Any]], ...] = field(default=())
    side: Side | None = None
    open: bool = False


ID = "31fa2652-1023-4461-a854-6edf8d384716"
_UUID = {"pattern": r"^[a-fA-F0-9]{8}(-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}$"}
_NO_UUIDS = ("Claims", ID[:-1], f"{ID}0", f"x{ID}", "")
_DATE_TIME = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?Z$"
_CREATES = ("WorkitemCreate", "WorkitemCommonCreate")
_WRITES = (*_CREATES, "WorkitemUpdate")
_QUERY = "WorkitemQueryPostRequest"
_REFERENCES = [
    "WorktypeReference",
    "WorkbinReference",
    "WorkitemStatusReference",
    "WorkitemQueueReference",
    "UserReference",
    "UserReferenceWithName",
    "Division",
    "LanguageReference",
    "RoutingSkillReference",
    "ExternalContactReference",
    "WorkitemScriptReference",
    "WorkitemUtilizationLabelReference",
]
_SORTED = ("getTaskmanagementWorkitemHistory", "getTaskmanagementWorkitemVersions")


def _of(models: tuple[str, ...], *fields: str) -> tuple[str, ...]:
    return tuple(f"{model}.{name}" for model in models for name in fields)


def _answers(source: str, **models: str) -> tuple[Rule, ...]:
    """Fields that an answer must have; that each is needed is shown by a good model without it."""
    return tuple(
        Rule(
            f"{model.replace('__', '.')} has what an answer must have",
            source,
            (model.replace("__", "."),),
            {"required": fields.split()},
            tuple({name: ABSENT} for name in fields.split()),
            "answer",
        )
        for model, fields in models.items()
    )


def _filter(name: str, operator: str = "EQ", *values: str, kind: str = "String") -> Json:
    return {"name": name, "type": kind, "operator": operator, "values": list(values) or [ID]}


_ANCHORS = ["workbinId", "assigneeId", "queueId", "typeId"]
_FILTERS = (
    "workbinId typeId assigneeId id name description languageId priority dateCreated dateModified dateDue dateExpires "
    "durationInSeconds ttl statusId statusCategory dateClosed externalContactId reporterId queueId externalTag modifiedBy "
    "assignmentState divisionId caseId"
)
_JOB_FILTERS = (
    "workbinId id typeId priority dateCreated dateDue statusId dateClosed externalContactId assigneeId assignmentState "
    "queueId externalTag divisionId"
)

# A field of text, by the ending of its key; section 7.3.
_CORE_TYPES: Json = {
    "_(text|longtext|url|identifier|enum)$": {"type": "string"},
    "_date$": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
    "_datetime$": {"type": "string", "pattern": _DATE_TIME},
    "_integer$": {"type": "integer"},
    "_number$": {"type": "number"},
    "_checkbox$": {"type": "boolean"},
    "_tag$": {"type": "array", "items": {"type": "string"}},
}

_NO_CUSTOM_FIELDS = (
    {"claim_id_identifier": 4711},
    {"complete_checkbox": "yes"},
    {"amount_integer": "12"},
    {"amount_number": "1,5"},
    {"day_date": "01.02.2027"},
    {"at_datetime": "2027-02-01"},
    {"words_tag": "one, two"},
)

_OUTLIVED = (
    {"dateDue": "2026-12-24T00:00:00.000Z", "ttl": 1_798_000_000},
    {"dateExpires": "2026-12-24T00:00:00.000Z", "ttl": 1_798_000_000},
)

REQUESTS: tuple[Rule, ...] = (
    Rule(
        "a name has 3 to 256 characters",
        "6.1, 6.3, 7.2",
        (*_of(_WRITES, "name"), "WorkbinCreate.name"),
        {"minLength": 3, "maxLength": 256},
        ("", "ab", "x" * 257),
    ),
    Rule(
        "a description has at most 512 characters",
        "6.1, 6.3, 7.2",
        (*_of(_WRITES, "description"), "WorkbinCreate.description"),
        {"maxLength": 512},
        ("x" * 513,),
    ),
    Rule(
        "a priority is -25,000,000 to 25,000,000",
        "6.1",
        _of((*_WRITES, "Workitem", "WorkitemVersion"), "priority"),
        {"minimum": -25_000_000, "maximum": 25_000_000},
        (-25_000_001, 25_000_001),
    ),
    Rule(
        "every reference is a UUID",
        "1.3, 6.1",
        (
            *_of(_CREATES, "typeId"),
            *_of(_WRITES, "workbinId", "statusId", "languageId", "externalContactId", "scriptId"),
            *_of(_WRITES, "skillIds[]"),
            *_of(("WorkitemCreate",), "wrapupCode"),
            *_of(("WorkitemCreate", "WorkitemUpdate"), "utilizationLabelId", "preferredAgentIds[]"),
            "WorkitemScoredAgentRequest.id",
            "BulkJobEntity.id",
        ),
        _UUID,
        _NO_UUIDS,
    ),
    Rule(
        "the ID of a queue or an assignee is no more than a UUID",
        "1.3, 6.1",
        _of(_WRITES, "queueId", "assigneeId"),
        _UUID,
        (f"{ID}0", f"x{ID}"),
    ),
    Rule(
        "an ID in a path is a UUID",
        "1.3, 6.7",
        (
            "?getTaskmanagementWorkitem.workitemId",
            "?patchTaskmanagementWorkitem.workitemId",
            "?getTaskmanagementWorkitemHistory.workitemId",
            "?getTaskmanagementWorkitemVersions.workitemId",
            "?getTaskmanagementWorkitemVersion.workitemId",
            "?getRoutingQueue.queueId",
            "?getTaskmanagementWorkbin.workbinId",
            "?getTaskmanagementWorktype.worktypeId",
            "?getTaskmanagementWorktypeStatuses.worktypeId",
            "?getTaskmanagementWorkitemsQueryJob.jobId",
            "?getTaskmanagementWorkitemsQueryJobResults.jobId",
        ),
        _UUID,
        ("Claims", f"{ID}0"),
    ),
    Rule(
        "a date is at most 365 days ahead",
        "6.1",
        _of(_WRITES, "dateDue", "dateExpires"),
        {"daysAhead": 365},
        ("2027-12-01T00:00:00Z", "2099-01-01T00:00:00.000Z"),
    ),
    Rule(
        "an expiry is at least an hour ahead",
        "6.1",
        _of(_WRITES, "dateExpires"),
        {"hoursAhead": 1},
        ("2026-11-24T12:59:00Z", "2020-01-01T00:00:00Z"),
    ),
    Rule(
        "a time to live is an epoch timestamp at most 365 days ahead",
        "6.1",
        _of(_WRITES, "ttl"),
        {"daysAhead": 365},
        (2_000_000_000,),
    ),
    Rule(
        "a time to live is not a duration",
        "6.1",
        _of(_WRITES, "ttl"),
        {"hoursAhead": 0},
        (86_400, 0),
    ),
    Rule(
        "a workitem is due and expires before its time to live ends",
        "6.1",
        ("WorkitemCreate", "WorkitemUpdate"),
        {"beforeTtl": ["dateDue", "dateExpires"]},
        _OUTLIVED,
    ),
    Rule(
        "a workitem of a bulk job is due and expires before its time to live ends, too",
        "6.1",
        ("WorkitemCommonCreate",),
        {"beforeTtl": ["dateDue", "dateExpires"]},
        _OUTLIVED,
        # Whether the job is refused as a whole or only its row fails is not known.
        open=True,
    ),
    Rule(
        "a duration is at most 365 days",
        "6.1",
        _of(_WRITES, "durationSeconds"),
        {"minimum": 0, "maximum": 365 * 86_400},
        (-1, 365 * 86_400 + 1),
    ),
    Rule(
        "at most 20 scored agents, none twice",
        "6.1",
        _of(("WorkitemCreate", "WorkitemUpdate"), "scoredAgents"),
        {"maxItems": 20, "uniqueBy": "id"},
        ([{"id": ID, "score": 1}, {"id": ID, "score": 2}], [{"id": f"{ID[:-2]}{n:02}", "score": n} for n in range(21)]),
    ),
    Rule(
        "a score is 0 to 100",
        "6.1",
        ("WorkitemScoredAgentRequest.score",),
        {"minimum": 0, "maximum": 100},
        (-1, 101),
    ),
    Rule(
        "a custom field's value is of the core type in which its key ends",
        "7.3",
        _of(("WorkitemCreate", "WorkitemUpdate"), "customFields"),
        {"patternProperties": _CORE_TYPES},
        _NO_CUSTOM_FIELDS,
    ),
    Rule(
        "a custom field's value in a bulk job is of its core type, too",
        "7.3",
        ("WorkitemCommonCreate.customFields",),
        {"patternProperties": _CORE_TYPES},
        _NO_CUSTOM_FIELDS,
        # Whether the job is refused as a whole or only its row fails is not known.
        open=True,
    ),
    Rule(
        "a custom field's key ends in a core type",
        "7.3",
        _of(_WRITES, "customFields"),
        {"propertyNames": {"pattern": "|".join(_CORE_TYPES)}},
        ({"claim_id": "A-1"},),
        open=True,
    ),
    Rule(
        "queue and assignee do not change together",
        "6.3",
        ("WorkitemUpdate",),
        {"not": {"required": ["queueId", "assigneeId"]}},
        ({"queueId": ID, "assigneeId": ID},),
    ),
    Rule(
        "an operation on the assignment has whom it is about",
        "6.3",
        ("WorkitemUpdate",),
        {
            "allOf": [
                {
                    "if": {
                        "properties": {"assignmentOperation": {"const": operation}},
                        "required": ["assignmentOperation"],
                    },
                    "then": {"required": [needed]},
                }
                for operation, needed in (
                    ("AgentAssignmentAlerting", "assigneeId"),
                    ("QueueAssignmentAlerting", "queueId"),
                )
            ]
        },
        ({"assignmentOperation": "AgentAssignmentAlerting"}, {"assignmentOperation": "QueueAssignmentAlerting"}),
        open=True,
    ),
    Rule(
        "a query has one EQ filter on workbinId, assigneeId, queueId or typeId",
        "1.5, 6.6",
        (f"{_QUERY}.filters",),
        {
            "contains": {
                "properties": {"name": {"enum": _ANCHORS}, "operator": {"const": "EQ"}},
                "required": ["name", "operator"],
            }
        },
        ([_filter("externalTag", "EQ", "E-1")], [_filter("typeId", "IN")], [_filter("divisionId")]),
    ),
    Rule(
        "a query filters by what can be filtered",
        "6.6",
        (f"{_QUERY}.filters",),
        {"items": {"properties": {"name": {"pattern": f"^({'|'.join(_FILTERS.split())}|customFields\\..+)$"}}}},
        (
            [_filter("typeId"), _filter("externalId", "EQ", "E-1")],
            [_filter("typeId"), _filter("customFields.", "EQ", "x")],
        ),
    ),
    Rule(
        "a page of a query has 1 to 200 entries",
        "5.3, 6.6",
        (f"{_QUERY}.pageSize", "WorkbinQueryRequest.pageSize", "WorktypeQueryRequest.pageSize"),
        {"minimum": 1, "maximum": 200},
        (0, 201),
    ),
    Rule(
        "what a query expands is among its attributes",
        "6.6",
        (_QUERY,),
        {"covers": ["attributes", "expands"]},
        ({"attributes": ["id"], "expands": ["type"]},),
    ),
    Rule(
        "a query job filters by what it can be filtered by",
        "6.7",
        ("WorkitemQueryJobFilter.name",),
        {"enum": _JOB_FILTERS.split()},
        ("name", "externalId"),
    ),
    Rule(
        "a page of history, versions or jobs has 1 to 200 entries",
        "5.3, 6.9",
        (*(f"?{operation}.pageSize" for operation in _SORTED), "?getTaskmanagementWorkitemsBulkJobsUsersMe.pageSize"),
        {"minimum": 1, "maximum": 200},
        (0, 201),
    ),
    Rule(
        "a page of queues in division views has at most 100 entries, and there are 5",
        "9",
        ("?getRoutingQueuesDivisionviews.pageSize",),
        {"minimum": 1, "maximum": 100},
        (0, 101),
    ),
    Rule(
        "there are 5 pages of queues in division views",
        "9",
        ("?getRoutingQueuesDivisionviews.pageNumber",),
        {"minimum": 1, "maximum": 5},
        (0, 6),
    ),
    Rule(
        "a page of all queues has at most 500 entries",
        "9",
        ("?get_routing_queues_divisionviews_all.pageSize",),
        {"minimum": 1, "maximum": 500},
        (0, 501),
    ),
    Rule(
        "a page of audits has 1 to 500 entries",
        "11.1",
        ("?getAuditsQueryTransactionIdResults.pageSize",),
        {"minimum": 1, "maximum": 500},
        (0, 501),
    ),
    Rule(
        "a page is a whole number from 1 on",
        "9",
        ("?getRoutingQueues.pageNumber", "?getRoutingQueues.pageSize"),
        {"minimum": 1},
        (0, -1),
    ),
    Rule(
        "an interval is start/end, and ends after its start",
        "11.1",
        ("AuditQueryRequest.interval", "AuditRealtimeQueryRequest.interval"),
        {"interval": True},
        (
            "2026-11-01T00:00:00Z",
            "2026-11-02T00:00:00Z/2026-11-01T00:00:00Z",
            "2026-11-01T00:00:00Z/P1D",
            "yesterday/today",
        ),
    ),
    Rule(
        "an interval's ends are written in UTC, with Z",
        "11.1",
        ("AuditQueryRequest.interval", "AuditRealtimeQueryRequest.interval"),
        {"zoned": True},
        (
            "2026-11-01T00:00:00+01:00/2026-11-02T00:00:00+01:00",
            "2026-11-01T00:00:00/2026-11-02T00:00:00",
            "2026-11-01/2026-11-02",
        ),
        # Other ISO-8601 may be taken as well; it is not known.
        open=True,
    ),
    Rule(
        "an asynchronous audit query spans at most 30 days",
        "11.2",
        ("AuditQueryRequest.interval",),
        {"spansDays": 30},
        ("2026-10-01T00:00:00Z/2026-11-02T00:00:00Z",),
        open=True,
    ),
    Rule(
        "a filter on EntityId comes with one on EntityType",
        "11.2",
        ("AuditQueryRequest.filters", "AuditRealtimeQueryRequest.filters"),
        {
            "if": {"contains": {"properties": {"property": {"const": "EntityId"}}}},
            "then": {"contains": {"properties": {"property": {"const": "EntityType"}}}},
        },
        ([{"property": "EntityId", "value": ID}],),
        "request",
        open=True,
    ),
    Rule(
        "a channel takes at most 1,000 topics",
        "12",
        ("?body.topics",),
        {"maxItems": 1000},
        ([{"id": "v2.taskmanagement.workitems.x"}] * 1001,),
    ),
    Rule(
        "a topic has its name",
        "12",
        ("ChannelTopic",),
        {"required": ["id"]},
        ({"id": ABSENT},),
    ),
    Rule(
        "a search of users has criteria",
        "9",
        ("sdk.UserSearchRequest",),
        {"required": ["query"]},
        ({"query": ABSENT},),
        open=True,
    ),
)

_BEGUN = "id name division type workbin status statusCategory assignmentState priority dateCreated dateModified selfUri"

ANSWERS: tuple[Rule, ...] = (
    *_answers("6.2", Workitem=_BEGUN),
    *_answers("6.9", WorkitemVersion=f"{_BEGUN} version"),
    *(
        Rule(
            f"a {model} has an id, a UUID",
            "6.2, 1.3",
            (model,),
            {"required": ["id"], "properties": {"id": _UUID}},
            ({"id": ABSENT}, {"id": "Claims"}),
            "answer",
        )
        for model in _REFERENCES
        if model != "Division"
    ),
    Rule("a division has an id", "6.2", ("Division",), {"required": ["id"]}, ({"id": ABSENT},), "answer"),
    Rule(
        "what the platform made has a UUID",
        "1.3",
        _of(("Workitem", "WorkitemVersion", "BulkJobAddWorkitemSummary", "Worktype", "Workbin", "Queue"), "id"),
        _UUID,
        ("WI-1", f"{ID}0"),
        "answer",
    ),
    Rule(
        "a cursor is not empty",
        "6.6",
        _of(
            (
                "WorkitemPostQueryEntityListing",
                "WorkitemChangeListing",
                "WorkitemVersionListing",
                "BulkJobsListing",
                "WorktypeQueryEntityListing",
                "WorkbinQueryEntityListing",
            ),
            "after",
        ),
        {"minLength": 1},
        ("",),
        "answer",
    ),
    Rule(
        "a query answers entities or a count",
        "6.6",
        ("WorkitemPostQueryEntityListing", "WorktypeQueryEntityListing", "WorkbinQueryEntityListing"),
        {"anyOf": [{"required": ["entities"]}, {"required": ["count"]}]},
        ({"entities": ABSENT},),
        "answer",
    ),
    *_answers(
        "6.9",
        WorkitemVersionListing="entities",
        WorkitemChangeListing="entities",
        WorkitemsChangeWorkitemDelta="version delta",
        WorkitemDelta="dateModified",
    ),
    Rule(
        "the time of a change is told",
        "6.9",
        ("WorkitemDelta.dateModified",),
        {"required": ["newValue"]},
        ({"oldValue": "2026-11-24T12:00:00.000Z"},),
        "answer",
    ),
    Rule(
        "a state in a history is one of the platform's",
        "6.4",
        ("WorkitemDelta.assignmentState",),
        {
            "additionalProperties": {
                "enum": [
                    "Unknown",
                    "Idle",
                    "AcdStarted",
                    "Alerting",
                    "AlertTimeout",
                    "Declined",
                    "Connected",
                    "Disconnected",
                    "Parked",
                    "Held",
                    "AcdCancelled",
                    "AcdExpired",
                    "Terminated",
                ]
            }
        },
        ({"newValue": "Queued"},),
        "answer",
    ),
    *_answers(
        "6.11",
        BulkJob="id state action totalCount successfulCount failedCount dateModified",
        BulkJobAddResponse="results errorCount errorIndexes",
        BulkJobTerminateResultsResponse="results errorCount errorIndexes",
        BulkJobAddWorkitemSummary="id name workbin type selfUri",
        BulkJobError="code message",
        BulkJobsListing="entities",
    ),
    Rule(
        "a result of a bulk job is an entity or an error",
        "6.11",
        ("BulkJobAddResult", "BulkJobTerminateResult"),
        {"oneOf": [{"required": ["entity"]}, {"required": ["error"]}]},
        ({"entity": ABSENT}, {"error": {"code": "not.found", "message": "none"}}),
        "answer",
    ),
    Rule(
        "the counts of a bulk job are not negative",
        "6.11",
        _of(("BulkJob",), "totalCount", "successfulCount", "failedCount"),
        {"minimum": 0},
        (-1,),
        "answer",
    ),
    *_answers(
        "6.7",
        WorkitemQueryJobResponse="id state",
        WorkitemQueryJobError="code message",
        WorkitemPagedEntityListing="entities pageSize pageNumber total pageCount",
    ),
    Rule(
        "a query job that failed says why",
        "6.7",
        ("WorkitemQueryJobResponse",),
        {"if": {"properties": {"state": {"const": "Failed"}}, "required": ["state"]}, "then": {"required": ["error"]}},
        ({"state": "Failed"},),
        "answer",
    ),
    *_answers(
        "7.1, 7.2, 7.3",
        Worktype="id name division defaultWorkbin assignmentEnabled dateCreated dateModified selfUri",
        WorkitemStatus="id name category",
        WorkitemStatusListing="entities",
        Workbin="id name division dateCreated dateModified selfUri",
        DataSchema="id name enabled",
        DataSchemaListing="entities",
        JsonSchemaDocument="properties",
        WorkitemSchema="id",
    ),
    *_answers(
        "10",
        Queue="id name division selfUri",
        QueueEntityListing="entities pageSize pageNumber total pageCount",
    ),
    Rule(
        "a queue tells how many members it has",
        "10",
        ("Queue",),
        {"required": ["memberCount", "joinedMemberCount"]},
        ({"memberCount": ABSENT}, {"joinedMemberCount": ABSENT}),
        "answer",
    ),
    *_answers(
        "11.1",
        AuditQueryExecutionStatusResponse="id state interval",
        AuditQueryExecutionResultsResponse="entities",
        AuditQueryExecutionLargeResultsResponse="downloadUrl",
        AuditRealtimeQueryResultsResponse="entities pageSize pageNumber total pageCount",
        AuditRealtimeRelatedResultsResponse="entities",
        AuditLogMessage="id serviceName eventDate action entity entityType status",
        AuditQueryServiceMapping="services",
        AuditQueryService="name entities",
        AuditQueryEntity="name actions",
        PropertyChange="property",
    ),
    *_answers(
        "12",
        Channel="id connectUri expires",
        ChannelEntityListing="entities",
        ChannelTopic="state",
        ChannelTopicEntityListing="entities",
        AvailableTopicEntityListing="entities",
        AvailableTopic="id",
    ),
    Rule(
        "a topic that is rejected says why",
        "12",
        ("ChannelTopic",),
        {
            "if": {"properties": {"state": {"const": "Rejected"}}, "required": ["state"]},
            "then": {"anyOf": [{"required": ["rejectionReason"]}, {"required": ["missingPermissions"]}]},
        },
        ({"state": "Rejected"},),
        "answer",
    ),
    Rule(
        "a channel is connected to by websocket",
        "2, 12",
        ("Channel.connectUri",),
        {"pattern": "^wss?://"},
        ("https://streaming.mypurecloud.com/channels/1",),
        "answer",
    ),
    *_answers(
        "12",
        event__WorkitemsQueueEventsNotificationWorkitem="topicName eventBody",
        event__WorkitemsEventsNotificationWorkitem="topicName eventBody",
        sdk__WorkitemsQueueEventsNotificationWorkitem="id operation statusCategory assignmentState dateModified",
        sdk__WorkitemsEventsNotificationWorkitem="id operation statusCategory assignmentState dateModified",
    ),
    *_answers("3.4", TokenInfo="organization OAuthClient", OrgOAuthClient="id roleDivisions", NamedEntity="id"),
    *_answers("3.2", login__Token="access_token token_type expires_in"),
    *_answers("3.3", login__Error="error description error_description"),
    *_answers("4.1", error="status code message contextId", Detail="errorCode", Limit="key namespace value"),
    Rule(
        "the breach of a limit names the limit",
        "4.1",
        ("error",),
        {
            "if": {"properties": {"code": {"pattern": r"^service\.limit\."}}, "required": ["code"]},
            "then": {"required": ["limit"]},
        },
        ({"code": "service.limit.per.day.maximum.created.limit.reached", "limit": ABSENT},),
        "answer",
    ),
    *_answers(
        "5.1, 9, and the models of the SDK",
        sdk__LimitsEntityListing="entities",
        sdk__Limit="key namespace value",
        sdk__UsersSearchResponse="results total pageCount pageSize pageNumber",
        sdk__User="id",
        sdk__AuthzDivisionEntityListing="entities",
        sdk__AuthzDivision="id name",
        sdk__SkillEntityListing="entities pageSize pageNumber",
        sdk__RoutingSkill="id name state",
        sdk__LanguageEntityListing="entities pageSize pageNumber",
        sdk__Language="id name state",
        sdk__WrapupCodeEntityListing="entities pageSize pageNumber",
        sdk__WrapupCode="id name",
        sdk__Organization="id name",
    ),
)

EVERYWHERE: tuple[Everywhere, ...] = (
    Everywhere(
        "no unknown fields, but custom ones",
        "6.1",
        {"type": "object", "properties": ABSENT},
        {"additionalProperties": False},
        (
            ("request", "WorkitemCreate", {"externalId": "E-1"}),
            ("request", "WorkitemUpdate", {"typeId": ID}),
            ("request", "WorkitemCommonCreate", {"wrapupCode": ID}),
            ("request", "?getTaskmanagementWorkitem", {"expand": ["type"]}),
            ("answer", "Workitem", {"queueId": ID}),
            ("answer", "Queue", {"status": "open"}),
            ("answer", "BulkJobAddWorkitemSummary", {"externalTag": "E-1"}),
            ("answer", "error", {"field": "name"}),
            ("answer", "sdk.RoutingSkill", {"proficiency": 3}),
        ),
        open=True,
    ),
    Everywhere(
        "a date-time is yyyy-MM-ddTHH:mm:ss[.mmm]Z, and there is such a moment",
        "6.1",
        {"format": "date-time"},
        {"moment": True},
        (
            ("request", "WorkitemCreate", {"dateDue": "2026-12-18"}),
            ("request", "WorkitemCreate", {"dateDue": "2026-12-18 00:00:00Z"}),
            ("request", "WorkitemCreate", {"dateDue": "2026-12-18T00:00:00+00:00"}),
            ("request", "WorkitemCreate", {"dateDue": "2026-12-18T00:00:00.000000Z"}),
            ("request", "WorkitemCreate", {"dateDue": "2026-02-30T00:00:00Z"}),
            ("answer", "Workitem", {"dateCreated": "2026-12-18T00:00:00.000+0000"}),
            ("answer", "AuditLogMessage", {"eventDate": "yesterday"}),
        ),
    ),
    Everywhere(
        "an int32 fits into 32 bits",
        "6.1",
        {"format": "int32"},
        {"minimum": -(2**31), "maximum": 2**31 - 1},
        (("answer", "WorkitemVersion", {"version": 2**31}), ("answer", "Workitem", {"durationSeconds": 2**31})),
    ),
    Everywhere(
        "what is read-only is not sent",
        "12, definition",
        {"readOnly": True},
        {"not": {}},
        (("request", "ChannelTopic", {"selfUri": "/api/v2/notifications/channels/1"}),),
        "request",
        open=True,
    ),
)

# Section 15: what the platform has got since the definition was written, by the SDK 269.0.0.
ADDED: dict[str, Json] = {
    "WorkitemQueryJobSort.customField": {"type": "string"},
    "Queue.defaultMediaLanguage": {"type": "string"},
    "EmailMediaSettings.allOutboundEmailAddresses": {"type": "array"},
}
ADDED_VALUES: dict[str, tuple[str, ...]] = {
    "WorkitemQueryJobSort.name": ("customFields",),
    "Limit.namespace": ("organization.notice", "sda"),
}

RULES: tuple[Rule | Everywhere, ...] = (*REQUESTS, *ANSWERS, *EVERYWHERE)
