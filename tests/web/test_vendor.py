"""What the page loads is in the package, unaltered, licensed and small."""

import gzip
import json
from pathlib import Path

from tests.vendor import LIBRARIES, LIST, VENDOR, entry

GZIPPED_MOST = 45_000


def told() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((VENDOR / LIST).read_text("utf-8"))
    return found


def files() -> list[Path]:
    return sorted(path for path in VENDOR.iterdir() if path.is_file() and path.name != LIST)


def test_vendor_files_are_what_the_list_says() -> None:
    """Every vendored file has the hash and the size written down, and no other file lies among them."""
    listed = [file for library in told() for file in library["files"]]  # type: ignore[attr-defined]
    assert sorted(listed, key=lambda each: each["file"]) == sorted(map(entry, files()), key=lambda each: each["file"])


def test_vendor_list_names_versions_and_licences() -> None:
    """The list has the versions that the maintainer's script fetches, and each licence lies beside."""
    assert [(each["name"], each["version"]) for each in told()] == [(each.name, each.version) for each in LIBRARIES]
    for library in told():
        licence = (VENDOR / str(library["licence_file"])).read_text("utf-8")
        assert library["licence"] in ("MIT", "0BSD", "BSD-0-Clause")
        assert "Permission" in licence


def test_vendor_is_small_on_the_wire() -> None:
    """All vendored files together are below 45 KB compressed."""
    assert sum(len(gzip.compress(path.read_bytes(), 9, mtime=0)) for path in files()) < GZIPPED_MOST
