"""Sheets and columns are chosen by a person, remembered for files like it, and say what is missing."""

import sys
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from types import FrameType

import pytest
from openpyxl import Workbook

from importer.core.columns import match_headings
from importer.core.errors import FileRefused, Stale, UsageError
from importer.core.mapping import Mapping, read_mapping
from importer.core.rows import Line, Row
from importer.desk.choosing import chosen_mapping
from importer.desk.mappings import toml_of
from importer.drafts.draft import NoPlace
from importer.settings import read_toml
from importer.targets.limits import TASKS
from tests.desk.room import ANNA, BERT, Room, opened

ODD = "Ticket;Team;Prio;What;Priority\nT-1;Billing;50;one;x\nT-2;Claims;7;two;y\n"
CHOSEN = {0: "external_id", 1: "queue", 2: "priority", 3: "description", 4: ""}


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    """A room with tasks."""
    async with opened(tmp_path) as found:
        yield found


def header(*headings: str) -> Row:
    """A header row."""
    return Row(Line(1), headings)


async def test_columns_say_what_they_feed_and_what_is_missing(room: Room) -> None:
    """A column is known exactly, resembles a field, or is not used; required fields that nothing feeds are named."""
    head = await room.uploaded("External ID,Queeue,Descripton,Colour\nE-1,Billing,one,red\nE-2,Claims,,red\n")
    found = await room.drafting.columns(head.id)
    assert [(each.field, each.how, each.suggestion) for each in found.columns] == [
        ("external_id", "exact", None), (None, "looks like", "queue"), (None, "looks like", "description"),
        (None, "not used", None),
    ]  # fmt: skip
    assert [each.samples for each in found.columns] == [("E-1", "E-2"), ("Billing", "Claims"), ("one",), ("red",)]
    assert {each.field for each in found.missing} == {"queue", "description"}


async def test_chosen_columns_are_judged_by(room: Room) -> None:
    """What a person says of the columns is what the rows are read by; a column that is not wanted is left alone."""
    head = await room.uploaded(ODD)
    head = await room.drafting.choose_columns(head.id, head.revision, CHOSEN, ANNA)
    head = await room.drafting.preview(head.id)
    assert (await room.drafting.counts(head.id))["ready"] == 2
    found = await room.drafting.columns(head.id)
    assert [(each.field, each.how) for each in found.columns] == [
        ("external_id", "mapped"), ("queue", "mapped"), ("priority", "mapped"), ("description", "mapped"),
        (None, "not used"),
    ]  # fmt: skip


async def test_mapping_can_be_used_on_the_command_line(room: Room, tmp_path: Path) -> None:
    """The mapping that came of the choices is a file for --map that says the same."""
    head = await room.uploaded(ODD)
    head = await room.drafting.choose_columns(head.id, head.revision, CHOSEN, ANNA)
    path = tmp_path / "mapping.toml"
    path.write_bytes(await room.drafting.mapping_file(head.id))
    assert read_mapping(read_toml(path), "mapping.toml").record() == head.mapping


async def test_mapping_is_offered_for_files_like_it(room: Room) -> None:
    """A mapping that is remembered is offered to the next file with these headings, and never beats what a person chooses."""
    head = await room.uploaded(ODD)
    await room.drafting.choose_columns(head.id, head.revision, CHOSEN, ANNA, remember=True)
    head = await room.uploaded(ODD.replace("T-1", "T-9"), "next week.csv", BERT)
    found = await room.drafting.columns(head.id)
    assert [each.field for each in found.columns] == ["external_id", "queue", "priority", "description", None]
    assert found.remembered.startswith("anna, ")
    assert head.mapping["columns"] == {}
    head = await room.drafting.choose_columns(head.id, head.revision, {2: "", 4: "priority"}, BERT)
    found = await room.drafting.columns(head.id)
    assert [each.field for each in found.columns] == ["external_id", "queue", None, "description", "priority"]
    assert found.remembered == ""


