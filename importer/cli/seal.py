"""verify: whether a run's folder says what it said."""

from pathlib import Path
from typing import Any

from importer.cli import screen
from importer.cli.doctor import show
from importer.cli.look import json_wanted
from importer.core.health import exit_code


def verify(folder: Path, given: Path | None, format_: str) -> int:
    """`importer verify FOLDER`."""
    from importer.desk.verifying import checks

    as_json = json_wanted(format_)
    lines = []
    for line in checks(folder, given):
        lines.append(line)
        if not as_json:
            show(line)
    code = exit_code(lines)
    if as_json:
        told = [{"sign": str(each.sign), "check": each.check, "found": each.found} for each in lines]
        body: dict[str, Any] = {"schema": "importer.verify/1", "folder": str(folder.absolute()), "checks": told}
        screen.say_json({**body, "whole": not code, "exit_code": code})
    else:
        screen.say(
            f"{screen.harmless(folder)} says what was sealed" if not code else f"{screen.harmless(folder)} was altered"
        )
    return code
