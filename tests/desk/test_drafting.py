"""Drafting: an upload is judged as the command line judges it, and stays so while people change it."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from importer.core.errors import (
    DraftBusy,
    FileRefused,
    ImporterError,
    LedgerError,
    NoSuchDraft,
    Stale,
    UsageError,
)
from importer.core.fixes import Fix, FixMany
from importer.core.plan import PlanRow
from importer.core.report import Causes
from importer.desk.drafting import FACTS_LAST, PREVIEW_LASTS
from importer.drafts.draft import DraftRow, Filter
from importer.sandbox.scenario import Fault
from tests.clocks import HandClock
from tests.desk.room import ANNA, BERT, HEADINGS, Room, opened, workbook

SMALL = f"""{HEADINGS}
E-1,Billing,50,email,one
E-2,Biling,50,email,two
E-3,Billing,150,email,three
E-1,Billing,50,email,again
E-5,Billing,,email,
E-6,Claims,50,fax, six
"""


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    """A room with tasks."""
    async with opened(tmp_path) as found:
        yield found


def told(row: PlanRow | DraftRow) -> tuple[object, ...]:
    """All that is shown of a row."""
    return (
        row.line, row.file_line, tuple(row.cells), str(row.verdict), row.external_id, row.queue, row.task_id, row.findings,
    )  # fmt: skip


async def test_draft_has_the_verdicts_of_the_command_line(room: Room) -> None:
    """Row for row, finding for finding, an upload is judged like the same file on the command line."""
    await room.creates("E-6", "Claims")
    head = await room.previewed(SMALL)
    _, rows = await room.planned(head.id)
    assert [told(row) for row in await room.rows(head.id)] == [told(row) for row in rows]


async def test_fix_judges_the_row_and_those_that_share_its_id(room: Room) -> None:
    """When the first of two equal external IDs is changed, the second is no duplicate any more."""
    head = await room.previewed(SMALL)
    changed = await room.drafting.fix(head.id, head.revision, 2, 0, "E-1", "E-9", ANNA)
    assert [(row.line, row.verdict) for row in changed] == [(2, "ready"), (5, "ready")]
    assert changed[0].cells[0] == "E-9"
    assert [(each.column, each.old, each.who) for each in changed[0].fixed] == [(0, "E-1", "anna")]


async def test_stale_fix_tells_both_values_and_who(room: Room) -> None:
    """Of two people who saw the same revision the second is told what stands there now, and nothing is changed."""
    head = await room.previewed(SMALL)
    await room.drafting.fix(head.id, head.revision, 4, 2, "150", "90", ANNA)
    with pytest.raises(Stale) as stale:
        await room.drafting.fix(head.id, head.revision, 4, 2, "150", "80", BERT)
    assert (stale.value.what, stale.value.sent, stale.value.now, stale.value.who) == ("C4", "80", "90", "anna")
    assert (await room.drafting.row(head.id, 4)).cells[2] == "90"
    assert stale.value.revision == (await room.drafting.head(head.id)).revision


async def test_fix_of_a_cell_that_says_something_else_is_refused(room: Room) -> None:
    """Also at the current revision a fix names what the person saw in the cell."""
    head = await room.previewed(SMALL)
    with pytest.raises(Stale):
        await room.drafting.fix(head.id, head.revision, 4, 2, "151", "90", ANNA)


async def test_plan_has_the_digest_of_the_command_line(room: Room) -> None:
    """The same file, fixes and left-out lines give one digest, whether the page or the command line makes the plan."""
    head = await room.previewed(SMALL)
    await room.drafting.fix(head.id, head.revision, 4, 2, "150", "90", ANNA)
    head = await room.drafting.head(head.id)
    await room.drafting.skip(head.id, head.revision, [3, 7], "not ours", ANNA)
    head = await room.drafting.head(head.id)
    made = await room.drafting.plan(head.id, head.revision, ANNA)
    theirs, _ = await room.planned(head.id, [Fix(4, 2, "150", "90")], {3: "not ours", 7: "not ours"})
    assert made.about.digest == theirs.about.digest
    assert made.head.fixes == (Fix(4, 2, "150", "90"),)
    assert [(each.line, each.column, each.who) for each in made.about.fixed] == [(4, 2, "anna")]
    assert (made.about.source, made.about.kept) == ("tasks.csv", str(room.drafting.upload(head.id)))
    assert (await room.drafting.head(head.id)).step == "planned"


async def test_plan_asks_the_target_nothing(room: Room) -> None:
    """The facts that the preview rests on are those of the plan."""
    head = await room.previewed(SMALL)
    before = len(room.sandbox.service.visits)
    await room.drafting.plan(head.id, head.revision, ANNA)
    assert len(room.sandbox.service.visits) == before


async def test_plan_of_an_old_preview_asks_for_a_new_one(room: Room) -> None:
    """A plan does not rest on facts of days ago as if they were of now; a preview made again mends it."""
    clock = HandClock()
    drafting = room.drafting = room.another(clock)
    head = await room.previewed(SMALL)
    clock.turn(PREVIEW_LASTS.total_seconds() + 1)
    with pytest.raises(UsageError, match="looked up at 2026-11-23T21:00:00Z"):
        await drafting.plan(head.id, head.revision, ANNA)
    head = await drafting.preview(head.id)
    await drafting.plan(head.id, head.revision, ANNA)


async def test_plan_of_an_upload_that_was_altered_is_refused(room: Room) -> None:
    """The bytes that a plan is made of are those that were uploaded, whatever happened to the folder meanwhile."""
    head = await room.previewed(SMALL)
    room.drafting.upload(head.id).write_text(SMALL.replace("three", "threw"), "utf-8")
    with pytest.raises(LedgerError, match="was altered"):
        await room.drafting.plan(head.id, head.revision, ANNA)


async def test_left_out_row_says_why(room: Room) -> None:
    """The reason is a note on the row, and the row hides no other."""
    head = await room.previewed(SMALL)
    assert await room.drafting.skip(head.id, head.revision, [2], "  handed in\n twice ", BERT) == 1
    first, second = await room.drafting.row(head.id, 2), await room.drafting.row(head.id, 5)
    assert (first.verdict, first.left_out, second.verdict) == ("skipped", "handed in twice", "ready")
    assert [(each.code, each.message) for each in first.findings] == [("P701", "The row was left out: handed in twice")]
    head = await room.drafting.head(head.id)
    assert await room.drafting.take_in(head.id, head.revision, [2], BERT) == 1
    assert (await room.drafting.row(head.id, 5)).verdict == "duplicate"


async def test_undo_takes_a_batch_back(room: Room) -> None:
    """An undone batch leaves rows as they were, and is on the list as undone, beside the undo."""
    head = await room.previewed(SMALL)
    before = await room.rows(head.id)
    many = FixMany("replace", 1, new="Billing", old="Biling")
    assert await room.drafting.would_change(head.id, many) == 1
    assert await room.drafting.fix_many(head.id, head.revision, many, ANNA) == 1
    [batch] = await room.drafting.fixes(head.id)
    assert (batch.can_undo, batch.words) == (True, "“Biling” replaced by “Billing” in “Queue”")
    head = await room.drafting.head(head.id)
    assert await room.drafting.undo(head.id, head.revision, batch.id, BERT) == 1
    assert await room.rows(head.id) == before
    undo, undone = await room.drafting.fixes(head.id)
    assert (undo.kind, undo.who, undone.undone) == ("undo", "bert", True)


async def test_undo_of_what_changed_again_is_refused(room: Room) -> None:
    """A batch that a later one overlaps can be undone once the later one is."""
    head = await room.previewed(SMALL)
    for old, new in (("150", "90"), ("90", "91")):
        await room.drafting.fix(head.id, (await room.drafting.head(head.id)).revision, 4, 2, old, new, ANNA)
    later, earlier = await room.drafting.fixes(head.id)
    assert (later.can_undo, earlier.can_undo) == (True, False)
    with pytest.raises(UsageError, match="later change"):
        await room.drafting.undo(head.id, (await room.drafting.head(head.id)).revision, earlier.id, ANNA)
    await room.drafting.undo(head.id, (await room.drafting.head(head.id)).revision, later.id, ANNA)
    await room.drafting.undo(head.id, (await room.drafting.head(head.id)).revision, earlier.id, ANNA)
    assert (await room.drafting.head(head.id)).fixes == 0


async def test_counts_causes_and_queues_are_those_of_the_plan(room: Room) -> None:
    """What the tiles and tables show is what the plan's reports say."""
    head = await room.previewed(SMALL)
    made, rows = await room.planned(head.id)
    counts = await room.drafting.counts(head.id)
    assert counts.pop("warnings") == made.head.warnings
    assert counts == made.head.counts
    assert await room.drafting.queues(head.id) == list(made.head.queues)
    causes = Causes()
    for row in rows:
        if row.findings:
            causes.add(row.findings)
    assert await room.drafting.causes(head.id) == causes.ranked()
    assert set(await room.drafting.file_findings(head.id)) <= set(made.head.findings)


