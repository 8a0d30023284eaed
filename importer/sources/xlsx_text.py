"""Text: a cell's value as a person sees it. Knows values only, neither sheets nor formats."""

import datetime as dt
from decimal import Decimal

from importer.sources.xlsx_styles import Shape

Value = str | float | bool | dt.date | dt.time | dt.datetime | dt.timedelta
DIGITS_KEPT = 15
"""Spreadsheets show and keep so many digits of a number."""
MOST_EXACT = 10**DIGITS_KEPT
MOST_WRITTEN_OUT = 10**21
"""Larger numbers are written with an exponent, as they are stored."""
MOMENTS = (dt.date, dt.time)
HALF_SECOND = dt.timedelta(milliseconds=500)


def text_of(value: Value) -> str:
    """`50` for 50.0, `22.2222`, `TRUE`, `2021-01-02`, `2021-01-02T09:30:00`, `09:30:00`, `26:30:00`; text as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, MOMENTS):
        return _moment(value)
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return _duration(value) if isinstance(value, dt.timedelta) else _number(value)


def shaped(value: Value, shape: Shape) -> str:
    """The value in a number format. Dates and texts stay what they are."""
    if isinstance(value, float) and not isinstance(value, bool):
        return shape.show(value) or text_of(value)
    return text_of(value)


def is_long(value: Value) -> bool:
    """Whether it is a whole number with more digits than a spreadsheet keeps: the last ones may be wrong."""
    return isinstance(value, float) and abs(value) >= MOST_EXACT


def is_whole(value: Value) -> bool:
    """Whether it is a number without decimals: one that may once have had leading zeros."""
    return isinstance(value, float) and value.is_integer()


def _number(number: float) -> str:
    if number == 0:
        return "0"
    if abs(number) < MOST_WRITTEN_OUT and float(number).is_integer():
        # The shortest digits that stand for the number: beyond 2**53 int() alone would show digits of the binary one.
        return str(int(Decimal(repr(number)))) if abs(number) >= MOST_EXACT else str(int(number))
    # The 16th and 17th digit are noise of binary arithmetic (0.1 + 0.2) that no spreadsheet shows.
    return f"{number:.{DIGITS_KEPT}g}" if abs(number) < MOST_WRITTEN_OUT else repr(number)


def _duration(duration: dt.timedelta) -> str:
    sign = "-" if duration < dt.timedelta(0) else ""
    seconds = round(abs(duration).total_seconds())
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _moment(moment: dt.date | dt.time) -> str:
    """To the nearest second: a stored 09:29:59.997 is shown, and was typed, as 09:30:00."""
    if isinstance(moment, dt.datetime):
        if not moment.microsecond:
            return moment.isoformat()
        return (moment + HALF_SECOND).isoformat(timespec="seconds") if moment.year < dt.MAXYEAR else moment.isoformat()
    if isinstance(moment, dt.time):
        rounded = dt.datetime.combine(dt.date.min, moment) + HALF_SECOND
        # The second before midnight has no later one in the same day.
        return moment.isoformat("seconds") if rounded.date() > dt.date.min else rounded.time().isoformat("seconds")
    return moment.isoformat()
