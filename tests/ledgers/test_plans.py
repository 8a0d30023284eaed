"""Plans as files: what was sealed is what is read, or nothing is."""

import json
import os
import re
import stat
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from importer.core.approval import Person
from importer.core.errors import LedgerError, PlanRefused, UsageError
from importer.core.findings import finding
from importer.core.fixes import Fix
from importer.core.plan import Environment, PlanHead, PlanRow, Preview
from importer.core.verdicts import Verdict
from importer.ledgers.plans import PlanFile, PlanFolder
from tests.harness import trace
from tests.ledgers.conftest import plan_head, plan_row

AT = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
ROWS = (
    plan_row(0),
    plan_row(1, verdict=Verdict.INVALID, payload=None, findings=(finding("V311", column=2, line=3, value=""),)),
    plan_row(2, cells=("EXT-2", "Straße \U0001f600", "a\nb"), file_line=7, task_id="t-1"),
)


def made(
    folder: Path, rows: tuple[PlanRow, ...] = ROWS, head: PlanHead | None = None, at: datetime = AT, by: str = "ada"
) -> Preview:
    """A plan, finished."""
    draft = PlanFolder(folder).draft()
    for row in rows:
        draft.add(row)
    return draft.finish(head or plan_head(), source="/data/tasks.csv", made_at=at, preparer=Person(by, "a test"))


def altered(path: Path, member: str, change: Callable[[str], str]) -> PlanFile:
    """The plan with one member's text changed, as someone with a zip program would."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name).decode() for name in archive.namelist()}
    new = change(members[member])
    assert new != members[member]
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, new if name == member else text)
    return PlanFile(path)


def json_changed(**changes: Any) -> Callable[[str], str]:
    """Changes keys of a JSON object."""
    return lambda text: json.dumps(json.loads(text) | changes)


def test_plan_reads_what_was_written(tmp_path: Path) -> None:
    """Head, about and rows of a plan come back as they were sealed."""
    preview = made(tmp_path)
    plan = PlanFolder(tmp_path).find(preview.about.plan)
    assert plan.preview() == preview
    assert plan.verify() == preview
    assert tuple(plan.rows()) == ROWS


def test_plan_that_a_dead_process_left_unfinished_is_taken_away(tmp_path: Path) -> None:
    """What was left in the middle of a plan goes with a later plan; one that was written to lately stays."""
    for name in ("old", "young"):
        (tmp_path / f".draft-{name}").write_text("half a plan", "utf-8")
    os.utime(tmp_path / ".draft-old", (0, 0))
    made(tmp_path)
    assert [each.name for each in tmp_path.glob(".draft-*")] == [".draft-young"]


def test_plan_id_names_digest_and_time(tmp_path: Path) -> None:
    """A plan's ID begins with its digest, then the time; a second one of the same second gets a number."""
    first, second = made(tmp_path), made(tmp_path)
    assert first.about.plan == f"{first.about.digest[:8]}-20261123-210000"
    assert second.about.plan == f"{first.about.plan}-2"
    assert PlanFolder(tmp_path).find(second.about.plan).verify() == second


def test_plan_digest_leaves_out_times_and_people(tmp_path: Path) -> None:
    """The same input gives the same digest, whoever prepares it and whenever."""
    assert made(tmp_path).about.digest == made(tmp_path, at=AT.replace(year=2027), by="bob").about.digest


HEAD_CHANGES: dict[str, Any] = {
    "source_sha256": "cd" * 32, "source_bytes": 101, "format": "xlsx", "sheet": "Tasks", "encoding": "cp1252",
    "header_line": 2, "headings": ("External ID",), "matched": {"queue": "Team"}, "mapping": {"columns": {"queue": "T"}},
    "environment": Environment("tasks", "sandbox:w1", "client-1"), "settings": {"header_row": 2},
    "counts": {"read": 2}, "warnings": 1, "queues": ({"queue": "Billing", "room": 3},), "findings": (), "rules": 7,
    "fixes": (Fix(2, 0, "", "x"),),
}  # fmt: skip


