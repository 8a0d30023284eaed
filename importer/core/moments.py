"""Moments: dates, times and durations as people write them, read without guessing, and as records keep them. Knows no clock."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from fractions import Fraction
from functools import lru_cache

from importer.core.errors import SettingsError

_CLOCK = r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<part>[0-9]{1,9}))?)?"
_OFFSET = r"(?P<offset>[Zz]|[+-][0-9]{2}:?[0-9]{2})"
_ISO = re.compile(
    rf"(?P<year>[0-9]{{4}})-(?P<month>[0-9]{{2}})-(?P<day>[0-9]{{2}})(?:(?:[Tt]|[ ]+){_CLOCK}(?:[ ]?{_OFFSET})?)?"
)
_DOTTED = re.compile(
    rf"(?P<day>[0-9]{{1,2}})\.[ ]?(?P<month>[0-9]{{1,2}})\.[ ]?(?P<year>[0-9]{{4}})"
    rf"(?:,?[ ]+{_CLOCK}(?:[ ]?{_OFFSET})?)?"
)
_EITHER_FIRST = re.compile(r"[0-9]{1,2}\s*[/-]\s*[0-9]{1,2}\s*[/-]\s*(?:[0-9]{4}|[0-9]{2})(?:[ ,T].*)?", re.DOTALL)
"""12/11/2026: which of the two is the month depends on where the writer lives."""

END_OF_DAY = time(23, 59, 59)


def written(moment: datetime) -> str:
    """A moment (aware, UTC) as records keep it: RFC 3339 with seconds and `Z`."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


class Unreadable(ValueError):
    """A text that is no moment or duration; `code` is the catalogue's."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@lru_cache(maxsize=64)
def zone(name: str) -> tzinfo:
    """A time zone by its IANA name. Raises SettingsError for one that the machine does not know."""
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingsError(f"The time zone {name} is unknown.", "Use a name such as Europe/Berlin or UTC.") from None


def moment(text: str, time_zone: str) -> str:
    """The moment in UTC, as `2026-12-18T23:59:59.000Z`. A date alone means the end of its day in `time_zone`.

    A time without an offset is one in `time_zone`. Raises Unreadable: V361 (no date), V362 (day or month first?),
    V363 (no such day or time), V364 (the clocks are changed then).
    """
    match = _matched(text)
    day = _day(match)
    if match["hour"] is None:
        return _canonical(_in_zone(datetime.combine(day, END_OF_DAY), time_zone))
    try:
        clock = time(int(match["hour"]), int(match["minute"]), int(match["second"] or 0), _micro(match["part"]))
    except ValueError:
        raise Unreadable("V363") from None
    local = datetime.combine(day, clock)
    return _canonical(_shifted(local, match["offset"]) if match["offset"] else _in_zone(local, time_zone))


def calendar_day(text: str) -> str:
    """A date as `2026-12-18`; a time may follow where it is midnight. Raises Unreadable as `moment` does."""
    match = _matched(text)
    if match["hour"] is not None and (
        match["offset"] or {*match.group("hour", "minute", "second")} - {"0", "00", None}
    ):
        raise Unreadable("V361")
    return _day(match).isoformat()


def _matched(text: str) -> re.Match[str]:
    match = _ISO.fullmatch(text) or _DOTTED.fullmatch(text)
    if match is None:
        raise Unreadable("V362" if _EITHER_FIRST.fullmatch(text) else "V361")
    return match


def _day(match: re.Match[str]) -> date:
    try:
        return date(int(match["year"]), int(match["month"]), int(match["day"]))
    except ValueError:
        raise Unreadable("V363") from None


def _micro(part: str | None) -> int:
    return int((part or "0")[:6].ljust(6, "0"))


def _shifted(local: datetime, offset: str) -> datetime:
    if offset in "Zz":
        return local.replace(tzinfo=UTC)
    hours, minutes = int(offset[1:3]), int(offset[-2:])
    if hours > 14 or minutes > 59:
        raise Unreadable("V363")
    shift = timedelta(hours=hours, minutes=minutes)
    try:
        return (local + shift if offset[0] == "-" else local - shift).replace(tzinfo=UTC)
    except OverflowError:
        raise Unreadable("V363") from None


def _in_zone(local: datetime, time_zone: str) -> datetime:
    """The local time in UTC. In the hour that the clocks skip or repeat there are none or two: V364."""
    place = zone(time_zone)
    first, second = local.replace(tzinfo=place, fold=0), local.replace(tzinfo=place, fold=1)
    if first.utcoffset() != second.utcoffset():
        raise Unreadable("V364")
    try:
        return first.astimezone(UTC)
    except OverflowError:
        raise Unreadable("V363") from None


def _canonical(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


# Durations

_CLOCKED = re.compile(r"(?P<hours>[0-9]{1,6}):(?P<minutes>[0-5][0-9])(?::(?P<seconds>[0-5][0-9]))?")
_PART = re.compile(r"\s*(?P<number>[0-9]{1,9}(?:[.,][0-9]{1,6})?)\s*(?P<unit>[^\W\d_]+)\.?")
_PLAIN = re.compile(r"[0-9]{1,12}")

_UNITS = {
    86_400: "d day days tag tage tagen jour jours j día días dia dias",
    3_600: "h hr hrs hour hours std stunde stunden heure heures hora horas",
    60: "m min mins minute minutes minuten minuto minutos",
    1: "s sec secs second seconds sek sekunde sekunden seconde secondes segundo segundos",
}
SECONDS_OF = {unit: seconds for seconds, units in _UNITS.items() for unit in units.split()}


def is_bare(text: str) -> bool:
    """Whether a duration is a number without a unit, which is read as seconds."""
    return _PLAIN.fullmatch(text) is not None


def duration(text: str) -> int:
    """Whole seconds from `90` (seconds), `90 min`, `1h 30m`, `1,5 h`, `2 d`, `01:30` (hours and minutes) or `01:30:00`.

    Raises Unreadable: V365. Whether it is too long is not asked here.
    """
    text = text.strip()
    if is_bare(text):
        return int(text)
    match = _CLOCKED.fullmatch(text)
    if match is not None:
        return int(match["hours"]) * 3600 + int(match["minutes"]) * 60 + int(match["seconds"] or 0)
    total = _summed(text)
    if total is None or total.denominator != 1:
        raise Unreadable("V365")
    return int(total)


def _summed(text: str) -> Fraction | None:
    """The parts of `1h 30m` added up; None where one is unknown or a unit does not get smaller."""
    total, position, last = Fraction(0), 0, max(SECONDS_OF.values()) + 1
    while position < len(text):
        part = _PART.match(text, position)
        unit = SECONDS_OF.get(part["unit"].casefold(), 0) if part is not None else 0
        if part is None or not unit or unit >= last:
            return None
        total += Fraction(part["number"].replace(",", ".")) * unit
        position, last = part.end(), unit
    return total if position else None
