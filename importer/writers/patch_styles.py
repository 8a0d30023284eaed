"""Styles of ours appended to a workbook's own: fonts, fills and formats. What it had stays as it was, at its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from importer.writers.patch import Attributes, Odd, Reader, attributes_at
from importer.writers.style import STYLES

FORMATS_MOST = 64_000
"""Excel takes 65,490 formats."""
TEXT_FORMAT = 49  # `@`, built in
LISTS = ("fonts", "fills", "cellXfs")
ITEMS = {"fonts": "font", "fills": "fill", "borders": "border", "cellStyleXfs": "xf", "cellXfs": "xf"}
FONT_KEPT = ("sz", "name", "family", "charset")


@dataclass(slots=True)
class _List:
    """One list of a styles part: how many it has, where its end is, where its start tag says how many."""

    items: int = 0
    begin: int = 0
    end: int = -1


@dataclass(slots=True)
class _Found:
    """What was met in a styles part; the path of open elements is its only state."""

    lists: dict[str, _List] = field(default_factory=dict)
    font: dict[str, str] = field(default_factory=dict)  # of the workbook's usual font
    path: list[str] = field(default_factory=list)


def with_styles(content: bytes, names: Sequence[str]) -> tuple[bytes, dict[str, int]]:
    """The part with styles of writers/style.py appended, and the number of each format by name.

    As it was, and no numbers, where the part has no such lists: cells are then plain. Raises Odd.
    """
    if b"AlternateContent" in content:  # what is in it would have to be counted in one of its branches alone
        return content, {}
    found = _look(content)
    if not all(name in found.lists and found.lists[name].items for name in ITEMS):
        return content, {}
    if any(found.lists[name].end < 0 for name in LISTS) or found.lists["cellXfs"].items > FORMATS_MOST:
        return content, {}
    prefix = _prefix(content, found.lists["fonts"].begin)
    counts = {name: found.lists[name].items for name in LISTS}
    added: dict[str, list[str]] = {name: [] for name in LISTS}
    numbers: dict[str, int] = {}
    for name in names:
        style = STYLES[name]
        font = fill = 0
        if "font_color" in style:
            font = counts["fonts"] + len(added["fonts"])
            added["fonts"].append(_font(style, found.font, prefix))
        if "bg_color" in style:
            fill = counts["fills"] + len(added["fills"])
            added["fills"].append(_fill(style, prefix))
        numbers[name] = counts["cellXfs"] + len(added["cellXfs"])
        added["cellXfs"].append(_format(font, fill, prefix))
    return _appended(content, found, added), numbers


def _look(content: bytes) -> _Found:
    found = _Found()

    def start(name: str, attributes: Attributes) -> None:
        path = found.path
        if len(path) == 1 and name in ITEMS:
            if name in found.lists:
                raise Odd("its styles have an unusual structure")
            found.lists[name] = _List(begin=reader.at)
        elif len(path) == 2 and path[1] in ITEMS and name == ITEMS[path[1]]:
            found.lists[path[1]].items += 1
        elif len(path) == 3 and path[1] == "fonts" and found.lists["fonts"].items == 1 and name in FONT_KEPT:
            found.font[name] = attributes.get("val", "")
        path.append(name)

    def end(name: str) -> None:
        found.path.pop()
        if len(found.path) == 1 and name in ITEMS and content[reader.at : reader.at + 2] == b"</":
            found.lists[name].end = reader.at

    reader = Reader(None, start, end)
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content[:4]:
        raise Odd("its text is not UTF-8")
    reader.feed(content, last=True)
    return found


def _appended(content: bytes, found: _Found, added: dict[str, list[str]]) -> bytes:
    edits = []
    for name in LISTS:
        this = found.lists[name]
        edits.append((this.end, this.end, "".join(added[name]).encode()))
        for match in attributes_at(content, this.begin):
            if match[1] == b"count":
                group = 2 if match[2] is not None else 3
                edits.append((match.start(group), match.end(group), b"%d" % (this.items + len(added[name]))))
    pieces, done = [], 0
    for begin, end, text in sorted(edits):
        pieces += [content[done:begin], text]
        done = end
    return b"".join([*pieces, content[done:]])


def _prefix(content: bytes, at: int) -> str:
    name = content[at + 1 : at + 100].split(b"fonts")[0]
    return name.decode()


def _font(style: dict[str, object], usual: dict[str, str], prefix: str) -> str:
    color = str(style["font_color"]).lstrip("#")
    parts = ["<b/>"] if style.get("bold") else []
    parts += ["<i/>"] if style.get("italic") else []
    size = usual.get("sz") or "11"
    family, charset = usual.get("family", ""), usual.get("charset", "")
    parts.append(f'<sz val="{_attribute(size)}"/><color rgb="FF{color}"/>')
    parts.append(f'<name val="{_attribute(usual.get("name") or "Calibri")}"/>')
    parts += [f'<family val="{_attribute(family)}"/>'] if family else []
    parts += [f'<charset val="{_attribute(charset)}"/>'] if charset else []
    return _prefixed("<font>" + "".join(parts) + "</font>", prefix)


def _fill(style: dict[str, object], prefix: str) -> str:
    color = str(style["bg_color"]).lstrip("#")
    solid = f'<patternFill patternType="solid"><fgColor rgb="FF{color}"/><bgColor indexed="64"/></patternFill>'
    return _prefixed(f"<fill>{solid}</fill>", prefix)


def _format(font: int, fill: int, prefix: str) -> str:
    applied = " applyFont='1'" if font else ""
    applied += " applyFill='1'" if fill else ""
    begun = f'<xf numFmtId="{TEXT_FORMAT}" fontId="{font}" fillId="{fill}" borderId="0" xfId="0" applyNumberFormat="1"'
    return _prefixed(f"{begun}{applied}/>", prefix)


def _prefixed(xml: str, prefix: str) -> str:
    """Our own elements under the prefix of the part; their texts are quoted, so that a `<` begins a tag."""
    return xml.replace("</", "\0").replace("<", f"<{prefix}").replace("\0", f"</{prefix}")


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
