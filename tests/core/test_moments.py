"""Moments: forms that cannot be mistaken are read, all others are told by code."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.errors import SettingsError
from importer.core.moments import Unreadable, calendar_day, duration, is_bare, moment, zone


def code(text: str, time_zone: str = "UTC") -> str:
    """The code of a text that is no moment."""
    with pytest.raises(Unreadable) as told:
        moment(text, time_zone)
    return told.value.code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-18", "2026-12-18T23:59:59.000Z"),
        ("18.12.2026", "2026-12-18T23:59:59.000Z"),
        ("8.2.2026", "2026-02-08T23:59:59.000Z"),
        ("8. 2. 2026", "2026-02-08T23:59:59.000Z"),
    ],
)
def test_moment_date_alone_is_the_end_of_its_day(text: str, expected: str) -> None:
    """A date without a time means the last second of that day."""
    assert moment(text, "UTC") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-18T17:00", "2026-12-18T17:00:00.000Z"),
        ("2026-12-18 17:00:30", "2026-12-18T17:00:30.000Z"),
        ("2026-12-18T17:00:30.1234567Z", "2026-12-18T17:00:30.123Z"),
        ("2026-12-18T17:00:30,5z", "2026-12-18T17:00:30.500Z"),
        ("2026-12-18T17:00+01:00", "2026-12-18T16:00:00.000Z"),
        ("2026-12-18 17:00 -0530", "2026-12-18T22:30:00.000Z"),
        ("18.12.2026 9:05", "2026-12-18T09:05:00.000Z"),
        ("18.12.2026, 09:05:06", "2026-12-18T09:05:06.000Z"),
        ("2026-12-18T00:00:00", "2026-12-18T00:00:00.000Z"),
    ],
)
def test_moment_reads_iso_and_dotted_forms(text: str, expected: str) -> None:
    """ISO 8601 with or without offset, and day-first with dots, become UTC with milliseconds."""
    assert moment(text, "UTC") == expected


def test_moment_without_offset_is_in_the_time_zone() -> None:
    """A time without an offset, and the end of a day, are those of the time zone; an offset beats it."""
    assert moment("2026-12-18 17:00", "Europe/Berlin") == "2026-12-18T16:00:00.000Z"
    assert moment("2026-07-18", "Europe/Berlin") == "2026-07-18T21:59:59.000Z"
    assert moment("2026-12-18T17:00Z", "Europe/Berlin") == "2026-12-18T17:00:00.000Z"


@pytest.mark.parametrize(
    "text", ["12/11/2026", "25/12/2026", "12/11/26", "12-11-2026", "1 / 2 / 2026", "12/11/2026 10:00"]
)
def test_moment_with_day_or_month_first_is_not_guessed(text: str) -> None:
    """Slashes and dashes do not tell which is the day: V362, also where only one reading is possible."""
    assert code(text) == "V362"


@pytest.mark.parametrize(
    "text", ["2026-02-30", "30.02.2026", "2026-13-01", "2026-12-18 24:00", "2026-12-18T10:00+15:00"]
)
def test_moment_that_no_calendar_has_is_told(text: str) -> None:
    """A right form with a day, time or offset that there is not is V363."""
    assert code(text) == "V363"


@pytest.mark.parametrize("text", ["0001-01-01 00:00+01:00", "9999-12-31 23:59-01:00"])
def test_moment_beyond_the_calendar_is_told(text: str) -> None:
    """A moment that has no UTC date is V363, never a failure."""
    assert code(text) == "V363"


@pytest.mark.parametrize(
    "text", ["soon", "46374", "18.12.26", "2026/12/18", "2026-12", "٢٠٢٦-12-18", "2026-12-18T17", "x2026-12-18"]
)
def test_moment_in_any_other_form_is_told(text: str) -> None:
    """Anything else is V361: a spreadsheet's day number and a year of two digits too."""
    assert code(text) == "V361"


@pytest.mark.parametrize("text", ["2026-03-29 02:30", "2026-10-25 02:30"])
def test_moment_while_the_clocks_change_is_told(text: str) -> None:
    """The skipped and the repeated hour are V364 without an offset."""
    assert code(text, "Europe/Berlin") == "V364"


def test_moment_while_the_clocks_change_is_clear_with_its_offset() -> None:
    """With an offset the repeated hour is one moment."""
    assert moment("2026-10-25 02:30+01:00", "Europe/Berlin") == "2026-10-25T01:30:00.000Z"


def readable(text: str, time_zone: str) -> str:
    """The moment, or the code that tells why there is none."""
    try:
        return moment(text, time_zone)
    except Unreadable as told:
        return told.code


@given(st.datetimes(), st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]))
def test_moment_reads_every_date_that_a_workbook_gives(value: datetime, time_zone: str) -> None:
    """What the reader of workbooks makes of a date cell is read, or is a time that the zone does not have once."""
    found = readable(value.isoformat(), time_zone)
    assert found.endswith("Z") or found in ("V363", "V364")


@given(st.text(max_size=30))
def test_moment_never_fails_on_a_text(text: str) -> None:
    """Whatever stands in a cell is read or told."""
    found = readable(text, "UTC")
    assert found.endswith("Z") or found in ("V361", "V362", "V363")


def test_zone_that_does_not_exist_is_told_as_a_setting() -> None:
    """An unknown time zone is a mistake in the settings, not in a row."""
    with pytest.raises(SettingsError, match="Europe/Atlantis"):
        zone("Europe/Atlantis")


@pytest.mark.parametrize("text", ["2026-12-18", "18.12.2026", "2026-12-18T00:00:00", "2026-12-18 00:00"])
def test_calendar_day_keeps_the_date_alone(text: str) -> None:
    """A date, or one with the midnight that spreadsheets add, is the date."""
    assert calendar_day(text) == "2026-12-18"


@pytest.mark.parametrize("text", ["2026-12-18 17:00", "2026-12-18T00:00Z", "tomorrow"])
def test_calendar_day_has_no_time(text: str) -> None:
    """A time that says something is not dropped: V361."""
    with pytest.raises(Unreadable) as told:
        calendar_day(text)
    assert told.value.code == "V361"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90), ("0", 0), ("90 min", 5400), ("90min", 5400), ("1h 30m", 5400), ("1h30m", 5400), ("2 d", 172_800),
        ("1,5 h", 5400), ("1.5 h", 5400), ("1 Std. 15 Min.", 4500), ("2 Tage", 172_800), ("1 día", 86_400),
        ("3 heures", 10_800), ("45 sec", 45), ("01:30:00", 5400), ("26:30:00", 95_400), ("1:30", 5400), ("00:45", 2700),
    ],
)  # fmt: skip
def test_duration_is_read_as_people_write_it(text: str, seconds: int) -> None:
    """Units in four languages, decimals, and a spreadsheet's h:mm and h:mm:ss become whole seconds; bare means seconds."""
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "a while", "1h 2h", "30m 1h", "1:75", "-5", "5 x", "0.3 s", "1e3", "h", "1 h and", "1::2"]
)
def test_duration_in_any_other_form_is_told(text: str) -> None:
    """Unknown or repeated units, parts out of order and split seconds are V365."""
    with pytest.raises(Unreadable) as told:
        duration(text)
    assert told.value.code == "V365"


def test_duration_is_bare_without_a_unit() -> None:
    """Only a number alone is bare."""
    assert [is_bare(text) for text in ("90", "90 s", "1:30", "")] == [True, False, False, False]
