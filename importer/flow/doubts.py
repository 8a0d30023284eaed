"""doubts: the rows whose external ID is being looked up, and when. Holds; looks nothing up itself."""

from dataclasses import dataclass, field

from importer.core.stages import Entry


@dataclass(slots=True)
class Doubt:
    """A row whose external ID is being looked up."""

    entry: Entry
    since: float  # monotonic seconds: when the doubtful call ended, or this process began
    look_at: float
    foreign: bool = False  # the doubtful call was another run's; nothing of this row was sent
    run: str = ""  # that other run
    calls: int = 0  # begun for it there when this row met it
    suspect: bool = False  # ready by an older copy of the ledger: it may have been sent since


@dataclass(slots=True)
class Doubts:
    """All doubts of a run, by position."""

    held: dict[int, Doubt] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.held)

    def add(self, doubt: Doubt) -> None:
        """One more, or a known one with another time."""
        self.held[doubt.entry.position] = doubt

    def known(self, entry: Entry) -> bool:
        """Whether exactly this entry is in doubt already."""
        found = self.held.get(entry.position)
        return found is not None and found.entry == entry

    def drop(self, position: int) -> None:
        """It is none any more."""
        self.held.pop(position, None)

    def due(self, now: float, most: int) -> list[Doubt]:
        """Those that are to be looked up now."""
        return [doubt for doubt in self.held.values() if doubt.look_at <= now][:most]

    def earliest(self) -> float | None:
        """When the next one is to be looked up."""
        return min((doubt.look_at for doubt in self.held.values()), default=None)