async def test_filters_let_the_right_rows_through(room: Room) -> None:
    """Verdict, code, column, text and fixes filter, alone and together."""
    head = await room.previewed(SMALL)
    await room.drafting.fix(head.id, head.revision, 4, 2, "150", "90", ANNA)

    async def lines(**which: object) -> list[int]:
        return [row.line for row in await room.rows(head.id, **which)]

    assert await lines(verdict="duplicate") == [5]
    assert await lines(code="Q501") == [3]
    assert await lines(heading="Description") == [6, 7]
    assert await lines(code="V311", heading="Description") == [6]
    assert await lines(text="BILLING") == [2, 4, 5, 6]
    assert await lines(text="billing", verdict="duplicate") == [5]
    assert await lines(fixed=True) == [4]
    assert await lines(text="90") == [4]
    assert await lines(text="150") == []


async def test_page_goes_to_a_line(room: Room) -> None:
    """A line's page is found, or that of the next line that is shown."""
    lines = [f"E-{n},Billing,50,email,{'odd' if n % 2 else 'even'}" for n in range(250)]
    head = await room.previewed("\n".join([HEADINGS, *lines]))
    page = await room.drafting.page(head.id, Filter(line=152))
    assert (page.number, page.pages, page.total, page.first, page.rows[0].line) == (2, 3, 250, 101, 102)
    page = await room.drafting.page(head.id, Filter(line=202, text="even"))
    assert (page.number, page.pages, page.total, page.rows[0].line) == (2, 2, 125, 202)
    page = await room.drafting.page(head.id, Filter(number=99))
    assert (page.number, len(page.rows)) == (3, 50)


