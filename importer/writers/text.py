"""Text that people wrote, made safe for a cell: nothing is executed, nothing breaks a file, nothing hides. Writes nothing."""

import re
import unicodedata

from importer.core.unseen import UNSEEN, UNSEEN_CHARACTERS

CELL_MOST = 32_767
"""Excel's limit of a cell, in UTF-16 units."""

CUT = " … (cut: a cell holds 32,767 characters)"

_BREAKS = re.compile(r"\r\n?")
_FATAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_LEAD = re.compile(f"[\\s\"'‘’“”{UNSEEN_CHARACTERS}]*")
"""What a spreadsheet program may skip before it sees a formula."""
_PLAIN_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)*%?")
_FORMULA = frozenset("=+-@|")


def visible(text: str) -> str:
    """A text that every workbook can hold: control characters become pictures (␀ for NUL), broken ones �.

    Line breaks become LF, which is what a spreadsheet has inside a cell. Everything else stays.
    """
    if text.isascii() and text.isprintable() and len(text) <= CELL_MOST:  # most cells; ten times faster
        return text
    if "\r" in text:
        text = _BREAKS.sub("\n", text)
    text = _FATAL.sub(_picture, text)
    return text if len(text) <= CELL_MOST // 2 else _cut(text)


def label(text: str, most: int = 1000) -> str:
    """A text on one line among our own words: what hides or turns the reading direction is shown by its number."""
    line = UNSEEN.sub(lambda match: f"<U+{ord(match[0]):04X}>", visible(text).replace("\n", " ").replace("\t", " "))
    return line if len(line) <= most else line[: most - 1] + "…"


def csv_cell(text: str) -> str:
    """A text that a spreadsheet program opening the CSV file does not calculate: `'` goes before it.

    A plain number stays. Who reads the file for its texts takes one `'` away where what follows would have got one. What looks blank before the sign does not save it, and a full-width sign counts as one.
    """
    text = visible(text)
    if not text[:1].isalnum() and _starts_formula(text) and not _PLAIN_NUMBER.fullmatch(text):
        return "'" + text
    return text


def _starts_formula(text: str) -> bool:
    """Also where a tab or a line break comes first: what a program makes of those is its own affair.

    Apostrophes before it change nothing, so that taking one away gives the original back.
    """
    if text.lstrip("'")[:1] in ("\t", "\n"):
        return True
    lead = _LEAD.match(text)
    sign = text[lead.end() : lead.end() + 1] if lead is not None else ""
    return unicodedata.normalize("NFKC", sign)[:1] in _FORMULA


def _picture(match: re.Match[str]) -> str:
    number = ord(match[0])
    if number < 0x20:
        return chr(0x2400 + number)
    return "\u2421" if number == 0x7F else "\ufffd"


def _cut(text: str) -> str:
    if _units(text) <= CELL_MOST:
        return text
    room = CELL_MOST - len(CUT)
    return text.encode("utf-16-le")[: 2 * room].decode("utf-16-le", "ignore") + CUT


def _units(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)
