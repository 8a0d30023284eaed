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
)