async def test_one_choice_of_a_value_mends_all_its_rows(room: Room) -> None:
    """What cells say is led to what the target knows, for every row, and is part of the mapping."""
    head = await room.previewed(SMALL + "E-8,biling,50,email,eight\n")
    unknown = {(each.field, each.value): each for each in await room.drafting.unknown_values(head.id)}
    assert head.step == "values"
    assert (unknown["queue", "Biling"].rows, unknown["queue", "Biling"].suggestions) == (1, ("Billing",))
    assert "callback" in unknown["type", "fax"].known
    meanings = {("queue", "Biling"): "Billing", ("type", "fax"): "message"}
    head = await room.drafting.choose_values(head.id, head.revision, meanings, ANNA)
    with pytest.raises(UsageError, match="present choices"):
        await room.drafting.skip(head.id, head.revision, [2], "no", ANNA)
    head = await room.drafting.preview(head.id)
    assert (head.step, await room.drafting.unknown_values(head.id)) == ("rows", [])
    assert {row.line: row.verdict for row in await room.rows(head.id)}[8] == "ready"
    assert head.mapping["values"] == {"queue": {"biling": "Billing"}, "type": {"fax": "message"}}


async def test_wrong_choice_of_a_value_can_be_chosen_anew(room: Room) -> None:
    """A meaning that the target does not know either is replaced, not chained."""
    head = await room.previewed(SMALL)
    head = await room.drafting.choose_values(head.id, head.revision, {("queue", "Biling"): "Bills"}, ANNA)
    head = await room.drafting.preview(head.id)
    head = await room.drafting.choose_values(head.id, head.revision, {("queue", "Bills"): "Billing"}, ANNA)
    head = await room.drafting.preview(head.id)
    assert (await room.drafting.row(head.id, 3)).verdict == "ready"


async def test_leaving_all_values_as_they_are_keeps_the_preview(room: Room) -> None:
    """A choice of no value changes nothing: the rows stay judged, and can be fixed and planned."""
    head = await room.previewed(SMALL)
    assert await room.drafting.choose_values(head.id, head.revision, {}, BERT) == head
    with pytest.raises(Stale):
        await room.drafting.choose_values(head.id, head.revision - 1, {}, BERT)


async def test_preview_again_finds_what_was_not_there(room: Room) -> None:
    """A queue that was made since is found by a preview that is made again, however soon."""
    head = await room.previewed(SMALL)
    assert (await room.drafting.row(head.id, 3)).verdict == "invalid"
    [billing] = [each for each in room.sandbox.world.queues.values() if each.name == "Billing"]
    room.sandbox.world.queues["new"] = replace(billing, id="new", name="Biling")
    await room.drafting.preview(head.id)
    assert (await room.drafting.row(head.id, 3)).verdict == "ready"


