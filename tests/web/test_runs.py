"""The pages on which people watch runs: what they show, what can be done there, and the streams that keep them fresh."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse

from importer.desk.picture import Picture, Standing
from importer.web.guard import STREAMS
from importer.web.headers import CSP
from importer.web.route import Role
from tests.desk.house import BOB, House, house
from tests.web.house import QUICK, Page, opened


@asynccontextmanager
async def served(folder: Path, first: int | None = None, streams_each: int = 6) -> AsyncIterator[tuple[House, Page]]:
    """A page whose runs go on against a sandbox; so many rows are created before the door closes."""
    async with house(folder, first=first) as it:
        await it.keeper.close()
        told = {name: it.settings.values[name].value for name in ("rate", "index_lag", "out", "track")}
        limits = replace(QUICK, streams_each=streams_each)
        flags: Any = {**told, "identity": "token", "four_eyes": False}
        async with opened(it.settings.state_dir, connection=it.connection, house=limits, **flags) as page:
            it.keeper = page.room.keeper
            yield it, page


def five_are_created(picture: Picture) -> bool:
    """Where the door stands in the tests below."""
    return picture.counts["created"] == 5


async def told(answer: ClientResponse, last: str) -> list[tuple[str, str, Any]]:
    """ID, name and data of each event of a stream, up to one with this name."""
    found: list[tuple[str, str, Any]] = []
    fields: dict[str, str] = {}
    async with asyncio.timeout(20):
        async for line in answer.content:
            name, _, value = line.decode().strip().partition(": ")
            if name:
                fields[name] = value
                continue
            if "event" in fields:
                found.append((fields["id"], fields["event"], json.loads(fields["data"])))
                if fields["event"] == last:
                    return found
            fields = {}
    return found


async def test_run_is_shown_to_its_end(tmp_path: Path) -> None:
    """The page of a run says how far it is while it goes on, reloads itself without script, and offers the results at its end."""
    async with served(tmp_path, first=5) as (it, page):
        run = await it.started(20)
        await it.until(run, five_are_created)
        cookie = await page.comes(Role.PREPARER)
        going = await page.ask("GET", f"/runs/{run}", cookie)
        assert going.status == 200
        assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in going.text
        assert "/downloads/results.xlsx" not in going.text
        it.door.open()
        await it.ended(run)
        ended = await page.ask("GET", f"/runs/{run}", cookie)
        assert "Completed" in ended.text
        assert 'http-equiv="refresh"' not in ended.text
        assert f'href="/downloads/results.xlsx/{run}"' in ended.text
        assert (await page.ask("HEAD", f"/downloads/results.xlsx/{run}", cookie)).status == 200


async def test_rows_on_their_way_are_no_failures(tmp_path: Path) -> None:
    """Rows in calls of a run that is at work are being sent, on its page and in the history: neither unknown nor failed."""
    async with served(tmp_path, first=0) as (it, page):
        it.door.after_claim = True
        run = await it.started(3)
        await it.until(run, lambda picture: picture.being_sent == 3)
        cookie = await page.comes(Role.PREPARER)
        shown = (await page.ask("GET", f"/runs/{run}", cookie)).text
        assert "3 rows read = 3 being sent." in shown
        listed = (await page.ask("GET", "/", cookie)).text
        assert '<td class="count">3</td><td class="count">0</td><td class="count">0</td>' in listed
        it.door.open()
        await it.ended(run)


async def test_operator_pauses_resumes_and_stops(tmp_path: Path) -> None:
    """The operator's buttons are forms that lead back to the run; nobody else is offered or allowed them."""
    async with served(tmp_path, first=5) as (it, page):
        run = await it.started(20)
        await it.until(run, five_are_created)
        operator, preparer = await page.comes(Role.OPERATOR), await page.comes(Role.PREPARER)
        assert "do-pause" in (await page.ask("GET", f"/runs/{run}", operator)).text
        assert "do-pause" not in (await page.ask("GET", f"/runs/{run}", preparer)).text
        assert (await page.post(f"/runs/{run}/pause", {}, preparer)).status == 403
        paused = await page.post(f"/runs/{run}/pause", {}, operator)
        assert (paused.status, paused.headers["Location"]) == (303, f"/runs/{run}")
        it.door.open()
        await it.ended(run)
        shown = (await page.ask("GET", f"/runs/{run}", operator)).text
        assert "Paused by operator" in shown
        assert "do-resume" in shown
        await page.post(f"/runs/{run}/stop", {}, operator)
        assert it.keeper.picture(run).standing is Standing.STOPPED
        await page.post(f"/runs/{run}/resume", {}, operator)
        assert (await it.ended(run)).counts["created"] == 20


