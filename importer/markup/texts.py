"""Texts: values as people read them in a page or a mailed report. Each filter gives plain text, but `moment`, which is an element."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import PurePath, PureWindowsPath
from typing import Any

from markupsafe import Markup

from importer.core.plan import short
from importer.core.report import ICONS
from importer.core.unseen import BROKEN, UNSEEN

NOTHING = "–"
SIGNS = {"error": "✖", "warning": "▲", "note": "·", "being_sent": "▶"}
TONES = {
    "ready": "good", "created": "good", "existing": "calm", "failed": "bad", "unknown": "look", "not_sent": "look",
    "invalid": "bad", "duplicate": "calm", "skipped": "calm", "warning": "look", "error": "bad", "note": "calm",
}  # fmt: skip
"""The tone of a word, which is a class in the style sheet; the workbooks colour the same words alike."""

_NOT_TEXT = re.compile("[\ufffe\uffff]")
_BREAKS = re.compile(r"\r\n?")


def whole(value: Any) -> Any:
    """What a template prints: texts without broken characters, so that every page can be encoded."""
    return BROKEN.sub("\ufffd", value) if type(value) is str and not value.isascii() else value


def number(value: float | None) -> str:
    """`1,234`, `1,234.5`; a dash for None."""
    if value is None:
        return NOTHING
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}".removesuffix(".0")


def moment(at: str | None) -> Markup:
    """`<time datetime="2026-11-25T02:15:00Z">2026-11-25 02:15 UTC</time>`; a text that is no RFC 3339 time stays text."""
    if not at:
        return Markup("–")
    try:
        read = datetime.fromisoformat(at)
        utc = read.astimezone(UTC)
    except (ValueError, OverflowError):
        return Markup("{}").format(visible(at))
    if read.tzinfo is None:
        return Markup("{}").format(visible(at))
    return Markup('<time datetime="{}">{}</time>').format(f"{utc:%Y-%m-%dT%H:%M:%SZ}", f"{utc:%Y-%m-%d %H:%M} UTC")


def visible(text: str | None, most: int = 0) -> str:
    """A text in which nothing hides or turns the reading direction: `<U+202E>`. Line breaks and tabs stay.

    With `most`, what is longer than so many characters ends in `…`.
    """
    if text is None:
        return ""
    if most and len(text) > most:
        text = text[: most - 1] + "…"
    if text.isascii() and text.isprintable():
        return text
    text = _NOT_TEXT.sub("\ufffd", BROKEN.sub("\ufffd", _BREAKS.sub("\n", text)))
    return UNSEEN.sub(_numbered, text)


def line(text: str | None, most: int = 200) -> str:
    """A text as `visible`, on one line and at most `most` characters long: for names among our own words."""
    flat = visible(text).replace("\n", " ").replace("\t", " ")
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def words(name: str) -> str:
    """`not sent` for `not_sent`."""
    return name.replace("_", " ")


def icon(word: str) -> str:
    """The sign of a verdict, an outcome or a severity; a dot for another word."""
    return ICONS.get(word) or SIGNS.get(word) or "•"


def tone(word: str) -> str:
    """The class of a verdict, an outcome or a severity: good, look, bad or calm."""
    return TONES.get(word, "calm")


def percent(part: float, of: float) -> str:
    """`31 %`, `0.4 %`, `under 0.1 %`."""
    share = 100 * part / of if of else 0.0
    if 0 < share < 0.1:
        return "under 0.1 %"
    return f"{share:.1f} %" if 0 < share < 10 and share != round(share) else f"{share:.0f} %"


def minutes(value: float) -> str:
    """A duration in minutes as people say it: `under a minute`, `12 minutes`, `3 h 20 min`."""
    if value < 1:
        return "under a minute"
    whole_minutes = round(value)
    if whole_minutes < 120:
        return "1 minute" if whole_minutes == 1 else f"{whole_minutes} minutes"
    hours, rest = divmod(whole_minutes, 60)
    return f"{hours:,} h {rest} min" if rest else f"{hours:,} h"


def size(count: int) -> str:
    """Bytes as `312 B`, `4.2 KB`, `1.5 MB`."""
    if count < 1000:
        return f"{count} B"
    value = count / 1000
    for unit in ("KB", "MB"):
        if value < 1000:
            return f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def basename(path: str) -> str:
    """A file's own name, of a path of this system or of Windows."""
    return PureWindowsPath(path).name if re.match(r"[A-Za-z]:\\|\\\\", path) else PurePath(path).name


def _numbered(match: re.Match[str]) -> str:
    return match[0] if match[0] in "\n\t" else f"<U+{ord(match[0]):04X}>"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "number": number, "moment": moment, "visible": visible, "line": line, "short": short, "words": words,
    "percent": percent, "minutes": minutes, "bytes": size, "basename": basename,
}  # fmt: skip