async def test_last_change_names_who_had_the_rows_previewed(room: Room) -> None:
    """Whose form is stale since a preview was made again is told who had it made."""
    head = await room.previewed(SMALL)
    await room.drafting.preview(head.id, BERT)
    with pytest.raises(Stale, match="bert changed"):
        await room.drafting.fix(head.id, head.revision, 4, 2, "150", "90", ANNA)


async def test_preview_of_another_organisation_is_none_here(room: Room, tmp_path: Path) -> None:
    """Rows that were judged by the facts of another organisation are neither planned nor fixed: they are previewed first."""
    head = await room.previewed(SMALL)
    (tmp_path / "other").mkdir()
    async with opened(tmp_path / "other") as other:
        other.folder = room.folder
        drafting = other.another()
        seen = await drafting.head(head.id)
        assert (seen.previewed_at, bool(head.previewed_at)) == ("", True)
        with pytest.raises(UsageError, match="present choices"):
            await drafting.plan(head.id, head.revision, ANNA)
        seen = await drafting.preview(head.id)
        assert (await drafting.plan(head.id, seen.revision, ANNA)).head.environment.origin == other.sandbox.api_url


async def test_preview_that_fails_after_facts_were_forgotten_is_none(room: Room) -> None:
    """Where old facts were thrown away and new ones did not come, nothing is planned on rows without facts."""
    clock = HandClock()
    drafting = room.drafting = room.another(clock)
    head = await room.previewed(SMALL)
    clock.turn(FACTS_LAST.total_seconds() + 1)
    room.sandbox.breaks(Fault(operation="queues", kind="status:403", every=1))
    with pytest.raises(ImporterError):
        await drafting.preview(head.id)
    room.sandbox.breaks()
    with pytest.raises(UsageError, match="present choices"):
        await drafting.fix(head.id, head.revision, 4, 2, "150", "90", ANNA)
    head = await drafting.head(head.id)
    assert head.previewed_at == ""
    with pytest.raises(UsageError, match="present choices"):
        await drafting.plan(head.id, head.revision, ANNA)
    head = await drafting.preview(head.id)
    assert (await drafting.plan(head.id, head.revision, ANNA)).head.counts["ready"] == 1


async def test_stale_choice_is_told_before_anything_that_is_wrong_with_it(room: Room) -> None:
    """Who was not the first reads what the other chose, also where the own choice could not be taken anyway."""
    head = await room.uploaded("A,B,C\n1,Billing,x\n")
    fields = {0: "external_id", 1: "queue", 2: "description"}
    await room.drafting.choose_columns(head.id, head.revision, fields, BERT)
    with pytest.raises(Stale) as stale:
        await room.drafting.choose_columns(head.id, head.revision, {0: "queue", 1: "queue"}, ANNA)
    assert (stale.value.sent, stale.value.now) == (
        "Queue ← A, Queue ← B", "External ID ← A, Queue ← B, Description ← C",
    )  # fmt: skip
    with pytest.raises(Stale):
        await room.drafting.choose_sheet(head.id, head.revision, None, 99, ANNA)


async def test_draft_that_changed_is_not_thrown_away_by_an_old_page(room: Room) -> None:
    """The revision counts at the moment when it is thrown away."""
    head = await room.previewed(SMALL)
    await room.drafting.fix(head.id, head.revision, 4, 2, "150", "90", BERT)
    with pytest.raises(Stale, match="bert"):
        await room.drafting.discard(head.id, head.revision)
    await room.drafting.discard(head.id, (await room.drafting.head(head.id)).revision)
    assert await room.drafting.drafts() == []


async def test_another_sheet_begins_with_its_own_columns(room: Room) -> None:
    """What was chosen for the headings of one sheet is no hindrance to another; what values mean stays."""
    both = workbook(("Old", [*HEADINGS.split(","), "Lang"], ["E-1", "Biling", "1", "email", "x", "de"]),
                    ("New", HEADINGS.split(","), ["E-2", "Biling", "1", "email", "y"]))  # fmt: skip
    head = await room.uploaded(both, "two.xlsx")
    head = await room.drafting.choose_columns(head.id, head.revision, {5: "attribute:Lang"}, ANNA)
    head = await room.drafting.choose_values(head.id, head.revision, {("queue", "Biling"): "Billing"}, ANNA)
    head = await room.drafting.choose_sheet(head.id, head.revision, "New", None, ANNA)
    head = await room.drafting.choose_columns(head.id, head.revision, {}, ANNA)
    await room.drafting.preview(head.id)
    assert [(row.verdict, row.external_id) for row in await room.rows(head.id)] == [("ready", "E-2")]


