"""Preparer: a person at a browser without script: reads pages, fills in their forms, and follows where they lead."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urlencode, urljoin, urlsplit

from importer.web.route import Role
from tests.web.house import Page, Reply

SAMPLES = Path(__file__).parents[2] / "samples"
STEPS_MOST = 400


@dataclass(slots=True)
class Form:
    """A form of a page, with what a browser would send of it as it stands."""

    action: str
    method: str
    id: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)  # of selects and radio buttons

    def filled(self, changes: dict[str, Any]) -> list[tuple[str, str]]:
        """The fields with other values; a list stands for a name that comes more than once, None for a box that is not ticked."""
        kept = [(name, value) for name, value in self.fields if name not in changes]
        for name, value in changes.items():
            several = value if isinstance(value, list) else [value] if value is not None else []
            kept += [(name, str(each)) for each in several]
        return kept


class Seen(HTMLParser):
    """A page as it came: its forms, its text, and its elements by ID."""

    def __init__(self, reply: Reply, path: str) -> None:
        super().__init__()
        self.status, self.path, self.html = reply.status, path, reply.text
        self.forms: list[Form] = []
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self._open: list[Form] = []
        self._select = ""
        self._skipped = 0
        self._area: tuple[str, list[str]] | None = None
        self.feed(reply.text)

    @property
    def text(self) -> str:
        """What can be read on it."""
        return " ".join(" ".join(self.words).split())

    def form(self, action: str) -> Form:
        """The first form whose action ends so."""
        return next(each for each in self.forms if urlsplit(each.action).path.endswith(action))

    def all(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        """The attributes of all elements that have these."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [found for name, found in self.tags if name == tag and wanted.items() <= found.items()]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        form = self._of(given)
        match tag:
            case "form":
                self._open.append(Form(given.get("action", ""), given.get("method", "get"), given.get("id", "")))
                self.forms.append(self._open[-1])
            case "input" if form and given.get("name"):
                kind = given.get("type", "text")
                if kind == "radio":
                    form.choices.setdefault(given["name"], []).append(given.get("value", "on"))
                if kind not in ("radio", "checkbox", "file", "submit") or "checked" in given:
                    form.fields.append((given["name"], given.get("value", "on")))
            case "select" if form:
                self._select = given["name"]
                form.choices[self._select] = []
            case "option" if form and self._select:
                form.choices[self._select].append(given["value"])
                if "selected" in given:
                    form.fields.append((self._select, given["value"]))
            case "textarea":
                self._area = (given["name"], [])
            case "script" | "style":
                self._skipped += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._open:
            self._open.pop()
        elif tag == "select" and self._open:
            names = [name for name, _ in self._open[-1].fields]
            if self._select not in names:
                self._open[-1].fields.append((self._select, self._open[-1].choices[self._select][0]))
            self._select = ""
        elif tag == "textarea" and self._area and self._open:
            self._open[-1].fields.append((self._area[0], "".join(self._area[1]).removeprefix("\n")))
            self._area = None
        elif tag in ("script", "style"):
            self._skipped -= 1

    def handle_data(self, data: str) -> None:
        if self._area:
            self._area[1].append(data)
        elif not self._skipped:
            self.words.append(data)

    def _of(self, given: dict[str, str]) -> Form | None:
        if "form" in given:
            return next((each for each in self.forms if each.id == given["form"]), None)
        return self._open[-1] if self._open else None


@dataclass(slots=True)
class Preparer:
    """Somebody who is logged in."""

    page: Page
    cookie: str

    async def opens(self, path: str) -> Seen:
        """Goes to a page, and on to where it leads; a page that asks to wait is looked at again."""
        for _ in range(STEPS_MOST):
            reply = await self.page.ask("GET", path, self.cookie)
            if reply.status == 303:
                path = urljoin(path, reply.headers["Location"].partition("#")[0])
            elif 'http-equiv="refresh"' in reply.text:
                continue
            else:
                return Seen(reply, path)
        raise AssertionError(f"{path} has no end")

    async def sends(self, seen: Seen, action: str, /, **changes: Any) -> Seen:
        """Fills in the form of a page, sends it, and follows."""
        form = seen.form(action)
        target = urldefrag(urljoin(seen.path, form.action)).url
        pairs = form.filled(changes)
        if form.method == "get":
            return await self.opens(f"{target}?{urlencode(pairs)}")
        return await self.posts(target, pairs)

    async def fixes(self, seen: Seen, line: int, column: int, value: str) -> Seen:
        """Fixes one cell, by the page that its button leads to."""
        one = await self.cell(seen, line, column)
        return await self.sends(one, f"/rows/{line}/{column}", value=value)

    async def cell(self, seen: Seen, line: int, column: int) -> Seen:
        """The page of one cell."""
        kept = next(each for each in seen.forms if each.id == "edit").fields
        return await self.opens(f"{cell(seen, line, column)['formaction']}?{urlencode(kept)}")

    async def posts(self, target: str, pairs: list[tuple[str, str]]) -> Seen:
        """Sends fields as a browser does, and follows."""
        headers = {"Origin": self.page.base, "Content-Type": "application/x-www-form-urlencoded"}
        reply = await self.page.ask("POST", target, self.cookie, headers, data=urlencode(pairs))
        if reply.status == 303:
            return await self.opens(reply.headers["Location"].partition("#")[0])
        return Seen(reply, target)

    async def uploads(self, data: bytes, name: str) -> Seen:
        """Uploads a file by the form of the page, and follows."""
        reply = await self.hands_in(data, name)
        if reply.status == 303:
            return await self.opens(reply.headers["Location"])
        return Seen(reply, "/uploads")

    async def hands_in(self, data: bytes, name: str, csrf: str | None = None) -> Reply:
        """The upload alone."""
        token = self.page.csrf(self.cookie) if csrf is None else csrf
        called = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")  # as browsers do, and no more
        body = (
            f'--B\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{token}\r\n--B\r\n'
            f'Content-Disposition: form-data; name="file"; filename="{called}"\r\n\r\n'
        ).encode("utf-8", "replace")
        headers = {"Origin": self.page.base, "Content-Type": "multipart/form-data; boundary=B"}
        return await self.page.ask("POST", "/uploads", self.cookie, headers, data=body + data + b"\r\n--B--\r\n")

    async def brings(self, sample: str) -> Seen:
        """Uploads one of the samples."""
        return await self.uploads((SAMPLES / sample).read_bytes(), sample)

    async def previews(self, data: bytes, name: str = "tasks.csv") -> Seen:
        """Uploads a file whose columns need no choice, and goes on to its rows."""
        seen = await self.uploads(data, name)
        seen = await self.sends(seen, "/columns")
        return await self.opens(f"/imports/{draft_of(seen)}/rows")


def draft_of(seen: Seen) -> str:
    """The draft that a page is about."""
    return urlsplit(seen.path).path.split("/")[2]


def cell(seen: Seen, line: int, column: int) -> dict[str, str]:
    """The button of a cell of the table of rows."""
    return seen.all("button", id=f"c-{line}-{column}")[0]


async def preparer(page: Page, name: str = "") -> Preparer:
    """A new preparer who is logged in."""
    if page.room.people.alone:
        return Preparer(page, await page.log_in())
    return Preparer(page, await page.comes(Role.PREPARER, name=name))
