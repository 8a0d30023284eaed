"""Mappings that are remembered: one for each header row that people matched by hand, offered for files like it."""

import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from importer.core.columns import normal
from importer.core.errors import SettingsError
from importer.core.limits import Limits
from importer.core.mapping import Mapping, fit, read_mapping
from importer.core.unseen import BROKEN, UNSEEN
from importer.drafts.draft import NoPlace
from importer.folders import private_folder, private_opener

SCHEMA = "importer.mapping/1"


class Remembered:
    """The folder of mappings. The names of its files are hashes of header rows."""

    def __init__(self, folder: Path, target: str, known: dict[str, Limits]) -> None:
        self._folder = folder
        self._target = target
        self._known = known

    def find(self, headings: Sequence[str]) -> tuple[Mapping, str] | None:
        """The mapping for these headings, and who made it when. One that is damaged, or does not fit any more, is none."""
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, SettingsError):
            record = json.loads(self._path(headings).read_text("utf-8"))
            if record["schema"] == SCHEMA:
                mapping = read_mapping(record["mapping"], "the remembered mapping")
                fit(mapping, self._target, self._known, "the remembered mapping")
                return mapping, f"{record['by']}, {str(record['at'])[:10]}"
        return None

    def keep(self, headings: Sequence[str], mapping: Mapping, by: str, at: str) -> None:
        """Remembers; the last one counts. Raises NoPlace."""
        record = {"schema": SCHEMA, "headings": list(headings), "mapping": mapping.record(), "by": by, "at": at}
        try:
            self._put(self._path(headings), record)
        except OSError as problem:
            raise NoPlace(
                f"This choice cannot be remembered: {problem.strerror}.",
                "Untick that it is, and go on; whoever runs this server can make room.",
            ) from problem

    def _put(self, path: Path, record: dict[str, Any]) -> None:
        private_folder(self._folder)
        beside = path.with_name(f".{secrets.token_hex(8)}")  # two people may do so at once
        with open(beside, "x", encoding="utf-8", opener=private_opener) as file:
            json.dump(record, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)

    def _path(self, headings: Sequence[str]) -> Path:
        names = [normal(heading) for heading in headings]
        while names and not names[-1]:
            names.pop()
        key = json.dumps([self._target, *names], ensure_ascii=False)
        return self._folder / f"{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()[:32]}.json"


def toml_of(mapping: Mapping) -> str:
    """The mapping as a file for `--map`."""
    record: dict[str, Any] = mapping.record()
    lines = []
    if ignored := record.pop("ignore", None):
        lines += [f"ignore = [{', '.join(map(_text, ignored))}]", ""]
    tables = {name: record[name] for name in ("columns", "constants", "attributes", "overflow")}
    tables |= {f"values.{field}": meanings for field, meanings in record["values"].items()}
    for name, table in tables.items():
        if table:
            lines += [f"[{name}]", *(f"{_text(key)} = {_text(value)}" for key, value in table.items()), ""]
    return "\n".join(lines)


def _text(text: str) -> str:
    """A TOML basic string (JSON's escapes are TOML's); what is invisible is escaped."""
    body = json.dumps(BROKEN.sub("�", text), ensure_ascii=False)
    return UNSEEN.sub(lambda match: f"\\U{ord(match[0]):08x}", body)