@pytest.mark.parametrize("name", list(HEAD_CHANGES))
def test_plan_digest_covers_each_part_of_the_head(tmp_path: Path, name: str) -> None:
    """A plan of which anything but time and preparer differs has another digest."""
    head = replace(plan_head(), **{name: HEAD_CHANGES[name]})
    assert made(tmp_path, head=head).about.digest != made(tmp_path).about.digest


def test_plan_head_has_no_part_that_these_tests_forget() -> None:
    """Every part of the head is among those whose change is tried."""
    assert {*HEAD_CHANGES, "schema"} == set(PlanHead.__dataclass_fields__)


ROW_CHANGES: dict[str, Any] = {
    "line": 99, "file_line": 5, "cells": ("x",), "verdict": Verdict.SKIPPED, "external_id": "EXT-9", "queue": "Sales",
    "task_id": "t-9", "payload": {"description": "another"}, "findings": (finding("V330", line=2),),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ROW_CHANGES))
def test_plan_digest_covers_each_part_of_a_row(tmp_path: Path, name: str) -> None:
    """A plan of which a row differs in anything has another digest."""
    rows = (replace(ROWS[0], **{name: ROW_CHANGES[name]}), *ROWS[1:])
    assert set(ROW_CHANGES) == set(PlanRow.__dataclass_fields__)
    assert made(tmp_path, rows).about.digest != made(tmp_path).about.digest


def test_plan_digest_covers_the_order_and_number_of_rows(tmp_path: Path) -> None:
    """Rows swapped, left out or doubled give other digests."""
    orders = (ROWS, ROWS[::-1], ROWS[:2], ROWS[1:], (*ROWS, ROWS[2]), ())
    assert len({made(tmp_path, rows).about.digest for rows in orders}) == len(orders)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("a text", "b text", 1),
        lambda text: text.replace('"invalid"', '"ready"'),
        lambda text: text.split("\n", 1)[1],
        lambda text: "\n".join(reversed(text.strip().split("\n"))) + "\n",
        lambda text: text.replace('"n":0', '"n":NaN'),
        lambda text: text.replace("a text", "\\ud800", 1),
        lambda text: text.replace('"findings":[]', '"findings":["x"]', 1),
        lambda text: text.replace('"findings":[]', '"findings":7', 1),
        lambda text: text.replace('"invalid"', '"perfect"'),
        lambda text: text + "[]\n",
        lambda text: text + "no json\n",
        lambda text: text.replace('"line":2', '"line":2,"more":1'),
    ],
)
def test_plan_refuses_altered_rows(tmp_path: Path, change: Callable[[str], str]) -> None:
    """A plan with any row changed, left out, moved, added or malformed does not verify."""
    preview = made(tmp_path)
    with pytest.raises(PlanRefused, match="altered"):
        altered(tmp_path / f"{preview.about.plan}.plan", "rows.jsonl", change).verify()


@pytest.mark.parametrize(
    "change",
    [
        json_changed(settings={"header_row": 9}),
        json_changed(environment={"target": "tasks", "origin": "https://api.mypurecloud.com", "client": "c"}),
        json_changed(environment="elsewhere"),
        json_changed(findings=[7]),
        json_changed(counts={"read": float("nan")}),
        json_changed(more=1),
        lambda text: "[]",
        lambda text: "{",
    ],
)
def test_plan_refuses_an_altered_head(tmp_path: Path, change: Callable[[str], str]) -> None:
    """A plan whose head was changed does not verify."""
    preview = made(tmp_path)
    with pytest.raises(PlanRefused, match="altered"):
        altered(tmp_path / f"{preview.about.plan}.plan", "plan.json", change).verify()


@pytest.mark.parametrize(
    "change",
    [
        json_changed(digest="ff" * 32),
        json_changed(plan="../../elsewhere"),
        json_changed(plan="00000000-20261123-210000"),  # no ID of this digest
        json_changed(plan=7),
        json_changed(more=1),
        lambda text: "[]",
    ],
)
def test_plan_refuses_an_altered_about(tmp_path: Path, change: Callable[[str], str]) -> None:
    """A plan whose ID or digest was changed does not verify."""
    preview = made(tmp_path)
    with pytest.raises(PlanRefused, match=r"altered"):
        altered(tmp_path / f"{preview.about.plan}.plan", "about.json", change).verify()


