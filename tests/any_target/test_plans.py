"""Plans and runs know their target: whoever asks for another one is refused, and nothing is created anywhere."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from importer.sandbox.scenario import Limit, Scenario
from importer.sandbox.server import Sandbox
from tests.harness.scene import Scene, external_ids, write_rows

ROWS = 3
REFUSED = 4
SCENARIO = Scenario(unique=False, index_lag_s=0.1, limit=Limit(calls=0))


@pytest.mark.parametrize(("target", "other"), [("tasks", "workitems"), ("workitems", "tasks")])
async def test_any_target_refuses_a_plan_of_another_one(target: str, other: str, tmp_path: Path) -> None:
    """A plan of one target is not run at the other, nor is a run carried on there; by itself it runs where it belongs."""
    journal = tmp_path / "journal.jsonl"
    write_rows(tmp_path / "tasks.csv", external_ids(ROWS), target)
    async with Sandbox(SCENARIO, seed=7, journal=journal) as sandbox:
        who = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
        place = Scene(tmp_path, who, journal, sandbox.api_url, {"IMPORTER_INDEX_LAG": "200ms"})

        async def ends(*words: str) -> tuple[int, str]:
            code, body = await asyncio.to_thread(place.ends, *words)
            return code, str(body)

        code, told = await asyncio.to_thread(place.ends, "preview", "tasks.csv", "--target", target)
        assert code == 0, told
        plan = told["plan"]
        code, words = await ends("run", plan, "--target", other, "--yes")
        assert (code, place.committed()) == (REFUSED, 0)
        assert target in words
        assert other in words
        code, body = await asyncio.to_thread(place.ends, "run", plan, "--track", "none")
        assert (code, body["counts"]["created"]) == (0, ROWS)
        place = replace(place, settings={**place.settings, "IMPORTER_TARGET": other})
        code, words = await ends("resume", body["run"])
        assert (code, place.committed()) == (REFUSED, ROWS)
        assert target in words
