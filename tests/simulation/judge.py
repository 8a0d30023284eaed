"""Judge: what must be true after a voyage, whatever the weather was. Reads the truth of the site, not the importer's word."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.simulation.voyage import Voyage

ON_ITS_WAY_S = 0.005
"""A call that had its slot when everyone was told to wait may still leave."""
CALLS_IN_DOUBT = 3
"""A POST and two repeats: a row that lost all of them may rest as unknown."""


def wrongs(voyage: Voyage) -> list[str]:
    """Everything that is wrong, in words; nothing where all promises were kept."""
    checks = (_tasks, _books, _cap, _waits, _bytes)
    return [wrong for check in checks for wrong in check(voyage)]


def _tasks(voyage: Voyage) -> Iterator[str]:
    """One task for each row that says so, none for the others, none twice."""
    tasks: dict[str, list[str]] = defaultdict(list)
    for external_id, task_id in voyage.site.made():
        tasks[external_id].append(task_id)
    for row in voyage.rows:
        found = tasks.pop(row.external_id, [])
        where = f"{row.external_id} ({row.outcome}, {row.attempts} attempts, {row.reason})"
        if len(found) > 1:
            yield f"{where} was created {len(found)} times"
        if row.outcome in ("created", "existing") and found != [row.task_id]:
            yield f"{where} says {row.task_id}, and there is {found}"
        if row.outcome not in ("created", "existing") and found:
            yield f"{where} was created"
        if row.outcome == "unknown" and row.attempts < CALLS_IN_DOUBT:
            yield f"{where} is unknown though the lag was declared"
        if row.outcome == "not_sent":
            yield f"{where} was never sent"
    for external_id in tasks:
        yield f"{external_id} is of no row"


def _books(voyage: Voyage) -> Iterator[str]:
    counts = dict(voyage.counts)
    read = counts.pop("read")
    real = Counter(str(row.outcome) for row in voyage.rows)
    if not read == sum(counts.values()) == len(voyage.rows) == voyage.weather.rows:
        yield f"the books do not balance: {voyage.counts}"
    if {name: number for name, number in counts.items() if number} != dict(real):
        yield f"{voyage.counts} was counted, and the rows say {dict(real)}"


def _cap(voyage: Voyage) -> Iterator[str]:
    """No window of arrivals has more calls than the cap."""
    calls, window_s = voyage.weather.rate
    arrivals = [visit.arrived for visit in voyage.site.service.visits]
    for first, at in enumerate(arrivals):
        if first + calls < len(arrivals) and arrivals[first + calls] - at < window_s:
            yield f"more than {calls} calls arrived in {window_s} s from {at:.6f} on"
            return


def _waits(voyage: Voyage) -> Iterator[str]:
    """Nobody calls before the wait is over that somebody was told."""
    sent = voyage.site.sent
    for told in voyage.site.told:
        for call in sent:
            if told.at + ON_ITS_WAY_S < call.at < told.at + told.seconds:
                yield f"#{call.number} left {call.at - told.at:.3f} s after all were told to wait {told.seconds} s"
                break


def _bytes(voyage: Voyage) -> Iterator[str]:
    """Every repeat has the bytes of the first."""
    bodies: dict[str, bytes] = {}
    for call in voyage.site.sent:
        if call.key and bodies.setdefault(call.key, call.body) != call.body:
            yield f"#{call.number} repeats {call.key} with other bytes"