async def test_who_leaves_a_resting_run_makes_room(tmp_path: Path) -> None:
    """A page that is closed follows no more, also where nothing happens to the run: nobody runs out of streams by looking often."""
    async with served(tmp_path, first=0) as (it, page):
        run = await it.started(3)
        await it.keeper.pause(run, BOB)
        it.door.open()
        await it.ended(run)
        cookie = await page.comes(Role.OPERATOR)
        answer = await page.session.get(f"{page.base}/runs/{run}/events", headers={"Cookie": cookie})
        await answer.content.readany()
        assert it.keeper.watchers == 1
        answer.close()
        async with asyncio.timeout(20):
            while page.app[STREAMS] or it.keeper.watchers:  # noqa: ASYNC110 - as a person looks again and again
                await asyncio.sleep(0.01)


async def test_part_is_sent_alone(tmp_path: Path) -> None:
    """A script gets only what changes."""
    async with served(tmp_path) as (it, page):
        run = await it.started(3)
        cookie = await page.comes(Role.OPERATOR)
        part = await page.ask("GET", f"/runs/{run}", cookie, {"HX-Request-Type": "partial"})
        assert part.text.lstrip().startswith('<div id="run"')
        assert "<html" not in part.text


@pytest.mark.parametrize("path", ["/runs/nothing", "/runs/nothing/events", "/runs/nothing/state"])
async def test_unknown_run_is_not_found(tmp_path: Path, path: str) -> None:
    """A run that is not there is 404, in words."""
    async with served(tmp_path) as (_, page):
        answer = await page.ask("GET", path, await page.comes(Role.OPERATOR))
        assert answer.status == 404
        assert "There is no run nothing" in answer.text


async def test_stream_tells_from_the_first_picture_to_the_end(tmp_path: Path) -> None:
    """A stream begins with a whole picture and tells the end; its headers are those of every answer."""
    async with served(tmp_path, first=5) as (it, page):
        run = await it.started(20)
        await it.until(run, five_are_created)
        headers = {"Cookie": await page.comes(Role.PREPARER)}
        async with page.session.get(f"{page.base}/runs/{run}/events", headers=headers) as answer:
            assert answer.content_type == "text/event-stream"
            assert answer.headers["Content-Security-Policy"] == CSP
            [first] = await told(answer, "picture")
            it.door.open()
            events = await told(answer, "end")
        assert (first[1], first[2]["counts"]["created"]) == ("picture", 5)
        assert events[-1][2]["counts"]["created"] == 20


async def test_stream_goes_on_after_the_last_event(tmp_path: Path) -> None:
    """With Last-Event-ID, only what came after it is told; an ID that nobody knows gets a whole picture."""
    async with served(tmp_path, first=5) as (it, page):
        run = await it.started(20)
        await it.until(run, five_are_created)
        headers = {"Cookie": await page.comes(Role.PREPARER)}
        async with page.session.get(f"{page.base}/runs/{run}/events", headers=headers) as kept:
            it.door.open()
            all_events = await told(kept, "end")
            back = {**headers, "Last-Event-ID": all_events[1][0]}
            async with page.session.get(f"{page.base}/runs/{run}/events", headers=back) as answer:
                assert await told(answer, "end") == all_events[2:]
            lost = {**headers, "Last-Event-ID": "another-server-7"}
            async with page.session.get(f"{page.base}/runs/{run}/events", headers=lost) as answer:
                assert [name for _, name, _ in await told(answer, "picture")] == ["picture"]


async def test_greedy_visitor_gets_no_more_streams(tmp_path: Path) -> None:
    """One visitor has so many streams at most, and is told when to come back; another one is not held up."""
    async with served(tmp_path, first=5, streams_each=2) as (it, page):
        run = await it.started(20)
        await it.until(run, five_are_created)
        greedy, other = await page.comes(Role.PREPARER), await page.comes(Role.APPROVER)
        url = f"{page.base}/runs/{run}/events"
        one = await page.session.get(url, headers={"Cookie": greedy})
        two = await page.session.get(url, headers={"Cookie": greedy})
        three = await page.session.get(url, headers={"Cookie": greedy})
        assert (one.status, two.status, three.status) == (200, 200, 429)
        assert three.headers["Retry-After"]
        async with page.session.get(url, headers={"Cookie": other}) as answer:
            assert answer.status == 200
        it.door.open()
        for each in (one, two, three):
            each.close()


