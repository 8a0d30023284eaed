"""A server that is killed while it carries a run on: the next one goes on, and nothing is created twice."""

import asyncio
import re
from collections import Counter
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, CookieJar

from tests.e2e.office import STORY, Office
from tests.harness.bench import sandbox

ROWS = 40
SLOWLY = {
    "IMPORTER_REQUIRE_APPROVAL": "false",
    "IMPORTER_FOUR_EYES": "false",
    "IMPORTER_RATE": "30/s",
    "IMPORTER_CONCURRENCY": "4",
}


async def until(session: ClientSession, url: str, fits: Any) -> dict[str, Any]:
    """The first state of a run that fits."""
    async with asyncio.timeout(60):
        while True:
            async with session.get(url) as answer:
                state: dict[str, Any] = await answer.json()
            if fits(state):
                return state


async def test_run_of_a_killed_server_goes_on_with_the_next(tmp_path: Path) -> None:
    """Killed with -9 in the middle of a run and started again, the server goes on by itself: each row is created once."""
    file = tmp_path / "rows.csv"
    lines = [f"K-{n:03},Billing,row {n}" for n in range(ROWS)]
    file.write_text("\n".join(["External ID,Queue,Description", *lines]) + "\n", "utf-8")
    with sandbox(tmp_path, STORY) as world:
        office = Office(tmp_path, world, SLOWLY)
        plan = office.previews(file)
        office.lets_in({"clara": "operator"})
        office.opens()
        try:
            async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
                async with session.get(office.link("clara")) as answer:
                    assert answer.status == 200
                async with session.get(f"{office.url}/plans/{plan}") as answer:
                    form = dict(re.findall(r'name="(csrf|digest)" value="([^"]+)"', await answer.text()))
                starting = session.post(f"{office.url}/plans/{plan}/run", data=form, headers={"Origin": office.url})
                async with starting as answer:
                    assert answer.status == 200, await answer.text()
                    state = f"{answer.url}/state"
                await until(session, state, lambda now: now["counts"]["created"] >= 5)
                office.dies()
                before = world.tasks("K-").total()
                office.opens()
                ended = await until(session, state, lambda now: not now["going_on"])
        finally:
            office.closes()
        assert 5 <= before < ROWS
        assert (ended["standing"], ended["counts"]["created"]) == ("completed", ROWS)
        assert world.tasks("K-") == Counter({f"K-{n:03}": 1 for n in range(ROWS)})
