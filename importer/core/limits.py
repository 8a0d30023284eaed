"""Limits: what a target accepts of a task request. Values only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a target accepts. Lengths are in characters (code points), bounds are inclusive."""

    external_id: int
    queue: int
    description: int
    priority_low: int
    priority_high: int
    priority_default: int
    types: tuple[str, ...]
    type_default: str
    attribute: int
