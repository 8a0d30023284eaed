"""Unseen: characters that make two different texts look alike, or that steer a terminal."""

import re

UNSEEN_CHARACTERS = (
    "\x00-\x1f\x7f-\x9f"  # control characters
    "\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"  # zero-width and direction characters
    "\U000e0000-\U000e007f"  # tags: a text within a text
)
"""Characters that make two different texts look alike, as the inside of a regular expression's brackets."""

UNSEEN = re.compile(f"[{UNSEEN_CHARACTERS}]")

BROKEN = re.compile("[\ud800-\udfff]")
"""Halves of surrogate pairs: no encoding has a place for them."""

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters that have no business in a longer text; line breaks and tabs have."""


def unseen(text: str) -> str:
    """The invisible and broken characters of a text by number: `U+200B, U+0007`."""
    found = UNSEEN.findall(text) + BROKEN.findall(text)
    return ", ".join(dict.fromkeys(f"U+{ord(character):04X}" for character in found))