async def test_damaged_memory_of_a_mapping_is_no_mapping(room: Room) -> None:
    """A remembered file that was altered, or fits no more, offers nothing and harms nothing."""
    head = await room.uploaded(ODD)
    await room.drafting.choose_columns(head.id, head.revision, CHOSEN, ANNA, remember=True)
    [path] = (room.folder / "mappings").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    for text in ("", "{}", "[1]", '{"schema": "importer.mapping/1", "mapping": {"columns": {"colour": "x"}}}'):
        path.write_text(text, "utf-8")
        head = await room.uploaded(ODD)
        assert (await room.drafting.columns(head.id)).remembered == ""


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({0: "queue"}, "Queue"), ({4: "priority"}, "Several columns are to be Priority"), ({4: "colour"}, "no field colour"),
        ({4: "attribute:"}, "name of an attribute"), ({4: "attribute:importRun"}, "name of an attribute"),
        ({0: ""}, "External ID"),
    ],
)  # fmt: skip
def test_impossible_choice_of_columns_is_told(chosen: dict[int, str], words: str) -> None:
    """Twice, unknown, reserved and missing are refused by name."""
    head = header("External ID", "Queue", "Priority", "Description", "Other")
    with pytest.raises(UsageError, match=words):
        chosen_mapping(head, Mapping(), TASKS, chosen)


def test_choice_that_headings_tell_anyway_leaves_no_mapping() -> None:
    """Confirming what was matched, or going there and back, gives the plan of a person who chose nothing."""
    head = header("External ID", "Queue", "Priority", "Description", "Other")
    same = {0: "external_id", 1: "queue", 2: "priority", 3: "description", 4: ""}
    assert chosen_mapping(head, Mapping(), TASKS, same) == Mapping()
    away = chosen_mapping(head, Mapping(), TASKS, {2: "", 4: "attribute:colour"})
    assert (away.ignore, list(away.attributes)) == (("Priority",), ["colour"])
    assert chosen_mapping(head, away, TASKS, {2: "priority", 4: ""}).record()["columns"] == {}


