"""The style sheet is readable in light and dark, loads nothing, and the templates use it alone."""

import re
from pathlib import Path

import pytest

import importer
from importer.markup import FOLDER, look

CSS = look()
TEMPLATES = sorted(Path(importer.__file__).parent.rglob("templates/**/*.html"))
TONES = ("good", "look", "bad", "calm")
TEXTS = [
    *(("text", back) for back in ("page", "surface", "sunken")),
    *(("soft", back) for back in ("page", "surface", "sunken")),
    *(("link", back) for back in ("page", "surface", "sunken")),
    ("on-strong", "strong"),
    *((tone, f"{tone}-back") for tone in TONES),
    *((tone, "surface") for tone in TONES),
    ("bad", "page"),
]
SHAPES = [
    *((f"{tone}-fill", back) for tone in TONES for back in ("surface", "page")),
    ("edge", "surface"), ("edge", "page"), ("focus", "surface"), ("focus", "page"), ("strong", "surface"),
]  # fmt: skip


def tokens(scheme: str) -> dict[str, str]:
    """The colours by name; those of the dark scheme replace the light ones."""
    light, dark = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)[:2]
    found = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light))
    return found | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", dark)) if scheme == "dark" else found


def contrast(one: str, other: str) -> float:
    """As WCAG 2 counts it, from 1 to 21."""
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "back"), TEXTS)
def test_look_texts_can_be_read(scheme: str, text: str, back: str) -> None:
    """Every colour of text has a contrast of at least 4.5 to what it stands on."""
    found = tokens(scheme)
    assert contrast(found[text], found[back]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("shape", "back"), SHAPES)
def test_look_shapes_can_be_seen(scheme: str, shape: str, back: str) -> None:
    """Bars, borders of inputs and the focus ring have a contrast of at least 3."""
    found = tokens(scheme)
    assert contrast(found[shape], found[back]) >= 3


def test_look_dark_replaces_every_colour() -> None:
    """No colour of the light scheme is left in the dark one."""
    light, dark = tokens("light"), tokens("dark")
    assert [name for name in light if dark[name] == light[name]] == []


def test_look_loads_nothing() -> None:
    """The style sheet asks for no file, font or other sheet, and ends no element that it may stand in."""
    assert not re.search(r"url\(|@import|@font-face|expression|</", CSS)


def test_look_has_every_token_that_it_uses() -> None:
    """No variable is used without being set."""
    assert set(re.findall(r"var\(--([a-z-]+)\)", CSS)) <= set(tokens("light"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_keep_to_the_policy(path: Path) -> None:
    """No template has an inline style or script, an event handler, htmx's `hx-on` or `js:`, or another host's address."""
    source = re.sub(r"\{#.*?#\}", "", path.read_text("utf-8"), flags=re.DOTALL)
    found = re.findall(
        r"\sstyle=|\son[a-z]+\s*=|hx-on|[\"']js:|javascript:|<script(?![^>]*\ssrc=)|https?://|//[a-z]", source
    )
    assert found == []
    assert path.name == "preview.html" or "<style" not in source


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_templates_use_classes_of_ours(path: Path) -> None:
    """Every class that a shared template names is in the style sheet."""
    source = re.sub(r"\{[{%].*?[}%]\}", " ", path.read_text("utf-8"), flags=re.DOTALL)
    named = {name for names in re.findall(r'\bclass="([^"]*)"', source) for name in names.split()}
    assert named - set(re.findall(r"\.([a-z][a-z-]*)", CSS)) == set()
