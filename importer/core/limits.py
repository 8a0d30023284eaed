"""Limits: what a target accepts of a task request. Values only."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Limits:
    """What a target accepts. Lengths are in characters (code points), bounds are inclusive."""

    external_id: int
    queue: int
    description: int
    priority_low: int
    priority_high: int
    priority_default: int | None  # None: a blank priority is left out, and the target decides
    types: tuple[str, ...]
    type_default: str
    attribute: int
    fields: tuple[str, ...]  # the fields that the target takes, as the template orders them
    required: frozenset[str]
    attributes: tuple[tuple[str, str], ...] = ()  # heading -> attribute's name, as far as the target told them
    time_zone: str = "UTC"  # of times that are written without an offset
    name_low: int = 0
    name: int = 0
    reference: int = 0  # names of worktypes, workbins, skills, languages, wrap-up codes, assignees
    skills: int = 0  # so many of them
    duration: int = 0  # seconds

    def record(self) -> dict[str, Any]:
        """The limits as plain values that JSON keeps; `of` reads them back."""
        return {**asdict(self), "required": sorted(self.required)}

    def settings(self) -> dict[str, str]:
        """The settings that change what is sent to this target: a plan keeps them, and is refused under others."""
        return {"time_zone": self.time_zone} if "due" in self.fields else {}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """The limits from a record that went through JSON."""
        pairs = tuple((str(heading), str(name)) for heading, name in record["attributes"])
        lists = {"types": tuple(record["types"]), "fields": tuple(record["fields"]), "attributes": pairs}
        return cls(**{**record, **lists, "required": frozenset(record["required"])})