def test_plan_of_another_version_is_refused(tmp_path: Path) -> None:
    """A plan with another schema says that it was made by another version."""
    preview = made(tmp_path)
    with pytest.raises(PlanRefused, match="another version"):
        altered(tmp_path / f"{preview.about.plan}.plan", "plan.json", json_changed(schema="importer.plan/9")).preview()


def test_plan_survives_no_flipped_byte_unnoticed(tmp_path: Path) -> None:
    """Whichever byte of the file is flipped, the plan is refused, or says exactly what it said."""
    preview = made(tmp_path, ROWS[:1])
    path = tmp_path / f"{preview.about.plan}.plan"
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        try:
            read = PlanFile(path).verify()
        except PlanRefused:
            continue
        assert read == preview, f"byte {place}"
        assert tuple(PlanFile(path).rows()) == ROWS[:1], f"byte {place}"


def test_plan_cut_off_is_refused(tmp_path: Path) -> None:
    """A plan that was copied in part is refused at any length."""
    path = tmp_path / f"{made(tmp_path).about.plan}.plan"
    content = path.read_bytes()
    for length in range(0, len(content), 37):
        path.write_bytes(content[:length])
        with pytest.raises(PlanRefused, match="no plan, or was altered"):
            PlanFile(path).verify()


def test_plan_is_not_visible_before_it_is_finished(tmp_path: Path) -> None:
    """A draft shows no plan; discarded, it leaves nothing."""
    draft = PlanFolder(tmp_path / "plans").draft()
    draft.add(ROWS[0])
    assert list((tmp_path / "plans").glob("*.plan")) == []
    draft.discard()
    assert list((tmp_path / "plans").iterdir()) == []


@pytest.mark.skipif(bool(trace.missing()), reason=trace.missing())
def test_plan_is_on_disk_before_it_has_its_name(tmp_path: Path) -> None:
    """The plan is synced, then it gets its name, then the folder is synced."""
    script = "import sys; from pathlib import Path; from tests.ledgers.test_plans import made; made(Path(sys.argv[1]))"
    done = trace.calls_of(script, tmp_path / "plans", tmp_path / "trace", "fsync", "/^rename")
    assert ["rename" if call.startswith("rename") else call for call, _ in done] == ["fsync", "rename", "fsync"]
    assert done[2][1] == str(tmp_path / "plans")


def test_plan_is_private_under_any_umask(tmp_path: Path) -> None:
    """Plans have mode 0600 and their new folders 0700 under umask 000."""
    folder = tmp_path / "state" / "plans"
    before = os.umask(0)
    try:
        preview = made(folder)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / f"{preview.about.plan}.plan").stat().st_mode) == 0o600
    assert [stat.S_IMODE(each.stat().st_mode) for each in (folder, folder.parent)] == [0o700, 0o700]


def test_plan_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in the folder's place is an error that names the folder."""
    (tmp_path / "plans").write_text("")
    with pytest.raises(LedgerError, match=re.escape(str(tmp_path / "plans"))):
        PlanFolder(tmp_path / "plans").draft()


def test_plan_is_found_by_path_id_beginning_and_digest(tmp_path: Path) -> None:
    """A plan is named by its path, its ID, a beginning of it, or its digest as people compare it."""
    preview = made(tmp_path)
    digest = preview.about.digest
    path = tmp_path / f"{preview.about.plan}.plan"
    for name in (str(path), preview.about.plan, digest[:6], f"{digest[:4]}-{digest[4:8]}"):
        assert PlanFolder(tmp_path).find(name).path == path


def test_plan_name_that_fits_several_is_refused(tmp_path: Path) -> None:
    """A beginning that several plans share is an error that lists them; a whole ID is never ambiguous."""
    first, second = made(tmp_path), made(tmp_path)
    with pytest.raises(UsageError, match=second.about.plan):
        PlanFolder(tmp_path).find(first.about.plan[:8])
    assert PlanFolder(tmp_path).find(first.about.plan).preview() == first


def test_plan_that_is_not_there_is_told(tmp_path: Path) -> None:
    """An unknown plan is an error, also where no plan was ever made."""
    with pytest.raises(UsageError, match="no plan ffff"):
        PlanFolder(tmp_path / "none").find("ffff")
