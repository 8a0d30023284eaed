"""approver: whose decisions count that were made in another state folder."""

from collections.abc import Mapping as Table
from pathlib import Path
from typing import Any

from importer.cli import screen
from importer.cli.look import json_wanted
from importer.settings import load


def add(name: str, file: Path, flags: Table[str, Any], profile: str | None) -> int:
    """`importer approver add`."""
    from importer.desk.mailed import added

    approver = added(load(flags, profile), name, file)
    screen.say(f"{approver.name} approves with the key {approver.key.name}")
    screen.tell(
        "Compare it with what this person reads out (importer approver key): whoever owns that key approves as them."
    )
    return 0


def listing(flags: Table[str, Any], profile: str | None, format_: str) -> int:
    """`importer approver list`."""
    from importer.wiring import approvers

    as_json = json_wanted(format_)
    known = approvers(load(flags, profile)).all()
    if as_json:
        people = [{"name": each.name, "key": each.key.name, "since": each.since, "by": each.by} for each in known]
        screen.say_json({"schema": "importer.approvers/1", "approvers": people})
        return 0
    for each in known:
        screen.say(f"{each.name}\tkey {each.key.name}\tsince {each.since[:10]}\tby {screen.harmless(each.by)}")
    if not known:
        screen.say("nobody; importer approver add NAME FILE")
    return 0


def remove(name: str, flags: Table[str, Any], profile: str | None) -> int:
    """`importer approver remove`."""
    from importer.wiring import approvers

    approvers(load(flags, profile)).remove(name)
    screen.say(f"decisions of {screen.harmless(name)} that come by mail count no more")
    return 0


def key(flags: Table[str, Any], profile: str | None) -> int:
    """`importer approver key`."""
    from importer.wiring import approvals

    found = approvals(load(flags, profile)).key()
    screen.say(found.text.rstrip())
    screen.tell(f"Its name, to be read out to whoever takes your decisions: {found.name}")
    return 0
