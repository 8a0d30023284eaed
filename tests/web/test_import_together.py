"""Two people at one upload: nobody's change is lost silently, and each sees what the other did."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from importer.sandbox.scenario import Fault, Limit, Scenario
from importer.sandbox.server import Sandbox
from importer.web.route import Role
from tests.web.house import Page, opened
from tests.web.preparer import Preparer, Seen, cell, draft_of, preparer

pytestmark = pytest.mark.asyncio(loop_scope="module")

DATA = b"External ID,Queue,Priority,Description\nT-1,Billing,150,one\nT-2,Biling,160,two\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    """The target."""
    async with Sandbox(Scenario(limit=Limit(calls=0), index_lag_s=0)) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> AsyncIterator[Page]:
    """A page for people with names."""
    async with opened(tmp_path_factory.mktemp("page"), sandbox=sandbox, identity="token") as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ada(page: Page) -> Preparer:
    """One of the two."""
    return await preparer(page, "Ada")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bob(page: Page) -> Preparer:
    """The other."""
    return await preparer(page, "Bob")


async def test_stale_cell_comes_back_with_both_values(ada: Preparer, bob: Preparer) -> None:
    """Who saves a cell that another changed gets 409 with the two texts and the other's name; saving again is a decision."""
    rows = await ada.previews(DATA)
    open_at_bob = await bob.cell(await bob.opens(rows.path), 2, 2)
    await ada.fixes(rows, 2, 2, "60")
    told = await bob.sends(open_at_bob, "/rows/2/2", value="55")
    assert told.status == 409
    assert "Ada changed this meanwhile. It says “ 60 ” now; you typed “ 55 ”" in told.text
    assert cell(await bob.opens(rows.path), 2, 2)["aria-label"] == "Priority 60, row 2, edit"
    decided = await bob.sends(told, "/rows/2/2")
    assert decided.status == 200
    assert cell(decided, 2, 2)["aria-label"] == "Priority 55, row 2, edit"


async def test_stale_form_of_a_cell_that_is_as_it_was_says_so(ada: Preparer, bob: Preparer) -> None:
    """Where another cell was changed meanwhile, nobody is told that this one was."""
    rows = await ada.previews(DATA)
    open_at_bob = await bob.cell(await bob.opens(rows.path), 2, 2)
    await ada.fixes(rows, 3, 2, "60")
    told = await bob.sends(open_at_bob, "/rows/2/2", value="55")
    assert told.status == 409
    assert (
        "Ada changed this upload meanwhile, but not this cell. It says “ 150 ” as before; you typed “ 55 ”" in told.text
    )


async def test_stale_cell_stays_in_its_place_for_a_script(page: Page, ada: Preparer, bob: Preparer) -> None:
    """To a script, the refused field comes back alone and into its own place: the rows around it stay."""
    rows = await ada.previews(DATA)
    form = (await bob.cell(await bob.opens(rows.path), 2, 2)).form("/rows/2/2")
    await ada.fixes(rows, 2, 2, "60")
    headers = {"Origin": page.base, "HX-Request-Type": "partial"}
    reply = await page.ask("POST", form.action, bob.cookie, headers, data=dict(form.filled({"value": "55"})))
    assert (reply.status, reply.headers["HX-Retarget"], reply.headers["HX-Push-Url"]) == (409, ".cell-form", "false")
    assert reply.text.lstrip().startswith('<form class="cell-form"')


@pytest.mark.parametrize(
    ("action", "changes"),
    [
        ("/undo", {"batch": "1"}),
        ("/skip", {"line": ["2"], "reason": "why"}),
        ("/plan", {}),
    ],
)
async def test_stale_form_is_refused_with_a_way_on(
    ada: Preparer, bob: Preparer, action: str, changes: dict[str, object]
) -> None:
    """Undo, leaving out and planning from an old page are 409, name who was faster, change nothing and lead back."""
    rows = await ada.previews(DATA)
    first = await ada.fixes(rows, 2, 2, "60")
    seen_by_bob = await bob.opens(rows.path)
    await ada.fixes(first, 3, 2, "70")
    told = await bob.sends(seen_by_bob, action, **changes)
    assert told.status == 409
    assert "Ada was faster" in told.text
    assert told.all("a", href=f"/imports/{draft_of(rows)}/rows")
    now = await bob.opens(rows.path)
    assert [cell(now, line, 2)["aria-label"] for line in (2, 3)] == [
        "Priority 60, row 2, edit",
        "Priority 70, row 3, edit",
    ]


