"""How the platform's half of the sandbox behaves: what its facts leave open, its limits, and how workitems live. Pure."""

from typing import Annotated, Literal

from pydantic import Field

from importer.sandbox.values import Seconds, Settings, Share, Span


class WorktypeRule(Settings):
    """A worktype's rule that rewrites a workitem some time after its creation, as an Architect flow may."""

    worktype: str
    queue: str | None = None
    """The name of the queue that the rule puts in the place of the workitem's."""
    priority: int | None = None
    after_s: Seconds = 0.02


class WorkitemLife(Settings):
    """How workitems live: seconds [shortest, longest] from one state to the next, and shares (0 to 1) of odd lives."""

    started: Span = (0.02, 0.1)
    """From the creation of a routed workitem to AcdStarted."""
    alerting: Span = (0.2, 0.6)
    flash: Span = (0.002, 0.008)
    """From Alerting to AlertTimeout and on to AcdStarted, too fast for a poll."""
    connected: Span = (0.2, 0.5)
    working: Span = (0.2, 0.5)
    """From the creation of a workitem that is not routed to InProgress."""
    disconnected: Span = (0.5, 1.0)
    closed: Span = (0.2, 0.5)
    timeout: Share = 0.15
    """Chance that an alert times out and the workitem is routed again, up to three times."""
    declined: Share = 0.05
    """Chance that an agent declines, and the workitem is routed again."""
    parked: Share = 0.1
    """Chance that a connected workitem is Parked (status Waiting) and taken up again."""
    cancel: Share = 0.0
    """Chance that the routing is cancelled (AcdCancelled) and nobody works on the workitem."""
    stuck: Share = 0.0
    """Chance to stay Connected, or InProgress, for ever."""
    worked: Share = 1.0
    """The share of workitems that nobody routes which people pick up from the workbin all the same."""
    closed_terminates: Literal["worktype", "always", "never"] = "worktype"
    """Whether a Closed status terminates: as its worktype says, always, or never."""
    terminated: Span | None = None
    """From a Closed status that does not terminate to somebody's terminating; None: it never happens."""
    queue_routes: bool = False
    """Whether an explicit `queueId` starts routing where the worktype's `assignmentEnabled` is false."""
    rules: tuple[WorktypeRule, ...] = ()


class WorkitemSettings(Settings):
    """The platform's behaviour. What the facts call "not found" is a setting here."""

    status_404_after_create_s: Seconds = 0.0
    """So long after its creation a workitem answers a GET with 404."""
    denied_permissions: tuple[str, ...] = ()
    """Permissions that the client lacks everywhere: 403 missing.permissions."""
    denied_divisions: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Names of divisions by the permission that the client lacks there: 403 missing.division.permission."""
    in_external_tag: bool = True
    """Whether IN works with externalTag; if not, 400 invalid.query.operator.and.type."""
    in_values_max: Annotated[int, Field(ge=1)] = 100
    """The most values that IN takes."""
    tag_case_sensitive: bool = True
    tag_length_max: Annotated[int, Field(ge=1)] = 1000
    empty_pages: Annotated[int, Field(ge=0)] = 0
    """So many pages without entities but with a cursor come before the first page of each query that has matches."""
    page_fill: Annotated[float, Field(gt=0, le=1)] = 1.0
    """How full a page is at most: 0.5 fills half of each page."""
    past_due: Literal["refused", "taken"] = "refused"
    """What becomes of a `dateDue` in the past: 400 invalid.input.date.below.min, or nothing."""
    unknown_property: Literal["ignored", "refused"] = "ignored"
    """What becomes of an unknown property of a create: nothing, or 400 invalid.property."""
    results_shuffled: bool = False
    """Whether the results of a bulk job come in another order than its entities."""
    required_fields: tuple[str, ...] = ()
    """Custom fields by their full keys, such as `severity_enum`, that the schema of complaints demands."""
    schema_enabled: bool = True
    """Whether the schema of complaints is enabled; if not, custom fields are a 422 schema.error.schema.disabled."""
    bulk_queued: Span = (0.05, 0.2)
    bulk_running: Span = (0.1, 0.4)
    bulk_jobs_concurrent: Annotated[int, Field(ge=1)] = 10
    bulk_fails_after: int | None = Field(default=None, ge=0)
    """Bulk jobs make so many of their workitems and end as Failed, without results; None: they do not fail."""
    query_queued: Span = (0.05, 0.2)
    query_running: Span = (0.1, 0.4)
    query_jobs_per_user: Annotated[int, Field(ge=1)] = 5
    query_jobs_per_organization: Annotated[int, Field(ge=1)] = 20
    query_jobs_fail: bool = False
    """Whether query jobs end as Failed."""
    created_per_day: int | None = Field(default=None, ge=0)
    created_per_day_status: Literal[429, 400] = 429
    acd_started_per_queue: int | None = Field(default=None, ge=0)
    request_bytes_max: Annotated[int, Field(ge=1, le=1_000_000)] = 512_000
    client_is_user: bool = True
    """Whether the OAuth client appears as `reporter` and `modifiedBy` of what it makes."""
    life: WorkitemLife = WorkitemLife()
