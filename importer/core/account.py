"""Account: what an organisation tells of itself: log-in, OAuth client, permissions, limits, worktypes and queues. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogIn:
    """How a log-in went."""

    took_s: float
    lasts_s: float | None  # the token's lifetime as it was told
    scopes: frozenset[str] | None  # None: the answer did not list them
    repeats: int  # how often it had to be asked again


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in a division, by their IDs; the division `*` is all of them."""

    role: str
    division: str


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose token it is; blank where the platform does not say."""

    organization: str
    organization_id: str
    client: str
    client_id: str
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Glance:
    """What one harmless read was answered. 403 means that its permission is missing; 404 and 400 that it is not."""

    status: int
    problem: str = ""
    count: int | None = None  # of all that is there, where the answer tells

    @property
    def allowed(self) -> bool:
        """Whether the permission is there."""
        return self.status != 403


@dataclass(frozen=True, slots=True)
class Place:
    """A worktype or a queue, and the division that it is in."""

    name: str
    division_id: str
    division: str  # its name, or its ID where no name was told


@dataclass(frozen=True, slots=True)
class Listing:
    """Worktypes or queues as far as they were read; `more`: there are others."""

    glance: Glance
    places: tuple[Place, ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class LimitsTold:
    """The limits of a namespace that are in force, by key."""

    glance: Glance
    limits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Audited:
    """The entity types of a service that audits can be asked for; None where the service is not listed."""

    glance: Glance
    entities: tuple[str, ...] | None