async def test_stale_columns_are_refused_with_both_values(ada: Preparer, bob: Preparer) -> None:
    """Columns chosen on an old page are 409 with what was sent and what is there."""
    seen = await ada.uploads(DATA.replace(b"External ID", b"Ext. ID"), "x.csv")
    seen_by_bob = await bob.opens(seen.path)
    await ada.sends(seen, "/columns", **{"column-2": ""})
    told = await bob.sends(seen_by_bob, "/columns", **{"column-2": "attribute:Priority"})
    assert told.status == 409
    assert "You sent" in told.text
    assert "It says now" in told.text


async def test_throwing_away_needs_the_current_state(ada: Preparer, bob: Preparer) -> None:
    """A draft that somebody worked on since is not thrown away by an old page."""
    rows = await ada.previews(DATA, "kept.csv")
    list_of_bob = await bob.opens("/imports/new")
    await ada.fixes(rows, 2, 2, "60")
    told = await bob.sends(list_of_bob, f"/imports/{draft_of(rows)}/discard")
    assert told.status == 409
    assert (await ada.opens(rows.path)).status == 200


async def test_head_and_news_tell_who_changed_what(page: Page, ada: Preparer, bob: Preparer) -> None:
    """The head of the page names the last change; a page that is open meanwhile is told that there is something new."""
    rows = await ada.previews(DATA)
    news = rows.all("div", id="news")[0]["hx-get"]
    quiet = await page.ask("GET", news, bob.cookie, {"HX-Request-Type": "partial"})
    assert "alert" not in quiet.text
    await ada.fixes(rows, 2, 2, "60")
    told = Seen(await page.ask("GET", news, bob.cookie, {"HX-Request-Type": "partial"}), news)
    assert "Ada changed this upload since you opened it" in told.text
    assert "Last change: Ada" in (await bob.opens(rows.path)).text


async def test_forms_need_the_token_of_the_person(page: Page, ada: Preparer, bob: Preparer) -> None:
    """A form with another person's token is refused, and changes nothing."""
    rows = await ada.previews(DATA)
    pairs = [*rows.form("/skip").filled({"line": ["2"], "reason": "x"})]
    assert (await bob.posts(f"/imports/{draft_of(rows)}/skip", pairs)).status == 403
    assert "1 skipped" not in (await ada.opens(rows.path)).text


async def test_pages_of_uploads_are_for_preparers(page: Page, ada: Preparer) -> None:
    """Who may only approve or operate sees no upload: 403 names the role that is needed."""
    rows = await ada.previews(DATA)
    cookie = await page.comes(Role.APPROVER, Role.OPERATOR)
    for path in ("/imports/new", rows.path, f"/imports/{draft_of(rows)}/fixes.json"):
        reply = await page.ask("GET", path, cookie)
        assert reply.status == 403
        assert "preparer" in reply.text


async def test_trouble_of_the_target_is_told_and_can_be_tried_again(tmp_path: Path) -> None:
    """A preview that could not ask the target says why; the same button makes it once the target is well."""
    scenario = Scenario(limit=Limit(calls=0), index_lag_s=0)
    async with Sandbox(scenario) as sandbox, opened(tmp_path, sandbox=sandbox) as page:
        eve = await preparer(page)
        sandbox.breaks(Fault(operation="token", kind="status:401", every=1))
        told = await eve.sends(await eve.uploads(DATA, "later.csv"), "/columns")
        assert "The preview could not be made" in told.text
        assert "log-in was refused" in told.text
        sandbox.breaks()
        again = await eve.sends(told, "/preview")
        assert "2 rows read" in again.text
