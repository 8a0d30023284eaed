"""How many calls a row the `workitems` target makes, counted at the sandbox: look-ups, create, and to the end with history.

python -m tests.bench.calls          # 1,000 rows in each of six worlds
"""

import asyncio
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from importer.core.outcomes import Outcome
from tests.flow.conftest import ids, watched
from tests.flow.desk import Desk, a_desk

WORLDS: dict[str, dict[str, Any]] = {
    "calm": {},
    "a live organisation's pages": {"workitems": {"empty_pages": 1, "page_fill": 0.8, "status_404_after_create_s": 0.5}},
    "IN refused for tags": {"workitems": {"in_external_tag": False, "results_shuffled": True}},
    "IN refused altogether": {"workitems": {"in_external_tag": False}},
    "one by one": {},
    "lives of minutes": {"workitems": {"life": {"alerting": [10.0, 120.0], "connected": [5.0, 60.0], "disconnected": [60.0, 600.0], "closed": [5.0, 60.0]}}},
}  # fmt: skip
ROWS = 1_000
MOST = 100_000


async def counted(world: str, rows: int) -> dict[str, Counter[str]]:
    """The calls of each step in a world: `look-ups` of a preview, `create`, and `to the end`."""
    with tempfile.TemporaryDirectory() as folder:
        async with a_desk(Path(folder), **WORLDS[world]) as desk:
            desk.pace.calls_most = MOST
            desk.bulk = world != "one by one"
            if world == "IN refused altogether":
                refusal = {"status": 400, "code": "invalid.query.operator.and.type", "message": "No IN."}
                desk.goes_wrong("workitem_query", "status:400", at=(1, 2), body=json.dumps(refusal))
                await desk.driven(desk.items.search.by_id(["00000000-0000-4000-8000-000000000000"], "none"))
            return await _steps(desk, rows)


async def _steps(desk: Desk, rows: int) -> dict[str, Counter[str]]:
    tags = ids(rows)
    with watched(desk) as looked:
        planned = await desk.previews(
            "External ID,Name,Worktype\n" + "".join(f"{tag},Case {tag},Case\n" for tag in tags)
        )
    run = desk.plans(tags, [row.payload or {} for row in planned])
    with watched(desk) as sent:
        await desk.carries_on(run)
    with watched(desk) as followed:
        await desk.carries_on(run, track="closed")
    assert {row.outcome for row in desk.rows(run)} == {Outcome.CREATED}
    return {"look-ups": looked, "create": sent, "to the end": followed}


def main(rows: int) -> None:
    """Prints a line for each world and step: calls a row, and how many of which kind."""
    for world in WORLDS:
        for step, calls in asyncio.run(counted(world, rows)).items():
            kinds = ", ".join(f"{name} {number}" for name, number in calls.most_common() if number)
            sys.stdout.write(f"{world:30} {step:11} {calls.total() / rows:6.3f} a row   {kinds}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
