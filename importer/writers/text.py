"""Text from files and servers, made harmless for a sheet: it stays text, whatever it looks like."""

import re

from importer.core.findings import shorten

CELL_MOST = 32_767
"""Characters that an Excel cell holds."""

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff\ud800-\udfff]")
_BIDI = re.compile("[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?")


def visible(text: str, *, exact: bool = False) -> str:
    """The text for a cell: control characters as pictures (U+0007 as ␇), at most 32,767 characters.

    `exact` keeps direction and zero-width characters, for cells that are handed in again; elsewhere they are shown.
    """
    shown = _UNSEEN.sub(_picture, text)
    if not exact:
        shown = _BIDI.sub(lambda match: f"<U+{ord(match[0]):04X}>", shown)
    return shorten(shown, CELL_MOST)


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "␡" if code == 0x7F else "\ufffd"


def csv_safe(text: str) -> str:
    """The text for a CSV cell: what a spreadsheet program would take for a formula gets an apostrophe in front."""
    shown = visible(text)
    return f"'{shown}" if shown.startswith(_STARTS) and _NUMBER.fullmatch(shown) is None else shown
