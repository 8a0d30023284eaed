"""What each target accepts, apart from its code: judging needs no HTTP library."""

from importer.core.limits import Limits

TASKS = Limits(
    external_id=100,
    queue=200,
    description=255,
    priority_low=0,
    priority_high=99,
    priority_default=50,
    types=("call", "callback", "chat", "email", "message", "workitem"),
    type_default="email",
    attribute=1000,
    fields=("external_id", "queue", "priority", "type", "description"),
    required=frozenset({"external_id", "queue", "description"}),
)

WORKITEMS = Limits(
    external_id=256,  # our choice: the platform does not tell how long an externalTag may be
    queue=256,
    description=512,
    priority_low=-25_000_000,
    priority_high=25_000_000,
    priority_default=None,
    types=(),
    type_default="",
    attribute=32_767,  # what a cell holds; the worktype's schema says more of each custom field
    fields=(
        "external_id", "name", "worktype", "workbin", "queue", "priority", "description", "assignee", "skills",
        "language", "wrapup_code", "external_contact", "due", "expires", "duration",
    ),
    required=frozenset({"external_id", "name", "worktype"}),
    name_low=3,
    name=256,
    reference=256,  # our choice where the platform does not tell; a name that is longer is none that it has
    skills=20,  # our choice: the most that a worktype may have by default
    duration=365 * 24 * 3600,
)  # fmt: skip

LIMITS: dict[str, Limits] = {"tasks": TASKS, "workitems": WORKITEMS}
"""By the target's name."""