def test_choice_of_very_many_columns_is_matched_few_times() -> None:
    """Matching takes as long as the header row is wide: it is not done once more for each column."""
    head = header("External ID", "Queue", "Description", *(f"Column {number}" for number in range(200)))
    count = 0

    def counts(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        count += event == "call" and frame.f_code is match_headings.__code__

    sys.setprofile(counts)
    try:
        mapping = chosen_mapping(head, Mapping(), TASKS, {n: f"attribute:{n}" for n in range(3, 203)})
    finally:
        sys.setprofile(None)
    assert len(mapping.attributes) == 200
    assert count < 10


def test_template_of_the_profile_stays() -> None:
    """What one choice for a column cannot say, such as an ID made of two columns, is kept and cannot be chosen away."""
    base = read_mapping({"columns": {"external_id": "HD-{Ticket}"}}, "profile")
    head = header("Ticket", "Queue", "Description")
    assert chosen_mapping(head, base, TASKS, {0: "description"}) == base
    assert match_headings(head, base, TASKS).fields["external_id"].text == "HD-{Ticket}"


def test_mapping_file_keeps_hostile_headings() -> None:
    """Quotes, backslashes, line breaks and brackets in a heading come back as they were."""
    import tomllib

    hostile = 'a"b\\c]\n[x] = "1"\u202e'
    mapping = read_mapping(
        {"columns": {"queue": hostile}, "values": {"queue": {hostile: "Billing"}}, "ignore": [hostile]}, "x"
    )
    assert read_mapping(tomllib.loads(toml_of(mapping)), "x") == mapping


def workbook() -> bytes:
    """Three sheets: a cover, the tasks below a title, and a hidden one."""
    book, file = Workbook(), BytesIO()
    cover = book.create_sheet("Cover", 0)
    cover.append(["Hello"])
    del book["Sheet"]
    tasks = book.create_sheet("Tasks")
    for row in (
        ["Weekly list"],
        [],
        ["External ID", "Queue", "Description"],
        ["E-1", "Billing", "one"],
        ["E-2", "Claims", "two"],
    ):
        tasks.append(row)
    hidden = book.create_sheet("Old")
    hidden.append(["External ID", "Queue", "Description"])
    hidden.sheet_state = "hidden"
    book.save(file)
    return file.getvalue()


async def test_sheet_and_header_row_are_chosen(room: Room) -> None:
    """All sheets are listed with their rows; the header row is found, and can be said."""
    head = await room.uploaded(workbook(), "tasks.xlsx")
    assert (head.step, head.format) == ("sheet", "xlsx")
    sheets = await room.drafting.sheets(head.id)
    assert [(each.name, each.rows, each.hidden, each.chosen) for each in sheets] == [
        ("Cover", 1, False, True), ("Tasks", 4, False, False), ("Old", 1, True, False),
    ]  # fmt: skip
    head = await room.drafting.choose_sheet(head.id, head.revision, "Tasks", 3, ANNA)
    assert (head.step, head.sheet, head.header_row) == ("columns", "Tasks", None)
    assert [(each.line, each.chosen) for each in await room.drafting.first_rows(head.id)] == [
        (1, False), (3, True), (4, False), (5, False),
    ]  # fmt: skip
    head = await room.drafting.preview(head.id)
    assert (await room.drafting.counts(head.id))["read"] == 2
    with pytest.raises(Stale):
        await room.drafting.choose_sheet(head.id, 1, "Cover", None, ANNA)
    with pytest.raises(FileRefused):
        await room.drafting.choose_sheet(head.id, head.revision, "None such", None, ANNA)


async def test_another_sheet_takes_the_fixes_away(room: Room) -> None:
    """Fixes belong to the rows of a sheet: another sheet begins without them."""
    head = await room.uploaded(workbook(), "tasks.xlsx")
    head = await room.drafting.choose_sheet(head.id, head.revision, "Tasks", None, ANNA)
    head = await room.drafting.preview(head.id)
    await room.drafting.fix(head.id, head.revision, 4, 2, "one", "more", ANNA)
    head = await room.drafting.head(head.id)
    head = await room.drafting.choose_sheet(head.id, head.revision, "Tasks", None, ANNA)
    assert head.fixes == 1
    head = await room.drafting.choose_sheet(head.id, head.revision, "Cover", None, ANNA)
    assert (head.fixes, await room.drafting.fixes(head.id)) == (0, [])


async def test_headings_of_signs_and_of_other_case_can_be_chosen(room: Room) -> None:
    """A heading is locked where another column has exactly the same, not where both are signs, blanks or differ in case."""
    head = await room.uploaded(
        "#,,%,QUEUE,Queue,Description,Note,Note\n1,,a,Claims,Billing,x,n,n\n2,,b,Claims,Billing,y,n,n\n"
    )
    locked = [each.locked for each in (await room.drafting.columns(head.id)).columns]
    same = "another column has the same heading"
    assert locked == ["", "it has no heading", "", "", "", "", same, same]
    chosen = {0: "external_id", 3: "", 4: "queue"}
    head = await room.drafting.choose_columns(head.id, head.revision, chosen, ANNA)
    await room.drafting.preview(head.id)
    assert [(row.external_id, row.queue) for row in await room.rows(head.id)] == [("1", "Billing"), ("2", "Billing")]


async def test_heading_that_is_kept_in_part_cannot_be_chosen(room: Room) -> None:
    """Of a heading as long as a text only the beginning is known here: its column feeds nothing, and the others can go on."""
    head = await room.uploaded(f"External ID,Queue,Description,{'L' * 400}\n1,Billing,x,v\n")
    assert (await room.drafting.columns(head.id)).columns[3].locked == "its heading is too long"
    head = await room.drafting.choose_columns(head.id, head.revision, {3: "attribute:note"}, ANNA)
    await room.drafting.preview(head.id)
    assert [row.verdict for row in await room.rows(head.id)] == ["ready"]


async def test_choice_that_cannot_be_remembered_is_told_and_not_made(room: Room) -> None:
    """Where memory has no place, the person reads so, and can go on without it."""
    (room.folder / "mappings").write_text("in the way", "utf-8")
    head = await room.uploaded(ODD)
    with pytest.raises(NoPlace, match="cannot be remembered"):
        await room.drafting.choose_columns(head.id, head.revision, CHOSEN, ANNA, remember=True)
    await room.drafting.choose_columns(head.id, head.revision, CHOSEN, ANNA)
