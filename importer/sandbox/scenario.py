"""What kind of world the sandbox is: its rules, limits, faults and queues, read from TOML. Decides; does no network."""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Field, ValidationError, model_validator

from importer.sandbox.values import Seconds, Settings, Share, Span
from importer.sandbox.workitems.names import OPERATION_NAMES
from importer.sandbox.workitems.services import Services
from importer.sandbox.workitems.settings import WorkitemLife, WorkitemSettings, WorktypeRule

BUILT_IN = Path(__file__).parent / "scenarios"
ALL_SCOPES = ("task:view", "task:create", "queue:view", "audit:view")

TaskOperation = Literal["token", "queue", "queues", "create", "find", "get", "audits", "any"]
QueueStatus = Literal["open", "closed", "transitional"]
OPERATIONS = (*get_args(TaskOperation), *OPERATION_NAMES)


def _known(operation: str) -> str:
    if operation not in OPERATIONS:
        raise ValueError(
            f"unknown operation {operation!r}{_hint(operation, OPERATIONS)}; known are {', '.join(OPERATIONS)}"
        )
    return operation


Operation = Annotated[str, AfterValidator(_known)]


class ScenarioError(ValueError):
    """A scenario that cannot be used; the message names the file, the key and what is wrong with it."""


class Limit(Settings):
    """At most `calls` calls (0: no limit) in `window_s` seconds for the OAuth client, log-ins included."""

    calls: int = Field(default=100, ge=0)
    window_s: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    kind: Literal["sliding", "fixed", "bucket"] = "sliding"
    retry_after: Literal["seconds", "date", "absent"] = "seconds"
    headers: bool = True


class Life(Settings):
    """How tasks live: seconds [shortest, longest] from one state to the next, and shares (0 to 1) of odd lives."""

    queued: Span = (0.1, 0.4)
    assigned: Span = (0.3, 0.7)
    accepted: Span = (0.3, 0.6)
    working: Span = (0.7, 1.3)
    wrapup: Span = (0.3, 0.5)
    closed: Span = (0.2, 0.5)
    cancelled: Span = (0.2, 0.6)
    skip: Share = 0.06
    """Chance that `accepted` is skipped; the same chance, apart from it, for `wrapup`."""
    back: Share = 0.08
    """Chance to go back once from `assigned` to `queued`."""
    cancel: Share = 0.03
    """Chance to be cancelled on the way instead of closed."""
    stuck: Share = 0.0
    """Chance to stay in `working` for ever."""
    odd: Share = 0.0
    """Chance to pass through a state that the contract does not know, `on-hold`."""

    def span(self, state: str) -> tuple[float, float]:
        """Seconds [shortest, longest] until `state` is entered; one without its own times takes those of `working`."""
        span: tuple[float, float] = getattr(self, state, self.working)
        return span


class QueueSpec(Settings):
    """A queue; `max_members` absent means no limit, `members` (a number) absent means that the answer says null."""

    name: str = Field(min_length=1)
    id: str | None = None
    status: QueueStatus = "open"
    max_members: int | None = Field(default=None, ge=0)
    members: int | None = Field(default=None, ge=0, le=10_000)


class Fault(Settings):
    """One thing that goes wrong, and when. Without `at`, `every` and `probability` it hits each call, up to `times`.

    The n of `at` and `every` counts (from 1) the calls of `operation` that the rate limit let pass since the rules
    were set. Of several rules that fit one call, the first wins.
    """

    operation: Operation = "any"
    kind: str
    at: tuple[Annotated[int, Field(ge=1)], ...] = ()
    every: int | None = Field(default=None, ge=1)
    probability: Share | None = None
    times: int | None = Field(default=None, ge=0)
    status: int | None = Field(default=None, ge=200, le=599)
    """The status of `error_after` (500 unless told), `html` and `html_after` (200 unless told)."""
    seconds: Seconds = 60.0
    """How long `hang` and `hang_after` wait before they answer, and `reset_late` before it commits."""
    retry_after: int | str | None = None
    """The header, verbatim; `date+N` and `date-N` become an HTTP date N seconds from the sandbox's now."""
    body: str | None = None
    """Replaces the answer's body, verbatim."""

    @model_validator(mode="after")
    def _kind_is_known(self) -> Self:
        if self.kind not in FAULT_KINDS:
            raise ValueError(
                f"unknown kind {self.kind!r}{_hint(self.kind, FAULT_KINDS)}; known are {', '.join(FAULT_KINDS)}"
            )
        return self


STATUSES = (400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 502, 503, 504)
FAULT_KINDS = (
    *(f"status:{status}" for status in STATUSES),
    *(
        "reset_before",
        "reset_after",
        "reset_late",
        "error_after",
        "hang",
        "hang_after",
        "html",
        "html_after",
        "redirect",
    ),
    *("truncated", "short", "empty", "no_id", "wrong_type", "duplicate_keys", "bad_utf8", "huge", "gzip_bomb"),
    *("same_page", "empty_page"),
)