async def test_blank_first_sheet_is_no_hindrance(room: Room) -> None:
    """A workbook whose first sheet is blank is taken, and another of its sheets can be chosen."""
    head = await room.uploaded(
        workbook(("Cover",), ("Tasks", HEADINGS.split(","), ["E-1", "Billing", "1", "email", "x"])), "x.xlsx"
    )
    assert (head.step, [each.rows for each in await room.drafting.sheets(head.id)]) == ("sheet", [0, 2])
    assert await room.drafting.first_rows(head.id) == []
    with pytest.raises(FileRefused):
        await room.drafting.choose_sheet(head.id, head.revision, None, None, ANNA)
    head = await room.drafting.choose_sheet(head.id, head.revision, "Tasks", None, ANNA)
    await room.drafting.preview(head.id)
    assert [row.verdict for row in await room.rows(head.id)] == ["ready"]


async def test_hostile_texts_are_kept_as_they_are(room: Room) -> None:
    """Formulas, markup and statements in a fix or a search are only texts."""
    head = await room.previewed(SMALL)
    hostile = "=cmd|'/c calc'!A0 <script>alert(1)</script> ' OR 1=1; DROP TABLE rows; --"
    await room.drafting.fix(head.id, head.revision, 2, 4, "one", hostile, ANNA)
    assert (await room.drafting.row(head.id, 2)).cells[4] == hostile
    assert [row.line for row in await room.rows(head.id, text="' or 1=1; drop")] == [2]
    assert await room.rows(head.id, verdict="' OR 1=1 --") == []
    assert (await room.drafting.counts(head.id))["read"] == 6


async def test_numbers_and_texts_that_cannot_be_are_told(room: Room) -> None:
    """A line, a page or a change beyond all numbers, and half a character, find nothing and harm nothing."""
    head = await room.previewed(SMALL)
    drafting, far = room.drafting, 10**30
    for asked in (
        drafting.row(head.id, far), drafting.page(head.id, Filter(line=far)), drafting.page(head.id, Filter(text="\ud800")),
        drafting.undo(head.id, head.revision, far, ANNA), drafting.skip(head.id, head.revision, [far], "", ANNA),
        drafting.skip(head.id, head.revision, [-1], "", ANNA), drafting.fix(head.id, head.revision, far, 0, "", "x", ANNA),
        drafting.fix(head.id, head.revision, 2, -1, "", "x", ANNA), drafting.fix(head.id, head.revision, 2, 9, "", "x", ANNA),
        drafting.fix(head.id, head.revision, 2, 0, "E-1", "\ud800", ANNA),
        drafting.fix_many(head.id, head.revision, FixMany("trim", 99), ANNA),
        drafting.choose_values(head.id, head.revision, {("colour", "x"): "y"}, ANNA),
    ):  # fmt: skip
        with pytest.raises(UsageError):
            await asked
    assert await drafting.head(head.id) == head
    assert (await drafting.page(head.id, Filter(number=far))).number == 1


async def test_target_that_is_away_is_told_and_changes_nothing(room: Room) -> None:
    """A preview that cannot ask the target says so; what was there before is there still."""
    head = await room.previewed(SMALL)
    before = await room.rows(head.id)
    head = await room.drafting.choose_values(head.id, head.revision, {("queue", "Biling"): "Claims 2"}, ANNA)
    room.sandbox.breaks(Fault(operation="queues", kind="status:403", every=1))
    with pytest.raises(ImporterError):
        await room.drafting.preview(head.id)
    head = await room.drafting.head(head.id)
    assert (head.busy, bool(head.problem), await room.rows(head.id)) == ("", True, before)
    room.sandbox.breaks()
    assert (await room.drafting.preview(head.id)).problem == ""


async def test_aborted_upload_leaves_nothing(room: Room) -> None:
    """Whether a person gives up or the file is refused, no draft and no bytes stay."""
    upload = await room.drafting.new("a.csv", ANNA)
    await upload.write(b"some")
    await upload.discard()
    for content in (b"", b"%PDF-1.7 not a sheet", b"External ID,Queue\n\0\0\0"):
        with pytest.raises(FileRefused):
            await room.uploaded(content)
    assert list((room.folder / "drafts").iterdir()) == []
    assert await room.drafting.drafts() == []


