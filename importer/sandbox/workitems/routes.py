"""Which operation of the platform a method and a path mean. Decides; carries nothing out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from importer.sandbox.workitems import (
    audits,
    bulk,
    catalogue,
    directory,
    history,
    items,
    limits,
    notifications,
    queryjobs,
)
from importer.sandbox.workitems.platform import Operation

PREFIX = "/api/v2/"
OPERATIONS: tuple[Operation, ...] = (
    *items.OPERATIONS,
    *history.OPERATIONS,
    *catalogue.OPERATIONS,
    *bulk.OPERATIONS,
    *queryjobs.OPERATIONS,
    *directory.OPERATIONS,
    *limits.OPERATIONS,
    *audits.OPERATIONS,
    *notifications.OPERATIONS,
)
"""All operations of the platform; where two patterns fit a path, the one with fewer places is meant."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a call means: an operation and the values of its path's places."""

    operation: Operation
    arguments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WrongMethod:
    """The path is known, the method is not; `allowed` are those that are."""

    allowed: tuple[str, ...]


class Routes:
    """A table of operations."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.operations = {operation.name: operation for operation in operations}
        patterns = ((operation.pattern.split("/"), operation) for operation in self.operations.values())
        self._patterns = sorted(patterns, key=lambda each: sum(part.startswith("{") for part in each[0]))

    def find(self, method: str, path: str) -> Found | WrongMethod | None:
        """What is meant, or None for a path that is not one of the platform's."""
        parts = path.split("/")
        allowed: list[str] = []
        for pattern, operation in self._patterns:
            arguments = _fitted(pattern, parts)
            if arguments is None:
                continue
            if operation.method == method:
                return Found(operation, arguments)
            allowed.append(operation.method)
        return WrongMethod(tuple(sorted(set(allowed)))) if allowed else None


def _fitted(pattern: list[str], parts: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(parts):
        return None
    arguments: dict[str, str] = {}
    for wanted, given in zip(pattern, parts, strict=True):
        if wanted.startswith("{") and given:
            arguments[wanted[1:-1]] = given
        elif wanted != given:
            return None
    return arguments