class Scenario(Settings):
    """Everything about the sandbox that can be set. Times are seconds, shares are from 0 to 1."""

    description: str = ""
    unique: bool = True
    """Whether a second task with the same external ID is refused with a 409; if not, it is created."""
    idempotency: Literal["ignored", "honoured"] = "ignored"
    """Whether a POST with an `Idempotency-Key` seen before answers with the first task."""
    index_lag_s: Seconds = 1.0
    """A task is not found by search until so long after its creation; reading it by ID is not delayed."""
    audit_lag_s: Seconds = 0.0
    audit_loss: Share = 0.0
    """The share of audit entries that never appear."""
    totals: bool = True
    """Whether pages carry `pageCount` and `total`."""
    transitional_conflicts: Share = 0.5
    """The share of POSTs into a queue in transition that is answered with a 409."""
    token_lifetime_s: float = Field(default=86399, gt=0, allow_inf_nan=False)
    scopes: tuple[str, ...] = ALL_SCOPES
    scope_told: bool = True
    """Whether the token's answer lists its scopes."""
    body_limit_bytes: int = Field(default=65_536, ge=1, le=1_000_000)
    limit: Limit = Limit()
    life: Life = Life()
    queues: tuple[QueueSpec, ...] = ()
    """Queues added to those of the default world; one with the name of a default queue replaces it."""
    faults: tuple[Fault, ...] = ()
    faults_per_row: int | None = Field(default=None, ge=0)
    """At most so many faults, of all rules together, hit the calls that create one external ID; other calls have no
    such bound. Where it is set, the fault of such a call is chosen when its body has been read."""
    platform_tokens: bool = False
    """Whether a refused log-in is told as Genesys Cloud does: 400 for an unknown client ID, 401 for a wrong secret."""
    tokens_per_minute: int | None = Field(default=None, ge=1)
    """More log-ins within a minute are a 400 invalid_request, as Genesys Cloud has it; None: no such limit."""
    workitems: WorkitemSettings = WorkitemSettings()
    """How the platform's workitems API behaves."""
    services: Services = Services()
    """How the platform's other services behave: directory, limits, audits and notifications."""

    def changed(self, changes: Mapping[str, Any]) -> "Scenario":
        """This scenario with some settings replaced, checked like a file; tables (`limit`, `life`) are merged."""
        settings = self.model_dump()
        for key, value in changes.items():
            old = settings.get(key)
            settings[key] = _merged(old, value)
        return _checked(settings, "settings")


def _merged(old: object, new: object) -> object:
    """Tables are merged key by key, at every depth; all else is replaced."""
    if not (isinstance(old, dict) and isinstance(new, Mapping)):
        return new
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}


def load(source: str | Path) -> Scenario:
    """The scenario of a TOML file, or a built-in one by name (see `built_in_names`)."""
    path = BUILT_IN / f"{source}.toml" if str(source) in built_in_names() else Path(source)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        names = ", ".join(built_in_names())
        raise ScenarioError(
            f"cannot read scenario {str(source)!r}: {problem}; built-in scenarios are {names}"
        ) from problem
    return parse(text, str(source))


def parse(text: str, source: str = "scenario") -> Scenario:
    """The scenario of TOML text; raises ScenarioError that names `source`, the key and the problem."""
    try:
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ScenarioError(f"{source}: not TOML: {problem}") from problem
    return _checked(settings, source)


def built_in_names() -> list[str]:
    """The names that `load` knows without a file."""
    return sorted(path.stem for path in BUILT_IN.glob("*.toml"))


def checked_faults(rules: object) -> tuple[Fault, ...]:
    """Fault rules from JSON; raises ScenarioError."""
    return _checked({"faults": rules}, "faults").faults


def checked_queue(spec: object) -> QueueSpec:
    """One queue from JSON; raises ScenarioError."""
    return _checked({"queues": [spec]}, "queue").queues[0]


def _checked(settings: Mapping[str, Any], source: str) -> Scenario:
    try:
        return Scenario.model_validate(settings)
    except ValidationError as problem:
        raise ScenarioError(f"{source}: " + "; ".join(_told(dict(error)) for error in problem.errors())) from problem


def _told(error: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{where}: {error['msg']}"
    models = (Scenario, Limit, Life, QueueSpec, Fault, WorkitemSettings, WorkitemLife, WorktypeRule, Services)
    return f"unknown key {where!r}" + _hint(
        str(error["loc"][-1]), {name for model in models for name in model.model_fields}
    )


def _hint(word: str, known: tuple[str, ...] | set[str]) -> str:
    near = difflib.get_close_matches(word, sorted(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
