"""The preparer's walk through the page, without script: upload, sheet, columns, values, rows, fixes, plan."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from importer.sandbox.scenario import Limit, Scenario
from importer.sandbox.server import Sandbox
from importer.wiring import plans
from tests.web.house import Page, opened
from tests.web.preparer import cell, draft_of, preparer

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADINGS = "External ID,Queue,Priority,Type,Description\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    """A page for people with names, before a sandbox."""
    async with (
        Sandbox(Scenario(limit=Limit(calls=0), index_lag_s=0)) as sandbox,
        opened(tmp_path_factory.mktemp("page"), sandbox=sandbox, identity="token") as found,
    ):
        yield found


def sheet(*rows: str) -> bytes:
    """A CSV file with the usual headings."""
    return (HEADINGS + "\n".join(rows) + "\n").encode()


async def test_whole_walk_leads_from_upload_to_plan(page: Page) -> None:
    """Upload, sheet, columns, values, rows, a fix and a plan follow one another by forms and redirects alone."""
    bea = await preparer(page, "Bea")
    seen = await bea.brings("tasks-mixed.xlsx")
    assert seen.path.endswith("/sheet")
    assert [each["value"] for each in seen.all("input", type="radio", name="header_row") if "checked" in each] == ["2"]
    seen = await bea.sends(seen, "/sheet")
    assert seen.path.endswith("/columns")
    seen = await bea.sends(seen, "/columns")
    assert seen.path.endswith("/values"), seen.text
    assert "Queue “ Biling ” 1 row" in seen.text
    seen = await bea.sends(seen, "/values", **{"means-0": "suggestion-0"})
    assert seen.path.startswith(f"/imports/{draft_of(seen)}/rows")
    assert "120 rows read = 107 ready + 5 duplicate + 8 invalid." in seen.text
    seen = await bea.fixes(seen, 82, 2, "70")
    assert "108 ready" in seen.text
    assert cell(seen, 82, 2)["aria-label"] == "Priority 70, row 82, edit"
    seen = await bea.sends(seen, "/plan")
    name = seen.path.rpartition("/")[2]
    assert seen.path == f"/plans/{name}"
    made = plans(page.room.settings).find(name).verify()
    assert (made.head.counts["ready"], made.head.counts["invalid"]) == (108, 7)
    assert made.about.preparer == "Bea"


async def test_values_that_are_left_as_they_are_leave_the_preview(page: Page) -> None:
    """Where nothing is chosen, nothing has to be previewed again: the rows follow."""
    bea = await preparer(page)
    seen = await bea.previews(sheet("V-1,Biling,,,one"))
    values = await bea.opens(f"/imports/{draft_of(seen)}/values")
    seen = await bea.sends(values, "/values")
    assert seen.path == f"/imports/{draft_of(values)}/rows"
    assert "1 invalid" in seen.text


async def test_one_sheet_leads_straight_to_the_columns(page: Page) -> None:
    """A file with one sheet skips the choice of a sheet; its German headings are matched and shown with samples."""
    bea = await preparer(page)
    seen = await bea.brings("tasks-semicolon-cp1252.csv")
    assert seen.path.endswith("/columns")
    assert seen.text.count("✔ matched exactly") >= 4
    assert "Every required column is there" in seen.text
    seen = await bea.sends(seen, "/columns")
    assert "10 rows read" in seen.text or seen.path.endswith("/values")


async def test_sheet_can_be_changed_and_its_heading_row_too(page: Page) -> None:
    """Another sheet shows its own first rows; a heading row that is typed beats the one that is ticked."""
    bea = await preparer(page)
    seen = await bea.brings("tasks-mixed.xlsx")
    other = await bea.opens(f"{seen.path}?sheet=Notes")
    assert ("sheet", "Notes") in other.form("/sheet").fields
    back = await bea.sends(seen, "/sheet", other_row="3")
    assert back.path.endswith("/columns")
    again = await bea.opens(seen.path)
    assert [each["value"] for each in again.all("input", type="radio", name="header_row") if "checked" in each] == ["3"]


async def test_missing_required_column_is_told_and_what_was_chosen_stays(page: Page) -> None:
    """Columns without a required field are not taken: what is missing stands at the top, the other choices stay as sent."""
    bea = await preparer(page)
    seen = await bea.brings("tasks-messy-headers.xlsx")
    if seen.path.endswith("/sheet"):
        seen = await bea.sends(seen, "/sheet")
    form = seen.form("/columns")
    queue = next(name for name, value in form.fields if value == "queue")
    refused = await bea.sends(seen, "/columns", **{queue: ""})
    assert refused.status == 422
    assert "Still missing Queue" in refused.text
    assert "importer map" not in refused.text  # words of the command line
    assert (queue, "") in refused.form("/columns").fields
    free = next(name for name, value in form.fields if name.startswith("column-") and not value)
    taken = next(each for each in form.choices[free] if each.startswith("attribute:"))
    done = await bea.sends(seen, "/columns", **{free: taken})
    assert done.status == 200
    again = await bea.opens(f"/imports/{draft_of(done)}/columns")
    assert (free, taken) in again.form("/columns").fields


async def test_looks_like_is_suggested_and_not_taken(page: Page) -> None:
    """A heading that only resembles a field is told, and feeds nothing until a person says so."""
    bea = await preparer(page)
    seen = await bea.brings("tasks-messy-headers.xlsx")
    seen = await bea.sends(seen, "/sheet") if seen.path.endswith("/sheet") else seen
    assert "▲ looks like Type" in seen.text
    assert "type" not in [value for _, value in seen.form("/columns").fields]


async def test_choices_are_remembered_for_files_like_it(page: Page) -> None:
    """The next file with the same headings comes with the columns that were chosen for the last one, and says so."""
    bea = await preparer(page)
    data = b"Nummer X,Wohin X,Was X\nR-1,Billing,one\n"
    seen = await bea.uploads(data, "a.csv")
    chosen = {"column-0": "external_id", "column-1": "queue", "column-2": "description"}
    seen = await bea.sends(seen, "/columns", remember="yes", **chosen)
    assert "1 row read = 1 ready" in seen.text
    carl = await preparer(page)
    again = await carl.uploads(data.replace(b"R-1", b"R-2"), "b.csv")
    assert chosen.items() <= dict(again.form("/columns").fields).items()
    assert "Remembered for files like this" in again.text


async def test_rows_are_filtered_searched_and_paged(page: Page) -> None:
    """Verdict, finding, column, text and line select rows; a page has 100 and says which they are."""
    bea = await preparer(page)
    rows = [f"F-{n:03},Billing,{150 if n % 50 == 0 else 50},email,number {n}" for n in range(1, 251)]
    seen = await bea.previews(sheet(*rows))
    assert "Rows 1–100 of 250" in seen.text
    assert len(seen.all("button", class_="edit")) == 500
    second = await bea.opens(seen.all("a", rel="next")[0]["href"])
    assert "Rows 101–200 of 250" in second.text
    invalid = await bea.sends(seen, "/rows", verdict="invalid")
    assert "Rows 1–5 of 5" in invalid.text
    assert "V304 Priority 150 is outside 0–99." in invalid.text
    by_code = await bea.sends(seen, "/rows", code="V304", column="Priority", text="number 10")
    assert "Rows 1–1 of 1" in by_code.text
    found = await bea.sends(seen, "/rows", line="222")
    assert "Rows 201–250 of 250" in found.text
    none = await bea.sends(seen, "/rows", text="%' OR 1=1 --")
    assert "No row is like that" in none.text


async def test_values_that_are_left_lead_on_to_the_rows(page: Page) -> None:
    """Whoever leaves all unknown values as they are goes on to the rows, which stay judged."""
    bea = await preparer(page)
    seen = await bea.sends(await bea.uploads(sheet("T-1,Biling,50,email,one"), "left.csv"), "/columns")
    seen = await bea.sends(seen, "/values")
    assert "1 row read = 1 invalid" in seen.text


async def test_finding_stands_under_its_cell_and_is_tied_to_it(page: Page) -> None:
    """A bad cell carries sign, code and words under its value, and its button is described by them."""
    bea = await preparer(page)
    seen = await bea.previews(sheet("T-1,Billing,150,email,one"))
    button = cell(seen, 2, 2)
    told = seen.all("div", id=button["aria-describedby"])
    assert len(told) == 1
    assert button["aria-label"] == "Priority 150, row 2, edit"
    assert "aria-describedby" not in cell(seen, 2, 1)


async def test_fix_leads_back_to_the_same_rows_and_can_be_undone(page: Page) -> None:
    """After a fix the filter is as before, the old value and who changed it are told, and undo brings it back."""
    bea = await preparer(page, "Bea Undo")
    seen = await bea.previews(sheet("U-1,Billing,150,email,one", "U-2,Billing,160,email,two"))
    seen = await bea.sends(seen, "/rows", verdict="invalid")
    seen = await bea.fixes(seen, 2, 2, "60")
    assert "verdict=invalid" in seen.path
    assert "Rows 1–1 of 1" in seen.text
    assert "ready now" in seen.text
    everything = await bea.opens(f"/imports/{draft_of(seen)}/rows")
    assert "was 150 , Bea Undo" in everything.text
    back = await bea.sends(everything, "/undo", batch=everything.all("button", name="batch")[0]["value"])
    assert "2 invalid" in back.text
    assert cell(back, 2, 2)["aria-label"] == "Priority 150, row 2, edit"


async def test_many_cells_are_changed_at_once_after_a_look(page: Page) -> None:
    """A change of many cells first says how many; then it is one change that can be undone."""
    bea = await preparer(page)
    seen = await bea.previews(sheet(*[f"M-{n},Billing,,email,d{n}" for n in range(7)]))
    look = await bea.sends(seen, "/many", kind="blank", column="2", new="40")
    assert "7 cells would change" in look.text
    seen = await bea.sends(look, "/many")
    assert cell(seen, 5, 2)["aria-label"] == "Priority 40, row 5, edit"
    seen = await bea.sends(seen, "/undo", batch=seen.all("button", name="batch")[0]["value"])
    assert cell(seen, 5, 2)["aria-label"] == "Priority (blank), row 5, edit"
    none = await bea.sends(seen, "/many", kind="replace", column="1", old="nobody", new="x")
    assert "no cell would change" in none.text


async def test_offered_change_is_made_by_one_button(page: Page) -> None:
    """White space around values is offered to be trimmed, with the number of cells."""
    bea = await preparer(page)
    seen = await bea.previews(sheet("O-1, Billing ,50,email,one", "O-2,Billing ,50,email,two"))
    assert "Trim 2 values of “Queue”" in seen.text
    seen = await bea.sends(seen, "/many", offer="0")
    assert cell(seen, 2, 1)["aria-label"] == "Queue Billing, row 2, edit"
    assert "Trim 2 values" not in seen.text


async def test_blank_cells_are_filled_with_what_the_person_says(page: Page) -> None:
    """An offer to fill blank cells asks for the text, and sets them all to it."""
    bea = await preparer(page)
    seen = await bea.previews(sheet("T-1,Billing,50,email,", "T-2,Billing,50,email,", "T-3,Billing,50,email,x"))
    assert "Set all 2 blank cells of “Description” to" in seen.text
    seen = await bea.sends(seen, "/many", new="see the file")
    assert "3 rows read = 3 ready" in seen.text
    assert cell(seen, 2, 4)["aria-label"] == "Description see the file, row 2, edit"


async def test_rows_are_left_out_with_a_reason(page: Page) -> None:
    """Ticked rows are skipped and say why; without a reason or a row nothing is done."""
    bea = await preparer(page)
    seen = await bea.previews(sheet("L-1,Billing,50,email,one", "L-2,Billing,50,email,two"))
    assert (await bea.sends(seen, "/skip", reason="why")).status == 400
    assert (await bea.sends(seen, "/skip", line=["2"], reason=" ")).status == 400
    seen = await bea.sends(seen, "/skip", line=["2"], reason="phoned <b>already</b>")
    assert "1 ready + 1 skipped" in seen.text
    assert "phoned <b>already</b>" in seen.text
    assert not seen.all("input", type="checkbox", value="2")


async def test_what_was_not_done_is_told_beside_what_was_filled_in(page: Page) -> None:
    """A form that lacks something gets a page that leads back; to a script the message comes alone, into a place of its own."""
    bea = await preparer(page)
    seen = await bea.previews(sheet("N-1,Billing,50,email,one"))
    told = await bea.sends(seen, "/skip", reason="why")
    assert "No row was ticked. Tick the rows" in told.text
    assert told.all("a", href=f"/imports/{draft_of(seen)}/rows")
    headers = {"Origin": page.base, "HX-Request-Type": "partial"}
    form = dict(seen.form("/skip").filled({"reason": "why"}))
    reply = await page.ask("POST", f"/imports/{draft_of(seen)}/skip", bea.cookie, headers, data=form)
    assert (reply.status, reply.headers["HX-Retarget"]) == (400, "#told")
    assert reply.text.lstrip().startswith('<div class="alert bad"')
    unsaid = await bea.sends(seen, "/many", kind="replace", column="1", old="", new="x")
    assert "It is not said which value is replaced." in unsaid.text


async def test_cell_keeps_line_breaks_and_shows_what_cannot_be_seen(page: Page) -> None:
    """Saving a cell as it came changes nothing, line breaks or not; invisible characters are told by number."""
    bea = await preparer(page)
    seen = await bea.previews(b'External ID,Queue,Description\nB-1,Billing,"one\ntwo"\nB-2,Billing,a\xe2\x80\x8bb\n')
    draft = draft_of(seen)
    kept = await bea.fixes(seen, 2, 2, "one\r\ntwo")
    assert "Nothing was changed" in kept.text
    last = seen.all("input", type="checkbox", name="line")[-1]["value"]
    one = await bea.opens(f"/imports/{draft}/rows/{last}/2")
    assert "a<U+200B>b" in one.text


async def test_changes_and_mapping_can_be_taken_to_the_command_line(page: Page) -> None:
    """The changes and the mapping are files that the command line takes, sent as attachments."""
    bea = await preparer(page)
    seen = await bea.previews(sheet("C-1,Billing,150,email,one"))
    seen = await bea.fixes(seen, 2, 2, "15")
    fixes = await page.ask("GET", f"/imports/{draft_of(seen)}/fixes.json", bea.cookie)
    assert json.loads(fixes.text)["fixes"] == [{"line": 2, "column": 2, "old": "150", "new": "15"}]
    assert fixes.headers["Content-Disposition"].startswith("attachment")
    mapping = await page.ask("GET", f"/imports/{draft_of(seen)}/mapping.toml", bea.cookie)
    assert mapping.status == 200


async def test_script_gets_the_part_and_others_the_page(page: Page) -> None:
    """With htmx's header the answer is the content alone, with the same forms; without it, it is a whole page."""
    bea = await preparer(page)
    seen = await bea.previews(sheet("P-1,Billing,150,email,one"))
    path = f"/imports/{draft_of(seen)}/rows"
    part = await page.ask("GET", path, bea.cookie, {"HX-Request-Type": "partial"})
    assert part.text.lstrip().startswith('<div id="work" data-title="Rows · tasks.csv">')
    one = await page.ask("GET", f"{path}/2/2", bea.cookie, {"HX-Request-Type": "partial"})
    assert one.text.lstrip().startswith('<form class="cell-form"')
    assert "<html" in (await page.ask("GET", f"{path}/2/2", bea.cookie)).text


async def test_draft_can_be_thrown_away(page: Page) -> None:
    """A draft that is thrown away is gone from the list, and its pages with it."""
    bea = await preparer(page)
    seen = await bea.uploads(sheet("D-1,Billing,50,email,one"), "gone.csv")
    draft = draft_of(seen)
    new = await bea.opens("/imports/new")
    assert f"/imports/{draft}/discard" in [each.action for each in new.forms]
    new = await bea.sends(new, f"/imports/{draft}/discard")
    assert new.path == "/imports/new"
    assert (await bea.opens(f"/imports/{draft}/columns")).status == 404
