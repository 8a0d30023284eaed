"""Memory: what a target and the ledger said about some rows, kept so that these can be judged again without asking. Values; asks nobody."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from importer.core.custom_fields import CustomField
from importer.core.facts import LedgerFact, QueueFact, Reference, TaskFact
from importer.core.limits import Limits


class Found(NamedTuple):
    """What was found for one external ID; nothing of it where it is new."""

    tasks: tuple[TaskFact, ...] = ()
    earlier: LedgerFact | None = None


class Known(Protocol):
    """What was found by external ID. May be large, so it is no dict of all."""

    def recall(self, scope: str, external_ids: Sequence[str]) -> Mapping[str, Found]:
        """What is known of those that were asked for before; the others are left out. `scope`: see ports.Target."""
        ...

    def keep(self, scope: str, found: Mapping[str, Found]) -> None:
        """Remembers."""
        ...


@dataclass(slots=True)
class Memory:
    """Grows while rows are judged. `now` is when the first facts were looked up: dates are judged by it ever after."""

    known: Known
    limits: Limits | None = None
    organization: str | None = None  # its ID
    now: datetime | None = None
    queues: dict[str, tuple[QueueFact, ...]] = field(default_factory=dict)  # by the name or ID as written
    names: tuple[str, ...] | None = None  # of all queues, where they were asked for
    references: dict[tuple[str, str], tuple[Reference, ...]] = field(default_factory=dict)  # by field, text as written
    suggestions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    refused: dict[str, str] = field(
        default_factory=dict
    )  # by a payload's hash: what the target said against it; or a blank

    def without_unknown(self) -> "Memory":
        """The same without names that were not found: they may be there by now."""
        return replace(
            self,
            queues={name: found for name, found in self.queues.items() if found},
            references={key: found for key, found in self.references.items() if found},
            names=None,
            suggestions={},
        )

    def record(self) -> dict[str, Any]:
        """All but `known` as plain values that JSON keeps; `memory_of` reads it back."""
        return {
            "limits": self.limits.record() if self.limits else None,
            "organization": self.organization,
            "now": self.now.isoformat() if self.now else None,
            "queues": {name: [asdict(each) for each in found] for name, found in self.queues.items()},
            "names": self.names,
            "references": [
                [kind, text, [asdict(each) for each in found]] for (kind, text), found in self.references.items()
            ],
            "suggestions": self.suggestions,
            "refused": self.refused,
        }


def memory_of(record: Mapping[str, Any], known: Known) -> Memory:
    """The memory from a record that went through JSON. Raises KeyError or TypeError where it is of another version."""
    return Memory(
        known=known,
        limits=Limits.of(record["limits"]) if record["limits"] else None,
        organization=record["organization"],
        now=datetime.fromisoformat(record["now"]) if record["now"] else None,
        queues={name: tuple(QueueFact(**each) for each in found) for name, found in record["queues"].items()},
        names=None if record["names"] is None else tuple(record["names"]),
        references={(kind, text): tuple(map(_reference, found)) for kind, text, found in record["references"]},
        suggestions={kind: tuple(names) for kind, names in record["suggestions"].items()},
        refused=dict(record["refused"]),
    )


def found_record(found: Found) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Tasks and earlier as plain values; `found_of` reads them back."""
    return [_plain(each) for each in found.tasks], _plain(found.earlier) if found.earlier else None


def found_of(tasks: Sequence[Mapping[str, Any]], earlier: Mapping[str, Any] | None) -> Found:
    """What was found, from its record."""
    return Found(tuple(TaskFact(**each) for each in tasks), LedgerFact(**earlier) if earlier else None)


def _plain(fact: TaskFact | LedgerFact) -> dict[str, Any]:
    return {name: getattr(fact, name) for name in fact.__dataclass_fields__} | {"content": dict(fact.content)}


def _reference(record: Mapping[str, Any]) -> Reference:
    fields = record["fields"]
    return Reference(**{**record, "fields": None if fields is None else tuple(map(_custom_field, fields))})


def _custom_field(record: Mapping[str, Any]) -> CustomField:
    return CustomField(**{**record, "choices": tuple(record["choices"])})
