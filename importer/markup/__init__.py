"""Markup: what the page and the mailed report share: how values are worded, charts, templates and the style sheet. Holds no logic of the product."""

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2

LOOK = "look.css"
FOLDER = Path(__file__).parent / "templates"


def environment(*template_folders: Path) -> "jinja2.Environment":
    """The one environment that templates are rendered in: everything is escaped, an unknown name is an error.

    Our shared templates (`base.html`, `parts.html`, `plan.html`) come first and cannot be replaced by a file of the
    same name in `template_folders`. A broken half of a surrogate pair, which no encoding has a place for, becomes �.
    """
    import jinja2

    from importer.markup import charts, texts

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([FOLDER, *template_folders]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=texts.whole,
        auto_reload=False,
    )
    made.filters.update(texts.FILTERS)
    known: dict[str, Any] = {"charts": charts, "icon": texts.icon, "tone": texts.tone}
    made.globals.update(known)
    return made


def look() -> str:
    """The style sheet, as `/static/look.css` and inside the mailed report."""
    return (files("importer.markup") / LOOK).read_text("utf-8")
