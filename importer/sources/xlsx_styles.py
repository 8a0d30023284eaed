"""Shape: how a number format shows a whole number, for the few formats that change what an ID looks like."""

import re
from dataclasses import dataclass

from importer.core.file_limits import beyond
from importer.sources.xlsx_package import Package
from importer.sources.xlsx_xml import Attributes, walk

BUILT_IN_PERCENT = {9: "0%", 10: "0.00%"}
MOST_STYLES = 200_000
"""Excel has at most 65,490."""
LITERAL = re.compile(r'"([^"]*)"|\\(.)|([-/ .:()+])|(0)')
LOCALE = re.compile(r"\[\$-[0-9A-Fa-f]+\]")
PERCENT = re.compile(r"[#0,]*0(?:\.[0#]+)?%")


@dataclass(frozen=True, slots=True)
class Shape:
    """A number format of zeros and literals: `00000`, `000-000`, `"EXT-"0000`; or a percentage."""

    parts: tuple[str, ...] = ()  # "0" stands for a digit, everything else begins with "=" and stands for itself
    percent: bool = False

    def show(self, number: float) -> str | None:
        """The number as the spreadsheet shows it; None where the format would round it."""
        if self.percent:
            return f"{number * 100:.15g}%"
        if not number.is_integer() or abs(number) >= 1e15:
            return None
        return ("-" if number < 0 else "") + self._filled(str(int(abs(number))))

    def _filled(self, digits: str) -> str:
        places = self.parts.count("0")
        digits = digits.rjust(places, "0")
        rest = iter(digits[len(digits) - places :])
        more = digits[: len(digits) - places]  # digits beyond the places stand before the first place
        shown = ""
        for part in self.parts:
            if part == "0":
                shown, more = shown + more + next(rest), ""
            else:
                shown += part[1:]
        return shown


def shapes_of(package: Package, part: str | None) -> dict[int, Shape]:
    """The styles (indexes into cellXfs) whose format is a Shape. Raises FileRefused when the part is broken or has too many."""
    if part is None:
        return {}
    formats: dict[int, str] = dict(BUILT_IN_PERCENT)
    styles: list[int] = []
    inside = False

    def start(name: str, attributes: Attributes) -> None:
        nonlocal inside
        if name == "numFmt":
            formats[_number(attributes.get("numFmtId"))] = attributes.get("formatCode", "")
        elif name == "cellXfs":
            inside = True
        elif name == "xf" and inside:
            styles.append(_number(attributes.get("numFmtId")))
            if len(styles) > MOST_STYLES:
                raise beyond(f"it has more than {MOST_STYLES:,} cell styles")

    def end(name: str) -> None:
        nonlocal inside
        inside = inside and name != "cellXfs"

    walk(package.blocks(part), start, end)
    shapes = {number: shape for number, code in formats.items() if (shape := shape_of(code)) is not None}
    return {style: shapes[number] for style, number in enumerate(styles) if number in shapes}


def shape_of(code: str) -> Shape | None:
    """The format's Shape, or None for one that leaves a plain number as it is, or is a date or an amount."""
    code = LOCALE.sub("", code).partition(";")[0]
    if PERCENT.fullmatch(code):
        return Shape(percent=True)
    parts, position = [], 0
    while position < len(code):
        match = LITERAL.match(code, position)
        if match is None:
            return None
        quoted, escaped, sign, _ = match.groups()
        literal = quoted if quoted is not None else escaped or sign
        parts.append("0" if match.group(4) else "=" + literal)
        position = match.end()
    # A single zero is every whole number; a point before zeros is a decimal point.
    return Shape(tuple(parts)) if parts.count("0") >= 2 and "=." not in parts else None


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else -1
