"""The catalogue of codes: each is used, each that is used is in it, each can be filled."""

import re
import string
from pathlib import Path
from typing import Any

import pytest

import importer
from importer.core.findings import CATALOGUE, finding

SOURCE = "\n".join(
    path.read_text("utf-8") for path in Path(importer.__file__).parent.rglob("*.py") if path.name != "findings.py"
)
USED = set(re.findall(r'"([FHVDQPSA][0-9]{3})"', SOURCE))


@pytest.mark.parametrize("code", CATALOGUE)
def test_code_is_raised_somewhere(code: str) -> None:
    """A code that nothing raises explains what never happens."""
    assert code in USED


def test_code_that_is_raised_is_in_the_catalogue() -> None:
    """Everything that is raised can be explained."""
    assert set(CATALOGUE) >= USED


@pytest.mark.parametrize("code", CATALOGUE)
def test_code_has_texts_that_can_be_filled(code: str) -> None:
    """Message and fix take plain names alone, are sentences, and come out without braces."""
    entry = CATALOGUE[code]
    fields = [field for text in (entry.message, entry.fix) for field in string.Formatter().parse(text) if field[1]]
    assert all(name is not None and name.isidentifier() and not form and not how for _, name, form, how in fields)
    facts: dict[str, Any] = {name: "x" for _, name, _, _ in fields if name not in (None, "line", "value")}
    told = finding(code, line=3, **facts)
    assert not {"{", "}"} & set(told.message + told.fix)
    assert told.message
    assert told.fix
    assert entry.why


def test_finding_without_its_facts_is_a_mistake_of_ours() -> None:
    """A fact that a message needs and does not get is an error, never a hole in the text."""
    with pytest.raises(KeyError):
        finding("V304", value="7")
    with pytest.raises(KeyError):
        finding("X999")
