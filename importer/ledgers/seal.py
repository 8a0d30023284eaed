"""Seal: a hash of what a record says, kept in it. SQLite's own checks miss most flipped bits (reliability.md, section 1.3)."""

import hashlib
from collections.abc import Sequence
from typing import Any


def seal(values: Sequence[Any]) -> bytes:
    """Eight bytes that any other values would almost surely not have."""
    return hashlib.blake2b(repr(tuple(values)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
