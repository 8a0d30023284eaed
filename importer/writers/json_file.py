"""Streaming one JSON object whose rows never stand in memory together."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO


def write_object(file: BinaryIO, head: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> None:
    """The members of `head`, then `rows`, one line each."""
    file.write(b"{\n")
    for name, value in head.items():
        file.write(_text(name) + b": " + _text(value) + b",\n")
    file.write(b'"rows": [')
    for number, row in enumerate(rows):
        file.write(b",\n" if number else b"\n")
        file.write(_text(row))
    file.write(b"\n]")


def end_object(file: BinaryIO, tail: Mapping[str, Any] | None = None) -> None:
    """The members that are known only once all rows have passed."""
    for name, value in (tail or {}).items():
        file.write(b",\n" + _text(name) + b": " + _text(value))
    file.write(b"\n}\n")


def _text(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair: UTF-8 has no place for it, an escape has
        return json.dumps(value, allow_nan=False).encode()
