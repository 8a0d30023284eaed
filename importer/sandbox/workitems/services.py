"""What can be set about the organisation around the workitems: its people, limits, audits and notifications."""

from typing import Annotated, Literal

from pydantic import Field

from importer.sandbox.values import Seconds, Settings, Share

Count = Annotated[int, Field(ge=0)]


class Services(Settings):
    """Settings of the platform's other services. Where the platform's own value is not known, this is where it is set.

    What the OAuth client may not do is set by `denied_permissions` and `denied_divisions` of the workitem settings.
    """

    # Directory

    inactive_skills: tuple[str, ...] = ("Fax Handling",)
    """Skills by name that exist in the state `inactive`."""

    users_me_status: Literal[400, 401, 403, 404] = 400
    """How `GET /api/v2/users/me` is refused to client credentials; how the platform does it is not known."""

    # Limits

    limits: dict[str, dict[str, Count]] = Field(default_factory=dict)
    """Effective values by namespace and key; they come on top of the defaults of the default world."""
    limits_are_told: bool = True
    """Whether the limits can be read at all; if not, each namespace answers 403."""

    # Audits

    workitem_audits: bool = False
    """Whether workitems are audited: the service mapping lists them, and each creation and change has an entry."""
    workitem_entity: str = "Workitem"
    """The name of the workitems' entity type, where they are audited; the platform's own name is not known."""
    audit_lag_s: Seconds = 5.0
    """An entry is not found until so long after its event."""
    audit_queued_s: Seconds = 1.0
    """A query is `Queued` for so long."""
    audit_running_s: Seconds = 2.0
    """A query is `Running` for so long after that."""
    audit_failing: bool = False
    """Whether queries end as `Failed`."""
    audit_large: int = Field(default=100, ge=1)
    """A page of more entries than this is large: it is redirected to a download, where the caller allows that."""
    audit_large_refused: bool = False
    """Whether a large page is a 400 for a caller who allows no redirect; if not, it is answered all the same."""
    audit_location: bool = True
    """Whether a redirect has a `Location` besides the `downloadUrl` of its body."""
    audit_realtime_s: Seconds = 0.0
    """A realtime query counts as in flight for so long."""
    audit_realtime_most: int = Field(default=3, ge=1)
    """More realtime queries in flight than this are answered with a 429."""

    audit_realtime_days: float | None = Field(default=None, gt=0)
    """A realtime query over more days than this times out with a 504; None: never."""

    # Notifications

    heartbeat_s: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    """A heartbeat goes over each websocket so often."""
    channel_life_s: float = Field(default=86_400.0, gt=0, allow_inf_nan=False)
    """A channel ends so long after it was made or last subscribed."""
    channels_most: int = Field(default=20, ge=1)
    """One more channel than this ends the oldest that has no websocket."""
    topics_most: int = Field(default=1000, ge=1)
    """The most topics of one channel."""
    events_lost: Share = 0.0
    """The share of events that never arrive."""
    closing_after_s: Seconds | None = None
    """So long after it was opened a websocket is told that it will be closed; None: never."""
    closing_grace_s: Seconds = 60.0
    """A websocket that was told so is closed so much later."""
    topic_permission: str | None = None
    """The permission that the workitem topics need; the platform's own is not known, None needs none."""
