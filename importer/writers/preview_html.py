"""preview.html: a plan in one file that can be mailed, printed and read anywhere: no script, no request to anyone."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from importer.core.plan import PlanRow, Preview
from importer.markup import environment, look
from importer.markup.plan_view import Beside, plan_view
from importer.writers.files import written

if TYPE_CHECKING:
    import jinja2


def write_preview_html(
    folder: Path,
    preview: Preview,
    rows: Callable[[], Iterator[PlanRow]],
    rate: tuple[int, float],
    link: str = "",
    beside: Beside | None = None,
) -> Path:
    """Writes preview.html into `folder`; returns its path. `rate` is calls and the seconds in which they are allowed.

    `link` is the plan's address on the page, where there is one. The file is below 400 KB or so, whatever the rows: it
    lists the first of each kind and says how many more are in preview.xlsx. The same input gives the same bytes.
    """
    view = plan_view(preview, rows(), rate, beside)
    style = look()
    linked = link.startswith(("https://", "http://"))
    parts = page().generate(view=view, style=style, style_hash=_hash(style), link=link, linked=linked)
    with written(folder / "preview.html") as draft:
        for part in parts:
            draft.file.write(part.encode())
    return draft.path


@cache
def page() -> "jinja2.Template":
    """The template; it takes a third of a second to prepare, once in a process."""
    return environment().get_template("preview.html")


def _hash(style: str) -> str:
    """A style sheet as a content security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
