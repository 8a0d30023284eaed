"""Pages as a browser reads them: elements, texts and what could run or load. For tests of what is rendered."""

from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser

import jinja2

from importer.markup import environment

VOID = frozenset({"meta", "link", "input", "br", "hr", "rect", "line", "polyline", "path"})
LOADING = frozenset({"src", "href", "action", "formaction", "poster", "data", "srcset", "background", "ping", "xlink:href"})  # fmt: skip
RUNNING = frozenset({"script", "iframe", "object", "embed", "applet", "base", "foreignobject", "animate", "set", "use"})


@dataclass(frozen=True, slots=True)
class Element:
    """One element with its attributes and the text inside it."""

    tag: str
    attributes: dict[str, str]
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its text with single spaces."""
        return " ".join("".join(self.texts).split())


@dataclass(frozen=True, slots=True)
class Page:
    """What html.parser made of a page."""

    elements: list[Element]

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """The elements of a tag that have these attributes; `class_` is one of the classes."""
        wanted = attributes.pop("class_", "")
        return [
            each
            for each in self.elements
            if each.tag == tag
            and (not wanted or wanted in each.attributes.get("class", "").split())
            and attributes.items() <= each.attributes.items()
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        """The only such element."""
        (found,) = self.all(tag, **attributes)
        return found

    @property
    def text(self) -> str:
        """All of its text."""
        return self.elements[0].text

    def dangers(self) -> list[str]:
        """What could run, load or style by itself: elements, event handlers, inline styles, addresses."""
        found = [each.tag for each in self.elements if each.tag in RUNNING]
        for each in self.elements:
            for name, value in each.attributes.items():
                if name.startswith(("on", "hx-on", "data-hx-on")) or name == "style":
                    found.append(f"{each.tag} {name}")
                elif name in LOADING:
                    found.append(f"{name}={value}")
        return found


APART = frozenset(
    {"td", "th", "tr", "p", "li", "div", "summary", "dt", "dd", "br", "h1", "h2", "caption", "figcaption"}
)
"""Elements whose text stands apart from what is before it."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements = [Element("(page)", {})]
        self._open = [self.elements[0]]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in APART:
            self.handle_data(" ")
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert any(each.tag == tag for each in self._open), f"</{tag}> ends nothing"
        while self._open.pop().tag != tag:
            pass

    def handle_data(self, data: str) -> None:
        for each in self._open:
            each.texts.append(data)


def read(html: str) -> Page:
    """The page."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return Page(reader.elements)


@cache
def _shared() -> tuple[jinja2.Environment, dict[str, object]]:
    made = environment()
    return made, {"parts": made.get_template("parts.html").module, "plans": made.get_template("plan.html").module}


def rendered(source: str, **values: object) -> Page:
    """What a template's text becomes, with all macros of parts.html as `parts` and of plan.html as `plans`."""
    made, known = _shared()
    return read(made.from_string(source).render(**known, **values))
