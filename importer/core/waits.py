"""Waiting: what Retry-After asks for, and pauses that grow. Reads no clock."""

from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST_HEADER = 64


def retry_after_s(value: str | None, answered: str | None) -> float | None:
    """Seconds from a Retry-After header, at least 0; None where it is absent or malformed (then it is ignored).

    An HTTP date counts from the answer's own Date header, since the two clocks may differ. RFC 9110, section 10.2.3.
    """
    if value is None or len(value) > LONGEST_HEADER:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    until, since = _date(text), _date(answered or "")
    if until is None or since is None:
        return None
    return max(until - since, 0.0)


def _date(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def back_off_s(failures: int, *, first_s: float = 0.5, most_s: float = 60.0) -> float:
    """The pause after so many failures in a row: 0.5, 1, 2, 4 … up to 60 s."""
    doublings = min(max(failures, 1) - 1, 64)
    return min(first_s * 2.0**doublings, most_s)