async def test_history_shows_plans_and_runs_in_words(tmp_path: Path) -> None:
    """The history has what waits for a decision and what ran, and can be narrowed by state and by name."""
    async with served(tmp_path) as (it, page):
        waiting = await it.plan(2, "later")
        run = await it.started(3, "earlier")
        await it.ended(run)
        cookie = await page.comes(Role.PREPARER)
        everything = (await page.ask("GET", "/", cookie)).text
        assert f'href="/plans/{waiting}"' in everything
        assert f'href="/runs/{run}"' in everything
        assert "Waiting for approval" in everything
        assert "New import" in everything
        completed = (await page.ask("GET", "/?state=Completed", cookie)).text
        assert (f"/runs/{run}" in completed, waiting in completed) == (True, False)
        named = (await page.ask("GET", "/?text=LATER", cookie)).text
        assert (run in named, waiting in named) == (False, True)


async def test_history_leads_to_runs_where_the_log_of_approvals_was_altered(tmp_path: Path) -> None:
    """An altered log of approvals is told; runs are found and can be stopped all the same, and no decision is made up."""
    async with served(tmp_path) as (it, page):
        waiting = await it.plan(2, "later")
        run = await it.started(3, "earlier")
        await it.ended(run)
        (it.settings.state_dir / "approvals" / "approvals.jsonl").write_text("altered\n")
        shown = await page.ask("GET", "/", await page.comes(Role.OPERATOR))
        assert (shown.status, "was altered at line 1" in shown.text) == (200, True)
        assert (f'href="/plans/{waiting}"' in shown.text, f'href="/runs/{run}"' in shown.text) == (True, True)
        assert ("Decision not known" in shown.text, "Waiting for approval" in shown.text) == (True, False)


async def test_trouble_with_a_file_names_no_folder_of_the_machine(tmp_path: Path) -> None:
    """Whoever looks at the page reads which file was altered, and not where it lies on the server."""
    async with served(tmp_path) as (it, page):
        waiting = await it.plan(2)
        await it.ended(await it.started(1))
        (it.settings.state_dir / "approvals" / "approvals.jsonl").write_text("altered\n")
        cookie = await page.comes(Role.APPROVER)
        for path in ("/", f"/plans/{waiting}"):
            shown = (await page.ask("GET", path, cookie)).text
            assert "approvals/approvals.jsonl was altered" in shown
            assert tmp_path.name not in shown


async def test_history_is_paged(tmp_path: Path) -> None:
    """More than fit on a page are on the next one; a page that is not there is the last."""
    async with served(tmp_path) as (it, page):
        plan = it.settings.state_dir / "plans" / f"{await it.plan(1)}.plan"
        for number in range(2, 28):
            shutil.copy(plan, plan.with_stem(f"{plan.stem}-{number}"))
        cookie = await page.comes(Role.PREPARER)
        assert "Imports 1–25 of 27" in (await page.ask("GET", "/", cookie)).text
        for asked in ("2", "99"):
            assert "Imports 26–27 of 27" in (await page.ask("GET", f"/?page={asked}", cookie)).text


async def test_folders_of_the_command_line_are_not_shown(tmp_path: Path) -> None:
    """Of a file that the command line took, the page shows its own name and no folder of the machine."""
    async with served(tmp_path) as (it, page):
        run = await it.started(1)
        await it.ended(run)
        cookie = await page.comes(Role.PREPARER)
        for path in ("/", f"/runs/{run}", f"/runs/{run}/state"):
            assert tmp_path.name not in (await page.ask("GET", path, cookie)).text


async def test_hostile_names_are_shown_as_text(tmp_path: Path) -> None:
    """A file's name is text wherever it is shown."""
    async with served(tmp_path) as (it, page):
        run = await it.started(1, "<img src=x onerror=alert(1)>")
        await it.ended(run)
        cookie = await page.comes(Role.PREPARER)
        for path in ("/", f"/runs/{run}"):
            shown = (await page.ask("GET", path, cookie)).text
            assert "<img src=x" not in shown
            assert "&lt;img src=x" in shown