async def test_upload_beyond_the_cap_is_refused_while_it_comes(room: Room) -> None:
    """The bytes are counted as they come: the first that is too many ends it."""
    room.drafting = room.another(None, **{"file_limits.packed": "1KiB"})
    upload = await room.drafting.new("big.csv", ANNA)
    await upload.write(b"x" * 1024)
    with pytest.raises(FileRefused) as refused:
        await upload.write(b"x")
    assert refused.value.finding.code == "F112"
    assert list((room.folder / "drafts").iterdir()) == []


async def test_draft_that_is_not_there_is_told(room: Room) -> None:
    """An ID that is unknown, or a path, finds nothing."""
    for name in ("aaaaaaaaaaaaaaaa", "../../etc/passwd", "", ".incoming-1-abc"):
        with pytest.raises(NoSuchDraft):
            await room.drafting.head(name)


async def test_nobody_changes_a_draft_while_it_is_previewed(room: Room) -> None:
    """A change during a preview is told to wait, and progress is seen."""
    import asyncio

    head = await room.previewed(SMALL)
    previewing = asyncio.ensure_future(room.drafting.preview(head.id))
    await asyncio.sleep(0)
    with pytest.raises(DraftBusy):
        await room.drafting.fix(head.id, head.revision, 4, 2, "150", "90", ANNA)
    with pytest.raises(DraftBusy):
        await room.drafting.preview(head.id)
    assert (await previewing).busy == ""


@pytest.mark.parametrize("seed", range(6))
async def test_rows_equal_a_fresh_preview_after_any_changes(room: Room, seed: int) -> None:
    """After any fixes, fixes of many, left-out rows and undos, rows and digest are those of a fresh pass over the file."""
    chance = random.Random(seed)
    ids = ["E-1", "E-2", "E-3", " E-1 ", "", "X-1", "1,5E+14"]
    pools = [
        ids, ["Billing", "Claims", "Biling", "", " Billing"], ["50", "", "150", "x", " 7"],
        ["email", "", "fax", "CALL"], ["one", "", " two ", "x" * 300],
    ]  # fmt: skip
    await room.creates("X-1")
    lines = [",".join(f'"{chance.choice(pool)}"' for pool in pools) for _ in range(24)]
    lines[5] = '"E-2","Billing"'
    lines[9] = '"E-3","Billing","50","email","one","too","many"'
    head = await room.previewed("\n".join([HEADINGS, *lines]))
    drafting = room.drafting
    for _ in range(14):
        head = await drafting.head(head.id)
        line, column = chance.randint(2, 25), chance.randrange(5)
        row = await drafting.row(head.id, line)
        match chance.randrange(7):
            case 0 | 1 | 2:
                old = row.cells[column] if column < len(row.cells) else ""
                await drafting.fix(head.id, head.revision, line, column, old, chance.choice(pools[column]), ANNA)
            case 3:
                many = [
                    FixMany("trim", column), FixMany("blank", column, chance.choice(pools[column])),
                    FixMany("replace", column, chance.choice(pools[column]), chance.choice(pools[column])),
                ]  # fmt: skip
                await drafting.fix_many(head.id, head.revision, chance.choice(many), ANNA)
            case 4:
                await drafting.skip(
                    head.id, head.revision, [line, chance.randint(2, 25)], chance.choice(["", "no"]), ANNA
                )
            case 5:
                await drafting.take_in(head.id, head.revision, [line], ANNA)
            case _:
                able = [batch for batch in await drafting.fixes(head.id) if batch.can_undo]
                if able:
                    await drafting.undo(head.id, head.revision, chance.choice(able).id, ANNA)
    import json

    record = json.loads(await drafting.fixes_file(head.id))
    fixes = [Fix(**each) for each in record["fixes"]]
    skipped = {each["line"]: each["reason"] for each in record["skipped"]}
    theirs, rows = await room.planned(head.id, fixes, skipped)
    assert [told(row) for row in await room.rows(head.id)] == [told(row) for row in rows]
    head = await drafting.head(head.id)
    assert (await drafting.plan(head.id, head.revision, ANNA)).about.digest == theirs.about.digest
    counts = await drafting.counts(head.id)
    assert {name: counts[name] for name in theirs.head.counts} == theirs.head.counts
    assert await drafting.queues(head.id) == list(theirs.head.queues)
