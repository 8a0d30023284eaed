"""Vendored libraries of the page: a maintainer's tool that fetches them anew and writes down what they are.

Run it as `python -m tests.vendor`; it needs npm. Users and the tests need neither npm nor a network.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

VENDOR = Path(__file__).parent.parent / "importer" / "web" / "static" / "vendor"
LIST = "VENDOR.json"


class Library(NamedTuple):
    """A package as npm names it, and the files of it that the page loads."""

    name: str
    version: str
    files: tuple[str, ...]  # inside the package


LIBRARIES = (
    Library("htmx.org", "4.0.1", ("dist/htmx.min.js",)),
    Library("uplot", "1.6.32", ("dist/uPlot.iife.min.js", "dist/uPlot.min.css")),
)


def vendor(folder: Path = VENDOR) -> list[dict[str, Any]]:
    """Fetches every library, copies its files and licence into `folder`, and writes VENDOR.json; returns what it says."""
    (folder / "licenses").mkdir(parents=True, exist_ok=True)
    told = [_vendored(each, folder) for each in LIBRARIES]
    (folder / LIST).write_text(json.dumps(told, indent=2) + "\n", "utf-8")
    return told


def entry(path: Path) -> dict[str, Any]:
    """What VENDOR.json says of a file."""
    content = path.read_bytes()
    return {"file": path.name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _vendored(library: Library, folder: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        package = _packed(library, Path(temporary))
        about = json.loads(package["package.json"])
        assert about["version"] == library.version, about["version"]
        for name in library.files:
            (folder / Path(name).name).write_bytes(package[name])
        licence = f"licenses/{library.name}.txt"
        (folder / licence).write_bytes(package["LICENSE"])
    files = [entry(folder / Path(name).name) for name in library.files]
    return {
        "name": library.name, "version": library.version, "licence": about["license"], "licence_file": licence, "files": files,
    }  # fmt: skip


def _packed(library: Library, folder: Path) -> dict[str, bytes]:
    """The wanted files of a package by their name inside it. Nothing of it is run."""
    command = ["npm", "pack", "--ignore-scripts", "--silent", f"{library.name}@{library.version}"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (archive,) = folder.glob("*.tgz")
    wanted = {"package.json", "LICENSE", *library.files}
    found = {}
    with tarfile.open(archive) as package:
        for name in wanted:
            file = package.extractfile(f"package/{name}")
            assert file is not None, name
            found[name] = file.read()
    return found


if __name__ == "__main__":
    json.dump(vendor(), sys.stdout, indent=2)
